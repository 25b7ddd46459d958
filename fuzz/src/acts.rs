//! A life of a machine: random acts, with the power cut or the disk failing in some, against the [`model`].
//!
//! 1. Provisioning, cut or failed, and run again until it is through.
//! 2. Acts. An act that nothing disturbs must end as the model says, or be refused where the model refuses, with nothing written.
//! 3. A slot whose blocks went bad does not boot, is not armed, and is written anew by an installation of what it holds.
//! 4. An act that was disturbed leaves one of the states that lie on its way. Only the slot that it was writing may hold anything,
//!    and then without bits.
//! 5. What an act that failed wrote is in the disk's cache when the next one begins. A cut leaves a state on the way of either. An act
//!    that ends well has made all of it durable.
//! 6. After each act: the chooser takes the slot that the model takes, there always is one, and every slot with bits holds, block by
//!    block, the version that the model says. Foreign bits and other entries are as they were.

use std::sync::LazyLock;

use libupdate::BlockSize;
use libupdate::boot::{Guard, Reason};
use libupdate::device::{Claim, Reach, Then};
use libupdate::gpt::TriesLeft;

use crate::bundles::{BLOCK, Bundle, Carried, bundle};
use crate::disk::Fault;
use crate::input::Input;
use crate::machine::{Machine, Refusal, Shape};

mod boots;
mod life;
pub mod model;

use life::Life;
use model::{Failing, Installation, Model, Way};

/// Acts of one life, at most: a longer one finds nothing that two shorter ones do not.
const ACTS: usize = 24;

/// Versions, each for a slot of one partition and for a slot of two.
static RELEASES: LazyLock<Vec<[Bundle; 2]>> = LazyLock::new(|| {
    let kinds = [Carried::Raw, Carried::Paged, Carried::Raw];
    let release = |(number, kind): (usize, Carried)| {
        let version = format!("{}.0", number + 1);
        let lens = [(number + 1) * BLOCK - 9, (3 - number) * BLOCK];
        [1, 2].map(|roles| bundle(&version, &lens[..roles], kind))
    };
    kinds.into_iter().enumerate().map(release).collect()
});

/// What disturbs an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mishap {
    None,
    Cut(u64),
    Failure(Fault),
    /// This flush fails, and the drive loses some of what it was to flush.
    Lost(usize, u64),
}

impl Mishap {
    fn of(input: &mut Input<'_>) -> Self {
        let kind = input.byte();
        match (kind % 8, kind / 32) {
            (0..4, _) => Self::None,
            (4 | 5, _) => Self::Cut(input.long()),
            (6, _) => Self::Failure(Fault::Write(input.below(64))),
            (_, 0..4) => Self::Failure(Fault::Read(input.short() % 400)),
            (_, 4) => Self::Failure(Fault::Flush(input.below(16))),
            (_, 5) => Self::Lost(input.below(16), input.long()),
            _ => Self::Failure(Fault::Killed(input.below(80))),
        }
    }

    const fn fault(self) -> Fault {
        match self {
            Self::None | Self::Cut(_) => Fault::None,
            Self::Failure(fault) => fault,
            Self::Lost(flush, _) => Fault::Flush(flush),
        }
    }

    /// What of the act goes another way than it does with a sound disk. A process that is killed goes no other way.
    const fn failing(self) -> Failing {
        match self.fault() {
            Fault::None | Fault::Killed(_) => Failing::Nothing,
            Fault::Read(_) => Failing::Read,
            Fault::Write(_) | Fault::Flush(_) => Failing::Write,
        }
    }

    /// Whether nobody is left to hear how the act ended.
    const fn is_deadly(self) -> bool {
        matches!(self, Self::Cut(_) | Self::Failure(Fault::Killed(_)))
    }
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Boot(Option<Refusal>),
    Install(Installation),
    Activate(usize),
    MarkGood(usize, Claim),
    MarkBad(usize),
    Cancel(usize),
    Rollback,
    Repair,
}

impl Act {
    const fn is_boot(self) -> bool {
        matches!(self, Self::Boot(_))
    }

    /// The next one; `booted` is the slot that runs.
    fn of(input: &mut Input<'_>, slots: usize, booted: Option<usize>) -> Self {
        let (what, slot) = (input.below(17), input.below(slots));
        match what {
            0..3 => Self::Boot(None),
            3 => {
                let reason = input.one_of(&[Reason::MOUNT, Reason::CORRUPTION, Reason::UNREADABLE]);
                Self::Boot(Some(Refusal { slot, reason }))
            }
            4..8 => Self::Install(installation(input, slot)),
            8 => Self::Activate(slot),
            9 | 10 => Self::MarkGood(booted.unwrap_or(slot), Claim::Booted),
            11 => Self::MarkGood(slot, Claim::Untried),
            12 => Self::MarkBad(slot),
            13 => Self::Rollback,
            14 => Self::Repair,
            15 => Self::Cancel(slot),
            _ => Self::MarkBad(booted.unwrap_or(slot)),
        }
    }

    /// The states on its way. `None` where the rules refuse it.
    fn way(self, model: &Model, failing: Failing) -> Option<Way> {
        match self {
            Self::Boot(refusal) => Some(model.booting(refusal, failing)),
            Self::Install(installation) => model.installing(&installation, failing),
            Self::Activate(slot) => model.activating(slot),
            Self::MarkGood(slot, claim) => model.marking_good(slot, claim),
            Self::MarkBad(slot) => model.marking_bad(slot),
            Self::Cancel(slot) => model.cancelling(slot),
            Self::Rollback => model.rolling_back(),
            Self::Repair => Some(model.settling()),
        }
    }
}

fn installation(input: &mut Input<'_>, slot: usize) -> Installation {
    let (more, release) = (input.byte(), input.below(RELEASES.len()));
    let then = if more & 1 == 0 { Then::Arm } else { Then::Stage };
    let reach = if more & 0x30 == 0x30 { Reach::JudgeOnly } else { Reach::Whole };
    let slot = (more & 2 != 0).then_some(slot);
    Installation { release, slot, then, reach, retry: more & 4 == 0, asks: more & 8 != 0 }
}

/// Lives through the bytes.
///
/// # Panics
/// Where the device does what no rule allows.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let shape = Shape {
        block_size: input.one_of(&[BlockSize::B512, BlockSize::B4096]),
        slots: 2 + input.below(2),
        roles: 1 + input.below(2),
        partition_blocks: 16 + 8,
    };
    let tries = |input: &mut Input<'_>, least: u8| TriesLeft::new(least + input.byte() % 4).unwrap_or(TriesLeft::MAX);
    let (guard, tries) = (Guard::new(tries(&mut input, 0)), tries(&mut input, 1));
    let mut life = Life::provisioned(Machine::blank(shape, guard, tries), &mut input);
    if input.yes() {
        life.raise_by_a_foreign_tool(&mut input);
    }
    for _ in 0..ACTS {
        if input.is_empty() {
            break;
        }
        life.decay(&mut input);
        let act = Act::of(&mut input, shape.slots, life.booted());
        let mishap = Mishap::of(&mut input);
        life.live(act, mishap);
    }
}
