//! The core's observer: its phases become progress on stderr, and a signal stops the act at the next chunk.

use std::time::Instant;

use libupdate::ByteLen;
use libupdate::install::progress::{Flow, Observer, Phase, Progress as Told};
use libupdate_linux::Interrupt;

use super::Output;
use super::progress::{Progress, Step};

/// Tells the progress of one act. To be finished when the act has succeeded; dropped, it says nothing more.
pub struct Watch<'o> {
    output: &'o Output,
    interrupt: &'o Interrupt,
    current: Option<(Phase, Progress)>,
    since: Instant,
    seconds: Vec<(Phase, f64)>,
}

impl<'o> Watch<'o> {
    /// Watches an act.
    pub fn new(output: &'o Output, interrupt: &'o Interrupt) -> Self {
        Self { output, interrupt, current: None, since: Instant::now(), seconds: Vec::new() }
    }

    /// The act is over. Gives the seconds that each phase took, in their order.
    pub fn finish(mut self) -> Vec<(Phase, f64)> {
        self.end_phase();
        self.seconds
    }

    fn end_phase(&mut self) {
        if let Some((phase, progress)) = self.current.take() {
            progress.finish();
            self.seconds.push((phase, self.since.elapsed().as_secs_f64()));
        }
        self.since = Instant::now();
    }

    fn phase(&mut self, phase: Phase, total: ByteLen) -> &mut Progress {
        if self.current.as_ref().is_none_or(|(current, _)| *current != phase) {
            self.end_phase();
        }
        let output = self.output;
        let (_, progress) = self.current.get_or_insert_with(|| (phase, output.progress(word(phase), total)));
        progress
    }
}

impl Observer for Watch<'_> {
    fn progress(&mut self, told: Told) -> Flow {
        self.phase(told.phase, told.total).at(Step { done: told.done, already_right: told.kept });
        if self.interrupt.requested() { Flow::Stop } else { Flow::Continue }
    }
}

const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Write => "write",
        Phase::Check => "check",
        Phase::Flush => "flush",
        Phase::ReadBack => "read back",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PLAIN, output};
    use super::*;

    #[test]
    fn each_phase_ends_with_its_line() {
        let (output, _, err) = output(PLAIN);
        let interrupt = Interrupt::default();
        let mut watch = Watch::new(&output, &interrupt);
        for (phase, kept) in [(Phase::Write, 0), (Phase::Write, 512), (Phase::ReadBack, 0)] {
            let told = Told { phase, done: ByteLen::new(1024), total: ByteLen::new(1024), kept: ByteLen::new(kept) };
            assert_eq!(watch.progress(told), Flow::Continue);
        }
        watch.finish();
        let text = err.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].starts_with("write: 1.0 KiB in ") && lines[0].ends_with(", 512 bytes already right"),
            "{text}"
        );
        assert!(lines[1].starts_with("read back: 1.0 KiB in "), "{text}");
    }
}
