//! The thread that fetches: connections, one after another, and the pauses between them.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use libupdate::units::bytes::len_u64;

use super::brake::Brake;
use super::fault::{Fault, Outlook};
use super::identity::Identity;
use super::plan::{NEAR, Span};
use super::server::{Ranges, Rest, Server};
use super::{Piece, Told};
use crate::output::{Output, Size};
use crate::source::MAGIC;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Connections that brought less are no better than none.
const PROGRESS: u64 = 64 << 10;
/// The front is sent whole: it tells what the file is.
const FRONT: usize = 512;
/// The first pause; each is twice the one before ..
const PAUSE: Duration = Duration::from_secs(1);
/// .. up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// The thread.
pub struct Download {
    pub server: Server,
    pub patience: Patience,
    pub brake: Option<Brake>,
    pub output: Output,
    pub told: SyncSender<Told>,
    pub empty: Receiver<Vec<u8>>,
    pub wished: Receiver<Wish>,
    pub state: State,
}

/// What it is at.
#[derive(Default)]
pub struct State {
    /// What is to be fetched, in order; the first one begins where it goes on.
    spans: VecDeque<Span>,
    identity: Option<Identity>,
    /// Where a body without a length ended.
    end: Option<u64>,
    /// What the open connection gives, from `at` on.
    rest: Option<Rest>,
    at: u64,
    /// A connection that waits while something before it is fetched, and its place.
    parked: Option<(Rest, u64)>,
    /// The end was told.
    ended: bool,
    /// Bytes that the act got.
    sent: u64,
    /// A request was answered whole since the last fault, and its connection kept.
    answered: bool,
}

impl State {
    /// Before anything was fetched.
    pub fn first(spans: &[Span]) -> Self {
        Self { spans: spans.iter().copied().collect(), ..Self::default() }
    }
}

/// What the act wants.
#[derive(Debug)]
pub enum Wish {
    /// These bytes, in place of all that was wished before; not those again that were sent.
    Plan(Vec<Span>),
    /// These bytes first.
    First(Span),
    /// More than there was, which makes the end a cut.
    More,
}

/// Between none and a half of a pause: devices that were cut off together do not come back together.
fn scatter() -> f64 {
    // Seeded at random in each process.
    let random = RandomState::new().build_hasher().finish();
    f64::from(u8::try_from(random & 0x7f).unwrap_or_default()) / 256.0
}

/// How long a connection is tried again while no better one comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// So long, from the first fault after bytes have come.
    pub time: Duration,
    /// So often, if that is said.
    pub times: Option<u32>,
}

impl Patience {
    /// Whether it is over after `misses` in a row, of which the first was `since` ago, if the next pause is `pause`.
    fn is_over(&self, misses: u32, since: Duration, pause: Duration) -> bool {
        self.times.is_some_and(|times| misses >= times) || since.saturating_add(pause) > self.time
    }
}

