//! The core on a machine without operating system: `tests/firmware` in qemu's Cortex-M4, its disk a file that the host makes with
//! `sgdisk` and looks at afterwards. Buffers of 4 KiB, no allocator; the stack is measured.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libupdate::bundle::writer::{self, BundleSpec, Carriage, Image, LocalKey, Signer as _, Tools};
use libupdate::bundle::{Anchors, UpdaterVersion};
use libupdate::error::TableFault;
use libupdate::gpt::{CopyState, Guid, Table};
use libupdate::inspect::{self, Memory, View};
use libupdate::manifest::Name;
use libupdate::policy::{Compression, Facts};
use libupdate::region::trailer::{self, TRAILER_BYTES};
use libupdate::slot::{Duty, PartitionSpec, SlotState};
use libupdate::{BlockCount, BlockSize, ByteLen, Extent, Lba, SlotId, SoftHasher, UnixSeconds, Window};
use tests::file_disk::FileDisk;
use tests::{tool, tree};

/// As in `tests/firmware/src/board.rs`.
const COMPATIBLE: &str = "mps2-an386";
const LINUX_DATA: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
/// Where `root-b` begins, for the bytes of the image on it.
const SLOT_B_OFFSET: usize = 18432 * 512;
/// Three chunks and one block, so that the tree has two levels and the last chunk is short.
const IMAGE_LEN: usize = 385 * 4096;
/// The goal in docs/PERFORMANCE.md: bytes of stack, at most, for every act of either program.
const STACK_BUDGET: usize = 16 * 1024;
/// How the installer ends: as the program does.
const NOT_AUTHENTIC: i32 = 4;
const REFUSED: i32 = 6;

/// What a program said before its machine ended.
struct Ended {
    code: Option<i32>,
    said: String,
}

/// A folder with what the programs read: `disk.img`, `bundle`, `trust.der`.
struct Bench {
    folder: tempfile::TempDir,
    image: Vec<u8>,
    key: LocalKey,
    anchors: Anchors,
}

impl Bench {
    /// A disk with a good slot a, of which only the trailer is there, and an empty slot b, and a bundle for it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalKey::from_scalar(&[7; 32]).unwrap();
        let image: Vec<u8> = (0..IMAGE_LEN).map(|at| u8::try_from(at / 4096 % 251).unwrap()).collect();
        std::fs::write(folder.path().join("trust.der"), key.public_key().to_spki()).unwrap();
        let anchors = Anchors::new(&[*key.public_key()], NonZeroUsize::MIN).unwrap();
        let bench = Self { folder, image, key, anchors };
        make_disk(&bench.folder.path().join("disk.img"));
        let envelope = bench.deliver("1.0");
        let slot_a = Extent::new(Lba::new(2048), Lba::new(18431), BlockSize::B512).unwrap();
        trailer::write(&mut Window::new(&mut bench.disk(), slot_a), &envelope, &mut [0; 4096]).unwrap();
        bench.deliver("2.0");
        bench
    }

    /// Makes the bundle of this version; gives its envelope.
    fn deliver(&self, version: &str) -> Vec<u8> {
        let (bundle, envelope) = bundle(version, &self.image, &self.key);
        std::fs::write(self.folder.path().join("bundle"), bundle).unwrap();
        envelope
    }

    /// Runs it, and holds it to the stack it may use, whatever it does.
    fn run(&self, program: &str, occasion: &str) -> Ended {
        let qemu = "qemu-system-arm";
        let output = Command::new("timeout")
            .args([
                "300",
                qemu,
                "-M",
                "mps2-an386",
                "-cpu",
                "cortex-m4",
                "-nodefaults",
                "-nographic",
                "-monitor",
                "none",
            ])
            .args(["-serial", "none", "-semihosting-config", "enable=on,target=native", "-kernel"])
            .arg(programs().join(program))
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{qemu} cannot be run: {error}"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let stack = said.lines().find_map(|line| line.strip_prefix("stack ")?.parse::<usize>().ok());
        let stack = stack.unwrap_or_else(|| panic!("{program} did not end by itself ({}): {said}", output.status));
        eprintln!("\nresult: {program}, {occasion}: stack {stack} bytes of at most {STACK_BUDGET}");
        assert!(stack <= STACK_BUDGET, "{program}, {occasion}, used {stack} bytes of stack");
        Ended { code: output.status.code(), said }
    }

    fn disk(&self) -> FileDisk {
        FileDisk::open(&self.folder.path().join("disk.img"), BlockSize::B512).unwrap()
    }

    /// Looks at the disk as the updater does; tells what it sees of slot b.
    fn slot_b(&self) -> (SlotState, u8, u8) {
        let type_guid = Guid::parse(LINUX_DATA).unwrap();
        let root = |slot, label| PartitionSpec { slot, role: "root", label, type_guid, duty: Duty::Control };
        let specs = [root(SlotId::A, "root-a"), root(SlotId::B, "root-b")];
        let view = View {
            compatible: COMPATIBLE,
            specs: &specs,
            anchors: &self.anchors,
            booted: None,
            compression: Compression::None,
        };
        let mut trailer = [0; TRAILER_BYTES];
        let mut memory = Memory { trailer: &mut trailer, block: &mut [0; 4096], other: &mut [0; 4096] };
        let facts: Facts<'_> = inspect::inspect(&mut self.disk(), &view, &mut memory).unwrap().facts;
        let slot = facts.slot(SlotId::B).unwrap();
        (slot.state, slot.bits.priority.get(), slot.bits.tries_left.get())
    }

    /// What the updater finds of the table's backup.
    fn backup(&self) -> CopyState {
        Table::read(&mut self.disk(), &mut [0; 4096]).unwrap().backup().state()
    }

    fn damage(&self, file: &str, from_end: usize) {
        let path = self.folder.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    fn holds_the_image(&self) -> bool {
        let disk = std::fs::read(self.folder.path().join("disk.img")).unwrap();
        disk[SLOT_B_OFFSET..][..IMAGE_LEN] == self.image
    }
}

