//! How long each part of the hook took.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

/// Times since the start, one for the end of each part.
#[derive(Debug)]
pub struct Phases {
    started: Instant,
    last: Instant,
    parts: Vec<(&'static str, Duration)>,
}

impl Phases {
    /// Starts the clock.
    pub fn start() -> Self {
        let now = Instant::now();
        Self { started: now, last: now, parts: Vec::new() }
    }

    /// What was done since the last end is called `name`. The same name again adds to it.
    pub fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        let took = now.duration_since(self.last);
        self.last = now;
        match self.parts.iter_mut().find(|(part, _)| *part == name) {
            Some((_, so_far)) => *so_far += took,
            None => self.parts.push((name, took)),
        }
    }
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = String::new();
        for (name, took) in &self.parts {
            write!(parts, "{}{name} {}", if parts.is_empty() { "" } else { ", " }, took.as_millis())?;
        }
        write!(f, "{} ms: {parts}", self.last.duration_since(self.started).as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_their_order_and_add_up() {
        let mut phases = Phases::start();
        for name in ["disk", "table", "disk"] {
            phases.end(name);
        }
        let text = phases.to_string();
        let names: Vec<&str> = phases.parts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["disk", "table"]);
        assert!(text.contains(" ms: disk ") && text.contains(", table "), "{text}");
    }
}
