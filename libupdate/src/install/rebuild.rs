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
    let (reference, rest) = buffers.reference.split_at_mut_checked(body.reference_bytes()).ok_or(small)?;
    gather(&mut window.elsewhere(old.extent), &body, reference).map_err(|error| unreadable(number, error))?;
    let got = buffers.data.len();
    let (data, second) = buffers.data.split_at_mut_checked(len).ok_or(Misuse::Buffer { needed: len, got })?;
    let made = match body.recipe() {
        Recipe::Copy => {
            data.copy_from_slice(reference);
            Some(())
        }
        Recipe::Prefix(frame) => decompressor.decompress_after(reference, frame, data),
        Recipe::Patch(lengths, frame) => {
            // Memory for a second chunk is there and idle, if there is any: no more is touched than must be.
            let memory = if second.len() < lengths.total() { rest } else { second };
            let streams = memory.get_mut(..lengths.total()).ok_or(small)?;
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

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::install::{NoDecompressor, reuse};
    use crate::io::ram_disk::{Failed, RamDisk};
    use crate::units::block::{BlockSize, Extent, Lba};
    use crate::units::digest::Digest;

    const OLD_BLOCKS: u64 = 20;

    fn extent(first: u64, last: u64) -> Extent {
        Extent::new(Lba::new(first), Lba::new(last), BlockSize::B512).unwrap()
    }

    /// A disk whose old image begins at sector 80; each of its blocks holds its number.
    fn disk() -> RamDisk {
        let mut disk = RamDisk::new(BlockSize::B512, 400);
        for block in 0..OLD_BLOCKS {
            let start = 80 * 512 + usize::try_from(block).unwrap() * BLOCK_BYTES;
            disk.bytes[start..start + BLOCK_BYTES].fill(u8::try_from(block).unwrap() + 1);
        }
        disk
    }

    /// The chunk that a body gives, of three blocks.
    fn made(
        disk: &mut RamDisk,
        body: &[u8],
        codec: fn(u32, Digest) -> Row,
        memory: usize,
    ) -> Result<Vec<u8>, Error<Failed>> {
        let (mut data, mut carried, mut reference) = ([0; 3 * BLOCK_BYTES], [0; 64], std::vec![0; memory]);
        let [mut leaf, mut block, mut page] = [[0; BLOCK_BYTES]; 3];
        let row = codec(u32::try_from(body.len()).unwrap(), Digest::of(&[body]));
        let mut buffers = Buffers {
            data: &mut data,
            carried: &mut carried,
            reference: &mut reference,
            reuse: reuse::Memory::default(),
            leaf: &mut leaf,
            block: &mut block,
            page: &mut page,
        };
        let old = OldImage { extent: extent(80, 399), blocks: OLD_BLOCKS };
        let (mut window, mut source) = (Window::new(disk, extent(0, 79)), body);
        let what = (7, row, 3 * BLOCK_BYTES);
        chunk(&mut window, what, old, &mut source, &mut buffers, &mut NoDecompressor).map(|()| data.to_vec())
    }

    const fn patch(carried_len: u32, digest: Digest) -> Row {
        Row::Patch { carried_len, digest }
    }

    const fn prefix(carried_len: u32, digest: Digest) -> Row {
        Row::Prefix { carried_len, digest }
    }

    /// Block 4, and blocks 18 and 19.
    const BODY: [u8; 5] = [2, 4, 1, 13, 2];

    #[test]
    fn runs_of_the_old_image_are_the_chunk() {
        let data = made(&mut disk(), &BODY, patch, 3 * BLOCK_BYTES).unwrap();
        let numbers: Vec<u8> = data.chunks(BLOCK_BYTES).map(|block| block[0]).collect();
        assert_eq!(numbers, [5, 19, 20]);
        assert!(data.chunks(BLOCK_BYTES).all(|block| block.iter().all(|byte| *byte == block[0])));
    }

    #[test]
    fn nothing_is_written_and_only_the_runs_are_read() {
        let mut disk = disk();
        disk.bad_reads = (0..80).chain(80..80 + 4 * 8).chain(80 + 5 * 8..80 + 18 * 8).collect();
        let before = disk.bytes.clone();
        made(&mut disk, &BODY, patch, 3 * BLOCK_BYTES).unwrap();
        assert!(disk.log.is_empty() && disk.bytes == before);
    }

    #[test]
    fn an_old_image_that_cannot_be_read_is_told_from_a_bad_delta() {
        let mut bad = disk();
        bad.bad_reads = std::vec![80 + 19 * 8];
        let unreadable = Err(Error::Bundle(Corrupt(Rule::OldImageUnreadable { chunk: 7 })));
        assert_eq!(made(&mut bad, &BODY, patch, 3 * BLOCK_BYTES), unreadable);
        let wrong = Err(Error::Bundle(Corrupt(Rule::DeltaBody { chunk: 7 })));
        assert_eq!(made(&mut disk(), &[1, 18, 3], patch, 3 * BLOCK_BYTES), wrong, "past its end");
        // Nobody decompresses here.
        assert_eq!(made(&mut disk(), &BODY, prefix, 3 * BLOCK_BYTES), wrong);
    }

    #[test]
    fn less_memory_than_the_reference_is_the_callers_fault() {
        let got = 3 * BLOCK_BYTES - 1;
        let found = made(&mut disk(), &BODY, patch, got);
        assert_eq!(found, Err(Error::Misuse(Misuse::Buffer { needed: MEMORY_BYTES, got })));
    }
}
