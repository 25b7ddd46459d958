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

use core::fmt::{self, Write as _};

use heapless::String;

use crate::error::{Corrupt, Error, NoSpace};
use crate::io::{BlockIo, Window};
use crate::region::trailer::{QUESTION_OFFSET, VERDICT_OFFSET, region_of, trailer_offset};
use crate::units::block::{ByteOffset, Extent};
use crate::units::bytes;
use crate::units::digest::{BLOCK_BYTES, Digest};
use crate::units::time::UnixSeconds;

/// Bytes of a detail.
pub const DETAIL_BYTES: usize = 128;
const MAGIC: [u8; 8] = *b"LUVERDCT";
const DETAIL_AT: usize = 58;
const CRC_AT: usize = 252;

/// Why a slot was passed over. An open set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reason(pub u16);

impl Reason {
    /// An operator said so.
    pub const MARKED_BAD: Self = Self(1);
    /// The slot's trailer was missing, damaged or not authentic.
    pub const TRAILER: Self = Self(2);
    /// The hash tree did not have the signed root hash.
    pub const ROOT_HASH: Self = Self(3);
    /// A block did not match the hash tree.
    pub const CORRUPTION: Self = Self(4);
    /// The root file system could not be mounted.
    pub const MOUNT: Self = Self(5);
    /// The root file system has no init.
    pub const NO_INIT: Self = Self(6);
    /// A health check failed.
    pub const HEALTH_CHECK: Self = Self(7);
    /// The tries ran out without a good boot.
    pub const EXHAUSTED: Self = Self(8);
    /// The try could not be spent.
    pub const TRY_NOT_SPENT: Self = Self(9);
    /// The slot's partitions could not be read.
    pub const UNREADABLE: Self = Self(10);
    /// Its rollback index is lower than that of every good slot.
    pub const ROLLBACK: Self = Self(11);
    /// Not a fault: a person confirms the trial, within the seconds that the detail says.
    pub const AWAITS_PERSON: Self = Self(12);
    /// The system was restarted before it was marked good.
    pub const RESTARTED: Self = Self(13);
    /// Nobody confirmed the trial in time.
    pub const UNCONFIRMED: Self = Self(14);

    /// The reason that [`word`](Self::word) names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        (1..=Self::UNCONFIRMED.0).map(Self).find(|reason| reason.word() == word)
    }

    /// The reason as one word, for programs; `other` for one that this version does not know.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MARKED_BAD => "marked-bad",
            Self::TRAILER => "trailer",
            Self::ROOT_HASH => "root-hash",
            Self::CORRUPTION => "corruption",
            Self::MOUNT => "mount",
            Self::NO_INIT => "no-init",
            Self::HEALTH_CHECK => "health-check",
            Self::EXHAUSTED => "exhausted",
            Self::TRY_NOT_SPENT => "try-not-spent",
            Self::UNREADABLE => "unreadable",
            Self::ROLLBACK => "rollback",
            Self::AWAITS_PERSON => "awaits-person",
            Self::RESTARTED => "restarted",
            Self::UNCONFIRMED => "unconfirmed",
            _ => "other",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::MARKED_BAD => "marked bad by an operator",
            Self::TRAILER => "its trailer is missing, damaged or not authentic",
            Self::ROOT_HASH => "its hash tree does not have the signed root hash",
            Self::CORRUPTION => "a block does not match the hash tree",
            Self::MOUNT => "its root file system cannot be mounted",
            Self::NO_INIT => "its root file system has no init",
            Self::HEALTH_CHECK => "a health check failed",
            Self::EXHAUSTED => "its tries ran out without a good boot",
            Self::TRY_NOT_SPENT => "the try could not be spent",
            Self::UNREADABLE => "its partitions could not be read",
            Self::ROLLBACK => "its rollback index is lower than that of every good slot",
            Self::AWAITS_PERSON => "a person has to confirm it",
            Self::RESTARTED => "the system was restarted before it was marked good",
            Self::UNCONFIRMED => "nobody confirmed it in time",
            Self(number) => return write!(f, "reason {number}"),
        })
    }
}

