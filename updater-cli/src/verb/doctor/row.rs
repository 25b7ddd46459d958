//! One check: its name, how it stands, what was found, and what to do next.
//!
//! ```json
//! {"name":"watchdog", "state":"error", "detail":"/dev/watchdog0 runs, and nobody feeds it", "next":".."}
//! ```

use serde::Serialize;

use crate::exit::Failure;
use crate::output::{Printable, Tone, Toned};

/// A check. `next` is there exactly if something is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    name: &'static str,
    /// How it stands.
    pub state: State,
    detail: String,
    next: Option<String>,
}

/// How a check stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// The device updates and falls back; somebody should look at it all the same.
    Warning,
    /// The device may not update, or not fall back.
    Error,
    /// There was nothing to judge.
    Skipped,
}

/// Columns of a name, and of a state.
const NAME: usize = 18;
const STATE: usize = 9;

impl Row {
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Ok, detail: detail.into(), next: None }
    }

    pub fn warning(name: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, state: State::Warning, detail: detail.into(), next: Some(next.into()) }
    }

    pub fn error(name: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, state: State::Error, detail: detail.into(), next: Some(next.into()) }
    }

    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, state: State::Skipped, detail: why.into(), next: None }
    }

    /// What a verb would have failed with.
    pub fn failed(name: &'static str, failure: &Failure) -> Self {
        let Failure { what, why, details, next, .. } = failure;
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        let details: String = details.iter().map(|line| format!("; {line}")).collect();
        Self::error(name, format!("{what}{why}{details}"), next.as_str())
    }

    /// The state in a line of that text: nothing foreign is in its columns.
    pub fn toned(line: &str) -> Option<Toned> {
        let word = line.get(NAME..NAME.saturating_add(STATE))?.trim_end();
        let tone = match word {
            "ok" => Tone::Well,
            "warning" => Tone::Careful,
            "error" => Tone::Wrong,
            _ => return None,
        };
        line.starts_with(|c: char| c.is_ascii_lowercase()).then(|| (NAME..NAME.saturating_add(word.len()), tone))
    }

    /// The same for people.
    pub fn lines(&self) -> String {
        let Self { name, state, detail, next } = self;
        let mut text = format!("{name:<NAME$}{:<STATE$}{}\n", state.word(), Printable(detail));
        if let Some(next) = next {
            text += &format!("{:<NAME$}{:<STATE$}next: {}\n", "", "", Printable(next));
        }
        text
    }
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

#[cfg(test)]
impl Row {
    /// What a test asks of a row.
    pub fn told(&self) -> (State, &str) {
        (self.state, &self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn people_read_a_line_and_what_to_do_below_it() {
        let row = Row::warning("lock", "process 7 (\u{1b}) works on the disk", "wait");
        let text = row.lines();
        assert_eq!(text.lines().next(), Some("lock              warning  process 7 (\\u{1b}) works on the disk"));
        assert_eq!(text.lines().nth(1), Some("                           next: wait"));
        let json = serde_json::to_value(Row::ok("keys", "1 key")).unwrap();
        assert_eq!((&json["state"], &json["next"]), (&"ok".into(), &serde_json::Value::Null));
    }

    #[test]
    fn a_failure_of_a_verb_is_an_error_with_all_its_words() {
        let mut failure = Failure::new(Exit::Disk, "cannot read", "no copy holds", "run `repair`");
        failure.details.push("primary: its checksum".to_owned());
        let row = Row::failed("table", &failure);
        assert_eq!(row.told(), (State::Error, "cannot read: no copy holds; primary: its checksum"));
        assert_eq!(row.next.as_deref(), Some("run `repair`"));
    }
}
