//! An image, read front to back in batches of whole blocks.

use std::io::{ErrorKind, Read};
use std::string::ToString as _;

use crate::bundle::writer::WriteError;
use crate::error::{Corrupt, Rule};
use crate::manifest::Name;
use crate::units::block::ByteLen;
use crate::units::bytes::len_u64;
use crate::units::digest::BLOCK_BYTES;
use crate::verity::{CHUNK_BYTES, Geometry};

/// Bytes that are read, hashed, compressed and written in one step: a chunk for each core, of which three work on chunks at most; two
/// have two each. So memory does not grow with the machine.
fn batch_bytes() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, core::num::NonZeroUsize::get);
    CHUNK_BYTES.saturating_mul(if cores > 2 { 3 } else { 4 })
}

/// The bytes of one image, and how many of all images are done.
pub(super) struct Source<'a, 's> {
    role: Name<'a>,
    len: ByteLen,
    geometry: Geometry,
    reader: &'s mut dyn Read,
    done: &'s mut ByteLen,
}

impl<'a, 's> Source<'a, 's> {
    pub(super) fn new(
        role: Name<'a>,
        len: ByteLen,
        reader: &'s mut dyn Read,
        done: &'s mut ByteLen,
    ) -> Result<Self, WriteError> {
        let refused = Corrupt(Rule::ManifestImageLength { image_len: len.get(), data_blocks: 0 });
        let geometry = Geometry::from_image_len(len).ok_or(WriteError::Statement(refused))?;
        Ok(Self { role, len, geometry, reader, done })
    }

    pub(super) const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Hands each batch to `take`: whole chunks, except the end of the image, which is padded with zeros to a whole block.
    /// The image must end where its length says.
    pub(super) fn for_each_batch(
        self,
        progress: &mut dyn FnMut(ByteLen),
        mut take: impl FnMut(&[u8]) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let batch_bytes = batch_bytes();
        let mut buf = std::vec![0; batch_bytes];
        let mut left = self.len.get();
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(batch_bytes).min(batch_bytes);
            let (batch, _) = buf.split_at_mut(want.next_multiple_of(BLOCK_BYTES).min(batch_bytes));
            let (image, padding) = batch.split_at_mut(want);
            self.reader.read_exact(image).map_err(|cause| match cause.kind() {
                ErrorKind::UnexpectedEof => self.other_length(),
                _ => WriteError::Image { role: self.role.to_string(), cause },
            })?;
            padding.fill(0);
            let read = len_u64(image);
            take(batch)?;
            left = left.saturating_sub(read);
            *self.done = ByteLen::new(self.done.get().saturating_add(read));
            progress(*self.done);
        }
        match self.reader.read_exact(&mut [0]) {
            Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(cause) => Err(WriteError::Image { role: self.role.to_string(), cause }),
            Ok(()) => Err(self.other_length()),
        }
    }

    fn other_length(&self) -> WriteError {
        WriteError::ImageLength { role: self.role.to_string(), expected: self.len }
    }
}
