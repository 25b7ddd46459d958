//! A/B image updates that never brick, for firmware, boot loaders and embedded Linux.
//!
//! One signed root hash is the only thing to trust; the dm-verity hash tree below it authenticates every block before the
//! slot that holds it can boot. No allocator, no unsafe code, no operating system: a caller brings a [`BlockIo`] for the
//! disk, an [`embedded_io::Read`] for the bundle, and buffers.
//!
//! ```text
//!  floor 3  acts       activate  cancel  install  disarm  flip  survey  word  region  check  observe  apply  plan   disk writes in order
//!  floor 2  judgement  boot  policy  slot  version                pure: no IO, no clock, total
//!  floor 1  formats    bundle  manifest  verity  gpt              bytes to values that are valid
//!  floor 0  words, IO  bytes  block  digest  id  limits  time  error  io  units, the device seam
//! ```
//! Imports go downward only; a test reads every `use crate::` line to hold it.
//!
//! The types carry the order of an installation: [`bundle::Unverified`], [`bundle::Verified`], [`policy::Admitted`],
//! [`disarm::Disarmed`], [`install::Staged`]. Each is made only by the act that earns it, so what is not verified cannot be
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
//! # use libupdate::{activate, policy::Admitted, slot::PartitionSpec, gpt::TriesLeft, BlockIo};
//! fn arm<D: BlockIo>(disk: &mut D, specs: &[PartitionSpec<'_>], it: &Admitted<'_>, scratch: &mut [u8]) {
//!     activate::arm(disk, specs, it, TriesLeft::MAX, scratch).is_ok();
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

pub mod activate;
pub mod apply;
pub mod block;
pub mod boot;
pub mod bundle;
pub mod bytes;
pub mod cancel;
pub mod check;
pub mod digest;
pub mod disarm;
pub mod error;
mod flip;
pub mod gpt;
pub mod id;
pub mod install;
pub mod io;
pub mod limits;
pub mod manifest;
pub mod observe;
pub mod plan;
pub mod policy;
#[cfg(test)]
mod ram_disk;
pub mod region;
pub mod slot;
pub mod survey;
pub mod time;
pub mod verity;
pub mod version;
pub mod word;

pub use block::{BlockCount, BlockSize, ByteLen, ByteOffset, Extent, Lba};
pub use digest::{BlockHasher, Digest, RootHash, Salt, SoftHasher};
pub use error::Error;
pub use id::SlotId;
pub use io::{BlockIo, Window};
pub use time::UnixSeconds;
