//! U-Boot that chooses by itself: its own code reads and writes the environment, two copies on raw blocks of the disk with the slots, and
//! its script is `hardware-profiles/boot-loaders/u-boot.cmd`. The disk is on two buses, since U-Boot keeps an environment on SD cards only,
//! and Debian's kernel for clouds knows none.

use std::path::PathBuf;

use tests::answer::{Answer, Exit};
use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{BOOT, Board, Cargo, Kernel, Kit, Release};
use tests::u_boot;

const BOARD: Board = Board {
    boot: "spends-try = \"boot-loader\"\nloader = \"u-boot-env\"\n",
    more: BOOT,
    kernel: Kernel::Arm64,
    shipped: "",
};
/// The board's: how a slot's payload is read and started.
const ENVIRONMENT: &str = r#"
load=0x46000000
args=console=ttyAMA0 quiet panic=-1
updater_start=part start virtio 0 boot-${slot} first; part size virtio 0 boot-${slot} count; virtio read ${load} ${first} ${count}; setenv bootargs "${args} ${words}"; bootm ${load}#conf-1 ${load}#conf-1 ${fdtcontroladdr}
updater_any=for slot in a b; do run updater_start; done
bootcmd=virtio scan; virtio read 0x45000000 0x200 0x20; source 0x45000000
"#;

const fn release(version: &'static str, acts: &'static str) -> Release {
    Release::of(version).with_cargo(Cargo::Fit).acts(acts)
}

fn machine(disk: &GuestDisk) -> Machine {
    let card = format!("file={},format=raw,if=none,id=card,cache=writeback,file.locking=off", disk.path().display());
    let devices = vec!["-drive", card.leak(), "-device", "sdhci-pci", "-device", "sd-card,drive=card"];
    let loader = Some(Kit::shared().u_boot(&BOARD).join("u-boot.bin"));
    Machine { loader, devices: devices.leak(), ..Machine::default() }
}

/// The board, with its environment.
struct Device<'d> {
    disk: &'d GuestDisk,
    config: PathBuf,
}

impl Device<'_> {
    fn cli(&self, arguments: &[&str]) -> Answer {
        let store = self.config.to_str().expect("paths of tests are UTF-8");
        self.disk.cli(&[&["--loader-store", store], arguments].concat())
    }

    fn state(&self) -> String {
        let status = self.cli(&["--json", "status"]).exits(Exit::Done).json();
        status["boot_loader"]["state"].as_str().expect("status has the store").to_owned()
    }

    fn variables(&self) -> [String; 4] {
        ["BOOT_ORDER", "BOOT_A_LEFT", "BOOT_B_LEFT", "BOOT_GOOD"].map(|name| u_boot::variable(&self.config, name))
    }

    fn run(&self, lines: &[&str]) {
        in_order(&machine(self.disk).run(self.disk), lines);
    }
}

#[test]
fn u_boot_reads_the_store_counts_in_it_and_falls_back() {
    let disk = GuestDisk::provisioned(BOARD, &release("1.0", "off"));
    let device = Device { disk: &disk, config: u_boot::plant(&disk, ENVIRONMENT) };
    // One that the updater has never written; then with a copy that is lost.
    assert_eq!((device.state(), device.state()), ("was-behind".to_owned(), "agrees".to_owned()));
    assert_eq!(device.variables(), ["A", "3", "0", "A"]);
    device.cli(&["install", &disk.bundle(&release("2.0", "reboot"))]).exits(Exit::Done);
    disk.set_bits('b', [2, 2, 0]);
    u_boot::damage(&disk, 0);
    assert_eq!((device.state(), device.state()), ("was-behind".to_owned(), "agrees".to_owned()));
    u_boot::damage(&disk, 1);
    assert_eq!(device.variables(), ["B A", "3", "2", "A"]);
    device.run(&[
        "Loading Environment from MMC... OK",
        "updater: U-Boot starts slot b, one of its boots taken of 2",
        "updater: slot b boots: version 2.0, named",
        "guest: release 2.0 runs",
        "Loading Environment from MMC... OK",
        "updater: U-Boot starts slot b, one of its boots taken of 1",
        "guest: release 2.0 runs",
        "updater: U-Boot starts slot a, which is good",
        "updater: slot a boots: version 1.0, named",
        "guest: release 1.0 runs",
    ]);
    // The tries that U-Boot took come into the bits.
    assert_eq!((disk.bits('b'), device.variables()), ([2, 2, 0], ["B A", "3", "0", "A"].map(str::to_owned)));
    device.cli(&["status"]).exits(Exit::Done);
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 0, 0]));
    is_marked_good_in_the_guest(&device);
}

/// The guest itself writes into both; and without a copy that is valid nothing is written, and nothing is armed.
fn is_marked_good_in_the_guest(device: &Device<'_>) {
    let disk = device.disk;
    device.cli(&["install", &disk.bundle(&release("3.0", "mark-good,off"))]).exits(Exit::Done);
    assert_eq!(device.variables(), ["B A", "3", "3", "A"]);
    device.run(&["slot b, one of its boots taken of 3", "guest: release 3.0 runs", "guest: mark-good ended with 0"]);
    assert_eq!((disk.bits('b'), device.variables()), ([2, 3, 1], ["B A", "3", "3", "B A"].map(str::to_owned)));
    let before = disk.bits('a');
    u_boot::damage(disk, 0);
    u_boot::damage(disk, 1);
    let refused = device.cli(&["install", &disk.bundle(&release("2.0", "reboot"))]).exits(Exit::Disk);
    assert!(refused.stderr().contains("neither copy of the environment is valid"), "{refused:?}");
    assert_eq!((device.state().as_str(), disk.bits('a')), ("unknown", before));
}
