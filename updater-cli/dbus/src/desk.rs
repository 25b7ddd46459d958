//! What the service is at: one installation at most, how far it is, how the last one ended, and when somebody called last.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::fault::Fault;

/// Shared by every call.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    installing: bool,
    /// Of the installation. A number could be another process by the time that it is signalled.
    process: Option<OwnedFd>,
    progress: (i32, String, i32),
    last_error: String,
    calls: usize,
    last_call: Instant,
}

/// A call that goes on. The service does not end before it is dropped.
#[derive(Debug)]
pub struct Call(Desk);

/// The one installation. Another one is refused until it is ended or dropped.
#[derive(Debug)]
pub struct Installation {
    desk: Desk,
    call: Option<Call>,
}

impl Desk {
    /// Nothing goes on.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            installing: false,
            process: None,
            progress: (0, String::new(), 0),
            last_error: String::new(),
            calls: 0,
            last_call: Instant::now(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody calls.
    pub fn call(&self) -> Call {
        self.state().calls += 1;
        Call(self.clone())
    }

    /// Somebody asks what is kept here, which is a call as well.
    pub fn asked(&self) -> &Self {
        drop(self.call());
        self
    }

    /// Somebody wants to install.
    ///
    /// # Errors
    /// [`Fault::busy`].
    pub fn install(&self) -> Result<Installation, Fault> {
        let call = self.call();
        let mut state = self.state();
        if std::mem::replace(&mut state.installing, true) {
            drop(state);
            return Err(Fault::busy());
        }
        state.last_error.clear();
        state.progress = (0, "Installing".to_owned(), 1);
        drop(state);
        Ok(Installation { desk: self.clone(), call: Some(call) })
    }

    /// How long nobody has called; none while a call goes on.
    pub fn idle_for(&self) -> Option<Duration> {
        let state = self.state();
        (state.calls == 0).then(|| state.last_call.elapsed())
    }

    /// Whether an installation goes on.
    pub fn installing(&self) -> bool {
        self.state().installing
    }

    /// Asks the installation that goes on to stop.
    ///
    /// # Errors
    /// There is none, or it cannot be signalled.
    pub fn stop(&self) -> Result<(), Fault> {
        match &self.state().process {
            Some(process) => pidfd_send_signal(process, Signal::TERM)
                .map_err(|error| Fault::program(format!("the installation cannot be stopped: {error}"))),
            None => Err(Fault::argument("no installation runs; next: see the property Operation".to_owned())),
        }
    }

    /// Percent, what it does, depth.
    pub fn progress(&self) -> (i32, String, i32) {
        self.state().progress.clone()
    }

    /// How the last installation failed; empty if it did not.
    pub fn last_error(&self) -> String {
        self.state().last_error.clone()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.calls -= 1;
        state.last_call = Instant::now();
    }
}

impl Installation {
    /// The program runs as this process, which nobody has waited for yet.
    pub fn runs_as(&self, process: u32) {
        let number = i32::try_from(process).ok().and_then(Pid::from_raw);
        self.desk.state().process = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()).ok());
    }

    /// It is so far. Gives whether a client sees a difference: percents never fall.
    pub fn is_at(&self, percent: i32, doing: &str) -> bool {
        let mut state = self.desk.state();
        let now = (percent.max(state.progress.0), doing.to_owned(), 1);
        let changed = now != state.progress;
        state.progress = now;
        changed
    }

    /// It is over: done, or what kept it from being done. Another one may begin, while the call goes on until everybody has heard of the end.
    pub fn ends(mut self, hindered: Option<&Fault>) -> Option<Call> {
        let mut state = self.desk.state();
        match hindered {
            None => state.progress = (100, "Installing done.".to_owned(), 1),
            Some(fault) => {
                state.progress.1 = "Installing failed.".to_owned();
                state.last_error = fault.to_string();
            }
        }
        state.vacate();
        drop(state);
        self.call.take()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // Once it has ended, another one may have begun.
        if self.call.is_some() {
            self.desk.state().vacate();
        }
    }
}

impl State {
    fn vacate(&mut self) {
        self.installing = false;
        self.process = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_installation_at_a_time() {
        let desk = Desk::new();
        let first = desk.install().expect("nothing goes on");
        assert!(desk.install().is_err() && desk.idle_for().is_none() && desk.installing());
        assert!(first.is_at(40, "write") && !first.is_at(40, "write") && !first.is_at(30, "write"));
        let call = first.ends(Some(&Fault::program("it died".to_owned())));
        assert_eq!((desk.last_error(), desk.installing()), ("it died".to_owned(), false));
        assert!(desk.idle_for().is_none(), "its end is not said yet");
        drop(call);
        assert!(desk.idle_for().is_some());
        drop(desk.install().expect("the first one is over"));
        assert_eq!(desk.last_error(), "");
    }
}
