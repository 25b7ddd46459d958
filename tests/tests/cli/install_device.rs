//! The same program on block devices: loop devices here, of 512 and of 4096-byte sectors.

use std::fs;

use libupdate::BlockSize;
use tests::answer::{Answer, Exit};
use tests::loop_board::Board;
use tests::loop_device::LoopDevice;
use tests::superuser;
use tests::table_oracle::TableOracle;

const SECTORS: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];

#[test]
fn a_release_is_installed_on_a_block_device() {
    for sectors in SECTORS {
        let board = Board::new(sectors);
        let bundle = board.device.workshop.bundle_text(2);
        board.run(&["--booted", "a", "install", &bundle]).exits(Exit::Done);
        let status = board.run(&["--booted", "a", "--json", "status"]).exits(Exit::Done).json();
        assert_eq!((&status["booted"], &status["next"]), (&"a".into(), &"b".into()));
        assert_eq!(status["last_result"]["class"], "done", "{status}");
        board.run(&["--booted", "a", "verify", "--slot", "b"]).exits(Exit::Done);
        board.run(&["choose", "--spend", "--booted", "none"]).exits(Exit::Done);
        board.run(&["--booted", "b", "mark-good"]).exits(Exit::Done);
        board.run(&["--booted", "b", "install", &bundle]).exits(Exit::Done);
        let Board { device, node, .. } = board;
        drop(node);
        TableOracle::of(&device).finds_no_problem();
        assert_eq!([device.slot("a").bits, device.slot("b").bits], [[3, 3, 0], [2, 3, 1]]);
        for slot in ["a", "b"] {
            assert!(device.partition(slot).starts_with(&device.workshop.image(2).padded()), "slot {slot}");
        }
    }
}

