//! The store of UEFI firmware under the acts of the program: a folder in the place of efivarfs.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;
use tests::answer::{Answer, Exit};
use tests::device::Device;

const OWNER: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

struct Board {
    device: Device,
    variables: TempDir,
}

impl Board {
    /// A device with release 1.0 in slot a, and firmware with entries 6 and 7 for its slots.
    fn new() -> Self {
        let device = Device::new().profile("efi-boot-next.toml");
        let board = Self { device, variables: tempfile::tempdir().unwrap() };
        for (name, description) in [("Boot0001", "Shell"), ("Boot0006", "updater-a"), ("Boot0007", "updater-b")] {
            let text = description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
            board.set(name, &[1, 0, 0, 0, 4, 0].into_iter().chain(text).chain([0x7f, 0xff, 4, 0]).collect::<Vec<_>>());
        }
        board.set("BootOrder", &[6, 0, 1, 0]);
        board
    }

    fn set(&self, name: &str, data: &[u8]) {
        fs::write(self.variables.path().join(format!("{name}-{OWNER}")), [&[7, 0, 0, 0], data].concat()).unwrap();
    }

    fn lose(&self, name: &str) {
        fs::remove_file(self.variables.path().join(format!("{name}-{OWNER}"))).unwrap();
    }

    /// BootNext and BootOrder.
    fn says(&self) -> [Option<Vec<u8>>; 2] {
        ["BootNext", "BootOrder"].map(|name| {
            let bytes = fs::read(self.variables.path().join(format!("{name}-{OWNER}"))).ok()?;
            Some(bytes[4..].to_vec())
        })
    }

    /// Runs an act in the system of a slot.
    fn run(&self, booted: &str, arguments: &[&str]) -> Answer {
        let store = self.variables.path().to_str().unwrap();
        let line = [&["--loader-store", store, "--booted", booted][..], arguments].concat();
        self.device.cli(&line).and(&["--json"]).run()
    }

    fn does(&self, booted: &str, arguments: &[&str]) -> Value {
        self.run(booted, arguments).exits(Exit::Done).json()
    }
}

#[test]
fn an_update_its_trial_and_a_flag_that_is_lost() {
    let board = Board::new();
    let bundle = board.device.workshop.bundle_text(2);
    board.does("a", &["install", &bundle]);
    assert_eq!(board.says(), [Some(vec![7, 0]), Some(vec![6, 0, 1, 0])]);
    // Firmware starts the trial: its flag is gone, and stays so while it runs.
    board.lose("BootNext");
    let status = board.does("b", &["status"]);
    assert_eq!((&status["slots"][1]["tries_left"], &status["boot_loader"]["state"]), (&3.into(), &"agrees".into()));
    assert_eq!(board.says()[0], None);
    // It restarted without a mark.
    let answer = board
        .run("a", &["status"])
        .exits(Exit::Done)
        .says("slot b was to boot once and another slot runs: it did not start, or its flag was lost");
    let status = answer.json();
    assert_eq!((&status["slots"][1]["tries_left"], &status["boot_loader"]["state"]), (&2.into(), &"was-behind".into()));
    assert_eq!(board.says()[0], Some(vec![7, 0]));
    assert_eq!(board.does("a", &["status"])["slots"][1]["tries_left"], 2, "the flag is there");
    for left in [1, 0] {
        board.lose("BootNext");
        assert_eq!(board.does("a", &["status"])["slots"][1]["tries_left"], left);
    }
    assert_eq!(board.says(), [None, Some(vec![6, 0, 1, 0])]);
    board.does("a", &["install", "--retry-failed", &bundle]);
    board.lose("BootNext");
    board.does("b", &["mark-good"]);
    assert_eq!(board.says(), [None, Some(vec![7, 0, 6, 0, 1, 0])]);
}

#[test]
fn firmware_without_the_entry_or_with_a_variable_that_is_none_is_refused() {
    let board = Board::new();
    let bundle = board.device.workshop.bundle_text(2);
    board.lose("Boot0007");
    board.run("a", &["install", &bundle]).fails(Exit::Disk, "efibootmgr --create-only");
    assert_eq!((board.device.slot("b").bits[0], board.says()), (0, [None, Some(vec![6, 0, 1, 0])]));
    let board = Board::new();
    board.set("BootOrder", &[6, 0, 1]);
    board.run("a", &["install", &bundle]).fails(Exit::Disk, "which are no whole numbers");
    assert_eq!(board.says(), [None, Some(vec![6, 0, 1])]);
}
