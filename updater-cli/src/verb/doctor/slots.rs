//! The slots: what each holds, whether the running one is confirmed, which boots next, and whether an update has room.

use libupdate::SlotId;
use libupdate::device::Next;
use libupdate::gpt::TriesLeft;
use libupdate::inspect::Inspection;
use libupdate::slot::SlotState;
use libupdate_linux::profile::Profile;

use super::row::Row;
use crate::open_device::OpenDevice;
use crate::output::Size;
use crate::verb::choose;

const SLOTS: &str = "slots";
const RUNNING: &str = "running-slot";
const NEXT: &str = "next-boot";
const ROOM: &str = "room";

/// What is known of a slot.
#[derive(Clone)]
struct Seen {
    id: SlotId,
    state: SlotState,
    tries_left: TriesLeft,
    /// Why it cannot be read.
    unreadable: Option<String>,
    /// Its partitions: role and bytes.
    sizes: Vec<(String, u64)>,
}

/// The checks.
pub fn rows(profile: &Profile, opened: &mut OpenDevice, inspection: &Inspection<'_>) -> Vec<Row> {
    let slots: Vec<Seen> = inspection.slots.slots().iter().map(|slot| seen(slot, opened, inspection)).collect();
    let booted = slots.iter().find(|slot| Some(slot.id) == opened.view.booted);
    let next = opened.next().unwrap_or(Next { boot: None, passed_over: Default::default() });
    let passed_over: Vec<String> = choose::lines(&next).collect();
    let next = next.boot.map(|boot| boot.candidate.slot);
    vec![
        judge(&slots),
        judge_running(booted, profile.guard.tries()),
        judge_next(next, &slots, &passed_over),
        judge_room(booted, &slots),
    ]
}

fn seen(slot: &libupdate::slot::Slot<'_>, opened: &mut OpenDevice, inspection: &Inspection<'_>) -> Seen {
    let state = inspection.facts.slot(slot.id).map_or(SlotState::Unverified, |facts| facts.state);
    let doubtful = state == SlotState::Unverified;
    let why = doubtful.then(|| opened.unreadable(slot)).flatten();
    let sizes = slot.partitions.iter().map(|partition| (partition.role.to_owned(), partition.extent.len().get()));
    Seen {
        id: slot.id,
        state,
        tries_left: slot.bits().tries_left,
        unreadable: why.as_ref().map(super::said),
        sizes: sizes.collect(),
    }
}

fn judge(slots: &[Seen]) -> Row {
    let unreadable: Vec<String> = slots
        .iter()
        .filter_map(|slot| Some(format!("slot {} cannot be read: {}", slot.id, slot.unreadable.as_ref()?)))
        .collect();
    let states: Vec<String> = slots.iter().map(|slot| format!("slot {} is {}", slot.id, slot.state.word())).collect();
    let detail = states.join(", ");
    let good = slots.iter().filter(|slot| slot.state == SlotState::Good).count();
    match (unreadable.as_slice(), good) {
        ([], 0) => Row::error(SLOTS, format!("{detail}: none is good"), "run `mark-good` from the system that works"),
        ([], 1) => Row::warning(
            SLOTS,
            format!("{detail}: one is good, so nothing is there to fall back to"),
            "install a release and have its boot marked good; `status` says what became of the other slot",
        ),
        ([], _) => Row::ok(SLOTS, detail),
        (faults, _) => {
            Row::error(SLOTS, faults.join("; "), "see the kernel log (dmesg); if it happens again, replace the medium")
        }
    }
}

/// `guard`: the unconfirmed boots that `mark-good` gives a good slot.
fn judge_running(booted: Option<&Seen>, guard: TriesLeft) -> Row {
    let Some(Seen { id, state, tries_left, .. }) = booted else {
        return Row::skipped(RUNNING, "no slot of this disk is known to run");
    };
    let next = "run `mark-good`, or see why its service did not: `systemctl status updater-mark-good`";
    match state {
        SlotState::Good if *tries_left < guard => {
            let detail = format!("slot {id} is good, and this boot is not confirmed: {tries_left} of {guard} are left");
            Row::warning(RUNNING, detail, next)
        }
        SlotState::Good => Row::ok(RUNNING, format!("slot {id} is good, and this boot is confirmed")),
        SlotState::Trial => {
            Row::warning(RUNNING, format!("slot {id} is on trial and not confirmed: {tries_left} tries are left"), next)
        }
        other => Row::error(
            RUNNING,
            format!("slot {id} runs, and is {}: it does not boot again", other.word()),
            "install a release into the other slot before the next restart",
        ),
    }
}

