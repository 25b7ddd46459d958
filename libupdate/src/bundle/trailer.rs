//! The last 64 KiB of a slot partition: what is installed on it, or being installed.
//!
//! ```text
//!  partition size rounded down to 4096, minus 65536
//!      0  trailer, or mark
//!         | "LUTRAIL1" 8 | envelope length 4 | CRC-32 of envelope 4 | envelope | zero to 12288 |
//!         | "LUMARK01" 8 | manifest digest 32 | CRC-32 of bytes 0..40 4 | zero to 4096 |
//!  32768  verdict, one block: see [`verdict`](super::verdict)
//!  36864  zero
//! ```
//!
//! 1. A trailer says that the partition holds this manifest's image. The CRC tells damage from forgery; the signatures in the
//!    envelope are what is trusted.
//! 2. A mark says that an install of this manifest has begun: a hint that re-hashing what is there is worth while.
//! 3. Both stand at one place: writing the one destroys the other.

use crate::block::{ByteLen, ByteOffset};
use crate::bundle::Unverified;
use crate::bytes;
use crate::digest::{BLOCK_BYTES, Digest};
use crate::error::{BundleFault, Corrupt, Error, NoSpace};
use crate::io::{BlockIo, Window};
use crate::limits::ENVELOPE_BYTES;

/// Bytes of the region.
pub const REGION_BYTES: u64 = 65536;
/// Where the verdict stands in the region.
pub const VERDICT_OFFSET: u64 = 32768;
/// Blocks that a trailer takes.
pub const TRAILER_BLOCKS: usize = 3;
/// Bytes that a trailer takes.
pub const TRAILER_BYTES: usize = TRAILER_BLOCKS.saturating_mul(BLOCK_BYTES);

const TRAILER_MAGIC: [u8; 8] = *b"LUTRAIL1";
const MARK_MAGIC: [u8; 8] = *b"LUMARK01";
const HEADER_BYTES: usize = 16;
const MARK_BYTES: usize = 44;

/// Where the region begins on a partition of `partition_len`; `None` where there is no room for it.
#[must_use]
pub const fn trailer_offset(partition_len: ByteLen) -> Option<ByteOffset> {
    let whole_blocks = partition_len.get() & !0xfff;
    match whole_blocks.checked_sub(REGION_BYTES) {
        Some(offset) => Some(ByteOffset::new(offset)),
        None => None,
    }
}

/// What stands at the start of the region.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// An install was completed; its envelope, to be verified.
    Trailer(Unverified<'a>),
    /// An install has begun.
    Mark(Mark),
}

impl<'a> Record<'a> {
    /// Parses the first blocks of the region.
    ///
    /// # Errors
    /// [`Corrupt::TrailerMissing`] where neither magic stands there; else, in this order, the kinds of the record's length,
    /// checksum and zeros, and [`Unverified::parse`]'s.
    pub fn parse(region: &'a [u8; TRAILER_BYTES]) -> Result<Self, BundleFault> {
        match bytes::array(region, 0) {
            Some(TRAILER_MAGIC) => Ok(Self::Trailer(Unverified::parse(envelope(region)?)?)),
            Some(MARK_MAGIC) => Ok(Self::Mark(Mark::parse(region.first_chunk().ok_or(Corrupt::TrailerMissing)?)?)),
            _ => Err(Corrupt::TrailerMissing.into()),
        }
    }

    /// Reads the record of a partition.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Record::parse`]'s; [`NoSpace::NoTrailerRegion`].
    pub fn read<D: BlockIo>(
        window: &mut Window<'_, D>,
        buf: &'a mut [u8; TRAILER_BYTES],
    ) -> Result<Self, Error<D::Error>> {
        let offset = region_of(window)?;
        window.read(offset, buf)?;
        Ok(Self::parse(buf)?)
    }
}

