//! A/B image updates that never brick, for firmware, boot loaders and embedded Linux.
//!
//! A device holds two copies of its system, the slots. An update is written to the one that does not run, every block of it is checked
//! against one signed root hash, and a single write to the GPT makes it the next to boot. If the new system does not start and say so, the
//! old one boots again. A power cut at any point leaves a device that boots the old system or the new one: `docs/POWER.md` in the
//! repository has each cut, and a laboratory that tries them all.
//!
//! For whoever writes a boot loader, firmware that installs updates, or an updater for Linux (`libupdate-linux` adds disks, locks and keys;
//! `updater-cli` and `initramfs-hook` are a program and a boot hook made of the two). No allocator, no unsafe code, no operating system: a
//! caller brings a [`BlockIo`] for the disk, an [`install::Source`] for the bundle, and memory.
//!
//! # A boot
//!
//! [`device::choose_and_spend`] needs no key and 4 KiB of memory besides the stack. `examples/boot.rs` is a whole chooser.
//!
//! ```
//! use libupdate::boot::Guard;
//! use libupdate::device::choose_and_spend;
//! use libupdate::slot::{Duty, PartitionSpec};
//! use libupdate::{BlockIo, Error, SlotId, guid};
//!
//! /// The profile: one partition for each slot, found by label and type.
//! const PARTITIONS: [PartitionSpec<'static>; 2] = [root(SlotId::A, "root-a"), root(SlotId::B, "root-b")];
//!
//! const fn root(slot: SlotId, label: &'static str) -> PartitionSpec<'static> {
//!     let type_guid = guid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
//!     PartitionSpec { slot, role: "root", label, type_guid, duty: Duty::Control }
//! }
//!
//! /// The slot to load and start, whose try is spent; `None` if none is bootable.
//! fn choose<D: BlockIo>(disk: &mut D) -> Result<Option<SlotId>, Error<D::Error>> {
//!     let chosen = choose_and_spend(disk, &PARTITIONS, Guard::Off, &mut [0; 4096])?;
//!     Ok(chosen.attempt.map(|attempt| attempt.token.slot()))
//! }
//! # mod table { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/made/table.rs")); }
//! # let [a, b] = PARTITIONS;
//! # let mut memory = table::disk(&[(a, table::GOOD), (b, table::TRIAL)])?;
//! # let mut disk = libupdate::SliceDisk::new(&mut memory, libupdate::BlockSize::B512);
//!
//! // Slot b is newer and has one try. It never says that it works, so slot a boots again.
//! assert_eq!(choose(&mut disk)?, Some(SlotId::B));
//! assert_eq!(choose(&mut disk)?, Some(SlotId::A));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`device::Device::boot`] does more before it starts a slot: it checks the signatures of what the slot holds, and falls to the next slot.
//!
//! # An installation
//!
//! [`device::Device::install`] is the whole act. `examples/install.rs` is a whole installer.
//!
//! ```
//! use libupdate::device::{Board, Device, Installed, Request, Room, Work};
//! use libupdate::install::progress::Silent;
//! use libupdate::install::{NoDecompressor, Source};
//! use libupdate::{BlockIo, Error, SoftHasher};
//!
//! /// Verifies, writes, reads back, and arms last of all.
//! fn install<'p, D: BlockIo, S: Source>(
//!     disk: &mut D,
//!     board: Board<'p>,
//!     bundle: &mut S,
//!     room: &mut Room<'p>,
//! ) -> Result<Installed, Error<D::Error>> {
//!     let (mut data, mut hasher, mut decompressor) = ([0; 4096], SoftHasher, NoDecompressor);
//!     let mut work = Work::new(&mut data, &mut hasher, &mut decompressor);
//!     let mut scratch = [0; 4096];
//!     Device::new(disk, board, &mut scratch).install(bundle, &Request::default(), room, &mut work, &mut Silent)
//! }
//! # #[cfg(feature = "std")] mod factory { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/made/factory.rs")); }
//! # #[cfg(feature = "std")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use libupdate::{BlockSize, SliceDisk, SlotId, boot::Guard, gpt::TriesLeft, inspect::View, policy::Compression};
//! # use libupdate::{device::OnGrown, guid, slot::{Duty, PartitionSpec}};
//! # let type_guid = guid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
//! # let specs = [(SlotId::A, "root-a"), (SlotId::B, "root-b")]
//! #     .map(|(slot, label)| PartitionSpec { slot, role: "root", label, type_guid, duty: Duty::Control });
//! # let factory = factory::Factory::new("acme-box")?;
//! # let view = View { compatible: "acme-box", specs: &specs, anchors: &factory.anchors, booted: None, compression: Compression::None };
//! # let mut board = Board { view, tries: TriesLeft::ONE, guard: Guard::Off, backup: OnGrown::Stays };
//! # let mut memory = factory.device(board, "1.0")?;
//! # let (mut disk, bundle) = (SliceDisk::new(&mut memory, BlockSize::B512), factory.bundle("1.1")?);
//! # board.view.booted = Some(SlotId::A);
//!
//! let installed = install(&mut disk, board, &mut bundle.as_slice(), &mut Room::new())?;
//! assert_eq!(installed.slot, SlotId::B);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))] fn main() {}
//! ```
//!
//! # Features
//!
//! - `std`, off by default: [`bundle::writer`](crate::bundle), which makes bundles on a build machine. A device only reads them.
//! - `packs`, off by default: [`bundle`]`::pack`, for who merges packs. Without it a pack is refused by its feature bit.
//!
//! # Stability
//!
//! Version 0.1: the API may change with each minor version, and needs Rust 1.89. What is on disks and in bundles has version numbers of its own;
//! `docs/FORMAT.md`, section 12, says how the formats may grow.
//!
//! # Rooms
//!
//! ```text
//!  floor 10  facade    device                   every act in its one order
//!  floor 9   acts       install                  an image into its slot: mark, stream, flush, read back, trailer
//!  floor 9   seam       loader                   the store of a boot loader that chooses by itself
//!  floor 8   acts       transition               changes of slot bits: disarm, arm, spend, mark, roll back, cancel
//!  floor 7   judgement  inspect                  what is on the disk
//!  floor 6   judgement  policy                   may this bundle be installed, and where: pure
//!  floor 5   records    region  hook_config      what a slot keeps after its images, and what a boot knows of its board
//!  floor 4   judgement  boot                     which slot boots: pure
//!  floor 3   formats    bundle                   head, signatures, keys, index pages, deltas, the writer
//!  floor 2   formats    manifest  slot  uki  verity  bytes to values that are valid
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
//!     let it = it.verify(keys).map_err(Error::Bundle)?;
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
pub mod hook_config;
pub mod inspect;
pub mod install;
pub mod io;
pub mod loader;
pub mod manifest;
pub mod policy;
pub mod region;
pub mod slot;
pub mod transition;
pub mod uki;
pub mod units;
pub mod verity;

pub use error::Error;
pub use io::{BlockIo, SliceDisk, Window};
pub use units::block::{BlockCount, BlockSize, ByteLen, ByteOffset, Extent, Lba};
pub use units::digest::{BlockHasher, Digest, RootHash, Salt, SoftHasher};
pub use units::slot_id::SlotId;
pub use units::time::UnixSeconds;
