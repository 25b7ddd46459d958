//! The boot from its first mount to its hand-over, or to a reboot. The order of the steps stands here, and nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use libupdate::boot::Reason;
use libupdate::boot::candidates;
use libupdate::slot::SlotTable;
use libupdate::units::limits::{HOOK_CONFIG_BYTES, SYSTEM_BYTES};
use libupdate::{Digest, Error, SlotId};
use libupdate_linux::hook_config::{self, HookConfig};
use libupdate_linux::profile::boot::{Exhausted, Marker, Start, Voice};
use libupdate_linux::{OsError, file};
use rustix::system::RebootCommand;

use crate::attempt::{self, Ready, Refused, Surroundings};
use crate::called::Called;
use crate::command_line::{self, CommandLine, Named};
use crate::decide::{self, Step};
use crate::early;
use crate::hand_over::{self, Next};
use crate::machine::Machine;
use crate::modules;
use crate::phases::Phases;
use crate::recovery;
use crate::report::{Report, Trial};
use crate::say::{self, say};
use crate::setback::Setback;
use crate::watchdog::Watchdog;
use crate::writable;

/// Before the profile says how long a panic stays on the screen.
const PANIC: Duration = Duration::from_secs(10);

/// Boots. Returns only as a step of another initramfs.
pub fn run(called: &Called) -> ExitCode {
    let own = called.clone();
    say::panics(move || {
        give_up(&own, PANIC);
    });
    let mut phases = Phases::start();
    early::set_umask();
    if let Called::Init { .. } = called {
        early::prepare();
    }
    early::reboot_on_panic(PANIC);
    phases.end("mounts");
    let line = CommandLine::new(file::read(Path::new(command_line::PATH), SYSTEM_BYTES).unwrap_or_default());
    modules::load(&line);
    phases.end("modules");
    let config = match read_config() {
        Ok(config) => config,
        Err(why) => {
            say!("{}: {why}", hook_config::PATH);
            return give_up(called, PANIC);
        }
    };
    early::reboot_on_panic(config.boot.panic);
    let specs = config.specs();
    let named = line.slot(&specs);
    let mut course = Course {
        called,
        root: called.root(),
        next: next(&config, &line, named),
        named,
        watchdog: Watchdog::arm(config.boot.watchdog.as_ref()),
        passed_over: Vec::new(),
        phases,
        line,
    };
    let booted = Machine::find(&config, &specs, &mut course.watchdog).map_err(|error| error.to_string()).and_then(
        |mut machine| {
            course.phases.end("disk");
            course.boot(&mut machine).map_err(|error| error.to_string())
        },
    );
    match booted {
        Ok(code) => code,
        Err(why) => {
            say!("{why}");
            give_up(called, config.boot.panic)
        }
    }
}

/// The slot's own kernel once: the hook in that kernel's initramfs, which is told the slot, runs init.
fn next(config: &HookConfig, line: &CommandLine, named: Named) -> Next {
    match named {
        Named::Slot(_) => Next::of(&Start::SwitchRoot, line.init()),
        Named::No | Named::Nonsense => Next::of(&config.boot.hand_over, line.init()),
    }
}

fn read_config() -> Result<HookConfig, String> {
    let bytes = file::read(Path::new(hook_config::PATH), HOOK_CONFIG_BYTES).map_err(|error| error.to_string())?;
    HookConfig::decode(&bytes).map_err(|error| error.to_string())
}

/// Nothing boots: the screen keeps the reason for a while, then everything starts over.
fn give_up(called: &Called, after: Duration) -> ExitCode {
    say!("nothing can be booted; restart in {} s", after.as_secs());
    sleep(after);
    restart(called)
}

