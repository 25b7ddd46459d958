//! How far a phase is: a bar on a terminal, now and then a line elsewhere, JSON lines for programs.
//!
//! ```json
//! {"schema":1,"phase":"write","done_bytes":524288,"total_bytes":1288490188,"kept_bytes":0,"reused_bytes":0,
//!  "fetched_bytes":81920,"bytes_per_second":1048576,"eta_seconds":1229}
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use libupdate::ByteLen;

use super::bars::Bar;
use super::{Output, SCHEMA, Sink, Size};

/// Programs are told this often at most, and of the end.
const JSON_EVERY: Duration = Duration::from_millis(200);
/// A log gets a line for each tenth, but not more often than this ..
const PLAIN_EVERY: Duration = Duration::from_secs(2);
/// .. and a sign of life where a tenth takes long.
const PLAIN_AT_LEAST: Duration = Duration::from_secs(30);

/// `--progress`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressForm {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// Lines.
    Plain,
    /// JSON lines on stderr.
    Json,
    /// Nothing.
    None,
}

/// How far the phase is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Step {
    /// Bytes that are as they should be.
    pub done: ByteLen,
    /// Those of them that were so before, and needed no writing.
    pub already_right: ByteLen,
    /// Those of them that came from other slots, and needed no fetching.
    pub reused: ByteLen,
}

/// A phase that is going on. Ends with [`Progress::finish`]; dropped without, the act has failed and nothing more is said.
pub struct Progress {
    phase: &'static str,
    total: ByteLen,
    step: Step,
    started: Instant,
    shown: Shown,
    lines: Option<(Sink, Pace)>,
    output: Output,
}

enum Shown {
    Bar(Bar),
    Plain { pace: Pace, tenths: u64 },
    Nothing,
}

/// When the last line went out.
#[derive(Default)]
struct Pace(Option<Instant>);

impl ProgressForm {
    /// The same where stderr is no terminal.
    pub const fn without_terminal(self) -> Self {
        match self {
            Self::Auto => Self::Plain,
            other => other,
        }
    }
}

impl FromStr for ProgressForm {
    type Err = NoSuchForm;

    fn from_str(text: &str) -> Result<Self, NoSuchForm> {
        match text {
            "auto" => Ok(Self::Auto),
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            _ => Err(NoSuchForm),
        }
    }
}

/// Seconds that are left at the rate so far.
fn left(done: ByteLen, total: ByteLen, elapsed: Duration) -> Option<u64> {
    let rest = u128::from(total.get().saturating_sub(done.get()));
    let millis = (rest * elapsed.as_millis()).checked_div(u128::from(done.get()))?;
    u64::try_from(millis.div_ceil(1000)).ok()
}

/// Not a value of `--progress`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchForm;

impl fmt::Display for NoSuchForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not one of auto, plain, json, none")
    }
}

impl core::error::Error for NoSuchForm {}

impl Progress {
    pub(super) fn start(phase: &'static str, total: ByteLen, form: ProgressForm, output: &Output) -> Self {
        let plain = || Shown::Plain { pace: Pace(Some(Instant::now())), tenths: 0 };
        let shown = match form {
            ProgressForm::Auto => match output.bars.begin(phase, total) {
                Some(bar) => Shown::Bar(bar),
                None => plain(),
            },
            ProgressForm::Plain => plain(),
            ProgressForm::Json | ProgressForm::None => Shown::Nothing,
        };
        let lines = output.lines.clone().map(|sink| (sink, Pace::default()));
        let mut progress =
            Self { phase, total, step: Step::default(), started: Instant::now(), shown, lines, output: output.clone() };
        progress.tell(Due::Always);
        progress
    }

    /// Says how far the phase is now. Cheap enough for each chunk.
    pub fn at(&mut self, step: Step) {
        self.step = step;
        self.tell(Due::Paced);
    }

