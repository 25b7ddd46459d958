//! `overlay` as it is run: real overlays of the kernel, over the `/usr` of the machine that tests, in mounts of each run's own. Boots are in
//! `tests/tests/boot/overlays.rs`.

use serde_json::json;
use tests::answer::Exit;
use tests::overlay::{after, board, entries, in_store, listed, pairs};

#[test]
fn what_is_written_goes_to_the_overlay_and_not_to_the_base() {
    let board = board();
    assert_eq!(listed(&board, "true", ""), json!([]));
    let script = "q overlay create --size 16M
        echo new >/usr/share/updater-new; echo changed >/usr/bin/env.changed; cp /usr/bin/true /usr/share/updater-true
        rm /usr/bin/head; mv /usr/bin/tail /usr/bin/updater-tail
        rm -r /usr/share/perl5; mkdir /usr/share/perl5; echo x >/usr/share/perl5/x
        echo more >>/usr/bin/cat
        test ! -e /run/updater/base/usr/share/updater-new; test -e /run/updater/base/usr/bin/head
        test \"$(u status | grep -c '^overlay usr over /usr (memory, .* added, .* changed, 2 removed) is on, and written$')\" = 1";
    let row = listed(&board, script, "usr")[0].clone();
    assert_eq!((&row["live"], &row["written"], &row["keep"]), (&json!(true), &json!(true), &json!("none")));
    let wanted = pairs(&[
        ("/usr/bin/cat", "changed"),
        ("/usr/bin/env.changed", "added"),
        ("/usr/bin/head", "removed"),
        ("/usr/bin/tail", "removed"),
        ("/usr/bin/updater-tail", "added"),
        ("/usr/share/perl5", "replaced"),
        ("/usr/share/perl5/x", "added"),
        ("/usr/share/updater-new", "added"),
        ("/usr/share/updater-true", "added"),
    ]);
    assert_eq!(entries(&row), wanted);
    // The next boot has nothing of it.
    board.boots("", "");
    assert_eq!(listed(&board, "true", ""), json!([]));
}

#[test]
fn an_overlay_is_turned_off_and_on_and_removed_without_a_trace() {
    let board = board();
    let script = "q overlay create --name fix; echo x >/usr/share/updater-x
        N=$(grep -c . /proc/self/mountinfo)
        for i in $(seq 20); do q overlay disable fix; test ! -e /usr/share/updater-x; q overlay enable fix; test -e /usr/share/updater-x; done
        test $(grep -c . /proc/self/mountinfo) = $N
        ! u overlay enable fix 2>/dev/null; test $? = 0
        q overlay disable fix; q overlay priority fix 3; q overlay enable fix";
    let answer = after(&board, script, &["remove", "fix", "--json"]).exits(Exit::Done);
    assert_eq!(answer.json(), json!({"schema": 1, "name": "fix", "aside": null, "overlay": null}));
    after(&board, "true", &["create", "--name", "fix"]).exits(Exit::Done);
    after(&board, "q overlay create --name one", &["create", "--name", "one"])
        .exits(Exit::Refused)
        .says("there is an overlay one");
    after(&board, "q overlay create --name two", &["enable", "two"]).exits(Exit::Nothing);
    after(&board, "true", &["enable", "three"]).exits(Exit::Usage).says("there is no overlay three");
    let log = board.run(&["--booted", "a", "log", "--json"]).exits(Exit::Done).json();
    let verbs: Vec<&str> =
        log["entries"].as_array().unwrap().iter().map(|entry| entry["verb"].as_str().unwrap()).collect();
    for verb in ["overlay-create", "overlay-disable", "overlay-enable", "overlay-priority", "overlay-remove"] {
        assert!(verbs.contains(&verb), "{verbs:?}");
    }
}

#[test]
fn a_size_that_memory_has_not_and_bad_words_are_refused() {
    let board = board();
    let create = |words: &[&str]| after(&board, "true", &[&["create"], words].concat());
    create(&["--size", "900T"]).exits(Exit::NoSpace).says("are free");
    for wrong in ["0", "x", "101%", "1K"] {
        create(&["--size", wrong]).exits(Exit::Usage).says("is no size");
    }
    create(&["--size", "1M", "--keep", "boot"]).exits(Exit::Usage).says("--size is for an overlay that is memory");
    for wrong in ["", "A", "a/b", "..", "-a", "removed", "a:b"] {
        create(&["--name", wrong]).exits(Exit::Usage);
    }
    create(&["--scope", "etc"]).exits(Exit::Refused).says("/etc can be written as it is");
    let many = "for i in 1 2 3 4 5 6 7 8; do q overlay create --size 64K --name o$i; done";
    after(&board, many, &["create", "--name", "more"]).exits(Exit::Refused).says("there are 8 overlays");
    // What is full is full, and the base is whole.
    board.boots("", "");
    let full = "q overlay create --size 64K; ! head -c 100000 /dev/zero 2>/dev/null >/usr/share/updater-big; rm -f /usr/share/updater-big";
    assert_eq!(listed(&board, full, "")[0]["size_bytes"], 65_536);
}