fn make_disk(path: &Path) {
    FileDisk::create(path, BlockSize::B512, BlockCount::new(40_960)).unwrap();
    let slots = ["-n", "1:2048:18431", "-c", "1:root-a", "-n", "2:18432:34815", "-c", "2:root-b"];
    // Slot a: priority 1, three tries, successful.
    let good = ["-A", "1:set:48", "-A", "1:set:52", "-A", "1:set:53", "-A", "1:set:56"];
    tool::run("sgdisk", &[&slots[..], &good, &[path.to_str().unwrap()]].concat());
}

fn bundle(version: &str, image: &[u8], key: &LocalKey) -> (Vec<u8>, Vec<u8>) {
    let spec = BundleSpec {
        compatibles: vec![Name::new(COMPATIBLE).unwrap()],
        version: Name::new(version).unwrap(),
        rollback_index: 1,
        build_time: UnixSeconds::UNKNOWN,
        extensions: vec![],
        minimum_updater: UpdaterVersion::OLDEST,
    };
    let len = ByteLen::new(u64::try_from(image.len()).unwrap());
    let image = Image { role: Name::new("root").unwrap(), len, source: image, salt: None, carriage: Carriage::Raw };
    let mut out = std::io::Cursor::new(Vec::new());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let written = writer::write(&spec, &mut [image], &[key], &mut out, &mut tools).unwrap();
    (out.into_inner(), written.envelope)
}

/// The folder of the two programs, built once in a run of these tests.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = tree::root().join("tests/firmware/build");
        PathBuf::from(tool::run(script.to_str().unwrap(), &["elf"]).trim())
    })
}

#[test]
fn a_slot_is_installed_tried_three_times_and_left() {
    let mut bench = Bench::new();
    let installed = bench.run("installer", "an empty slot");
    assert_eq!(installed.code, Some(0), "{}", installed.said);
    assert!(installed.said.contains("armed b"), "{}", installed.said);
    assert_eq!(bench.slot_b(), (SlotState::Trial, 2, 3));
    assert!(bench.holds_the_image(), "slot b does not hold the image");

    for left in [2, 1, 0] {
        let chosen = bench.run("chooser", "a trial");
        assert!(chosen.said.contains("boot b"), "{}", chosen.said);
        assert_eq!(bench.slot_b().2, left);
    }
    assert_eq!(bench.slot_b().0, SlotState::Exhausted);
    let fallback = bench.run("chooser", "a fallback");
    assert!(fallback.said.contains("boot a"), "{}", fallback.said);

    // The same bundle once more: its trailer is read and verified in the survey.
    let refused = bench.run("installer", "the bundle that failed");
    assert_eq!(refused.code, Some(REFUSED), "{}", refused.said);

    // Another one: what failed is forgotten before its slot gets a try again, which takes two commits.
    bench.image.reverse();
    bench.deliver("2.1");
    let installed = bench.run("installer", "a slot that failed");
    assert_eq!(installed.code, Some(0), "{}", installed.said);
    assert_eq!(bench.slot_b(), (SlotState::Trial, 2, 3));
    assert!(bench.holds_the_image(), "slot b does not hold the other image");
}

#[test]
fn a_damaged_backup_is_written_anew_by_whoever_commits() {
    let bench = Bench::new();
    for (program, of_table, did) in [("installer", "was repaired", "armed b"), ("chooser", "needs repair", "boot b")] {
        // In the header's own GUIDs: the last block of the disk.
        bench.damage("disk.img", 512 - 60);
        assert_eq!(bench.backup(), CopyState::Faulty(TableFault::HeaderCrc));
        let ended = bench.run(program, "a damaged backup");
        assert!(ended.said.contains(of_table) && ended.said.contains(did), "{}", ended.said);
        assert_eq!(bench.backup(), CopyState::Valid);
    }
    assert_eq!(bench.slot_b(), (SlotState::Trial, 2, 2));
}

#[test]
fn a_damaged_image_leaves_a_slot_that_does_not_boot() {
    let bench = Bench::new();
    bench.damage("bundle", 1);
    assert_eq!(bench.run("installer", "a damaged image").code, Some(NOT_AUTHENTIC));
    assert_eq!(bench.slot_b(), (SlotState::Disarmed, 0, 1));
    assert!(bench.run("chooser", "a disarmed slot").said.contains("boot a"));
}

#[test]
fn a_damaged_manifest_is_refused_before_the_disk_is_touched() {
    let bench = Bench::new();
    let before = std::fs::read(bench.folder.path().join("disk.img")).unwrap();
    let bundle_len = std::fs::read(bench.folder.path().join("bundle")).unwrap().len();
    // A byte of the version string, behind the prefix of 40 bytes and the compatible.
    bench.damage("bundle", bundle_len - 40 - COMPATIBLE.len() - 4);
    assert_eq!(bench.run("installer", "a damaged manifest").code, Some(NOT_AUTHENTIC));
    assert!(std::fs::read(bench.folder.path().join("disk.img")).unwrap() == before, "the disk was written");
}