    /// The phase is over, with its last step said.
    pub fn finish(mut self) {
        self.tell(Due::Always);
        let text = self.summary();
        match self.shown {
            Shown::Bar(bar) => {
                bar.finish();
                self.output.line(&text);
            }
            Shown::Plain { .. } => self.output.line(&text),
            Shown::Nothing => {}
        }
    }

    fn tell(&mut self, due: Due) {
        let now = Instant::now();
        if let Some((_, pace)) = &mut self.lines
            && pace.due(now, JSON_EVERY, due)
        {
            self.json_line();
        }
        let tenth = self.tenths();
        match &mut self.shown {
            Shown::Bar(bar) => bar.at(self.phase, self.step.done, self.output.fetched()),
            Shown::Plain { pace, tenths } if due == Due::Paced => {
                let output = &self.output;
                let wait = if tenth > *tenths { PLAIN_EVERY } else { PLAIN_AT_LEAST };
                if pace.due(now, wait, due) {
                    *tenths = tenth;
                    let percent = percent(self.step.done, self.total);
                    let (done, total) = (Size(self.step.done.get()), Size(self.total.get()));
                    let mut text = format!("{}: {percent} % ({done} of {total})", self.phase);
                    if output.fetched() > 0 {
                        text.push_str(&format!(", {} fetched", Size(output.fetched())));
                    }
                    if let Some(seconds) = left(self.step.done, self.total, now.saturating_duration_since(self.started))
                    {
                        text.push_str(&format!(", {seconds} s left"));
                    }
                    output.line(&text);
                }
            }
            Shown::Plain { .. } | Shown::Nothing => {}
        }
    }

    fn tenths(&self) -> u64 {
        percent(self.step.done, self.total) / 10
    }

    fn summary(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let mut text = format!("{}: {} in {seconds:.1} s", self.phase, Size(self.step.done.get()));
        if let Some(rate) = rate(self.step.done, self.started.elapsed()) {
            text.push_str(&format!(", {}/s", Size(rate)));
        }
        if self.step.already_right.get() > 0 {
            text.push_str(&format!(", {} already right", Size(self.step.already_right.get())));
        }
        if self.step.reused.get() > 0 {
            text.push_str(&format!(", {} from other slots", Size(self.step.reused.get())));
        }
        text
    }

    /// A program that no longer reads its lines stops nothing.
    fn json_line(&mut self) {
        let Some((sink, _)) = &self.lines else { return };
        let Step { done, already_right, reused } = self.step;
        let elapsed = self.started.elapsed();
        let number = |value: Option<u64>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
        let line = format!(
            "{{\"schema\":{SCHEMA},\"phase\":\"{}\",\"done_bytes\":{},\"total_bytes\":{},\"kept_bytes\":{},\"reused_bytes\":{},\"fetched_bytes\":{},\"bytes_per_second\":{},\"eta_seconds\":{}}}\n",
            self.phase,
            done.get(),
            self.total.get(),
            already_right.get(),
            reused.get(),
            self.output.fetched(),
            number(rate(done, elapsed)),
            number(left(done, self.total, elapsed)),
        );
        let mut writer = sink.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.write_all(line.as_bytes()).and_then(|()| writer.flush()).is_err() {
            drop(writer);
            self.lines = None;
        }
    }
}

/// Whether the pace counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Paced,
    Always,
}

impl Pace {
    fn due(&mut self, now: Instant, wait: Duration, due: Due) -> bool {
        let free = due == Due::Always || self.0.is_none_or(|last| now.saturating_duration_since(last) >= wait);
        if free {
            self.0 = Some(now);
        }
        free
    }
}

/// 0 to 100, cut: 100 only at the end.
fn percent(done: ByteLen, total: ByteLen) -> u64 {
    let parts = u128::from(done.get()) * 100;
    parts.checked_div(u128::from(total.get())).map_or(100, |part| u64::try_from(part.min(100)).unwrap_or(100))
}

