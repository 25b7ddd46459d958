//! The slot's own kernel, by kexec: from its root, from a payload that is a file system, and from a UKI.

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{BOOT, Board, Cargo, Release};

const TWO: Release = Release::of("2.0");

/// The first hook chooses and spends; the second one, in the new kernel, only checks and maps.
fn starts_its_kernel(said: &str) {
    let boots = ["slot b boots: version 2.0, trial, 2 tries left", "slot b boots: version 2.0, named, 2 tries left"];
    let found: Vec<_> = boots.iter().map(|boot| said.find(boot)).collect();
    assert!(found[0].is_some() && found[0] < found[1], "{said}");
    assert!(said.contains("guest: release 2.0 runs") && said.contains("guest: mark-good ended with 0"), "{said}");
}

#[test]
fn from_its_root_file_system() {
    let kexec = "hand-over = \"kexec\"\nkernel = \"/boot/vmlinuz\"\ninitrd = \"/boot/initramfs\"\n";
    let board = Board { boot: kexec, ..Board::default() };
    let disk = GuestDisk::provisioned(board, &Release::of("1.0").with_kernel());
    disk.install(&TWO.with_kernel());
    starts_its_kernel(&Machine::does("mark-good,off").run(&disk));
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
}

/// A payload that goes wrong in the middle is found before anything of it runs, and the other slot's kernel starts.
fn from_a_payload(boot: &'static str, cargo: Cargo, told: &str) {
    let board = Board { boot, more: BOOT, ..Board::default() };
    let disk = GuestDisk::provisioned(board, &Release::of("1.0").with_cargo(cargo));
    disk.install(&TWO.with_cargo(cargo));
    let said = Machine::default().run(&disk);
    starts_its_kernel(&said);
    let line = said.lines().find(|line| line.starts_with("guest: the kernel was told: ")).expect("the guest says it");
    assert!(line.contains(told) && line.contains("updater.slot=b panic=1"), "{line}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
    disk.set_bits('b', [2, 3, 0]);
    disk.damage_in('b', "boot", 6 << 20);
    let said = Machine::default().run(&disk);
    assert!(said.contains("updater: slot b is passed over: a block does not match the hash tree"), "{said}");
    assert!(said.contains("slot a boots: version 1.0, named") && said.contains("guest: release 1.0 runs"), "{said}");
}

#[test]
fn from_a_unified_kernel_image() {
    from_a_payload("hand-over = \"kexec\"\npayload = \"boot\"\n", Cargo::Uki, "from=uki");
}

#[test]
fn from_files_of_a_payload() {
    let boot = "hand-over = \"kexec\"\npayload = \"boot\"\nkernel = \"/vmlinuz\"\ninitrd = \"/initramfs\"\ncommand-line = \"/cmdline\"\n";
    from_a_payload(boot, Cargo::BootTree, "from=tree");
}