/// Why a step was the last one.
enum Stop {
    /// Nobody listens any more.
    Unheard,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Download {
    /// Fetches what is wished for, until nobody listens.
    pub fn run(mut self) {
        let (mut misses, mut since) = (0, Instant::now());
        loop {
            let before = self.state.sent;
            let fault = loop {
                match self.step() {
                    Ok(()) => {}
                    Err(Stop::Unheard) => return,
                    Err(Stop::Fault(fault)) => break fault,
                }
            };
            (self.state.rest, self.state.parked) = (None, None);
            let answered = std::mem::take(&mut self.state.answered);
            if answered || misses == 0 || self.state.sent.saturating_sub(before) >= PROGRESS {
                (misses, since) = (0, Instant::now());
            }
            let pause = PAUSE.saturating_mul(1_u32.checked_shl(misses).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
            if fault.outlook != Outlook::Passing || self.patience.is_over(misses, since.elapsed(), pause) {
                drop(self.told.send(Told::Failed(fault)));
                return;
            }
            // What a busy server asks for is waited, however long others would be.
            let pause = pause.max(fault.wait.unwrap_or_default());
            misses = misses.saturating_add(1);
            let (why, at) = (fault.why(), Size(self.state.at));
            self.output.note(&format!("{why}, after {at}; trying again in {} s", pause.as_secs()));
            thread::sleep(pause.saturating_add(pause.mul_f64(scatter())));
        }
    }

    /// The next piece of what is wished for, or the next wish.
    fn step(&mut self) -> Result<(), Stop> {
        match self.wished.try_recv() {
            Ok(wish) => return self.hear(wish),
            Err(TryRecvError::Disconnected) => return Err(Stop::Unheard),
            Err(TryRecvError::Empty) => {}
        }
        while self.state.spans.front().is_some_and(|span| span.to.is_some_and(|to| to <= span.from)) {
            self.state.spans.pop_front();
        }
        let next = self.state.spans.front().copied();
        let over = self.len().filter(|len| next.is_some_and(|span| span.from >= *len));
        match (next, over) {
            (Some(span), None) => self.fetch(span),
            (Some(_), Some(len)) if !self.state.ended => {
                self.state.ended = true;
                self.say(Told::Ends(len))
            }
            _ => {
                let wish = self.wished.recv().map_err(|_| Stop::Unheard)?;
                self.hear(wish)
            }
        }
    }

    fn hear(&mut self, wish: Wish) -> Result<(), Stop> {
        self.state.ended = false;
        match wish {
            Wish::Plan(spans) => {
                let sent = self.state.spans.front().map_or(self.state.at, |span| span.from.min(self.state.at));
                // What a server without ranges gives passes by here in any case.
                let all = [Span { from: sent, to: None }];
                let streams = self.state.rest.as_ref().is_some_and(|rest| rest.ranges == Ranges::Never);
                let spans = if streams || self.server.has_no_ranges() { all.to_vec() } else { spans };
                let left = |span: Span| Span { from: span.from.max(sent), ..span };
                self.state.spans = spans.into_iter().map(left).collect();
                Ok(())
            }
            Wish::First(span) => {
                self.state.spans.push_front(span);
                Ok(())
            }
            Wish::More => {
                self.state.end = None;
                let told = self.state.identity.as_mut().and_then(|identity| identity.len.take());
                Err(told.map_or_else(|| Fault::passing("the connection was cut"), |_| Fault::short()).into())
            }
        }
    }

    /// The next piece of a span that is not over.
    fn fetch(&mut self, span: Span) -> Result<(), Stop> {
        let wanted = span.from;
        if let Some(rest) = self.connection_to(wanted) {
            return self.read(rest, span);
        }
        let Some(rest) = self.ask(span)? else {
            self.state.identity.get_or_insert_default().len = Some(wanted);
            return Ok(());
        };
        self.state.at = wanted.saturating_sub(rest.left_out);
        self.state.identity = Some(rest.identity.clone());
        let (len, media) = (rest.identity.len, rest.identity.media.clone());
        let mut span = span;
        let streams_from = (rest.ranges == Ranges::Never).then_some(wanted);
        if streams_from.is_some() && wanted > 0 {
            // All of what comes from here on passes by in any case; of the front, no more than that before its head is judged.
            span.to = None;
            self.state.spans = [span].into();
        }
        self.say(Told::Begins { len, media, file: rest.file, streams_from })?;
        self.read(rest, span)
    }

    /// An open connection that gives what is wanted, or soon does.
    fn connection_to(&mut self, wanted: u64) -> Option<Rest> {
        if let Some(rest) = self.state.rest.take() {
            if is_on_the_way(&rest, self.state.at, wanted) {
                return Some(rest);
            }
            if wanted < self.state.at {
                self.state.parked = Some((rest, self.state.at));
            }
        }
        let (rest, at) = self.state.parked.take_if(|(rest, at)| is_on_the_way(rest, *at, wanted))?;
        self.state.at = at;
        Some(rest)
    }

    /// A new request; twice where the connection that was kept for it turns out to be gone.
    fn ask(&mut self, span: Span) -> Result<Option<Rest>, Fault> {
        let answer = self.server.rest(span.from, span.to, self.state.identity.as_ref());
        match answer {
            Err(fault) if fault.outlook == Outlook::Passing && fault.wait.is_none() && self.state.answered => {
                self.state.answered = false;
                self.server.hang_up();
                self.server.rest(span.from, span.to, self.state.identity.as_ref())
            }
            answer => answer,
        }
    }

    /// Leaves out what is before the span, and sends a piece of it.
    fn read(&mut self, mut rest: Rest, span: Span) -> Result<(), Stop> {
        let mut bytes = self.empty.try_recv().unwrap_or_default();
        while self.state.at < span.from {
            let left = usize::try_from(span.from.saturating_sub(self.state.at)).unwrap_or(PIECE);
            bytes.resize(PIECE.min(left), 0);
            let len = bytes.len();
            if self.fill(&mut rest, &mut bytes)? < len {
                return self.ended(&rest);
            }
        }
        let left = span.to.map_or(PIECE, |to| usize::try_from(to.saturating_sub(span.from)).unwrap_or(PIECE));
        let room = left.min(PIECE);
        bytes.resize(room, 0);
        let (got, fault) = self.server.fill(&mut rest.body, &mut bytes);
        bytes.truncate(got);
        let whole = got == room;
        self.came(&bytes);
        let over = fault.is_none() && !whole && rest.end.is_none_or(|end| end == self.state.at);
        if span.from == 0 && got < FRONT && !whole && !(over && self.is_all(got)) {
            self.state.at = 0;
            return Err(fault.unwrap_or_else(|| Fault::passing("the connection was cut")).into());
        }
        if got > 0 {
            self.state.sent = self.state.sent.saturating_add(len_u64(&bytes));
            if let Some(front) = self.state.spans.front_mut() {
                front.from = self.state.at;
            }
            self.say(Told::Piece(Piece { at: span.from, bytes }))?;
        }
        match fault {
            Some(fault) => Err(fault.into()),
            None if !whole => self.ended(&rest),
            None if rest.end == Some(self.state.at) => {
                self.state.answered |= rest.give_back();
                Ok(())
            }
            None => {
                self.state.rest = Some(rest);
                Ok(())
            }
        }
    }

    /// Bytes that nobody wants.
    fn fill(&mut self, rest: &mut Rest, bytes: &mut [u8]) -> Result<usize, Stop> {
        let (got, fault) = self.server.fill(&mut rest.body, bytes);
        self.came(bytes.get(..got).unwrap_or_default());
        fault.map_or(Ok(got), |fault| Err(fault.into()))
    }

    /// Counts what came, and waits where that was quick.
    fn came(&mut self, bytes: &[u8]) {
        let len = len_u64(bytes);
        self.state.at = self.state.at.saturating_add(len);
        self.output.came(len);
        if let Some(brake) = &mut self.brake {
            thread::sleep(brake.after(len, Instant::now()));
        }
    }

    /// The body is over, before what was wanted of it was.
    fn ended(&mut self, rest: &Rest) -> Result<(), Stop> {
        if rest.end.is_some_and(|end| end != self.state.at) {
            return Err(Fault::passing("the connection was cut").into());
        }
        // A part's end is not the file's.
        if self.len().is_none() && rest.end.is_none() {
            self.state.end = Some(self.state.at);
        }
        Ok(())
    }

    /// Whether a body this short may be the file. Nothing that a bundle is made of is shorter than its first word.
    fn is_all(&self, got: usize) -> bool {
        self.state.identity.as_ref().is_some_and(|identity| identity.len.is_some()) || got >= MAGIC.len()
    }

    fn len(&self) -> Option<u64> {
        self.state.identity.as_ref().and_then(|identity| identity.len).or(self.state.end)
    }

    fn say(&self, told: Told) -> Result<(), Stop> {
        self.told.send(told).map_err(|_| Stop::Unheard)
    }
}

/// Whether what comes through the connection is soon what is wanted.
fn is_on_the_way(rest: &Rest, at: u64, wanted: u64) -> bool {
    let near = wanted.checked_sub(at).is_some_and(|ahead| ahead <= NEAR || rest.ranges == Ranges::Never);
    near && rest.end.is_none_or(|end| wanted < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_by_time_or_by_number_whichever_is_first() {
        let seconds = Duration::from_secs;
        let over = |time, times, misses, since, pause| {
            Patience { time: seconds(time), times }.is_over(misses, seconds(since), seconds(pause))
        };
        assert!(over(0, None, 0, 0, 1), "not even once");
        assert!(!over(31, None, 4, 15, 16) && over(30, None, 4, 15, 16), "the next pause counts");
        assert!(!over(300, Some(5), 4, 15, 16) && over(300, Some(5), 5, 31, 16));
        assert!(over(300, Some(0), 0, 0, 1));
        assert!(!over(604_800, None, 10_000, 604_000, 16));
    }
}
