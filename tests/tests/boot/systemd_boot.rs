//! systemd-boot of Debian 12 in OVMF, and the store in the names of its files: it starts the trial and counts, the hook learns the slot
//! from its variable, `mark-good` drops the counter, a rollback leads to the older release, and a trial that is never good ends.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tests::firmware::Firmware;
use tests::guest::{Machine, in_order};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Kernel, Kit, Release};
use tests::guest_medium::{self, Medium};
use tests::sim_disk::Event;
use tests::{tool, write_log};

const BOARD: Board = Board {
    boot: "spends-try = \"boot-loader\"\nloader = \"systemd-boot\"\nloader-store = \"/mnt\"\nloader-payload = \"boot\"\n",
    more: r#"
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "24M"

[[partition]]
label = "esp"
type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
size = "40M"
"#,
    kernel: Kernel::Cloud,
    shipped: "",
};
const ESP_BYTES: usize = 40 << 20;
const ONE: Release = Release::of("1.0").with_cargo(Cargo::Uki).acts("asked");
const TWO: Release = Release::of("2.0").with_cargo(Cargo::BlessedUki).acts("asked");
const THREE: Release = Release::of("3.0").with_cargo(Cargo::Uki).acts("asked");
/// What the update and its trial say.
const TRIAL: &[&str] = &[
    "updater: slot a boots: version 1.0, named",
    "guest: install ended with 0",
    "guest: kernels: updater-1-a.efi updater-2-b+3-0.efi .",
    "updater: slot b boots: version 2.0, named",
    "guest: bless-boot says indeterminate.",
    "guest: kernels: updater-1-a.efi updater-2-b+2-1.efi .",
    r#""state":"agrees""#,
    "guest: mark-good ended with 0",
    "guest: bless-boot says good.",
    "guest: kernels: updater-1-a.efi updater-2-b.efi .",
];
/// The partition of a new device: the loader, its settings, and the kernel of slot a.
const ESP: &str = r#"
truncate -s 40M "$1"
mkfs.vfat "$1"
mmd -i "$1" ::/EFI ::/EFI/BOOT ::/EFI/Linux ::/loader
mcopy -i "$1" /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
printf 'timeout 0\n' | mcopy -i "$1" - ::/loader/loader.conf
mcopy -i "$1" "$2" ::/EFI/Linux/updater-1-a.efi
"#;

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

fn kernel(disk: &GuestDisk, release: &Release) -> PathBuf {
    disk.bundle(release).replace(".bundle", ".boot").into()
}

#[test]
fn systemd_boot_tries_an_update_and_falls_back() {
    let kit = Kit::shared();
    let disk = GuestDisk::provisioned(BOARD, &ONE);
    let image = kit.path("systemd-boot.esp");
    tool::run("sh", &["-e", "-c", ESP, "esp", text(&image), text(&kernel(&disk, &ONE))]);
    let before = fs::read(&image).expect("it was made");
    assert_eq!(before.len(), ESP_BYTES);
    disk.fill("esp", &before);
    let firmware = Some(Firmware::plain(&kit.path("systemd-boot.variables")));
    let machine = Machine { firmware, ..Machine::default() };

    let asked = "1.0 esp,install,kernels,reboot\n2.0 efivars,esp,bless,kernels,json,mark-good,bless,kernels,off\n";
    let run = Machine {
        bundle: Some(disk.bundle(&TWO).into()),
        twin: Some(kit.asked("systemd-boot.first", asked)),
        medium: Medium::Logged,
        ..machine.clone()
    };
    let said = run.run(&disk);
    in_order(&said, TRIAL);
    assert_eq!((disk.bits('a')[2], disk.bits('b')[2]), (1, 1), "{said}");
    every_cut_has_its_kernels(&disk, &before);

    // Back to the release that is older, whose name is above by then; and an update that is no good.
    let asked = "2.0 esp,rollback,kernels,reboot\n1.0 esp,kernels,install,kernels,off\n";
    let run = Machine {
        bundle: Some(disk.bundle(&THREE).into()),
        twin: Some(kit.asked("systemd-boot.second", asked)),
        ..machine.clone()
    };
    let said = run.run(&disk);
    let lines = [
        "guest: rollback ended with 0",
        "guest: kernels: updater-2-b.efi updater-3-a.efi .",
        "updater: slot a boots: version 1.0, named",
        "guest: install ended with 0",
        "guest: kernels: updater-3-a.efi updater-4-b+3-0.efi .",
    ];
    in_order(&said, &lines);

    let asked = "3.0 reboot\n1.0 esp,json,kernels,off\n";
    let said = Machine { twin: Some(kit.asked("systemd-boot.third", asked)), ..machine }.run(&disk);
    let trial = "updater: slot b boots: version 3.0, named";
    let lines = [
        trial,
        trial,
        trial,
        "updater: slot a boots: version 1.0, named",
        "slot b has 0 tries left",
        r#""state":"exhausted""#,
        "guest: kernels: updater-3-a.efi updater-4-b+0-3.efi .",
    ];
    in_order(&said, &lines);
    assert_eq!(disk.bits('b')[1..], [0, 0], "{said}");
}

