//! Ctrl-C, the service manager's stop, a terminal that goes away, and a limit of file sizes.
//!
//! The first SIGINT, SIGTERM or SIGHUP sets a flag that an act looks at between two steps; the second ends the process, for one that
//! hangs in a read. Neither ends it in the middle of a GPT commit: the second waits until the [`Shield`] is dropped.
//! SIGHUP stays ignored where `nohup` has seen to it. SIGXFSZ is heard and nothing else, so that a write past the limit is an error as
//! any other, after which nothing unfinished is left. SIGPIPE stays ignored, as the standard library starts every program; `output.rs` handles the write error instead.

use std::io;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use libupdate::units::limits::SYSTEM_BYTES;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::file;

/// Whether somebody asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    shields: Arc<Shields>,
}

/// How many shields there are.
#[derive(Debug, Default)]
struct Shields {
    count: Mutex<usize>,
    fewer: Condvar,
}

impl Shields {
    fn count(&self) -> MutexGuard<'_, usize> {
        // A poisoned lock means that an act panicked; a number is whole at every moment.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is none. While the guard lives, none is made.
    fn none(&self) -> MutexGuard<'_, usize> {
        let mut count = self.count();
        while *count > 0 {
            count = self.fewer.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
        count
    }
}

/// While it lives, no signal ends the process.
#[derive(Debug)]
#[must_use = "the shield ends where it is dropped"]
pub struct Shield {
    of: Arc<Shields>,
}

impl Drop for Shield {
    fn drop(&mut self) {
        let mut count = self.of.count();
        *count = count.saturating_sub(1);
        self.of.fewer.notify_all();
    }
}

impl Interrupt {
    /// Starts to listen, once per process. `status` is what the process ends with at the second signal.
    ///
    /// # Errors
    /// Where the kernel gives no handler or no thread.
    pub fn listen(status: u8) -> io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if !hangup_is_ignored() {
            signals.add_signal(SIGHUP)?;
        }
        flag::register(SIGXFSZ, Arc::default())?;
        let ours = interrupt.clone();
        let wait = move || {
            for _ in signals.forever() {
                if ours.requested.swap(true, Ordering::SeqCst) {
                    let _none = ours.shields.none();
                    process::exit(i32::from(status));
                }
            }
        };
        thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(wait)?;
        Ok(interrupt)
    }

    /// Asks to stop, as a signal does.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// Whether the act should stop at its next safe point.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Holds off the end of the process, for the length of a GPT commit.
    pub fn shield(&self) -> Shield {
        *self.shields.count() += 1;
        Shield { of: Arc::clone(&self.shields) }
    }
}

/// Whether this process was started with SIGHUP ignored, as `nohup` does.
fn hangup_is_ignored() -> bool {
    let status = file::read_text(Path::new("/proc/self/status"), SYSTEM_BYTES).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Bit 0 is signal 1.
    mask.is_some_and(|mask| mask & 1 << (SIGHUP - 1) != 0)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    const ROLE: &str = "LIBUPDATE_SIGNAL_TEST";
    const STATUS: u8 = 9;

    /// This very test in a process of its own, where it acts the part of an updater.
    fn updater(test: &str) -> (Child, impl FnMut(&str) -> bool) {
        // Whoever runs the tests under `nohup` has SIGHUP ignored here.
        let mut child = Command::new("env")
            .arg("--default-signal=HUP")
            .arg(env::current_exe().unwrap())
            .args(["--exact", &format!("signal::tests::{test}"), "--nocapture"])
            .env(ROLE, "updater")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        (child, move |wanted: &str| lines.any(|line| line.ends_with(wanted)))
    }

    fn say(word: &str) {
        let mut out = io::stdout().lock();
        writeln!(out, "\n{word}").and_then(|()| out.flush()).unwrap();
    }

    fn wait_for(interrupt: &Interrupt) {
        while !interrupt.requested() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(child: &Child, signal: Signal) {
        kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    #[test]
    fn the_first_signal_only_asks() {
        if env::var(ROLE).is_ok() {
            let interrupt = Interrupt::listen(STATUS).unwrap();
            assert!(!interrupt.requested());
            say("ready");
            wait_for(&interrupt);
            say("asked");
            return;
        }
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let (mut child, mut says) = updater("the_first_signal_only_asks");
            assert!(says("ready"));
            send(&child, signal);
            assert!(says("asked"));
            assert!(child.wait().unwrap().success());
        }
    }

    #[test]
    fn the_second_signal_ends_the_process_but_not_in_a_commit() {
        if env::var(ROLE).is_ok() {
            let interrupt = Interrupt::listen(STATUS).unwrap();
            let shield = interrupt.shield();
            say("ready");
            wait_for(&interrupt);
            say("asked");
            thread::sleep(Duration::from_millis(300));
            say("committed");
            drop(shield);
            thread::sleep(Duration::from_secs(60));
            say("never reached");
            return;
        }
        let (mut child, mut says) = updater("the_second_signal_ends_the_process_but_not_in_a_commit");
        assert!(says("ready"));
        send(&child, Signal::INT);
        assert!(says("asked"));
        send(&child, Signal::TERM);
        assert!(says("committed"));
        assert_eq!(child.wait().unwrap().code(), Some(i32::from(STATUS)));
        assert!(!says("never reached"));
    }
}
