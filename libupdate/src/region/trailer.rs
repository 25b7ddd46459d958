//! The last 64 KiB of a slot partition: what is installed on it, or being installed.
//!
//! ```text
//!  partition size rounded down to 4096, minus 65536
//!      0  trailer, or mark
//!         | "LUTRAIL1" 8 | envelope length 4 | CRC-32 of envelope 4 | envelope | zero to 12288 |
//!         | "LUMARK01" 8 | manifest digest 32 | CRC-32 of bytes 0..40 4 | zero to 4096 |
//!  12288  not used
//!  32768  | boot note, one block: see [`boot_note`](super::boot_note) |
//!  36864  | question to a person, one block of the same form: see [`confirmation`](super::confirmation) |
//!  40960  not used
//!  65536  end of the region
//! ```
//!
//! 1. A trailer says that the partition holds this manifest's image. The CRC tells damage from forgery; the signatures in the
//!    envelope are what is trusted.
//! 2. A mark says that an install of this manifest has begun: a hint that it is worth while to hash what the target holds.
//! 3. Both have one place: writing the one destroys the other.

use crate::bundle::Unverified;
use crate::error::{BundleFault, Corrupt, Error, NoSpace, Rule};
use crate::io::{BlockIo, Window};
use crate::units::block::{ByteLen, ByteOffset};
use crate::units::bytes;
use crate::units::crc::crc32;
use crate::units::digest::{BLOCK_BYTES, Digest};
use crate::units::limits::ENVELOPE_BYTES;

/// Bytes of the region.
pub(crate) const REGION_BYTES: u64 = 65536;
/// Where the boot note begins in the region.
pub const BOOT_NOTE_OFFSET: u64 = 32768;
/// Where the question to a person begins in the region.
pub const CONFIRMATION_OFFSET: u64 = 36864;
/// Blocks that a trailer takes.
pub(crate) const TRAILER_BLOCKS: usize = 3;
/// Bytes that a trailer takes.
pub const TRAILER_BYTES: usize = TRAILER_BLOCKS.saturating_mul(BLOCK_BYTES);

const TRAILER_MAGIC: [u8; 8] = *b"LUTRAIL1";
const MARK_MAGIC: [u8; 8] = *b"LUMARK01";
const HEADER_BYTES: usize = 16;
const MARK_BYTES: usize = 44;

/// Where the region begins on a partition of `partition_len`; `None` if there is no room for it.
#[must_use]
pub const fn trailer_offset(partition_len: ByteLen) -> Option<ByteOffset> {
    let whole_blocks = partition_len.get() & !0xfff;
    match whole_blocks.checked_sub(REGION_BYTES) {
        Some(offset) => Some(ByteOffset::new(offset)),
        None => None,
    }
}

/// What is at the start of the region.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    /// An install was completed; its envelope, to be verified.
    Trailer(Unverified<'a>),
    /// An install has begun.
    Mark(Mark),
}

impl<'a> Record<'a> {
    /// Parses the first blocks of the region.
    ///
    /// # Errors
    /// `TrailerMissing` where neither magic stands there; else, in this order, the kinds of the record's length,
    /// checksum and zeros, and [`Unverified::parse`]'s.
    pub fn parse(region: &'a [u8; TRAILER_BYTES]) -> Result<Self, BundleFault> {
        match bytes::array(region, 0) {
            Some(TRAILER_MAGIC) => Ok(Self::Trailer(Unverified::parse(envelope(region)?)?)),
            Some(MARK_MAGIC) => {
                Ok(Self::Mark(Mark::parse(region.first_chunk().ok_or(Corrupt(Rule::TrailerMissing))?)?))
            }
            _ => Err(Corrupt(Rule::TrailerMissing).into()),
        }
    }

    /// Reads the record of a partition.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`Record::parse`]'s; [`NoSpace::NoTrailerRegion`].
    pub fn read<D: BlockIo>(
        window: &mut Window<'_, D>,
        buf: &'a mut [u8; TRAILER_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        let offset = region_of(window)?;
        window.read(offset, buf)?;
        Self::parse(buf).map_err(|fault| match fault {
            // The same rules that a bundle breaks, in what a slot holds.
            BundleFault::Corrupt(kind) => Error::Slot(kind),
            other => other.into(),
        })
    }
}

