//! Overlays that are kept: which boots lay them, and what becomes of them on another version.

use std::fs;

use serde_json::{Value, json};
use tests::answer::Exit;
use tests::loop_board::Board;
use tests::overlay::{SHELL, after, board, listed, on};

/// A hook's report of this boot.
fn report(slot: &str, kind: &str, tries: u8) -> String {
    json!({"schema": 1, "slot": slot, "kind": kind, "tries_left": tries}).to_string()
}

fn booted(board: &Board, kind: &str, tries: u8) -> Value {
    board.boots(&report("a", kind, tries), "updater.slot=a");
    let script = "u live boot 2>/run/said || { cat /run/said >&2; exit 1; }; cat /usr/share/updater-kept >/run/seen 2>/dev/null || rm -f /run/seen";
    let answer = board
        .run_as(&format!("{}; set -e; {script}\ntrue", SHELL.replace("overlay", "status")), &["status", "--json"])
        .exits(Exit::Done);
    let seen = board.system.path().join("run/seen").exists();
    let row = answer.json()["overlays"][0].clone();
    assert_eq!(row["live"], json!(seen), "{row}");
    row
}

#[test]
fn a_kept_overlay_is_laid_again_by_the_boots_that_may_have_it() {
    let board = board();
    after(&board, "q overlay create --keep boot --name kept", &["add", "/usr/share/updater-kept=/proc/version"])
        .exits(Exit::Done);
    let live = |row: &Value| row["live"].as_bool().unwrap();
    assert!(live(&booted(&board, "good", 0)));
    assert!(live(&booted(&board, "counted", 2)));
    // A trial has none of it, and that turns nothing off.
    assert!(!live(&booted(&board, "trial", 2)));
    assert!(live(&booted(&board, "counted", 2)));
    // What nobody confirms ends without.
    let off = booted(&board, "counted", 0);
    assert!(!live(&off) && off["why"].as_str().unwrap().contains("not confirmed"), "{off}");
    assert!(!live(&booted(&board, "good", 3)));
    after(&board, "true", &["enable", "kept"]).exits(Exit::Done);
    assert!(live(&booted(&board, "good", 3)));
    for kind in ["suspect", "last-resort"] {
        assert!(!live(&booted(&board, kind, 0)), "{kind}");
        after(&board, "true", &["enable", "kept"]).exits(Exit::Done);
    }
    // Boots that nobody counts are counted here.
    assert!(live(&booted(&board, "good", 0)) && live(&booted(&board, "good", 0)) && !live(&booted(&board, "good", 0)));
    after(&board, "true", &["enable", "kept"]).exits(Exit::Done);
    board.boots(&report("a", "good", 0), "updater.slot=a");
    for _ in 0..4 {
        assert!(live(&booted(&board, "good", 0)));
        board.run(&["--booted", "a", "mark-good"]).exits(Exit::Done);
    }
    // One that cannot be read is told, and the boot goes on.
    fs::remove_dir_all(board.system.path().join("lib/updater/overlays/kept/upper")).unwrap();
    fs::write(board.system.path().join("lib/updater/overlays/kept/upper"), "rot").unwrap();
    let broken = booted(&board, "good", 0);
    assert!(!live(&broken) && broken["why"].is_string(), "{broken}");
}

#[test]
fn another_version_drops_what_was_changed_and_keeps_what_was_added() {
    let board = board();
    board.run(&["--booted", "a", "install", &board.device.workshop.bundle_text(2)]).exits(Exit::Done);
    let script = "q overlay create --keep version --name v; echo added >/usr/share/updater-kept; echo changed >/usr/bin/env; rm /usr/bin/head
        q overlay create --keep boot --name b --scope opt; echo x >/opt/updater-b";
    let row = listed(&board, script, "v")[0].clone();
    assert_eq!((&row["added"], &row["changed"], &row["removed"]), (&json!(1), &json!(1), &json!(1)));
    let root = row["root_hash"].clone();
    // Slot b has another root hash. It is good.
    board.run(&["--booted", "b", "mark-good", "--slot", "b", "--danger-untried"]).exits(Exit::Done);
    board.boots(&report("b", "good", 3), "updater.slot=b");
    let script = "u live boot 2>/run/said; grep -q 'the overlay v changed 2 files of another version' /run/said; test $(cat /usr/share/updater-kept) = added; test -x /usr/bin/head; test -e /opt/updater-b";
    let rows = on(&board, "b", script, &["list", "--json"]).exits(Exit::Done).json()["overlays"].clone();
    assert_eq!(
        (&rows[1]["added"], &rows[1]["changed"], &rows[1]["removed"]),
        (&json!(1), &json!(0), &json!(0)),
        "{rows}"
    );
    assert!(rows[1]["root_hash"] != root && rows[1]["live"] == true && rows[0]["live"] == true, "{rows}");
}
