//! The project's own files: what a commit of the work tree would hold.

use std::path::{Path, PathBuf};

use crate::tool;

/// The folder that holds the workspace.
#[must_use]
pub fn root() -> &'static Path {
    // `tests/Cargo.toml` stands one folder below the root, wherever the clone lies.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the root")
}

/// Every file that is tracked, or new and not ignored, relative to the root and in order: a new file is judged before it is
/// committed.
///
/// # Panics
/// Where git is missing or this is no clone: the checks that read this list must fail then.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let root_name = root().to_str().expect("the clone's path is UTF-8");
    let list = ["-C", root_name, "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let names = tool::run("git", &list);
    let mut files: Vec<PathBuf> = names.split_terminator('\0').map(PathBuf::from).collect();
    files.sort();
    files.dedup();
    // A file that was deleted but not yet committed is still listed.
    files.retain(|file| root().join(file).is_file());
    files
}

/// Every file whose name ends in `extension`, with its text.
///
/// # Panics
/// Where a file cannot be read as text.
#[must_use]
pub fn texts(extension: &str) -> Vec<(PathBuf, String)> {
    let of_kind = files().into_iter().filter(|file| file.extension().is_some_and(|found| found == extension));
    of_kind.map(|file| (file.clone(), text(&file))).collect()
}

/// The text of one file, relative to the root.
///
/// # Panics
/// Where it cannot be read as text.
#[must_use]
pub fn text(file: &Path) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