/// Writes the trailer. Touches the disk; durable after a flush.
///
/// # Errors
/// [`Error::Medium`]; [`NoSpace::NoTrailerRegion`]; `EnvelopeTooLong`.
pub fn write<D: BlockIo>(
    window: &mut Window<'_, D>,
    envelope: &[u8],
    scratch: &mut [u8; BLOCK_BYTES],
) -> Result<(), Error<D::Error>> {
    let mut offset = region_of(window)?;
    for index in 0..TRAILER_BLOCKS {
        encode_block(envelope, index, scratch).map_err(Error::Bundle)?;
        window.write(offset, scratch)?;
        offset = ByteOffset::new(offset.get().saturating_add(bytes::len_u64(scratch)));
    }
    Ok(())
}

/// Block `index` of the trailer over `envelope`; zeros from the third block on.
///
/// # Errors
/// `EnvelopeTooLong`.
pub(crate) fn encode_block(envelope: &[u8], index: usize, out: &mut [u8; BLOCK_BYTES]) -> Result<(), Corrupt> {
    let claimed = u32::try_from(envelope.len()).unwrap_or(u32::MAX);
    if envelope.len() > ENVELOPE_BYTES {
        return Err(Corrupt(Rule::EnvelopeTooLong { claimed }));
    }
    let header: [&[u8]; 3] = [&TRAILER_MAGIC, &claimed.to_le_bytes(), &crc32(envelope).to_le_bytes()];
    let record = header.iter().copied().chain([envelope]).flatten().copied();
    let block = record.skip(index.saturating_mul(BLOCK_BYTES)).chain(core::iter::repeat(0));
    for (to, from) in out.iter_mut().zip(block) {
        *to = from;
    }
    Ok(())
}

/// Whether a block begins as a trailer does.
pub(crate) fn begins(block: &[u8; BLOCK_BYTES]) -> bool {
    bytes::array(block, 0) == Some(TRAILER_MAGIC)
}

/// The envelope of a trailer whose magic was found.
fn envelope(region: &[u8; TRAILER_BYTES]) -> Result<&[u8], Corrupt> {
    let claimed = bytes::u32_at(region, 8).ok_or(Corrupt(Rule::Truncated))?;
    let len = usize::try_from(claimed).unwrap_or(usize::MAX);
    if len > ENVELOPE_BYTES {
        return Err(Corrupt(Rule::TrailerLength { claimed }));
    }
    let body = region.get(HEADER_BYTES..).unwrap_or_default();
    let (envelope, rest) = body.split_at_checked(len).ok_or(Corrupt(Rule::Truncated))?;
    if bytes::u32_at(region, 12) != Some(crc32(envelope)) {
        return Err(Corrupt(Rule::TrailerCrc));
    }
    if !bytes::all_zero(rest) {
        return Err(Corrupt(Rule::TrailerPadding));
    }
    Ok(envelope)
}

/// "An install of this manifest has begun here."
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    manifest: Digest,
}

impl Mark {
    /// The mark of an install of the bundle with this manifest digest.
    #[must_use]
    pub const fn new(manifest: Digest) -> Self {
        Self { manifest }
    }

    /// Digest of the manifest that is being installed.
    #[must_use]
    pub const fn manifest(&self) -> Digest {
        self.manifest
    }

