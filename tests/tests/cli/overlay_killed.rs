//! `overlay` killed at each call that changes something: the old set of overlays, or the new one, and the system's folder is there at every moment.

use std::fs;

use serde_json::Value;
use tests::answer::Exit;
use tests::loop_board::Board;
use tests::overlay::{after, board, in_store, listed, on};

/// Each is counted by itself.
const CALLS: [&str; 14] = [
    "write",
    "fsync",
    "syncfs",
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
        // Of an overlay that nobody writes: it is taken away for the act.
        ("q overlay create --keep boot --read-only --name new", "overlay add /usr/bin/cat", "new"),
        (
            "q overlay create --keep boot --read-only --name new; q overlay add /usr/bin/cat",
            "overlay optimize new",
            "new",
        ),
        (
            "q overlay create --keep boot --name new; echo x >/usr/share/x; q overlay backup new -o /run/new --force; q overlay remove new",
            "overlay restore /run/new",
            "new",
        ),
    ];
    let mut seen = [0, 0];
    for (before, act, name) in acts {
        let mut last = Value::Null;
        for call in CALLS {
            for number in 1.. {
                drop(in_store(&board, "rm -rf ./*"));
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
                let left = in_store(&board, "ls | wc -l");
                assert_eq!(left, if there { "3" } else { "2" }, "{act}: {call} {number}");
            }
        }
        assert!(last.is_array(), "{act}");
    }
    assert!(seen[0] > 10 && seen[1] > 10, "{seen:?}");
    eprintln!(
        "result: overlay create, remove, disable, add, optimize and restore were killed; {} left the overlay, {} did not",
        seen[1], seen[0]
    );
}

/// The boot that drops what was changed of another version, killed anywhere: the next one ends it, and what was added is never dropped.
#[test]
fn a_cut_while_a_version_is_left_is_ended_by_the_next_boot() {
    let board = board();
    board.run(&["--booted", "a", "install", &board.device.workshop.bundle_text(2)]).exits(Exit::Done);
    let change = "q overlay create --keep version --name v; echo added >/usr/share/updater-v; echo changed >/usr/bin/env; rm /usr/bin/head";
    after(&board, change, &["list"]).exits(Exit::Done);
    board.run(&["--booted", "b", "mark-good", "--slot", "b", "--danger-untried"]).exits(Exit::Done);
    drop(in_store(&board, "rm -rf ../saved; cp -a . ../saved"));
    let report = r#"{"schema":1,"slot":"b","kind":"good","tries_left":3}"#;
    let mut cuts = 0;
    for call in ["unlink", "unlinkat", "rmdir", "syncfs", "rename", "fsync", "mount", "move_mount"] {
        for number in 1.. {
            drop(in_store(&board, "rm -rf ./* ../boots; cp -a ../saved/. ."));
            board.boots(report, "updater.slot=b");
            let killed = format!(
                "strace -f -qqq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} $B live boot >/dev/null 2>&1 || C=$?; \
                 echo ${{C:-0}} >/run/code"
            );
            on(&board, "b", &killed, &["list"]).exits(Exit::Done);
            let code = fs::read_to_string(board.system.path().join("run/code")).unwrap();
            assert!(matches!(code.trim(), "0" | "137"), "{call} {number}: {code}");
            board.boots(report, "updater.slot=b");
            let again = "u live boot 2>/dev/null; test $(cat /usr/share/updater-v) = added; test -x /usr/bin/head; test -s /usr/bin/env";
            let row = on(&board, "b", again, &["list", "--json"]).exits(Exit::Done).json()["overlays"][0].clone();
            assert_eq!(
                (&row["added"], &row["changed"], &row["removed"]),
                (&1.into(), &0.into(), &0.into()),
                "{call} {number}: {row}"
            );
            if code.trim() == "0" {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > 8, "{cuts}");
    eprintln!("result: the boot that leaves a version was killed at {cuts} calls");
}
