//! Writers in the wrong order, to see that the laboratory catches them.
//!
//! Orders of table writers are written as in `libupdate::gpt::write::plan`: H header, E entries, 1 primary, 2 backup, `|` a flush; parts in one word
//! are one write. An installation is taken apart and put together wrongly.

use crate::board::Board;
use crate::medium::{Medium, Zone};
use crate::sim_disk::Event;

/// The table of `end` over that of `start`, in this order.
///
/// # Panics
/// Where a word of `order` is none of `H1 E1 H2 E2 H1E1 |`.
#[must_use]
pub fn table_in_order(board: &Board, start: &Medium, end: &Medium, order: &str) -> Vec<Event> {
    let table = &board.table;
    let array = table.block_size.blocks_for(128 * 128);
    let part = |word: &str| match word {
        "H1" => 1..2,
        "E1" => table.primary_entries..table.primary_entries + array,
        "H1E1" => 1..table.primary_entries + array,
        "E2" => table.backup_entries..table.backup_entries + array,
        "H2" => table.blocks - 1..table.blocks,
        other => panic!("{other} is no part of a table"),
    };
    let event = |word: &str| {
        if word == "|" {
            return Some(Event::Flush);
        }
        let new = |lba: &u64| end.sector(*lba).zip(start.sector(*lba)).is_some_and(|(new, old)| !new.same(old));
        let changed: Vec<u64> = part(word).filter(new).collect();
        let (first, last) = (*changed.first()?, *changed.last()?);
        Some(Event::Write(first, (first..=last).filter_map(|lba| end.sector(lba).cloned()).collect()))
    };
    order.split_whitespace().filter_map(event).collect()
}

/// The log of an installation, taken apart.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The commit that takes the slot out of the boot order.
    pub disarm: Vec<Event>,
    /// Marks and images, with their flushes.
    pub images: Vec<Event>,
    /// The trailers and their flush.
    pub trailer: Vec<Event>,
    /// The commit that puts the slot first.
    pub arm: Vec<Event>,
}

impl Installation {
    /// Takes a log apart.
    ///
    /// # Panics
    /// Where it is not that of an installation.
    #[must_use]
    pub fn of(board: &Board, log: &[Event]) -> Self {
        let in_slot = |event: &Event| matches!(event, Event::Write(first, _) if board.zone_of(*first) != Zone::TABLE);
        let first = log.iter().position(in_slot).expect("a slot is written");
        let last = log.iter().rposition(in_slot).expect("a slot is written");
        let flush = |range: &[Event]| range.iter().rposition(|event| matches!(event, Event::Flush));
        let trailer = flush(&log[..last]).map_or(first, |at| at + 1);
        let arm = last + 2;
        let piece = |from: usize, to: usize| log[from..to].to_vec();
        Self {
            disarm: piece(0, first),
            images: piece(first, trailer),
            trailer: piece(trailer, arm),
            arm: piece(arm, log.len()),
        }
    }

    /// As it was.
    #[must_use]
    pub fn in_order(&self) -> Vec<Event> {
        [&self.disarm[..], &self.images, &self.trailer, &self.arm].concat()
    }

    /// The slot stays in the boot order while it is written.
    #[must_use]
    pub fn without_disarming(&self) -> Vec<Event> {
        [&self.images[..], &self.trailer, &self.arm].concat()
    }

    /// The slot is first in the boot order before its trailer is written.
    #[must_use]
    pub fn armed_before_the_trailer(&self) -> Vec<Event> {
        [&self.disarm[..], &self.images, &self.arm, &self.trailer].concat()
    }

    /// Trailer and both copies of the table in one flush window.
    #[must_use]
    pub fn armed_before_the_flush(&self) -> Vec<Event> {
        let writes = |events: &[Event]| events.iter().filter(|event| !matches!(event, Event::Flush)).cloned().collect();
        let joined: [Vec<Event>; 2] = [writes(&self.trailer), writes(&self.arm)];
        [&self.disarm[..], &self.images, &joined.concat(), &[Event::Flush]].concat()
    }

    /// A log without its flush of this number, counted from 0.
    #[must_use]
    pub fn without_flush(log: &[Event], number: usize) -> Vec<Event> {
        let mut flushes = 0;
        let keep = |event: &&Event| {
            let is_it = matches!(event, Event::Flush) && flushes == number;
            flushes += usize::from(matches!(event, Event::Flush));
            !is_it
        };
        log.iter().filter(keep).cloned().collect()
    }
}