/// Writes the trailer. Touches the disk; durable after a flush.
///
/// # Errors
/// [`Error::Io`]; [`NoSpace::NoTrailerRegion`]; [`Corrupt::EnvelopeTooLong`].
pub fn write<D: BlockIo>(
    window: &mut Window<'_, D>,
    envelope: &[u8],
    scratch: &mut [u8; BLOCK_BYTES],
) -> Result<(), Error<D::Error>> {
    let mut offset = region_of(window)?;
    for index in 0..TRAILER_BLOCKS {
        encode_block(envelope, index, scratch)?;
        window.write(offset, scratch)?;
        offset = ByteOffset::new(offset.get().saturating_add(bytes::len_u64(scratch)));
    }
    Ok(())
}

/// Block `index` of the trailer over `envelope`; zeros from the third block on.
///
/// # Errors
/// [`Corrupt::EnvelopeTooLong`].
pub fn encode_block(envelope: &[u8], index: usize, out: &mut [u8; BLOCK_BYTES]) -> Result<(), Corrupt> {
    let claimed = u32::try_from(envelope.len()).unwrap_or(u32::MAX);
    if envelope.len() > ENVELOPE_BYTES {
        return Err(Corrupt::EnvelopeTooLong { claimed });
    }
    let header: [&[u8]; 3] = [&TRAILER_MAGIC, &claimed.to_le_bytes(), &crc32fast::hash(envelope).to_le_bytes()];
    let record = header.iter().copied().chain([envelope]).flatten().copied();
    let block = record.skip(index.saturating_mul(BLOCK_BYTES)).chain(core::iter::repeat(0));
    for (to, from) in out.iter_mut().zip(block) {
        *to = from;
    }
    Ok(())
}

/// The envelope of a trailer whose magic was found.
fn envelope(region: &[u8; TRAILER_BYTES]) -> Result<&[u8], Corrupt> {
    let claimed = bytes::u32_at(region, 8).ok_or(Corrupt::Truncated)?;
    let len = usize::try_from(claimed).unwrap_or(usize::MAX);
    if len > ENVELOPE_BYTES {
        return Err(Corrupt::TrailerLength { claimed });
    }
    let body = region.get(HEADER_BYTES..).unwrap_or_default();
    let (envelope, rest) = body.split_at_checked(len).ok_or(Corrupt::Truncated)?;
    if bytes::u32_at(region, 12) != Some(crc32fast::hash(envelope)) {
        return Err(Corrupt::TrailerCrc);
    }
    if !bytes::all_zero(rest) {
        return Err(Corrupt::TrailerPadding);
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
    /// [`Corrupt::TrailerMissing`] without the magic; [`Corrupt::MarkCrc`]; [`Corrupt::MarkPadding`].
    pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Self, Corrupt> {
        if bytes::array(block, 0) != Some(MARK_MAGIC) {
            return Err(Corrupt::TrailerMissing);
        }
        let (covered, rest) = block.split_at_checked(MARK_BYTES).unwrap_or_default();
        let (body, crc) = covered.split_last_chunk::<4>().ok_or(Corrupt::Truncated)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(Corrupt::MarkCrc);
        }
        if !bytes::all_zero(rest) {
            return Err(Corrupt::MarkPadding);
        }
        bytes::array(body, 8).map(|manifest| Self::new(Digest::new(manifest))).ok_or(Corrupt::Truncated)
    }

    /// The mark's block.
    pub fn encode(&self, out: &mut [u8; BLOCK_BYTES]) {
        let mut body = [0; 40];
        for (to, from) in body.iter_mut().zip(MARK_MAGIC.iter().chain(self.manifest.as_bytes())) {
            *to = *from;
        }
        let crc = crc32fast::hash(&body).to_le_bytes();
        for (to, from) in out.iter_mut().zip(body.into_iter().chain(crc).chain(core::iter::repeat(0))) {
            *to = from;
        }
    }

    /// Writes the mark, which destroys a trailer. Touches the disk; durable after a flush.
    ///
    /// # Errors
    /// [`Error::Io`]; [`NoSpace::NoTrailerRegion`].
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
