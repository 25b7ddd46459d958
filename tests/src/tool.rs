//! Foreign tools as oracles. A missing tool fails the test; it is never skipped in silence.

use std::ffi::OsStr;
use std::process::{Command, Output};

/// Folders of tools that a plain user's `PATH` may lack.
pub const SYSTEM_FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Runs `program` to its end, whatever its exit status.
///
/// # Panics
/// Where the program cannot be started: install it, do not skip the test.
#[must_use]
pub fn output<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(program)
        .args(arguments)
        .env("PATH", format!("{path}:{SYSTEM_FOLDERS}"))
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| {
            panic!("the oracle `{program}` cannot be run ({error}): install it, this test needs it")
        })
}

/// Runs `program` and returns what it wrote to stdout.
///
/// # Panics
/// Where the program cannot be started or its exit status is not 0.
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> String {
    let output = output(program, arguments);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} ended with {}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

/// Runs `program`, which must have nothing to complain about, and returns what it wrote to stdout.
///
/// # Panics
/// As [`run`], and where it wrote anything to stderr.
#[must_use]
pub fn run_silent<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> String {
    let output = output(program, arguments);
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let silent = output.status.success() && stderr.is_empty();
    assert!(silent, "{program} ended with {} and complains\n{stdout}\n{stderr}", output.status);
    stdout
}

/// A command that knows nothing of the cargo that runs this test. Some build scripts look at what cargo tells of a package (that
/// of `ring` at CARGO_MANIFEST_DIR): told of package `tests`, they run again and their libraries are compiled again, and once more
/// when a shell builds the same.
#[must_use]
pub fn outside_cargo(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let of_package = |prefix| name.to_str().is_some_and(|name| name.starts_with(prefix));
        if of_package("CARGO_PKG_") || of_package("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "cannot be run")]
    fn a_missing_tool_fails_loudly() {
        run("no-such-oracle", &["-v"]);
    }

    #[test]
    #[should_panic(expected = "ended with")]
    fn a_failing_tool_fails_loudly() {
        run("false", &[""; 0]);
    }

    #[test]
    #[should_panic(expected = "and complains")]
    fn a_complaining_tool_fails_loudly() {
        assert_eq!(run_silent("sh", &["-c", "echo no >&2"]), "");
    }
}
