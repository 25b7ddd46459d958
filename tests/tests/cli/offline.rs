//! `offline` as it is run: what is prepared is whole, what is asked for is done once. The boots themselves are in `tests/tests/boot/offline.rs`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::{Answer, Exit};
use tests::chance::Chance;
use tests::loop_board::Board;

const FOLDER: &str = "/var/lib/updater/offline";

fn board() -> (Board, PathBuf) {
    let board = Board::new(BlockSize::B512);
    let folder = board.system.path().join("lib/updater/offline");
    (board, folder)
}

fn prepare(board: &Board, bundle: &str) -> Answer {
    board.run(&["--booted", "a", "offline", "prepare", bundle])
}

fn status(board: &Board) -> Value {
    board.run(&["offline", "status", "--json"]).exits(Exit::Done).json()
}

/// As a boot that was asked to.
fn run(board: &Board) -> Answer {
    symlink(FOLDER, board.system.path().join("lib/updater/system-update")).unwrap();
    let answer = board.run(&["--booted", "a", "offline", "run"]);
    assert!(fs::symlink_metadata(board.system.path().join("lib/updater/system-update")).is_err());
    assert!(board.system.path().join("run/updater/offline-began").exists());
    answer
}

fn files(folder: &PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_prepared_is_installed_once() {
    let (board, folder) = board();
    let bundle = board.device.workshop.bundle_text(2);
    assert_eq!(status(&board)["prepared"], Value::Null);
    let told = prepare(&board, &bundle).exits(Exit::Done);
    assert!(
        told.stdout().contains("prepared    2.0 (") && told.stdout().contains("the next boot is as usual"),
        "{told}"
    );
    assert_eq!(fs::read(folder.join("bundle")).unwrap(), fs::read(&bundle).unwrap());
    // Nothing was asked for yet.
    board.run(&["--booted", "a", "offline", "run"]).exits(Exit::Done).says("no offline update was asked for");
    assert_eq!(board.run(&["--booted", "a", "status", "--json"]).json()["slots"][1]["state"], "empty");
    run(&board).exits(Exit::Done);
    let ended = status(&board);
    assert_eq!(
        (&ended["prepared"], &ended["triggered"], &ended["last"]["class"]),
        (&Value::Null, &Value::Null, &"done".into())
    );
    assert_eq!(files(&folder), ["lock", "result.json"]);
    let slots = board.run(&["--booted", "a", "status", "--json"]).exits(Exit::Done).json();
    assert_eq!(
        (&slots["slots"][1]["state"], &slots["last_result"]["verb"]),
        (&"trial".into(), &"offline-install".into())
    );
    let log = board.run(&["offline", "log", "--json"]).exits(Exit::Done).json();
    let verbs: Vec<&Value> = log["entries"].as_array().unwrap().iter().map(|entry| &entry["verb"]).collect();
    // The one that was asked for, and the one before it, which was not.
    assert!(verbs.iter().all(|verb| **verb == "offline-install") && !verbs.is_empty(), "{log}");
    // Asked for without one that is prepared.
    run(&board).exits(Exit::Refused).says("none is prepared");
}

#[test]
fn what_is_wrong_is_not_prepared() {
    let (board, folder) = board();
    let good = board.device.workshop.bundle_text(2);
    let cut = board.device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    let flipped = board.device.workshop.altered(|bytes| {
        let at = bytes.len() - 5000;
        bytes[at] ^= 1;
    });
    prepare(&board, &good).exits(Exit::Done);
    for (bundle, exit) in
        [(cut.as_str(), Exit::NotAuthentic), (&flipped, Exit::NotAuthentic), ("/nowhere", Exit::Usage)]
    {
        prepare(&board, bundle).exits(exit).says(bundle);
        // What was asked for before is not meant any more.
        assert_eq!((status(&board)["prepared"].clone(), files(&folder)), (Value::Null, vec!["lock".to_owned()]));
    }
    prepare(&board, &board.device.workshop.bundle_text(1)).exits(Exit::Done);
    // What the device would refuse, is refused now: an older release.
    let full = "mount -t tmpfs -o size=1m tmpfs /var/lib";
    board
        .run_as(full, &["--booted", "a", "offline", "prepare", &good])
        .exits(Exit::NoSpace)
        .says("it cannot be stored");
    board.device.refuses_untouched(
        &["offline", "prepare", &good],
        Exit::Usage,
        "no system runs from a disk image file",
    );
}

/// Killed at random moments: a request never names what is not whole.
#[test]
fn a_preparation_that_is_killed_leaves_no_request_or_a_whole_one() {
    let (board, folder) = board();
    let bundle = board.device.workshop.bundle_text(2);
    let whole = fs::read(&bundle).unwrap();
    let mut chance = Chance::new(2026).named("prepare");
    let mut cut = 0;
    for _ in 0..20 {
        let seconds = format!("0.{:03}", chance.below(250));
        let killed = format!("timeout -s KILL {seconds} \"$@\" >/dev/null 2>&1; exit 0");
        board.run_as(&killed, &["--booted", "a", "offline", "prepare", &bundle]).exits(Exit::Done);
        match status(&board)["prepared"] {
            Value::Null => cut += 1,
            _ => assert_eq!(fs::read(folder.join("bundle")).unwrap(), whole),
        }
    }
    assert!(cut > 0, "none was cut");
    prepare(&board, &bundle).exits(Exit::Done);
    run(&board).exits(Exit::Done);
}

/// The first act is durable, and what was cut says so.
#[test]
fn an_update_that_is_killed_is_not_tried_again_and_tells() {
    let (board, _) = board();
    let bundle = board.device.workshop.bundle_text(2);
    prepare(&board, &bundle).exits(Exit::Done);
    let link = board.system.path().join("lib/updater/system-update");
    symlink(FOLDER, &link).unwrap();
    let killed = "{ \"$@\" >/dev/null 2>&1 & while [ -L /var/lib/updater/system-update ]; do :; done; kill -KILL $!; wait; exit 0; }";
    board.run_as(killed, &["--booted", "a", "offline", "run"]).exits(Exit::Done);
    assert!(fs::symlink_metadata(&link).is_err());
    board.run(&["--booted", "a", "offline", "run"]).exits(Exit::Done).says("no offline update was asked for");
    let told = board.run(&["offline", "status"]).exits(Exit::Done);
    assert!(!told.stdout().contains("last        2.0: done"), "{told}");
    // What is prepared is there for another attempt, which somebody has to ask for.
    run(&board).exits(Exit::Done);
}

#[test]
fn cancel_takes_back_what_was_asked_for() {
    let (board, folder) = board();
    prepare(&board, &board.device.workshop.bundle_text(2)).exits(Exit::Done);
    let link = board.system.path().join("lib/updater/system-update");
    symlink(FOLDER, &link).unwrap();
    assert_eq!(status(&board)["triggered"], "/var/lib/updater/system-update");
    board.run(&["offline", "cancel"]).exits(Exit::Done);
    assert!(fs::symlink_metadata(&link).is_err());
    assert_eq!(files(&folder), ["lock"]);
    board.run(&["offline", "cancel"]).exits(Exit::Nothing).says("no offline update is prepared");
    board.run(&["--booted", "a", "offline", "trigger"]).exits(Exit::Refused).says("prepare one with `offline prepare");
}

/// The script that ends such a boot: what is ours goes, and the machine with it; what is another's is left alone.
#[test]
fn the_end_of_such_a_boot_is_what_was_asked_for_and_only_ours() {
    let script = tests::tree::root().join("updater-cli/package/updater-offline-ends");
    let ends = |ours: bool, began: bool, poweroff: bool| {
        let (board, folder) = board();
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(board.system.path().join("run/updater")).unwrap();
        fs::create_dir_all(board.system.path().join("run/bin")).unwrap();
        let link = board.system.path().join("lib/updater/system-update");
        symlink(if ours { FOLDER } else { "/var/lib/PackageKit" }, &link).unwrap();
        if began {
            fs::write(board.system.path().join("run/updater/offline-began"), "").unwrap();
        }
        if poweroff {
            fs::write(folder.join("poweroff"), "").unwrap();
        }
        let fake = format!(
            "printf '#!/bin/sh\\necho systemctl \"$@\" >/run/told\\n' >/run/bin/systemctl && chmod +x /run/bin/systemctl && \
             PATH=/run/bin:$PATH sh {}; exit 0",
            script.display()
        );
        board.run_as(&fake, &["version"]).exits(Exit::Done);
        let told = fs::read_to_string(board.system.path().join("run/told")).unwrap_or_default();
        (told.trim().to_owned(), fs::symlink_metadata(&link).is_ok())
    };
    // Never started, ended, and not ours.
    assert_eq!(ends(true, false, false), ("systemctl --no-block reboot".to_owned(), false));
    assert_eq!(ends(true, false, true), ("systemctl --no-block poweroff".to_owned(), false));
    assert_eq!(ends(false, true, true), ("systemctl --no-block poweroff".to_owned(), true));
    assert_eq!(ends(false, false, true), (String::new(), true));
}
