//! A life of a device: random acts, with the power cut or the disk failing in some, against the [`model`].
//!
//! 1. Provisioning, cut and run again until it is through.
//! 2. Acts. An act that nothing disturbs must end as the model says, or be refused where the model refuses, with nothing written.
//! 3. An act that was disturbed leaves one of the states that lie on its way. Only the slot that it was writing may hold anything,
//!    and then without bits.
//! 4. After each act: the chooser takes the slot that the model takes, there always is one, and every slot with bits holds, block by
//!    block, the version that the model says. Foreign bits and other entries are as they were.

use std::sync::LazyLock;

use libupdate::boot::{Guard, Kind};
use libupdate::gpt::{CopyState, Priority, SlotBits, Successful, TriesLeft};
use libupdate::inspect::Inspection;
use libupdate::policy::{Downgrade, FailedBefore, Wishes};
use libupdate::slot::{SlotState, Standing, TrailerSeen};
use libupdate::{BlockSize, Error};
use tests::medium::Zone;

use crate::bundles::{BLOCK, Bundle, Carried, bundle};
use crate::device::{Device, Done, FOREIGN, Room, Shape, Then, id};
use crate::disk::Fault;
use crate::input::Input;

pub mod model;

use model::{Model, Seen, Slot};

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
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Boot,
    Install { release: usize, slot: Option<usize>, then: Then, retry: bool },
    Activate(usize),
    MarkGood(usize),
    MarkBad(usize),
    Cancel(usize),
    Rollback,
    Repair,
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
    let mut life = Life::provisioned(Device::blank(shape, guard, tries), &mut input);
    if input.yes() {
        life.raise_by_a_foreign_tool(&mut input);
    }
    for _ in 0..ACTS {
        if input.is_empty() {
            break;
        }
        life.damage_a_copy(&mut input);
        let act = life.choose(&mut input);
        let mishap = mishap(&mut input);
        life.live(act, mishap);
    }
}

fn mishap(input: &mut Input<'_>) -> Mishap {
    let kind = input.byte();
    match kind % 8 {
        0..4 => Mishap::None,
        4 | 5 => Mishap::Cut(input.long()),
        6 => Mishap::Failure(Fault::Write(input.below(64))),
        _ if kind >= 128 => Mishap::Failure(Fault::Flush(input.below(10))),
        _ => Mishap::Failure(Fault::Read(input.short() % 400)),
    }
}

/// The device, and what the rules say of it.
struct Life {
    device: Device,
    model: Model,
    /// What each slot held when its content was checked last, as the identity of its sectors.
    proven: [Option<(usize, u128)>; 3],
}

impl Life {
    fn provisioned(mut device: Device, input: &mut Input<'_>) -> Self {
        let bundle = &RELEASES[0][device.shape.roles - 1];
        let model = Model::new(device.shape.slots, device.tries.get(), device.guard.tries().get());
        for attempt in 0.. {
            device.disk.begin(Fault::None);
            device.create_table().expect("an empty disk is large enough");
            if attempt < 3 && input.yes() {
                drop(device.disk.cut(input.long()));
                continue;
            }
            device.disk.begin(Fault::None);
            let source = &mut bundle.bytes.as_slice();
            let result = device.install(source, Wishes::default(), Then::FirstGood, Room::USUAL);
            result.unwrap_or_else(|error| panic!("provisioning: {error}"));
            if attempt == 3 || !input.yes() {
                break;
            }
            drop(device.disk.cut(input.long()));
            // Nothing is armed, or all is done: the chooser must not find half of it.
            match device.boots_next().expect("the table is there") {
                Some(_) => break,
                None => assert!(observed(&mut device).iter().all(|slot| slot.is_out()), "bits that boot nothing"),
            }
        }
        let mut life = Self { device, model, proven: [None; 3] };
        life.check("provisioned");
        life
    }

    /// Priorities near the top, so that arming has to move the others down.
    fn raise_by_a_foreign_tool(&mut self, input: &mut Input<'_>) {
        let priority = 12 + input.byte() % 4;
        let slot = &mut self.model.slots[0];
        slot.priority = priority;
        let bits = SlotBits {
            priority: Priority::new(priority).expect("four bits"),
            tries_left: TriesLeft::new(slot.tries).expect("four bits"),
            successful: Successful::Yes,
        };
        self.device.force(0, bits).expect("a healthy disk");
        self.check("raised");
    }

    /// Bytes of one copy of the table go bad, where both are good.
    fn damage_a_copy(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        if !what.is_multiple_of(8) {
            return;
        }
        let table = self.device.table().expect("there is a table");
        if [table.primary(), table.backup()].iter().any(|copy| copy.state() != CopyState::Valid) {
            return;
        }
        let copy = if what & 8 == 0 { table.primary() } else { table.backup() };
        let header = copy.header().expect("a valid copy");
        let lba = if what & 16 == 0 { header.my_lba() } else { header.entries_lba() }.get();
        let place = input.below(128);
        self.device.disk.edit(lba, |sector| sector[place % 90] ^= 0x55);
    }

