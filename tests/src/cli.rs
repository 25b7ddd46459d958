//! The program under test: the real `updater-cli`, run as a user runs it.
//!
//! A test program stands in `TARGET/PROFILE/deps`, so the program is `TARGET/PROFILE/updater-cli`: `cargo build -p updater-cli`
//! brings it up to date once in each test program, with the same profile and target folder. `UPDATER_CLI=PATH` names another one,
//! a release or a static build, which is taken as it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::tree;

/// The program's path.
///
/// # Panics
/// Where it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("UPDATER_CLI").map_or_else(built, PathBuf::from))
}

fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent).expect("it stands in TARGET/PROFILE/deps");
    let target = folder.parent().expect("it stands in TARGET/PROFILE/deps");
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") => "dev",
        Some(other) => other,
        None => panic!("{} names no profile", folder.display()),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(["build", "--locked", "--quiet", "--package", "updater-cli", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(tree::root())
        .status()
        .expect("cargo can be run");
    assert!(done.success(), "updater-cli does not build: {done}");
    folder.join("updater-cli")
}