    /// Parses the first block of the region.
    ///
    /// # Errors
    /// `TrailerMissing` without the magic; `MarkCrc`; `MarkPadding`.
    pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Self, Corrupt> {
        if bytes::array(block, 0) != Some(MARK_MAGIC) {
            return Err(Corrupt(Rule::TrailerMissing));
        }
        let (covered, rest) = block.split_at_checked(MARK_BYTES).unwrap_or_default();
        let (body, crc) = covered.split_last_chunk::<4>().ok_or(Corrupt(Rule::Truncated))?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(Corrupt(Rule::MarkCrc));
        }
        if !bytes::all_zero(rest) {
            return Err(Corrupt(Rule::MarkPadding));
        }
        bytes::array(body, 8).map(|manifest| Self::new(Digest::new(manifest))).ok_or(Corrupt(Rule::Truncated))
    }

    /// The mark's block.
    pub fn encode(&self, out: &mut [u8; BLOCK_BYTES]) {
        let mut body = [0; 40];
        for (to, from) in body.iter_mut().zip(MARK_MAGIC.iter().chain(self.manifest.as_bytes())) {
            *to = *from;
        }
        let crc = crc32(&body).to_le_bytes();
        for (to, from) in out.iter_mut().zip(body.into_iter().chain(crc).chain(core::iter::repeat(0))) {
            *to = from;
        }
    }

    /// Writes the mark, which destroys a trailer. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`NoSpace::NoTrailerRegion`].
    pub fn write<D: BlockIo>(
        &self,
        window: &mut Window<'_, D>,
        scratch: &mut [u8; BLOCK_BYTES],
    ) -> Result<(), Error<D::Error>> {
        let offset = region_of(window)?;
        self.encode(scratch);
        window.write(offset, scratch)
    }
}

