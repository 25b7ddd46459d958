//! The health checks: one that cannot be run has failed, and each update falls back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Machine;
use super::row::Row;

const NAME: &str = "health-checks";
const FOLDERS: [&str; 2] = ["/etc/updater/health.d", "/usr/lib/updater/health.d"];
/// Endings of what `updater-health` skips.
const LEFTOVERS: [&str; 17] = [
    "bak",
    "old",
    "new",
    "orig",
    "rej",
    "tmp",
    "save",
    "swp",
    "disabled",
    "rpmnew",
    "rpmorig",
    "rpmsave",
    "pacnew",
    "pacsave",
    "dpkg-old",
    "dpkg-dist",
    "dpkg-new",
];

/// The checks that are there, and those of them that cannot be run.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    not_executable: Vec<String>,
}

/// The check.
pub fn row(machine: Machine) -> Option<Row> {
    (machine == Machine::Here).then(|| judge(&found(&FOLDERS.map(Path::new))))
}

/// A name of the first folder hides that of the second one, and a link to `/dev/null` takes it away.
fn found(folders: &[&Path]) -> Found {
    let mut found = Found::default();
    let mut seen = Vec::new();
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let none = fs::read_link(&path).is_ok_and(|to| to == Path::new("/dev/null"));
        if seen.contains(&name) || is_leftover(&name) {
            continue;
        }
        seen.push(name.clone());
        if none {
            continue;
        }
        let runs = fs::metadata(&path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
        if !runs {
            found.not_executable.push(path.display().to_string());
        }
        found.names.push(name);
    }
    found.names.sort();
    found
}

fn is_leftover(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    name.starts_with(['.', '#']) || name.ends_with('~') || LEFTOVERS.contains(&ending)
}

fn judge(found: &Found) -> Row {
    if !found.not_executable.is_empty() {
        let detail = format!("{} cannot be run, so no trial is healthy", found.not_executable.join(", "));
        return Row::error(NAME, detail, "make it executable (chmod +x), or take it away");
    }
    if found.names.is_empty() {
        return Row::ok(NAME, "none is installed: a boot that comes up is healthy");
    }
    Row::ok(NAME, found.names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::row::State;
    use super::*;

    #[test]
    fn what_cannot_be_run_is_an_error_and_what_is_hidden_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let [etc, usr] = ["etc", "usr"].map(|name| root.path().join(name));
        [&etc, &usr].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        let row = || judge(&found(&[&etc, &usr]));
        assert_eq!(row().told(), (State::Ok, "none is installed: a boot that comes up is healthy"));
        for path in [etc.join("10-net"), usr.join("20-app"), etc.join("30-disk.bak"), etc.join("40-old~")] {
            fs::write(path, "#!/bin/sh\n").unwrap();
        }
        fs::set_permissions(etc.join("10-net"), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(row().state == State::Error && row().told().1.contains("20-app"), "{:?}", row());
        symlink("/dev/null", etc.join("20-app")).unwrap();
        assert_eq!(row().told(), (State::Ok, "10-net"));
    }
}
