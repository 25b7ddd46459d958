//! U-Boot with the command `updater` of `libupdate/c/u-boot`: Debian's source for qemu's ARMv8 machine, the boot script of
//! `updater.env`. The slot's payload is its kernel and the hook, which only checks and maps the slot that U-Boot names.

use std::path::PathBuf;

use tests::chance::Chance;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{BOOT, Board, Cargo, Kernel, Kit, Release};
use tests::guest_lab::{GuestLab, Image, run};
use tests::rules::Step;

const BOARD: Board = Board { boot: "spends-try = \"boot-loader\"\n", more: BOOT, kernel: Kernel::Arm64, shipped: "" };
const ONE: Release = Release::of("1.0").with_cargo(Cargo::Fit);
const TWO: Release = Release::of("2.0").with_cargo(Cargo::Fit);
/// A drive whose cache U-Boot never empties, and one whose writes its driver flushes; both are blank.
const DRIVES: &[&str] = &[
    "-drive",
    "driver=null-co,read-zeroes=on,size=1M,if=none,id=nvme",
    "-device",
    "nvme,drive=nvme,serial=nvme",
    "-drive",
    "driver=null-co,read-zeroes=on,size=1M,if=none,id=sata",
    "-device",
    "ahci,id=ahci",
    "-device",
    "ide-hd,drive=sata,bus=ahci.0",
];

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
fn the_words_of_u_boots_command() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("off"));
    disk.install(&TWO.acts("mark-good,off"));
    let words = "updater status virtio 0; updater choose virtio 0; printenv updater_slot updater_part; \
                 updater verify virtio 0 b boot 46000000; printenv updater_size; \
                 updater verify virtio 0 b boot 46000000 100000 || echo too little; \
                 updater verify virtio 0 b app 46000000 || printenv updater_size; \
                 nvme scan; updater choose nvme 0 || printenv updater_slot; scsi scan; updater choose scsi 0; \
                 updater choose usb 0; updater spend virtio 0; printenv updater_tries";
    let twin = Some(typed("first.words", words));
    let said = Machine { twin, devices: DRIVES, ..machine() }.run(&disk);
    let lines = [
        "a     good               1      3  1.0",
        "b     trial              2      3  2.0",
        "updater: slot b boots: trial, 2 tries left, partition 2",
        "updater_slot=b",
        "updater_part=2",
        "updater: boot is at 46000000: ",
        "updater_size=",
        "updater: slot b does not start this time: updater: a buffer of ",
        "too little",
        "updater: slot b does not start this time: updater: ",
        "## Error: \"updater_size\" not defined",
        "updater: refuses nvme: ",
        "## Error: \"updater_slot\" not defined",
        // It is accepted, and has no table.
        "updater: ",
        "updater: there is no disk usb 0",
        "updater: slot b boots: trial, 2 tries left, partition 2",
        "updater_tries=2",
        "updater: slot b boots: trial, 1 try left, partition 2",
        "updater: slot b boots: version 2.0, named, 1 tries left",
        "guest: mark-good ended with 0",
    ];
    in_order(&said, &lines);
    assert!(!said.contains("refuses scsi"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]), "{said}");
}

#[test]
fn u_boot_tries_an_update_and_falls_back() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("off"));
    disk.install(&TWO.acts("reboot"));
    let said = machine().run(&disk);
    let lines = [
        "updater: slot b boots: trial, 2 tries left, partition 2",
        "guest: release 2.0 runs",
        "updater: slot b boots: trial, 1 try left, partition 2",
        "guest: release 2.0 runs",
        "updater: slot b boots: trial, 0 tries left, partition 2",
        "guest: release 2.0 runs",
        "updater: slot b: passed over: its tries ran out without a good boot",
        "updater: slot a boots: counted, 2 tries left, partition 1",
        "guest: release 1.0 runs",
    ];
    in_order(&said, &lines);
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 2, 1], [2, 0, 0]), "{said}");
}

