//! A/B image updates that never brick, for firmware, boot loaders and embedded Linux.
//!
//! One signed root hash is the only thing to trust; the dm-verity hash tree below it authenticates every block before the
//! slot that holds it can boot. No allocator, no unsafe code, no operating system: a caller brings a [`BlockIo`] for the
//! disk, an [`embedded_io::Read`] for the bundle, and buffers.
//!
//! ```text
//!  floor 10  facade    device                   every act in its one order
//!  floor 9   acts       install                  an image into its slot: mark, stream, flush, read back, trailer
//!  floor 8   acts       transition               changes of slot bits: disarm, arm, spend, mark, roll back, cancel
//!  floor 7   judgement  inspect                  what is on the disk
//!  floor 6   judgement  policy                   may this bundle be installed, and where: pure
//!  floor 5   records    region                   what a slot keeps after its images: trailer, mark, boot note, confirmation
//!  floor 4   judgement  boot                     which slot boots: pure
//!  floor 3   formats    bundle                   head, signatures, keys, index pages, the writer
//!  floor 2   formats    manifest  slot  verity   bytes to values that are valid
//!  floor 1   formats    gpt                      the partition table: reading, and its one order of writes
//!  floor 0   words, IO  units  error  io         units, errors, the device seam
//! ```
//! Imports go downward only; a test reads every `use crate::` line to hold it.
//!
//! The types carry the order of an installation: [`bundle::Unverified`], [`bundle::Verified`], [`policy::Admitted`],
//! [`transition::Disarmed`], [`transition::Staged`]. Each is made only by the act that earns it, so what is not verified cannot be
//! admitted, and what is not staged cannot be armed:
//!
//! ```
//! # use libupdate::{bundle::{Anchors, Unverified}, error::Corrupt, policy::{self, Admitted, Facts, Wishes}, slot::SlotTable, Error};
//! fn judge<'a>(it: Unverified<'a>, keys: &Anchors, facts: &Facts<'_>, table: &SlotTable<'_>) -> Result<Admitted<'a>, Error<Corrupt>> {
//!     let it = it.verify(keys)?;
//!     policy::admit(it, facts, table, Wishes::default())
//! }
//! ```
//! The same without the line that verifies does not compile:
//!
//! ```compile_fail,E0308
//! # use libupdate::{bundle::{Anchors, Unverified}, error::Corrupt, policy::{self, Admitted, Facts, Wishes}, slot::SlotTable, Error};
//! fn judge<'a>(it: Unverified<'a>, keys: &Anchors, facts: &Facts<'_>, table: &SlotTable<'_>) -> Result<Admitted<'a>, Error<Corrupt>> {
//!     policy::admit(it, facts, table, Wishes::default())
//! }
//! ```
//! Nor does arming what was only admitted:
//!
//! ```compile_fail,E0308
//! # use libupdate::{transition, policy::Admitted, slot::PartitionSpec, gpt::TriesLeft, BlockIo};
//! fn arm<D: BlockIo>(disk: &mut D, specs: &[PartitionSpec<'_>], it: &Admitted<'_>, scratch: &mut [u8]) {
//!     transition::arm(disk, specs, it, TriesLeft::MAX, scratch).is_ok();
//! }
//! ```
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        reason = "a test that panics is a test that fails"
    )
)]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod boot;
pub mod bundle;
pub mod device;
pub mod error;
pub mod gpt;
pub mod inspect;
pub mod install;
pub mod io;
pub mod manifest;
pub mod policy;
pub mod region;
pub mod slot;
pub mod transition;
pub mod units;
pub mod verity;

pub use error::Error;
pub use io::{BlockIo, Window};
pub use units::block::{BlockCount, BlockSize, ByteLen, ByteOffset, Extent, Lba};
pub use units::digest::{BlockHasher, Digest, RootHash, Salt, SoftHasher};
pub use units::slot_id::SlotId;
pub use units::time::UnixSeconds;