    fn choose(&self, input: &mut Input<'_>) -> Act {
        let (what, slot) = (input.below(17), input.below(self.device.shape.slots));
        match what {
            0..4 => Act::Boot,
            4..8 => {
                let (more, release) = (input.byte(), input.below(RELEASES.len()));
                let then = if more & 1 == 0 { Then::Arm } else { Then::Keep };
                Act::Install { release, slot: (more & 2 != 0).then_some(slot), then, retry: more & 4 == 0 }
            }
            8 => Act::Activate(slot),
            9..12 => Act::MarkGood(self.device.booted.unwrap_or(slot)),
            12 => Act::MarkBad(slot),
            13 => Act::Rollback,
            14 => Act::Repair,
            15 => Act::Cancel(slot),
            _ => Act::MarkBad(self.device.booted.unwrap_or(slot)),
        }
    }

    fn live(&mut self, act: Act, mishap: Mishap) {
        let Some(mut way) = self::way(&self.model, act) else {
            return self.refused(act);
        };
        let end = way.last().expect("a way has an end").clone();
        let mut ends = vec![end.clone()];
        let fault = if let Mishap::Failure(fault) = mishap { fault } else { Fault::None };
        if let Fault::Read(_) = fault {
            // Where a cut left two copies that differ, it would decide which of the two counts: the model has one.
            self.device.repair().expect("a healthy disk");
            for (unread, slot) in self.model.with_one_unread() {
                let steps = self::way(&unread, act).unwrap_or_default();
                way.extend(steps.into_iter().map(|step| step.with_read(slot, &self.model)));
                ends.extend(way.last().cloned());
            }
        }
        self.device.disk.begin(fault);
        let result = self.carry_out(act);
        if fault != Fault::None {
            self.device.disk.heal();
        }
        match (mishap, &result) {
            (Mishap::None, Ok(())) => self.model = end,
            (Mishap::None, Err(error)) => panic!("{act:?} failed: {error}\n{:?}", self.model),
            (Mishap::Failure(_), Ok(())) if act != Act::Boot => self.settle(&ends, act),
            (Mishap::Failure(_), _) => self.settle(&way, act),
            (Mishap::Cut(seed), _) => {
                drop(self.device.disk.cut(seed));
                self.device.booted = None;
                self.settle(&way, act);
                self.model.booted = None;
            }
        }
        self.device.booted = self.model.booted;
        self.check(&format!("{act:?}, {mishap:?}, {result:?}"));
    }

    fn carry_out(&mut self, act: Act) -> Done<()> {
        let device = &mut self.device;
        match act {
            Act::Boot => self.boot(),
            Act::Install { release, slot, then, retry } => {
                let failed_before = if retry { FailedBefore::Retry } else { FailedBefore::Refuse };
                let wishes = Wishes { slot: slot.map(id), downgrade: Downgrade::Allow, failed_before };
                let bundle = &RELEASES[release][device.shape.roles - 1];
                let room = if retry { Room::USUAL } else { Room { data: 2 * BLOCK, ..Room::USUAL } };
                device.install(&mut bundle.bytes.as_slice(), wishes, then, room).map(|_| ())
            }
            Act::Activate(slot) => device.activate(slot),
            Act::MarkGood(slot) => device.mark_good(slot),
            Act::MarkBad(slot) => device.mark_bad(slot),
            Act::Cancel(slot) => device.cancel(slot),
            Act::Rollback => device.rollback(),
            Act::Repair => device.repair(),
        }
    }

    /// The power is switched off and on.
    fn boot(&mut self) -> Done<()> {
        self.device.booted = None;
        let boot = self.device.boots_next()?.expect("something is bootable");
        let chosen = boot.candidate.slot.index();
        if self.device.disk.fault() == Fault::None {
            assert_eq!(Some(chosen), self.model.next(), "the chooser");
        }
        let attempt = self.device.spend(&boot)?;
        assert_eq!(attempt.token.slot(), boot.candidate.slot);
        let suspect = self.model.guard > 0 && self.model.slots[chosen].tries == 0;
        assert_eq!(boot.kind == Kind::Suspect, suspect && self.model.slots[chosen].successful, "{boot:?}");
        Ok(())
    }

