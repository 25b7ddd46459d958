//! The bytes of a bundle: a file, a pipe, a file on a server, or a raw image with its detached head in front.
//!
//! ```text
//!  update.bundle                      | the bundle |
//!  -                                  | the bundle, from stdin |
//!  a FIFO, <(curl ..)                 | the bundle |
//!  image.raw + image.raw.manifest     | head | image | zeros to a whole block |
//!  https://host/..                    either of them, from a server
//! ```
//! What the bytes are decides, never the name.

#[cfg(feature = "create")]
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use embedded_io::{ErrorKind, ErrorType, ReadExactError};
use libupdate::bundle::delta::full_bundle;
use libupdate::bundle::{Anchors, Verified};
use libupdate::install::{Ahead, Source};
use libupdate::units::bytes::len_u64;
use libupdate::units::digest::BLOCK_BYTES;
use libupdate_linux::{Interrupt, Lending};

use crate::cli::Fetch;
use crate::exit::{Exit, Failure};
use crate::session::{Session, Setup};

use self::front::Front;

mod carried;
mod front;
pub mod local;
mod name;
mod part;
#[cfg_attr(not(feature = "http"), path = "source/no_remote.rs")]
mod remote;

pub use carried::Carried;
pub use local::{empty, open, unreadable};
pub use name::shown;
pub use part::wait;
use part::{Part, within, within_part};
#[cfg(feature = "push")]
pub use remote::{Reference, destination, push};

/// What every bundle begins with.
const MAGIC: &[u8; 8] = b"LUBUNDLE";

/// What the name of a detached head has behind its image's.
const HEAD: &str = ".manifest";

/// A bundle as a stream.
pub struct BundleSource {
    name: String,
    parts: Vec<Part>,
    /// The place among them of the one that is read.
    current: usize,
    interrupt: Interrupt,
    /// The system's words for why the last read failed.
    fault: Option<String>,
    came: Came,
    front: Front,
    /// Bytes that had come over a network when the disk was flushed last.
    secured: u64,
    /// The file beside it that holds the whole images, if it is a delta bundle and names one.
    full: Option<String>,
}

/// Whether anything was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Came {
    Nothing,
    Bytes,
}

/// Why a part is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    /// The bundle has these bytes.
    Needed,
    /// To see whether there are more than it has.
    Idle,
}

/// The system's error, as the core's stream sees it.
#[derive(Debug)]
pub struct SourceError(pub io::Error);

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
impl core::error::Error for SourceError {}
impl embedded_io::Error for SourceError {
    fn kind(&self) -> ErrorKind {
        match self.0.kind() {
            io::ErrorKind::Interrupted => ErrorKind::Interrupted,
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::NotConnected => ErrorKind::NotConnected,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Other,
        }
    }
}

impl BundleSource {
    /// Opens what the user named.
    pub fn open(path: &Path, fetch: &Fetch, session: &Session) -> Result<Self, Failure> {
        let interrupt = session.interrupt.clone();
        let parts = if path == Path::new("-") {
            // The descriptor itself: the standard library's own stdin holds bytes back in a buffer that no poll sees.
            let pipe = io::stdin().as_fd().try_clone_to_owned().map_err(|error| unreadable(path, &error))?;
            vec![Part::Pipe(pipe.into())]
        } else if name::is_url(path) {
            remote::parts(path, fetch, session)?
        } else {
            parts(path, &session.lending)?
        };
        Ok(Self::of(path, parts, interrupt))
    }

    /// The bundle in a file that is open, and that the user named by `path`.
    #[cfg(feature = "create")]
    pub fn of_file(path: &Path, file: File, session: &Session) -> Self {
        Self::of(path, vec![Part::File(Carried::new(file, None, &session.lending))], session.interrupt.clone())
    }

    fn of(path: &Path, parts: Vec<Part>, interrupt: Interrupt) -> Self {
        let (name, front) = (shown(path), Front::default());
        Self { name, parts, current: 0, interrupt, fault: None, came: Came::Nothing, front, secured: 0, full: None }
    }

    /// Bytes that came over a network so far; `None` if none of it is on a server.
    pub fn fetched(&self) -> Option<u64> {
        let remotes =
            self.parts.iter().filter_map(|part| if let Part::Remote(remote) = part { Some(remote) } else { None });
        remotes.map(|remote| remote.fetched()).max()
    }

    /// Has the next reader begin with these bytes, which were read before.
    #[cfg(feature = "update")]
    pub fn put_back(&mut self, bytes: &[u8]) {
        self.parts.insert(self.current, Part::Again(bytes.to_vec()));
    }

    /// The bundle of whole images beside `path`, which this was opened as, if its signed head names one.
    pub fn full(&self, path: &Path) -> Option<PathBuf> {
        self.full.as_deref().filter(|_| path != Path::new("-")).map(|name| name::beside(path, name))
    }

