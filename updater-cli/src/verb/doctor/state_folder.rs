//! Where the program remembers its last result, and how much room is there and in `/run`.

use std::path::Path;

use rustix::fs::{Access, statvfs};

use super::row::Row;
use crate::output::Size;

/// Where acts are remembered.
const FOLDER: &str = "/var/lib/updater";
const NAME: &str = "state-folder";
const SPACE: &str = "space";
/// Less than this is no room: a result and a report are some KiB.
const ENOUGH: u64 = 1 << 20;

/// The checks.
pub fn rows() -> Vec<Row> {
    let folder = there(Path::new(FOLDER));
    let writable = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| errno.to_string());
    let free = |path: &Path| Some((path.display().to_string(), free(path)?));
    let places: Vec<(String, u64)> = [folder, Path::new("/run")].into_iter().filter_map(free).collect();
    vec![judge(writable), judge_space(&places)]
}

/// The folder, or what is there above it.
fn there(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

fn free(path: &Path) -> Option<u64> {
    let facts = statvfs(path).ok()?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

fn judge(writable: Result<(), String>) -> Row {
    match writable {
        Ok(()) => Row::ok(NAME, format!("{FOLDER} can be written")),
        Err(why) => Row::warning(
            NAME,
            format!("{FOLDER} cannot be written: {why}; `status` does not know how the last installation ended"),
            "give the system a /var that it can write: `var` in [boot], or a tmpfs; and run this as root",
        ),
    }
}

fn judge_space(places: &[(String, u64)]) -> Row {
    let in_words = |(path, free): &(String, u64)| format!("{path} has {} left", Size(*free));
    let full: Vec<String> = places.iter().filter(|(_, free)| *free < ENOUGH).map(in_words).collect();
    if full.is_empty() {
        Row::ok(SPACE, places.iter().map(in_words).collect::<Vec<_>>().join(", "))
    } else {
        Row::warning(SPACE, full.join(", "), "remove what is not needed there")
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        assert_eq!(judge(Ok(())).state, State::Ok);
        let row = judge(Err("read-only".into()));
        assert!(row.state == State::Warning && row.told().1.contains("read-only"), "{row:?}");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(there(&folder.path().join("not/there")), folder.path());
    }

    #[test]
    fn a_full_file_system_is_told() {
        let row = |free| judge_space(&[("/var".into(), free), ("/run".into(), 1 << 30)]);
        assert_eq!(row(ENOUGH).state, State::Ok);
        assert!(row(ENOUGH - 1).state == State::Warning && !row(ENOUGH - 1).told().1.contains("/run"));
    }
}
