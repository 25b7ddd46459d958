//! The same on an ARMv8 processor: the hook and the program cross-compiled, Debian's arm64 kernel, qemu's "virt" machine.

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Kernel, Release};

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");

#[test]
fn aarch64_installs_tries_verifies_and_marks_good() {
    let disk = GuestDisk::provisioned(Board::with(Kernel::Arm64), &ONE);
    let bundle = Some(disk.bundle(&TWO).into());
    let said = Machine { bundle, ..Machine::does("install,off") }.run(&disk);
    assert!(said.contains("updater: slot a boots: version 1.0, counted, 2 tries left"), "{said}");
    assert!(said.contains("guest: install ended with 0"), "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 0]);
    let said = Machine::does("verify-b,mark-good,off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    // The program takes the processor's instructions where it finds them; what it installed was judged by those of this side.
    assert!(said.lines().any(|line| line.starts_with("guest: processor: ") && line.contains(" sha2 ")), "{said}");
    assert!(said.contains("guest: verify-b ended with 0") && said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!(disk.bits('b'), [2, 3, 1]);
    // A flaw behind the first blocks: the hook finds it, and then the program.
    let image = std::fs::metadata(disk.bundle(&TWO).replace(".bundle", ".image")).unwrap().len();
    disk.damage('b', i64::try_from(image / 2).unwrap());
    disk.set_bits('b', [2, 0, 1]);
    let said = Machine::does("verify-a,verify-b,off").run(&disk);
    assert!(said.contains("updater: slot b is passed over: a block does not match the hash tree"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert!(said.contains("guest: verify-a ended with 0") && said.contains("guest: verify-b ended with 4"), "{said}");
}

#[test]
fn aarch64_falls_back() {
    let disk = GuestDisk::provisioned(Board::with(Kernel::Arm64), &ONE.acts("off"));
    disk.install(&TWO.acts("panic"));
    let said = Machine::default().run(&disk);
    for left in ["2", "1", "0"] {
        assert!(said.contains(&format!("updater: slot b boots: version 2.0, trial, {left} tries left")), "{said}");
    }
    assert!(said.contains("guest: panics") && said.contains("Kernel panic"), "{said}");
    assert!(said.contains("updater: slot b is passed over: its tries ran out without a good boot"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    disk.set_bits('b', [2, 3, 0]);
    disk.damage('b', 16 + 60 - 65536);
    let said = Machine::default().run(&disk);
    assert!(said.contains("updater: slot b is passed over: its trailer"), "{said}");
    assert_eq!(disk.bits('b'), [0, 0, 0]);
}
