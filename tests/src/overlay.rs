//! Overlays of the tests: scripts in mounts of their own, on a board.

use libupdate::BlockSize;
use serde_json::Value;

use crate::answer::{Answer, Exit};
use crate::loop_board::Board;
use crate::superuser;

/// `u` is the program on the board, in the shell.
pub const SHELL: &str = "B=\"$*\"; B=\"${B%% overlay *}\"; u() { $B \"$@\"; }; q() { u \"$@\" >/dev/null; }";

/// A device with release 1.0.
#[must_use]
pub fn board() -> Board {
    Board::new(BlockSize::B512)
}

/// A script, and then an act on overlays, in one boot of a slot.
#[must_use]
pub fn on(board: &Board, slot: &str, script: &str, verb: &[&str]) -> Answer {
    // In lines of their own: in a list of commands the shell would go on after one that fails.
    board.run_as(&format!("{SHELL}; set -e; {script}\ntrue"), &[&["--booted", slot, "overlay"], verb].concat())
}

/// The same in one boot of slot a.
#[must_use]
pub fn after(board: &Board, script: &str, verb: &[&str]) -> Answer {
    on(board, "a", script, verb)
}

/// The rows of `overlay list` after a script.
///
/// # Panics
/// Where it fails.
#[must_use]
pub fn listed(board: &Board, script: &str, name: &str) -> Value {
    let verb = if name.is_empty() { vec!["list", "--json"] } else { vec!["list", name, "--json"] };
    after(board, script, &verb).exits(Exit::Done).json()["overlays"].clone()
}

/// Path and change of each entry of a row.
///
/// # Panics
/// Where it has none.
#[must_use]
pub fn entries(row: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    row["entries"].as_array().unwrap().iter().map(|entry| (text(&entry["path"]), text(&entry["change"]))).collect()
}

/// The same of literals.
#[must_use]
pub fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(path, change)| ((*path).to_owned(), (*change).to_owned())).collect()
}

/// A script as root where the board's kept overlays are: the folder is root's own.
///
/// # Panics
/// Where it fails.
pub fn in_store(board: &Board, script: &str) -> String {
    let folder = board.system.path().join("lib/updater/overlays");
    superuser::run("sh", &["-ec", &format!("mkdir -p '{0}'; cd '{0}'; {script}", folder.display())])
}
