//! A machine, and what the rules say of it.

use libupdate::boot::Reason;
use libupdate::bundle::Unverified;
use libupdate::device::{Ending, Installed, Reach, Request};
use libupdate::gpt::{CopyState, Priority, SlotBits, Successful, TriesLeft};
use libupdate::policy::{Downgrade, FailedBefore, Wishes};
use libupdate::{BlockIo as _, Error};

use super::model::{Failing, Installation, Model, Seen, Slot, Way};
use super::{Act, Mishap, RELEASES};
use crate::bundles::{ANCHORS, BLOCK, Bundle};
use crate::disk::Fault;
use crate::input::Input;
use crate::machine::{Boot, Done, FOREIGN, Machine, Sizes, id};

mod observed;

use observed::{Sight, identities};

/// How an act ended that did not fail.
#[derive(Debug)]
enum Answer {
    Done,
    Installed(Installed),
    Booted(Boot),
}

/// The machine, and what the rules say of it.
pub(super) struct Life {
    pub(super) machine: Machine,
    pub(super) model: Model,
    /// What a cut may lead back to: the disk's cache holds what is not durable.
    behind: Vec<Model>,
    /// What each slot held when its content was checked last, as the identity of its sectors.
    proven: [Option<(usize, u128)>; 3],
    sight: Sight,
    /// Slots of which the chooser has said which one boots next.
    judged: Vec<Vec<Slot>>,
}

/// Seconds that a person has.
const WITHIN: u32 = 600;

impl Life {
    /// A machine that is provisioned, whatever comes between.
    pub(super) fn provisioned(mut machine: Machine, input: &mut Input<'_>) -> Self {
        let bundle = &RELEASES[0][machine.shape.roles - 1];
        for attempt in 0.. {
            let mishap = if attempt < 4 { Mishap::of(input) } else { Mishap::None };
            machine.disk.begin(mishap.fault());
            let result = provision(&mut machine, bundle);
            machine.disk.heal();
            match (mishap, result) {
                (Mishap::None, Err(error)) => panic!("provisioning: {error}"),
                (Mishap::Cut(seed), _) => drop(machine.disk.cut(seed)),
                (_, Ok(())) => assert!(machine.disk.is_clean(), "provisioned, and not durable"),
                (Mishap::Lost(_, seed), _) => machine.disk.drop_some(seed),
                (Mishap::Failure(_), Err(_)) => {}
            }
            let through = is_provisioned(&mut machine) && machine.disk.is_clean();
            if through && (attempt >= 4 || !input.yes()) {
                break;
            }
        }
        let model = Model::new(machine.shape.slots, machine.tries.get(), machine.guard.tries().get());
        let (behind, judged, sight) = (Vec::new(), Vec::new(), Sight::default());
        let mut life = Self { machine, model, behind, proven: [None; 3], sight, judged };
        life.check("provisioned");
        life
    }

    /// The slot that runs.
    pub(super) const fn booted(&self) -> Option<usize> {
        self.machine.booted
    }

    /// Priorities near the top, so that arming has to move the others down.
    pub(super) fn raise_by_a_foreign_tool(&mut self, input: &mut Input<'_>) {
        let priority = 12 + input.byte() % 4;
        let slot = &mut self.model.slots[0];
        slot.priority = priority;
        let bits = SlotBits {
            priority: Priority::new(priority).expect("four bits"),
            tries_left: TriesLeft::new(slot.tries).expect("four bits"),
            successful: Successful::Yes,
        };
        self.machine.force(0, bits).expect("a healthy disk");
        self.check("raised");
    }

    /// Bytes of the medium go bad: of one copy of the table, or of a slot. Not of what is in the cache only.
    pub(super) fn decay(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        match what % 8 {
            _ if !self.machine.disk.is_clean() => {}
            0 => self.damage_a_copy(what, input),
            7 => self.damage_a_slot(usize::from(what / 8) % self.machine.shape.slots),
            _ => {}
        }
    }

