//! Overlays that are kept: which boots lay them, and what becomes of them on another version.

use serde_json::{Value, json};
use tests::answer::Exit;
use tests::loop_board::Board;
use tests::overlay::{SHELL, after, board, in_store, listed, on};

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
    drop(in_store(&board, "rm -r kept/upper; echo rot >kept/upper"));
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

/// What a set that is lost does not name is not taken for what a cut has left.
#[test]
fn a_set_that_is_lost_loses_no_layer() {
    let board = board();
    let add = ["add", "/usr/share/updater-kept=/proc/version"];
    after(&board, "q overlay create --keep boot --name kept", &add).exits(Exit::Done);
    drop(in_store(&board, "test -e kept/upper/share/updater-kept; echo '{' >set.json"));
    board.boots("", "");
    after(&board, "true", &["create", "--name", "other"]).exits(Exit::Io).says("move that folder elsewhere");
    drop(in_store(&board, "rm set.json"));
    let same = ["create", "--keep", "boot", "--name", "kept"];
    after(&board, "true", &same).exits(Exit::Refused).says("no set of overlays names it");
    after(&board, "true", &["create", "--name", "other"]).exits(Exit::Done);
    drop(in_store(&board, "test -e kept/upper/share/updater-kept"));
}

/// One that cannot be laid keeps no other one away, whichever is on top.
#[test]
fn one_that_is_broken_is_left_out_alone() {
    let make = "for n in a b; do q overlay create --keep boot --name $n; q overlay add --name $n /usr/share/updater-$n=/proc/version; done";
    for broken in ["a", "b"] {
        let board = board();
        after(&board, make, &["list"]).exits(Exit::Done);
        drop(in_store(&board, &format!("rm -r {broken}/upper; echo rot >{broken}/upper")));
        board.boots(&report("a", "good", 3), "updater.slot=a");
        let rows = listed(&board, "u live boot 2>/run/said; grep -q 'is not laid' /run/said", "");
        let live: Vec<bool> = rows.as_array().unwrap().iter().map(|row| row["live"].as_bool().unwrap()).collect();
        assert_eq!(live, [broken != "a", broken != "b"], "{rows}");
    }
}
