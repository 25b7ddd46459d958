//! The GUID partition table: read and judged here, written in [`write`](mod@write).
//!
//! One noun a file: [`Guid`], [`Attributes`], [`Entry`], [`Header`], the array of entries, one copy, and [`Table`], which
//! is what two copies agree on. Everything streams through a scratch buffer of at least [`SCRATCH_BYTES`].
//!
//! ```
//! use libupdate::gpt::{CopyState, SCRATCH_BYTES, SlotBits, Table};
//! use libupdate::{BlockIo, Error};
//!
//! /// The slot bits of the partition labelled `label`, and whether both copies of the table are good.
//! fn bits<D: BlockIo>(disk: &mut D, label: &str) -> Result<(Option<SlotBits>, bool), Error<D::Error>> {
//!     let mut scratch = [0; SCRATCH_BYTES];
//!     let table = Table::read(disk, &mut scratch)?;
//!     let mut found = None;
//!     table.entries(disk, &mut scratch, |entry| {
//!         if entry.name.eq_str(label) {
//!             found = Some(entry.attributes.slot_bits());
//!         }
//!     })?;
//!     let both = [table.primary(), table.backup()].iter().all(|copy| copy.state() == CopyState::Valid);
//!     Ok((found, both))
//! }
//! ```

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
pub mod write;

pub use array::SCRATCH_BYTES;
pub(crate) use array::{check_scratch, numbered, pieces};
pub use attributes::{Attributes, Priority, SlotBits, Successful, TriesLeft};
pub use copy::{CopyId, CopyReport, CopyState};
pub(crate) use entry::ATTRIBUTES_AT;
pub use entry::{Entry, EntryNumber, PartitionName};
pub use guid::Guid;
pub(crate) use header::{ENTRIES_LBA_AT, FIRST_ENTRIES_LBA, PRIMARY_LBA};
pub use header::{ENTRY_BYTES, Header};
pub use probe::{DiskEnds, PROBE_BYTES, detect_block_size};
pub(crate) use table::EntryPlace;
pub use table::{BothCopies, Table};