fn judge_next(next: Option<SlotId>, slots: &[Seen], passed_over: &[String]) -> Row {
    let why = if passed_over.is_empty() { String::new() } else { format!(" ({})", passed_over.join("; ")) };
    let Some(next) = next else {
        return Row::error(NEXT, format!("no slot boots next{why}"), "install a release");
    };
    let state = slots.iter().find(|slot| slot.id == next).map_or("unknown", |slot| slot.state.word());
    if passed_over.is_empty() {
        Row::ok(NEXT, format!("slot {next}, {state}"))
    } else {
        Row::warning(NEXT, format!("slot {next}, {state}{why}"), "install a release into the slot that is passed over")
    }
}

/// An update of the system that runs needs about as much room as that has.
fn judge_room(booted: Option<&Seen>, slots: &[Seen]) -> Row {
    let Some(booted) = booted else { return Row::skipped(ROOM, "no slot of this disk is known to run") };
    let small = slots.iter().filter(|slot| slot.id != booted.id).find_map(|slot| {
        let pairs = booted.sizes.iter().zip(&slot.sizes);
        let (mine, other) = pairs.into_iter().find(|(mine, other)| other.1 < mine.1)?;
        Some(format!(
            "{} of slot {} has {}, and that of slot {} {}",
            mine.0,
            slot.id,
            Size(other.1),
            booted.id,
            Size(mine.1)
        ))
    });
    let sizes: Vec<String> = booted.sizes.iter().map(|(role, size)| format!("{role} {}", Size(*size))).collect();
    match small {
        None => Row::ok(ROOM, format!("every slot has {}", sizes.join(", "))),
        Some(detail) => Row::warning(ROOM, detail, "keep releases small enough for the smaller slot"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    fn slot(id: SlotId, state: SlotState) -> Seen {
        Seen { id, state, tries_left: TriesLeft::ONE, unreadable: None, sizes: vec![("root".into(), 1 << 20)] }
    }

    #[test]
    fn two_good_slots_are_what_a_device_needs() {
        let states = |a, b| judge(&[slot(SlotId::A, a), slot(SlotId::B, b)]).state;
        assert_eq!(states(SlotState::Good, SlotState::Good), State::Ok);
        assert_eq!(states(SlotState::Good, SlotState::Failed), State::Warning);
        assert_eq!(states(SlotState::Trial, SlotState::Empty), State::Error);
        let broken = Seen { unreadable: Some("EIO".into()), ..slot(SlotId::B, SlotState::Unverified) };
        let row = judge(&[slot(SlotId::A, SlotState::Good), broken]);
        assert_eq!(row.told(), (State::Error, "slot b cannot be read: EIO"));
    }

    #[test]
    fn the_running_slot_is_confirmed() {
        let state = |state, guard| judge_running(Some(&slot(SlotId::A, state)), guard).state;
        assert_eq!(state(SlotState::Good, TriesLeft::ONE), State::Ok);
        assert_eq!(state(SlotState::Good, TriesLeft::MAX), State::Warning);
        assert_eq!(state(SlotState::Trial, TriesLeft::ZERO), State::Warning);
        assert_eq!(state(SlotState::Failed, TriesLeft::ZERO), State::Error);
        assert_eq!(judge_running(None, TriesLeft::ZERO).state, State::Skipped);
    }

    #[test]
    fn what_is_passed_over_at_the_next_boot_is_told() {
        let slots = [slot(SlotId::A, SlotState::Good)];
        assert_eq!(judge_next(Some(SlotId::A), &slots, &[]).told(), (State::Ok, "slot a, good"));
        assert_eq!(judge_next(Some(SlotId::A), &slots, &["b: its trailer".into()]).state, State::Warning);
        assert_eq!(judge_next(None, &slots, &[]).state, State::Error);
    }

    #[test]
    fn a_smaller_slot_is_named() {
        let a = slot(SlotId::A, SlotState::Good);
        let small = Seen { sizes: vec![("root".into(), 4096)], ..slot(SlotId::B, SlotState::Empty) };
        assert_eq!(judge_room(Some(&a), &[a.clone(), slot(SlotId::B, SlotState::Good)]).state, State::Ok);
        let row = judge_room(Some(&a), &[a.clone(), small.clone()]);
        assert!(row.state == State::Warning && row.told().1.starts_with("root of slot b"), "{row:?}");
        assert_eq!(judge_room(Some(&small), &[a, small.clone()]).state, State::Ok);
        assert_eq!(judge_room(None, &[]).state, State::Skipped);
    }
}
