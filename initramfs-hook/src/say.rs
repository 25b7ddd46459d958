//! What the hook says: lines on stderr, which is the console. A line that cannot be written, or for which nobody makes room, is
//! dropped: a boot never ends or waits because of what is said about it.
//!
//! ```text
//!  line ─► stderr, opened anew so that a write does not wait ─► takes it
//!              │ full: a second of patience, once in a boot
//!              │ no such port, no descriptor, nobody reads
//!              ▼
//!          as the first process: the kernel's log, for dmesg
//! ```
//! A console that is there and stands still is nothing rare: flow control of a line that nobody listens to, or a stray XOFF.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libupdate_linux::printable;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What a slow line needs for a few of our lines.
const PATIENCE: Duration = Duration::from_secs(1);
/// stderr, to be opened anew.
const STDERR: &str = "/proc/self/fd/2";
const KERNEL_LOG: &str = "/dev/kmsg";

/// Whether the console has kept us waiting already.
static STANDS_STILL: AtomicBool = AtomicBool::new(false);

/// Says a line: `say!("cannot mount {at}: {error}")`.
macro_rules! say {
    ($($words:tt)+) => { $crate::say::line(format_args!($($words)+)) };
}
pub(crate) use say;

/// Says a line, foreign characters escaped.
pub fn line(words: fmt::Arguments<'_>) {
    let text = format!("updater: {}\n", printable::Printable(&words.to_string()));
    if to_stderr(text.as_bytes()).is_err() && std::process::id() == 1 {
        // There is nobody left to be told.
        let log = File::options().write(true).open(KERNEL_LOG);
        log.and_then(|mut log| log.write_all(text.as_bytes())).unwrap_or_default();
    }
}

/// Has a panic of this program be said like everything else, and then `end` what it can.
pub fn panics(end: impl Fn() + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(move |panic| {
        line(format_args!("{panic}"));
        end();
    }));
}

fn to_stderr(text: &[u8]) -> Result<(), Errno> {
    let own = rustix::fs::open(
        STDERR,
        OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    match own {
        Ok(own) => write_patiently(own.as_fd(), text),
        // Sockets are not opened anew, nor is anything without /proc.
        Err(_) => write_patiently(rustix::stdio::stderr(), text),
    }
}

/// Writes all of it, as long as there is room in time.
fn write_patiently(to: BorrowedFd<'_>, mut text: &[u8]) -> Result<(), Errno> {
    let until = Instant::now() + if STANDS_STILL.load(Ordering::Relaxed) { Duration::ZERO } else { PATIENCE };
    while !text.is_empty() {
        if !has_room(to, until.saturating_duration_since(Instant::now())) {
            STANDS_STILL.store(true, Ordering::Relaxed);
            return Err(Errno::AGAIN);
        }
        match rustix::io::write(to, text) {
            Ok(count) => text = text.get(count..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) if Instant::now() < until => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether a write finds room, or an error, which is an answer too.
fn has_room(to: BorrowedFd<'_>, wait: Duration) -> bool {
    let wait = Timespec::try_from(wait).unwrap_or_default();
    rustix::event::poll(&mut [PollFd::new(&to, PollFlags::OUT)], Some(&wait)).unwrap_or(1) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_line_is_an_error_and_not_the_end() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(write_patiently(full.as_fd(), b"x"), Err(Errno::NOSPC));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(write_patiently(writer.as_fd(), b"x"), Err(Errno::PIPE));
        // As the first process has it where there is no console.
        assert_eq!(write_patiently(File::open("/").unwrap().as_fd(), b"x"), Err(Errno::BADF));
    }

    #[test]
    fn a_console_that_stands_still_is_waited_for_once() {
        let (_reader, writer) = std::io::pipe().unwrap();
        rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        let mut room = 0;
        while write_patiently(writer.as_fd(), &[b'x'; 4096]).is_ok() {
            room += 4096;
        }
        assert!(room > 0);
        let begun = Instant::now();
        for _ in 0..100 {
            assert_eq!(write_patiently(writer.as_fd(), b"x"), Err(Errno::AGAIN));
        }
        assert!(begun.elapsed() < PATIENCE, "each line waits: {:?}", begun.elapsed());
    }
}
