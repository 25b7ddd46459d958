//! `pack` as it is run, up to the merging, which a kernel with device-mapper does: `tests/tests/boot/packs.rs`. What is stored is whole, and what is
//! wrong is not stored.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::{Answer, Exit};
use tests::loop_board::Board;
use tests::nginx::Nginx;
use tests::pack::Pack;
use tests::superuser;
use tests::workshop::{OTHER_COMPATIBLE, STRANGER};

fn board() -> Board {
    Board::new(BlockSize::B512)
}

fn pack(board: &Board, words: &[&str]) -> Answer {
    board.run(&[&["--booted", "a", "pack"], words].concat())
}

fn boot(board: &Board) -> Answer {
    board.run(&["--booted", "a", "live", "boot"])
}

fn store(board: &Board, bundle: &str) -> Answer {
    pack(board, &["install", "--no-merge", bundle])
}

fn list(board: &Board) -> Value {
    pack(board, &["list", "--json"]).exits(Exit::Done).json()
}

/// Name and state of each.
fn states(board: &Board) -> Vec<(String, String)> {
    let list = list(board);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list["packs"].as_array().unwrap().iter().map(|row| (text(&row["name"]), text(&row["state"]))).collect()
}

fn folder(board: &Board, name: &str) -> Vec<PathBuf> {
    let path = board.system.path().join("lib/updater/packs").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn row(name: &str, state: &str) -> (String, String) {
    (name.to_owned(), state.to_owned())
}

#[test]
fn a_pack_is_stored_once_shown_and_removed() {
    let board = board();
    let workshop = &board.device.workshop;
    let (one, two) = (Pack::named("hotfix-a", 1).make(workshop), Pack::named("hotfix-b", 3).make(workshop));
    assert_eq!(board.run(&["--booted", "a", "status", "--json"]).json()["packs"], Value::Null);
    let news = pack(&board, &["check", &one, "--json"]).exits(Exit::Done).json();
    assert_eq!((&news["name"], &news["level"], &news["result"]), (&"hotfix-a".into(), &1.into(), &"newer".into()));
    let told = store(&board, &one).exits(Exit::Done);
    assert!(
        told.stdout().contains("hotfix-a of level 1 (") && told.stdout().contains("is stored, and not merged"),
        "{told}"
    );
    store(&board, &two).exits(Exit::Done);
    assert_eq!(states(&board), [row("hotfix-a", "waits"), row("hotfix-b", "waits")]);
    assert_eq!((folder(&board, "heads").len(), folder(&board, "parts").len()), (2, 2));
    for verb in [&["check"][..], &["install", "--no-merge"]] {
        pack(&board, &[verb, &[&one]].concat()).exits(Exit::Nothing).says("hotfix-a is here at level 1");
    }
    pack(&board, &["install", "--no-merge", "--force", &one]).exits(Exit::Done);
    let status = board.run(&["--booted", "a", "status"]).exits(Exit::Done);
    assert!(
        status.stdout().contains("Version: 1.0\nUpdate level: 0\npack hotfix-a is merged by the next boot\n"),
        "{status}"
    );
    pack(&board, &["remove", "hotfix-c"]).exits(Exit::Nothing).says("no pack hotfix-c is stored");
    pack(&board, &["remove", "hotfix-a"]).exits(Exit::Done);
    assert_eq!((states(&board), folder(&board, "parts").len()), (vec![row("hotfix-b", "waits")], 1));
    pack(&board, &["purge"]).exits(Exit::Done);
    assert_eq!((states(&board), folder(&board, "heads"), folder(&board, "parts")), (vec![], vec![], vec![]));
    pack(&board, &["purge"]).exits(Exit::Nothing);
    let log = board.run(&["--booted", "a", "log", "--json"]).exits(Exit::Done).json();
    let verbs: Vec<&str> =
        log["entries"].as_array().unwrap().iter().map(|entry| entry["verb"].as_str().unwrap()).collect();
    assert!(["pack-install", "pack-remove", "pack-purge"].iter().all(|verb| verbs.contains(verb)), "{verbs:?}");
}

/// What a cumulative pack has in common with one that is here is neither stored twice nor written again, and what it supersedes is gone.
#[test]
fn a_cumulative_pack_takes_over_what_is_there() {
    let board = board();
    let workshop = &board.device.workshop;
    let first = Pack::named("one", 1);
    store(&board, &first.make(workshop)).exits(Exit::Done);
    let shared = folder(&board, "parts");
    let role = format!("one={}", first.image().display());
    let all = Pack::named("three", 3).with(&[
        "--payload",
        &role,
        "--supersedes",
        "one",
        "--supersedes",
        "two",
        "--compression",
        "zstd",
    ]);
    let done = pack(&board, &["install", "--no-merge", "--json", &all.make(workshop)]).exits(Exit::Done).json();
    assert_eq!(done["replaced"], serde_json::json!(["one"]));
    assert!(done["kept_bytes"].as_u64().unwrap() > 300 << 10, "{done}");
    assert_eq!(states(&board), [row("three", "waits")]);
    let parts = folder(&board, "parts");
    assert!(parts.len() == 2 && parts.contains(&shared[0]), "{parts:?}");
    assert_eq!(list(&board)["packs"][0]["parts"], serde_json::json!(["three", "one"]));
    // What it supersedes does not come back.
    store(&board, &Pack::named("two", 2).make(workshop)).exits(Exit::Nothing).says("two is superseded by three");
    let cycle = Pack::named("two", 9).with(&["--supersedes", "three"]).make(workshop);
    store(&board, &cycle).exits(Exit::Refused).says("two supersedes three, and three supersedes two");
    // One name is one image.
    let other = Pack::named("four", 4).with(&["--payload", &format!("one={}", Pack::named("x", 1).image().display())]);
    store(&board, &other.make(workshop)).exits(Exit::Refused).says("brings another one than three");
}

/// From a server: the head alone is read to judge, and what is stored already is not fetched again.
#[test]
fn what_is_there_is_not_fetched_again() {
    let board = board();
    let workshop = &board.device.workshop;
    let server = Nginx::start("", &[]);
    let first = Pack::named("one", 1).kib(4000);
    store(&board, &first.make(workshop)).exits(Exit::Done);
    let role = format!("one={}", first.image().display());
    for (level, compression) in [(3, "zstd"), (4, "none")] {
        let all = Pack::named("two", level).with(&["--payload", &role, "--compression", compression]).make(workshop);
        let (name, bytes) = (format!("{level}.bundle"), fs::read(&all).unwrap());
        server.put(&name, &bytes);
        let news = pack(&board, &["check", "--json", &server.url(&name)]).exits(Exit::Done).json();
        assert_eq!(news["fetched_bytes"], 65_536, "{news}");
        let done = pack(&board, &["install", "--no-merge", "--json", &server.url(&name)]).exits(Exit::Done).json();
        let (fetched, total) = (done["fetched_bytes"].as_u64().unwrap(), bytes.len());
        assert!(usize::try_from(fetched).unwrap() < total / 4, "{compression}: {fetched} of {total} bytes: {done}");
        assert!(done["kept_bytes"].as_u64().unwrap() > 4000 << 10, "{done}");
    }
}

#[test]
fn a_pack_for_others_is_refused() {
    let board = board();
    let workshop = &board.device.workshop;
    let next = Pack::named("hotfix", 1).fits(2).make(workshop);
    let image = Pack::named("hotfix", 1).image();
    let words = Pack::named("hotfix", 1).words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let elsewhere = workshop.release(1).image(&image).compatible(OTHER_COMPATIBLE).with(&words).create();
    let elsewhere = elsewhere.to_str().unwrap();
    for verb in [&["check"][..], &["install", "--no-merge", "--force"]] {
        pack(&board, &[verb, &[&next]].concat()).exits(Exit::Refused).says("hotfix fits version 2, and 1.0 runs");
        pack(&board, &[verb, &[elsewhere]].concat()).exits(Exit::Refused).says("for another compatible");
    }
    board.run(&["--booted", "none", "pack", "check", &next]).exits(Exit::Refused).says("no slot of this disk runs");
    board.device.refuses_untouched(&["pack", "install", &next], Exit::Usage, "no system runs from a disk image file");
    assert_eq!(states(&board), []);
}

#[test]
fn what_is_not_authentic_is_refused_whatever_is_asked_for() {
    let board = board();
    let workshop = &board.device.workshop;
    let good = Pack::named("hotfix", 1).make(workshop);
    let strange = Pack::named("hotfix", 1).keys(&[STRANGER]).make(workshop);
    let unsigned = Pack::named("hotfix", 1).keys(&[]).make(workshop);
    let others = Pack::named("another", 1).make(workshop);
    let payload = tests::bundle_parts::BundleParts::of(&fs::read(others).unwrap()).payload;
    let swapped = workshop.forged_from(Path::new(&good), |parts| parts.payload = payload);
    let cut = workshop.forged_from(Path::new(&good), |parts| parts.payload.truncate(9000));
    for (bundle, heads) in [(&strange, true), (&unsigned, true), (&swapped, false), (&cut, false)] {
        if heads {
            pack(&board, &["check", bundle]).exits(Exit::NotAuthentic);
        }
        pack(&board, &["install", "--no-merge", "--force", bundle]).exits(Exit::NotAuthentic);
        assert_eq!((states(&board), folder(&board, "parts"), folder(&board, "heads")), (vec![], vec![], vec![]));
    }
    for name in ["../x", "a/b", "..", "-a"] {
        let words = ["bundle", "create", "--image", &good, "--version", "1", "--compatible", "x", "-o", "/nowhere/x"];
        let made = tests::cli::Cli::new(&words).and(&[&format!("--pack={name}"), "--level=1", "--fits=1"]).run();
        drop(made.exits(Exit::Usage).says("a name in the pack has a character outside"));
    }
}

#[test]
fn an_image_without_its_name_is_refused() {
    let board = board();
    let release =
        |root: &Path, name: &str| root.join("usr/lib/extension-release.d").join(format!("extension-release.{name}"));
    let missing = Pack::named("hotfix", 1).with_tree(|root| fs::remove_file(release(root, "hotfix")).unwrap());
    let wrong =
        Pack::named("hotfix", 1).with_tree(|root| fs::rename(release(root, "hotfix"), release(root, "other")).unwrap());
    let link = Pack::named("hotfix", 1).with_tree(|root| {
        fs::remove_file(release(root, "hotfix")).unwrap();
        symlink("/etc/os-release", release(root, "hotfix")).unwrap();
    });
    for bad in [missing, wrong, link] {
        let told = pack(&board, &["install", "--no-merge", "--force", &bad.make(&board.device.workshop)]);
        drop(
            told.exits(Exit::Refused)
                .says("the image hotfix has no /usr/lib/extension-release.d/extension-release.hotfix"),
        );
    }
    let other =
        Pack::named("hotfix", 1).file("usr/lib/extension-release.d/extension-release.hotfix", "ID=other-system\n");
    store(&board, &other.make(&board.device.workshop))
        .exits(Exit::Refused)
        .says("is for ID=other-system, and the system has ID=");
    assert_eq!((states(&board), folder(&board, "parts")), (vec![], vec![]));
}

/// What would hide files, give rights, or reach outside.
#[test]
fn what_an_overlay_or_a_kernel_obeys_is_refused() {
    let board = board();
    let shell = |line: &'static str| {
        move |root: &Path| drop(superuser::run("sh", &["-ec", &format!("cd '{}' && {line}", root.display())]))
    };
    let cases: [(&'static str, &str); 10] = [
        ("mknod usr/share/gone c 0 0", "/usr/share/gone is a whiteout"),
        ("mknod usr/share/null c 1 3", "/usr/share/null is a device node"),
        ("mknod usr/share/disk b 7 0", "/usr/share/disk is a device node"),
        ("mkfifo usr/share/pipe", "/usr/share/pipe is a pipe"),
        ("chmod u+s usr/share/hotfix", "/usr/share/hotfix is setuid or setgid"),
        ("chmod g+s usr/share/hotfix", "/usr/share/hotfix is setuid or setgid"),
        (
            "setfattr -n user.overlay.opaque -v y usr/share || setfattr -n trusted.overlay.opaque -v y usr/share",
            "/usr/share has an attribute of overlays",
        ),
        ("mkdir etc && echo x >etc/passwd", "/etc is outside of /usr and /opt"),
        ("ln -s /etc opt", "/opt is no folder"),
        ("for n in $(seq 10000); do echo >usr/share/$n; done", "the image has more than 10000 files"),
    ];
    for (line, why) in cases {
        if line.starts_with("setfattr") && std::process::Command::new("setfattr").arg("--version").output().is_err() {
            continue;
        }
        let bad = Pack::named("hotfix", 1).kib(0).with_tree(shell(line)).make(&board.device.workshop);
        pack(&board, &["install", "--no-merge", "--force", &bad]).exits(Exit::Refused).says(why);
        assert_eq!((states(&board), folder(&board, "parts")), (vec![], vec![]), "{line}");
    }
}

#[test]
fn what_everything_runs_on_is_replaced_only_by_force() {
    let board = board();
    let bad = Pack::named("hotfix", 1).file("usr/lib/libc.so.6", "x").file("usr/bin/updater-cli", "x");
    let bad = bad.with_tree(|root| {
        let file = root.join("usr/bin/updater-cli");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    });
    let bad = bad.make(&board.device.workshop);
    let told = store(&board, &bad).exits(Exit::Refused);
    drop(told.says("/usr/lib/libc.so.6: the C library").says("/usr/bin/updater-cli: the updater").says("--force"));
    assert_eq!(states(&board), []);
    pack(&board, &["install", "--no-merge", "--force", &bad]).exits(Exit::Done);
    assert_eq!(states(&board), [row("hotfix", "waits")]);
}

#[test]
fn a_full_disk_leaves_the_old_set() {
    let board = board();
    let workshop = &board.device.workshop;
    let small = Pack::named("small", 1).kib(10).make(workshop);
    let large = Pack::named("large", 2).kib(3000).make(workshop);
    let full = "mount -t tmpfs -o size=1m tmpfs /var/lib && \"$1\" --profile \"$3\" --disk \"$5\" --booted a pack install --no-merge $SMALL >/dev/null";
    let full = full.replace("$SMALL", &small);
    let line = format!(
        "{full} && {{ \"$@\"; code=$?; ls /var/lib/updater/packs/parts >&2; exec \"$1\" --profile \"$3\" --disk \"$5\" --booted a pack list; }} || exit 99; exit $code; :"
    );
    let told = board.run_as(&line, &["--booted", "a", "pack", "install", "--no-merge", &large]);
    assert!(told.stderr().contains("No space left on device") && told.stdout().contains("small"), "{told}");
    assert!(!told.stderr().contains(".new") && !told.stdout().contains("large"), "{told}");
}

/// A block of a stored image, or of its head, that is not what was signed: left out at the boot, and told.
#[test]
fn bit_rot_is_found_at_the_boot() {
    let board = board();
    let bundle = Pack::named("hotfix", 1).make(&board.device.workshop);
    store(&board, &bundle).exits(Exit::Done);
    store(&board, &bundle).exits(Exit::Nothing);
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let part = folder(&board, "parts").remove(0);
    let signed = fs::read(&part).unwrap();
    flip(&part, 200_000);
    boot(&board).exits(Exit::Done).says("the pack hotfix is not merged: ");
    let told = board.run(&["--booted", "a", "status"]).exits(Exit::Done);
    assert!(
        told.stdout().contains("Update level: 0\npack hotfix is broken: chunk 0 does not match the hash tree"),
        "{told}"
    );
    // The same once more mends it.
    store(&board, &bundle).exits(Exit::Done);
    assert!(fs::read(&part).unwrap() == signed);
    flip(&folder(&board, "heads").remove(0), 50);
    boot(&board).exits(Exit::Done).says("1 are needed");
    assert_eq!(states(&board), [row("hotfix", "broken")]);
    // What is broken can be removed by the name that it was known by.
    pack(&board, &["remove", "hotfix"]).exits(Exit::Done);
    assert_eq!((states(&board), folder(&board, "parts")), (vec![], vec![]));
}

/// A pack that cannot be merged is not left behind as if it were.
#[test]
fn what_cannot_be_merged_leaves_the_old_set() {
    let board = board();
    let bundle = Pack::named("hotfix", 1).make(&board.device.workshop);
    let without = "{ [ ! -d /dev/mapper ] || mount -t tmpfs tmpfs /dev/mapper; }";
    let told = board.run_as(without, &["--booted", "a", "pack", "install", &bundle]).exits(Exit::Io);
    drop(
        told.says("the pack hotfix cannot be merged: cannot open /dev/mapper/control")
            .says("the packs are as they were"),
    );
    assert_eq!((states(&board), folder(&board, "parts"), folder(&board, "heads")), (vec![], vec![], vec![]));
}

/// After a fallback they are off, until a person turns them on.
#[test]
fn a_fallback_turns_packs_off() {
    let board = board();
    store(&board, &Pack::named("hotfix", 1).make(&board.device.workshop)).exits(Exit::Done);
    board.run(&["--booted", "a", "install", &board.device.workshop.bundle_text(2)]).exits(Exit::Done);
    board.run(&["--booted", "b", "mark-bad", "--reason", "camera"]).exits(Exit::Done);
    boot(&board).exits(Exit::Done).says("off until `pack enable`: the device fell back: slot b, version 2.0");
    let told = board.run(&["--booted", "a", "status"]).exits(Exit::Done);
    assert!(told.stdout().contains("packs are off until `pack enable`: the device fell back"), "{told}");
    assert_eq!(states(&board), [row("hotfix", "off")]);
    boot(&board).exits(Exit::Done);
    let without = "{ [ ! -d /dev/mapper ] || mount -t tmpfs tmpfs /dev/mapper; }";
    // They are on, and one that cannot be merged is told, and keeps no other one from it.
    let told = board.run_as(without, &["--booted", "a", "pack", "enable"]).exits(Exit::Done);
    assert!(told.stdout().contains("pack hotfix is broken: cannot open /dev/mapper/control"), "{told}");
    assert_eq!(states(&board), [row("hotfix", "broken")]);
}

/// Ctrl-C while a pack comes in: the set is as it was, and nothing of the new one stays.
#[test]
fn an_installation_that_is_interrupted_leaves_nothing() {
    let board = board();
    store(&board, &Pack::named("one", 1).make(&board.device.workshop)).exits(Exit::Done);
    let before = (states(&board), folder(&board, "heads"), folder(&board, "parts"));
    let two = Pack::named("two", 2).kib(2000).make(&board.device.workshop);
    let script = format!("(head -c 1000000 {two}; sleep 30) | timeout --preserve-status -s INT 1 \"$@\"; exit $?");
    board.run_as(&script, &["--booted", "a", "pack", "install", "--no-merge", "-"]).exits(Exit::Interrupted);
    assert_eq!((states(&board), folder(&board, "heads"), folder(&board, "parts")), before);
}