/// Nothing is written back first: what the hook writes is flushed where it is written, and a disk that does not answer would be waited
/// for without an end.
fn restart(called: &Called) -> ExitCode {
    match (rustix::system::reboot(RebootCommand::Restart), called) {
        (Ok(()), _) => ExitCode::SUCCESS,
        // The first process must not end: what follows is a panic, and then a reboot.
        (Err(error), _) => {
            say!("cannot restart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Carries out what becomes of a slot that did not hold.
fn follow(machine: &mut Machine<'_>, step: &Step, reason: Reason) {
    if let Err(error) = machine.carry_out(step.slot(), decide::consequence(step, reason)) {
        say!("slot {} keeps its bits: {error}", step.slot());
    }
}

/// Marks a trial good at its hand-over, where the profile says so and no person is asked. A kernel of the slot's own has yet to run: the
/// hook behind it marks.
fn marks_good(machine: &mut Machine<'_>, report: &Report) {
    let wanted = machine.config.boot.mark_good == Marker::Hook && report.trial == Trial::Yes;
    if wanted
        && report.confirm_seconds.is_none()
        && let Err(error) = machine.mark_good(report.slot)
    {
        say!("slot {} could not be marked good: {error}", report.slot);
    }
}

/// The hand-over failed: a slot on trial has had its chance.
fn came_back(machine: &mut Machine<'_>, step: &Step, manifest: Digest, error: &std::io::Error) {
    let setback = Setback::new(Reason::NO_INIT, error);
    say!("slot {}: {setback}", step.slot());
    follow(machine, step, setback.reason);
    let slots = machine.look();
    let slot = slots.as_ref().ok().and_then(|slots| slots.get(step.slot()).ok());
    if let Some(Err(error)) = slot.map(|slot| machine.record(slot, manifest, &setback)) {
        say!("the reason could not be recorded: {error}");
    }
}

/// What a boot carries from step to step.
struct Course<'c> {
    called: &'c Called,
    line: CommandLine,
    named: Named,
    root: PathBuf,
    next: Next,
    watchdog: Watchdog,
    phases: Phases,
    passed_over: Vec<(SlotId, Setback)>,
}

impl Course<'_> {
    fn boot(&mut self, machine: &mut Machine<'_>) -> Result<ExitCode, Error<OsError>> {
        let slots = machine.slots()?;
        self.phases.end("table");
        let named = self.named;
        if named == Named::Nonsense {
            let word = self.line.slot_word().unwrap_or_default().escape_ascii();
            let has: String = slots.slots().iter().map(|slot| slot.id.letter()).collect();
            say!("the command line's updater.slot={word} is refused: the profile has only {has}");
        }
        let known = candidates(&slots);
        if !matches!(named, Named::Slot(_)) {
            for slot in decide::exhausted(&known) {
                let word = slots.get(slot).ok().and_then(|slot| machine.word(slot));
                self.pass_over(slot, Setback::exhausted(word.as_ref()));
            }
        }
        for step in decide::steps(&known, machine.config.guard, named) {
            if let Some(ready) = self.try_slot(machine, &slots, &step) {
                return Ok(self.hand_over(machine, &step, ready));
            }
        }
        match (&machine.config.boot.on_exhausted, named) {
            (Exhausted::Reboot, _) | (_, Named::Slot(_)) => Ok(give_up(self.called, machine.config.boot.panic)),
            (Exhausted::LastResort, _) => self.last_resort(machine),
            (Exhausted::Recovery { label }, _) => Ok(self.recovery(machine, label)),
        }
    }

    fn last_resort(&mut self, machine: &mut Machine<'_>) -> Result<ExitCode, Error<OsError>> {
        say!("no slot boots; as a last resort, every block of each is checked");
        let slots = machine.look()?;
        for step in decide::last_steps(&candidates(&slots)) {
            if let Some(ready) = self.try_slot(machine, &slots, &step) {
                return Ok(self.hand_over(machine, &step, ready));
            }
        }
        Ok(give_up(self.called, machine.config.boot.panic))
    }

    fn recovery(&mut self, machine: &mut Machine<'_>, label: &str) -> ExitCode {
        say!("no slot boots; the recovery partition takes over");
        match recovery::mount(machine, label, &self.root) {
            Ok(()) => self.switch_root(),
            Err(why) => {
                say!("recovery: {why}");
                give_up(self.called, machine.config.boot.panic)
            }
        }
    }

    fn try_slot<'m>(&mut self, machine: &mut Machine<'m>, slots: &SlotTable<'m>, step: &Step) -> Option<Ready> {
        let Self { root, next, watchdog, phases, .. } = self;
        let mut around = Surroundings { root, next, watchdog, phases };
        match attempt::run(machine, slots, step, &mut around) {
            Ok(ready) => Some(ready),
            Err(Refused { setback, manifest }) => {
                follow(machine, step, setback.reason);
                let recorded = slots.get(step.slot()).ok().map(|slot| machine.record(slot, manifest, &setback));
                if let Some(Err(error)) = recorded {
                    say!("the reason could not be recorded: {error}");
                }
                self.pass_over(step.slot(), setback);
                None
            }
        }
    }

    fn pass_over(&mut self, slot: SlotId, setback: Setback) {
        say!("slot {slot} is passed over: {setback}");
        self.passed_over.retain(|(other, _)| *other != slot);
        self.passed_over.push((slot, setback));
    }

    /// Leaves everything to the slot's own system.
    fn hand_over(&mut self, machine: &mut Machine<'_>, step: &Step, ready: Ready) -> ExitCode {
        let Ready { mut report, kernel, manifest } = ready;
        let boot = &machine.config.boot;
        let slot = report.slot;
        report.passed_over = self.passed_over.clone();
        report.passed_over.retain(|(other, _)| *other != slot);
        if kernel.is_none() {
            marks_good(machine, &report);
        }
        if let Err(error) = report.write() {
            say!("the report of this boot could not be written: {error}");
        }
        if kernel.is_none() {
            // Replaying a journal takes the kernel a while.
            self.watchdog.feed();
            writable::prepare(machine, &self.root, step.depth(), &mut self.watchdog);
        }
        self.watchdog.feed();
        self.phases.end("report");
        say!("slot {slot} boots: version {}, {}, {} tries left", report.version, report.kind, report.tries_left);
        if let Some(seconds) = report.confirm_seconds {
            say!("slot {slot} waits for a person: `updater-cli mark-good` within {seconds} s");
        }
        if let Some(earlier) = &report.earlier {
            say!("slot {slot} was not marked good in an earlier boot: {earlier}");
        }
        if boot.voice == Voice::Verbose {
            say!("{}", self.phases);
        }
        let error = match (&self.next, &kernel, self.called) {
            (_, Some(kernel), _) => {
                let own = kernel.command_line.as_deref().map(CommandLine::new);
                let line = own.as_ref().unwrap_or(&self.line).for_slot(slot, boot.panic.as_secs());
                hand_over::kexec(kernel, &line)
            }
            (_, None, Called::Step { .. }) => return ExitCode::SUCCESS,
            (Next::Init(inits), None, Called::Init { arguments }) => {
                hand_over::switch_root(&self.root, inits, arguments)
            }
            // A kernel that was asked for was opened before.
            (Next::Kernel(_), None, Called::Init { .. }) => std::io::Error::other("no kernel was opened"),
        };
        came_back(machine, step, manifest, &error);
        give_up(self.called, boot.panic)
    }

    fn switch_root(&self) -> ExitCode {
        match self.called {
            Called::Step { .. } => ExitCode::SUCCESS,
            Called::Init { arguments } => {
                let Next::Init(inits) = Next::of(&Start::SwitchRoot, self.line.init()) else {
                    return restart(self.called);
                };
                let error = hand_over::switch_root(Path::new(&self.root), &inits, arguments);
                say!("{error}");
                give_up(self.called, PANIC)
            }
        }
    }
}
