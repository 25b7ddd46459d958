//! The operating system's side: disks, nodes, locks, signals, and what the boot left behind. No policy here.

pub mod aligned;
#[cfg(feature = "program")]
pub mod booted;
pub mod disk;
pub mod drive;
pub mod error;
#[cfg(test)]
mod eventually;
pub mod file;
pub mod find;
mod in_flight;
pub mod kernel_words;
pub mod lock;
mod medium;
pub mod node;
#[cfg(feature = "program")]
pub mod program;
#[cfg(feature = "program")]
mod queue;
#[cfg(feature = "program")]
pub mod signal;
#[cfg(feature = "program")]
pub mod watchdog;

pub use aligned::AlignedBuf;
pub use disk::{Disk, Kind, Mode, OpenHow};
pub use error::{Class, Fault, OsError};
pub use lock::Lock;
#[cfg(feature = "program")]
pub use queue::Queue;
#[cfg(feature = "program")]
pub use signal::Interrupt;
