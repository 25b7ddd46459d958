//! U-Boot with the command `updater` of `libupdate/c/u-boot`: Debian's source for qemu's ARMv8 machine, the boot script of
//! `updater.env`. The slot's payload is its kernel and the hook, which only checks and maps the slot that U-Boot names.

use std::path::PathBuf;

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{BOOT, Board, Cargo, Kernel, Kit, Release};

const BOARD: Board =
    Board { boot: "spends-try = \"boot-loader\"\n", more: BOOT, kernel: Kernel::Arm64, shipped: "" };
const ONE: Release = Release::of("1.0").with_cargo(Cargo::Fit);
const TWO: Release = Release::of("2.0").with_cargo(Cargo::Fit);
const THREE: Release = Release::of("3.0").with_cargo(Cargo::Fit);
/// A drive whose cache U-Boot never empties.
const NVME: &[&str] = &["-drive", "driver=null-co,size=1M,if=none,id=nvme", "-device", "nvme,drive=nvme,serial=nvme"];

fn machine() -> Machine {
    Machine { loader: Some(Kit::shared().u_boot(&BOARD).join("u-boot.bin")), ..Machine::default() }
}

/// A second disk with words that are typed at U-Boot's prompt before it boots.
fn typed(name: &str, words: &str) -> PathBuf {
    let path = Kit::shared().path(name);
    let mut disk = format!("typed={words}\n").into_bytes();
    disk.resize(1 << 20, 0);
    std::fs::write(&path, disk).expect("the folder can be written");
    path
}

fn in_order(said: &str, lines: &[&str]) {
    let mut rest = said;
    for line in lines {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is missing, or not in its place:\n{said}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn u_boot_tries_an_update_and_falls_back() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("off"));
    disk.install(&TWO.acts("mark-good,off"));
    let words = "updater status virtio 0; updater choose virtio 0; printenv updater_slot updater_part; \
                 updater verify virtio 0 b boot 46000000; printenv updater_size; \
                 updater verify virtio 0 b boot 46000000 100000 || echo too little; \
                 updater verify virtio 0 b app 46000000 || echo no such role; \
                 nvme scan; updater choose nvme 0 || echo refused; updater spend virtio 0; printenv updater_tries";
    let twin = Some(typed("first.words", words));
    let said = Machine { twin, devices: NVME, ..machine() }.run(&disk);
    in_order(
        &said,
        &[
            "a     good",
            "1.0",
            "b     trial",
            "2.0",
            "updater: slot b boots: trial, 2 tries left, partition 2",
            "updater_slot=b",
            "updater_part=2",
            "updater: boot is at 46000000: ",
            "updater_size=",
            "updater: slot b must not start: ",
            "too little",
            "updater: slot b must not start: ",
            "no such role",
            "updater: refuses nvme: ",
            "refused",
            "updater: slot b boots: trial, 2 tries left, partition 2",
            "updater_tries=2",
            "updater: slot b boots: trial, 1 try left, partition 2",
            "updater: boot is at 46000000: ",
            "updater: slot b boots: version 2.0, named, 1 tries left",
            "guest: release 2.0 runs",
            "guest: mark-good ended with 0",
        ],
    );
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]), "{said}");
    disk.install(&THREE.acts("reboot"));
    disk.set_bits('a', [3, 2, 0]);
    disk.set_bits('b', [2, 3, 1]);
    let said = machine().run(&disk);
    in_order(
        &said,
        &[
            "updater: slot a boots: trial, 1 try left, partition 1",
            "guest: release 3.0 runs",
            "updater: slot a boots: trial, 0 tries left, partition 1",
            "guest: release 3.0 runs",
            "updater: slot a: ",
            "updater: slot b boots: counted, 2 tries left, partition 2",
            "guest: release 2.0 runs",
        ],
    );
    assert_eq!((disk.bits('a'), disk.bits('b')), ([3, 0, 0], [2, 3, 1]), "{said}");
}
