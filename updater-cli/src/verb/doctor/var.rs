//! `/var`: whether it is the partition that the profile names, and whether a reset waits.

use std::path::Path;

use libupdate_linux::profile::Profile;
use libupdate_linux::var::{self, VAR};

use super::Machine;
use super::row::Row;
use crate::open_device::OpenDevice;
use crate::var::Var;

const NAME: &str = "var";

/// The check.
pub fn row(profile: &Profile, opened: &mut OpenDevice, machine: Machine) -> Row {
    match machine {
        Machine::Elsewhere => Row::skipped(NAME, "the system does not run from this disk"),
        Machine::Here => judge(&Var::of(profile, opened), var::is_asked(Path::new(VAR))),
    }
}

fn judge(var: &Var, reset: bool) -> Row {
    match var {
        Var::NotGiven => Row::ok(NAME, "the profile gives the system none"),
        Var::Other(label, what) => Row::warning(
            NAME,
            format!("{VAR} is not the partition {label}: {what}"),
            "see why on the console, or in dmesg: the lines of the hook begin with updater: /var",
        ),
        Var::Mounted(label) if reset => Row::warning(
            NAME,
            format!("a reset waits: everything on {label} is removed in the next boot"),
            "reboot, or take it back with `updater-cli reset --cancel`",
        ),
        Var::Mounted(label) => Row::ok(NAME, format!("{VAR} is the partition {label}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn the_partition_without_a_reset_is_as_it_should_be() {
        let mounted = Var::Mounted("data".into());
        assert_eq!(judge(&mounted, false).told(), (State::Ok, "/var is the partition data"));
        assert_eq!(judge(&mounted, true).state, State::Warning);
        assert_eq!(judge(&Var::Other("data".into(), "tmpfs".into()), false).state, State::Warning);
        assert_eq!(judge(&Var::NotGiven, false).state, State::Ok);
    }
}
