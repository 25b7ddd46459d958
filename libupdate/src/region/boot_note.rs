//! Why a slot was passed over, or what its trial waits for, left on the slot for whoever asks later.
//!
//! ```text
//!    0  magic "LUVERDCT"       8
//!    8  reason                 2
//!   10  zero                   6
//!   16  manifest digest       32   of what the slot held
//!   48  Unix seconds           8   0 where the clock was not known
//!   56  detail length          2   0 ..= 128
//!   58  detail               128   printable ASCII, then zero
//!  186  zero                  66
//!  252  CRC-32 of 0..252       4
//!  256  zero to 4096
//! ```
//!
//! 1. Advisory: nobody signs it and no decision needs it.
//! 2. An unknown reason is kept as its number.
//!
//! # Durability
//! The note has a block of its own in the trailer region of the slot's first partition: no image, hash block, trailer or question shares
//! it, so a cut leaves the old note, the new one, or a torn one, which is none.

use crate::boot::{DETAIL_BYTES, Detail, Reason};
use crate::error::{Corrupt, Error, NoSpace, Rule};
use crate::io::{self, BlockIo, Window};
use crate::region::Block;
use crate::region::trailer::{BOOT_NOTE_OFFSET, CONFIRMATION_OFFSET, region_of, trailer_offset};
use crate::slot::Slot;
use crate::units::block::{ByteOffset, Extent};
use crate::units::bytes;
use crate::units::crc::crc32;
use crate::units::digest::{BLOCK_BYTES, Digest};
use crate::units::time::UnixSeconds;

const MAGIC: [u8; 8] = *b"LUVERDCT";
const DETAIL_AT: usize = 58;
const CRC_AT: usize = 252;

/// Why, what, when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootNote {
    /// Why the slot was passed over.
    pub reason: Reason,
    /// Digest of the manifest that the slot held.
    pub manifest: Digest,
    /// When.
    pub at: UnixSeconds,
    /// What else there is to say.
    pub detail: Detail,
}

impl BootNote {
    /// The record of a trial that a person confirms within so many seconds.
    #[must_use]
    pub(crate) fn awaiting(manifest: Digest, seconds: u32) -> Self {
        let (reason, at) = (Reason::AWAITS_PERSON, UnixSeconds::UNKNOWN);
        Self { reason, manifest, at, detail: Detail::new(seconds) }
    }

    /// Seconds that a person has to confirm the trial of this manifest; `None` if nobody needs to.
    #[must_use]
    pub fn confirm_within(&self, manifest: Digest) -> Option<u32> {
        let waits = self.reason == Reason::AWAITS_PERSON && self.manifest == manifest;
        waits.then(|| self.detail.as_str().parse().ok()).flatten()
    }

    /// Where the note of a partition is: in its trailer region, which no image reaches. `None` for a partition that is too
    /// small to have one.
    #[must_use]
    pub fn extent(partition: Extent) -> Option<Extent> {
        let at = trailer_offset(partition.len())?.plus(BOOT_NOTE_OFFSET)?;
        let bytes = u64::try_from(BLOCK_BYTES).ok()?;
        let first = partition.locate(at, bytes)?;
        let last = first.plus(partition.block_size().blocks_for(bytes).checked_sub(1)?)?;
        Extent::new(first, last, partition.block_size())
    }

    /// Parses the note's block.
    ///
    /// # Errors
    /// In this order: `BootNoteMissing` without the magic, `BootNoteCrc`, `BootNoteReserved`,
    /// `BootNoteDetail`.
    pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Self, Corrupt> {
        // Each access is inside the array; `Truncated` stands for the impossible.
        Self::judge(block).unwrap_or(Err(Corrupt(Rule::Truncated)))
    }

