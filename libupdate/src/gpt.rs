//! The GUID partition table: read and judged, never written here (that is `plan` and `apply`, a floor higher).
//!
//! One noun a file: [`Guid`], [`Attributes`], [`Entry`], [`Header`], the array of entries, one copy, and [`Table`], which is what
//! two copies agree on. Everything streams through a scratch buffer of at least [`SCRATCH_BYTES`].

mod array;
mod attributes;
mod copy;
mod entry;
#[cfg(test)]
pub(crate) mod fixture;
mod guid;
mod header;
mod probe;
mod table;

pub use array::SCRATCH_BYTES;
pub(crate) use array::{check_scratch, numbered, pieces};
pub use attributes::{Attributes, Priority, SlotBits, Successful, TriesLeft};
pub use copy::{CopyId, CopyReport, CopyState};
pub(crate) use entry::ATTRIBUTES_AT;
pub use entry::ENTRY_BYTES;
pub use entry::{Entry, EntryNumber, PartitionName};
pub use guid::Guid;
pub use header::Header;
pub(crate) use header::{ENTRIES_LBA_AT, FIRST_ENTRIES_LBA, PRIMARY_LBA};
pub use probe::{DiskEnds, PROBE_BYTES, detect_block_size};
pub(crate) use table::EntryPlace;
pub use table::{Survey, Table};
