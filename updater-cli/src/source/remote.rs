//! A file on a server that is read from front to end, by a thread of its own: network and disk work at the same time, and who waits for
//! the network still hears a signal.
//!
//! ```text
//!  server ── thread: 64 KiB pieces ──► at most 16 wait ──► the act, which gives each one back
//!    ▲  |            ◄── plan: what the act will read; nothing else is fetched
//!    |  cut, stalled, 5xx: a pause of 1, 2, 4, 8, 16 s, or as long as the server says
//!    └── Range: bytes=N-M
//! ```
//! 1. A fault that may pass is tried again, as often as told without 64 KiB in between; one that lasts ends it. No two devices pause alike:
//!    [`Download`].
//! 2. What comes after a pause is joined unless the server says that it is another file: [`Identity`]. The hashes judge.
//! 3. Before the act has judged the head, 64 KiB are fetched and no more. Then it says what it will read: [`plan`]. What it leaves out is fetched and
//!    dropped where it is little, or where the server knows no ranges.
//! 4. Where the body ends and the act, which knows the bundle's head, wants more, it was cut.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use libupdate::install::Ahead;
use libupdate::units::bytes::len_u64;
use libupdate_linux::Interrupt;

use self::authorities::Trust;
use self::brake::Brake;
use self::credentials::Credentials;
use self::download::{Download, Patience, State as Doing, Wish};
use self::fault::Fault;
use self::identity::Sameness;
use self::plan::Span;
use self::proxy::Proxies;
use self::server::{Server, Speech};
use self::url::Url;
use crate::exit::Failure;
use crate::output::Output;
use crate::session::Session;

mod authorities;
mod brake;
mod bypass;
mod credentials;
mod download;
mod fault;
mod identity;
mod oci;
mod page;
mod plan;
mod proxy;
#[cfg(feature = "push")]
mod registry;
mod served;
mod server;
mod token;
mod url;

use identity::is_page;
#[cfg(feature = "push")]
pub use oci::Reference;
pub use served::parts;
#[cfg(feature = "push")]
pub use served::{destination, push};

/// Pieces that wait to be taken.
const WAITING: usize = 16;
/// Bytes that are fetched before anybody has judged the head.
const FRONT: u64 = 64 << 10;
/// A silent server is looked at again this often, so that Ctrl-C is heard.
const POLL: Duration = Duration::from_millis(50);

/// A file on a server, from its front on.
pub struct Remote {
    url: Url,
    interrupt: Interrupt,
    told: Receiver<Told>,
    used: Sender<Vec<u8>>,
    wishes: Sender<Wish>,
    output: Output,
    /// What the thread was asked for.
    spans: Vec<Span>,
    /// From here on all of the file comes, in order.
    streams_from: Option<u64>,
    /// Pieces that came before their turn.
    later: VecDeque<Piece>,
    at: u64,
    len: Option<u64>,
    needed: Option<u64>,
    media: Option<String>,
    file: Sameness,
    state: State,
    current: Piece,
    fault: Option<Fault>,
}

/// How fetching stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// More may come.
    Open,
    /// All has come that the server has.
    Ended,
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
    /// The server gives the file, or goes on with it.
    Begins {
        len: Option<u64>,
        media: Option<String>,
        file: Sameness,
        /// The server gives all of the file or nothing: from here on all of it comes.
        streams_from: Option<u64>,
    },
    Piece(Piece),
    /// All of it has come: so many bytes. The thread waits for a wish.
    Ends(u64),
    Failed(Fault),
}

/// How files are fetched: the same for each one of a bundle.
#[derive(Clone, Debug)]
pub struct How {
    pub timeout: Duration,
    pub patience: Patience,
    /// Bytes a second at most.
    pub rate: Option<u64>,
    pub credentials: Credentials,
    pub speech: Speech,
    pub trust: Trust,
    pub proxies: Proxies,
}

impl Remote {
    /// Asks for the file, and waits until the server gives it.
    ///
    /// # Errors
    /// Where it does not, or a signal came first.
    pub fn open(url: Url, how: &How, session: &Session) -> io::Result<Result<Self, Fault>> {
        let (told, heard) = mpsc::sync_channel(WAITING);
        let (used, empty) = mpsc::channel();
        let (wishes, wished) = mpsc::channel();
        let spans = vec![Span { from: 0, to: Some(FRONT) }];
        let download = Download {
            server: Server::new(url.clone(), how),
            patience: how.patience,
            brake: how.rate.map(Brake::new),
            output: session.output.clone(),
            told,
            empty,
            wished,
            state: Doing::first(&spans),
        };
        thread::Builder::new().name("fetch".into()).spawn(move || download.run())?;
        let mut remote = Self {
            url,
            interrupt: session.interrupt.clone(),
            told: heard,
            used,
            wishes,
            output: session.output.clone(),
            spans,
            streams_from: None,
            later: VecDeque::new(),
            at: 0,
            len: None,
            needed: None,
            media: None,
            file: Sameness::Same,
            state: State::Open,
            current: Piece::default(),
            fault: None,
        };
        while remote.current.bytes.is_empty() && remote.state == State::Open {
            match remote.listen() {
                Ok(()) => {}
                Err(error) => return remote.fault.map_or(Err(error), |fault| Ok(Err(fault))),
            }
        }
        Ok(Ok(remote))
    }

    /// The file's first bytes, a piece or all of it.
    pub fn front(&self) -> &[u8] {
        if self.current.at == 0 { &self.current.bytes } else { &[] }
    }

