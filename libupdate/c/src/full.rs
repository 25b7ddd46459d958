//! The part with keys: install, boot, status, marks with notes.

use core::ffi::CStr;
use core::fmt::{self, Write as _};
use core::mem::size_of;
use core::num::NonZeroUsize;

use embedded_io::{ErrorKind, ErrorType, Read, ReadExactError};
use heapless::Vec;
use libupdate::boot::{Detail, Reason};
use libupdate::bundle::{Anchors, PublicKey};
use libupdate::device::{self, Claim, Device, Ending, News, Note, OnGrown, Reach, Room, Then, Work};
use libupdate::error::Misuse;
use libupdate::gpt::TriesLeft;
use libupdate::inspect::View;
use libupdate::install::NoDecompressor;
use libupdate::install::progress::{Flow, Observer, Phase, Progress};
use libupdate::policy::{Compression, Downgrade, FailedBefore, Wishes};
use libupdate::slot::SlotState;
use libupdate::units::limits::ANCHORS;
use libupdate::{Error, SlotId, SoftHasher, UnixSeconds};

use crate::abi;
use crate::chooser::{self, Board};
use crate::disk::{Disk, Refused};
use crate::ffi::calls;
use crate::ffi::given;
use crate::status::{Answer, DONE, Fault, Line, NOTHING, Wrong};

mod boot;

pub(crate) use boot::{Loader, boot};

/// What the header promises of the next number, for memory that the compiler lays out.
const _: () = assert!(MEMORY <= 52 << 10);
/// Bytes of memory at least: state, keys, a piece of the table, a block of the image, and what alignment costs.
pub(crate) const MEMORY: usize = size_of::<Room<'_>>() + size_of::<Anchors>() + 2 * 4096 + 4 * 64;

/// An open device: everything that its acts need, in the caller's memory.
pub(crate) struct Open<'c, 'm> {
    disk: &'m mut Disk<'c>,
    board: device::Board<'m>,
    scratch: &'m mut [u8],
    room: &'m mut Room<'m>,
    data: &'m mut [u8],
}

impl<'c, 'm> Open<'c, 'm> {
    /// Takes the memory apart: room, keys, a block of the table, and the rest for image data.
    pub(crate) fn new(
        disk: &'m mut Disk<'c>,
        board: &'m Board<'_>,
        (raw, compatible, keys): (&abi::Board, &'m str, &[&[u8]]),
        memory: &'m mut [u8],
    ) -> Result<Self, Wrong> {
        let (room, memory) = given::room::<Room<'m>>(memory)?;
        let (anchors, memory) = given::room::<Anchors>(memory)?;
        let (scratch, data) = memory.split_at_mut_checked(4096).ok_or(Wrong::Memory)?;
        let whole = data.len().checked_div(4096).unwrap_or_default().saturating_mul(4096).min(512 << 10);
        let data = data.get_mut(..whole).filter(|data| !data.is_empty()).ok_or(Wrong::Memory)?;
        let booted = chooser::slot_or_none(raw.booted)?;
        let anchors = anchors.write(trusted(keys, raw.threshold)?);
        let view = View { compatible, specs: &board.specs, anchors, booted, compression: Compression::None };
        let tries = TriesLeft::new(raw.tries).filter(|tries| tries.get() > 0).ok_or(Wrong::Argument)?;
        let board = device::Board { view, tries, guard: board.guard, backup: OnGrown::Stays };
        Ok(Self { disk, board, scratch, room: room.write(Room::new()), data })
    }

    fn device(&mut self) -> (Device<'_, 'm, Disk<'c>>, &mut Room<'m>, &mut [u8]) {
        let Self { disk, board, scratch, room, data } = self;
        (Device::new(disk, *board, scratch), room, data)
    }
}

// Not inlined: the keys are gone from the stack before an act begins.
#[inline(never)]
fn trusted(keys: &[&[u8]], threshold: usize) -> Result<Anchors, Wrong> {
    let mut read = Vec::<PublicKey, ANCHORS>::new();
    for key in keys {
        let key = PublicKey::from_spki(key).map_err(|_| Wrong::Argument)?;
        read.push(key).map_err(|_| Wrong::Argument)?;
    }
    if read.is_empty() {
        return Err(Wrong::Argument);
    }
    Anchors::new(&read, NonZeroUsize::new(threshold).unwrap_or(NonZeroUsize::MIN)).map_err(|_| Wrong::Argument)
}

/// A bundle that comes through a callback.
pub(crate) struct Source<'c>(pub(crate) calls::Source<'c>);

