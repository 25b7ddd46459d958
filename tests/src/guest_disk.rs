//! The disk of a guest: a file, made and changed by the program on this side, and looked at from outside.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use libupdate::{BlockCount, BlockSize};
use serde_json::Value;
use tempfile::TempDir;

use crate::answer::{Answer, Exit};
use crate::cli::Cli;
use crate::guest_kit::{Board, Kit, Release};
use crate::loop_device::LoopDevice;
use crate::medium::{Medium, Sector, Sectors, Zone};
use crate::tool;

/// A disk image file, the board it is in, and what it was made with.
#[derive(Debug)]
pub struct GuestDisk {
    folder: TempDir,
    board: Board,
    sectors: BlockSize,
}

impl GuestDisk {
    /// A disk of a board with this release on slot a, good.
    #[must_use]
    pub fn provisioned(board: Board, release: &Release) -> Self {
        Self::with_sectors(board, release, BlockSize::B512)
    }

    /// The same with other sectors.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn with_sectors(board: Board, release: &Release, sectors: BlockSize) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let disk = Self { folder, board, sectors };
        let bundle = disk.bundle(release);
        let (bytes, sectors) = ((board.disk_mib() << 20).to_string(), sectors.bytes().to_string());
        disk.cli(&["--sector-size", &sectors, "provision", "--size", &bytes, &bundle]).exits(Exit::Done);
        disk
    }

    /// Another one of the same board, with this content.
    ///
    /// # Panics
    /// Where the file cannot be written.
    #[must_use]
    pub fn with_content(&self, content: &Medium) -> Self {
        let twin = self.blank();
        let file = File::create(twin.path()).expect("the folder can be written");
        let size = self.sectors.bytes_u64();
        file.set_len(content.blocks().get() * size).expect("the folder can be written");
        for lba in 0..content.blocks().get() {
            let sector = content.sector(lba).and_then(Sector::bytes).expect("a sector that can be read");
            // A hole reads as zeros.
            if sector.iter().any(|byte| *byte != 0) {
                file.write_all_at(sector, lba * size).expect("inside the disk");
            }
        }
        twin
    }

    /// A copy.
    ///
    /// # Panics
    /// Where the file cannot be copied.
    #[must_use]
    pub fn copy(&self) -> Self {
        let twin = self.blank();
        std::fs::copy(self.path(), twin.path()).expect("the folder can be written");
        twin
    }

    /// One of the same board, without its file.
    fn blank(&self) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        Self { folder, board: self.board, sectors: self.sectors }
    }

    /// What it holds, with a zone for each slot.
    ///
    /// # Panics
    /// Where the file cannot be read.
    #[must_use]
    pub fn content(&self) -> Medium {
        let bytes = std::fs::read(self.path()).expect("the disk was made");
        let size = self.sectors.bytes();
        let roles = ["root", "boot"].into_iter().filter(|role| *role == "root" || self.board.has_boot());
        let slots =
            roles.flat_map(|role| ['a', 'b'].into_iter().enumerate().map(move |(slot, name)| (slot, name, role)));
        let zones = slots.map(|(slot, name, role)| {
            let (start, len) = self.place(name, role);
            (start / self.sectors.bytes_u64()..(start + len) / self.sectors.bytes_u64(), Zone::of_slot(slot))
        });
        let blocks = BlockCount::new(self.sectors.blocks_for(self.board.disk_mib() << 20));
        let used = (0..).zip(bytes.chunks(size)).filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let sectors: Sectors = used.map(|(lba, sector)| (lba, Sector::new(sector))).collect();
        Medium::blank([self.sectors; 2], blocks, zones.collect()).with(sectors).flattened()
    }

    /// What everything is made of.
    #[must_use]
    pub fn kit(&self) -> &'static Kit {
        Kit::shared()
    }

    /// The board.
    #[must_use]
    pub const fn board(&self) -> &Board {
        &self.board
    }

    /// Its sectors.
    #[must_use]
    pub const fn sectors(&self) -> BlockSize {
        self.sectors
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// A release's bundle for this board.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn bundle(&self, release: &Release) -> String {
        text(&self.kit().bundle(&self.board, release))
    }

    /// A delta from release `old` to another one, for this board.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn delta(&self, release: &Release, old: &Release) -> String {
        text(&self.kit().delta(&self.board, release, old))
    }

    /// Runs the program on this disk.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Answer {
        let profile = text(&self.kit().profile(&self.board));
        Cli::new(&["--quiet", "--profile", &profile, "--disk", &text(&self.path())]).and(arguments).run()
    }

    /// Installs a release into the slot that is not booted.
    pub fn install(&self, release: &Release) {
        self.cli(&["install", &self.bundle(release)]).exits(Exit::Done);
    }

    /// Priority, tries left and success of a slot, as `cgpt` reads them.
    ///
    /// # Panics
    /// Where it does not.
    #[must_use]
    pub fn bits(&self, slot: char) -> [u64; 3] {
        let over = (self.sectors == BlockSize::B4096).then(|| LoopDevice::over(&self.path(), BlockSize::B4096));
        let node = over.as_ref().map_or_else(|| text(&self.path()), |over| over.text().to_owned());
        let number = if slot == 'a' { "1" } else { "2" };
        ["-P", "-T", "-S"].map(|field| {
            let words = tool::run("cgpt", &["show", "-i", number, field, &node]);
            words.trim().parse().unwrap_or_else(|_| panic!("cgpt show {field}: {words}"))
        })
    }

    /// Sets a slot's bits, as `cgpt` does.
    pub fn set_bits(&self, slot: char, [priority, tries, successful]: [u8; 3]) {
        let number = if slot == 'a' { "1" } else { "2" };
        let fields =
            [("-P", priority), ("-T", tries), ("-S", successful)].map(|(name, value)| format!("{name}{value}"));
        let arguments = ["add", "-i", number].map(str::to_owned).into_iter().chain(fields).chain([text(&self.path())]);
        tool::run("cgpt", &arguments.collect::<Vec<_>>());
    }

    /// The document of `status`.
    #[must_use]
    pub fn status(&self) -> Value {
        self.cli(&["--json", "status"]).exits(Exit::Done).json()
    }

    /// First byte of a slot's partition for this role, and its bytes.
    ///
    /// # Panics
    /// Where `status` has no such partition.
    #[must_use]
    pub fn place(&self, slot: char, role: &str) -> (u64, u64) {
        let status = self.status();
        let rows = status["slots"].as_array().expect("status lists slots");
        let row = rows.iter().find(|row| row["name"] == slot.to_string()).expect("the slot is there");
        let mut partitions = row["partitions"].as_array().expect("a slot has partitions").iter();
        let partition = partitions.find(|partition| partition["role"] == role).expect("the role is there");
        let field = |name: &str| partition[name].as_u64().expect("a number");
        (field("start_bytes"), field("size_bytes"))
    }

    /// Copies a release's image to the partition with this label, as it is.
    ///
    /// # Panics
    /// Where there is no such partition.
    pub fn copy_image(&self, release: &Release, label: &str) {
        let image = std::fs::read(self.bundle(release).replace(".bundle", ".image")).expect("the image was made");
        self.fill(label, &image);
    }

    /// Writes to the partition with this label, from its start on.
    ///
    /// # Panics
    /// Where there is no such partition.
    pub fn fill(&self, label: &str, bytes: &[u8]) {
        self.write_at(self.start_of(label), bytes);
    }

    /// The first byte of the partition with this label.
    ///
    /// # Panics
    /// Where there is no such partition.
    #[must_use]
    pub fn start_of(&self, label: &str) -> u64 {
        let words = tool::run("sgdisk", &["-p", &text(&self.path())]);
        let row = words.lines().find(|line| line.ends_with(label)).expect("the partition is there");
        let first: u64 = row.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("sgdisk's columns");
        first * 512
    }

    /// First byte and length of the partition `data`.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn data(&self) -> (u64, u64) {
        let words = tool::run("sgdisk", &["-p", &text(&self.path())]);
        let row = words.lines().find(|line| line.ends_with("data")).expect("the partition is there");
        let numbers: Vec<u64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [_, first, last] = numbers[..3] else { panic!("sgdisk's columns: {row}") };
        (first * 512, (last - first + 1) * 512)
    }

    /// Puts an ext4 file system into the partition `data`.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn format_data(&self) {
        let (first, bytes) = self.data();
        let image = self.path().with_extension("ext4");
        File::create(&image).and_then(|file| file.set_len(bytes)).expect("the folder can be written");
        tool::run("mkfs.ext4", &["-q", &text(&image)]);
        self.write_at(first, &std::fs::read(image).expect("it was made"));
    }

    /// Writes to a place that no partition need have.
    ///
    /// # Panics
    /// Where it is not inside the disk.
    pub fn write_at(&self, at: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.path()).expect("the disk was made");
        file.write_all_at(bytes, at).expect("inside the disk");
    }

    /// Flips a bit of a slot, at a byte of its root partition; behind its end, from the end on.
    pub fn damage(&self, slot: char, at: i64) {
        self.damage_in(slot, "root", at);
    }

    /// The same in the partition for this role.
    ///
    /// # Panics
    /// Where the file cannot be written.
    pub fn damage_in(&self, slot: char, role: &str, at: i64) {
        let (start, size) = self.place(slot, role);
        let at = if at < 0 { start + size - at.unsigned_abs() } else { start + at.unsigned_abs() };
        let file = File::options().read(true).write(true).open(self.path()).expect("the disk was made");
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("inside the disk");
        file.write_all_at(&[byte[0] ^ 1], at).expect("inside the disk");
    }

    /// Writes zeros over a part of the disk, from its start or, where `at` is negative, from its end.
    ///
    /// # Panics
    /// Where the file cannot be written.
    pub fn wipe(&self, at: i64, bytes: usize) {
        let file = File::options().write(true).open(self.path()).expect("the disk was made");
        let len = file.metadata().expect("the disk was made").len();
        let at = if at < 0 { len - at.unsigned_abs() } else { at.unsigned_abs() };
        file.write_all_at(&vec![0; bytes], at).expect("inside the disk");
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}