/// A line of printable ASCII, at most 128 bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Detail(String<DETAIL_BYTES>);

impl Detail {
    /// Formats `text`: cut at 128 bytes, with `?` for what a terminal might obey.
    #[must_use]
    pub fn new(text: impl fmt::Display) -> Self {
        let mut detail = Self::default();
        // `write_str` below stops the formatter when the line is full; what came until then is the detail.
        if write!(detail, "{text}").is_err() {
            return detail;
        }
        detail
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let detail = Self::new(text);
        (detail.as_str() == text).then_some(detail)
    }
}

impl fmt::Write for Detail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| {
            let plain = if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
            self.0.push(plain).map_err(|_| fmt::Error)
        })
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why, what, when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Why the slot was passed over.
    pub reason: Reason,
    /// Digest of the manifest that the slot held.
    pub manifest: Digest,
    /// When.
    pub at: UnixSeconds,
    /// What else there is to say.
    pub detail: Detail,
}

impl Verdict {
    /// The record of a trial that a person confirms within so many seconds.
    #[must_use]
    pub fn awaiting(manifest: Digest, seconds: u32) -> Self {
        let (reason, at) = (Reason::AWAITS_PERSON, UnixSeconds::UNKNOWN);
        Self { reason, manifest, at, detail: Detail::new(seconds) }
    }

    /// Seconds that a person has to confirm the trial of this manifest; `None` where nobody needs to.
    #[must_use]
    pub fn confirm_within(&self, manifest: Digest) -> Option<u32> {
        let waits = self.reason == Reason::AWAITS_PERSON && self.manifest == manifest;
        waits.then(|| self.detail.as_str().parse().ok()).flatten()
    }

    /// Where the verdict of a partition stands: in its trailer region, which no image reaches. `None` for a partition that is too
    /// small to have one.
    #[must_use]
    pub fn extent(partition: Extent) -> Option<Extent> {
        let at = trailer_offset(partition.len())?.plus(VERDICT_OFFSET)?;
        let bytes = u64::try_from(BLOCK_BYTES).ok()?;
        let first = partition.locate(at, bytes)?;
        let last = first.plus(partition.block_size().blocks_for(bytes).checked_sub(1)?)?;
        Extent::new(first, last, partition.block_size())
    }

    /// Parses the verdict's block.
    ///
    /// # Errors
    /// In this order: [`Corrupt::VerdictMissing`] without the magic, [`Corrupt::VerdictCrc`], [`Corrupt::VerdictReserved`],
    /// [`Corrupt::VerdictDetail`].
    pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Self, Corrupt> {
        // Each access is inside the array; `Truncated` stands for the impossible.
        Self::judge(block).unwrap_or(Err(Corrupt::Truncated))
    }

    fn judge(block: &[u8; BLOCK_BYTES]) -> Option<Result<Self, Corrupt>> {
        if bytes::array(block, 0)? != MAGIC {
            return Some(Err(Corrupt::VerdictMissing));
        }
        if crc32fast::hash(block.get(..CRC_AT)?) != bytes::u32_at(block, CRC_AT)? {
            return Some(Err(Corrupt::VerdictCrc));
        }
        let len = usize::from(bytes::u16_at(block, 56)?);
        let (detail, after) = block.get(DETAIL_AT..CRC_AT)?.split_at_checked(len.min(DETAIL_BYTES))?;
        let zeros = [block.get(10..16)?, after, block.get(256..)?];
        if !zeros.into_iter().all(bytes::all_zero) {
            return Some(Err(Corrupt::VerdictReserved));
        }
        let Some(detail) = Detail::parse(detail).filter(|_| len <= DETAIL_BYTES) else {
            return Some(Err(Corrupt::VerdictDetail));
        };
        Some(Ok(Self {
            reason: Reason(bytes::u16_at(block, 8)?),
            manifest: Digest::new(bytes::array(block, 16)?),
            at: UnixSeconds::new(bytes::u64_at(block, 48)?),
            detail,
        }))
    }

