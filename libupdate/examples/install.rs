//! An installer in few lines, without allocator: the bundle of a stream into the slot that does not run, which boots next.
//! The disk and the stream are slices here; firmware has its own [`BlockIo`] and [`Source`].

use libupdate::boot::Guard;
use libupdate::bundle::Anchors;
use libupdate::device::{Board, Device, Installed, OnGrown, Request, Room, Work};
use libupdate::gpt::TriesLeft;
use libupdate::inspect::View;
use libupdate::install::progress::Silent;
use libupdate::install::{NoDecompressor, Source};
use libupdate::policy::Compression;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::{BlockIo, BlockSize, Error, SliceDisk, SlotId, SoftHasher, guid};

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "small numbers of its own")]
#[path = "made/factory.rs"]
mod factory;

const PARTITIONS: [PartitionSpec<'static>; 2] = [root(SlotId::A, "root-a"), root(SlotId::B, "root-b")];

const fn root(slot: SlotId, label: &'static str) -> PartitionSpec<'static> {
    let type_guid = guid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
    PartitionSpec { slot, role: "root", label, type_guid, duty: Duty::Control }
}

/// What the acts know of this board. `booted` is what the boot loader said.
fn board(anchors: &Anchors, booted: Option<SlotId>) -> Board<'_> {
    let compression = Compression::None;
    let view = View { compatible: "acme-box", specs: &PARTITIONS, anchors, booted, compression };
    Board { view, tries: TriesLeft::ONE, guard: Guard::Off, backup: OnGrown::Stays }
}

/// The whole act: verified, written, read back, and armed last of all. A cut at any point leaves a device that boots.
fn install<D: BlockIo, S: Source>(
    disk: &mut D,
    board: Board<'_>,
    bundle: &mut S,
) -> Result<Installed, Error<D::Error>> {
    let (mut data, mut hasher, mut decompressor) = ([0; 4096], SoftHasher, NoDecompressor);
    let mut work = Work::new(&mut data, &mut hasher, &mut decompressor);
    let mut scratch = [0; 4096];
    Device::new(disk, board, &mut scratch).install(
        bundle,
        &Request::default(),
        &mut Room::new(),
        &mut work,
        &mut Silent,
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let factory = factory::Factory::new("acme-box")?;
    let mut memory = factory.device(board(&factory.anchors, None), "1.0")?;
    let mut disk = SliceDisk::new(&mut memory, BlockSize::B512);
    let board = board(&factory.anchors, Some(SlotId::A));
    let installed = install(&mut disk, board, &mut factory.bundle("1.1")?.as_slice())?;
    assert_eq!((installed.slot, installed.version.as_str()), (SlotId::B, "1.1"));
    println!("{} is in slot {}, which boots next", installed.version, installed.slot.letter());
    Ok(())
}
