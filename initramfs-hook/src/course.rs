//! The boot from its first mount to its hand-over, or to a reboot. The order of the steps stands here, and nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use libupdate::Digest;
use libupdate::boot::{Reason, Setback};
use libupdate::device::{self, BootRules, Booted, Boots, Start};
use libupdate::gpt::Guid;
use libupdate::units::limits::{HOOK_CONFIG_BYTES, SYSTEM_BYTES};
use libupdate_linux::file;
use libupdate_linux::hook_config::{self, HookConfig};
use libupdate_linux::profile::boot::{self, Exhausted, Marker, Naming, Spender, Voice};
use rustix::system::RebootCommand;

use crate::called::Called;
use crate::command_line::{self, CommandLine, Named};
use crate::early;
use crate::hand_over::{self, Next};
use crate::machine::Machine;
use crate::modules;
use crate::phases::Phases;
use crate::recovery;
use crate::say::{self, say};
use crate::starter::{Ready, SlotStarter};
use crate::told;
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
    let bytes = match file::read(Path::new(hook_config::PATH), HOOK_CONFIG_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            say!("{}: {error}", hook_config::PATH);
            return give_up(called, PANIC);
        }
    };
    let config = match HookConfig::decode(&bytes) {
        Ok(config) => config,
        Err(why) => {
            say!("{}: {why}", hook_config::PATH);
            return give_up(called, PANIC);
        }
    };
    early::reboot_on_panic(config.boot.panic);
    let named = told::slot(&line, &config.specs);
    let mut course = Course {
        called,
        root: called.root(),
        next: next(&config, &line, named),
        named,
        hook_config: Digest::of(&[&bytes]),
        watchdog: Watchdog::arm(config.boot.watchdog.as_ref()),
        phases,
        line,
    };
    match Machine::find(&config, &mut course.watchdog) {
        Ok(mut machine) => {
            course.phases.end("disk");
            course.boot(&mut machine)
        }
        Err(why) => {
            say!("{why}");
            give_up(called, config.boot.panic)
        }
    }
}

/// The slot's own kernel once: the hook in that kernel's initramfs, which is told the slot, runs init.
fn next(config: &HookConfig<'_>, line: &CommandLine, named: Named) -> Next {
    match named {
        Named::Slot(_) => Next::of(&boot::Start::SwitchRoot, line.init()),
        Named::No | Named::Nonsense => Next::of(&config.boot.hand_over, line.init()),
    }
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

/// What a boot carries from step to step.
struct Course<'c> {
    called: &'c Called,
    line: CommandLine,
    named: Named,
    hook_config: Digest,
    root: PathBuf,
    next: Next,
    watchdog: Watchdog,
    phases: Phases,
}

impl Course<'_> {
    fn boot(&mut self, machine: &mut Machine<'_>) -> ExitCode {
        let boot = &machine.config.boot;
        let whole = self.next.payload().map(str::to_owned);
        let rules = BootRules {
            // A boot loader that has spent a try names the slot. Without a name its store was lost, and a trial that nobody counts would
            // never fall back.
            spender: match (boot.spends_try, self.named) {
                (Spender::BootLoader, Named::Slot(_)) => device::Spender::BootLoader,
                _ => device::Spender::ThisBoot,
            },
            marker: if boot.mark_good == Marker::Hook { device::Marker::ThisBoot } else { device::Marker::System },
            named: match self.named {
                Named::Slot(slot) => Some(slot),
                Named::No | Named::Nonsense => None,
            },
            insists: boot.naming == Naming::Insists,
            last_resort: boot.on_exhausted == Exhausted::LastResort,
            whole: whole.as_deref(),
        };
        let mut starter = self.starter(machine);
        match machine.boot(&rules, &mut starter) {
            Ok(Some(booted)) => return self.hand_over(machine, booted),
            Ok(None) => {}
            Err(error) => {
                say!("{error}");
                return give_up(self.called, machine.config.boot.panic);
            }
        }
        match (&machine.config.boot.on_exhausted, rules.named) {
            (Exhausted::Recovery { label }, None) => self.recovery(machine, &label.clone()),
            _ => give_up(self.called, machine.config.boot.panic),
        }
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

    fn starter<'s>(&'s mut self, machine: &Machine<'s>) -> SlotStarter<'s> {
        SlotStarter {
            config: machine.config,
            hook_config: self.hook_config,
            node: machine.node.clone(),
            disk_name: machine.disk_name().display().to_string(),
            disk_guid: Guid::ZERO,
            root: &self.root,
            next: &self.next,
            watchdog: &mut self.watchdog,
            phases: &mut self.phases,
            passed_over: Vec::new(),
        }
    }

    /// Leaves everything to the slot's own system.
    fn hand_over(&mut self, machine: &mut Machine<'_>, booted: Booted<Ready>) -> ExitCode {
        let boot = &machine.config.boot;
        let (Start::System(Ready { report, kernel }) | Start::Kernel(Ready { report, kernel })) = &booted.started;
        let slot = report.slot;
        if let Err(error) = report.write() {
            say!("the report of this boot could not be written: {error}");
        }
        if kernel.is_none() {
            // Replaying a journal takes the kernel a while.
            self.watchdog.feed();
            writable::prepare(machine, &self.root, booted.step.depth(), &mut self.watchdog);
        }
        self.watchdog.feed();
        self.phases.end("report");
        let boots = Boots {
            slot,
            version: &report.version,
            kind: report.kind,
            tries_left: report.tries_left,
            confirm_within: report.confirm_seconds,
            earlier: report.earlier.as_ref(),
        };
        boots.say(say::line);
        if boot.voice == Voice::Verbose {
            say!("{}", self.phases);
        }
        let error = match (&self.next, kernel, self.called) {
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
        self.came_back(machine, &booted, &error);
        give_up(self.called, boot.panic)
    }

    /// The hand-over failed.
    fn came_back(&mut self, machine: &mut Machine<'_>, booted: &Booted<Ready>, error: &std::io::Error) {
        let setback = Setback::new(Reason::NO_INIT, error);
        say!("slot {}: {setback}", booted.step.slot());
        let mut starter = self.starter(machine);
        machine.came_back(booted, &setback, &mut starter);
    }

    fn switch_root(&self) -> ExitCode {
        match self.called {
            Called::Step { .. } => ExitCode::SUCCESS,
            Called::Init { arguments } => {
                let Next::Init(inits) = Next::of(&boot::Start::SwitchRoot, self.line.init()) else {
                    return restart(self.called);
                };
                let error = hand_over::switch_root(Path::new(&self.root), &inits, arguments);
                say!("{error}");
                give_up(self.called, PANIC)
            }
        }
    }
}