    /// The first byte of what a slot holds goes bad, where another one boots.
    fn damage_a_slot(&mut self, slot: usize) {
        if self.model.may_go_bad(slot) {
            let size = self.machine.disk.block_size().bytes();
            let lba = self.machine.shape.first_byte(slot * self.machine.shape.roles) / size;
            self.machine.disk.edit(lba as u64, |sector| sector[0] ^= 0x55);
            self.model.slots[slot].damaged = true;
        }
    }

    /// Bytes of one copy of the table go bad, where both are good.
    fn damage_a_copy(&mut self, what: u8, input: &mut Input<'_>) {
        let table = self.machine.table().expect("there is a table");
        if [table.primary(), table.backup()].iter().any(|copy| copy.state() != CopyState::Valid) {
            return;
        }
        let copy = if what & 8 == 0 { table.primary() } else { table.backup() };
        let header = copy.header().expect("a valid copy");
        let lba = if what & 16 == 0 { header.my_lba() } else { header.entries_lba() }.get();
        let place = input.below(128);
        self.machine.disk.edit(lba, |sector| sector[place % 90] ^= 0x55);
    }

    /// Does an act, and holds what is there after it against the rules.
    pub(super) fn live(&mut self, act: Act, mishap: Mishap) {
        let Some(mut way) = act.way(&self.model, mishap.failing()) else {
            return self.refused(act);
        };
        if mishap.failing() == Failing::Read {
            self.make_equal();
            self.add_unread(&mut way, act);
        }
        let slots = identities(&self.machine);
        self.machine.disk.begin(mishap.fault());
        let result = self.carry_out(act);
        let told = format!("{act:?}, {mishap:?}, {result:?}");
        if mishap == Mishap::None {
            self.ended(act, &way, &result, &told);
            assert!(
                way.steps.len() > 1 || slots == identities(&self.machine),
                "{told}: there was nothing to do in a slot"
            );
        } else {
            self.machine.disk.heal();
            self.disturbed(act, &way, mishap, &result, &told);
        }
        if self.machine.disk.is_clean() {
            self.behind.clear();
        } else {
            self.behind.extend(way.all().cloned());
        }
        self.machine.booted = self.model.booted;
        self.check(&told);
    }

    /// Where a cut left two copies that differ, a read that fails would decide which of the two counts: the model has one.
    fn make_equal(&mut self) {
        self.machine.disk.begin(Fault::None);
        self.machine.repair().expect("a healthy disk");
        self.behind.clear();
    }

    /// The act may find one slot's trailers unreadable. A boot finds that out slot by slot.
    fn add_unread(&self, way: &mut Way, act: Act) {
        if act.is_boot() {
            return;
        }
        for (unread, slot) in self.model.with_one_unread() {
            let Some(other) = act.way(&unread, Failing::Read) else { continue };
            way.steps.extend(other.steps.into_iter().map(|step| step.with_read(slot, &self.model)));
            way.ends.extend(other.ends.into_iter().map(|end| end.with_read(slot, &self.model)));
        }
    }

    fn carry_out(&mut self, act: Act) -> Done<Answer> {
        let machine = &mut self.machine;
        match act {
            Act::Boot(refusal) => return machine.boot(refusal).map(Answer::Booted),
            Act::Install(installation) => return install(machine, &installation).map(Answer::Installed),
            Act::Activate(slot) => machine.activate(slot),
            Act::MarkGood(slot, claim) => machine.mark_good(slot, claim),
            Act::MarkBad(slot) => machine.mark_bad(slot),
            Act::Cancel(slot) => machine.cancel(slot),
            Act::Rollback => machine.rollback(),
            Act::Repair => machine.repair(),
        }
        .map(|()| Answer::Done)
    }

    /// What the rules refuse is refused, with nothing written.
    fn refused(&mut self, act: Act) {
        self.machine.disk.begin(Fault::None);
        let result = self.carry_out(act);
        let damaged = matches!(act, Act::Activate(slot) if self.model.slots[slot].damaged);
        let wrong = damaged && matches!(result, Err(Error::Slot(_)));
        assert!(wrong || matches!(result, Err(Error::Rejected(_))), "{act:?} gave {result:?}\n{:?}", self.model);
        assert_eq!(self.machine.disk.accesses().writes, 0, "{act:?} was refused and wrote");
    }

