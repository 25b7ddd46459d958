//! A PC as `hardware-profiles/generic-x86_64-uefi.toml` describes it: UEFI firmware reads the table that `provision` wrote, and starts a
//! kernel with the hook from the EFI system partition; the hook chooses, and starts the slot's own kernel. Or it starts our application, which
//! chooses, and starts the slot's UKI.

use std::fs;
use std::path::Path;

use tests::firmware::Firmware;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Kernel, Kit, Release};
use tests::guest_medium::{self, Bus, Medium};
use tests::sim_disk::Event;
use tests::{tool, uki, write_log};

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
    // Several tests make one of the same application.
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let image = folder.path().join("esp");
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

/// Update, trial, fallback; a wiped primary table, and a kernel that goes wrong in its middle.
#[test]
fn the_application_tries_an_update_and_falls_back() {
    let kit = Kit::shared();
    let disk = GuestDisk::provisioned(APPLICATION, &release("1.0", "off"));
    disk.fill("esp", &esp(&kit.boot_application(&APPLICATION), 2));
    disk.install(&release("2.0", "line,mark-good,off"));
    let firmware = Firmware::plain(&kit.path("application.variables"));
    let machine = Machine { firmware: Some(firmware), ..Machine::default() };
    let said = machine.run(&disk);
    starts_in_this_order(&said, &["slot b boots: version 2.0, trial, 2", "slot b boots: version 2.0, named, 2"]);
    assert!(said.contains("guest: release 2.0 runs") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert!(said.contains("from=uki guest.do=line,mark-good,off updater.slot=b"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    // One that restarts, on a disk whose first table is gone.
    disk.install(&release("3.0", "reboot"));
    disk.set_bits('a', [3, 1, 0]);
    disk.wipe(512, 33 * 512);
    let said = machine.run(&disk);
    starts_in_this_order(&said, &["slot a boots: version 3.0, trial, 0", "slot a boots: version 3.0, named, 0"]);
    assert!(said.contains("updater: slot a is passed over: its tries ran out without a good boot"), "{said}");
    starts_in_this_order(&said, &["slot b boots: version 2.0, counted, 2", "slot b boots: version 2.0, named, 2"]);
    assert_eq!((disk.bits('a'), disk.bits('b')), ([3, 0, 0], [2, 3, 1]));
    assert_eq!(disk.status()["last_fallback"]["reason"], "tries ran out");
    // What is wrong in the middle of the kernel is found before any of it runs.
    disk.install(&release("4.0", "off"));
    disk.damage_in('a', "boot", 6 << 20);
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot a is passed over: a block does not match the hash tree"), "{said}");
    assert!(!said.contains("boots: version 4.0") && said.contains("guest: release 2.0 runs"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([0, 0, 0], [2, 3, 1]));
    // A kernel that comes back is failed; the restart finds memory that is not empty.
    disk.install(&release("5.0", "off").with_cargo(Cargo::BadUki));
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot a: its kernel cannot be started (it came back: "), "{said}");
    starts_in_this_order(&said, &["slot a boots: version 5.0, trial, 2", "slot b boots: version 2.0, counted, 2"]);
    assert!(said.contains("guest: release 2.0 runs"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([0, 0, 0], [2, 3, 1]));
}

/// The console has these, one after the other.
fn starts_in_this_order(said: &str, lines: &[&str]) {
    let mut rest = said;
    for line in lines {
        let (_, after) =
            rest.split_once(&format!("updater: {line} tries left")).unwrap_or_else(|| panic!("{line}: {said}"));
        rest = after;
    }
}

/// Application and kernels are signed with keys of our own. A kernel without a signature costs no try, and the other slot starts; what
/// tells the slot is the firmware's variable alone, since the stub takes no words from outside.
#[test]
fn under_secure_boot_what_is_signed_starts_and_what_is_not_costs_no_try() {
    let kit = Kit::shared();
    let signed = |version, acts| Release::of(version).with_cargo(Cargo::SignedUki).acts(acts);
    let disk = GuestDisk::provisioned(APPLICATION, &signed("1.0", "line,mark-good,off"));
    let application = kit.path("signed.efi");
    fs::copy(kit.boot_application(&APPLICATION), &application).expect("the folder can be written");
    kit.secure_boot().sign(&application);
    disk.fill("esp", &esp(&application, 2));
    disk.install(&release("2.0", "off"));
    let firmware = Firmware::with_keys(&kit.path("keys.variables"), kit.secure_boot());
    let machine = Machine { firmware: Some(firmware), ..Machine::default() };
    let said = machine.run(&disk);
    let refused =
        "updater: slot b is passed over: its kernel cannot be started (Secure Boot is on and it has no signature";
    assert!(said.contains(refused), "{said}");
    starts_in_this_order(&said, &["slot a boots: version 1.0, counted, 2", "slot a boots: version 1.0, named, 2"]);
    assert!(said.contains("guest: release 1.0 runs") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert!(said.contains("guest: the kernel was told: ") && !said.contains("updater.slot="), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 0]));
    disk.install(&signed("3.0", "mark-good,off"));
    let said = machine.run(&disk);
    starts_in_this_order(&said, &["slot b boots: version 3.0, trial, 2", "slot b boots: version 3.0, named, 2"]);
    assert!(said.contains("guest: release 3.0 runs") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    // A signature of somebody else is found by the firmware: the trial is failed, and the same boot goes on.
    disk.install(&Release::of("4.0").with_cargo(Cargo::StrangeUki).acts("off"));
    let said = machine.run(&disk);
    let refused = "updater: slot a is passed over: its kernel cannot be started (Secure Boot refuses its signature";
    assert!(said.contains(refused), "{said}");
    starts_in_this_order(&said, &["slot b boots: version 3.0, counted, 2", "slot b boots: version 3.0, named, 2"]);
    assert_eq!((disk.bits('a'), disk.bits('b')), ([0, 0, 0], [2, 3, 1]));
}

/// What a kernel as large as a distribution's costs before it runs: docs/PERFORMANCE.md has the figures.
#[test]
fn a_large_kernel_is_read_checked_and_started() {
    let kit = Kit::shared();
    let more = APPLICATION.more.replace("24M", "40M");
    let board = Board { more: more.leak(), ..APPLICATION };
    let release = Release::of("1.0").with_cargo(Cargo::LargeUki).acts("off");
    let disk = GuestDisk::provisioned(board, &release);
    disk.fill("esp", &esp(&kit.boot_application(&board), 2));
    let firmware = Firmware::plain(&kit.path("large.variables"));
    let said = Machine { firmware: Some(firmware), ..Machine::default() }.run(&disk);
    starts_in_this_order(&said, &["slot a boots: version 1.0, counted, 2", "slot a boots: version 1.0, named, 2"]);
    let bytes = fs::metadata(disk.bundle(&release).replace(".bundle", ".boot")).expect("it was made").len();
    assert!(bytes > 30_000_000, "only {bytes} bytes");
    let times = said.lines().find(|line| line.contains(", load ")).expect("the application says its times");
    eprintln!("\nresult: a kernel of {bytes} bytes: {}", times.trim_start_matches("updater: "));
}

/// The firmware's own flush of such a drive does nothing, and says that it has.
#[test]
fn a_sata_drive_is_flushed_between_the_copies_of_the_table() {
    let kit = Kit::shared();
    let disk = GuestDisk::provisioned(APPLICATION, &release("1.0", "off"));
    disk.fill("esp", &esp(&kit.boot_application(&APPLICATION), 2));
    let firmware = Some(Firmware::plain(&kit.path("sata.variables")));
    let guest = Machine { firmware, bus: Bus::Sata, medium: Medium::Logged, ..Machine::default() }.start(&disk);
    // Debian's cloud kernel has no driver for it, and goes no further.
    guest.comes_up();
    let said = guest.cut();
    let word = |event: &Event| match event {
        Event::Write(1, _) => "primary",
        Event::Write(..) => "backup",
        Event::Flush | Event::FailedFlush => "flush",
    };
    let events = write_log::events(&guest_medium::log(&disk.path()));
    let words: Vec<&str> = events.iter().map(word).collect();
    assert!(words.starts_with(&["backup", "backup", "flush", "primary", "flush"]), "{words:?}\n{said}");
}
