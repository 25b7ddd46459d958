//! Processes that use files, by what `/proc` says of them.

use std::fs;
use std::path::{Path, PathBuf};

use libupdate::units::limits::SYSTEM_BYTES;

use crate::file;

const PROC: &str = "/proc";
/// What the kernel adds to the path of a file that has no name any more.
const DELETED: &str = " (deleted)";

/// A process that uses a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Its number.
    pub pid: u32,
    /// Its name, of the kernel's 15 bytes.
    pub name: String,
    /// The first such file.
    pub path: PathBuf,
}

/// Every other process that runs, has open, has mapped, or works in a file that `is_one`. What cannot be asked uses none.
pub fn users(is_one: impl Fn(&Path) -> bool) -> Vec<User> {
    let numbers =
        fs::read_dir(PROC).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut users: Vec<User> =
        numbers.filter(|pid| *pid != std::process::id()).filter_map(|pid| user(pid, &is_one)).collect();
    users.sort_by_key(|user| user.pid);
    users
}

fn user(pid: u32, is_one: &impl Fn(&Path) -> bool) -> Option<User> {
    let path = files(pid).into_iter().find(|path| is_one(path))?;
    let name = fs::read_to_string(Path::new(PROC).join(pid.to_string()).join("comm")).unwrap_or_default();
    Some(User { pid, name: name.trim().to_owned(), path })
}

/// What a process uses.
#[must_use]
pub fn files(pid: u32) -> Vec<PathBuf> {
    let at = Path::new(PROC).join(pid.to_string());
    let mut links: Vec<PathBuf> = ["exe", "cwd", "root"].map(|name| at.join(name)).to_vec();
    links.extend(fs::read_dir(at.join("fd")).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())));
    let linked = links.into_iter().filter_map(|link| fs::read_link(link).ok());
    let maps = file::read(&at.join("maps"), SYSTEM_BYTES).unwrap_or_default();
    let mapped: Vec<PathBuf> = String::from_utf8_lossy(&maps).lines().filter_map(mapped).collect();
    let mut files: Vec<PathBuf> = linked.chain(mapped).map(|path| without_mark(&path)).collect();
    files.dedup();
    files
}

/// By proc(5): a path is the sixth field, and goes to the end of the line.
fn mapped(line: &str) -> Option<PathBuf> {
    line.find('/').and_then(|at| line.get(at..)).map(PathBuf::from)
}

fn without_mark(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    text.strip_suffix(DELETED).map_or_else(|| path.to_owned(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn who_has_a_file_open_or_mapped_is_found() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a file");
        fs::write(&file, "x").unwrap();
        assert_eq!(users(|path| path == file), []);
        let mut sleeper = Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(&file).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let found = users(|path| path == file);
        fs::remove_file(&file).unwrap();
        let removed = users(|path| path == file);
        let runs = users(|path| path.ends_with("sleep"));
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!((found.len(), found[0].pid, found[0].name.as_str()), (1, sleeper.id(), "sleep"));
        assert_eq!(removed, found);
        assert!(runs.iter().any(|user| user.pid == sleeper.id()));
    }

    #[test]
    fn a_line_of_the_maps_has_a_path_or_none() {
        let line = "7f00-7f01 r-xp 00000000 08:01 12   /usr/lib/a b.so (deleted)";
        assert_eq!(mapped(line).map(|path| without_mark(&path)), Some(PathBuf::from("/usr/lib/a b.so")));
        assert_eq!(mapped("7ffd-7ffe rw-p 00000000 00:00 0   [stack]"), None);
    }
}
