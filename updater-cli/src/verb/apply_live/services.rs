//! Services that run what has changed: by their unit files, by the programs that these name, and by what their processes have mapped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libupdate_linux::{file, processes};
use serde::Serialize;

use super::difference::Difference;
use crate::cli::apply_live::RestartOption;
use crate::verb::live::command;

const UNITS: &str = "lib/systemd/system";
/// Where unit files are looked through for programs that they name.
const FOLDERS: [&str; 2] = ["/usr/lib/systemd/system", "/etc/systemd/system"];
/// A unit file has fewer bytes.
const UNIT_BYTES: u64 = 256 << 10;
/// A session, or the machine itself, would go with them.
const NEVER: [&str; 10] = [
    "dbus",
    "dbus-broker",
    "systemd-",
    "getty@",
    "serial-getty@",
    "console-getty",
    "user@",
    "session-",
    "updater-",
    "init",
];

/// A service, and why it is one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Service {
    pub unit: String,
    pub why: String,
    /// What was done; null: nothing.
    pub done: Option<String>,
}

/// Services that a difference is for, each once.
pub fn affected(difference: &Difference, how: Option<RestartOption>) -> Vec<Service> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (_, path) in difference.each() {
        if let Some(unit) = unit_of_file(path) {
            found.insert(unit, format!("/usr/{} is another one", path.display()));
        }
    }
    let gone: Vec<PathBuf> =
        difference.changed.iter().chain(&difference.removed).map(|path| Path::new("/usr").join(path)).collect();
    for (unit, text) in unit_files() {
        if let Some(program) = programs(&text).into_iter().find(|program| gone.contains(program)) {
            found.entry(unit).or_insert_with(|| format!("it starts {}", program.display()));
        }
    }
    let uses = |path: &Path| gone.iter().any(|gone| path.starts_with(gone));
    for user in processes::users(uses) {
        if let Some(unit) = unit_of_process(user.pid) {
            found.entry(unit).or_insert_with(|| format!("{} ({}) uses {}", user.name, user.pid, user.path.display()));
        }
    }
    let all = how == Some(RestartOption::Full);
    let services = found.into_iter().filter(|(unit, _)| all || !is_never(unit));
    services.map(|(unit, why)| Service { unit, why, done: None }).collect()
}

fn is_never(unit: &str) -> bool {
    NEVER.iter().any(|name| match name.ends_with(['-', '@']) {
        true => unit.starts_with(name),
        false => unit.strip_suffix(".service") == Some(name),
    })
}

/// `lib/systemd/system/web.service`, or a drop-in of it.
fn unit_of_file(path: &Path) -> Option<String> {
    let unit = path.strip_prefix(UNITS).ok()?.iter().next()?.to_str()?;
    let unit = unit.strip_suffix(".d").unwrap_or(unit);
    // A template has no processes of its own.
    unit.ends_with(".service").then(|| unit.to_owned()).filter(|unit| !unit.contains("@."))
}

fn unit_files() -> Vec<(String, String)> {
    let entries = FOLDERS.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let file = |entry: fs::DirEntry| {
        let unit =
            entry.file_name().into_string().ok().filter(|name| name.ends_with(".service") && !name.contains("@."))?;
        Some((unit, file::read_text(&entry.path(), UNIT_BYTES).ok()?))
    };
    entries.filter_map(file).collect()
}

/// Programs of the lines `ExecStart=` and the like: the first word, without the signs that may be before it.
fn programs(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().filter(|line| line.starts_with("Exec"));
    let words = lines.filter_map(|line| line.split_once('=')?.1.split_whitespace().next());
    words.map(|word| PathBuf::from(word.trim_start_matches(['@', '-', ':', '+', '!']))).collect()
}

/// By the name of its control group.
fn unit_of_process(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    in_group(&text)
}

fn in_group(text: &str) -> Option<String> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    group.split('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

/// Restarts them, as it was asked for. What cannot be is told.
pub fn restart(services: &mut [Service], how: RestartOption) {
    if !Path::new("/run/systemd/system").is_dir() {
        return;
    }
    let verb = match how {
        RestartOption::Reload => "try-reload-or-restart",
        RestartOption::Try | RestartOption::Full => "try-restart",
    };
    let failed = command::run(&["systemctl", "daemon-reload"]);
    for service in services {
        let done = failed.clone().or_else(|| command::run(&["systemctl", verb, &service.unit]));
        service.done = Some(done.unwrap_or_else(|| verb.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_their_files_and_groups() {
        let unit = |path: &str| unit_of_file(Path::new(path));
        assert_eq!(unit("lib/systemd/system/web.service").as_deref(), Some("web.service"));
        assert_eq!(unit("lib/systemd/system/web.service.d/x.conf").as_deref(), Some("web.service"));
        assert_eq!(unit("lib/systemd/system/web.socket"), None);
        assert_eq!(unit("lib/systemd/system/web@.service"), None);
        assert_eq!(unit("lib/systemd/user/web.service"), None);
        let text =
            "[Service]\nExecStartPre=-/usr/bin/a b\nExecStart=@!/usr/bin/web web\nExecStop=\n# ExecStart=/usr/bin/c\n";
        assert_eq!(programs(text), [PathBuf::from("/usr/bin/a"), PathBuf::from("/usr/bin/web")]);
        assert_eq!(in_group("0::/system.slice/web.service\n").as_deref(), Some("web.service"));
        assert_eq!(in_group("0::/user.slice/user-0.slice/session-1.scope\n"), None);
    }

    #[test]
    fn what_a_session_needs_is_left_as_it_is() {
        for unit in
            ["dbus.service", "systemd-logind.service", "getty@tty1.service", "user@0.service", "updater-live.service"]
        {
            assert!(is_never(unit), "{unit}");
        }
        assert!(!is_never("web.service") && !is_never("dbus-web.service"));
    }
}
