//! Starting a slot, in a machine that has nothing to start.

use libupdate::boot::{Reason, Setback};
use libupdate::device::{self, Booted, Listener, Sound, Starter};
use libupdate::install::progress::{Flow, Observer, Progress};

use super::id;
use crate::disk::Disk;

/// A slot that does not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The slot.
    pub slot: usize,
    /// Why.
    pub reason: Reason,
}

/// What a slot was like when it was to start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// The slot.
    pub slot: usize,
    /// Its tries as the boot says the disk has them.
    pub tries: u8,
    /// Whether a person is asked to confirm the trial.
    pub asks: bool,
    /// Whether all that was written is durable.
    pub durable: bool,
    /// Why it does not start.
    pub refused: Option<Reason>,
}

/// How a boot ended.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The slot that started.
    pub booted: Option<Booted<()>>,
    /// Every slot that was to start, in order.
    pub starts: Vec<Start>,
}

/// Says yes, but to one slot.
pub(super) struct Starts {
    refusal: Option<Refusal>,
    seen: Vec<Start>,
}

impl Starts {
    pub(super) const fn new(refusal: Option<Refusal>) -> Self {
        Self { refusal, seen: Vec::new() }
    }

    pub(super) fn seen(self) -> Vec<Start> {
        self.seen
    }
}

impl Observer for Starts {
    fn progress(&mut self, _: Progress) -> Flow {
        Flow::Continue
    }
}

impl Listener for Starts {}

impl Starter<Disk> for Starts {
    type Started = ();

    fn start(&mut self, disk: &mut Disk, sound: &Sound<'_>) -> Result<device::Start<()>, Setback> {
        let refusal = self.refusal.filter(|refusal| id(refusal.slot) == sound.slot.id);
        self.seen.push(Start {
            slot: sound.slot.id.index(),
            tries: sound.tries_left.get(),
            asks: sound.confirm_within.is_some(),
            durable: disk.is_clean(),
            refused: refusal.map(|refusal| refusal.reason),
        });
        match refusal {
            Some(refusal) => Err(Setback::new(refusal.reason, "no")),
            None => Ok(device::Start::System(())),
        }
    }
}
