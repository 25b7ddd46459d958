//! Places to write, and the disk found by the GUID of its table.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Release};
use tests::tool;

const PLACES: Board = Board { boot: "var = \"data\"\noverlay = true\n", ..Board::CLOUD };
const GUID: &str = "0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f70";
const BY_GUID: Board = Board { more: "[disk]\nguid = \"0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f70\"\n", ..Board::CLOUD };

#[test]
fn var_is_kept_and_an_overlay_is_not() {
    let disk = GuestDisk::provisioned(PLACES, &Release::of("1.0"));
    let said = Machine::does("write,written,off").run(&disk);
    let none =
        "updater: /var is in memory and is gone after this boot: data: it is blank, and the slot has no mkfs.ext4";
    assert!(said.contains(none), "{said}");
    assert!(said.contains("guest: /var: kept /etc: once"), "{said}");
    disk.format_data();
    let said = Machine::does("write,written,off").run(&disk);
    assert!(!said.contains("in memory"), "{said}");
    assert!(said.contains("guest: /var: kept /etc: once"), "{said}");
    let said = Machine::does("written,write,written,off").run(&disk);
    assert!(
        said.contains("guest: /var: kept /etc: \n") && said.contains("guest: /var: kept kept /etc: once"),
        "{said}"
    );
    // What was written changed no block of the slot.
    disk.cli(&["verify", "--slot", "a"]).exits(tests::answer::Exit::Done);
}

/// As a cut leaves it that comes while mkfs.ext4 runs: the mark of the hook, and no whole file system.
fn cut_as_it_is_made(disk: &GuestDisk) {
    let (first, bytes) = disk.data();
    let file = File::options().write(true).open(disk.path()).expect("the disk was made");
    let mark = (bytes & !0xffff) - 0x10000;
    file.write_all_at(b"updater: a file system is made.\n", first + mark).expect("inside the disk");
    file.write_all_at(&[0; 4096], first).expect("inside the disk");
}

/// As a cut leaves it that comes while the new file system is filled.
fn cut_as_it_is_filled(disk: &GuestDisk) {
    let (first, bytes) = disk.data();
    let file = File::options().read(true).write(true).open(disk.path()).expect("the disk was made");
    let mut content = vec![0; usize::try_from(bytes).unwrap()];
    file.read_exact_at(&mut content, first).expect("inside the disk");
    let image = disk.path().with_extension("ext4");
    std::fs::write(&image, &content).expect("the folder can be written");
    let place = image.display().to_string();
    // The guest's journal would undo what follows.
    tool::run("sh", &["-c", "e2fsck -fy \"$1\" || [ $? -le 1 ]", "e2fsck", &place]);
    for act in ["mkdir .updater-fills", "rm lib/image", "write /etc/hostname torn"] {
        tool::run("debugfs", &["-w", "-R", act, &place]);
    }
    file.write_all_at(&std::fs::read(image).expect("it was made"), first).expect("inside the disk");
}

const NEW: &str = "has a new file system";
const EMPTIED: &str = "updater: /var: everything in it is removed";
const FILLED: &str = "updater: /var: data was empty and holds the image's /var now";

#[test]
fn a_blank_var_gets_a_file_system_with_the_images_files_whatever_cuts_it_short() {
    let disk = GuestDisk::provisioned(PLACES, &Release::of("1.0").with_cargo(Cargo::Maker));
    // Confirmed, as a health check's boots are: else the partition is left out after three.
    let run = |acts| {
        disk.set_bits('a', [1, 3, 1]);
        Machine::does(acts).run(&disk)
    };
    let boots = |signs: [bool; 2]| {
        let said = run("var,write,written,off");
        assert_eq!([NEW, FILLED].map(|sign| said.contains(sign)), signs, "{said}");
        assert!(!said.contains("in memory") && !said.contains(".updater") && !said.contains("torn"), "{said}");
        assert!(said.contains("the image's: of the image"), "{said}");
        said.contains("guest: /var: kept /etc")
    };
    assert!(boots([true, true]));
    assert!(!boots([false, false]), "it is kept");
    cut_as_it_is_made(&disk);
    assert!(boots([true, true]));
    cut_as_it_is_filled(&disk);
    assert!(boots([false, true]));
    assert!(!boots([false, false]), "it is kept");
    // qemu is killed while it is filled, or right behind it.
    for pause in [0, 50] {
        let (first, bytes) = disk.data();
        let file = File::options().write(true).open(disk.path()).expect("the disk was made");
        file.write_all_at(&vec![0; usize::try_from(bytes).unwrap()], first).expect("inside the disk");
        let guest = Machine::does("off").start(&disk);
        guest.says(NEW, 1);
        std::thread::sleep(Duration::from_millis(pause));
        drop(guest.cut());
        let said = run("var,off");
        assert!(!said.contains("in memory") && said.contains("the image's: of the image"), "{said}");
    }
}

