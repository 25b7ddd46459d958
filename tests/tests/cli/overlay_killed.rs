//! `overlay` killed at each call that changes something: the old set of overlays, or the new one, and the system's folder is there at every moment.

use std::fs;

use serde_json::Value;
use tests::answer::Exit;
use tests::loop_board::Board;
use tests::overlay::{after, board, listed};

/// Each is counted by itself.
const CALLS: [&str; 13] = [
    "write",
    "fsync",
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
    "chmod",
    "chown",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "mount_setattr",
];

/// Whether the act came as far as the `number`th `call`, at which it is killed, and what is there then.
fn killed(board: &Board, (call, number): (&str, usize), (before, act): (&str, &str)) -> (bool, Value) {
    let strace = format!(
        "strace -f -qqq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} taskset -c 0 $B --quiet {act} >/dev/null 2>&1 || C=$?; \
         echo ${{C:-0}} >/run/code; test -x /usr/bin/env && test -d /usr/share"
    );
    let rows = listed(board, &format!("{before}; {strace}"), "");
    let code = fs::read_to_string(board.system.path().join("run/code")).unwrap();
    assert!(matches!(code.trim(), "0" | "137"), "{call} {number}: {code}");
    (code.trim() == "137", rows)
}

/// The system's folder is there at every moment, and the next act ends what was cut.
#[test]
fn a_cut_anywhere_leaves_the_old_set_or_the_new_one() {
    let board = board();
    let acts = [
        ("true", "overlay create --keep boot --name new", "new"),
        ("q overlay create --keep boot --name new; echo x >/usr/share/x", "overlay remove new", "new"),
        ("q overlay create --keep boot --name new; echo x >/usr/share/x", "overlay disable new", "new"),
    ];
    let mut seen = [0, 0];
    for (before, act, name) in acts {
        let mut last = Value::Null;
        for call in CALLS {
            for number in 1.. {
                fs::remove_dir_all(board.system.path().join("lib/updater/overlays")).unwrap_or_default();
                board.boots("", "");
                let (cut, rows) = killed(&board, (call, number), (before, act));
                let there = rows[0]["name"] == name;
                seen[usize::from(there)] += 1;
                if !cut {
                    last = rows;
                    break;
                }
                // The next act finds a place that it can work in.
                board.boots("", "");
                let again = after(&board, "true", &["create", "--keep", "boot", "--name", "other"]);
                again.exits(Exit::Done);
                let left = fs::read_dir(board.system.path().join("lib/updater/overlays")).unwrap().count();
                assert_eq!(left, if there { 3 } else { 2 }, "{act}: {call} {number}");
            }
        }
        assert!(last.is_array(), "{act}");
    }
    assert!(seen[0] > 10 && seen[1] > 10, "{seen:?}");
    eprintln!(
        "result: overlay create, remove and disable were killed; {} left the overlay, {} did not",
        seen[1], seen[0]
    );
}
