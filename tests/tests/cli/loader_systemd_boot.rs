//! The store of systemd-boot under the acts of the program: a folder in the place of the partition.

use std::fs;
use std::path::{Path, PathBuf};

use tests::answer::{Answer, Exit};
use tests::device::Device;
use tests::mounted::Mounted;
use tests::root_image::noise;

const OS_RELEASE: &str = "ID=box\nPRETTY_NAME=Box\n";

/// Headers of a PE image with a section .osrel, and content of no meaning.
fn kernel(name: &str, os_release: &str) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[60] = 128;
    bytes[128..132].copy_from_slice(b"PE\0\0");
    bytes[134] = 1;
    bytes[152..158].copy_from_slice(b".osrel");
    let len = u32::try_from(os_release.len()).unwrap();
    for (at, value) in [(160, len), (168, 512), (172, 512)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes[512..512 + os_release.len()].copy_from_slice(os_release.as_bytes());
    bytes.extend(noise(name, 300_001));
    bytes
}

/// A bundle with a root and this kernel.
fn bundle(device: &Device, release: usize, kernel: &[u8]) -> String {
    let boot = device.workshop.put_new("boot", kernel);
    let payload = format!("boot={}", boot.to_str().unwrap());
    device.workshop.release(release).with(&["--payload", &payload]).create().to_str().unwrap().to_owned()
}

/// A device with release 1.0 in slot a, whose kernel is in the loader's partition, at `partition`.
struct Board {
    device: Device,
    store: String,
    folder: PathBuf,
}

impl Board {
    fn at(partition: &Path) -> Self {
        let device = Device::new().profile("systemd-boot.toml");
        let first = kernel("1", OS_RELEASE);
        device.does(&["provision", "--danger-overwrite", &bundle(&device, 1, &first)]);
        let folder = partition.join("EFI/Linux");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("updater-1-a.efi"), first).unwrap();
        Self { device, store: partition.to_str().unwrap().to_owned(), folder }
    }

    /// Runs an act in the system of a slot.
    fn run(&self, booted: &str, arguments: &[&str]) -> Answer {
        let line = [&["--loader-store", &self.store, "--booted", booted][..], arguments].concat();
        self.device.cli(&line).and(&["--json"]).run()
    }

    fn does(&self, booted: &str, arguments: &[&str]) -> serde_json::Value {
        self.run(booted, arguments).exits(Exit::Done).json()
    }

    fn names(&self) -> String {
        let names = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.join(" ")
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.join(from), self.folder.join(to)).unwrap();
    }

    /// An installation that fails before its slot is armed.
    fn refuses(&self, bundle: &str, exit: Exit, why: &str) {
        self.run("a", &["install", bundle]).fails(exit, why);
        assert_eq!((self.device.slot("b").bits[0], self.device.next()), (0, "a".to_owned()));
        assert_eq!(self.names(), "updater-1-a.efi");
    }
}

#[test]
fn an_update_its_trial_and_the_way_back() {
    let partition = tempfile::tempdir().unwrap();
    let board = Board::at(partition.path());
    let second = kernel("2", OS_RELEASE);
    // What an update that was cut has left.
    fs::write(board.folder.join("updater-b.part"), "half").unwrap();
    board.does("a", &["install", &bundle(&board.device, 2, &second)]);
    assert_eq!(board.names(), "updater-1-a.efi updater-2-b+3-0.efi");
    assert!(fs::read(board.folder.join("updater-2-b+3-0.efi")).unwrap() == second);
    assert_eq!(board.does("a", &["status"])["boot_loader"]["state"], "agrees");
    board.rename("updater-2-b+3-0.efi", "updater-2-b+2-1.efi");
    let status = board.does("b", &["status"]);
    assert_eq!((&status["slots"][1]["tries_left"], &status["boot_loader"]["state"]), (&2.into(), &"agrees".into()));
    board.does("b", &["mark-good"]);
    assert_eq!(board.names(), "updater-1-a.efi updater-2-b.efi");
    // The power went before the name was changed.
    board.rename("updater-2-b.efi", "updater-2-b+2-1.efi");
    assert_eq!(board.does("b", &["status"])["boot_loader"]["state"], "was-behind");
    assert_eq!(board.names(), "updater-1-a.efi updater-2-b.efi");
    board.does("b", &["rollback"]);
    assert_eq!(board.names(), "updater-2-b.efi updater-3-a.efi");
    // Staged, it has no kernel there; activated, it has.
    let third = bundle(&board.device, 3, &kernel("3", OS_RELEASE));
    board.does("a", &["install", "--no-activate", &third]);
    assert_eq!(board.names(), "updater-3-a.efi");
    board.does("a", &["activate"]);
    assert_eq!(board.names(), "updater-3-a.efi updater-4-b+3-0.efi");
    board.does("a", &["mark-bad", "--slot", "b"]);
    assert_eq!(board.names(), "updater-3-a.efi");
}

#[test]
fn a_kernel_that_systemd_boot_would_not_start_first_is_not_armed() {
    let partition = tempfile::tempdir().unwrap();
    let board = Board::at(partition.path());
    let other = bundle(&board.device, 2, &kernel("2", "ID=box\nVERSION_ID=2\n"));
    board.refuses(&other, Exit::Disk, "systemd-boot would order it by its .osrel");
    let none = bundle(&board.device, 2, &noise("no kernel", 20_000));
    board.refuses(&none, Exit::Disk, "no kernel that systemd-boot lists");
    board.does("a", &["install", &bundle(&board.device, 2, &kernel("2", OS_RELEASE))]);
}

#[test]
fn a_full_partition_ends_an_update_before_it_is_armed() {
    let mounted = Mounted::tmpfs(500);
    let board = Board::at(mounted.path());
    let second = bundle(&board.device, 2, &kernel("2", OS_RELEASE));
    board.refuses(&second, Exit::NoSpace, "No space left on device");
    mounted.grow(2000);
    board.does("a", &["install", &second]);
    assert_eq!(board.names(), "updater-1-a.efi updater-2-b+3-0.efi");
}

#[test]
fn a_folder_that_is_not_as_it_must_be_is_refused() {
    let partition = tempfile::tempdir().unwrap();
    let board = Board::at(partition.path());
    let second = bundle(&board.device, 2, &kernel("2", OS_RELEASE));
    board.rename("updater-1-a.efi", "debian.efi");
    board.run("a", &["install", &second]).fails(Exit::Disk, "slot a boots, and there is no updater-RANK-a.efi");
    assert_eq!((board.names().as_str(), board.device.next().as_str()), ("debian.efi", "a"));
    board.rename("debian.efi", "updater-1-a.efi");
    fs::write(board.folder.join("updater-2-a+1-0.efi"), "").unwrap();
    board.run("a", &["install", &second]).fails(Exit::Disk, "updater-1-a.efi and updater-2-a+1-0.efi are of one slot");
    fs::remove_file(board.folder.join("updater-2-a+1-0.efi")).unwrap();
    board.does("a", &["install", &second]);
    fs::remove_dir_all(partition.path().join("EFI")).unwrap();
    board.run("a", &["mark-good"]).fails(Exit::Disk, "is the EFI system partition mounted there?");
}