    /// A failure of the act, in the words of the server, or of the system, where a read is what failed.
    pub fn explained(&self, failure: Failure) -> Failure {
        let mut remotes =
            self.parts.iter().filter_map(|part| if let Part::Remote(remote) = part { Some(remote) } else { None });
        let told = match failure.code {
            Exit::Network => remotes.find_map(|remote| remote.failure()),
            Exit::NotAuthentic => remotes.find_map(|remote| remote.mixture()),
            _ => None,
        };
        match (told, &self.fault) {
            (Some(told), _) => told,
            (None, Some(fault)) if failure.code == Exit::Io => {
                let next = "check the medium that it is on, then run the same command again, it resumes";
                Failure { why: format!("{} could not be read: {fault}", self.name), next: next.to_owned(), ..failure }
            }
            (None, None) if failure.code == Exit::NotAuthentic && self.came == Came::Nothing => {
                self.nothing_came(failure)
            }
            (None, _) => failure,
        }
    }

    /// The same, and a refused bundle with who signed it, and what it is for beside what this device is.
    pub fn explained_to(&self, device: &Setup, failure: Failure) -> Failure {
        self.signed_by(device.anchors, Some(&device.profile.compatible), self.explained(failure))
    }

    /// A bundle that is refused, with who signed it beside the keys that count, and what it is for beside what the device is.
    pub fn signed_by(&self, anchors: &Anchors, device: Option<&str>, failure: Failure) -> Failure {
        self.front.explained(failure, anchors, device)
    }

    /// The program that should have sent the bundle has most likely told why, and what is here is not at fault.
    fn nothing_came(&self, failure: Failure) -> Failure {
        let name = if self.name == "-" { "stdin" } else { &self.name };
        let next = "see why the program that sends the bundle sent nothing, then run both again";
        Failure { why: format!("{}: no byte came from {name}", failure.why), next: next.to_owned(), ..failure }
    }

    /// Fills the front of `buf`. 0 at the end, which a file on a server has only where nobody needs more.
    fn next(&mut self, buf: &mut [u8], wish: Wish) -> Result<usize, SourceError> {
        if buf.is_empty() {
            return Ok(0);
        }
        while let Some(part) = self.parts.get_mut(self.current) {
            if let Part::Remote(remote) = part
                && wish == Wish::Idle
                && !remote.comes()
            {
                // The bundle is complete: nobody is asked whether there is more.
                self.current = self.current.saturating_add(1);
                continue;
            }
            if let Part::Pipe(pipe) = part {
                wait(pipe, &self.interrupt).map_err(SourceError)?;
            }
            match (part.read(buf), part) {
                (Ok(0), Part::Remote(remote)) if wish == Wish::Needed && remote.is_short() => {
                    remote.ask_for_more().map_err(|error| self.failed(error))?;
                }
                (Ok(0), Part::Again(_)) => {
                    self.parts.remove(self.current);
                }
                (Ok(0), _) => self.current = self.current.saturating_add(1),
                (Ok(got), _) => {
                    self.came = Came::Bytes;
                    self.front.see(buf.get(..got).unwrap_or_default());
                    return Ok(got);
                }
                // A signal wakes a read that waits for a pipe.
                (Err(error), _) if error.kind() == io::ErrorKind::Interrupted && !self.interrupt.requested() => {}
                // Another reader of the FIFO was quicker.
                (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The bundle is complete. Whether the server would have more nobody needs to know.
                (Err(error), Part::Remote(_)) if wish == Wish::Idle && error.kind() == io::ErrorKind::NotConnected => {
                    return Ok(0);
                }
                (Err(error), _) => return Err(self.failed(error)),
            }
        }
        Ok(0)
    }

    fn failed(&mut self, error: io::Error) -> SourceError {
        self.fault = Some(error.to_string());
        SourceError(error)
    }
}

/// Zeros behind an image, to a whole block.
fn padding(len: u64) -> u64 {
    // A length that only a server claims may be any number.
    len.checked_next_multiple_of(len_u64(&[0; BLOCK_BYTES])).unwrap_or(len).saturating_sub(len)
}

fn parts(path: &Path, lending: &Lending) -> Result<Vec<Part>, Failure> {
    if let Some(pipe) = local::pipe(path)? {
        return Ok(vec![Part::Pipe(pipe)]);
    }
    let image = open(path)?;
    match local::first_bytes(path, &image)?.as_slice() {
        [] => {
            let empty = empty(path, Exit::NotAuthentic);
            return Err(Failure { why: format!("it is no bundle: {}", empty.why), ..empty });
        }
        first if first == MAGIC => return Ok(vec![Part::File(Carried::new(image, None, lending))]),
        _ => {}
    }
    let head = head_of(path);
    if matches!(head.try_exists(), Ok(false)) {
        let why = format!("it is no bundle, and there is no {}", head.display());
        let next = format!("make one: updater-cli bundle create --detached --image {} ..", path.display());
        return Err(Failure::new(Exit::NotAuthentic, format!("cannot read {}", path.display()), why, next));
    }
    let len = local::len(path, &image)?;
    let head = match local::pipe(&head)? {
        Some(pipe) => Part::Pipe(pipe),
        None => Part::File(Carried::new(open(&head)?, None, lending)),
    };
    // An image that grows while it is read must not push the padding out of its place.
    Ok(vec![head, Part::File(Carried::new(image, Some(len), lending)), Part::Zeros(padding(len))])
}

/// Whether an open file is a bundle, or a detached head.
#[cfg(feature = "create")]
pub fn begins_a_bundle(path: &Path, file: &File) -> Result<bool, Failure> {
    Ok(local::first_bytes(path, file)?.as_slice() == MAGIC)
}

/// The detached head that belongs to an image.
pub fn head_of(image: &Path) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(HEAD);
    PathBuf::from(name)
}