#[test]
fn files_are_added_to_overlays_that_nobody_writes() {
    let board = board();
    let script = "q overlay create --read-only
        ! touch /usr/share/x 2>/dev/null
        echo own >/run/own; chmod 751 /run/own
        q overlay add /usr/share/updater-a=/run/own; test \"$(cat /usr/share/updater-a)\" = own; test \"$(stat -c %a /usr/share/updater-a)\" = 751
        q overlay add /usr/bin/cat; cmp /usr/bin/cat /run/updater/base/usr/bin/cat
        q overlay disable usr; q overlay add /usr/share/updater-b/c=/run/own; test ! -e /usr/share/updater-b; q overlay enable usr
        cat /usr/share/updater-b/c >/dev/null; ! touch /usr/share/updater-a 2>/dev/null";
    let row = listed(&board, script, "usr")[0].clone();
    assert_eq!((&row["live"], &row["written"]), (&json!(true), &json!(false)));
    let wanted = [
        ("/usr/bin/cat", "changed"),
        ("/usr/share/updater-a", "added"),
        ("/usr/share/updater-b", "added"),
        ("/usr/share/updater-b/c", "added"),
    ];
    assert_eq!(entries(&row), pairs(&wanted));
    let add = |what: &str| {
        board.boots("", "");
        after(
            &board,
            "q overlay create; cp /bin/true /run/true; chmod 4755 /run/true; echo x >/run/own",
            &["add", what],
        )
    };
    add("/usr/share/x=/run/true").exits(Exit::Refused).says("is setuid or setgid");
    let rights =
        "python3 -c 'import os; os.setxattr(\"/run/true\", \"security.capability\", bytes([1,0,0,2,0,32]+[0]*14))'";
    board.boots("", "");
    let script = format!("q overlay create; cp /bin/true /run/true; {rights}");
    after(&board, &script, &["add", "/usr/share/x=/run/true"]).exits(Exit::Refused).says("has capabilities");
    add("/usr/share/x=/dev/null").exits(Exit::Refused).says("neither a file nor a link");
    add("/usr/share/x").exits(Exit::Usage).says("No such file");
    add("/etc/x=/run/true").exits(Exit::Usage).says("no overlay is for the folder of /etc/x");
    add("/usr/../etc/x=/run/own").exits(Exit::Usage).says("is no path in /usr");
    add("usr/x=/run/own").exits(Exit::Usage);
    board.boots("", "");
    let forced = "q overlay create; cp /bin/true /run/true; chmod 4755 /run/true; q overlay add --force /usr/share/x=/run/true; test -u /usr/share/x";
    let checked = after(&board, forced, &["check"]).exits(Exit::Unfit);
    assert!(checked.stdout().contains("/usr/share/x is setuid or setgid"), "{checked}");
}

#[test]
fn the_highest_one_is_seen_and_written() {
    let board = board();
    let script = "for n in a b c; do q overlay create --size 1M --name $n; q overlay add --name $n /usr/share/updater-o=/proc/sys/kernel/ostype; done
        for n in a b c; do for m in a b c; do q overlay priority $m 0 2>/dev/null || true; done
            q overlay priority $n 9; echo $n >/usr/share/updater-o; done
        q overlay priority c 0; q overlay priority a 5; test \"$(cat /usr/share/updater-o)\" = a
        q overlay priority b 7; test \"$(cat /usr/share/updater-o)\" = b
        q overlay priority c 8; test \"$(cat /usr/share/updater-o)\" = c
        q overlay disable c; test \"$(cat /usr/share/updater-o)\" = b
        q overlay enable c; q overlay priority c -1; test \"$(cat /usr/share/updater-o)\" = b";
    let rows = listed(&board, script, "");
    let order: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(order, ["b", "a", "c"]);
    let written: Vec<bool> = rows.as_array().unwrap().iter().map(|row| row["written"].as_bool().unwrap()).collect();
    assert_eq!(written, [true, false, false]);
}

