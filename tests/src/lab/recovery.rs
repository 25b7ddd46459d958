//! After a cut: boot, do it again where it is not done, and install the next release.

use libupdate::SlotId;
use libupdate::slot::SlotState;

use super::Lab;
use crate::acts::{Act, Ending, Updater};
use crate::board::RELEASES;
use crate::medium::Medium;
use crate::sim_disk::SimDisk;
use crate::tally::Tally;
use crate::verdict::both_copies_valid;

impl Lab<'_> {
    /// Boots from a crash image and does the act again, judges that run, and cuts it.
    pub(super) fn recover(&mut self, start: &Medium, act: Act, level: usize, tally: &mut Tally) {
        tally.recoveries[level - 1] += 1;
        let mut disk = SimDisk::new(start.clone());
        let mut updater = Updater::new(self.board, None);
        let recovered = again(&mut updater, &mut disk, act);
        let end = disk.content();
        if let Err(why) = recovered.and_then(|()| self.reached(&end, act)) {
            return tally.stuck(format!("{act:?} again: {why}"));
        }
        let log = disk.into_log();
        self.chain(start, &log, act, tally);
        self.recovered += 1;
        if self.recovered.is_multiple_of(self.scale.next_install) {
            tally.installs += 1;
            if let Err(why) = install_next(&mut updater, end) {
                tally.stuck(format!("{act:?}, then the next installation: {why}"));
            }
        }
        if level <= 2 {
            for image in self.cut_all(start, &log, level, tally) {
                self.recover(&image, act, level + 1, tally);
            }
        }
    }

    /// Whether a disk is what the act is for.
    fn reached(&mut self, end: &Medium, act: Act) -> Result<(), String> {
        let sight = self.look(end);
        let table = sight.table.as_ref().ok_or("there is no table")?;
        let digest = |release: usize| self.board.releases[release].verified.digest();
        let boots = |release: usize| sight.boots.is_some_and(|(_, found)| found == digest(release));
        let (bits, chosen) = (&table.bits, sight.boots.map(|(slot, _)| slot));
        let reached = match act {
            Act::Provision(release) | Act::Install(release) | Act::InstallAsking(release) => boots(release),
            Act::InstallOnly(release) => {
                let staged = |slot: &usize| bits[*slot].0 == 0 && bits[*slot].1 > 0;
                let holds = |slot: usize| self.judge.holds(slot, end.identity(), &|| end.clone());
                (0..bits.len()).filter(staged).map(holds).any(|found| found == Some(digest(release)))
            }
            Act::Activate => boots(2),
            Act::Boot | Act::BootWithout(_) | Act::Choose | Act::ChooseByBits | Act::Repair | Act::Explain(_) => {
                chosen.is_some()
            }
            Act::MarkGood => chosen.is_some_and(|slot| bits[slot].2 == 1),
            Act::MarkBad(slot) | Act::FailTrial(slot) => (bits[slot].0, bits[slot].1, bits[slot].2) == (0, 0, 0),
            // A cut before it was done may have led into the trial, which was marked good then.
            Act::Cancel(slot) => bits[slot].0 == 0 || bits[slot].2 == 1,
            Act::Withdraw(slot) => bits[slot].2 == 0 && chosen.is_some_and(|chosen| chosen != slot),
            Act::Rollback(slot) => chosen == Some(slot),
        };
        if !reached {
            return Err(format!("it is not reached: {sight}"));
        }
        if both_copies_valid(end) { Ok(()) } else { Err("a copy of the table is not valid".to_owned()) }
    }
}

/// The installation after a recovery: boot, mark good what runs, install the newest release.
fn install_next(updater: &mut Updater<'_>, end: Medium) -> Result<(), String> {
    let mut disk = SimDisk::new(end);
    updater.perform(&mut disk, Act::Boot).map_err(|error| error.to_string())?;
    let slot = updater.booted.ok_or("nothing boots")?;
    let states = updater.states(&mut disk).map_err(|error| error.to_string())?;
    if states[slot.index()].0 == SlotState::Trial {
        updater.perform(&mut disk, Act::MarkGood).map_err(|error| error.to_string())?;
    }
    match updater.perform(&mut disk, Act::Install(RELEASES - 1)) {
        Ok(Ending::Done) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// What a person, or a script, does after a cut: boots, and does it again where it is not done yet.
fn again(updater: &mut Updater<'_>, disk: &mut SimDisk, act: Act) -> Result<(), String> {
    let text = |error: libupdate::Error<_>| error.to_string();
    if let Act::Provision(_) = act {
        return updater.perform(disk, act).map(|_| ()).map_err(text);
    }
    updater.perform(disk, Act::Boot).map_err(text)?;
    let slot: SlotId = updater.booted.ok_or("nothing boots")?;
    let states = updater.states(disk).map_err(text)?;
    let (_, release) = states[slot.index()];
    let next = match act {
        Act::Install(wanted) | Act::InstallAsking(wanted) if release == Some(wanted) => Act::MarkGood,
        Act::Activate if release == Some(2) => Act::MarkGood,
        Act::Cancel(cancelled) if slot.index() == cancelled => Act::MarkGood,
        Act::MarkBad(bad) | Act::FailTrial(bad) if states[bad].0 == SlotState::Failed => return Ok(()),
        Act::Withdraw(bad) if states[bad].0 == SlotState::Exhausted => return Ok(()),
        Act::Boot | Act::BootWithout(_) | Act::Choose | Act::ChooseByBits => return Ok(()),
        act => act,
    };
    updater.perform(disk, next).map(|_| ()).map_err(text)
}
