//! Accesses in flight: writes behind and reads ahead of a long act, so that the device is busy while blocks are hashed.
//!
//! ```text
//!  act ── write ──► copied ──► crew ──► device        done later; a failure is told at the next access or flush
//!      ── a write of memory that is lent ──► crew
//!      ── small writes in a row ──► gathered to 64 KiB ──► crew
//!      ── zeros ──► crew, as a request to zero
//!      ── read ──► read ahead already? ──► copied      else now, by the caller
//! ```
//!
//! 1. A read sees every earlier write: it waits for those in flight that it touches, and what was read ahead is forgotten where it is
//!    written.
//! 2. Two writes that touch are never in flight together: the later one waits.
//! 3. [`Queue::settle`] waits for all of them, so a barrier after it covers them: what [`BlockIo`](libupdate::BlockIo) promises.
//! 4. Memory is bounded: [`LARGE`] buffers of a chunk, [`SMALL`] of 64 KiB, [`LENT`] that are lent; and so are the [`ZEROS`] requests to
//!    zero. Where all are in flight, the act waits.
//! 5. A queue that is dropped waits for what is under way, and leaves out what is not.

use std::collections::HashMap;

use libupdate::units::bytes::{all_zero, len_u64};
use libupdate::verity::CHUNK_BYTES;

use super::in_flight::{InFlight, Place};
use super::medium::{Bounce, Medium};
use crate::aligned::AlignedBuf;
use crate::error::OsError;
use crate::lent::Lending;

mod ahead;
mod crew;
mod zero;

use ahead::Ahead;
use crew::{Crew, Done, Order, What};

/// Bytes that are gathered from small writes, and read at once for small reads.
const SMALL_BYTES: usize = 64 << 10;
/// Buffers of a chunk.
const LARGE: usize = 9;
/// Buffers for small accesses.
const SMALL: usize = 6;

/// Writes of memory that is lent.
const LENT: usize = 6;
/// Requests to zero.
const ZEROS: usize = 8;

/// Bytes of a medium.
#[derive(Clone, Debug)]
struct Range {
    medium: Medium,
    at: u64,
    end: u64,
}

impl Range {
    fn new(medium: &Medium, at: u64, len: usize) -> Self {
        Self { medium: medium.clone(), at, end: at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX)) }
    }

    fn touches(&self, other: &Self) -> bool {
        self.at < other.end && other.at < self.end && self.medium.is(&other.medium)
    }
}

/// Small writes in a row that are not in flight yet.
#[derive(Debug)]
struct Gathered {
    range: Range,
    buf: AlignedBuf,
}

/// What is in flight.
#[derive(Debug)]
pub struct Queue {
    crew: Crew,
    /// Free buffers, and how many there are in all.
    free: [Vec<AlignedBuf>; 2],
    made: [usize; 2],
    zeros: usize,
    lending: Lending,
    lent: usize,
    writes: HashMap<u64, Range>,
    /// Reads that have come back, or were given up, by ticket.
    read: HashMap<u64, Done>,
    given_up: Vec<u64>,
    gathered: Option<Gathered>,
    ahead: [Ahead; 2],
    /// What the act looks at in place, and how much of it.
    held: Option<(AlignedBuf, usize)>,
    failed: Option<OsError>,
}

/// The two sizes of accesses, as an index: chunks, and what is smaller than [`SMALL_BYTES`].
const fn size_of(len: usize) -> usize {
    if len < SMALL_BYTES { 1 } else { 0 }
}

const MOST: [usize; 2] = [LARGE, SMALL];
const BYTES: [usize; 2] = [CHUNK_BYTES, SMALL_BYTES];

impl Queue {
    /// Nothing in flight. What `lending` lends is not copied.
    pub fn new(lending: Lending) -> Self {
        Self { lending, ..Self::of(crew::threads()) }
    }

