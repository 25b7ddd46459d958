//! The rollback floor of a boot: the lowest rollback index of a good slot, so that the fallback always boots. Pure.
//!
//! What an attacker with the disk could arm, an older release that was signed once, has an index below it.

use libupdate::SlotId;
use libupdate::policy::Facts;
use libupdate::slot::SlotState;

/// The lowest index that `trial` may have; 0 where no other slot is good.
pub fn below(facts: &Facts<'_>, trial: SlotId) -> u64 {
    let others = facts.slots.iter().filter(|facts| facts.slot != trial && facts.state == SlotState::Good);
    others.filter_map(|facts| facts.installed.as_ref()).map(|installed| installed.rollback_index).min().unwrap_or(0)
}
