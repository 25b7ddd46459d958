//! What the integration tests share: a disk in a file, and foreign tools as oracles.

pub mod file_disk;
pub mod tool;