    fn judge(block: &[u8; BLOCK_BYTES]) -> Option<Result<Self, Corrupt>> {
        if bytes::array(block, 0)? != MAGIC {
            return Some(Err(Corrupt(Rule::BootNoteMissing)));
        }
        if crc32(block.get(..CRC_AT)?) != bytes::u32_at(block, CRC_AT)? {
            return Some(Err(Corrupt(Rule::BootNoteCrc)));
        }
        let len = usize::from(bytes::u16_at(block, 56)?);
        let (detail, after) = block.get(DETAIL_AT..CRC_AT)?.split_at_checked(len.min(DETAIL_BYTES))?;
        let zeros = [block.get(10..16)?, after, block.get(256..)?];
        if !zeros.into_iter().all(bytes::all_zero) {
            return Some(Err(Corrupt(Rule::BootNoteReserved)));
        }
        let Some(detail) = Detail::parse(detail).filter(|_| len <= DETAIL_BYTES) else {
            return Some(Err(Corrupt(Rule::BootNoteDetail)));
        };
        Some(Ok(Self {
            reason: Reason(bytes::u16_at(block, 8)?),
            manifest: Digest::new(bytes::array(block, 16)?),
            at: UnixSeconds::new(bytes::u64_at(block, 48)?),
            detail,
        }))
    }

    /// The note's block.
    pub fn encode(&self, out: &mut [u8; BLOCK_BYTES]) {
        let detail = self.detail.as_str().as_bytes();
        // A detail has at most 128 bytes.
        let detail_len = u16::try_from(detail.len()).unwrap_or_default().to_le_bytes();
        let fields: [&[u8]; 7] = [
            &MAGIC,
            &self.reason.0.to_le_bytes(),
            &[0; 6],
            self.manifest.as_bytes(),
            &self.at.get().to_le_bytes(),
            &detail_len,
            detail,
        ];
        let body = fields.into_iter().flatten().copied().chain(core::iter::repeat(0));
        for (to, from) in out.iter_mut().zip(body) {
            *to = from;
        }
        let (covered, rest) = out.split_at_mut_checked(CRC_AT).unwrap_or_default();
        for (to, from) in rest.iter_mut().zip(crc32(covered).to_le_bytes()) {
            *to = from;
        }
    }

    /// Reads the note of a partition.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`BootNote::parse`]'s; [`NoSpace::NoTrailerRegion`].
    pub fn read<D: BlockIo>(
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        Self::read_at(BOOT_NOTE_OFFSET, window, scratch)
    }

    /// Reads the question to a person, which is after the note: no note takes its place.
    ///
    /// # Errors
    /// As [`BootNote::read`].
    pub(crate) fn read_question<D: BlockIo>(
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        Self::read_at(CONFIRMATION_OFFSET, window, scratch)
    }

    fn read_at<D: BlockIo>(
        offset: u64,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        let offset = place(window, offset)?;
        window.read(offset, scratch)?;
        Self::parse(scratch).map_err(Error::Slot)
    }

    /// Writes the question to a person, or zeros over it. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// As [`BootNote::write`].
    pub(crate) fn write_question<D: BlockIo>(
        question: Option<&Self>,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = place(window, CONFIRMATION_OFFSET)?;
        scratch.fill(0);
        if let Some(question) = question {
            question.encode(scratch);
        }
        window.write(offset, scratch)
    }

    /// Writes the note. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`NoSpace::NoTrailerRegion`].
    pub fn write<D: BlockIo>(
        &self,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = place(window, BOOT_NOTE_OFFSET)?;
        self.encode(scratch);
        window.write(offset, scratch)
    }

    /// Writes zeros over the note. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`NoSpace::NoTrailerRegion`].
    pub fn erase<D: BlockIo>(
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = place(window, BOOT_NOTE_OFFSET)?;
        scratch.fill(0);
        window.write(offset, scratch)
    }
}

fn place<D: BlockIo>(window: &Window<'_, D>, offset: u64) -> Result<ByteOffset, Error<D::Error>> {
    let no_region = NoSpace::NoTrailerRegion { size: window.extent().len() };
    region_of(window)?.plus(offset).ok_or(Error::NoSpace(no_region))
}

