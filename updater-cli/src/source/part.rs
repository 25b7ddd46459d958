//! A part of a bundle's stream: a file, a pipe, a file on a server, or zeros.

use std::fs::File;
use std::io::{self, Read as _};

use libupdate::install::Run;
use libupdate::units::bytes::len_u64;
use libupdate_linux::Interrupt;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::carried::Carried;
use super::remote::Remote;

/// A silent pipe is asked again this often, so that Ctrl-C is heard.
const POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// A part.
pub enum Part {
    File(Carried),
    Pipe(File),
    Remote(Box<Remote>),
    Zeros(u64),
    /// Bytes that were read before, and are read once more.
    #[cfg_attr(
        not(feature = "update"),
        expect(dead_code, reason = "who judges a head before it is installed puts it back")
    )]
    Again(Vec<u8>),
}

impl Part {
    /// Bytes of the bundle that it still has, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Remote(remote) => remote.left(),
            Self::Zeros(left) => Some(*left),
            Self::Again(bytes) => Some(len_u64(bytes)),
            Self::File(_) | Self::Pipe(_) => None,
        }
    }

    /// Fills the front of `buf`; 0 at its end.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.read(buf),
            Self::File(file) => file.read(buf),
            Self::Remote(remote) => remote.read(buf),
            Self::Again(bytes) => {
                let len = buf.len().min(bytes.len());
                buf.iter_mut().zip(bytes.drain(..len)).for_each(|(to, byte)| *to = byte);
                Ok(len)
            }
            Self::Zeros(left) => {
                let zeros = within(buf, *left);
                zeros.fill(0);
                *left = left.saturating_sub(len_u64(zeros));
                Ok(zeros.len())
            }
        }
    }
}

impl From<Remote> for Part {
    fn from(remote: Remote) -> Self {
        Self::Remote(Box::new(remote))
    }
}

/// Waits until a pipe has bytes, or has ended; a signal ends the waiting.
pub fn wait(pipe: &File, interrupt: &Interrupt) -> io::Result<()> {
    loop {
        if interrupt.requested() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut polled = [PollFd::new(pipe, PollFlags::IN)];
        match rustix::event::poll(&mut polled, Some(&POLL)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What `runs` have of the `left` bytes that come after the next `before` ones.
pub fn within_part(runs: &[Run], before: u64, left: Option<u64>) -> Vec<Run> {
    let end = left.map_or(u64::MAX, |left| before.saturating_add(left));
    let (mut at, mut last) = (0_u64, before);
    let mut inside = Vec::new();
    for run in runs {
        let from = at.saturating_add(run.skip.into()).clamp(before, end);
        at = at.saturating_add(run.skip.into()).saturating_add(run.read.into());
        let to = at.clamp(before, end);
        let [skip, read] =
            [from.saturating_sub(last), to.saturating_sub(from)].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
        inside.push(Run { skip, read });
        last = to;
    }
    inside
}

/// The front of `buf`, at most `left` bytes of it.
pub fn within(buf: &mut [u8], left: u64) -> &mut [u8] {
    let len = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
    buf.get_mut(..len).unwrap_or_default()
}
