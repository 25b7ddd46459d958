//! The acts that write a partition table: the steps of `plan`, taken one by one.
//!
//! | act | for | touches |
//! |---|---|---|
//! | [`commit`] | slot bits: arm, disarm, spend, mark | the touched entry blocks and the headers of both copies |
//! | [`repair`] | a damaged copy, a backup on a disk that grew | the bad copy; the new backup and the primary header |
//! | [`create`] | a new disk | the whole table |
//!
//! Rules that hold for all three:
//!
//! 1. A flush comes first: an earlier act may have been killed, or its flush may have failed, so that its writes are still in the disk's
//!    cache. The first write of this act must not share a window with them, and "done already" must not mean "in the cache".
//! 2. What the caller read must still be on the disk after that flush, and each copy again right before it is written: otherwise
//!    [`TableFault::ChangedUnderUs`](crate::error::TableFault), with that copy not written.
//! 3. Nothing is written until everything is computed, and nothing at all if nothing changes and both copies are whole.
//! 4. A failed flush ends the act. It is not tried again: nobody knows what the device dropped.
//! 5. A copy that reads back wrong without an error of the disk ends the act, while the other copy is whole.
//! 6. A copy marked `IGNOREME` is never written.
//! 7. `scratch` has [`SCRATCH_BYTES`](crate::gpt::SCRATCH_BYTES) at least. That takes a primary header and 24 entries
//!    of a 512-byte disk in one write, 17408 bytes a whole usual table.

mod commit;
mod create;
mod edit;
mod executor;
mod grown;
pub mod plan;
mod repair;

pub use commit::{Effect, Outcome, Warning, commit};
pub use create::{FreshTable, create};
pub use edit::Edit;
pub use executor::Backup;
pub(crate) use grown::to_the_end;
pub use grown::{ToTheEnd, bytes_before_end};
pub use repair::{BackupPlace, Relocate, Repair, repair};

#[cfg(test)]
mod tests;