    fn of(threads: usize) -> Self {
        Self {
            crew: Crew::new(threads),
            free: [Vec::new(), Vec::new()],
            made: [0; 2],
            zeros: 0,
            lending: Lending::default(),
            lent: 0,
            writes: HashMap::new(),
            read: HashMap::new(),
            given_up: Vec::new(),
            gathered: None,
            ahead: [Ahead::new(CHUNK_BYTES, 5), Ahead::new(SMALL_BYTES, 2)],
            held: None,
            failed: None,
        }
    }

    fn gather(&mut self, range: Range, bytes: &[u8]) -> Result<(), OsError> {
        let follows = |gathered: &Gathered| {
            let filled = gathered.range.end.saturating_sub(gathered.range.at).saturating_add(len_u64(bytes));
            gathered.range.medium.is(&range.medium)
                && gathered.range.end == range.at
                && filled <= len_u64(&gathered.buf)
        };
        if !self.gathered.as_ref().is_some_and(follows) {
            self.launch_gathered()?;
            let buf = self.buffer(1)?;
            self.gathered = Some(Gathered { range: Range { end: range.at, ..range.clone() }, buf });
        }
        if let Some(gathered) = &mut self.gathered {
            let filled = usize::try_from(gathered.range.end.saturating_sub(gathered.range.at)).unwrap_or(usize::MAX);
            fill(&mut gathered.buf, filled, bytes);
            gathered.range.end = range.end;
        }
        self.told()
    }

    fn launch_gathered_at(&mut self, range: &Range) -> Result<(), OsError> {
        let touched = self.gathered.as_ref().is_some_and(|gathered| gathered.range.touches(range));
        if touched { self.launch_gathered() } else { Ok(()) }
    }

    fn launch_gathered(&mut self) -> Result<(), OsError> {
        if let Some(Gathered { range, buf }) = self.gathered.take() {
            let len = usize::try_from(range.end.saturating_sub(range.at)).unwrap_or(usize::MAX);
            self.wait_for(&range)?;
            self.launch(What::Write, range, len, buf);
        }
        Ok(())
    }

    fn launch(&mut self, what: What, range: Range, len: usize, buf: AlignedBuf) -> u64 {
        let reads = matches!(what, What::Read);
        let ticket = self.crew.send(Order { what, medium: range.medium.clone(), at: range.at, len, buf });
        if !reads {
            self.writes.insert(ticket, range);
        }
        ticket
    }

    /// Waits until no write that touches `range` is in flight.
    fn wait_for(&mut self, range: &Range) -> Result<(), OsError> {
        while self.writes.values().any(|write| write.touches(range)) {
            self.land();
        }
        self.told()
    }

    /// Waits for one access to come back.
    fn land(&mut self) {
        let done = self.crew.receive();
        match done.what {
            What::Zero => self.zeros = self.zeros.saturating_sub(1),
            What::WriteLent(..) => self.lent = self.lent.saturating_sub(1),
            What::Read | What::Write => {}
        }
        let written = self.writes.remove(&done.ticket).is_some();
        let given_up = self.given_up.iter().position(|ticket| *ticket == done.ticket);
        match (written, given_up) {
            (true, _) => {
                if let Err(error) = done.result {
                    self.failed.get_or_insert(error);
                }
                self.give_back(done.buf);
            }
            (false, Some(at)) => {
                self.given_up.swap_remove(at);
                self.give_back(done.buf);
            }
            (false, None) => {
                self.read.insert(done.ticket, done);
            }
        }
    }

    fn told(&mut self) -> Result<(), OsError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// A buffer, as soon as there is one.
    fn buffer(&mut self, size: usize) -> Result<AlignedBuf, OsError> {
        loop {
            if let Some(buf) = self.free[size].pop() {
                return Ok(buf);
            }
            if self.made[size] < MOST[size] || !self.crew.busy() {
                self.made[size] += 1;
                return Ok(AlignedBuf::new(BYTES[size]));
            }
            self.land();
            self.told()?;
        }
    }

