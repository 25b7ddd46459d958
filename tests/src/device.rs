//! A device of the tests: a disk image file with release 1.0 booted from slot a, and the program run against it.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libupdate::BlockSize;
use serde_json::Value;
use tempfile::TempDir;

use crate::answer::{Answer, Exit};
use crate::cli::Cli;
use crate::witness::Witness;
use crate::workshop::Workshop;

/// A disk, its profile, and what the program is told about it.
#[derive(Debug)]
pub struct Device {
    /// Where its bundles come from.
    pub workshop: Arc<Workshop>,
    folder: Option<TempDir>,
    disk: PathBuf,
    profile: String,
    booted: Option<&'static str>,
    sectors: BlockSize,
}

/// One row of `status`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotRow {
    /// Priority, tries left, successful: as `cgpt show -P`, `-T`, `-S` print them.
    pub bits: [u64; 3],
    /// The word for its state.
    pub state: String,
    /// The version on it.
    pub version: Option<String>,
    /// The root hash of what is on it.
    pub root_hash: Option<String>,
    /// First byte of its root partition.
    pub start: u64,
    /// Bytes of its root partition.
    pub size: u64,
}

impl Device {
    /// A new device with 512-byte sectors.
    #[must_use]
    pub fn new() -> Self {
        Self::with_sectors(BlockSize::B512)
    }