/// Which slot runs is not guessed where it could be overwritten.
#[test]
fn an_unknown_booted_slot_is_asked_for() {
    let board = Board::new(BlockSize::B512);
    let before = board.bytes();
    let bundle = board.device.workshop.bundle_text(2);
    for line in [&["install", bundle.as_str()][..], &["mark-good"], &["rollback"]] {
        board.run(line).exits(Exit::Usage).says("--booted");
    }
    board.run(&["status"]).exits(Exit::Done);
    assert!(before == board.bytes());
    // The hook's report says it.
    board.boots(r#"{"schema":1,"slot":"a"}"#, "");
    board.run(&["install", "--slot", "a", &bundle]).exits(Exit::Refused).says("slot a is the booted one");
    board.run(&["install", &bundle]).exits(Exit::Done);
}

const OTHER_DISK: &str = "fe3a2a5d-4f32-41a7-b725-accc3285a309";

/// The hook's report of a boot from `slot`, with more members.
fn report(slot: &str, more: &[(&str, &str)]) -> String {
    let more: String = more.iter().map(|(key, value)| format!(r#","{key}":"{value}""#)).collect();
    format!(r#"{{"schema":1,"slot":"{slot}"{more}}}"#)
}

/// What a boot may say that cannot be believed: report, command line, why.
fn doubts() -> [(String, &'static str, &'static str); 11] {
    let no_report = String::new;
    [
        (report("h", &[]), "", "boot.json says that slot h is booted, and the profile has only a, b"),
        (no_report(), "updater.slot=h x", "/proc/cmdline says that slot h is booted, and the profile has only a, b"),
        (no_report(), "updater.slot=B", "a slot's letter"),
        (report("a", &[]), "updater.slot=b", "boot.json says that slot a is booted, and /proc/cmdline says slot b"),
        (report("a", &[]), "updater.slot=h", "slot h is booted"),
        (report("z", &[]), "", "a report of the boot"),
        (r#"{"schema":2,"slot":"a"}"#.to_owned(), "", "a report of the boot"),
        ("{".to_owned(), "updater.slot=a", "a report of the boot"),
        (report("a", &[("disk_guid", OTHER_DISK)]), "", "from another disk"),
        (report("a", &[("root_hash", &"ab".repeat(32))]), "", "from another disk"),
        (report("a", &[("compatible", "other-box")]), "", "of compatible other-box"),
    ]
}

/// What is said of the slot that runs and cannot be believed is refused, before anything of the disk is written.
#[test]
fn what_cannot_be_believed_of_the_booted_slot_is_refused() {
    let board = Board::new(BlockSize::B512);
    let (before, bundle) = (board.bytes(), board.device.workshop.bundle_text(2));
    let acts = [&["install", bundle.as_str()][..], &["install", "--dry-run", &bundle], &["mark-good"], &["rollback"]];
    for (report, line, why) in doubts() {
        board.boots(&report, line);
        for act in acts {
            board.run(act).exits(Exit::Refused).says(why).says("--booted");
        }
        let status = board.run(&["status"]).exits(Exit::Done).says(why);
        assert!(status.stdout().contains("booted  unknown"), "{status}");
        assert!(before == board.bytes(), "{why}");
    }
}

/// `--booted` is no way around what protects the running slot.
#[test]
fn booted_does_not_overrule_what_is_known() {
    let board = Board::new(BlockSize::B512);
    let (before, bundle) = (board.bytes(), board.device.workshop.bundle_text(2));
    let right = report("a", &[("disk_guid", &board.guid()), ("compatible", "test-box")]);
    let provision = ["provision", "--danger-overwrite", &bundle];
    let acts =
        [&["install", bundle.as_str()][..], &["mark-bad", "--slot", "a"], &["activate"], &["rollback"], &["status"]];
    for (report, line) in
        [(right.as_str(), ""), (&right, "updater.slot=a"), ("", "updater.slot=a"), ("{", "updater.slot=a")]
    {
        board.boots(report, line);
        for booted in ["b", "none"] {
            for act in acts.iter().chain([&&provision[..]]) {
                let answer = board.run(&[&["--booted", booted], *act].concat()).exits(Exit::Refused);
                answer.says("says that slot a is booted, and --booted says something else");
            }
        }
        board
            .run(&[&["--booted", "a"], &provision[..]].concat())
            .exits(Exit::Refused)
            .says("slot a of this disk is booted");
    }
    board.boots(&right, "");
    board.run(&provision).exits(Exit::Refused).says("slot a of this disk is booted");
    assert!(before == board.bytes());
}

/// A boot from another disk says nothing of this one; between two that differ `--booted` decides; a flag that says so overrules all.
#[test]
fn booted_says_what_is_not_known() {
    let board = Board::new(BlockSize::B512);
    let (before, bundle) = (board.bytes(), board.device.workshop.bundle_text(2));
    let right = report("a", &[("disk_guid", &board.guid())]);
    let dry = |options: &[&str]| board.run(&[options, &["install", "--dry-run", &bundle]].concat());
    board.boots(&report("a", &[("disk_guid", OTHER_DISK)]), "");
    dry(&["--booted", "none"]).exits(Exit::Done);
    board.boots(&right, "updater.slot=b");
    dry(&["--booted", "a"]).exits(Exit::Done).says("into slot b; slot a is booted");
    dry(&["--booted", "none"]).exits(Exit::Refused).says("something else");
    board.boots(&right, "");
    dry(&["--booted", "none", "--danger-booted"]).exits(Exit::Done);
    dry(&["--danger-booted"]).exits(Exit::Usage);
    assert!(before == board.bytes());
}

#[test]
fn a_failed_installation_is_remembered() {
    let board = Board::new(BlockSize::B512);
    let cut = board.device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    board.run(&["--booted", "a", "install", &cut]).exits(Exit::NotAuthentic).says("ends too early");
    let last = board.run(&["--json", "status"]).exits(Exit::Done).json()["last_result"].clone();
    assert_eq!((&last["code"], &last["class"]), (&4.into(), &"not-authentic".into()), "{last}");
    assert_eq!(last["why"], "the bundle ends too early");
}

#[test]
fn a_blank_device_is_provisioned() {
    for sectors in SECTORS {
        let board = Board::new(sectors);
        let bundle = board.device.workshop.bundle_text(1);
        board.run(&["provision", &bundle]).exits(Exit::Disk).says("not empty");
        fs::write(board.device.disk(), vec![0; board.bytes().len()]).unwrap();
        let Board { device, node, system, profile } = board;
        drop(node);
        let node = LoopDevice::over(device.disk(), sectors);
        let board = Board { device, node, system, profile };
        board.run(&["provision", &bundle]).exits(Exit::Done);
        let Board { device, node, .. } = board;
        drop(node);
        TableOracle::of(&device).finds_no_problem();
        assert_eq!((device.state("a").as_str(), device.slot("a").version.as_deref()), ("good", Some("1.0")));
    }
}

/// A device knows its own sector size.
#[test]
fn another_sector_size_than_the_devices_is_refused() {
    let board = Board::new(BlockSize::B4096);
    let answer = board.run(&["--sector-size", "512", "status"]);
    assert!(answer.code() == Some(Exit::Disk.code()) && answer.stderr().contains("--sector-size"), "{answer}");
}

/// What somebody has put where the program keeps its state is neither written through, nor waited for, nor believed; and what it makes is
/// nobody else's to write, whatever the umask.
#[test]
fn what_lies_in_the_folders_of_state_misleads_nobody() {
    let board = Board::new(BlockSize::B512);
    let bundle = board.device.workshop.bundle_text(2);
    let system = board.system.path().to_str().unwrap();
    let shell = |script: &str| superuser::run("sh", &["-ec", script, "sh", system]);
    // Who only looks goes on without knowing which slot runs.
    let told = |why: &str| {
        board.run(&["mark-good"]).exits(Exit::Io).says(why).says("say with --booted which slot runs");
        board.run(&["status"]).exits(Exit::Done).says(why);
    };
    let status = |more: &[&str]| board.run(&[&["--json", "status"], more].concat());
    shell(
        "mkdir -p $1/lib/updater $1/run/updater; echo precious >$1/victim; ln -s $1/victim $1/lib/updater/history.jsonl.new",
    );
    shell("mkfifo $1/lib/updater/history.jsonl");
    assert_eq!(status(&["--booted", "a"]).exits(Exit::Done).json()["last_result"], serde_json::Value::Null);
    board.run_as("umask 000", &["--booted", "a", "install", &bundle]).exits(Exit::Done);
    assert_eq!(shell("cat $1/victim"), "precious");
    assert_eq!(status(&["--booted", "a"]).exits(Exit::Done).json()["last_result"]["class"], "done");
    shell("truncate -s 1G $1/lib/updater/history.jsonl");
    assert_eq!(status(&["--booted", "a"]).exits(Exit::Done).json()["last_result"], serde_json::Value::Null);
    shell("mkfifo $1/run/updater/boot.json");
    told("it is not a regular file");
    shell(
        "rm $1/run/updater/boot.json; echo '{\"schema\":1,\"slot\":\"a\"}' >$1/real; ln -s $1/real $1/run/updater/boot.json",
    );
    told("it is a symbolic link");
    shell("rm $1/run/updater/boot.json; truncate -s 1G $1/run/updater/boot.json");
    told("more than 65536 bytes");
    shell("rm $1/run/updater/*; mkfifo $1/run/updater/lock");
    board.run(&["--booted", "a", "mark-good"]).exits(Exit::Io).says("it is not a regular file");
    for umask in ["umask 000", "umask 077"] {
        shell("rm -r $1/run/updater $1/lib/updater");
        board.run_as(umask, &["--booted", "a", "install", "/nowhere"]).exits(Exit::Usage);
        let modes = shell("cd $1; stat -c %a run/updater lib/updater run/updater/lock lib/updater/history.jsonl");
        assert_eq!(modes, "755\n755\n600\n644", "{umask}");
    }
}

/// A disc with sectors of 2048 bytes, a drive that gives nothing but errors, one that cannot be opened, as one without a medium is, and one
/// that sysfs says nothing of: none of them keeps a trial from being confirmed, and each is named.
#[test]
fn drives_that_cannot_be_judged_are_passed_over_and_named() {
    let board = Board::new(BlockSize::B512);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, vec![0; 4 << 20]).unwrap();
        path
    };
    let disc = LoopDevice::with_sector_bytes(&file("disc"), 2048);
    let broken = LoopDevice::over(&file("broken"), BlockSize::B512);
    // What a loop device has no file for, it cannot read.
    fs::write(folder.path().join("broken"), "").unwrap();
    let empty = folder.path().join("empty");
    superuser::run("mknod", &[empty.to_str().unwrap(), "b", "239", "77"]);
    board.lists("a-disc", disc.text());
    board.lists("b-broken", broken.text());
    board.lists("c-empty", empty.to_str().unwrap());
    board.lists("d-silent", "x");
    fs::write(board.system.path().join("devices/d-silent/uevent"), "MAJOR=8\n").unwrap();
    let nowhere = board.finds(&["status"]).exits(Exit::Disk).says("no disk under /sys/block matches the profile");
    board.lists("own", board.node.text());
    let named = [disc.text(), broken.text(), "/sys/dev/block/239:77", "d-silent/uevent"];
    for line in [&["--booted", "a", "status"][..], &["--booted", "a", "mark-good"], &["--booted", "a", "repair"]] {
        let answer = board.finds(line).exits(Exit::Done);
        for name in named {
            let told = |answer: &Answer| answer.stderr().contains(name);
            assert!(told(&answer) && told(&nowhere), "{name}: {answer}\n{nowhere}");
        }
        assert_eq!(answer.stderr().matches("warning: a drive was passed over").count(), named.len(), "{answer}");
    }
    // Where the hook says what it booted from, nothing else is looked at: not even a copy of the disk.
    let twin = folder.path().join("twin");
    fs::copy(board.device.disk(), &twin).unwrap();
    let twin = LoopDevice::over(&twin, BlockSize::B512);
    board.lists("twin", twin.text());
    board.finds(&["--booted", "a", "status"]).exits(Exit::Disk).says("several disks match the profile");
    board.boots(&format!(r#"{{"schema":1,"slot":"a","disk":"{}"}}"#, board.node.text()), "");
    let answer = board.finds(&["mark-good"]).exits(Exit::Done);
    assert!(!answer.stderr().contains("warning"), "{answer}");
    // Also where its table is lost: a copy is not taken for it.
    superuser::run("blkdiscard", &["--zeroout", board.node.text()]);
    let answer = board.finds(&["mark-good"]).exits(Exit::Disk).says("neither copy of the partition table is valid");
    assert!(answer.stderr().contains("LBA 1: no GPT signature"), "{answer}");
    // A report of a disk that is not there is none.
    board.boots(r#"{"schema":1,"slot":"a","disk":"/dev/nowhere"}"#, "");
    board.finds(&["mark-good"]).exits(Exit::Done).says("a drive was passed over");
}

/// The node of the other slot's partition is missing: that slot is told as unreadable, and everything else works.
#[test]
fn a_slot_without_its_node_is_told_as_unreadable() {
    let board = Board::new(BlockSize::B512);
    let bundle = board.device.workshop.bundle_text(2);
    board.run(&["--booted", "a", "install", &bundle]).exits(Exit::Done);
    superuser::run("partx", &["--add", board.node.text()]);
    let node = format!("{}p2", board.node.text());
    superuser::run("rm", &[&node]);
    let words = |answer: &Answer| answer.stderr().contains(&format!("slot b cannot be read: cannot open {node}"));
    let answer = board.run(&["--booted", "a", "--json", "status"]).exits(Exit::Done);
    let status = answer.json();
    let states = [&status["slots"][0]["state"], &status["slots"][1]["state"]];
    assert!(states == ["good", "unreadable"] && words(&answer), "{answer}");
    assert_eq!(status["slots"][1]["priority"], 2, "{answer}");
    for line in [&["--booted", "a", "mark-good"][..], &["--booted", "a", "verify", "--slot", "a"]] {
        assert!(words(&board.run(line).exits(Exit::Done)));
    }
    // What needs the slot is refused before anything is written.
    let before = board.bytes();
    let answer = board.run(&["--booted", "a", "install", &bundle]).exits(Exit::Disk);
    assert!(words(&answer) && before == board.bytes(), "{answer}");
    superuser::run_eventually("partx", &["--delete", board.node.text()]);
}

#[test]
fn without_the_store_of_its_boot_loader_a_device_is_not_changed() {
    let board = Board { profile: "loader.toml", ..Board::new(BlockSize::B512) };
    let bundle = board.device.workshop.bundle_text(1);
    let before = board.bytes();
    let elsewhere = ["install", &bundle, "--booted", "none"];
    let why = "so the store of its boot loader (u-boot-env) is not here";
    board.run(&elsewhere).exits(Exit::Usage).says(why).says("--loader-store none");
    board.run(&["status", "--booted", "none"]).exits(Exit::Done);
    // Its own system, which has lost the description of the store.
    board.boots("", "updater.slot=a");
    let answer = board.run(&["install", &bundle, "--loader-store", "/nowhere/fw_env.config"]).exits(Exit::Disk);
    answer.says("cannot read /nowhere/fw_env.config");
    let status = board.run(&["status", "--loader-store", "/nowhere/fw_env.config"]).exits(Exit::Done);
    status.says("cannot read /nowhere/fw_env.config");
    assert!(before == board.bytes(), "the disk was written");
    board.boots("", "");
    board.run(&[&elsewhere[..], &["--loader-store", "none"]].concat()).exits(Exit::Done).says("stays as it is");
}
