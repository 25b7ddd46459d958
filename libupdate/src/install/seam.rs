//! What an installation asks of its caller: the bundle's bytes, and chunks decompressed.

use embedded_io::{Read, ReadExactError};

use crate::bundle::Verified;
use crate::units::bytes::len_u64;

/// A bundle's bytes, from front to end.
pub trait Source: Read {
    /// Hears the authentic head: how many bytes follow, and what they must be. Before it, a source fetches no more than the head.
    fn expects(&mut self, _head: &Verified<'_>) {}

    /// Hears which of the bytes that follow will be read, so that no others are fetched. What it heard is over where that ends, or where the
    /// act reads or skips in another way, which is right all the same.
    fn will_read(&mut self, _ahead: Ahead<'_>) {}

    /// Bytes between two runs that it fetches along, since another request would cost more.
    fn near(&self) -> u64 {
        0
    }

    /// Whether so much was read since this last said so that it is worth a flush: reading it again after a cut would cost more. Asked after each chunk.
    fn wants_flush(&mut self) -> bool {
        false
    }

    /// The next `buf.len()` bytes: in `buf`, or in memory of the source's own, which then leaves `buf` alone and spares the copy.
    ///
    /// # Errors
    /// As [`Read::read_exact`].
    fn lend<'a>(&'a mut self, buf: &'a mut [u8]) -> Result<&'a [u8], ReadExactError<Self::Error>> {
        self.read_exact(buf).map(|()| &*buf)
    }

    /// Leaves out the next `bytes` bytes. `scratch` is memory to read them into where the source cannot seek.
    ///
    /// # Errors
    /// As [`Read::read_exact`].
    fn skip(&mut self, bytes: u64, scratch: &mut [u8]) -> Result<(), ReadExactError<Self::Error>> {
        let mut left = bytes;
        while left > 0 {
            let len = usize::try_from(left).map_or(scratch.len(), |left| left.min(scratch.len()));
            let piece = scratch.get_mut(..len).unwrap_or_default();
            self.read_exact(piece)?;
            left = left.saturating_sub(len_u64(piece).max(1));
        }
        Ok(())
    }
}

/// What an act will read of the bytes that follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ahead<'r> {
    /// All of them.
    All,
    /// These, one after another.
    Runs(&'r [Run]),
}

/// Bytes that are skipped, and bytes after them that are read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Run {
    /// Bytes that are skipped.
    pub skip: u32,
    /// Bytes that are read.
    pub read: u32,
}

impl Source for &[u8] {}

/// Decompresses one chunk: the seam for zstd. Called only with carried bytes whose digest is authenticated.
pub trait Decompressor {
    /// Fills `chunk` from `carried`: one frame, exactly `chunk.len()` bytes, whose header says this size, no dictionary id and a window
    /// of at most 2^19 bytes. A library's bound of the window may hold for streams alone: then the caller looks at the header itself.
    /// `None` if the frame is anything else.
    fn decompress(&mut self, carried: &[u8], chunk: &mut [u8]) -> Option<()>;

    /// The same with a `prefix` that the frame refers to, as if it had been decompressed right before: for chunks that are made from an old
    /// image. The window may have 2^21 bytes. `None` also if that is not possible here: such bundles are then not admitted.
    fn decompress_after(&mut self, _prefix: &[u8], _carried: &[u8], _out: &mut [u8]) -> Option<()> {
        None
    }

    /// As [`Decompressor::decompress`] for several chunks, which a caller with more than one processor does side by side.
    ///
    /// # Errors
    /// The place in `packed` of one that did not.
    fn decompress_each(&mut self, packed: &mut [Packed<'_>]) -> Result<(), usize> {
        for (place, one) in packed.iter_mut().enumerate() {
            self.decompress(one.carried, one.chunk).ok_or(place)?;
        }
        Ok(())
    }
}

/// A chunk that is to be decompressed.
#[derive(Debug)]
pub struct Packed<'p> {
    /// Its carried bytes.
    pub carried: &'p [u8],
    /// Where it goes.
    pub chunk: &'p mut [u8],
}

/// For callers that install only uncompressed bundles.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoDecompressor;

impl Decompressor for NoDecompressor {
    fn decompress(&mut self, _: &[u8], _: &mut [u8]) -> Option<()> {
        None
    }
}
