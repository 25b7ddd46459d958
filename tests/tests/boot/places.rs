//! Places to write, and the disk found by the GUID of its table.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Release};
use tests::tool;

const PLACES: Board = Board { boot: "var = \"data\"\noverlay = true\n", ..Board::CLOUD };
const GUID: &str = "0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f70";
const BY_GUID: Board = Board { more: "[disk]\nguid = \"0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f70\"\n", ..Board::CLOUD };

/// Puts an ext4 file system into the partition `data`.
fn format_data(disk: &GuestDisk) {
    let path = disk.path().display().to_string();
    let words = tool::run("sgdisk", &["-p", &path]);
    let row = words.lines().find(|line| line.ends_with("data")).expect("the partition is there");
    let numbers: Vec<u64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [_, first, last] = numbers[..3] else { panic!("sgdisk's columns: {row}") };
    let image = disk.path().with_extension("ext4");
    File::create(&image).and_then(|file| file.set_len((last - first + 1) * 512)).expect("the folder can be written");
    tool::run("mkfs.ext4", &["-q", &image.display().to_string()]);
    let file = File::options().write(true).open(disk.path()).expect("the disk was made");
    file.write_all_at(&std::fs::read(image).expect("it was made"), first * 512).expect("inside the disk");
}

#[test]
fn var_is_kept_and_an_overlay_is_not() {
    let disk = GuestDisk::provisioned(PLACES, &Release::of("1.0"));
    let said = Machine::does("write,written,off").run(&disk);
    let none = "updater: /var is in memory and is gone after this boot: data: it holds no file system";
    assert!(said.contains(none), "{said}");
    assert!(said.contains("guest: /var: kept /etc: once"), "{said}");
    format_data(&disk);
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