/// Where the region of the partition begins.
pub(super) fn region_of<D: BlockIo>(window: &Window<'_, D>) -> Result<ByteOffset, Error<D::Error>> {
    let size = window.extent().len();
    trailer_offset(size).ok_or(Error::NoSpace(NoSpace::NoTrailerRegion { size }))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::bundle::fixture;
    use crate::io::ram_disk::RamDisk;
    use crate::units::block::{BlockSize, Extent, Lba};

    fn region(envelope: &[u8]) -> [u8; TRAILER_BYTES] {
        let mut region = [0xee; TRAILER_BYTES];
        for (index, block) in region.as_chunks_mut().0.iter_mut().enumerate() {
            encode_block(envelope, index, block).unwrap();
        }
        region
    }

    fn refusal(region: &[u8; TRAILER_BYTES]) -> Option<BundleFault> {
        Record::parse(region).err()
    }

    fn corrupt(kind: Corrupt) -> Option<BundleFault> {
        Some(BundleFault::Corrupt(kind))
    }

    #[test]
    fn the_region_is_the_last_64_kib_of_whole_blocks() {
        let at = |size| trailer_offset(ByteLen::new(size)).map(ByteOffset::get);
        assert_eq!(at(1 << 20), Some((1 << 20) - 65536));
        assert_eq!(at((1 << 20) + 4095), Some((1 << 20) - 65536));
        assert_eq!(at(65536), Some(0));
        assert_eq!(at(65535), None);
        assert_eq!(at(0), None);
    }

    #[test]
    fn a_trailer_gives_the_envelope_back_byte_for_byte() {
        let envelope = fixture::envelope(&[1, 2]);
        match Record::parse(&region(&envelope)) {
            Ok(Record::Trailer(unverified)) => assert_eq!(unverified.envelope(), envelope),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_envelope_fits() {
        let longest = [7; ENVELOPE_BYTES];
        assert_eq!(super::envelope(&region(&longest)), Ok(&longest[..]));
        let kind = Corrupt(Rule::EnvelopeTooLong { claimed: 8193 });
        assert_eq!(encode_block(&[7; 8193], 0, &mut [0; BLOCK_BYTES]), Err(kind));
    }

    #[test]
    fn neither_magic_is_no_record() {
        assert_eq!(refusal(&[0; TRAILER_BYTES]), corrupt(Corrupt(Rule::TrailerMissing)));
        assert_eq!(refusal(&[0xff; TRAILER_BYTES]), corrupt(Corrupt(Rule::TrailerMissing)));
    }

    #[test]
    fn a_trailers_length_checksum_and_padding_are_judged_in_this_order() {
        let envelope = fixture::envelope(&[1]);
        let good = region(&envelope);
        let mut bytes = good;
        bytes[8..16].fill(0xff);
        bytes[TRAILER_BYTES - 1] = 1;
        bytes[16] ^= 1;
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::TrailerLength { claimed: u32::MAX })));
        bytes[8..12].copy_from_slice(&8193_u32.to_le_bytes());
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::TrailerLength { claimed: 8193 })));
        bytes[8..12].copy_from_slice(&good[8..12]);
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::TrailerCrc)));
        let crc = crc32(&bytes[16..16 + envelope.len()]).to_le_bytes();
        bytes[12..16].copy_from_slice(&crc);
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::TrailerPadding)));
        bytes[TRAILER_BYTES - 1] = 0;
        assert_eq!(refusal(&bytes), corrupt(Corrupt(Rule::EnvelopeMagic)));
        assert_eq!(refusal(&good), None);
    }

    #[test]
    fn every_changed_byte_of_a_trailer_is_noticed() {
        let good = region(&fixture::envelope(&[1]));
        for at in 0..TRAILER_BYTES {
            let mut bytes = good;
            bytes[at] ^= 0x10;
            assert!(Record::parse(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_mark_round_trips_and_is_strict() {
        let mark = Mark::new(Digest::new([3; 32]));
        let mut block = [0xee; BLOCK_BYTES];
        mark.encode(&mut block);
        assert_eq!(Mark::parse(&block), Ok(mark));
        let with = |at: usize| {
            let mut bytes = block;
            bytes[at] ^= 1;
            Mark::parse(&bytes)
        };
        for at in 0..BLOCK_BYTES {
            let expected = match at {
                0..8 => Corrupt(Rule::TrailerMissing),
                8..44 => Corrupt(Rule::MarkCrc),
                _ => Corrupt(Rule::MarkPadding),
            };
            assert_eq!(with(at), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn on_a_partition_the_one_destroys_the_other_and_nothing_else_is_touched() {
        let mut disk = RamDisk::new(BlockSize::B512, 512);
        disk.bytes.fill(0x55);
        let extent = Extent::new(Lba::new(9), Lba::new(300), BlockSize::B512).unwrap();
        let offset = trailer_offset(extent.len()).unwrap().get() as usize + 9 * 512;
        let envelope = fixture::envelope(&[1]);
        let (mut scratch, mut buf) = ([0; BLOCK_BYTES], [0; TRAILER_BYTES]);

        write(&mut Window::new(&mut disk, extent), &envelope, &mut scratch).unwrap();
        let found = Record::read(&mut Window::new(&mut disk, extent), &mut buf);
        assert!(matches!(found, Ok(Record::Trailer(unverified)) if unverified.envelope() == envelope));
        let touched: Vec<usize> = (0..disk.bytes.len()).filter(|at| disk.bytes[*at] != 0x55).collect();
        assert_eq!((touched[0], touched[touched.len() - 1]), (offset, offset + TRAILER_BYTES - 1));

        let mark = Mark::new(Digest::new([3; 32]));
        mark.write(&mut Window::new(&mut disk, extent), &mut scratch).unwrap();
        let found = Record::read(&mut Window::new(&mut disk, extent), &mut buf);
        assert!(matches!(found, Ok(Record::Mark(found)) if found == mark));
        write(&mut Window::new(&mut disk, extent), &envelope, &mut scratch).unwrap();
        let found = Record::read(&mut Window::new(&mut disk, extent), &mut buf);
        assert!(matches!(found, Ok(Record::Trailer(_))));
    }

    #[test]
    fn a_partition_without_room_is_refused() {
        let mut disk = RamDisk::new(BlockSize::B512, 200);
        let extent = Extent::new(Lba::new(0), Lba::new(126), BlockSize::B512).unwrap();
        let found = Record::read(&mut Window::new(&mut disk, extent), &mut [0; TRAILER_BYTES]).err();
        assert_eq!(found, Some(Error::NoSpace(NoSpace::NoTrailerRegion { size: ByteLen::new(127 * 512) })));
    }
}
