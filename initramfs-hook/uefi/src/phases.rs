//! How long each part of the boot took.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::time::Duration;

use uefi::boot;

use crate::firmware;

/// Times since the start, one for the end of each part.
#[derive(Debug)]
pub struct Phases {
    last: u64,
    parts: Vec<(&'static str, u64)>,
}

impl Phases {
    /// Starts the clock.
    pub fn start() -> Self {
        Self { last: firmware::ticks(), parts: Vec::new() }
    }

    /// What was done since the last end is called `name`. The same name again adds to it.
    pub fn end(&mut self, name: &'static str) {
        let now = firmware::ticks();
        let took = now.saturating_sub(self.last);
        self.last = now;
        match self.parts.iter_mut().find(|(part, _)| *part == name) {
            Some((_, so_far)) => *so_far = so_far.saturating_add(took),
            None => self.parts.push((name, took)),
        }
    }
}

impl fmt::Display for Phases {
    /// In milliseconds, which are measured here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = millisecond();
        let (mut parts, mut all) = (String::new(), 0_u64);
        for (name, took) in &self.parts {
            write!(parts, "{}{name} {}", if parts.is_empty() { "" } else { ", " }, took / one)?;
            all = all.saturating_add(*took);
        }
        write!(f, "{} ms: {parts}", all / one)
    }
}

/// How many ticks a millisecond has. A machine under another one's load may wait longer: the shortest of a few counts.
fn millisecond() -> u64 {
    let one = |_| {
        let before = firmware::ticks();
        boot::stall(Duration::from_millis(1));
        firmware::ticks().saturating_sub(before)
    };
    (0..5).map(one).min().unwrap_or_default().max(1)
}