impl ErrorType for BundleSource {
    type Error = SourceError;
}

impl embedded_io::Read for BundleSource {
    /// For who looks whether there is more; who needs it says so.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SourceError> {
        self.next(buf, Wish::Idle)
    }

    fn read_exact(&mut self, mut buf: &mut [u8]) -> Result<(), ReadExactError<SourceError>> {
        while !buf.is_empty() {
            match self.next(buf, Wish::Needed)? {
                0 => return Err(ReadExactError::UnexpectedEof),
                got => buf = buf.get_mut(got..).unwrap_or_default(),
            }
        }
        Ok(())
    }
}

impl Source for BundleSource {
    /// What the signed head says about the files that follow it on a server: one that ends before that was cut.
    fn expects(&mut self, verified: &Verified<'_>) {
        // It is at the current place, where the next one follows.
        self.parts.retain(|part| !matches!(part, Part::Again(bytes) if bytes.is_empty()));
        self.full = full_bundle(verified.manifest()).map(|name| name.to_string());
        let [Part::Remote(head), Part::Remote(image), Part::Zeros(zeros)] = self.parts.as_mut_slice() else { return };
        let Some(payload) = verified.manifest().payloads().first() else { return };
        let levels = payload.geometry().shipped_bytes().get();
        head.needs(len_u64(verified.envelope()).saturating_add(levels));
        let len = payload.image_len().get();
        image.needs(len);
        *zeros = padding(image.len().unwrap_or(len).max(len));
    }

    /// What is read of each file on a server. A file here is read as it comes.
    fn will_read(&mut self, ahead: Ahead<'_>) {
        let mut before = 0;
        for part in self.parts.iter_mut().skip(self.current) {
            let left = part.left();
            if let Part::Remote(remote) = part {
                match ahead {
                    Ahead::All => remote.will_read(Ahead::All),
                    Ahead::Runs(runs) => remote.will_read(Ahead::Runs(&within_part(runs, before, left))),
                }
            }
            let Some(left) = left else { return };
            before = left.saturating_add(before);
        }
    }

    fn near(&self) -> u64 {
        let near = |part: &Part| if let Part::Remote(remote) = part { remote.near() } else { 0 };
        self.parts.iter().map(near).max().unwrap_or(0)
    }

    /// A power cut, which may take what is in the drive's cache, has a fiftieth of the bundle fetched again; less than a MiB is not worth a flush.
    fn wants_flush(&mut self) -> bool {
        let Some(fetched) = self.fetched() else { return false };
        let len = |part: &Part| if let Part::Remote(remote) = part { remote.len().unwrap_or(0) } else { 0 };
        let whole = self.parts.iter().map(len).fold(0, u64::saturating_add);
        let due = fetched.saturating_sub(self.secured) >= (whole / 50).max(1 << 20);
        if due {
            self.secured = fetched;
        }
        due
    }

    /// Lends a piece that the file's thread has read.
    fn lend<'a>(&'a mut self, buf: &'a mut [u8]) -> Result<&'a [u8], ReadExactError<SourceError>> {
        let at_hand = match self.parts.get_mut(self.current) {
            Some(Part::File(file)) => file.has_at_hand(buf.len()),
            _ => Ok(false),
        };
        if !at_hand.map_err(|error| ReadExactError::Other(self.failed(error)))? {
            embedded_io::Read::read_exact(self, buf)?;
            return Ok(buf);
        }
        match self.parts.get_mut(self.current) {
            Some(Part::File(file)) => {
                file.take_at_hand(buf.len()).map_err(|error| ReadExactError::Other(SourceError(error)))
            }
            _ => Err(ReadExactError::UnexpectedEof),
        }
    }

    /// Seeks where the bytes are in a file; the core has the same bytes in the target already.
    fn skip(&mut self, bytes: u64, scratch: &mut [u8]) -> Result<(), ReadExactError<SourceError>> {
        let mut left = bytes;
        while left > 0 {
            // One that was read to its end has nothing to skip.
            if self.parts.get(self.current).is_some_and(|part| part.left() == Some(0)) {
                self.current = self.current.saturating_add(1);
            }
            let skipped = match self.parts.get_mut(self.current) {
                Some(Part::File(file)) => file.skip(left).map_err(|e| ReadExactError::Other(SourceError(e)))?,
                Some(Part::Remote(remote)) => remote.skip(left),
                _ => 0,
            };
            left = left.saturating_sub(skipped);
            if skipped == 0 {
                let piece = within(scratch, left);
                embedded_io::Read::read_exact(self, piece)?;
                left = left.saturating_sub(len_u64(piece));
            }
        }
        Ok(())
    }
}