#[test]
fn u_boot_starts_no_damaged_payload_and_mends_the_table() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("off"));
    disk.install(&TWO.acts("off"));
    disk.damage_in('b', "boot", 6 << 20);
    // The primary table: header and entries.
    disk.wipe(512, 33 * 512);
    let said = machine().run(&disk);
    in_order(
        &said,
        &[
            "updater: a damaged copy of the partition table was written anew",
            "updater: slot b: passed over: a block does not match the hash tree",
            "updater: slot a boots: counted, 2 tries left, partition 1",
            "guest: release 1.0 runs",
        ],
    );
    assert!(!said.contains("updater: slot b boots"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 2, 1], [0, 0, 0]), "{said}");
    both_copies_are_valid(&disk, &said);
    // The same in a script's own steps, which a good slot survives, too.
    disk.set_bits('b', [2, 3, 0]);
    let words = "updater spend virtio 0; if updater verify virtio 0 b boot 46000000; then echo it would start; \
                 elif test ${updater_verdict} = bad; then updater bad virtio 0 b; fi; updater good virtio 0 a; updater bad virtio 0 a || echo the last one";
    let said = Machine { twin: Some(typed("second.words", words)), ..machine() }.run(&disk);
    in_order(
        &said,
        &[
            "updater: slot b boots: trial, 2 tries left, partition 2",
            "updater: slot b must not start: updater: chunk 12 does not match the hash tree",
            "updater: slot b is marked bad",
            "updater: slot a is marked good",
            "the last one",
            "updater: slot a boots: counted, 2 tries left, partition 1",
            "guest: release 1.0 runs",
        ],
    );
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 2, 1], [0, 0, 0]), "{said}");
}

#[test]
fn every_cut_of_u_boots_writes_boots() {
    let disk = GuestDisk::provisioned(BOARD, &ONE.acts("off"));
    disk.install(&TWO.acts("mark-good,off"));
    let mut lab = GuestLab::of(&BOARD, &Chance::new(2026).named("u-boot"));
    let run = run(machine(), &disk);
    assert!(run.said.contains("guest: mark-good ended with 0"), "{}", run.said);
    let found = lab.steps(&run).unwrap_or_else(|why| panic!("{why}\n{}", run.said));
    let steps: Vec<_> = found.iter().map(|(_, step)| *step).collect();
    assert_eq!(steps, [Step::Spend(1), Step::MarkGood(1)], "{}", run.said);
    let tally = lab.cut(&run, 0);
    eprintln!("result: u-boot, a trial: {} writes, {} flushes, {} cuts", tally.writes, tally.flushes, tally.cuts);
    assert!(tally.is_sound(), "{:#?}", tally.told);
    // The laboratory is alive: a drive that keeps the writes to both copies in its cache leaves disks on which nothing boots.
    let broken = lab.without_each_flush(&run);
    assert!(broken.iter().any(|[dead, _]| *dead > 0), "{broken:?}");
    // Of those that U-Boot's own writes leave.
    let images: Vec<Image> = lab.sample(&run).into_iter().take(4).step_by(2).collect();
    for image in &images {
        starts_what_it_should(&mut lab, &disk, image);
    }
}

fn starts_what_it_should(lab: &mut GuestLab, disk: &GuestDisk, image: &Image) {
    let sight = lab.look(&image.content);
    let (slot, _) = sight.boots.expect("the laboratory says that it boots");
    let (slot, version) = [("a", "1.0"), ("b", "2.0")][slot];
    let disk = disk.with_content(&image.content);
    let said = machine().run(&disk);
    let story = format!("{}: {sight}\n{said}", image.story);
    in_order(&said, &[&format!("updater: slot {slot} boots: "), &format!("guest: release {version} runs")]);
    both_copies_are_valid(&disk, &story);
}

fn both_copies_are_valid(disk: &GuestDisk, story: &str) {
    let gpt = &disk.status()["gpt"];
    assert_eq!((&gpt["primary"], &gpt["backup"]), (&"valid".into(), &"valid".into()), "{story}");
}
