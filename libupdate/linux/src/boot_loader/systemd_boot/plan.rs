//! Which names change, and in which order. Pure.
//!
//! 1. Names change from the slot that boots last to the one that boots first. A slot keeps its rank if it is above the ranks of all that
//!    boot after it; else it gets the next one. So what the acts of an updater need is one change: a slot that is armed, marked good or
//!    rolled back to goes to the top, and all others stay.
//! 2. Above [`TOP`] all ranks begin anew at 1, from the last slot on. Those that have got theirs are in their order at the bottom, and the
//!    others keep their old order above them.
//! 3. What is [`Standing::Off`] goes last, once every slot that boots has its entry: else the only entry might go before another one is
//!    there. Until then it is complete, since nothing is written into its slot before all of this is done.
//!
//! After each single change there is an entry of a slot that may boot by the old bits or by the new ones: cut between two of them, the
//! device boots, and the next boot's `mark-good` makes the rest.

use libupdate::SlotId;
use libupdate::gpt::TriesLeft;
use libupdate::loader::{Ranking, Standing};

use super::name::{Counter, Name, Ours};

/// The greatest rank: one digit, so that a name has one length.
pub const TOP: u64 = 9;

/// A file of ours, and its name as it is.
pub type File = (Ours, String);

/// One change of the folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A file goes.
    Remove(String),
    /// It gets another name.
    Rename {
        /// Its name.
        from: String,
        /// The new one.
        to: String,
    },
}

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hindrance {
    /// A slot that boots has no file.
    Missing(SlotId),
    /// It has two, and nobody knows which is right.
    Twice([String; 2]),
}

/// The entry of a slot.
///
/// # Errors
/// [`Hindrance::Twice`].
pub fn entry(files: &[File], slot: SlotId) -> Result<Option<(Name, &str)>, Hindrance> {
    let mut entries = files.iter().filter_map(|(ours, text)| match ours {
        Ours::Entry(name) if name.slot == slot => Some((*name, text.as_str())),
        _ => None,
    });
    let first = entries.next();
    match (first, entries.next()) {
        (Some((_, one)), Some((_, other))) => Err(Hindrance::Twice([one.to_owned(), other.to_owned()])),
        _ => Ok(first),
    }
}

/// The changes after which the folder says `ranking`, one by one. `tries`: those of a slot that is armed.
///
/// # Errors
/// [`Hindrance`]: nothing may be changed.
pub fn plan(files: &[File], ranking: &Ranking, tries: TriesLeft) -> Result<Vec<Step>, Hindrance> {
    let mut rows = Vec::new();
    for (slot, standing) in ranking.bootable() {
        let new = || files.iter().find(|(ours, _)| *ours == Ours::New(slot)).map(|(_, text)| text.as_str());
        let (now, text) = match entry(files, slot)? {
            Some((name, text)) => (Some(name), text),
            None => match (new(), standing) {
                (Some(text), _) => (None, text),
                // It would not boot in any case.
                (None, Standing::Trial(TriesLeft::ZERO)) => continue,
                (None, _) => return Err(Hindrance::Missing(slot)),
            },
        };
        rows.push((slot, counter(standing, now, tries), now.map_or(0, |name| name.rank), text));
    }
    if rows.is_empty() {
        // A device with no slot that boots is not mended by taking its last kernels away.
        return Ok(Vec::new());
    }
    rows.reverse();
    let ranks = ranks(&rows.iter().map(|(_, _, rank, _)| *rank).collect::<Vec<_>>());
    let mut steps = Vec::new();
    for ((slot, counter, _, text), rank) in rows.into_iter().zip(ranks) {
        let wanted = Name { rank, slot, counter }.to_string();
        if !wanted.eq_ignore_ascii_case(text) {
            steps.push(Step::Rename { from: text.to_owned(), to: wanted });
        }
    }
    steps.extend(files.iter().filter(|(ours, _)| goes(*ours, ranking)).map(|(_, text)| Step::Remove(text.clone())));
    Ok(steps)
}

/// Whether a file is of no use: of a slot that does not boot, or a copy that never became complete. One of a slot that boots stays.
fn goes(ours: Ours, ranking: &Ranking) -> bool {
    match ours {
        Ours::Entry(Name { slot, .. }) | Ours::New(slot) => ranking.bootable().all(|(boots, _)| boots != slot),
        Ours::Part(_) => true,
    }
}

/// How a slot is counted. The boots that were done are kept, since systemd-boot has counted them.
fn counter(standing: Standing, now: Option<Name>, tries: TriesLeft) -> Counter {
    let left = match standing {
        Standing::Trial(left) => left,
        Standing::Good | Standing::Off => return Counter::Absent,
    };
    match now.map(|name| name.counter) {
        Some(Counter::Of { left: now, done }) if now == u64::from(left.get()) => Counter::Of { left: now, done },
        _ => Counter::Of { left: left.get().into(), done: tries.get().saturating_sub(left.get()).into() },
    }
}

/// New ranks, from the slot that boots last on.
fn ranks(now: &[u64]) -> Vec<u64> {
    let mut above = 0;
    let kept = now.iter().map(|rank| {
        above = if *rank > above { *rank } else { above.saturating_add(1) };
        above
    });
    let kept: Vec<u64> = kept.collect();
    if above <= TOP { kept } else { (1..).take(now.len()).collect() }
}