fn rate(done: ByteLen, elapsed: Duration) -> Option<u64> {
    let rate = (u128::from(done.get()) * 1000).checked_div(elapsed.as_millis())?;
    u64::try_from(rate).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PLAIN, output};
    use super::super::{Loudness, Settings};
    use super::*;

    fn step(done: u64) -> Step {
        Step { done: ByteLen::new(done), already_right: ByteLen::new(done / 2), reused: ByteLen::new(0) }
    }

    #[test]
    fn json_lines_hold_first_and_last_step_and_keep_their_pace() {
        let (output, out, err) = output(Settings { progress: ProgressForm::Json, ..PLAIN });
        let mut progress = output.progress("read back", ByteLen::new(10_000));
        (1..=10_000).for_each(|done| progress.at(step(done)));
        progress.finish();
        let lines: Vec<serde_json::Value> =
            err.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!((2..100).contains(&lines.len()), "{}", lines.len());
        assert_eq!(lines[0]["done_bytes"], 0);
        let last = lines.last().unwrap();
        assert_eq!((&last["phase"], &last["done_bytes"]), (&"read back".into(), &10_000.into()));
        assert_eq!((&last["total_bytes"], &last["kept_bytes"]), (&10_000.into(), &5_000.into()));
        assert_eq!(out.text(), "");
    }

    #[test]
    fn plain_lines_keep_their_pace_and_end_with_a_summary() {
        let (output, _, err) = output(PLAIN);
        let mut progress = output.progress("write", ByteLen::new(4096));
        (1..=4096).for_each(|done| progress.at(step(done)));
        assert_eq!(err.text(), "", "less than two seconds have passed");
        progress.finish();
        assert!(err.text().starts_with("write: 4.0 KiB in "), "{}", err.text());
        assert!(err.text().ends_with(", 2.0 KiB already right\n"), "{}", err.text());
    }

    #[test]
    fn a_plain_line_comes_with_a_tenth_after_two_seconds() {
        let now = Instant::now();
        let mut pace = Pace(Some(now));
        assert!(!pace.due(now + Duration::from_millis(1999), PLAIN_EVERY, Due::Paced));
        assert!(pace.due(now + PLAIN_EVERY, PLAIN_EVERY, Due::Paced));
        assert!(!pace.due(now + PLAIN_EVERY, PLAIN_EVERY, Due::Paced));
        assert!(pace.due(now + PLAIN_EVERY, PLAIN_EVERY, Due::Always));
    }

    #[test]
    fn a_descriptor_gets_its_lines_also_when_quiet() {
        let (mut output, out, err) = output(Settings { loudness: Loudness::Quiet, ..PLAIN });
        let (_, descriptor, _) = self::output(PLAIN);
        output.lines = Some(std::sync::Arc::new(std::sync::Mutex::new(descriptor.clone())));
        output.progress("write", ByteLen::new(1)).finish();
        assert_eq!(descriptor.text().lines().count(), 2);
        assert_eq!((out.text(), err.text()), (String::new(), String::new()));
    }

    #[test]
    fn a_reader_that_went_away_stops_nothing() {
        let (mut output, _, _) = output(Settings { loudness: Loudness::Quiet, ..PLAIN });
        let (reader, writer) = std::io::pipe().unwrap();
        output.lines = Some(std::sync::Arc::new(std::sync::Mutex::new(writer)));
        drop(reader);
        let mut progress = output.progress("write", ByteLen::new(2));
        assert!(progress.lines.is_none());
        progress.at(step(1));
        progress.finish();
    }

    #[test]
    fn percent_is_cut_and_survives_any_size() {
        let cases =
            [(0, 0, 100), (0, 1, 0), (999, 1000, 99), (1000, 1000, 100), (2, 1, 100), (u64::MAX / 2, u64::MAX, 49)];
        for (done, total, wanted) in cases {
            assert_eq!(percent(ByteLen::new(done), ByteLen::new(total)), wanted, "{done} of {total}");
        }
    }
}
