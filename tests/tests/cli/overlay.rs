//! `overlay` as it is run: real overlays of the kernel, over the `/usr` of the machine that tests, in mounts of each run's own. Boots are in
//! `tests/tests/boot/overlays.rs`.

use std::fs;
use std::path::PathBuf;

use libupdate::BlockSize;
use serde_json::{Value, json};
use tests::answer::{Answer, Exit};
use tests::loop_board::Board;

/// `u` is the program on the board, in the shell.
const U: &str = "B=\"$*\"; B=\"${B%% overlay *}\"; u() { $B \"$@\"; }; q() { u \"$@\" >/dev/null; }";

fn board() -> Board {
    Board::new(BlockSize::B512)
}

fn on(board: &Board, slot: &str, script: &str, verb: &[&str]) -> Answer {
    // In lines of their own: in a list of commands the shell would go on after one that fails.
    board.run_as(&format!("{U}; set -e; {script}\ntrue"), &[&["--booted", slot, "overlay"], verb].concat())
}

/// A script, and then an act on overlays, in one boot of slot a.
fn after(board: &Board, script: &str, verb: &[&str]) -> Answer {
    on(board, "a", script, verb)
}

fn listed(board: &Board, script: &str, name: &str) -> Value {
    let verb = if name.is_empty() { vec!["list", "--json"] } else { vec!["list", name, "--json"] };
    after(board, script, &verb).exits(Exit::Done).json()["overlays"].clone()
}

/// Path and change of each entry.
fn entries(row: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    row["entries"].as_array().unwrap().iter().map(|entry| (text(&entry["path"]), text(&entry["change"]))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(path, change)| ((*path).to_owned(), (*change).to_owned())).collect()
}

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

/// A hook's report of this boot.
fn report(slot: &str, kind: &str, tries: u8) -> String {
    json!({"schema": 1, "slot": slot, "kind": kind, "tries_left": tries}).to_string()
}