    /// Nothing disturbed the act: it ended as the rules say.
    fn ended(&mut self, act: Act, way: &Way, result: &Done<Answer>, told: &str) {
        let [end] = &way.ends[..] else { panic!("{told}: {} ends", way.ends.len()) };
        let answer = result.as_ref().unwrap_or_else(|error| panic!("{told} failed: {error}\n{:?}", self.model));
        match answer {
            Answer::Booted(boot) => self.check_boot(boot, end, told),
            Answer::Installed(installed) => self.check_installed(act, installed, way, told),
            Answer::Done => {}
        }
        let judged = judges(act);
        if judged {
            assert_eq!(self.machine.disk.accesses().writes, 0, "{told}: it was to be judged only");
        }
        assert!(judged || act.is_boot() || self.machine.disk.is_clean(), "{told}: it is not durable");
        if let Act::MarkBad(slot) = act
            && matches!(self.model.slots[slot].seen, Seen::Valid(_))
        {
            self.check_note(slot, Reason::MARKED_BAD, told);
        }
        self.model = end.clone();
    }

    fn check_installed(&self, act: Act, installed: &Installed, way: &Way, told: &str) {
        let Act::Install(Installation { release, reach, .. }) = act else { panic!("{told}: it was no installation") };
        let held = matches!(installed.ending, Ending::HeldAlready(_));
        match reach {
            Reach::JudgeOnly | Reach::Estimate => assert!(held || installed.ending == Ending::WouldInstall, "{told}"),
            Reach::Whole => assert_eq!(held, way.steps.len() == 1, "{told}"),
        }
        assert_eq!(installed.digest, RELEASES[release][self.machine.shape.roles - 1].digest, "{told}");
    }

    /// The act was disturbed: the disk is in a state on its way, and, if somebody hears that it ended well, in one that it may end in.
    fn disturbed(&mut self, act: Act, way: &Way, mishap: Mishap, result: &Done<Answer>, told: &str) {
        let booted = match (act, result) {
            _ if matches!(mishap, Mishap::Cut(_)) || act.is_boot() && mishap.is_deadly() => None,
            (_, Ok(Answer::Booted(boot))) => boot.booted.as_ref().map(|booted| booted.step.slot().index()),
            (Act::Boot(_), _) => None,
            _ => self.model.booted,
        };
        let well = result.is_ok() && !mishap.is_deadly();
        // The note of a slot that is bad may be what is not durable.
        let durable = self.machine.disk.is_clean() || act.is_boot() || matches!(act, Act::MarkBad(_));
        assert!(!well || durable || judges(act), "{told}: it is not durable");
        let behind = std::mem::take(&mut self.behind);
        let states: Vec<&Model> = match mishap {
            Mishap::Cut(seed) => {
                drop(self.machine.disk.cut(seed));
                way.all().chain(&behind).collect()
            }
            Mishap::Lost(_, seed) if !self.machine.disk.is_clean() => {
                self.machine.disk.drop_some(seed);
                way.all().chain(&behind).collect()
            }
            _ if well && act.is_boot() => way.ends.iter().filter(|end| end.booted == booted).collect(),
            _ if well => way.ends.iter().collect(),
            _ if act.is_boot() && !mishap.is_deadly() => way.steps[..1].iter().collect(),
            _ => way.all().collect(),
        };
        let slots = self.sight.slots(&mut self.machine);
        let found = states.iter().find(|step| step.fits(&slots));
        let found = found.unwrap_or_else(|| panic!("{told} left {slots:?}\nits way is {states:#?}"));
        self.model = Model { slots, booted, ..(*found).clone() };
        self.behind = behind;
    }