    /// The verdict's block.
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
        for (to, from) in rest.iter_mut().zip(crc32fast::hash(covered).to_le_bytes()) {
            *to = from;
        }
    }

    /// Reads the verdict of a partition.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Verdict::parse`]'s; [`NoSpace::NoTrailerRegion`].
    pub fn read<D: BlockIo>(
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        Self::read_at(VERDICT_OFFSET, window, scratch)
    }

    /// Reads the question to a person, which stands behind the verdict: no verdict takes its place.
    ///
    /// # Errors
    /// As [`Verdict::read`].
    pub fn read_question<D: BlockIo>(
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        Self::read_at(QUESTION_OFFSET, window, scratch)
    }

    fn read_at<D: BlockIo>(
        offset: u64,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        let offset = place(window, offset)?;
        window.read(offset, scratch)?;
        Ok(Self::parse(scratch)?)
    }

    /// Writes the question to a person, or zeros over it. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// As [`Verdict::write`].
    pub fn write_question<D: BlockIo>(
        question: Option<&Self>,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = place(window, QUESTION_OFFSET)?;
        scratch.fill(0);
        if let Some(question) = question {
            question.encode(scratch);
        }
        window.write(offset, scratch)
    }

    /// Writes the verdict. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// [`Error::Io`]; [`NoSpace::NoTrailerRegion`].
    pub fn write<D: BlockIo>(
        &self,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = place(window, VERDICT_OFFSET)?;
        self.encode(scratch);
        window.write(offset, scratch)
    }

    /// Writes zeros over the verdict. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// [`Error::Io`]; [`NoSpace::NoTrailerRegion`].
    pub fn erase<D: BlockIo>(
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = place(window, VERDICT_OFFSET)?;
        scratch.fill(0);
        window.write(offset, scratch)
    }
}