impl ErrorType for Source<'_> {
    type Error = ErrorKind;
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buf).map_err(|_| ErrorKind::Other)
    }
}

impl libupdate::install::Source for Source<'_> {
    fn skip(&mut self, bytes: u64, scratch: &mut [u8]) -> Result<(), ReadExactError<ErrorKind>> {
        match self.0.skip(bytes) {
            Some(0) => Ok(()),
            Some(_) => Err(ReadExactError::Other(ErrorKind::Other)),
            None => {
                let mut left = bytes;
                while left > 0 {
                    let len = usize::try_from(left).map_or(scratch.len(), |left| left.min(scratch.len()));
                    let piece = scratch.get_mut(..len.max(1)).ok_or(ReadExactError::UnexpectedEof)?;
                    self.read_exact(piece)?;
                    left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                }
                Ok(())
            }
        }
    }
}

/// Whoever hears of an act.
#[derive(Clone, Copy)]
pub(crate) struct Hearer<'c>(pub(crate) calls::Listener<'c>);

impl Observer for Hearer<'_> {
    fn progress(&mut self, progress: Progress) -> Flow {
        let phase = match progress.phase {
            Phase::Write => 1,
            Phase::Check => 2,
            Phase::Flush => 3,
            Phase::ReadBack => 4,
        };
        if self.0.progress(phase, progress.done.get(), progress.total.get()) { Flow::Continue } else { Flow::Stop }
    }
}

impl device::Listener for Hearer<'_> {
    fn hear(&mut self, news: &News<'_>) {
        let none: &dyn fmt::Display = &"";
        let (number, slot, what): (u32, Option<SlotId>, &dyn fmt::Display) = match news {
            News::Repaired(_) => (1, None, none),
            News::NoPlace => (2, None, none),
            News::NotRepaired(why) => (3, None, *why),
            News::Warning(_) => (4, None, none),
            News::TryNotSpent(slot, why) => (5, Some(*slot), *why),
            News::PassedOver(slot, why) => (6, Some(*slot), *why),
            News::KeepsBits(slot, why) => (7, Some(*slot), *why),
            News::NoteNotLeft(slot, why) => (8, Some(*slot), *why),
            News::NotMarkedGood(slot, why) => (9, Some(*slot), *why),
            News::LastResort => (10, None, none),
            _ => return,
        };
        let mut text = [0; abi::TEXT_BYTES];
        // A sentence that is too long ends where its room ends.
        write!(Line::new(&mut text), "{what}").unwrap_or_default();
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        self.0.say(number, slot.map_or(abi::NO_SLOT, chooser::number), text);
    }
}

/// The whole installation.
pub(crate) fn install(
    open: &mut Open<'_, '_>,
    source: &mut Source<'_>,
    request: &abi::Request,
    mut hearer: Hearer<'_>,
    out: &mut abi::Installed,
) -> Answer {
    let request = wishes(request)?;
    let (mut device, room, data) = open.device();
    let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
    let mut work = Work::new(data, hasher, decompressor);
    let installed = device.install(source, &request, room, &mut work, &mut hearer)?;
    (out.slot, out.kept, out.total) =
        (chooser::number(installed.slot), installed.sizes.kept.get(), installed.sizes.total.get());
    version(&mut out.version, &installed.version);
    let (ending, status) = match installed.ending {
        Ending::Armed => (1, DONE),
        Ending::Staged => (2, DONE),
        Ending::HeldAlready(_) => (3, NOTHING),
        Ending::WouldInstall => (4, DONE),
    };
    out.ending = ending;
    Ok(status)
}

