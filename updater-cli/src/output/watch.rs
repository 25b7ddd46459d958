//! Who hears the core's acts: phases become progress on stderr, news become notes and warnings, and a signal stops a long act at the next
//! chunk.

use std::time::Instant;

use libupdate::ByteLen;
use libupdate::device::{Listener, News};
use libupdate::gpt::write::ToTheEnd;
use libupdate::install::progress::{Flow, Observer, Phase, Progress as Told};
use libupdate::loader::Counting;
use libupdate_linux::Interrupt;

use super::{Output, Progress, Size, Step};
use crate::history::Record;

/// Tells the progress of one act. To be finished when the act has succeeded; dropped, it says nothing more.
pub struct Watch<'o> {
    output: &'o Output,
    interrupt: &'o Interrupt,
    current: Option<(Phase, Progress)>,
    since: Instant,
    seconds: Vec<(Phase, f64)>,
    doing: &'static str,
    record: Option<&'o Record>,
}

impl<'o> Watch<'o> {
    /// Watches an act.
    pub fn new(output: &'o Output, interrupt: &'o Interrupt) -> Self {
        let (since, seconds) = (Instant::now(), Vec::new());
        Self { output, interrupt, current: None, since, seconds, doing: "installing", record: None }
    }

    /// The same for an act that is only judged.
    pub fn judging(self) -> Self {
        Self { doing: "judging", ..self }
    }

    /// The same for an act whose target the history names.
    pub fn recording(self, record: &'o Record) -> Self {
        Self { record: Some(record), ..self }
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
        self.phase(told.phase, told.total).at(Step { done: told.done, already_right: told.kept, reused: told.reused });
        if self.interrupt.requested() { Flow::Stop } else { Flow::Continue }
    }
}

impl Listener for Watch<'_> {
    fn hear(&mut self, news: &News<'_>) {
        let output = self.output;
        match news {
            News::Repaired(copy) => output.note(&format!("repaired the {copy} copy of the partition table")),
            News::Warning(warning) => output.warn(&format!("{warning}; the change itself is durable. Run `repair`")),
            News::Backup(ToTheEnd::Moved(by)) => output.note(&format!(
                "moved the backup copy of the partition table to the disk's end; it stood {} before it",
                Size(by.get())
            )),
            News::Backup(ToTheEnd::Occupied) => output.warn(
                "the disk is larger than its partition table says, and its last blocks are not empty: the backup copy of the table stays \
                 where it is, and is lost with the start of the disk. Look what they hold; `repair` moves the backup over it",
            ),
            News::BackupNotMoved(error) => output.warn(&format!(
                "the backup copy of the partition table could not be moved to the disk's end: {error}; the act goes on. Run `repair`"
            )),
            News::Admitted(admitted, facts) => {
                let version = admitted.verified().manifest().version();
                if let Some(record) = self.record {
                    record.puts(facts, admitted.slot(), &version.to_string());
                }
                let booted = facts.booted.map_or("no slot is booted".to_owned(), |slot| {
                    format!("slot {slot} is booted and stays as it is")
                });
                output.note(&format!("{} {version} into slot {}; {booted}", self.doing, admitted.slot()));
            }
            News::TriesTaken(slot, left, Counting::Down) => {
                output.note(&format!("slot {slot} has {left} tries left: the boot loader took those of its boots"));
            }
            News::TriesTaken(slot, left, Counting::Once) => output.warn(&format!(
                "slot {slot} was to boot once and another slot runs: it did not start, or its flag was lost with the power. It has {left} tries left"
            )),
            News::TryNotSpent(_, error) => output.warn(&format!("the try could not be spent: {error}")),
            News::NoteNotLeft(_, error) => output.warn(&format!("the reason could not be recorded: {error}")),
            _ => {}
        }
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
            let told = Told {
                phase,
                done: ByteLen::new(1024),
                total: ByteLen::new(1024),
                kept: ByteLen::new(kept),
                reused: ByteLen::new(0),
            };
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