#[test]
fn a_reset_empties_var_once_whatever_cuts_it_short() {
    let disk = GuestDisk::provisioned(PLACES, &Release::of("1.0").with_cargo(Cargo::Maker));
    let run = |acts| {
        disk.set_bits('a', [1, 3, 1]);
        Machine::does(acts).run(&disk)
    };
    // Taken back, nothing happens; and one that waits is told.
    let said = run("clutter,write,mark-good,reset,reset,json,doctor,reset-cancel,reset-cancel,json,off");
    in_order(
        &said,
        &[
            r#"guest: reset ended with 0 and said {"schema":1,"waits":true,"partition":"data""#,
            "guest: reset ended with 7",
            r#""reset_waits":true"#,
            r#"{"name":"var","state":"warning","detail":"a reset waits"#,
            r#"guest: reset-cancel ended with 0 and said {"schema":1,"waits":false"#,
            "guest: reset-cancel ended with 7",
            r#""reset_waits":false"#,
        ],
    );
    let said = run("var,written,reset,off");
    assert!(!said.contains(EMPTIED) && said.contains("guest: /var: kept"), "{said}");
    // qemu is killed as it is emptied, or right behind it.
    for pause in [0, 30, 200] {
        let before = disk.copy();
        disk.set_bits('a', [1, 3, 1]);
        let guest = Machine::does("off").start(&disk);
        guest.says(EMPTIED, 1);
        std::thread::sleep(Duration::from_millis(pause));
        drop(guest.cut());
        let said = run("var,off");
        assert!(!said.contains("in memory") && said.contains("the image's: of the image"), "{said}");
        let there = said.lines().find(|line| line.starts_with("guest: /var: ")).expect("it lists them");
        assert!(["kept", "app", "tmp", ".updater"].iter().all(|gone| !there.contains(gone)), "{said}");
        // It happens once.
        let said = run("write,var,off");
        assert!(!said.contains(EMPTIED) && !said.contains(FILLED) && said.contains("kept"), "{said}");
        std::fs::copy(before.path(), disk.path()).expect("the folder can be written");
    }
}

#[test]
fn what_is_no_file_system_and_not_blank_is_never_formatted() {
    let disk = GuestDisk::provisioned(PLACES, &Release::of("1.0").with_cargo(Cargo::Maker));
    let (first, bytes) = disk.data();
    let file = File::options().read(true).write(true).open(disk.path()).expect("the disk was made");
    // A signature at the start, at the end, and data without any.
    for (at, length) in [(0, 6), (bytes - 512, 6), (bytes / 2, 1 << 20)] {
        let mut content = vec![0; usize::try_from(bytes).unwrap()];
        content[usize::try_from(at).unwrap()..][..length].fill(0xba);
        file.write_all_at(&content, first).expect("inside the disk");
        let said = Machine::does("var,off").run(&disk);
        assert!(said.contains("updater: /var is in memory and is gone after this boot: data: "), "{said}");
        assert!(said.contains("the image's: of the image"), "{said}");
        let mut after = vec![0; content.len()];
        file.read_exact_at(&mut after, first).expect("inside the disk");
        assert!(after == content, "{at}: it was written to");
    }
}

#[test]
fn of_two_disks_with_the_slots_the_guid_tells_which() {
    let [disk, twin] = [(); 2].map(|()| GuestDisk::provisioned(BY_GUID, &Release::of("1.0")));
    assert!(tool::run("sgdisk", &["-p", &disk.path().display().to_string()]).contains(&GUID.to_uppercase()));
    twin.install(&Release::of("2.0"));
    let machine = Machine { twin: Some(twin.path()), ..Machine::does("json,off") };
    let said = Machine { words: "", ..machine.clone() }.start(&disk);
    // Both have it: never the first one found.
    said.says("match the profile", 1);
    drop(said);
    tool::run("sgdisk", &["-U", "R", &twin.path().display().to_string()]);
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot a boots: version 1.0") && said.contains(r#""disk":"/dev/vda""#), "{said}");
}
