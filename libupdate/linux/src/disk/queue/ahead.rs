//! Reading ahead of accesses in a row.

use std::collections::VecDeque;

use libupdate::units::bytes::len_u64;

use super::crew::What;
use super::{AlignedBuf, Place, Queue, Range};
use crate::error::OsError;

/// Accesses of one size: where the next one in a row begins, and what is read of what follows.
#[derive(Debug)]
pub(super) struct Ahead {
    bytes: usize,
    depth: usize,
    next: Option<Range>,
    blocks: VecDeque<Block>,
}

#[derive(Debug)]
struct Block {
    ticket: u64,
    range: Range,
}

impl Ahead {
    /// Reads `depth` pieces of `bytes` ahead.
    pub(super) const fn new(bytes: usize, depth: usize) -> Self {
        Self { bytes, depth, next: None, blocks: VecDeque::new() }
    }

    /// Whether `range` begins where the last access ended.
    pub(super) fn follows(&self, range: &Range) -> bool {
        self.next.as_ref().is_some_and(|next| next.at == range.at && next.medium.is(&range.medium))
    }

    /// Notes an access.
    pub(super) fn passed(&mut self, range: Range) {
        self.next = Some(Range { at: range.end, ..range });
    }
}

impl Queue {
    /// Forgets what was read ahead: what touches `range`, or all of it.
    pub(super) fn forget_ahead(&mut self, size: usize, range: Option<&Range>) {
        let blocks = &mut self.ahead[size].blocks;
        let touched = |block: &Block| range.is_none_or(|range| block.range.touches(range));
        // Blocks follow one another: what is behind a gap could not be used.
        let Some(first) = blocks.iter().position(touched) else { return };
        for block in blocks.split_off(first) {
            self.drop_block(&block);
        }
    }

    fn drop_block(&mut self, block: &Block) {
        match self.read.remove(&block.ticket) {
            Some(done) => self.give_back(done.buf),
            None => self.given_up.push(block.ticket),
        }
    }

    /// Copies what was read ahead from `at` on. Returns how many bytes; what failed ahead is left to be read, and to fail, on its own.
    pub(super) fn take_ahead(&mut self, size: usize, at: u64, out: &mut [u8]) -> Result<usize, OsError> {
        let mut got = 0;
        while got < out.len() {
            let here = at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
            let Some(block) = self.ahead[size].blocks.front() else { break };
            if !(block.range.at..block.range.end).contains(&here) {
                break;
            }
            let (ticket, range) = (block.ticket, block.range.clone());
            while !self.read.contains_key(&ticket) {
                self.land();
            }
            let Some(done) = self.read.get(&ticket) else { break };
            if done.result.is_err() {
                break;
            }
            let skip = usize::try_from(here.saturating_sub(range.at)).unwrap_or(usize::MAX);
            let len = usize::try_from(range.end.saturating_sub(here)).unwrap_or(usize::MAX).min(out.len() - got);
            let from = done.buf.get(skip..skip.saturating_add(len)).unwrap_or_default();
            if let Some(to) = out.get_mut(got..got.saturating_add(from.len())) {
                to.copy_from_slice(from);
            }
            got = got.saturating_add(from.len());
            if here.saturating_add(len_u64(from)) == range.end
                && let Some(block) = self.ahead[size].blocks.pop_front()
            {
                self.drop_block(&block);
            }
        }
        self.told().map(|()| got)
    }

    /// The buffer that was read ahead where it holds exactly `range`; none where that failed.
    pub(super) fn take_whole(&mut self, size: usize, range: &Range) -> Option<AlignedBuf> {
        let block = self.ahead[size].blocks.front()?;
        let ticket = block.ticket;
        if block.range.at != range.at || block.range.end != range.end {
            return None;
        }
        while !self.read.contains_key(&ticket) {
            self.land();
        }
        if self.read.get(&ticket)?.result.is_err() {
            return None;
        }
        self.ahead[size].blocks.pop_front();
        self.read.remove(&ticket).map(|done| done.buf)
    }

    /// Sends reads of what follows.
    pub(super) fn read_ahead(&mut self, size: usize, place: Place<'_>) -> Result<(), OsError> {
        while self.ahead[size].blocks.len() < self.ahead[size].depth {
            let Ahead { bytes, next, blocks, .. } = &self.ahead[size];
            let at =
                blocks.back().map(|block| block.range.end).or(next.as_ref().map(|next| next.at)).unwrap_or(place.end);
            let len = usize::try_from(place.end.saturating_sub(at)).unwrap_or(usize::MAX).min(*bytes);
            let range = Range::new(place.medium, at, len);
            if len == 0
                || self.writes.values().chain(self.gathered.as_ref().map(|it| &it.range)).any(|it| it.touches(&range))
            {
                return Ok(());
            }
            let buf = self.buffer(size)?;
            let ticket = self.launch(What::Read, range.clone(), len, buf);
            self.ahead[size].blocks.push_back(Block { ticket, range });
        }
        Ok(())
    }
}