fn booted(board: &Board, kind: &str, tries: u8) -> Value {
    board.boots(&report("a", kind, tries), "updater.slot=a");
    let script = "u live boot 2>/run/said || { cat /run/said >&2; exit 1; }; cat /usr/share/updater-kept >/run/seen 2>/dev/null || rm -f /run/seen";
    let answer = board
        .run_as(&format!("{}; set -e; {script}\ntrue", U.replace("overlay", "status")), &["status", "--json"])
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

#[test]
fn a_backup_is_the_same_again_and_gives_the_same_tree() {
    let board = board();
    let look = "(cd /usr && find bin share/perl5 share/updater-d -printf '%p %y %m %U %G %l\\n' | sort; cat share/updater-d/f; getfattr -d share/updater-d/f 2>/dev/null || true)";
    let script = format!(
        "q overlay create --keep boot --name one
        mkdir -m 711 /usr/share/updater-d; echo text >/usr/share/updater-d/f; chown 7:8 /usr/share/updater-d/f; chmod 4711 /usr/share/updater-d/f
        touch -d 2001-01-01 /usr/share/updater-d/f; setfattr -n user.x -v y /usr/share/updater-d/f 2>/dev/null || true
        ln -s f /usr/share/updater-d/link; rm /usr/bin/head; rm -r /usr/share/perl5; mkdir /usr/share/perl5; echo y >/usr/share/perl5/y
        q overlay backup one -o /run/one; q overlay backup one -o /run/two; cmp /run/one /run/two
        ! u overlay backup one -o /run/two 2>/dev/null; q overlay backup one -o /run/two --force
        {look} >/run/before; q overlay remove one; test -e /usr/bin/head
        {{ u overlay restore /run/one || C=$?; }} 2>/run/said; test $C = 3; grep -q 'is setuid or setgid' /run/said
        q overlay restore --force /run/one; {look} >/run/after; diff /run/before /run/after
        q overlay restore --force --name other /run/one"
    );
    let rows = listed(&board, &script, "");
    assert_eq!((&rows[0]["name"], &rows[1]["name"], &rows[1]["removed"]), (&json!("one"), &json!("other"), &json!(1)));
}

/// An archive by the hand of somebody who means ill.
const BAD: &str = "
import io, sys, tarfile
kind = sys.argv[1]
t = tarfile.open(sys.argv[2], 'w', format=tarfile.PAX_FORMAT)
def add(name, type=tarfile.REGTYPE, data=b'', link='', mode=0o644, major=0):
    i = tarfile.TarInfo(name); i.type = type; i.size = len(data); i.linkname = link; i.mode = mode; i.devmajor = major
    t.addfile(i, io.BytesIO(data))
head = b'{\"name\":\"bad\",\"scope\":\"usr\",\"keep\":\"none\",\"priority\":0,\"enabled\":true,\"read_only\":false,\"size_bytes\":null,\"root_hash\":null,\"off\":null}'
if kind == 'head': head = b'{}'
if kind == 'name': head = head.replace(b'\"bad\"', b'\"../bad\"')
if kind != 'headless': add('overlay.json', data=head)
add('upper', tarfile.DIRTYPE, mode=0o755)
if kind == 'outside': add('lower/x')
if kind == 'dots': add('upper/../../../../etc/updater-x')
if kind == 'absolute': add('/etc/updater-x')
if kind == 'link': add('upper/share', tarfile.SYMTYPE, link='/etc'); add('upper/share/updater-x', data=b'x')
if kind == 'hard': add('upper/x', tarfile.LNKTYPE, link='/etc/passwd')
if kind == 'device': add('upper/x', tarfile.CHRTYPE, major=1)
if kind == 'fifo': add('upper/x', tarfile.FIFOTYPE)
if kind == 'twice': add('upper/x'); add('upper/x', data=b'x')
if kind == 'order': add('upper/d/x')
t.close()
";

#[test]
fn an_archive_of_another_kind_is_refused_and_leaves_nothing() {
    let board = board();
    let script = board.device.put_file("bad.py", BAD.as_bytes());
    let kinds = ["head", "name", "headless", "outside", "dots", "absolute", "link", "hard", "device", "fifo", "order"];
    for kind in kinds {
        let make = format!("python3 {} {kind} /run/bad.tar; zstd -q -f /run/bad.tar -o /run/bad", script.display());
        after(&board, &make, &["restore", "/run/bad"]).exits(Exit::NotAuthentic).says("it is no archive of an overlay");
        assert!(!std::path::Path::new("/etc/updater-x").exists());
        assert_eq!(listed(&board, "true", ""), json!([]), "{kind}");
    }
    let twice = format!("python3 {} twice /run/bad.tar; zstd -q -f /run/bad.tar -o /run/bad", script.display());
    after(&board, &twice, &["restore", "/run/bad"]).exits(Exit::Io).says("File exists");
    for make in ["head -c 3000 /dev/urandom >/run/bad", ": >/run/bad", "zstd -q -f /bin/true -o /run/bad"] {
        after(&board, make, &["restore", "/run/bad"]).exits(Exit::NotAuthentic);
    }
    // A whole one, cut short, and one whose every hundredth byte is another one.
    let whole = "q overlay create --keep boot --name w; cp /usr/bin/env /usr/share/updater-env; q overlay backup w -o /run/w --force; q overlay remove w";
    for cut in ["head -c 1000 /run/w >/run/bad", "tr '\\012' 'x' </run/w >/run/bad"] {
        board.boots("", "");
        after(&board, &format!("{whole}; {cut}"), &["restore", "/run/bad"]).exits(Exit::NotAuthentic);
        assert_eq!(listed(&board, "true", ""), json!([]), "{cut}");
    }
    after(&board, "true", &["restore", "/run/nowhere"]).exits(Exit::Usage);
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
    let aside: PathBuf = board.system.path().join("lib/updater/overlays/removed/usr-1/upper/share/updater-x");
    assert_eq!(fs::read_to_string(aside).unwrap(), "x\n");
    after(&board, "q overlay create", &["remove", "usr", "--keep-data"]).exits(Exit::Usage).says("it is memory");
}

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
