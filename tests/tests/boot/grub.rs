//! GRUB that chooses by itself, in OVMF: the script is `hardware-profiles/boot-loaders/grub.cfg`, its store two files of the EFI system
//! partition, written by the program on this side and in the guest, and by GRUB when it counts.

use std::fs;

use tests::answer::{Answer, Exit};
use tests::firmware::Firmware;
use tests::grub::Grub;
use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Kernel, Kit, Release};

const BOARD: Board = Board {
    boot: "spends-try = \"boot-loader\"\nloader = \"grub-env\"\nloader-store = \"/mnt/boot/grub/grubenv\"\n",
    more: r#"
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "24M"

[[partition]]
label = "esp"
type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
size = "4M"
"#,
    kernel: Kernel::Cloud,
    shipped: "",
};
/// A slot's kernel and initramfs are files of its payload, which is a squashfs.
const FUNCTIONS: &str = r#"
set updater_store=$prefix/grubenv

function updater_start {
  set root=hd0,gpt3
  if [ "$1" = b ]; then set root=hd0,gpt4; fi
  linux /vmlinuz console=ttyS0 quiet cryptomgr.notests panic=-1 $2
  initrd /initramfs
  boot
}

function updater_any {
  updater_start a
  updater_start b
}
"#;

const fn release(version: &'static str, acts: &'static str) -> Release {
    Release::of(version).with_cargo(Cargo::BootTree).acts(acts)
}

/// The board, with GRUB on it.
struct Device<'d> {
    disk: &'d GuestDisk,
    grub: Grub<'d>,
    machine: Machine,
}

impl Device<'_> {
    /// The program on this side, with the store that was taken from the disk.
    fn cli(&self, arguments: &[&str]) -> Answer {
        let store = self.grub.store();
        let store = store.to_str().expect("paths of tests are UTF-8");
        self.disk.cli(&[&["--loader-store", store], arguments].concat())
    }

    fn install(&self, release: &Release) {
        self.cli(&["install", &self.disk.bundle(release)]).exits(Exit::Done);
    }

    fn state(&self) -> String {
        let status = self.cli(&["--json", "status"]).exits(Exit::Done).json();
        status["boot_loader"]["state"].as_str().expect("status has the store").to_owned()
    }

    fn run(&self, lines: &[&str]) {
        let said = self.machine.run(self.disk);
        in_order(&said, lines);
        self.grub.take();
    }
}

#[test]
fn grub_tries_an_update_and_falls_back() {
    let disk = GuestDisk::provisioned(BOARD, &release("1.0", "esp,mark-good,off"));
    let firmware = Firmware::plain(&Kit::shared().path("grub.variables"));
    let machine = Machine { firmware: Some(firmware), ..Machine::default() };
    let device = Device { disk: &disk, grub: Grub::on(&disk, FUNCTIONS), machine };
    // Blocks that the updater has never written: the hook chooses and counts, and the guest writes them.
    device.run(&[
        "updater: no slot is known to GRUB",
        "updater: slot a boots: version 1.0, counted, 2 tries left",
        "guest: mark-good ended with 0",
    ]);
    let variables = || device.grub.variables();
    assert_eq!(variables(), ["ORDER=A", "A_LEFT=3", "A_OK=1", "B_LEFT=0", "B_OK=0", "SEAL=A:13:00::::::"]);
    // An update: GRUB takes one try, and the guest gives them all back.
    device.install(&release("2.0", "esp,mark-good,off"));
    assert_eq!(variables()[..5], ["ORDER=B A", "A_LEFT=3", "A_OK=1", "B_LEFT=3", "B_OK=0"]);
    device.grub.give();
    device.run(&[
        "updater: GRUB starts slot b, tries left: 2",
        "updater: slot b boots: version 2.0, named",
        "guest: release 2.0 runs",
        "guest: mark-good ended with 0",
    ]);
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    assert_eq!(variables()[..5], ["ORDER=B A", "A_LEFT=3", "A_OK=1", "B_LEFT=3", "B_OK=1"]);
    restarts_and_falls_back(&device);
}

/// An update that restarts, with one try, which GRUB takes in the second file, since the first one is damaged.
fn restarts_and_falls_back(device: &Device<'_>) {
    let disk = device.disk;
    device.install(&release("3.0", "reboot"));
    disk.set_bits('a', [3, 1, 0]);
    assert_eq!(device.state(), "was-behind");
    let mut damaged = fs::read(device.grub.store()).expect("it was taken");
    damaged[..512].fill(0);
    fs::write(device.grub.store(), damaged).expect("the folder can be written");
    device.grub.give();
    device.run(&[
        "updater: grubenv is damaged, so grubenv.2 counts",
        "updater: GRUB starts slot a, tries left: 0",
        "guest: release 3.0 runs",
        "updater: GRUB starts slot b, tries left: 2",
        "updater: slot b boots: version 2.0, named",
        "guest: mark-good ended with 0",
    ]);
    assert_eq!((disk.bits('a'), disk.bits('b')), ([3, 0, 0], [2, 3, 1]));
    assert_eq!(device.grub.variables()[..5], ["ORDER=A B", "A_LEFT=0", "A_OK=0", "B_LEFT=3", "B_OK=1"]);
    assert_eq!(device.state(), "agrees");
}
