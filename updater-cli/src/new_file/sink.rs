//! What is written to as it is: a pipe, a device, a file that cannot get another inode.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use libupdate_linux::{Interrupt, file};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Bytes that a pipe takes at once, where it takes any (`PIPE_BUF`).
const PIECE: usize = 4096;
/// How often a signal is looked for while nobody reads.
const POLL: Duration = Duration::from_millis(50);
const POLL_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Where the bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Went {
    /// Into a file or a node.
    Elsewhere,
    /// To stdout: nothing else may be written there.
    ToStdout,
}

/// What kind of place it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A pipe, a terminal, `/dev/null`: its reader may be slow, or never come.
    Stream,
    /// A block device, that nobody else must use.
    Disk,
    /// A regular file.
    File,
    /// A regular file that somebody has opened for this program.
    Opened,
}

/// A place that is open.
#[derive(Debug)]
pub struct Sink {
    file: File,
    kind: Kind,
    went: Went,
}

impl Sink {
    /// Whether what it holds now would be gone.
    pub const fn loses_something(&self) -> bool {
        matches!(self.kind, Kind::Disk | Kind::File)
    }

    /// The process's own stdout.
    pub fn stdout() -> io::Result<Self> {
        Self::own(io::stdout().as_fd(), Went::ToStdout)
    }

    /// The process's own stdout or stderr, where the file is one of them: opened anew, it would be written from its start.
    pub fn of_own_stream(there: &Metadata) -> Option<io::Result<Self>> {
        let is = |stream: BorrowedFd<'_>| {
            let facts = rustix::fs::fstat(stream).ok();
            facts.is_some_and(|facts| (facts.st_dev, facts.st_ino) == (there.dev(), there.ino()))
        };
        let (out, err) = (io::stdout(), io::stderr());
        let own = [(out.as_fd(), Went::ToStdout), (err.as_fd(), Went::Elsewhere)];
        own.into_iter().find(|(stream, _)| is(*stream)).map(|(stream, went)| Self::own(stream, went))
    }

    fn own(stream: BorrowedFd<'_>, went: Went) -> io::Result<Self> {
        Ok(Self { file: File::from(stream.try_clone_to_owned()?), kind: Kind::Stream, went })
    }

    /// Opens the place for writing. A FIFO is waited for until it has a reader.
    pub fn open(path: &Path, kind: Kind, interrupt: &Interrupt) -> io::Result<Self> {
        let exclusive = if kind == Kind::Disk { OFlags::EXCL } else { OFlags::empty() };
        loop {
            match file::open(path, OFlags::WRONLY | exclusive) {
                Err(error) if kind == Kind::Stream && error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                    asked_to_stop(interrupt)?;
                    sleep(POLL);
                }
                answer => return Ok(Self { file: answer?, kind, went: Went::Elsewhere }),
            }
        }
    }

    /// Writes all of `from` to the place.
    pub fn take(&self, from: &mut File, interrupt: &Interrupt) -> io::Result<Went> {
        from.rewind()?;
        let mut to = &self.file;
        let mut piece = vec![0; PIECE];
        let mut len: u64 = 0;
        loop {
            let got = from.read(&mut piece)?;
            if got == 0 {
                break;
            }
            if self.kind == Kind::Stream {
                self.wait(interrupt)?;
            }
            self.put(to, piece.get(..got).unwrap_or_default(), interrupt)?;
            len = len.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        }
        to.flush()?;
        match self.kind {
            Kind::Stream => {}
            Kind::Disk => self.file.sync_all()?,
            Kind::File | Kind::Opened => self.file.set_len(len).and_then(|()| self.file.sync_all())?,
        }
        Ok(self.went)
    }

    fn put(&self, mut to: &File, mut bytes: &[u8], interrupt: &Interrupt) -> io::Result<()> {
        while !bytes.is_empty() {
            match to.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The descriptor does not wait, and was quicker than its reader.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(interrupt)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the place takes bytes; a signal ends the waiting.
    fn wait(&self, interrupt: &Interrupt) -> io::Result<()> {
        loop {
            asked_to_stop(interrupt)?;
            match rustix::event::poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&POLL_TIME)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn asked_to_stop(interrupt: &Interrupt) -> io::Result<()> {
    if interrupt.requested() { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
}
