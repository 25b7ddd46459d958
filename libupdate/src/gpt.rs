//! The GUID partition table.

mod attributes;

pub use attributes::{Attributes, Priority, SlotBits, Successful, TriesLeft};
