//! The watchdog that the hook has armed: who feeds it now. Nothing is opened here: to open a watchdog starts it.
//!
//! 1. sysfs says whether it runs: it stays so where the hook's process has ended without stopping it.
//! 2. Somebody feeds it who has its node open; `/dev/watchdog` is another name of the first one.
//! 3. What cannot be seen, as without root, is not known, and nothing is said of it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use libupdate::units::limits::SYSTEM_BYTES;

use crate::file;

/// Number of the node `/dev/watchdog`.
const LEGACY: (u32, u32) = (10, 130);

/// What is known of a watchdog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeper {
    /// A process has it open.
    Fed,
    /// It runs, and nobody has it open: it resets the machine soon.
    Unfed,
    /// It does not run: a system that hangs is not reset.
    Off,
    /// It cannot be seen.
    Unknown,
}

impl Keeper {
    /// Looks at the watchdog of this node.
    pub fn of(device: &Path) -> Self {
        Self::seen(device, Path::new("/sys/class/watchdog"), Path::new("/proc"))
    }

    fn seen(device: &Path, class: &Path, processes: &Path) -> Self {
        let Ok(facts) = fs::metadata(device) else { return Self::Off };
        if !facts.file_type().is_char_device() {
            return Self::Unknown;
        }
        let number = number(facts.rdev());
        let Some(name) = name(class, number) else { return Self::Unknown };
        // A kernel without this file says no more than "active" would.
        let state = file::read_text(&class.join(&name).join("state"), SYSTEM_BYTES).unwrap_or_default();
        if state.trim() == "inactive" {
            return Self::Off;
        }
        let first = name == "watchdog0";
        match held(processes, |other| other == number || first && (other == LEGACY || number == LEGACY)) {
            Ok(true) => Self::Fed,
            Ok(false) => Self::Unfed,
            Err(_) => Self::Unknown,
        }
    }
}

fn number(device: u64) -> (u32, u32) {
    (rustix::fs::major(device), rustix::fs::minor(device))
}

/// Its name in sysfs.
fn name(class: &Path, wanted: (u32, u32)) -> Option<String> {
    if wanted == LEGACY {
        return Some("watchdog0".to_owned());
    }
    let is = |name: &str| {
        let text = file::read_text(&class.join(name).join("dev"), SYSTEM_BYTES).unwrap_or_default();
        text.trim() == format!("{}:{}", wanted.0, wanted.1)
    };
    let names = fs::read_dir(class).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().find(|name| is(name))
}

/// Whether a process has a watchdog open whose number is one of these.
fn held(processes: &Path, is_it: impl Fn((u32, u32)) -> bool) -> io::Result<bool> {
    let mut hidden = None;
    for process in fs::read_dir(processes)?.flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        match fs::read_dir(process.path().join("fd")) {
            Ok(files) => {
                for file in files.flatten() {
                    if is_watchdog(&file.path())
                        && fs::metadata(file.path()).is_ok_and(|facts| is_it(number(facts.rdev())))
                    {
                        return Ok(true);
                    }
                }
            }
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => hidden = Some(error),
        }
    }
    hidden.map_or(Ok(false), Err)
}

/// By its name alone: to ask what is behind a foreign file can take for ever, as on a server that is away.
fn is_watchdog(file: &Path) -> bool {
    fs::read_link(file).is_ok_and(|node| node.as_os_str().as_encoded_bytes().starts_with(b"/dev/watchdog"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine whose first watchdog is a character device that every machine has, and a process that has `held` open.
    fn seen(state: &str, held: &str) -> Keeper {
        let folder = tempfile::tempdir().unwrap();
        let (class, processes) = (folder.path().join("class"), folder.path().join("proc"));
        let [dog, fds] = [class.join("watchdog0"), processes.join("7/fd")];
        fs::create_dir_all(&dog).unwrap();
        fs::create_dir_all(&fds).unwrap();
        fs::create_dir_all(processes.join("self-is-no-process")).unwrap();
        let (major, minor) = number(fs::metadata("/dev/null").unwrap().rdev());
        fs::write(dog.join("dev"), format!("{major}:{minor}\n")).unwrap();
        fs::write(dog.join("state"), state).unwrap();
        symlink(held, fds.join("3")).unwrap();
        Keeper::seen(Path::new("/dev/null"), &class, &processes)
    }

    #[test]
    fn nobody_feeds_a_watchdog_that_runs_and_is_not_open() {
        assert_eq!(seen("active\n", "/dev/zero"), Keeper::Unfed);
        assert_eq!(seen("inactive\n", "/dev/zero"), Keeper::Off);
        // A link of that name to another device is none either.
        assert_eq!(seen("active\n", "/dev/watchdog-of-nobody"), Keeper::Unfed);
    }

    #[test]
    fn what_is_no_watchdog_is_not_known_and_what_is_missing_does_not_run() {
        let nothing = Path::new("/nowhere");
        assert_eq!(Keeper::seen(nothing, nothing, nothing), Keeper::Off);
        assert_eq!(Keeper::seen(Path::new("/dev/null"), nothing, nothing), Keeper::Unknown);
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("file")).unwrap();
        assert_eq!(Keeper::seen(&folder.path().join("file"), nothing, nothing), Keeper::Unknown);
    }

    #[test]
    fn only_names_of_watchdogs_are_asked_for_their_number() {
        let folder = tempfile::tempdir().unwrap();
        for (name, node) in
            [("3", "/dev/watchdog0"), ("4", "/dev/watchdog"), ("5", "/srv/away/watchdog"), ("6", "socket:[7]")]
        {
            symlink(node, folder.path().join(name)).unwrap();
        }
        let names = ["3", "4", "5", "6"].map(|name| is_watchdog(&folder.path().join(name)));
        assert_eq!(names, [true, true, false, false]);
    }
}
