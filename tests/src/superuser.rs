//! Tools that need root: loop devices and mounts. As root, or with a `sudo` that asks nothing; without either the tests fail.

use std::ffi::{OsStr, OsString};
use std::process::Output;

use crate::tool;

/// Runs `program` as root and returns what it wrote to stdout.
///
/// # Panics
/// As [`tool::run`].
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> String {
    let (program, arguments) = as_root(program, arguments);
    tool::run(&program, &arguments).trim().to_owned()
}

/// Runs `program` as root to its end, whatever its exit status.
///
/// # Panics
/// As [`tool::output`].
#[must_use]
pub fn output<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> Output {
    let (program, arguments) = as_root(program, arguments);
    tool::output(&program, &arguments)
}

/// Runs `program` as root, several times if need be: what one test still holds for a moment may be in the way of another.
///
/// # Panics
/// Where it fails each time.
pub fn run_eventually<A: AsRef<OsStr>>(program: &str, arguments: &[A]) {
    let (program, arguments) = as_root(program, arguments);
    for _ in 0..100 {
        if tool::output(&program, &arguments).status.success() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    tool::run(&program, &arguments);
}

/// Whether this process is root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_root<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> (String, Vec<OsString>) {
    let arguments: Vec<OsString> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
    if is_root() {
        return (program.to_owned(), arguments);
    }
    let head = ["-n", program].map(OsString::from);
    ("sudo".to_owned(), head.into_iter().chain(arguments).collect())
}
