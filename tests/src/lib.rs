//! What the integration tests share.
//!
//! - [`cli`]: the program under test.
//! - [`file_disk`]: a disk in a file.
//! - [`tool`]: foreign tools as oracles.
//! - [`tree`]: the files of the project, as a commit would hold them.
//! - [`markdown`]: fences, headings and links of a document.
//! - [`rust_source`]: tokens, functions and paths of a Rust file, for the tests that hold the house style.

pub mod cli;
pub mod file_disk;
pub mod markdown;
pub mod rust_source;
pub mod tool;
pub mod tree;