fn wishes(raw: &abi::Request) -> Result<device::Request, Wrong> {
    const KNOWN: u8 = 0b1111;
    let flag = |bit: u8| raw.flags & bit != 0;
    if raw.flags & !KNOWN != 0 || raw.reserved != [0; 2] {
        return Err(Wrong::Argument);
    }
    let slot = chooser::slot_or_none(raw.slot)?;
    let downgrade = if flag(4) { Downgrade::Allow } else { Downgrade::Refuse };
    let failed_before = if flag(8) { FailedBefore::Retry } else { FailedBefore::Refuse };
    Ok(device::Request {
        wishes: Wishes { slot, downgrade, failed_before },
        then: if flag(1) { Then::Stage } else { Then::Arm },
        reach: if flag(2) { Reach::JudgeOnly } else { Reach::Whole },
        confirm_within: Some(raw.confirm_within).filter(|seconds| *seconds > 0),
    })
}

fn version(to: &mut [u8; abi::VERSION_BYTES], from: &str) {
    *to = [0; abi::VERSION_BYTES];
    for (to, from) in to.iter_mut().zip(from.bytes().take(abi::VERSION_BYTES - 1)) {
        *to = from;
    }
}

/// A payload of a slot in memory, authentic and checked.
pub(crate) fn verify(
    open: &mut Open<'_, '_>,
    (slot, role): (SlotId, &str),
    to: &mut [u8],
    image_len: &mut usize,
) -> Answer {
    let (mut device, room, _) = open.device();
    match device.load(slot, role, to, room, &mut SoftHasher) {
        Ok(len) => *image_len = len,
        Err(error) => return Err(too_small(error, image_len)),
    }
    Ok(DONE)
}

/// A failure; with memory that is too small the caller hears how much it takes.
fn too_small(error: Error<Refused>, image_len: &mut usize) -> Fault {
    *image_len = if let Error::Misuse(Misuse::Buffer { needed, .. }) = error { needed } else { 0 };
    error.into()
}

/// What every slot is.
pub(crate) fn status(open: &mut Open<'_, '_>, out: &mut [abi::SlotStatus]) -> Answer {
    let (mut device, room, _) = open.device();
    let slots = &device.facts(room)?.slots;
    for (at, out) in out.iter_mut().enumerate() {
        (out.slot, out.state, out.priority, out.tries_left, out.rollback_index) = (abi::NO_SLOT, 0, 0, 0, 0);
        version(&mut out.version, "");
        let Some(slot) = slots.iter().find(|slot| slot.slot.index() == at) else { continue };
        out.slot = chooser::number(slot.slot);
        out.state = state(slot.state);
        (out.priority, out.tries_left) = (slot.bits.priority.get(), slot.bits.tries_left.get());
        if let Some(installed) = &slot.installed {
            out.rollback_index = installed.rollback_index;
            version(&mut out.version, &installed.version);
        }
    }
    Ok(DONE)
}

/// `enum lu_state`.
const fn state(state: SlotState) -> u8 {
    match state {
        SlotState::Empty => 1,
        SlotState::Disarmed => 2,
        SlotState::Unverified => 3,
        SlotState::Failed => 4,
        SlotState::Exhausted => 5,
        SlotState::Staged => 6,
        SlotState::Trial => 7,
        SlotState::Good => 8,
    }
}

/// The booted slot works.
pub(crate) fn confirm(open: &mut Open<'_, '_>, slot: SlotId, mut hearer: Hearer<'_>) -> Answer {
    let (mut device, room, _) = open.device();
    Ok(device.mark_good(slot, Claim::Booted, room, &mut hearer).map(|_| DONE)?)
}

/// The slot must not boot again, and says why.
pub(crate) fn fail(open: &mut Open<'_, '_>, slot: SlotId, why: &str, mut hearer: Hearer<'_>) -> Answer {
    let (mut device, room, _) = open.device();
    let note = Note { reason: Reason::MARKED_BAD, detail: Detail::new(why), at: UnixSeconds::UNKNOWN };
    Ok(device.mark_bad(slot, &note, room, &mut hearer).map(|_| DONE)?)
}
