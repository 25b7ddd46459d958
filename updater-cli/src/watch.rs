//! Progress of the core's acts, told to the user, and the user's wish to stop, told to the core.

use libupdate::observe::{Flow, Observer, Phase, Progress as CoreProgress};

use crate::os::Interrupt;
use crate::output::{Output, Progress, Step};

/// Watches one act.
pub struct Watch {
    output: Output,
    interrupt: Interrupt,
    shown: Option<(Phase, Progress)>,
    seconds: Vec<(Phase, f64)>,
    since: std::time::Instant,
}

impl Watch {
    /// Starts watching.
    pub fn new(output: &Output, interrupt: &Interrupt) -> Self {
        let since = std::time::Instant::now();
        Self { output: output.clone(), interrupt: interrupt.clone(), shown: None, seconds: Vec::new(), since }
    }

    /// The act succeeded: the last phase is over. Gives the seconds of each phase.
    pub fn finish(mut self) -> Vec<(Phase, f64)> {
        self.end_phase();
        self.seconds
    }

    fn end_phase(&mut self) {
        if let Some((phase, progress)) = self.shown.take() {
            progress.finish();
            self.seconds.push((phase, self.since.elapsed().as_secs_f64()));
        }
        self.since = std::time::Instant::now();
    }
}

impl Observer for Watch {
    fn progress(&mut self, now: CoreProgress) -> Flow {
        if self.shown.as_ref().is_none_or(|(phase, _)| *phase != now.phase) {
            self.end_phase();
            let progress = self.output.progress(word(now.phase), now.total);
            self.shown = Some((now.phase, progress));
        }
        if let Some((_, progress)) = &mut self.shown {
            progress.at(Step { done: now.done, already_right: now.kept });
        }
        if self.interrupt.requested() { Flow::Stop } else { Flow::Continue }
    }
}

/// The phase in one or two words.
pub const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Write => "write",
        Phase::Flush => "flush",
        Phase::ReadBack => "read back",
    }
}