fn place<D: BlockIo>(window: &Window<'_, D>, offset: u64) -> Result<ByteOffset, Error<D::Error>> {
    let no_region = NoSpace::NoTrailerRegion { size: window.extent().len() };
    region_of(window)?.plus(offset).ok_or(Error::NoSpace(no_region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::ram_disk::RamDisk;
    use crate::units::block::{BlockSize, Extent, Lba};

    fn verdict(detail: &str) -> Verdict {
        let detail = Detail::new(detail);
        Verdict {
            reason: Reason::HEALTH_CHECK,
            manifest: Digest::new([4; 32]),
            at: UnixSeconds::new(1_700_000_000),
            detail,
        }
    }

    fn block(verdict: &Verdict) -> [u8; BLOCK_BYTES] {
        let mut block = [0xee; BLOCK_BYTES];
        verdict.encode(&mut block);
        block
    }

    /// The verdict with a change below its checksum.
    fn resealed(change: impl FnOnce(&mut [u8; BLOCK_BYTES])) -> Result<Verdict, Corrupt> {
        let mut block = block(&verdict("10-network failed"));
        change(&mut block);
        let crc = crc32fast::hash(&block[..252]).to_le_bytes();
        block[252..256].copy_from_slice(&crc);
        Verdict::parse(&block)
    }

    #[test]
    fn a_verdict_round_trips() {
        for detail in ["", "10-network failed", &"x".repeat(128)] {
            let verdict = verdict(detail);
            assert_eq!(Verdict::parse(&block(&verdict)), Ok(verdict));
        }
    }

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        for number in 1..=14 {
            let reason = Reason(number);
            assert_eq!(Reason::of_word(reason.word()), Some(reason));
            assert!(!std::format!("{reason}").starts_with("reason"), "{number}");
        }
        assert_eq!([Reason::of_word("other"), Reason::of_word("")], [None, None]);
        assert_eq!(Reason(15).word(), "other");
    }

    #[test]
    fn an_unknown_reason_is_kept() {
        let found = resealed(|block| block[8..10].fill(0xff)).unwrap();
        assert_eq!(found.reason, Reason(65535));
        assert_eq!(std::format!("{}", found.reason), "reason 65535");
    }

    #[test]
    fn rules_are_judged_in_the_order_of_the_list() {
        let good = block(&verdict("x"));
        let mut bytes = good;
        bytes[0] ^= 1;
        bytes[10] = 1;
        bytes[56] = 129;
        assert_eq!(Verdict::parse(&bytes), Err(Corrupt::VerdictMissing));
        bytes[0] ^= 1;
        assert_eq!(Verdict::parse(&bytes), Err(Corrupt::VerdictCrc));
        let crc = crc32fast::hash(&bytes[..252]).to_le_bytes();
        bytes[252..256].copy_from_slice(&crc);
        assert_eq!(Verdict::parse(&bytes), Err(Corrupt::VerdictReserved));
        bytes[10] = 0;
        let crc = crc32fast::hash(&bytes[..252]).to_le_bytes();
        bytes[252..256].copy_from_slice(&crc);
        assert_eq!(Verdict::parse(&bytes), Err(Corrupt::VerdictDetail));
    }

    #[test]
    fn what_is_reserved_is_zero() {
        for at in (10..16).chain(75..252).chain([256, 4095]) {
            assert_eq!(resealed(|block| block[at] = 1), Err(Corrupt::VerdictReserved), "byte {at}");
        }
    }

    #[test]
    fn a_detail_cannot_speak_to_a_terminal() {
        assert_eq!(resealed(|block| block[60] = 0x1b), Err(Corrupt::VerdictDetail));
        assert_eq!(resealed(|block| block[60] = 0x7f), Err(Corrupt::VerdictDetail));
        assert_eq!(resealed(|block| block[60] = 0xc3), Err(Corrupt::VerdictDetail));
        assert_eq!(resealed(|block| block[57] = 1), Err(Corrupt::VerdictDetail));
        assert_eq!(Detail::new("a\x1b[2J\u{e4}\n").as_str(), "a?[2J??");
        assert_eq!(Detail::new("y".repeat(200)).as_str(), "y".repeat(128));
    }

    #[test]
    fn every_changed_byte_of_a_verdict_is_noticed() {
        let good = block(&verdict("x"));
        for at in 0..BLOCK_BYTES {
            let mut bytes = good;
            bytes[at] ^= 1;
            assert!(Verdict::parse(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn it_stands_in_the_middle_of_the_region() {
        let mut disk = RamDisk::new(BlockSize::B4096, 40);
        let extent = Extent::new(Lba::new(2), Lba::new(30), BlockSize::B4096).unwrap();
        let mut scratch = [0; BLOCK_BYTES];
        let empty = Verdict::read(&mut Window::new(&mut disk, extent), &mut scratch);
        assert_eq!(empty, Err(Error::Corrupt(Corrupt::VerdictMissing)));
        verdict("x").write(&mut Window::new(&mut disk, extent), &mut scratch).unwrap();
        assert_eq!(Verdict::read(&mut Window::new(&mut disk, extent), &mut scratch), Ok(verdict("x")));
        // Blocks 2 to 30; the region is the last 16 of them, the verdict its ninth.
        assert_eq!(disk.bytes[(31 - 8) * 4096..][..8], *b"LUVERDCT");
        assert_eq!(Verdict::extent(extent), Extent::new(Lba::new(31 - 8), Lba::new(31 - 8), BlockSize::B4096));
        let small = Extent::new(Lba::new(0), Lba::new(9), BlockSize::B512).unwrap();
        assert_eq!(Verdict::extent(small), None);
        let odd = Extent::new(Lba::new(10), Lba::new(10 + 8 * 20), BlockSize::B512).unwrap();
        assert_eq!(Verdict::extent(odd), Extent::new(Lba::new(10 + 8 * 12), Lba::new(17 + 8 * 12), BlockSize::B512));
    }

    #[test]
    fn only_a_trial_of_the_same_manifest_awaits_a_person() {
        let waits = Verdict::awaiting(Digest::new([4; 32]), 600);
        assert_eq!(Verdict::parse(&block(&waits)), Ok(waits.clone()));
        assert_eq!(waits.confirm_within(Digest::new([4; 32])), Some(600));
        assert_eq!(waits.confirm_within(Digest::new([5; 32])), None);
        assert_eq!(verdict("600").confirm_within(Digest::new([4; 32])), None);
        let garbled = Verdict { detail: Detail::new("soon"), ..waits };
        assert_eq!(garbled.confirm_within(Digest::new([4; 32])), None);
    }
}
