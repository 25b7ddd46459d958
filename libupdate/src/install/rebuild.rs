//! A chunk made from an old image in another slot, and what a delta bundle carries for it.
//!
//! ```text
//!  stream ─ body ─ digest of its row ─► runs ─► old image ─► reference ─┬─ is the chunk
//!                                                                       ├─ frame with it as its prefix ─► the chunk
//!                                                                       └─ frame ─► streams ─ build ─► the chunk
//! ```
//! The old image is only read, and nothing of it is believed: the chunk is checked against the new tree like any other.

use crate::bundle::delta::{Body, MEMORY_BYTES, Recipe};
use crate::bundle::page::Row;
use crate::error::{Corrupt, Error, Medium, Misuse, Rule};
use crate::install::Buffers;
use crate::install::seam::{Decompressor, Source};
use crate::install::stream;
use crate::io::{BlockIo, Window};
use crate::policy::OldImage;
use crate::units::block::ByteOffset;
use crate::units::digest::BLOCK_BYTES;

/// Reads the body of a chunk and makes the chunk, into the data buffer.
pub(super) fn chunk<D: BlockIo, R: Source, Z: Decompressor>(
    window: &mut Window<'_, D>,
    (number, row, len): (u64, Row, usize),
    old: OldImage,
    source: &mut R,
    buffers: &mut Buffers<'_>,
    decompressor: &mut Z,
) -> Result<(), Error<D::Error>> {
    let wrong = Error::Bundle(Corrupt(Rule::DeltaBody { chunk: number }));
    let body = stream::carried_bytes((number, row), source, buffers.carried)?;
    let Some(body) = Body::parse(&row, body, len, old.blocks) else { return Err(wrong) };
    let small = Misuse::Buffer { needed: MEMORY_BYTES, got: buffers.reference.len() };
    let (reference, streams) = buffers.reference.split_at_mut_checked(body.reference_bytes()).ok_or(small)?;
    gather(&mut window.elsewhere(old.extent), &body, reference).map_err(|error| unreadable(number, error))?;
    let got = buffers.data.len();
    let data = buffers.data.get_mut(..len).ok_or(Misuse::Buffer { needed: len, got })?;
    let made = match body.recipe() {
        Recipe::Copy => {
            data.copy_from_slice(reference);
            Some(())
        }
        Recipe::Prefix(frame) => decompressor.decompress_after(reference, frame, data),
        Recipe::Patch(lengths, frame) => {
            let streams = streams.get_mut(..lengths.total()).ok_or(small)?;
            let unpacked = decompressor.decompress_after(reference, frame, streams);
            unpacked.and_then(|()| lengths.build(reference, streams, data))
        }
    };
    made.ok_or(wrong)
}

/// Reads the runs of the old image, one after another.
fn gather<D: BlockIo>(
    old: &mut Window<'_, D>,
    body: &Body<'_>,
    mut reference: &mut [u8],
) -> Result<(), Error<D::Error>> {
    for run in body.runs() {
        let len = run.blocks.saturating_mul(BLOCK_BYTES);
        // The body has counted them.
        let Some((piece, rest)) = core::mem::take(&mut reference).split_at_mut_checked(len) else { return Ok(()) };
        old.read(ByteOffset::new(run.first.saturating_mul(4096)), piece)?;
        reference = rest;
    }
    Ok(())
}

/// The slot that holds the old image is none that this act writes: the bundle of whole images helps.
fn unreadable<E>(chunk: u64, error: Error<E>) -> Error<E> {
    match error {
        Error::Medium(Medium::Failed(_)) | Error::Misuse(_) => {
            Error::Bundle(Corrupt(Rule::OldImageUnreadable { chunk }))
        }
        other => other,
    }
}

/// A chunk that does not match was made from bytes that are not those of the old image, or the bundle is wrong.
pub(super) const fn differs(row: Row, kind: Corrupt) -> Corrupt {
    match (row, kind.0) {
        (Row::Prefix { .. } | Row::Patch { .. }, Rule::Chunk { chunk }) => Corrupt(Rule::OldImageDiffers { chunk }),
        _ => kind,
    }
}
