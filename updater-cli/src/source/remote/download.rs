//! The thread that fetches: connections, one after another, and the pauses between them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use libupdate::units::bytes::len_u64;

use super::brake::Brake;
use super::fault::{Fault, Outlook};
use super::identity::Identity;
use super::server::{Ranges, Rest, Server};
use super::{Piece, Told};
use crate::output::{Output, Size};
use crate::source::MAGIC;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// A connection that brought less is no better than none.
const PROGRESS: u64 = 64 << 10;
/// To leave out more than this takes longer than to ask again.
const FAR: u64 = 1 << 20;
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
    pub position: Arc<AtomicU64>,
    pub told: SyncSender<Told>,
    pub empty: Receiver<Vec<u8>>,
    pub wished: Receiver<()>,
    pub identity: Option<Identity>,
    pub at: u64,
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

/// How a connection ended well.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The body is over, or the server has no more.
    Reached,
    /// The act goes on far behind, or a part of the file is over that the server had cut out.
    Elsewhere,
}

impl Download {
    /// Fetches until the file is there, or nobody wants more of it.
    pub fn run(mut self) {
        let (mut misses, mut since) = (0, Instant::now());
        loop {
            let before = self.at;
            let fault = match self.connect() {
                Ok(End::Unheard) => return,
                Ok(End::Elsewhere) => {
                    misses = 0;
                    continue;
                }
                Ok(End::Reached) => match self.wish() {
                    Some(fault) => fault,
                    None => return,
                },
                Err(fault) => fault,
            };
            if misses == 0 || self.at.saturating_sub(before) >= PROGRESS {
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
            let (why, at) = (fault.why(), Size(self.at));
            self.output.note(&format!("{why}, after {at}; trying again in {} s", pause.as_secs()));
            thread::sleep(pause.saturating_add(pause.mul_f64(scatter())));
        }
    }

    /// Waits until the act wants more than there was, which makes the end a cut. Nothing where it does not.
    fn wish(&mut self) -> Option<Fault> {
        self.wished.recv().ok()?;
        let told = self.identity.as_mut().and_then(|identity| identity.len.take());
        Some(told.map_or_else(|| Fault::passing("the connection was cut"), |_| Fault::short()))
    }

    /// Reads through one connection until it ends.
    fn connect(&mut self) -> Result<End, Fault> {
        let wanted = self.position.load(Ordering::Relaxed).max(self.at);
        if self.len() == Some(wanted) {
            return Ok(self.reached(wanted));
        }
        let Some(rest) = self.server.rest(wanted, self.identity.as_ref())? else {
            self.identity.get_or_insert_default().len = Some(wanted);
            return Ok(self.reached(wanted));
        };
        self.at = wanted;
        let (len, media) = (rest.identity.len, rest.identity.media.clone());
        self.identity = Some(rest.identity.clone());
        match self.say(Told::Begins { len, media, file: rest.file }) {
            Some(end) => Ok(end),
            None => self.read(rest),
        }
    }

    fn read(&mut self, rest: Rest) -> Result<End, Fault> {
        let Rest { mut body, ranges, end, .. } = rest;
        loop {
            let wanted = self.position.load(Ordering::Relaxed);
            if ranges == Ranges::Told && wanted.saturating_sub(self.at) > FAR {
                return Ok(End::Elsewhere);
            }
            let mut bytes = self.empty.try_recv().unwrap_or_default();
            bytes.resize(PIECE, 0);
            let (got, fault) = self.server.fill(&mut body, &mut bytes);
            bytes.truncate(got);
            let whole = got == PIECE;
            let over =
                fault.is_none() && !whole && end.is_none_or(|end| end == self.at.saturating_add(len_u64(&bytes)));
            if self.at == 0 && got < FRONT && !(over && self.is_all(got)) {
                return Err(fault.unwrap_or_else(|| Fault::passing("the connection was cut")));
            }
            let piece = Piece { at: self.at, bytes };
            self.at = piece.end();
            if let Some(brake) = &mut self.brake {
                thread::sleep(brake.after(len_u64(&piece.bytes), Instant::now()));
            }
            if got > 0
                && let Some(end) = self.say(Told::Piece(piece))
            {
                return Ok(end);
            }
            match fault {
                Some(fault) => return Err(fault),
                None if whole => {}
                None if !over => return Err(Fault::passing("the connection was cut")),
                None if self.len().is_some_and(|len| self.at < len) => return Ok(End::Elsewhere),
                None => return Ok(self.reached(self.at)),
            }
        }
    }

    /// Whether a body this short may be the file. Nothing that a bundle is made of is shorter than its first word.
    fn is_all(&self, got: usize) -> bool {
        self.len().is_some() || got >= MAGIC.len()
    }

    fn len(&self) -> Option<u64> {
        self.identity.as_ref().and_then(|identity| identity.len)
    }

    /// Nothing, or the end where nobody listens any more.
    fn say(&self, told: Told) -> Option<End> {
        self.told.send(told).err().map(|_| End::Unheard)
    }

    /// Says that the body is over.
    fn reached(&self, at: u64) -> End {
        self.say(Told::Ends(at)).unwrap_or(End::Reached)
    }
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
