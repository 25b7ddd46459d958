//! A log in words: which part of the disk each write touches, and where the flushes are.
//!
//! H is a header, E the entries, 1 the primary, 2 the backup, 2' the backup on its way to the end of a disk that grew; parts of one
//! write are joined by `+`, `|` is a flush.

use libupdate::region::trailer::{BOOT_NOTE_OFFSET, CONFIRMATION_OFFSET, trailer_offset};
use libupdate::verity::Geometry;
use libupdate::{BlockCount, ByteLen};

use crate::board::Board;
use crate::sim_disk::Event;

/// The events in their order on a disk of `blocks` sectors, writes of the same part counted.
#[must_use]
pub fn tell(board: &Board, blocks: BlockCount, log: &[Event]) -> String {
    let moved = |first: u64| blocks.get() > board.table.blocks && first >= board.table.backup_entries;
    let mut words: Vec<(String, usize)> = Vec::new();
    for event in log {
        let word = match event {
            Event::Write(first, _) if moved(*first) && *first == blocks.get() - 1 => "H2'".to_owned(),
            Event::Write(first, _) if moved(*first) => "E2'".to_owned(),
            Event::Write(first, sectors) => part(board, *first, u64::try_from(sectors.len()).unwrap_or(u64::MAX)),
            Event::Flush => "|".to_owned(),
            Event::FailedFlush => "(flush failed)".to_owned(),
        };
        match words.last_mut().filter(|(last, _)| *last == word) {
            Some((_, count)) => *count += 1,
            None => words.push((word, 1)),
        }
    }
    let word = |(word, count): &(String, usize)| match (word.as_str(), *count) {
        (_, 1) => word.clone(),
        ("|", count) => "|".repeat(count),
        (_, count) => format!("{count} {word}"),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The part of the disk that `sectors` from `first` on belong to.
fn part(board: &Board, first: u64, sectors: u64) -> String {
    let table = &board.table;
    let size = board.model.block_size.bytes_u64();
    let mut slots = board.specs.iter().zip(&table.partitions[1..]).enumerate();
    if let Some((number, (spec, place))) = slots.find(|(_, (_, place))| (place.first..=place.last).contains(&first)) {
        let (_, blocks) = board.model.roles[number % board.model.roles.len()];
        let region = in_slot(blocks, (place.last + 1 - place.first) * size, (first - place.first) * size);
        return if board.model.roles.len() == 1 { region.to_owned() } else { format!("{}:{region}", spec.role) };
    }
    let array = board.model.block_size.blocks_for(128 * 128);
    let parts = [
        (0, 1, "MBR"),
        (1, 1, "H1"),
        (table.primary_entries, array, "E1"),
        (table.backup_entries, array, "E2"),
        (table.blocks - 1, 1, "H2"),
    ];
    let touched = parts.iter().filter(|(at, len, _)| *at < first + sectors && first < at + len).map(|(.., name)| *name);
    touched.collect::<Vec<_>>().join("+")
}

fn in_slot(blocks: u64, partition: u64, at: u64) -> &'static str {
    let Some(geometry) = Geometry::from_image_len(ByteLen::new(blocks * 4096)) else { return "?" };
    let trailer = trailer_offset(ByteLen::new(partition)).map_or(u64::MAX, |offset| offset.get());
    match at {
        at if at >= trailer + CONFIRMATION_OFFSET => "question",
        at if at >= trailer + BOOT_NOTE_OFFSET => "note",
        at if at >= trailer => "trailer",
        at if at > geometry.hash_offset().get() => "tree",
        at if at == geometry.hash_offset().get() => "superblock",
        _ => "image",
    }
}
