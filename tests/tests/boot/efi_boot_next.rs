//! UEFI firmware without a boot loader, OVMF with the real efivarfs: a trial boots by `BootNext`, once for each try; `mark-good` puts its
//! entry to the top of `BootOrder`; a flag that got lost is counted, said and set again.

use libupdate::gpt::Guid;
use tests::firmware::{BootEntry, Firmware};
use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{BOOT, Board, Cargo, Kernel, Kit, Release};
use tests::tool;

const BOARD: Board = Board {
    boot: "spends-try = \"boot-loader\"\nloader = \"efi-boot-next\"\n",
    more: BOOT,
    kernel: Kernel::Cloud,
    shipped: "",
};

/// What the update and its trial say.
const TRIAL: &[&str] = &[
    "updater: slot a boots: version 1.0, named",
    "guest: install ended with 0",
    "guest: BootNext: 07 00 00 00 01 01.",
    // The slot on trial is in no order.
    "guest: BootOrder: 07 00 00 00 00 01",
    "updater: slot b boots: version 2.0, named",
    r#""state":"agrees""#,
    "guest: BootNext:.",
    "guest: BootOrder: 07 00 00 00 00 01",
    "guest: mark-good ended with 0",
    "guest: BootNext:.",
    "guest: BootOrder: 07 00 00 00 01 01 00 01",
];

/// A release whose kernel is a file of a FAT partition of its slot, and that does what it is asked.
const fn release(version: &'static str) -> Release {
    Release::of(version).with_cargo(Cargo::FatUki).acts("asked")
}

/// The partition of this number, as `sgdisk` reads it: its place, and its own GUID.
fn partition(disk: &GuestDisk, number: u32) -> ((u32, u64, u64), Guid) {
    let words = tool::run("sgdisk", &["-i", &number.to_string(), disk.path().to_str().expect("UTF-8")]);
    let field = |name: &str| {
        let line = words.lines().find_map(|line| line.strip_prefix(name)).expect("sgdisk's words");
        line.trim_start_matches(": ").split_whitespace().next().expect("a value").to_owned()
    };
    let [first, last] = ["First sector", "Last sector"].map(|name| field(name).parse::<u64>().expect("a number"));
    let guid = field("Partition unique GUID").to_ascii_lowercase();
    ((number, first, last - first + 1), Guid::parse(&guid).expect("a GUID"))
}

#[test]
fn firmware_tries_an_update_and_falls_back() {
    let kit = Kit::shared();
    let disk = GuestDisk::provisioned(BOARD, &release("1.0"));
    let entry = |name, number| {
        let (place, guid) = partition(&disk, number);
        BootEntry { name, place, guid, file: "\\updater.efi" }
    };
    let entries = [(0x100, entry("updater-a", 3)), (0x101, entry("updater-b", 4))];
    let firmware = Firmware::with_entries(&kit.path("boot-next.variables"), &entries);
    let machine = Machine { firmware: Some(firmware), ..Machine::default() };
    let run = |name: &str, version: Option<&'static str>, asked: &str| {
        let bundle = version.map(|version| disk.bundle(&release(version)).into());
        Machine { bundle, twin: Some(kit.asked(name, asked)), ..machine.clone() }.run(&disk)
    };

    let asked = "1.0 efivars,install,next,reboot\n2.0 efivars,json,next,mark-good,next,off\n";
    let said = run("boot-next.first", Some("2.0"), asked);
    in_order(&said, TRIAL);
    assert_eq!((disk.bits('a')[2], disk.bits('b')[2]), (1, 1), "{said}");

    let said = run("boot-next.second", Some("3.0"), "2.0 efivars,install,next,off\n");
    let lines = [
        "updater: slot b boots: version 2.0, named",
        "guest: install ended with 0",
        "guest: BootNext: 07 00 00 00 00 01.",
        "guest: BootOrder: 07 00 00 00 01 01",
    ];
    in_order(&said, &lines);
    assert_eq!(disk.bits('a')[1..], [3, 0], "{said}");

    // A trial that restarts; then its flag is lost.
    let said = run("boot-next.third", None, "3.0 reboot\n2.0 efivars,json,next,lose-next,off\n");
    let lines = [
        "updater: slot a boots: version 3.0, named",
        "updater: slot b boots: version 2.0, named",
        "slot a was to boot once and another slot runs: it did not start, or its flag was lost with the power. It has 2 tries left",
        "guest: BootNext: 07 00 00 00 00 01.",
        "guest: lose-next ended with 0",
    ];
    in_order(&said, &lines);
    assert_eq!(disk.bits('a')[1..], [2, 0], "{said}");
    let said = run("boot-next.fourth", None, "2.0 efivars,json,next,off\n");
    let lines = [
        "updater: slot b boots: version 2.0, named",
        "slot a was to boot once and another slot runs: it did not start, or its flag was lost with the power. It has 1 tries left",
        "guest: BootNext: 07 00 00 00 00 01.",
    ];
    in_order(&said, &lines);
    assert!(!said.contains("version 3.0, named"), "{said}");
    assert_eq!((disk.bits('a')[1..].to_vec(), disk.bits('b')[2]), (vec![1, 0], 1), "{said}");
}