#[test]
fn a_file_that_is_used_keeps_its_overlay() {
    let board = board();
    let script = "q overlay create; cp /usr/bin/sleep /usr/bin/updater-sleep; /usr/bin/updater-sleep 60 & P=$!; sleep 0.3
        { u overlay remove usr || C=$?; } 2>/run/said; test $C = 6; grep -q 'updater-sleep' /run/said; grep -q \"($P)\" /run/said
        q overlay disable usr; q overlay enable usr
        kill $P; wait $P || true";
    after(&board, script, &["remove", "usr"]).exits(Exit::Done);
    board.boots("", "");
    let script = "q overlay create; exec 9>/usr/share/updater-open
        { u overlay disable usr || C=$?; } 2>/run/said; test $C = 6; grep -q 'open for writing' /run/said
        echo still >&9; test \"$(cat /usr/share/updater-open)\" = still; exec 9>&-";
    after(&board, script, &["disable", "usr"]).exits(Exit::Done);
    // What is mounted inside since would go with it.
    board.boots("", "");
    let script = "q overlay create; mount -t tmpfs t /usr/games";
    after(&board, script, &["remove", "usr"]).exits(Exit::Busy).says("/usr/games was mounted inside of it since");
}

#[test]
fn what_does_nothing_is_dropped() {
    let board = board();
    let script = "q overlay create --keep boot; cp -p /usr/bin/env /run/env; rm /usr/bin/env; cp -p /run/env /usr/bin/env; echo x >/usr/share/updater-x
        q overlay optimize usr; cmp /usr/bin/env /run/env";
    let row = listed(&board, script, "usr")[0].clone();
    assert_eq!(entries(&row), pairs(&[("/usr/share/updater-x", "added")]));
    after(&board, "true", &["check"]).exits(Exit::Done);
    let upper = board.system.path().join("lib/updater/overlays/usr");
    let broken = format!(
        "rm -r {}; mknod {} c 0 0",
        upper.join("work").display(),
        upper.join("upper/updater-nothing").display()
    );
    after(&board, &broken, &["check"]).exits(Exit::Unfit).says("2 problems");
    let repaired = after(&board, "true", &["check", "--repair", "--json"]).exits(Exit::Done).json();
    assert_eq!((repaired["repaired"].clone(), repaired["problems"].as_array().unwrap().len()), (json!(2), 2));
    after(&board, "true", &["check"]).exits(Exit::Done);
}

#[test]
fn a_command_alone_sees_an_overlay_of_its_own() {
    let board = board();
    let script = "q overlay create --scope user --name mine; q overlay create --name all; echo all >/usr/share/updater-all
        test \"$(u overlay enter mine -- sh -c 'echo mine >/usr/share/updater-mine; cat /usr/share/updater-all /usr/share/updater-mine')\" = \"$(printf 'all\\nmine')\"
        test ! -e /usr/share/updater-mine
        $B overlay enter mine -- sleep 60 & sleep 0.5
        { u overlay enter mine -- true || C=$?; } 2>/run/said; test $C = 6; { u overlay remove mine || D=$?; } 2>/run/said; test $D = 6
        { u overlay add --name mine /usr/bin/cat || G=$?; } 2>/run/said; test $G = 6; { u overlay optimize mine || H=$?; } 2>/run/said; test $H = 6
        kill $!; wait || true
        { u overlay enter all -- true || E=$?; } 2>/run/said; test $E = 3; { u overlay enter mine -- /nowhere || F=$?; } 2>/run/said; test $F = 2
        ! u overlay enter mine -- false";
    let row = listed(&board, script, "mine")[0].clone();
    assert_eq!(entries(&row), pairs(&[("/usr/share/updater-all", "added"), ("/usr/share/updater-mine", "added")][1..]));
    assert_eq!(row["live"], false);
}

#[test]
fn an_etc_that_cannot_be_written_takes_one_and_what_is_mounted_in_it_stays() {
    let board = board();
    let script = "mount --bind /etc /etc; mount -o remount,bind,ro /etc; echo id >/run/id; mount --bind /run/id /etc/machine-id
        q overlay create --scope etc; echo x >/etc/updater-x; test \"$(cat /etc/machine-id)\" = id; q overlay disable etc; test ! -e /etc/updater-x
        test \"$(cat /etc/machine-id)\" = id; q overlay enable etc";
    assert_eq!(entries(&listed(&board, script, "etc")[0]), pairs(&[("/etc/updater-x", "added")]));
}

#[test]
fn what_is_kept_aside_is_whole() {
    let board = board();
    let script = "q overlay create --keep boot; echo x >/usr/share/updater-x";
    let done = after(&board, script, &["remove", "usr", "--keep-data", "--json"]).exits(Exit::Done).json();
    assert_eq!(done["aside"], "/var/lib/updater/overlays/removed/usr-1");
    assert_eq!(in_store(&board, "cat removed/usr-1/upper/share/updater-x"), "x");
    after(&board, "q overlay create", &["remove", "usr", "--keep-data"]).exits(Exit::Usage).says("it is memory");
}