    /// What the rules refuse is refused, with nothing written.
    fn refused(&mut self, act: Act) {
        // That only a staged slot is activated is for the caller to see to.
        if matches!(act, Act::Activate(_)) {
            return;
        }
        self.device.disk.begin(Fault::None);
        let result = self.carry_out(act);
        assert!(matches!(result, Err(Error::Rejected(_))), "{act:?} gave {result:?}\n{:?}", self.model);
        assert_eq!(self.device.disk.changed(), [0; 0], "{act:?} was refused after it had written");
        assert_eq!(self.device.disk.accesses().writes, 0, "{act:?} was refused and wrote");
    }

    /// Finds the state on the way that the disk is in.
    fn settle(&mut self, way: &[Model], act: Act) {
        let slots = observed(&mut self.device);
        let found = way.iter().find(|step| step.fits(&slots));
        let found = found.unwrap_or_else(|| panic!("{act:?} left {slots:?}\nits way is {way:#?}"));
        self.model = Model { slots, ..found.clone() };
    }

    fn check(&mut self, after: &str) {
        let slots = observed(&mut self.device);
        assert!(self.model.fits(&slots), "{after}\nthe disk: {slots:?}\nthe rules: {:?}", self.model);
        self.model.slots = slots;
        let next = self.device.boots_next().expect("there is a table").map(|boot| boot.candidate.slot.index());
        assert_eq!(next, self.model.next(), "{after}: the chooser\n{:?}", self.model);
        assert!(next.is_some(), "{after}: nothing boots\n{:?}", self.model);
        for slot in 0..self.model.slots.len() {
            self.check_content(slot, after);
        }
        let table = self.device.table().expect("there is a table");
        let mut seen = 0;
        let foreign = |bits: u64| bits & !(0x1ff << 48) == FOREIGN;
        let each = |entry: &libupdate::gpt::Entry| {
            assert!(foreign(entry.attributes.get()), "{after}: foreign bits of {entry:?}");
            seen += 1;
        };
        table.entries(&mut self.device.disk, &mut [0; 4096], each).expect("a healthy disk");
        assert_eq!(seen, self.device.shape.slots * self.device.shape.roles);
    }

    /// What has a trailer is all there; what has bits has a trailer.
    fn check_content(&mut self, slot: usize, after: &str) {
        let Seen::Valid(release) = self.model.slots[slot].seen else {
            assert!(self.model.slots[slot].is_out(), "{after}: slot {slot} has bits and no trailer\n{:?}", self.model);
            return;
        };
        let proof = Some((release, self.device.disk.content().identity().zone(Zone::of_slot(slot))));
        if self.proven[slot] == proof {
            return;
        }
        self.proven[slot] = proof;
        let bundle = &RELEASES[release][self.device.shape.roles - 1];
        assert_eq!(self.device.verify(slot), Ok(bundle.digest), "{after}: slot {slot}");
        for (role, image) in bundle.images.iter().enumerate() {
            assert!(self.device.holds(slot, role, image), "{after}: slot {slot} holds another image");
        }
    }
}

/// The states on the way of an act, its end last. `None` where the rules refuse it.
fn way(model: &Model, act: Act) -> Option<Vec<Model>> {
    match act {
        Act::Boot => Some(model.booting()),
        Act::Install { release, slot, then, retry } => model.installing(release, slot, then == Then::Arm, retry),
        Act::Activate(slot) => model.activating(slot),
        Act::MarkGood(slot) => model.marking_good(slot),
        Act::MarkBad(slot) => model.marking_bad(slot),
        Act::Cancel(slot) => model.cancelling(slot),
        Act::Rollback => model.rolling_back(),
        Act::Repair => Some(vec![model.clone()]),
    }
}

/// The slots as the core sees them.
fn observed(device: &mut Device) -> Vec<Slot> {
    let Inspection { facts, slots, .. } = device.survey().expect("there is a table");
    let seen = |number: usize| match (facts.slots[number].installed.as_ref(), trailer_of(&facts.slots[number])) {
        (Some(installed), _) => {
            let known = |release: &[Bundle; 2]| release.iter().any(|bundle| bundle.digest == installed.digest);
            Seen::Valid(RELEASES.iter().position(known).expect("a release"))
        }
        (None, seen) => seen,
    };
    let slot = |number: usize| {
        let bits = slots.slots()[number].bits();
        Slot {
            priority: bits.priority.get(),
            tries: bits.tries_left.get(),
            successful: bits.successful == Successful::Yes,
            seen: seen(number),
        }
    };
    (0..slots.slots().len()).map(slot).collect()
}

/// A slot without an authentic trailer: what its state says of it.
fn trailer_of(facts: &libupdate::policy::SlotFacts) -> Seen {
    let state = |seen| SlotState::of(facts.bits, seen, Standing::NotBooted);
    if [TrailerSeen::None, TrailerSeen::Mark].map(state).contains(&facts.state) { Seen::Nothing } else { Seen::Torn }
}
