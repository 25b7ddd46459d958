//! A file on a server that is read from front to end, by a thread of its own: network and disk work at the same time, and who waits for
//! the network still hears a signal.
//!
//! ```text
//!  server ── thread: 64 KiB pieces ──► at most 16 wait ──► the act, which gives each one back
//!    ▲  |            ◄── position: what the act skips is not fetched
//!    |  cut, stalled, 5xx: a pause of 1, 2, 4, 8, 16 s, or as long as the server says
//!    └── Range: bytes=N-, If-Range: the same file
//! ```
//! 1. A fault that may pass is tried again, as often as told without 64 KiB in between; one that lasts ends it. No two devices pause alike.
//! 2. What comes after a pause is joined only if the server says that it is the same file: [`Identity`].
//! 3. Bytes that the act leaves out are read and dropped where they are few, else a new request begins behind them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use libupdate::bytes::len_u64;

use self::fault::{Fault, Outlook};
use self::identity::Identity;
use self::server::{Ranges, Rest, Server};
use super::url::Url;
use crate::cli::Fetch;
use crate::exit::Failure;
use crate::os::Interrupt;
use crate::output::{Output, Size};
use crate::session::Session;

pub mod fault;
mod identity;
mod server;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// A connection that brought less is no better than none.
const PROGRESS: u64 = 64 << 10;
/// Pieces that wait to be taken.
const WAITING: usize = 16;
/// To leave out more than this takes longer than to ask again.
const FAR: u64 = 1 << 20;
/// The first pause; each is twice the one before ..
const PAUSE: Duration = Duration::from_secs(1);
/// .. up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// A silent server is looked at again this often, so that Ctrl-C is heard.
const POLL: Duration = Duration::from_millis(50);

/// A file on a server, from its front on.
#[derive(Debug)]
pub struct Remote {
    url: Url,
    interrupt: Interrupt,
    told: Receiver<Told>,
    used: Sender<Vec<u8>>,
    position: Arc<AtomicU64>,
    at: u64,
    len: Option<u64>,
    current: Piece,
    fault: Option<Fault>,
}

/// Bytes of the file, from `at` on.
#[derive(Debug, Default)]
struct Piece {
    at: u64,
    bytes: Vec<u8>,
}

/// What the thread says.
#[derive(Debug)]
enum Told {
    /// The server gives the file; its length, where it is known.
    Begins(Option<u64>),
    Piece(Piece),
    /// All of it has come: so many bytes.
    Ends(u64),
    Failed(Fault),
}

impl Remote {
    /// Asks for the file, and waits until the server gives it.
    ///
    /// # Errors
    /// Where it does not, or a signal came first.
    pub fn open(url: Url, fetch: &Fetch, session: &Session) -> io::Result<Result<Self, Fault>> {
        let (told, heard) = mpsc::sync_channel(WAITING);
        let (used, empty) = mpsc::channel();
        let position = Arc::new(AtomicU64::new(0));
        let timeout = Duration::from_secs(fetch.timeout.into());
        let download = Download {
            server: Server::new(url.clone(), timeout, fetch.ca.clone()),
            retries: fetch.retries,
            output: session.output.clone(),
            position: Arc::clone(&position),
            told,
            empty,
            identity: None,
            at: 0,
        };
        thread::Builder::new().name("fetch".into()).spawn(move || download.run())?;
        let interrupt = session.interrupt.clone();
        let (current, fault) = (Piece::default(), None);
        let mut remote = Self { url, interrupt, told: heard, used, position, at: 0, len: None, current, fault };
        loop {
            match remote.hear()? {
                Told::Begins(len) => remote.len = len,
                Told::Failed(fault) => return Ok(Err(fault)),
                Told::Piece(piece) => remote.current = piece,
                Told::Ends(len) => remote.len = Some(len),
            }
            if remote.len == Some(0) || !remote.current.bytes.is_empty() {
                return Ok(Ok(remote));
            }
        }
    }

    /// The file's first bytes, a piece or all of it.
    pub fn front(&self) -> &[u8] {
        if self.current.at == 0 { &self.current.bytes } else { &[] }
    }

    /// The file's bytes, where the server says so.
    pub const fn len(&self) -> Option<u64> {
        self.len
    }

    /// Why the last read failed, if it did.
    pub fn failure(&self) -> Option<Failure> {
        self.fault.clone().map(|fault| fault.failure(&self.url))
    }

