//! How much of a bundle an installation would read: known from the index pages and hints alone.

use crate::bundle::page::PageChain;
use crate::error::Error;
use crate::install::reuse::Known;
use crate::install::seam::{Ahead, Run, Source};
use crate::install::{Buffers, Place, group, stream};
use crate::io::BlockIo;

/// Bytes of the payload that none of the spare images has, with what tells so. The source is behind the payload then.
pub(super) fn payload<D: BlockIo, R: Source>(
    place: &Place<'_>,
    known: &Known<'_>,
    source: &mut R,
    buffers: &mut Buffers<'_>,
) -> Result<u64, Error<D::Error>> {
    let geometry = place.tree.geometry;
    let mut skip = geometry.shipped_bytes().get();
    let mut read = skip;
    let Some(mut pages) = PageChain::new(place.payload, place.features, place.frames) else {
        let all = skip.saturating_add(geometry.image_blocks_bytes().get());
        source.skip(all, buffers.data).map_err(stream::lost)?;
        return Ok(all);
    };
    let (mut next, mut gap) = (0, u64::MAX);
    while next < geometry.chunks() {
        let chunks = group::chunks(place, next);
        let head = group::head_len(place, next);
        source.will_read(Ahead::Runs(&[Run { skip: u32::try_from(skip).unwrap_or(u32::MAX), read: head }]));
        source.skip(skip, buffers.data).map_err(stream::lost)?;
        let hinted = group::read_page(&mut pages, place, next, source, buffers)?;
        let along = |gap: u64, source: &R| if gap <= source.near() { gap } else { 0 };
        read = read.saturating_add(head.into()).saturating_add(along(gap, source));
        gap = 0;
        skip = 0;
        for (chunk, frame) in group::frames(place, chunks.clone()) {
            let row = group::row(place, buffers.page, frame).map_or(0, |row| row.carried_len());
            let len = u64::try_from(row).unwrap_or(u64::MAX);
            skip = skip.saturating_add(len);
            let hints = group::hints_in(&geometry, chunks.start, chunk);
            let hints = hints.map(|hints| group::hints_of_frame(place, hints, frame));
            let hints = hints.and_then(|range| buffers.reuse.hints.get(range)).unwrap_or_default();
            if hinted && known.has(buffers.reuse.index, hints) {
                gap = gap.saturating_add(len);
            } else if len > 0 {
                read = read.saturating_add(len).saturating_add(along(gap, source));
                gap = 0;
            }
        }
        next = chunks.end;
    }
    source.skip(skip, buffers.data).map_err(stream::lost)?;
    Ok(read)
}
