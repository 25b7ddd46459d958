//! The whole boot, with a callback that starts slots.

use libupdate::boot::{Reason, Setback, Step};
use libupdate::device::{self, BootRules, Marker, News, Sound, Spender, Start, Work};
use libupdate::install::NoDecompressor;
use libupdate::install::progress::{Flow, Observer, Progress};
use libupdate::{Error, SoftHasher};

use super::{Hearer, Open, too_small};
use crate::abi;
use crate::chooser;
use crate::disk::{Disk, Refused};
use crate::ffi::calls;
use crate::status::{Answer, DONE, NOTHING, Wrong};

/// Reads a payload of a role into memory; gives the bytes of its image.
type Load<'l> = dyn FnMut(&str, &mut [u8]) -> Result<usize, Error<Refused>> + 'l;

/// What `lu_load` gets from a start: a way to the slot's payloads.
pub(crate) struct Loader<'l> {
    load: &'l mut Load<'l>,
    bytes: &'l dyn Fn(&str) -> Option<usize>,
    memory: (usize, usize),
    failed: Option<Setback>,
}

impl Loader<'_> {
    /// Forgets how an earlier load ended: only the last one says why a start failed.
    pub(crate) fn begin(&mut self) {
        self.failed = None;
    }

    /// Where the memory of the boot is, which no image may be read into.
    pub(crate) const fn memory(&self) -> (usize, usize) {
        self.memory
    }

    /// Reads a payload into memory and checks it there.
    pub(crate) fn load(&mut self, role: &str, to: &mut [u8], image_len: &mut usize) -> Answer {
        match (self.load)(role, to) {
            Ok(len) => {
                *image_len = len;
                Ok(DONE)
            }
            Err(error) => {
                // What the caller did wrong says nothing about the slot.
                if matches!(error, Error::Medium(_) | Error::Slot(_)) {
                    self.failed = Some(Setback::damage(error));
                }
                Err(too_small(error, image_len))
            }
        }
    }

    /// Bytes of memory that `load` takes.
    pub(crate) fn bytes(&self, role: &str) -> Option<usize> {
        (self.bytes)(role)
    }
}

/// Starts slots through a callback.
struct Callback<'c> {
    starter: calls::Starter<'c>,
    memory: (usize, usize),
    marks: bool,
    hearer: Hearer<'c>,
}

impl Observer for Callback<'_> {
    /// A boot cannot be stopped: what would boot then?
    fn progress(&mut self, progress: Progress) -> Flow {
        match self.hearer.progress(progress) {
            Flow::Continue | Flow::Stop => Flow::Continue,
        }
    }
}

impl device::Listener for Callback<'_> {
    fn hear(&mut self, news: &News<'_>) {
        self.hearer.hear(news);
    }
}

impl device::Starter<Disk<'_>> for Callback<'_> {
    type Started = abi::Boot;

    fn start(&mut self, disk: &mut Disk<'_>, sound: &Sound<'_>) -> Result<Start<abi::Boot>, Setback> {
        let kind = match &sound.step {
            Step::Chosen(boot) => chooser::numbers(boot.kind).0,
            step if step.is_trial() => 1,
            Step::Named(_) => 3,
            Step::LastResort(_) => 4,
        };
        let (slot, tries_left) = (chooser::number(sound.slot.id), sound.tries_left.get());
        let boot = abi::Boot { slot, kind, tries_left, ..abi::Boot::NONE };
        let mut load = |role: &str, to: &mut [u8]| sound.load(disk, role, to, &mut SoftHasher);
        let bytes = |role: &str| sound.load_bytes(role);
        let mut loader = Loader { load: &mut load, bytes: &bytes, memory: self.memory, failed: None };
        match self.starter.start(&mut loader, &boot) {
            0 if self.marks => Ok(Start::System(boot)),
            0 => Ok(Start::Kernel(boot)),
            answer => Err(loader.failed.take().unwrap_or_else(|| not_started(answer))),
        }
    }
}

/// What the caller lacks is no fault of the slot, which may be tried again: its disk, its memory, its arguments.
fn not_started(answer: i32) -> Setback {
    let reason = if matches!(answer, -3..=-1) { Reason::UNREADABLE } else { Reason::KERNEL };
    Setback::new(reason, format_args!("the start gave {answer}"))
}

/// The whole boot.
pub(crate) fn boot(
    open: &mut Open<'_, '_>,
    rules: &abi::Rules,
    (starter, memory): (calls::Starter<'_>, (usize, usize)),
    hearer: Hearer<'_>,
    out: &mut abi::Boot,
) -> Answer {
    let (named, marks) = (chooser::slot_or_none(rules.named)?, chooser::yes(rules.mark_good)?);
    if rules.reserved != 0 {
        return Err(Wrong::Argument.into());
    }
    let rules = BootRules {
        spender: if named.is_none() { Spender::ThisBoot } else { Spender::BootLoader },
        marker: if marks { Marker::ThisBoot } else { Marker::System },
        named,
        insists: false,
        last_resort: chooser::yes(rules.last_resort)?,
        whole: None,
    };
    let (mut device, room, data) = open.device();
    let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
    let mut work = Work::new(data, hasher, decompressor);
    let mut starter = Callback { starter, memory, marks, hearer };
    match device.boot(&rules, room, &mut work, &mut starter)? {
        None => Ok(NOTHING),
        Some(booted) => {
            let (Start::Kernel(boot) | Start::System(boot)) = booted.started;
            *out = boot;
            Ok(DONE)
        }
    }
}
