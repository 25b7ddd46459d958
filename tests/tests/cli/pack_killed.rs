//! `pack` killed at each call that changes something: the old set of packs, or the new one, and the next act removes what is left over.

use std::fs;

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::loop_board::Board;
use tests::pack::Pack;

/// Each is counted by itself.
const CALLS: [&str; 14] = [
    "pwrite64",
    "write",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "chmod",
    "mount",
    "umount2",
];

/// The act, killed at its `number`th `call`. Whether it came that far.
fn killed(board: &Board, (call, number): (&str, usize), act: &[&str]) -> bool {
    let strace = format!(
        "set -- strace -f -qqq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} taskset -c 0 \"$@\""
    );
    let answer = board.run_as(&strace, &[&["--booted", "a", "--quiet", "pack"], act].concat());
    let code = answer.code();
    assert!(matches!(code, None | Some(0 | 7 | 137)), "{call} {number}: {answer}");
    code != Some(0) && code != Some(7)
}

/// Has `act` killed at every call, one after the other: which call, and the how-manieth; it says whether it came that far.
fn at_every_call(mut act: impl FnMut(&str, usize) -> bool) {
    for call in CALLS {
        for number in 1.. {
            if !act(call, number) {
                break;
            }
        }
    }
}

fn names(board: &Board) -> Vec<String> {
    let list = board.run(&["--booted", "a", "pack", "list", "--json"]).exits(Exit::Done).json();
    let rows = list["packs"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["state"] == "waits"), "{list}");
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn files(board: &Board) -> usize {
    let store = board.system.path().join("lib/updater/packs");
    ["heads", "parts"].map(|name| fs::read_dir(store.join(name)).map_or(0, Iterator::count)).iter().sum()
}

#[test]
fn a_cut_anywhere_leaves_the_old_set_or_the_new_one() {
    let board = Board::new(BlockSize::B512);
    let workshop = &board.device.workshop;
    let old = Pack::named("old", 1).kib(20).make(workshop);
    let new = Pack::named("new", 2).kib(700).with(&["--supersedes", "old"]).make(workshop);
    let start = || {
        drop(board.run(&["--booted", "a", "pack", "purge"]));
        board.run(&["--booted", "a", "pack", "install", "--no-merge", &old]).exits(Exit::Done);
    };
    let mut seen = [0, 0];
    at_every_call(|call, number| {
        start();
        let cut = killed(&board, (call, number), &["install", "--no-merge", &new]);
        let now = names(&board);
        let is_new = now == ["new"];
        assert!(is_new || now == ["old"], "{call} {number}: {now:?}");
        if !cut {
            assert!(is_new);
            return false;
        }
        seen[usize::from(is_new)] += 1;
        // The next act ends what was cut: as if nothing had been.
        let again = board.run(&["--booted", "a", "pack", "install", "--no-merge", &new]);
        assert!(matches!(again.code(), Some(0 | 7)), "{call} {number}: {again}");
        assert_eq!((names(&board), files(&board)), (vec!["new".to_owned()], 2), "{call} {number}");
        true
    });
    assert!(seen[0] > 10 && seen[1] > 2, "{seen:?}");
    eprintln!(
        "result: pack install was killed at {} calls: {} left the old set, {} the new one",
        seen[0] + seen[1],
        seen[0],
        seen[1]
    );
}

#[test]
fn a_removal_that_is_cut_has_happened_or_not() {
    let board = Board::new(BlockSize::B512);
    let workshop = &board.device.workshop;
    let [one, two] = ["one", "two"].map(|name| Pack::named(name, 1).kib(20).make(workshop));
    let mut seen = [0, 0];
    at_every_call(|call, number| {
        drop(board.run(&["--booted", "a", "pack", "purge"]));
        for bundle in [&one, &two] {
            board.run(&["--booted", "a", "pack", "install", "--no-merge", bundle]).exits(Exit::Done);
        }
        // Nothing of these packs is merged here, so that nothing has to be.
        let cut = killed(&board, (call, number), &["remove", "one"]);
        let now = names(&board);
        let is_new = now == ["two"];
        assert!(is_new || now == ["one", "two"], "{call} {number}: {now:?}");
        if cut {
            seen[usize::from(is_new)] += 1;
        }
        cut
    });
    assert!(seen[0] > 2, "{seen:?}");
    eprintln!("result: pack remove was killed at {} calls", seen[0] + seen[1]);
}
