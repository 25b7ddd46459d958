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
//! 1. What the caller read must still stand on the disk: otherwise
//!    [`TableFault::ChangedUnderUs`](crate::error::TableFault), with nothing written.
//! 2. Nothing is written until everything is computed, and nothing at all if nothing changes.
//! 3. A failed flush ends the act. It is not tried again: nobody knows what the device dropped.
//! 4. A copy marked `IGNOREME` is never written.
//! 5. `scratch` has [`SCRATCH_BYTES`](crate::gpt::SCRATCH_BYTES) at least. That takes a primary header and 24 entries
//!    of a 512-byte disk in one write, 17408 bytes a whole usual table.

mod commit;
mod create;
mod edit;
mod executor;
mod repair;

pub use commit::{Effect, Outcome, Warning, commit};
pub use create::{FreshTable, create};
pub use edit::Edit;
pub use repair::{BackupPlace, Relocate, Repair, repair};

#[cfg(test)]
mod tests;
