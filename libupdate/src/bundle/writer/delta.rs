//! Chunks that are carried as what differs from an old image.

use core::fmt;
use std::io;
use std::vec::Vec;

use crate::bundle::page::Row;
use crate::bundle::writer::{Carriage, Image};
use crate::units::digest::{DIGEST_BYTES, Digest};

/// What a chunk of a delta is carried as, where that is shorter than the chunk.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Body {
    /// How the bytes are to be read.
    pub codec: Codec,
    /// The bytes that the bundle carries.
    pub bytes: Vec<u8>,
}

/// How the bytes of a [`Body`] are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Codec {
    /// One zstd frame, as [`Compressor`](crate::bundle::writer::Compressor) makes it.
    #[default]
    Zstd,
    /// Runs of the old image, and a zstd frame with their bytes as prefix.
    Prefix,
    /// Runs of the old image, and what is copied from their bytes and added.
    Patch,
}

/// Makes the bodies of a delta. The same chunk and old image always give the same body, or bundles cannot be made again.
pub trait DeltaCompressor: fmt::Debug {
    /// Replaces each of `bodies` by the shortest that its chunk has; there are at most 4, which may be made side by side.
    ///
    /// # Errors
    /// The compressor's own; the bundle is then not made.
    fn compress(&mut self, chunks: &[&[u8]], bodies: &mut [Body]) -> io::Result<()>;
}

impl Body {
    /// The row for it.
    pub(super) fn row(&self) -> Row {
        // A body is carried only where it is shorter than its chunk, which has at most 2^19 bytes.
        let carried_len = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let digest = Digest::of(&[&self.bytes]);
        match self.codec {
            Codec::Zstd => Row::Zstd { carried_len, digest },
            Codec::Prefix => Row::Prefix { carried_len, digest },
            Codec::Patch => Row::Patch { carried_len, digest },
        }
    }
}

/// What the manifest says of the images that the payloads refer to, unless there are none.
pub(super) fn old_images<R>(images: &[Image<'_, '_, R>]) -> Option<Vec<u8>> {
    let old = |image: &Image<'_, '_, R>| match image.carriage {
        Carriage::Delta { old, .. } => Some(*old.digest().as_bytes()),
        Carriage::Raw | Carriage::Zstd(_) | Carriage::Hinted(..) => None,
    };
    let roots = || images.iter().map(old);
    roots().flatten().next()?;
    Some(roots().flat_map(|root| root.unwrap_or([0; DIGEST_BYTES])).collect())
}
