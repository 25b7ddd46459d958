//! Programs of the system that do what is declared: none out of a pack or a version that is laid goes before them.

use std::process::{Command, Stdio};

/// Runs one. Why it failed; `None`: it did not.
pub fn run(words: &[&str]) -> Option<String> {
    let (program, rest) = words.split_first()?;
    match Command::new(program).args(rest).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => Some(error.to_string()),
    }
}
