//! Ctrl-C and the service manager's stop.
//!
//! The first SIGINT or SIGTERM sets a flag that an act looks at between two steps; the second ends the process, for one that
//! hangs in a read. Neither ends it in the middle of a GPT commit: the second waits until the [`Shield`] is dropped.
//! SIGPIPE stays ignored, as the standard library starts every program; [`crate::output`] handles the write error instead.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// Whether somebody asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    commit: Arc<Mutex<()>>,
}

/// While it lives, no signal ends the process.
#[derive(Debug)]
#[must_use = "the shield ends where it is dropped"]
pub struct Shield<'i> {
    _held: MutexGuard<'i, ()>,
}

impl Interrupt {
    /// Starts to listen. Once per process.
    ///
    /// # Errors
    /// Where the kernel gives no handler or no thread.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let ours = interrupt.clone();
        let wait = move || {
            for _ in signals.forever() {
                if ours.requested.swap(true, Ordering::SeqCst) {
                    let _shield = ours.shield();
                    process::exit(i32::from(Exit::Interrupted.code()));
                }
            }
        };
        thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(wait)?;
        Ok(interrupt)
    }

    /// Whether the act should stop at its next safe point.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Holds off the end of the process, for the length of a GPT commit.
    pub fn shield(&self) -> Shield<'_> {
        // A poisoned lock means that an act panicked; there is nothing in it that could be broken.
        Shield { _held: self.commit.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}