    fn check(&mut self, after: &str) {
        let slots = self.sight.slots(&mut self.machine);
        assert!(self.model.fits(&slots), "{after}\nthe disk: {slots:?}\nthe rules: {:?}", self.model);
        self.model.slots = slots;
        self.check_next(after);
        for slot in 0..self.model.slots.len() {
            self.check_content(slot, after);
        }
        let table = self.machine.table().expect("there is a table");
        let mut seen = 0;
        let foreign = |bits: u64| bits & !(0x1ff << 48) == FOREIGN;
        let each = |entry: &libupdate::gpt::Entry| {
            assert!(foreign(entry.attributes.get()), "{after}: foreign bits of {entry:?}");
            seen += 1;
        };
        table.entries(&mut self.machine.disk, &mut [0; 4096], each).expect("a healthy disk");
        assert_eq!(seen, self.machine.shape.slots * self.machine.shape.roles);
    }

    fn check_next(&mut self, after: &str) {
        if self.judged.contains(&self.model.slots) {
            return;
        }
        self.judged.push(self.model.slots.clone());
        let next = self.machine.boots_next().expect("there is a table");
        assert!(next.passed_over.is_empty(), "{after}: {next:?}");
        let next = next.boot.map(|boot| boot.candidate.slot.index());
        assert_eq!(next, self.model.next(), "{after}: the chooser\n{:?}", self.model);
        assert!(next.is_some(), "{after}: nothing boots\n{:?}", self.model);
    }

    /// What has a trailer is all there; what has bits has a trailer.
    fn check_content(&mut self, slot: usize, after: &str) {
        let Seen::Valid(release) = self.model.slots[slot].seen else {
            assert!(self.model.slots[slot].is_out(), "{after}: slot {slot} has bits and no trailer\n{:?}", self.model);
            return;
        };
        let proof = Some((release, identities(&self.machine)[slot]));
        if self.proven[slot] == proof {
            return;
        }
        self.proven[slot] = proof;
        let bundle = &RELEASES[release][self.machine.shape.roles - 1];
        match self.machine.verify(slot) {
            Ok(digest) => {
                assert_eq!((digest, self.model.slots[slot].damaged), (bundle.digest, false), "{after}: {slot}")
            }
            Err(Error::Slot(_)) if self.model.slots[slot].damaged => {}
            Err(error) => panic!("{after}: slot {slot}: {error}"),
        }
    }
}

const fn judges(act: Act) -> bool {
    matches!(act, Act::Install(Installation { reach: Reach::JudgeOnly, .. }))
}

fn provision(machine: &mut Machine, bundle: &Bundle) -> Done<()> {
    let mut source = bundle.bytes.as_slice();
    let mut head = [0; 8192];
    let verified = Unverified::read(&mut source, &mut head)?.verify(&ANCHORS).map_err(Error::Bundle)?;
    machine.provision((verified, &mut source), Sizes::USUAL)
}

/// Whether a slot boots. If not, none has bits.
fn is_provisioned(machine: &mut Machine) -> bool {
    match machine.boots_next() {
        Ok(next) if next.boot.is_some() => true,
        Ok(_) => {
            assert!(Sight::default().slots(machine).iter().all(Slot::is_out), "bits that boot nothing");
            false
        }
        Err(Error::Table(_) | Error::Medium(_)) => false,
        Err(error) => panic!("provisioning: {error}"),
    }
}

fn install(machine: &mut Machine, installation: &Installation) -> Done<Installed> {
    let Installation { release, slot, then, reach, retry, asks } = *installation;
    let failed_before = if retry { FailedBefore::Retry } else { FailedBefore::Refuse };
    let wishes = Wishes { slot: slot.map(id), downgrade: Downgrade::Allow, failed_before };
    let request = Request { wishes, then, reach, confirm_within: asks.then_some(WITHIN) };
    let bundle = &RELEASES[release][machine.shape.roles - 1];
    let sizes = if retry { Sizes::USUAL } else { Sizes { data: 2 * BLOCK, ..Sizes::USUAL } };
    machine.install(&mut bundle.bytes.as_slice(), &request, sizes)
}
