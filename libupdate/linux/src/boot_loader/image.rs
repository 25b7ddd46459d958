//! The image of a payload, on its way from its slot to where a boot loader reads it; and the proof that what arrived is what was signed.
//!
//! Bounded memory, whatever the image: it goes by in pieces. What arrived is read from there and makes a hash tree, whose root must be the
//! one of the signed manifest. So it is known to be what was signed, and not only what was read.

use std::fmt;

use libupdate::manifest::Payload;
use libupdate::transition::Staged;
use libupdate::units::digest::{BLOCK_BYTES, RootHash, SoftHasher};
use libupdate::units::limits::LEVELS;
use libupdate::verity::TreeBuilder;
use libupdate::{BlockIo, Extent, Lba};

use crate::AlignedBuf;
use crate::error::OsError;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

/// A payload of a slot, and where its partition is.
#[derive(Clone, Debug)]
pub struct Image<'s> {
    /// What was signed.
    pub payload: Payload<'s>,
    /// Where it is.
    pub from: Extent,
}

impl<'s> Image<'s> {
    /// The payload of that role, in a slot that is staged.
    pub fn of(staged: &'s Staged<'_>, role: &str) -> Option<Self> {
        let mut places = staged.verified().manifest().payloads().iter().zip(staged.extents());
        let (payload, from) = places.find(|(payload, _)| payload.role().as_str() == role)?;
        Some(Self { payload, from: *from })
    }

    /// Gives each piece as it is in the slot, in whole blocks, and the byte that it begins at.
    ///
    /// # Errors
    /// The slot cannot be read; those of `each`.
    pub fn copy<D: BlockIo<Error = OsError>>(
        &self,
        disk: &mut D,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), OsError>,
    ) -> Result<(), OsError> {
        let block = self.from.block_size().bytes_u64();
        self.pieces(|at, piece| {
            disk.read(Lba::new(self.from.first().get().saturating_add(at / block)), piece)?;
            each(at, piece)
        })
    }

    /// The root hash of what `read` gives for each piece.
    ///
    /// # Errors
    /// Those of `read`; `wrong` for what makes no tree, in words.
    pub fn root_hash(
        &self,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), OsError>,
        wrong: impl Fn(&dyn fmt::Display) -> OsError,
    ) -> Result<RootHash, OsError> {
        let mut open = [[0; BLOCK_BYTES]; LEVELS];
        let mut tree = TreeBuilder::new(self.payload.geometry(), self.payload.salt(), &mut open)
            .map_err(|misuse| wrong(&misuse))?;
        self.pieces(|at, piece| {
            read(at, piece)?;
            let taken = tree.push_blocks(piece, &mut SoftHasher, |_, _, _| Ok::<_, OsError>(()));
            taken.map_err(|error| wrong(&error))
        })?;
        tree.finish().map_err(|unfinished| wrong(&unfinished))
    }

    fn pieces(&self, mut each: impl FnMut(u64, &mut [u8]) -> Result<(), OsError>) -> Result<(), OsError> {
        let len = self.payload.geometry().image_blocks_bytes().get();
        let mut buffer = AlignedBuf::new(PIECE);
        let mut at = 0;
        while at < len {
            let piece = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
            each(at, &mut buffer[..piece])?;
            at += u64::try_from(piece).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}
