//! Overlays on a real kernel, over a root behind dm-verity: boots lay those that are kept, but trials do not, and after a fallback, or boots that nobody
//! confirms, they are off.

use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Flaw, Release};
use tests::pack::Pack;

const BOARD: Board = Board { boot: "var = \"data\"\n", more: "[packs]\nmerge = \"own\"\n", ..Board::CLOUD };
const IMAGE: &str = "guest: hotfix: the image's, other: the image's.";
const LAID: &str = "guest: hotfix: the image's, other: overlay.";

fn device() -> GuestDisk {
    let disk = GuestDisk::provisioned(BOARD, &Release::of("2.0"));
    disk.format_data();
    disk
}

fn boot(disk: &GuestDisk, acts: &'static str) -> String {
    Machine::does(acts).run(disk)
}

#[test]
fn what_is_kept_is_laid_again_and_what_is_memory_is_gone() {
    let disk = device();
    let said = boot(&disk, "mark-good,overlay-none,hotfix,overlay-remove,hotfix,overlay-none,hotfix,off");
    in_order(&said, &["guest: overlay-none ended with 0", LAID, "guest: overlay-remove ended with 0", IMAGE, LAID]);
    let said = boot(&disk, "mark-good,live-boot,hotfix,overlay-boot,hotfix,status,off");
    in_order(
        &said,
        &["guest: live-boot ended with 0", IMAGE, "guest: overlay-boot ended with 0", LAID, "is on, and written"],
    );
    in_order(&boot(&disk, "mark-good,live-boot,hotfix,off"), &["guest: live-boot ended with 0", LAID]);
    // A trial of the next release is without it, and its boots after that have it.
    disk.install(&Release::of("2.1"));
    let said = boot(&disk, "live-boot,hotfix,mark-good,off");
    in_order(
        &said,
        &["guest: release 2.1 runs", "guest: live-boot ended with 0", IMAGE, "guest: mark-good ended with 0"],
    );
    in_order(
        &boot(&disk, "mark-good,live-boot,hotfix,off"),
        &["guest: release 2.1 runs", "guest: live-boot ended with 0", LAID],
    );
}

#[test]
fn a_fallback_and_boots_that_nobody_confirms_end_without() {
    let disk = device();
    drop(boot(&disk, "mark-good,overlay-boot,off"));
    disk.install(&Release::of("2.1").flaw(Flaw::NoInit));
    let said = boot(&disk, "mark-good,live-boot,hotfix,status,overlay-enable,hotfix,off");
    let off = "is off: the device fell back: slot b, version 2.1";
    in_order(
        &said,
        &[
            "guest: release 2.0 runs",
            "guest: live-boot ended with 0",
            IMAGE,
            off,
            "guest: overlay-enable ended with 0",
            LAID,
        ],
    );
    // Nobody marks these good: as if the overlay had broken the system.
    let said: Vec<String> = (0..3).map(|_| boot(&disk, "live-boot,hotfix,off")).collect();
    in_order(&said[0], &[LAID]);
    in_order(&said[1], &[LAID]);
    in_order(&said[2], &["are off until `overlay enable`: the last boots were not confirmed", IMAGE]);
    // The slot was never at fault.
    in_order(
        &boot(&disk, "live-boot,hotfix,mark-good,status,off"),
        &["guest: release 2.0 runs", IMAGE, "guest: mark-good ended with 0"],
    );
}

#[test]
fn an_overlay_and_a_pack_are_one_overlay_over_the_image() {
    let disk = device();
    let bundle = Pack::named("hotfix-a", 1).fits(2).for_guests(disk.kit());
    let acts = "mark-good,overlay-boot,pack-install,hotfix,mounts,status,off";
    let said = Machine { bundle: Some(bundle), ..Machine::does(acts) }.run(&disk);
    let both = "guest: hotfix: hotfix-a, other: overlay.";
    in_order(&said, &["guest: pack-install ended with 0", both, "Update level: 1 (hotfix-a)"]);
    let mounts = said.lines().find(|line| line.contains("guest: mounts: ")).expect("the guest was asked");
    assert_eq!(mounts.split(' ').filter(|at| *at == "/usr").count(), 1, "{mounts}");
    in_order(
        &boot(&disk, "mark-good,live-boot,hotfix,overlay-remove,hotfix,off"),
        &[both, "guest: hotfix: hotfix-a, other: the image's."],
    );
}
