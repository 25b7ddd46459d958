//! Packs on a real kernel with device-mapper: a file is hot-fixed without a reboot, the fix survives one, follows the version that it fits, and is left out
//! where it has rotted or the device fell back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Flaw, Release, Suite};
use tests::pack::Pack;

const BOARD: Board = Board { boot: "var = \"data\"\n", more: "[packs]\nmerge = \"own\"\n", ..Board::CLOUD };
const IMAGE: &str = "guest: hotfix: the image's, other: the image's.";
const A: &str = "guest: hotfix: hotfix-a, other: the image's.";
const B: &str = "guest: hotfix: hotfix-b, other: the image's.";

fn device(version: &'static str) -> GuestDisk {
    let disk = GuestDisk::provisioned(BOARD, &Release::of(version));
    disk.format_data();
    disk
}

fn pack(disk: &GuestDisk, name: &str, level: u32) -> PathBuf {
    Pack::named(name, level).fits(2).for_guests(disk.kit())
}

/// One boot that is confirmed, with a pack on its second disk.
fn with(disk: &GuestDisk, bundle: PathBuf, acts: &'static str) -> String {
    Machine { bundle: Some(bundle), ..Machine::does(acts) }.run(disk)
}

#[test]
fn a_file_is_fixed_without_a_reboot_and_stays_so() {
    let disk = device("2.0");
    let said = with(&disk, pack(&disk, "hotfix-a", 1), "mark-good,hotfix,pack-install,hotfix,pack-install,mounts,off");
    in_order(&said, &[IMAGE, "guest: pack-install ended with 0", A, "guest: pack-install ended with 7"]);
    let mounts = said.lines().find(|line| line.contains("guest: mounts: ")).expect("the guest was asked");
    assert!(mounts.ends_with(" /run/updater/base/usr /usr ."), "{mounts}");
    // By its root hash.
    let image = mounts.split_once(" /run/updater/packs/").expect("an image is mounted").1.split(' ').next();
    assert_eq!(image.map(str::len), Some(64), "{mounts}");
    // The set is on the disk, and each boot merges it.
    let said = Machine::does("mark-good,hotfix,live-boot,hotfix,status,off").run(&disk);
    in_order(&said, &[IMAGE, "guest: live-boot ended with 0", A, "Version: 2.0\nUpdate level: 1 (hotfix-a)\n"]);
    // Another one over it, and away again: the overlay is replaced each time.
    let acts = "mark-good,live-boot,pack-install,hotfix,pack-list,pack-remove-b,hotfix,again,off";
    let said = with(&disk, pack(&disk, "hotfix-b", 3), acts);
    in_order(&said, &[B, "Update level: 3 (hotfix-a, hotfix-b)\n", "guest: pack-remove-b ended with 0", A]);
    let after = said.lines().find(|line| line.contains("devices: ")).unwrap();
    // With its last user each device is gone, those of the slot stay.
    assert!(after.starts_with("guest: hotfix: the image's") && !after.contains("dm-1"), "{after}");
}

#[test]
fn packs_follow_the_version_that_they_fit() {
    let disk = device("2.0");
    drop(with(&disk, pack(&disk, "hotfix-a", 1), "mark-good,pack-install,off"));
    disk.install(&Release::of("3.0"));
    let said = Machine::does("live-boot,hotfix,status,mark-good,rollback,off").run(&disk);
    in_order(&said, &["guest: live-boot ended with 0", IMAGE, "Version: 3.0\nUpdate level: 0\n"]);
    assert!(said.contains("pack hotfix-a is inactive: it fits version 2, and 3.0 runs"), "{said}");
    let said = Machine::does("live-boot,hotfix,status,mark-good,off").run(&disk);
    in_order(&said, &["guest: live-boot ended with 0", A, "Version: 2.0\nUpdate level: 1 (hotfix-a)\n"]);
}