/// The note on the slot, if it is about this manifest. One that is missing, torn or cannot be read is none.
pub fn about<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, manifest: Digest, block: &mut Block) -> Option<BootNote> {
    any(disk, slot, block).filter(|word| word.manifest == manifest)
}

/// The note on the slot, whatever it is about.
pub fn any<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, block: &mut Block) -> Option<BootNote> {
    read(disk, slot, block).ok()
}

fn read<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, block: &mut Block) -> Result<BootNote, Error<D::Error>> {
    let partition = slot.partitions.first().ok_or(Error::Slot(Corrupt(Rule::BootNoteMissing)))?;
    BootNote::read(&mut Window::new(disk, partition.extent), block)
}

/// Leaves the note on the slot, but not the same one again: flash wears.
///
/// # Durability
/// Durable when it returns; see the module.
/// # Errors
/// [`Error::Medium`].
pub fn leave<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    note: &BootNote,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let same = |old: &BootNote| (old.reason, old.manifest, &old.detail) == (note.reason, note.manifest, &note.detail);
    if any(disk, slot, block).as_ref().is_some_and(same) {
        // Somebody left it there, and perhaps no flush of theirs returned.
        return io::flush(disk);
    }
    on_first(disk, slot, |window| note.write(window, block))
}

/// Writes to the first partition of a slot, and flushes.
pub(super) fn on_first<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    write: impl FnOnce(&mut Window<'_, D>) -> Result<(), Error<D::Error>>,
) -> Result<(), Error<D::Error>> {
    let Some(partition) = slot.partitions.first() else {
        return Err(NoSpace::NoTrailerRegion { size: crate::units::block::ByteLen::new(0) }.into());
    };
    let mut window = Window::new(disk, partition.extent);
    write(&mut window)?;
    window.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::ram_disk::RamDisk;
    use crate::units::block::{BlockSize, Extent, Lba};

    fn note(detail: &str) -> BootNote {
        let detail = Detail::new(detail);
        BootNote {
            reason: Reason::HEALTH_CHECK,
            manifest: Digest::new([4; 32]),
            at: UnixSeconds::new(1_700_000_000),
            detail,
        }
    }

    fn block(note: &BootNote) -> [u8; BLOCK_BYTES] {
        let mut block = [0xee; BLOCK_BYTES];
        note.encode(&mut block);
        block
    }

    /// The note with a change below its checksum.
    fn resealed(change: impl FnOnce(&mut [u8; BLOCK_BYTES])) -> Result<BootNote, Corrupt> {
        let mut block = block(&note("10-network failed"));
        change(&mut block);
        let crc = crc32(&block[..252]).to_le_bytes();
        block[252..256].copy_from_slice(&crc);
        BootNote::parse(&block)
    }

    #[test]
    fn a_note_round_trips() {
        for detail in ["", "10-network failed", &"x".repeat(128)] {
            let note = note(detail);
            assert_eq!(BootNote::parse(&block(&note)), Ok(note));
        }
    }

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        for number in 1..=15 {
            let reason = Reason(number);
            assert_eq!(Reason::of_word(reason.word()), Some(reason));
            assert!(!std::format!("{reason}").starts_with("reason"), "{number}");
        }
        assert_eq!([Reason::of_word("other"), Reason::of_word("")], [None, None]);
        assert_eq!(Reason(16).word(), "other");
    }

    #[test]
    fn an_unknown_reason_is_kept() {
        let found = resealed(|block| block[8..10].fill(0xff)).unwrap();
        assert_eq!(found.reason, Reason(65535));
        assert_eq!(std::format!("{}", found.reason), "reason 65535");
    }

    #[test]
    fn rules_are_judged_in_the_order_of_the_list() {
        let good = block(&note("x"));
        let mut bytes = good;
        bytes[0] ^= 1;
        bytes[10] = 1;
        bytes[56] = 129;
        assert_eq!(BootNote::parse(&bytes), Err(Corrupt(Rule::BootNoteMissing)));
        bytes[0] ^= 1;
        assert_eq!(BootNote::parse(&bytes), Err(Corrupt(Rule::BootNoteCrc)));
        let crc = crc32(&bytes[..252]).to_le_bytes();
        bytes[252..256].copy_from_slice(&crc);
        assert_eq!(BootNote::parse(&bytes), Err(Corrupt(Rule::BootNoteReserved)));
        bytes[10] = 0;
        let crc = crc32(&bytes[..252]).to_le_bytes();
        bytes[252..256].copy_from_slice(&crc);
        assert_eq!(BootNote::parse(&bytes), Err(Corrupt(Rule::BootNoteDetail)));
    }

    #[test]
    fn what_is_reserved_is_zero() {
        for at in (10..16).chain(75..252).chain([256, 4095]) {
            assert_eq!(resealed(|block| block[at] = 1), Err(Corrupt(Rule::BootNoteReserved)), "byte {at}");
        }
    }

    #[test]
    fn a_detail_cannot_speak_to_a_terminal() {
        assert_eq!(resealed(|block| block[60] = 0x1b), Err(Corrupt(Rule::BootNoteDetail)));
        assert_eq!(resealed(|block| block[60] = 0x7f), Err(Corrupt(Rule::BootNoteDetail)));
        assert_eq!(resealed(|block| block[60] = 0xc3), Err(Corrupt(Rule::BootNoteDetail)));
        assert_eq!(resealed(|block| block[57] = 1), Err(Corrupt(Rule::BootNoteDetail)));
        assert_eq!(Detail::new("a\x1b[2J\u{e4}\n").as_str(), "a?[2J??");
        assert_eq!(Detail::new("y".repeat(200)).as_str(), "y".repeat(128));
    }

    #[test]
    fn every_changed_byte_of_a_note_is_noticed() {
        let good = block(&note("x"));
        for at in 0..BLOCK_BYTES {
            let mut bytes = good;
            bytes[at] ^= 1;
            assert!(BootNote::parse(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn it_stands_in_the_middle_of_the_region() {
        let mut disk = RamDisk::new(BlockSize::B4096, 40);
        let extent = Extent::new(Lba::new(2), Lba::new(30), BlockSize::B4096).unwrap();
        let mut scratch = [0; BLOCK_BYTES];
        let empty = BootNote::read(&mut Window::new(&mut disk, extent), &mut scratch);
        assert_eq!(empty, Err(Error::Slot(Corrupt(Rule::BootNoteMissing))));
        note("x").write(&mut Window::new(&mut disk, extent), &mut scratch).unwrap();
        assert_eq!(BootNote::read(&mut Window::new(&mut disk, extent), &mut scratch), Ok(note("x")));
        // Blocks 2 to 30; the region is the last 16 of them, the note its ninth.
        assert_eq!(disk.bytes[(31 - 8) * 4096..][..8], *b"LUVERDCT");
        assert_eq!(BootNote::extent(extent), Extent::new(Lba::new(31 - 8), Lba::new(31 - 8), BlockSize::B4096));
        let small = Extent::new(Lba::new(0), Lba::new(9), BlockSize::B512).unwrap();
        assert_eq!(BootNote::extent(small), None);
        let odd = Extent::new(Lba::new(10), Lba::new(10 + 8 * 20), BlockSize::B512).unwrap();
        assert_eq!(BootNote::extent(odd), Extent::new(Lba::new(10 + 8 * 12), Lba::new(17 + 8 * 12), BlockSize::B512));
    }

    #[test]
    fn only_a_trial_of_the_same_manifest_awaits_a_person() {
        let waits = BootNote::awaiting(Digest::new([4; 32]), 600);
        assert_eq!(BootNote::parse(&block(&waits)), Ok(waits.clone()));
        assert_eq!(waits.confirm_within(Digest::new([4; 32])), Some(600));
        assert_eq!(waits.confirm_within(Digest::new([5; 32])), None);
        assert_eq!(note("600").confirm_within(Digest::new([4; 32])), None);
        let garbled = BootNote { detail: Detail::new("soon"), ..waits };
        assert_eq!(garbled.confirm_within(Digest::new([4; 32])), None);
    }
}
