//! What `updater-cli --json` prints, as far as it is read here. docs/schema.json of the project has all of it; unknown keys are skipped.

use serde::Deserialize;

/// `status`.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub booted: Option<String>,
    pub next: Option<String>,
    pub slots: Vec<Slot>,
}

/// One slot of `status`.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    pub name: String,
    pub bootable: bool,
    pub state: String,
    pub version: Option<String>,
    pub compatible: Option<String>,
    pub partitions: Vec<Partition>,
}

/// One partition of a slot.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    pub role: String,
    pub label: String,
}

/// `info`.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Info {
    pub trust: String,
    pub version: String,
    pub compatibles: Vec<String>,
    pub manifest_digest: String,
    pub payloads: Vec<Payload>,
}

/// One payload of `info`.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    pub role: String,
    pub image_bytes: u64,
}

/// A line of `--progress json`.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    pub phase: String,
    pub done_bytes: u64,
    pub total_bytes: u64,
}

/// Any verb that failed.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    pub error: Failure,
}

/// Why it failed.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub class: String,
    pub what: String,
    pub why: String,
    pub next: String,
}

impl Progress {
    /// Percent of the whole installation. Writing is most of it; what is flushed and read back is a fifth. Never 100: that is said when
    /// the program has ended.
    pub fn percent(&self) -> i32 {
        let (from, to) = match self.phase.as_str() {
            "write" | "check" => (0, 80),
            "flush" => (80, 85),
            "read back" => (85, 99),
            _ => (0, 0),
        };
        let share = |width: u64| self.done_bytes.min(self.total_bytes).saturating_mul(width) / self.total_bytes.max(1);
        i32::try_from(from + share(to - from)).unwrap_or(0)
    }
}

impl Failure {
    /// What happened, why, and what helps, in one line.
    pub fn text(&self) -> String {
        let said = [&self.what, &self.why].into_iter().filter(|part| !part.is_empty());
        let said = said.cloned().collect::<Vec<_>>().join(": ");
        if self.next.is_empty() { said } else { format!("{said}; next: {}", self.next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(phase: &str, done_bytes: u64, total_bytes: u64) -> i32 {
        Progress { phase: phase.to_owned(), done_bytes, total_bytes }.percent()
    }

    #[test]
    fn percents_grow_over_the_phases_and_never_overflow() {
        let told = [("write", 0), ("write", 50), ("write", 100), ("flush", 100), ("read back", 0), ("read back", 100)];
        assert_eq!(told.map(|(phase, done)| percent(phase, done, 100)), [0, 40, 80, 85, 85, 99]);
        assert_eq!(percent("write", 7, 0), 0);
        assert_eq!(percent("write", u64::MAX, 1), 80);
        assert_eq!(percent("a later phase", 1, 1), 0);
    }

    #[test]
    fn unknown_keys_are_skipped() {
        let line = r#"{"schema":1,"phase":"write","done_bytes":1,"total_bytes":2,"kept_bytes":0,"later":[{}]}"#;
        let read: Progress = serde_json::from_str(line).expect("it is a line of progress");
        assert_eq!(read.percent(), 40);
    }
}