    fn let_go(&mut self) {
        if let Some((buf, _)) = self.held.take() {
            self.give_back(buf);
        }
    }

    fn give_back(&mut self, buf: AlignedBuf) {
        if let Some(size) = BYTES.iter().position(|bytes| *bytes == buf.len()) {
            self.free[size].push(buf);
        }
    }
}

impl InFlight for Queue {
    fn write(&mut self, place: Place<'_>, bytes: &[u8]) -> Result<(), OsError> {
        self.let_go();
        let range = Range::new(place.medium, place.at, bytes.len());
        for size in [0, 1] {
            self.forget_ahead(size, Some(&range));
        }
        if size_of(bytes.len()) == 1 {
            self.wait_for(&range)?;
            return self.gather(range, bytes);
        }
        self.launch_gathered_at(&range)?;
        self.wait_for(&range)?;
        if all_zero(bytes) {
            while self.zeros >= ZEROS {
                self.land();
            }
            self.zeros += 1;
            self.launch(What::Zero, range, bytes.len(), AlignedBuf::new(0));
            return self.told();
        }
        if let Some((buf, from)) = self.lending.holder(bytes) {
            while self.lent >= LENT {
                self.land();
            }
            self.lent += 1;
            self.launch(What::WriteLent(buf, from), range, bytes.len(), AlignedBuf::new(0));
            return self.told();
        }
        let mut at = place.at;
        for piece in bytes.chunks(CHUNK_BYTES) {
            let mut buf = self.buffer(0)?;
            fill(&mut buf, 0, piece);
            self.launch(What::Write, Range::new(place.medium, at, piece.len()), piece.len(), buf);
            at = at.saturating_add(len_u64(piece));
        }
        self.told()
    }

    fn read(&mut self, place: Place<'_>, out: &mut [u8], bounce: &mut Bounce) -> Result<(), OsError> {
        self.let_go();
        let range = Range::new(place.medium, place.at, out.len());
        self.launch_gathered_at(&range)?;
        self.wait_for(&range)?;
        let size = size_of(out.len());
        let in_a_row = self.ahead[size].follows(&range);
        if !in_a_row {
            self.forget_ahead(size, None);
        }
        let got = self.take_ahead(size, place.at, out)?;
        let rest = out.get_mut(got..).unwrap_or_default();
        if !rest.is_empty() {
            self.forget_ahead(size, None);
            place.medium.read(place.at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX)), rest, bounce)?;
        }
        self.ahead[size].passed(range);
        if in_a_row { self.read_ahead(size, place) } else { Ok(()) }
    }

    fn hold(&mut self, place: Place<'_>, len: usize) -> Result<bool, OsError> {
        self.let_go();
        let range = Range::new(place.medium, place.at, len);
        let size = size_of(len);
        if !self.ahead[size].follows(&range) {
            return Ok(false);
        }
        self.launch_gathered_at(&range)?;
        self.wait_for(&range)?;
        let Some(buf) = self.take_whole(size, &range) else { return Ok(false) };
        self.held = Some((buf, len));
        self.ahead[size].passed(range);
        self.read_ahead(size, place).map(|()| true)
    }

    fn held(&self) -> &[u8] {
        self.held.as_ref().and_then(|(buf, len)| buf.get(..*len)).unwrap_or_default()
    }

    fn settle(&mut self) -> Result<(), OsError> {
        self.let_go();
        self.launch_gathered()?;
        while !self.writes.is_empty() {
            self.land();
        }
        for size in [0, 1] {
            self.forget_ahead(size, None);
        }
        // Where there is no direct access, a read under way could leave in the page cache what the barrier is to drop from it.
        while !self.given_up.is_empty() {
            self.land();
        }
        self.told()
    }
}

fn fill(buf: &mut AlignedBuf, at: usize, bytes: &[u8]) {
    if let Some(to) = buf.get_mut(at..at.saturating_add(bytes.len())) {
        to.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