    /// A new device.
    ///
    /// # Panics
    /// Where its disk cannot be made.
    #[must_use]
    pub fn with_sectors(sectors: BlockSize) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let device = Self::at(folder.path().join("disk.img"), sectors);
        Self { folder: Some(folder), ..device }
    }

    /// A new device whose disk stands at a path of the caller's.
    ///
    /// # Panics
    /// Where its disk cannot be made.
    #[must_use]
    pub fn at(disk: PathBuf, sectors: BlockSize) -> Self {
        let workshop = Workshop::shared();
        let profile = workshop.text("profile.toml");
        copy_sparse(workshop.provisioned(sectors), &disk);
        Self { workshop, folder: None, disk, profile, booted: None, sectors }
    }

    /// The same with another profile of the workshop.
    #[must_use]
    pub fn profile(self, name: &str) -> Self {
        Self { profile: self.workshop.text(name), ..self }
    }

    /// The same, started from this slot.
    #[must_use]
    pub fn booted(self, slot: &'static str) -> Self {
        Self { booted: Some(slot), ..self }
    }

    /// The same board with another disk, which may be none.
    #[must_use]
    pub fn on(&self, disk: &Path) -> Self {
        Self {
            workshop: Arc::clone(&self.workshop),
            folder: None,
            disk: disk.to_owned(),
            profile: self.profile.clone(),
            booted: self.booted,
            sectors: self.sectors,
        }
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Its sector size.
    #[must_use]
    pub const fn sectors(&self) -> BlockSize {
        self.sectors
    }

    /// The slot it was started from.
    #[must_use]
    pub fn booted_slot(&self) -> &'static str {
        self.booted.unwrap_or("a")
    }

    /// A command line of the program for this device.
    #[must_use]
    pub fn cli<A: AsRef<str>>(&self, arguments: &[A]) -> Cli {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let booted = self.booted.map_or(vec![], |slot| vec!["--booted", slot]);
        Cli::new(&["--profile", &self.profile]).and(&["--disk"]).and(&[&self.disk]).and(&booted).and(&arguments)
    }

    /// Runs the program for this device.
    #[must_use]
    pub fn run<A: AsRef<str>>(&self, arguments: &[A]) -> Answer {
        self.cli(arguments).run()
    }

    /// Runs an act that succeeds, and returns its document.
    pub fn does<A: AsRef<str>>(&self, arguments: &[A]) -> Value {
        self.cli(arguments).and(&["--json"]).run().exits(Exit::Done).json()
    }

    /// Installs a release.
    pub fn installs(&self, release: usize) -> Value {
        self.does(&["install", &self.workshop.bundle_text(release)])
    }

    /// Runs an act that fails with this code and this reason. The booted slot is bit for bit what it was, and bootable.
    pub fn refuses<A: AsRef<str>>(&self, arguments: &[A], exit: Exit, why: &str) -> Answer {
        let witness = Witness::of(self);
        let answer = self.cli(arguments).and(&["--json"]).run().fails(exit, why);
        witness.testifies(self);
        answer
    }

    /// Runs an act that fails with this code and this reason before it writes anything: the whole disk is bit for bit what it was.
    ///
    /// # Panics
    /// Where a byte differs.
    pub fn refuses_untouched<A: AsRef<str>>(&self, arguments: &[A], exit: Exit, why: &str) -> Answer {
        let before = self.bytes();
        let answer = self.refuses(arguments, exit, why);
        assert!(before == self.bytes(), "the disk was written\n{answer}");
        answer
    }

    /// Its status document.
    #[must_use]
    pub fn status(&self) -> Value {
        self.does(&["status"])
    }

    /// The row of one slot.
    ///
    /// # Panics
    /// Where the status has none.
    #[must_use]
    pub fn slot(&self, name: &str) -> SlotRow {
        let status = self.status();
        let rows = status["slots"].as_array().expect("slots is a list");
        let row = rows.iter().find(|row| row["name"] == name).expect("the profile has the slot");
        let root = row["partitions"].as_array().and_then(|list| list.iter().find(|place| place["role"] == "root"));
        let root = root.expect("the slot has a root partition");
        let number = |value: &Value| value.as_u64().expect("a number");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self::row(
            [number(&row["priority"]), number(&row["tries_left"]), u64::from(row["successful"] == true)],
            (text(&row["state"]).expect("a word"), text(&row["version"]), text(&row["root_hash"])),
            (number(&root["start_bytes"]), number(&root["size_bytes"])),
        )
    }

    fn row(
        bits: [u64; 3],
        (state, version, root_hash): (String, Option<String>, Option<String>),
        (start, size): (u64, u64),
    ) -> SlotRow {
        SlotRow { bits, state, version, root_hash, start, size }
    }

    /// The state of one slot.
    #[must_use]
    pub fn state(&self, slot: &str) -> String {
        self.slot(slot).state
    }

    /// Every byte of the disk.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.disk).expect("the disk can be read")
    }

    /// The bytes of a slot's root partition.
    #[must_use]
    pub fn partition(&self, slot: &str) -> Vec<u8> {
        let SlotRow { start, size, .. } = self.slot(slot);
        self.range(start, size)
    }

    /// Bytes of the disk.
    ///
    /// # Panics
    /// Where it is shorter.
    #[must_use]
    pub fn range(&self, start: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).expect("disks of tests are small")];
        let file = fs::File::open(&self.disk).expect("the disk can be read");
        file.read_exact_at(&mut bytes, start).expect("the range lies on the disk");
        bytes
    }

    /// Overwrites bytes of the disk.
    ///
    /// # Panics
    /// Where that fails.
    pub fn put(&self, start: u64, bytes: &[u8]) {
        let file = fs::OpenOptions::new().write(true).open(&self.disk).expect("the disk can be written");
        file.write_all_at(bytes, start).expect("the disk can be written");
    }

    /// Flips one bit of the disk.
    pub fn flip(&self, at: u64) {
        let byte = self.range(at, 1)[0];
        self.put(at, &[byte ^ 0x10]);
    }

    /// Writes a file beside the disk.
    ///
    /// # Panics
    /// Where that fails, or the device has no folder of its own.
    pub fn put_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.as_ref().expect("a device with a folder").path().join(name);
        fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }

    /// The slot that boots next, as `choose` says.
    #[must_use]
    pub fn next(&self) -> String {
        self.does(&["choose"])["slot"].as_str().expect("a letter").to_owned()
    }

    /// A boot of the next slot: spends its try, and takes it for the booted one.
    #[must_use]
    pub fn boots(self) -> Self {
        let chosen = self.does(&["choose", "--spend"]);
        let booted = if chosen["slot"] == "a" { "a" } else { "b" };
        self.booted(booted)
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies a file and leaves its holes.
fn copy_sparse(from: &Path, to: &Path) {
    let [from, to] = [from, to].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    crate::tool::run("cp", &["--sparse=always", from, to]);
}
