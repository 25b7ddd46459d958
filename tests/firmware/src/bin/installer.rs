//! A whole installation with buffers of 4 KiB: verify the envelope, admit, disarm, stream, read back, arm.
#![no_std]
#![no_main]

use core::mem::MaybeUninit;
use core::num::NonZeroUsize;

use embedded_io::Read;
use firmware::memory::Once;
use firmware::{board, host, startup};
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::bundle::{Anchors, PublicKey, Unverified};
use libupdate::install::Buffers;
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::transition::{Disarmed, disarm};
use libupdate::gpt::CopyState;
use libupdate::install::{self, NoDecompressor, Tools};
use libupdate::transition::Staged;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::install::progress::Silent;
use libupdate::policy::{self, Admitted, Compression, Facts, Wishes};
use libupdate::slot::SlotTable;
use libupdate::inspect::{self, Memory, View};
use libupdate::{SlotId, SoftHasher, transition};

/// All the memory of an installation, but for the stack.
struct Room {
    slots: SlotTable<'static>,
    envelope: [u8; ENVELOPE_BYTES],
    trailer: [u8; TRAILER_BYTES],
    data: [u8; BLOCK_BYTES],
    leaf: [u8; BLOCK_BYTES],
    block: [u8; BLOCK_BYTES],
    page: [u8; BLOCK_BYTES],
}

static ROOM: Once<Room> = Once::new(Room {
    slots: SlotTable::empty(),
    envelope: [0; ENVELOPE_BYTES],
    trailer: [0; TRAILER_BYTES],
    data: [0; BLOCK_BYTES],
    leaf: [0; BLOCK_BYTES],
    block: [0; BLOCK_BYTES],
    page: [0; BLOCK_BYTES],
});

static ANCHORS: Once<MaybeUninit<Anchors>> = Once::new(MaybeUninit::uninit());
static FACTS: Once<Facts<'static>> = Once::new(Facts::nothing());

/// The step that failed; its number is the exit code.
#[derive(Clone, Copy)]
enum Step {
    Open = 1,
    Trust,
    Envelope,
    Signature,
    Survey,
    Policy,
    Disarm,
    Stage,
    Arm,
}

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let code = match ROOM.take().map_or(Err(Step::Open), install) {
        Ok(slot) => {
            host::say("armed ");
            host::say(slot.letter().encode_utf8(&mut [0; 4]));
            host::say("\n");
            0
        }
        #[expect(clippy::as_conversions, reason = "the number of a step is its exit code")]
        Err(step) => step as u32,
    };
    startup::finish(code)
}

/// Each step is a function of its own, so that the stack holds the largest of them and not their sum.
fn install(room: &'static mut Room) -> Result<SlotId, Step> {
    let mut disk = host::HostDisk::open(board::DISK).map_err(|_| Step::Open)?;
    let mut bundle = host::HostFile::open(board::BUNDLE).map_err(|_| Step::Open)?;
    let Room { slots, envelope, trailer, data, leaf, block, page } = room;
    let anchors = trust(ANCHORS.take().ok_or(Step::Open)?)?;
    let facts = FACTS.take().ok_or(Step::Open)?;
    look(&mut disk, anchors, slots, facts, &mut Memory { trailer, block, other: page })?;
    let admitted = admit(&mut bundle, (envelope, anchors), (facts, slots))?;
    let mut buffers = Buffers { data, carried: &mut [], leaf, block, page };
    let disarmed = disarm_target(&mut disk, admitted, buffers.data)?;
    let staged = stage_target(&mut disk, disarmed, &mut bundle, &mut buffers)?;
    arm(&mut disk, &staged, buffers.data)
}

#[inline(never)]
fn trust(room: &'static mut MaybeUninit<Anchors>) -> Result<&'static Anchors, Step> {
    let mut der = [0; 128];
    let mut file = host::HostFile::open(board::TRUST).map_err(|_| Step::Open)?;
    let len = file.read(&mut der).map_err(|_| Step::Open)?;
    let key = PublicKey::from_spki(der.get(..len).ok_or(Step::Trust)?).map_err(|_| Step::Trust)?;
    Ok(room.write(Anchors::new(&[key], NonZeroUsize::MIN).map_err(|_| Step::Trust)?))
}

#[inline(never)]
fn look(
    disk: &mut host::HostDisk,
    anchors: &'static Anchors,
    slots: &mut SlotTable<'static>,
    facts: &mut Facts<'static>,
    memory: &mut Memory<'_>,
) -> Result<(), Step> {
    let view = View {
        compatible: board::COMPATIBLE,
        specs: &board::PARTITIONS,
        anchors,
        booted: None,
        compression: Compression::None,
    };
    let table = inspect::find_into(disk, view.specs, slots, &mut memory.block[..]).map_err(|_| Step::Survey)?;
    if table.backup().state() != CopyState::Valid {
        host::say("the backup table needs repair\n");
    }
    inspect::facts_into(disk, &view, slots, facts, memory).map_err(|_| Step::Survey)
}

#[inline(never)]
fn admit<'r>(
    bundle: &mut host::HostFile,
    (envelope, anchors): (&'r mut [u8; ENVELOPE_BYTES], &Anchors),
    (facts, slots): (&Facts<'_>, &SlotTable<'_>),
) -> Result<Admitted<'r>, Step> {
    let unverified = Unverified::read(bundle, envelope).map_err(|_| Step::Envelope)?;
    let verified = unverified.verify(anchors).map_err(|_| Step::Signature)?;
    policy::admit::<host::HostError>(verified, facts, slots, Wishes::default()).map_err(|_| Step::Policy)
}

#[inline(never)]
fn disarm_target<'r>(
    disk: &mut host::HostDisk,
    admitted: Admitted<'r>,
    scratch: &mut [u8],
) -> Result<Disarmed<'r>, Step> {
    disarm(disk, &board::PARTITIONS, admitted, scratch).map(|(disarmed, _)| disarmed).map_err(|_| Step::Disarm)
}

#[inline(never)]
fn stage_target<'r>(
    disk: &mut host::HostDisk,
    disarmed: Disarmed<'r>,
    bundle: &mut host::HostFile,
    buffers: &mut Buffers<'_>,
) -> Result<Staged<'r>, Step> {
    let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut NoDecompressor, observer: &mut Silent };
    install::stage(disk, disarmed, bundle, buffers, &mut tools).map_err(|_| Step::Stage)
}

#[inline(never)]
fn arm(disk: &mut host::HostDisk, staged: &Staged<'_>, scratch: &mut [u8]) -> Result<SlotId, Step> {
    let outcome = transition::arm(disk, &board::PARTITIONS, staged, board::TRIES, scratch).map_err(|_| Step::Arm)?;
    if outcome.warning.is_some() {
        host::say("armed, but the backup table needs repair\n");
    }
    Ok(staged.slot())
}