    /// The file's bytes, where the server says so.
    pub const fn len(&self) -> Option<u64> {
        self.len
    }

    /// What the server says that it is.
    pub fn media(&self) -> Option<&str> {
        self.media.as_deref()
    }

    /// So many bytes of it belong to the bundle.
    pub const fn needs(&mut self, bytes: u64) {
        self.needed = Some(bytes);
    }

    /// Whether bytes are missing where the file ends, and somebody wants them.
    pub fn is_short(&self) -> bool {
        self.needed.is_none_or(|needed| self.at < needed)
    }

    /// Why the last read failed, if it did.
    pub fn failure(&self) -> Option<Failure> {
        self.fault.clone().map(|fault| fault.failure(&self.url))
    }

    /// What a wrong byte means, where answers were joined that may be about two files.
    pub fn mixture(&self) -> Option<Failure> {
        (self.file == Sameness::Doubtful).then(|| Fault::changed().failure(&self.url))
    }

    /// Bytes that came over the network so far, whichever file they are of.
    pub fn fetched(&self) -> u64 {
        self.output.fetched()
    }

    /// Bytes of the file that belong to the bundle and were not read yet, where that is known.
    pub fn left(&self) -> Option<u64> {
        self.needed.map(|needed| needed.saturating_sub(self.at))
    }

    /// Has only these bytes fetched from now on.
    pub fn will_read(&mut self, ahead: Ahead<'_>) {
        self.spans = plan::spans(self.at, ahead);
        self.wish(Wish::Plan(self.spans.clone()));
    }

    /// A thread that is gone has said why.
    fn wish(&self, wish: Wish) {
        drop(self.wishes.send(wish));
    }

    /// Bytes of a gap that are fetched along.
    pub fn near(&self) -> u64 {
        if self.streams_from.is_some() { u64::MAX } else { plan::NEAR }
    }

    /// Whether the next byte is here, or comes, without being asked for.
    pub fn comes(&self) -> bool {
        self.is_at_end() || self.streams() || self.has(self.at) || plan::covers(&self.spans, self.at)
    }

    fn streams(&self) -> bool {
        self.streams_from.is_some_and(|from| from <= self.at)
    }

    fn has(&self, at: u64) -> bool {
        self.current.has(at) || self.later.iter().any(|piece| piece.has(at))
    }

    /// Fills the front of `buf`; 0 at the end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.is_at_end() && !self.current.has(self.at) {
            if let Some(place) = self.later.iter().position(|piece| piece.has(self.at)) {
                self.current = self.later.remove(place).unwrap_or_default();
                continue;
            }
            if !self.comes() {
                // What is on its way stays of use.
                let first = Span { from: self.at, to: Some(self.at.saturating_add(len_u64(buf))) };
                self.spans.push(first);
                self.wish(Wish::First(first));
            }
            self.listen()?;
        }
        if self.is_at_end() {
            return Ok(0);
        }
        let skip = usize::try_from(self.at.saturating_sub(self.current.at)).unwrap_or(usize::MAX);
        let from = self.current.bytes.get(skip..).unwrap_or_default();
        let len = from.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), from.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(len_u64(from.get(..len).unwrap_or_default()));
        Ok(len)
    }

    /// Asks again for what follows, after an end that came too early.
    pub(super) fn ask_for_more(&mut self) -> io::Result<()> {
        while self.state == State::Open && (self.streams() || plan::covers(&self.spans, self.at)) {
            self.listen()?;
        }
        (self.state, self.len) = (State::Open, None);
        self.wishes.send(Wish::More).map_err(|_| gone())
    }

    /// Moves on by at most `wanted` bytes, not past the end.
    pub(super) fn skip(&mut self, wanted: u64) -> u64 {
        let left = self.needed.or(self.len).map(|end| end.saturating_sub(self.at));
        let step = left.map_or(wanted, |left| wanted.min(left));
        self.at = self.at.saturating_add(step);
        step
    }

    fn is_at_end(&self) -> bool {
        self.len.is_some_and(|len| len <= self.at)
    }

    /// Takes in the next thing that the thread says.
    fn listen(&mut self) -> io::Result<()> {
        match self.hear()? {
            Told::Begins { len, media, file, streams_from } => {
                self.streams_from = streams_from.or(self.streams_from);
                self.len = len.or(self.len);
                self.media = self.media.take().or(media);
                self.file = if file == Sameness::Doubtful { file } else { self.file };
            }
            Told::Piece(piece) if piece.at > self.at => self.later.push_back(piece),
            Told::Piece(piece) => {
                let old = std::mem::replace(&mut self.current, piece);
                self.later.retain(|piece| piece.end() > self.at);
                // A thread that is gone needs no memory any more.
                drop(self.used.send(old.bytes));
            }
            Told::Ends(len) => (self.state, self.len) = (State::Ended, Some(len)),
            Told::Failed(fault) => {
                self.fault = Some(fault);
                return Err(io::ErrorKind::NotConnected.into());
            }
        }
        Ok(())
    }

    fn hear(&self) -> io::Result<Told> {
        loop {
            if self.interrupt.requested() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.told.recv_timeout(POLL) {
                Ok(told) => return Ok(told),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.fault.is_some() => {
                    return Err(io::ErrorKind::NotConnected.into());
                }
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that fetches has ended")
}

impl Piece {
    fn has(&self, at: u64) -> bool {
        self.at <= at && at < self.end()
    }

    fn end(&self) -> u64 {
        self.at.saturating_add(len_u64(&self.bytes))
    }
}