#[test]
fn a_rotten_pack_is_left_out_and_a_fallback_turns_all_off() {
    let disk = device("2.0");
    drop(with(&disk, pack(&disk, "hotfix-a", 1), "mark-good,pack-install,pack-rot,off"));
    let said = Machine::does("mark-good,live-boot,hotfix,status,off").run(&disk);
    in_order(&said, &["the pack hotfix-a is not merged", IMAGE, "Update level: 0\npack hotfix-a is broken"]);
    // The same bundle again puts right what is wrong.
    drop(with(&disk, pack(&disk, "hotfix-a", 2), "mark-good,live-boot,pack-install,hotfix,off"));
    disk.install(&Release::of("2.1").flaw(Flaw::NoInit));
    let said = Machine::does("mark-good,live-boot,hotfix,status,pack-enable,hotfix,off").run(&disk);
    let off = "packs are off until `pack enable`: the device fell back: slot b, version 2.1";
    in_order(&said, &["guest: live-boot ended with 0", IMAGE, off, "guest: pack-enable ended with 0", A]);
    let said = Machine::does("mark-good,live-boot,hotfix,off").run(&disk);
    in_order(&said, &["guest: live-boot ended with 0", A]);
}

/// By systemd-sysext: the daemon that is mended runs without a reboot, and after one.
fn systemd(suite: Suite) {
    const AUTO: Board = Board { more: "[packs]\nmerge = \"auto\"\n", ..BOARD };
    let disk = GuestDisk::provisioned(AUTO, &Release::of("2.0").with_cargo(Cargo::Debian(suite)).acts("10-root,packs"));
    let daemon = "#!/bin/sh\necho \"guest: the daemon is the pack's\"\nexec sleep infinity\n";
    let pack = Pack::named("hotfix-a", 1).fits(2).file("usr/lib/hotfixed", daemon).with_tree(|tree| {
        let program = tree.join("usr/lib/hotfixed");
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("it was made");
    });
    let bundle = pack.with(&["--restart", "hotfixed.service"]).for_guests(disk.kit());
    let said = Machine { devices: &["-smp", "2", "-m", "1024"], bundle: Some(bundle), ..Machine::default() }.run(&disk);
    let story = [
        "guest: boot of release 2.0, hotfix:",
        "guest: systemd-analyze verify ended with 0 and said ''",
        "guest: pack install ended with 0",
        "guest: sysext: ",
        "hotfix-a",
        "guest: update level 1 (hotfix-a)",
        "guest: overlay create ended with 0",
        "guest: with an overlay: hotfix-aoverlay sysext: ",
        "guest: restarts",
        "guest: boot of release 2.0, hotfix: hotfix-a",
        "guest: updater-live.service is active, failed units: 0",
        "guest: update level 1 (hotfix-a)",
        "guest: overlaid: overlay",
        "guest: overlay remove ended with 0, sysext: ",
        "hotfix-a",
        "guest: pack remove ended with 0, hotfix:",
        "guest: powers off",
    ];
    in_order(&said, &story);
    let beside = said.lines().find(|line| line.contains("guest: with an overlay: ")).expect("the guest was asked");
    assert_eq!(beside.matches("hotfix-a").count(), 1, "{beside}");
    // By its start and by the restart; by the next boot and by the removal.
    in_order(&said, &["guest: the daemon is the image's", "guest: the daemon is the pack's", "guest: restarts"]);
    let (_, after) = said.split_once("guest: restarts").expect("it was there");
    in_order(after, &["guest: the daemon is the pack's", "guest: the daemon is the image's"]);
    // With the packs merged, as it restarts, and without.
    assert!(!said.contains("Failed to unmount /var") && !said.contains("Could not detach"), "{said}");
}

#[test]
fn systemd_of_debian_12_merges_a_pack_and_restarts_its_daemon() {
    systemd(Suite::Bookworm);
}

#[test]
fn systemd_of_debian_13_merges_a_pack_and_restarts_its_daemon() {
    systemd(Suite::Trixie);
}