/// The partition after each write of a run, as an implementation that is not Linux reads it: the kernel of slot a is always there and
/// whole, and so is that of slot b from the moment at which systemd-boot would list it.
fn every_cut_has_its_kernels(disk: &GuestDisk, before: &[u8]) {
    let sector = 512;
    let (first, end) = place_of_esp(disk);
    let file = Kit::shared().path("systemd-boot.cut");
    fs::write(&file, before).expect("the folder can be written");
    let image = File::options().write(true).open(&file).expect("it was made");
    let kernels = [('a', fs::read(kernel(disk, &ONE))), ('b', fs::read(kernel(disk, &TWO)))];
    let kernels = kernels.map(|(slot, bytes)| (slot, bytes.expect("it was made")));
    let (mut cuts, mut seen) = (0, Vec::new());
    for event in write_log::events(&guest_medium::log(&disk.path())) {
        let Event::Write(at, sectors) = event else { continue };
        if !(first..end).contains(&at) {
            continue;
        }
        let bytes: Vec<u8> = sectors.iter().flat_map(|one| one.bytes().expect("it was written").to_vec()).collect();
        image.write_all_at(&bytes, (at - first) * sector).expect("the folder can be written");
        // Longer ones are of a kernel's own blocks.
        if sectors.len() > 128 {
            continue;
        }
        cuts += 1;
        let names = tool::run("mdir", &["-b", "-i", text(&file), "::/EFI/Linux"]);
        let names: Vec<&str> = names.lines().filter_map(|line| line.strip_prefix("::/EFI/Linux/")).collect();
        for (slot, bytes) in &kernels {
            let listed = |name: &str| name.contains(&format!("-{slot}")) && name.ends_with(".efi");
            let entries: Vec<_> = names.iter().filter(|name| listed(name)).collect();
            let known = seen.iter().any(|names: &String| names.split(' ').any(listed));
            assert!(entries.len() == 1 || (entries.is_empty() && !known && *slot == 'b'), "cut {cuts}: {names:?}");
            for name in entries {
                let copy = file.with_extension("copy");
                tool::run("mcopy", &["-n", "-o", "-i", text(&file), &format!("::/EFI/Linux/{name}"), text(&copy)]);
                assert!(fs::read(&copy).expect("it was copied") == *bytes, "cut {cuts}: {name} is damaged: {names:?}");
            }
        }
        let listed = names.join(" ");
        if seen.last() != Some(&listed) {
            seen.push(listed);
        }
    }
    eprintln!("result: systemd-boot, an update: {cuts} writes of the partition's tables: {seen:#?}");
    let last = [
        "updater-1-a.efi updater-2-b+3-0.efi",
        "updater-1-a.efi updater-2-b+2-1.efi",
        "updater-1-a.efi updater-2-b.efi",
    ];
    assert_eq!(seen[seen.len() - 3..], last);
}

/// First sector of the partition, and the one after its last.
fn place_of_esp(disk: &GuestDisk) -> (u64, u64) {
    let words = tool::run("sgdisk", &["-p", text(&disk.path())]);
    let row = words.lines().find(|line| line.ends_with(" esp")).expect("the partition is there");
    let mut numbers = row.split_whitespace().skip(1).map(|word| word.parse().expect("sgdisk's columns"));
    let (first, last): (u64, u64) = (numbers.next().expect("a first sector"), numbers.next().expect("a last sector"));
    (first, last + 1)
}