    /// Fills the front of `buf`; 0 at the end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.len == Some(self.at) {
            return Ok(0);
        }
        while self.current.end() <= self.at {
            let old = match self.hear()? {
                Told::Piece(piece) => std::mem::replace(&mut self.current, piece),
                Told::Begins(_) => continue,
                Told::Ends(len) => {
                    self.len = Some(len);
                    return Ok(0);
                }
                Told::Failed(fault) => {
                    self.fault = Some(fault);
                    return Err(io::ErrorKind::NotConnected.into());
                }
            };
            // A thread that is gone needs no memory any more.
            drop(self.used.send(old.bytes));
        }
        let skip = usize::try_from(self.at.saturating_sub(self.current.at)).unwrap_or(usize::MAX);
        let from = self.current.bytes.get(skip..).unwrap_or_default();
        let len = from.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), from.get(..len)) {
            to.copy_from_slice(from);
        }
        self.move_on(len_u64(from.get(..len).unwrap_or_default()));
        Ok(len)
    }

    /// Moves on by at most `wanted` bytes, not past the end. 0 where nobody knows the end.
    pub(super) fn skip(&mut self, wanted: u64) -> u64 {
        let step = self.len.map_or(0, |len| wanted.min(len.saturating_sub(self.at)));
        self.move_on(step);
        step
    }

    fn move_on(&mut self, step: u64) {
        self.at = self.at.saturating_add(step);
        self.position.fetch_max(self.at, Ordering::Relaxed);
    }

    fn hear(&self) -> io::Result<Told> {
        loop {
            if self.interrupt.requested() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.told.recv_timeout(POLL) {
                Ok(told) => return Ok(told),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that fetches has ended"));
                }
            }
        }
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.at.saturating_add(len_u64(&self.bytes))
    }
}

/// The thread.
struct Download {
    server: Server,
    retries: u32,
    output: Output,
    position: Arc<AtomicU64>,
    told: SyncSender<Told>,
    empty: Receiver<Vec<u8>>,
    identity: Option<Identity>,
    at: u64,
}

/// Between none and a half of a pause: devices that were cut off together do not come back together.
fn scatter() -> f64 {
    // Seeded at random in each process.
    let random = RandomState::new().build_hasher().finish();
    f64::from(u8::try_from(random & 0x7f).unwrap_or_default()) / 256.0
}

/// How a connection ended well.
enum End {
    /// Everything was read, or nobody wants more.
    Done,
    /// The act goes on far behind.
    Elsewhere,
}

impl Download {
    fn run(mut self) {
        let mut misses = 0;
        loop {
            let before = self.at;
            let fault = match self.connect() {
                Ok(End::Done) => return,
                Ok(End::Elsewhere) => {
                    misses = 0;
                    continue;
                }
                Err(fault) => fault,
            };
            misses = if self.at.saturating_sub(before) >= PROGRESS { 0 } else { misses };
            if fault.outlook != Outlook::Passing || misses >= self.retries {
                drop(self.told.send(Told::Failed(fault)));
                return;
            }
            let pause = PAUSE.saturating_mul(1_u32.checked_shl(misses).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
            let pause = pause.max(fault.wait.unwrap_or_default());
            misses = misses.saturating_add(1);
            let (why, at) = (fault.why(), Size(self.at));
            self.output.note(&format!("{why}, after {at}; trying again in {} s", pause.as_secs()));
            thread::sleep(pause.saturating_add(pause.mul_f64(scatter())));
        }
    }

    /// Reads through one connection until it ends.
    fn connect(&mut self) -> Result<End, Fault> {
        let wanted = self.position.load(Ordering::Relaxed).max(self.at);
        if self.len() == Some(wanted) {
            return Ok(self.tell(Told::Ends(wanted)));
        }
        let Rest { mut body, identity, ranges } = self.server.rest(wanted, self.identity.as_ref())?;
        self.at = wanted;
        let len = self.identity.insert(identity).len;
        if let Some(end) = self.say(Told::Begins(len)) {
            return Ok(end);
        }
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
            let piece = Piece { at: self.at, bytes };
            self.at = piece.end();
            if got > 0
                && let Some(end) = self.say(Told::Piece(piece))
            {
                return Ok(end);
            }
            match fault {
                Some(fault) => return Err(fault),
                None if whole => {}
                None if len.is_some_and(|len| self.at < len) => return Err(Fault::passing("the connection was cut")),
                None => return Ok(self.tell(Told::Ends(self.at))),
            }
        }
    }

    fn len(&self) -> Option<u64> {
        self.identity.as_ref().and_then(|identity| identity.len)
    }

    /// Nothing, or the end where nobody listens any more.
    fn say(&self, told: Told) -> Option<End> {
        self.told.send(told).err().map(|_| End::Done)
    }

    /// The last word.
    fn tell(&self, told: Told) -> End {
        drop(self.told.send(told));
        End::Done
    }
}
