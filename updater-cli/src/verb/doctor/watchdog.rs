//! The watchdog of the profile, and who feeds it.

use std::path::Path;

use libupdate_linux::profile::Profile;
use libupdate_linux::watchdog::Keeper;

use super::Machine;
use super::row::Row;

const NAME: &str = "watchdog";

/// The check.
pub fn row(profile: &Profile, machine: Machine) -> Row {
    if machine == Machine::Elsewhere {
        return Row::skipped(NAME, "the system does not run from this disk");
    }
    let watchdog = profile.boot.watchdog.as_ref();
    judge(watchdog.map(|watchdog| (watchdog.device.as_path(), Keeper::of(&watchdog.device))))
}

fn judge(watchdog: Option<(&Path, Keeper)>) -> Row {
    let Some((device, keeper)) = watchdog else {
        let detail = "the profile has none: a system that hangs waits for a person";
        return Row::warning(NAME, detail, "name one in [boot.watchdog], if the machine has one");
    };
    let device = device.display();
    match keeper {
        Keeper::Fed => Row::ok(NAME, format!("{device} runs, and is fed")),
        Keeper::Unfed => Row::error(
            NAME,
            format!("{device} runs, and nobody feeds it: it resets this machine"),
            "have systemd feed it (initramfs-hook/systemd/system.conf.d), or run updater-watchdog",
        ),
        Keeper::Off => Row::error(
            NAME,
            format!("{device} does not run: a system that hangs is not reset"),
            "check its driver in the initramfs, and `device` in [boot.watchdog]",
        ),
        Keeper::Unknown => Row::skipped(NAME, format!("{device} cannot be seen; run this as root")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn only_a_watchdog_that_is_fed_is_as_it_should_be() {
        let state = |keeper| judge(Some((Path::new("/dev/watchdog0"), keeper))).state;
        let states = [Keeper::Fed, Keeper::Unfed, Keeper::Off, Keeper::Unknown].map(state);
        assert_eq!(states, [State::Ok, State::Error, State::Error, State::Skipped]);
        assert_eq!(judge(None).state, State::Warning);
    }
}
