//! Who marks a boot good: without anybody each update falls back.

use std::fs;
use std::path::Path;

use libupdate_linux::profile::Profile;
use libupdate_linux::profile::boot::Marker;

use super::Machine;
use super::row::Row;

const NAME: &str = "mark-good";
/// Is there where systemd is the init.
const SYSTEMD: &str = "/run/systemd/system";
/// Where systemd has its units, what an operator wrote first.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const SERVICE: &str = "updater-mark-good.service";
/// Says it where a trial is restarted.
const TELLER: &str = "updater-trial.service";
/// The same for any other init.
const SCRIPT: &str = "/usr/lib/updater/mark-good.sh";

/// A unit, as its files tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// Something that starts pulls it in.
    Enabled,
    /// It is there, and nothing does.
    Disabled,
    /// Somebody has ruled it out.
    Masked,
    /// There is no such file.
    Missing,
}

/// What marks a boot good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Hook,
    Systemd { service: Unit, teller: Unit },
    Script,
    Unknown,
}

/// The check.
pub fn rows(profile: &Profile, machine: Machine) -> Vec<Row> {
    match machine {
        Machine::Elsewhere => Vec::new(),
        Machine::Here => vec![judge(way(profile.boot.mark_good))],
    }
}

fn way(marker: Marker) -> Way {
    if marker == Marker::Hook {
        Way::Hook
    } else if Path::new(SYSTEMD).is_dir() {
        let [service, teller] = [SERVICE, TELLER].map(|name| unit(&UNITS.map(Path::new), name));
        Way::Systemd { service, teller }
    } else if Path::new(SCRIPT).exists() {
        Way::Script
    } else {
        Way::Unknown
    }
}

/// How a unit stands, by the files of these folders. A unit is enabled by a link to it in a folder `*.wants` or `*.requires`.
fn unit(folders: &[&Path], name: &str) -> Unit {
    let Some(file) = folders.iter().map(|folder| folder.join(name)).find(|file| fs::symlink_metadata(file).is_ok())
    else {
        return Unit::Missing;
    };
    if fs::read_link(&file).is_ok_and(|to| to == Path::new("/dev/null")) {
        return Unit::Masked;
    }
    let wanted = |folder: &&Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut pulling =
            entries.filter(|path| path.extension().is_some_and(|ending| ending == "wants" || ending == "requires"));
        pulling.any(|path| fs::symlink_metadata(path.join(name)).is_ok())
    };
    if folders.iter().any(wanted) { Unit::Enabled } else { Unit::Disabled }
}

fn judge(way: Way) -> Row {
    let enable = format!("systemctl enable {SERVICE} {TELLER}");
    let never = "each update falls back, since nobody marks its boot good";
    match way {
        Way::Hook => Row::ok(NAME, "the hook marks each boot good, as the profile says: no update is on trial"),
        Way::Script => Row::ok(NAME, format!("{SCRIPT}, if this system's init runs it")),
        Way::Unknown => Row::warning(
            NAME,
            format!("systemd does not run here, and there is no {SCRIPT}"),
            "have the init run `updater-cli mark-good` once the system is up and healthy",
        ),
        Way::Systemd { service: Unit::Enabled, teller: Unit::Enabled } => {
            Row::ok(NAME, format!("{SERVICE} and {TELLER} are enabled"))
        }
        Way::Systemd { service: Unit::Enabled, teller } => {
            Row::warning(NAME, format!("{TELLER} is {}: a restart of a trial is not told", teller.word()), enable)
        }
        Way::Systemd { service, .. } => Row::error(NAME, format!("{SERVICE} is {}: {never}", service.word()), enable),
    }
}

impl Unit {
    const fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "not enabled",
            Self::Masked => "masked",
            Self::Missing => "not there",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::row::State;
    use super::*;

    #[test]
    fn a_service_that_does_not_run_is_an_error() {
        let state = |service, teller| judge(Way::Systemd { service, teller }).state;
        assert_eq!(state(Unit::Enabled, Unit::Enabled), State::Ok);
        assert_eq!(state(Unit::Enabled, Unit::Missing), State::Warning);
        for unit in [Unit::Disabled, Unit::Masked, Unit::Missing] {
            assert_eq!(state(unit, Unit::Enabled), State::Error);
        }
        assert_eq!(
            [Way::Hook, Way::Script, Way::Unknown].map(|way| judge(way).state),
            [State::Ok, State::Ok, State::Warning]
        );
    }

    #[test]
    fn a_unit_is_what_its_files_say() {
        let root = tempfile::tempdir().unwrap();
        let [etc, usr] = ["etc", "usr"].map(|name| root.path().join(name));
        let wants = etc.join("kiosk.target.wants");
        fs::create_dir_all(&wants).unwrap();
        fs::create_dir(&usr).unwrap();
        let seen = || unit(&[&etc, &usr], SERVICE);
        assert_eq!(seen(), Unit::Missing);
        fs::write(usr.join(SERVICE), "").unwrap();
        assert_eq!(seen(), Unit::Disabled);
        // As `systemctl enable` leaves it in an image that is looked at from outside.
        symlink("/nowhere", wants.join(SERVICE)).unwrap();
        assert_eq!(seen(), Unit::Enabled);
        symlink("/dev/null", etc.join(SERVICE)).unwrap();
        assert_eq!(seen(), Unit::Masked);
    }
}
