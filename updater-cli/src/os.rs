//! The operating system's side: disks, nodes, locks, signals, and what the boot left behind. No policy here.

pub mod aligned;
pub mod booted;
pub mod disk;
pub mod error;
#[cfg(test)]
mod eventually;
pub mod find;
pub mod lock;
mod medium;
pub mod node;
pub mod reboot;
pub mod reread;
pub mod signal;

pub use aligned::AlignedBuf;
pub use booted::Booted;
pub use disk::{Disk, Kind, Mode, OpenHow};
pub use error::{Class, Fault, OsError};
pub use lock::Lock;
pub use signal::Interrupt;
