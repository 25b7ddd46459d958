//! A PC as `hardware-profiles/generic-x86_64-uefi.toml` describes it: UEFI firmware reads the table that `provision` wrote, and starts a
//! kernel with the hook from the EFI system partition; the hook chooses, and starts the slot's own kernel.

use std::fs;
use std::path::Path;

use tests::firmware::Firmware;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Kernel, Kit, Release};
use tests::{tool, uki};

const BOARD: Board = Board {
    boot: "hand-over = \"kexec\"\nkernel = \"/boot/vmlinuz\"\ninitrd = \"/boot/initramfs\"\n",
    more: "[[partition]]\nlabel = \"esp\"\ntype = \"c12a7328-f81f-11d2-ba4b-00a0c93ec93b\"\nsize = \"36M\"\n",
    kernel: Kernel::Cloud,
    shipped: "",
};
/// What it says to the kernels; what the guests do, their releases have.
const WORDS: &str = "console=ttyS0 quiet panic=-1";
/// The partition of a disk, with the file that firmware looks for.
const MAKE: &str = r#"
truncate -s "$3" "$2"
mkfs.vfat "$2"
mmd -i "$2" ::/EFI ::/EFI/BOOT
mcopy -i "$2" "$1" ::/EFI/BOOT/BOOTX64.EFI
"#;

/// The content of an EFI system partition of so many MiB, with what firmware starts.
fn esp(application: &Path, mib: u32) -> Vec<u8> {
    let image = application.with_extension("esp");
    let [application, image] = [application, &image].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    tool::run("sh", &["-e", "-c", MAKE, "make", application, image, &format!("{mib}M")]);
    fs::read(image).expect("it was made")
}

#[test]
fn firmware_starts_the_hook_which_tries_an_update_and_falls_back() {
    let disk = GuestDisk::provisioned(BOARD, &Release::of("1.0").with_kernel());
    let kit = Kit::shared();
    let hook = kit.path("hook.efi");
    uki::make(&BOARD.kernel.image(), &kit.initramfs(&BOARD), WORDS, &hook);
    disk.fill("esp", &esp(&hook, 36));
    disk.install(&Release::of("2.0").with_kernel().acts("mark-good,off"));
    let machine = Machine { firmware: Some(Firmware::plain(&Kit::shared().path("variables"))), ..Machine::default() };
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("updater: slot b boots: version 2.0, named, 2 tries left"), "{said}");
    assert!(said.contains("guest: release 2.0 runs") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    // One that restarts: the firmware's work begins anew.
    disk.install(&Release::of("3.0").with_kernel().acts("reboot"));
    assert_eq!(disk.bits('a'), [3, 3, 0]);
    disk.set_bits('a', [3, 1, 0]);
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot a boots: version 3.0, trial, 0 tries left"), "{said}");
    assert!(said.contains("guest: release 3.0 runs"), "{said}");
    assert!(said.contains("updater: slot a is passed over: its tries ran out without a good boot"), "{said}");
    assert!(said.contains("updater: slot b boots: version 2.0, counted, 2 tries left"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([3, 0, 0], [2, 3, 1]));
    assert_eq!(disk.status()["last_fallback"]["reason"], "tries ran out");
}

/// A board whose firmware starts our application; a slot's kernel is a UKI in a partition of its own.
const APPLICATION: Board = Board {
    boot: "hand-over = \"kexec\"\npayload = \"boot\"\n",
    more: r#"
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "24M"

[[partition]]
label = "esp"
type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
size = "2M"
"#,
    kernel: Kernel::Cloud,
    shipped: "",
};

/// A release with a UKI.
const fn release(version: &'static str, acts: &'static str) -> Release {
    Release::of(version).with_cargo(Cargo::Uki).acts(acts)
}

#[test]
fn the_application_tries_an_update_and_falls_back() {
    let disk = GuestDisk::provisioned(APPLICATION, &release("1.0", "line,mark-good,off"));
    disk.fill("esp", &esp(&Kit::shared().boot_application(&APPLICATION), 2));
    disk.install(&release("2.0", "line,mark-good,off"));
    let firmware = Firmware::plain(&Kit::shared().path("application.variables"));
    let machine = Machine { firmware: Some(firmware), ..Machine::default() };
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("updater: slot b boots: version 2.0, named, 2 tries left"), "{said}");
    assert!(said.contains("guest: release 2.0 runs") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
}
