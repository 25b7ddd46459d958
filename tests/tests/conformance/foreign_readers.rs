//! What other programs see of a disk whose power went in the middle of one of our acts.
//!
//! Every state of [`tests::cut_states`] is shown to programs that are here (`cgpt`, `sgdisk`, GRUB's `grub-fstest`, the `gpt` and
//! `gptman` crates, Linux in qemu with and without `gpt` on its command line) and to models of those that are not (ChromeOS firmware,
//! GRUB with `gptprio`, U-Boot), or are too slow to be asked of every torn sector (Linux). A reader sees the old table, the new one, a mixture, or none. The counts stand in docs/POWER.md,
//! section "What other readers see", and the tests hold them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use libupdate::BlockSize;
use libupdate::gpt::{CopyState, Table};
use tests::cut_states::{Act, Atomicity, DRIVES, Group, acts};
use tests::file_disk::FileDisk;
use tests::gpt_readers::{Reader, Seen, ours, ours_on};
use tests::tool;

mod linux;
mod programs;

use programs::{
    cgpt_repair, cgpt_show, gpt_crate, gptman_crate, grub_ls, nothing_but_numbers, sgdisk_info, slot_bits_only,
};

const WHOLE: &str = "whole";
const IN_ORDER: &str = "in order";
const ANY_ORDER: &str = "any order";
const TORN: &str = "torn";
const ATOMICITIES: [(&str, Atomicity); 4] = [
    (WHOLE, Atomicity::Writes),
    (IN_ORDER, Atomicity::Prefixes),
    (ANY_ORDER, Atomicity::Sectors),
    (TORN, Atomicity::Nothing),
];

type Rows = BTreeMap<u32, [u64; 3]>;

/// A reader: its name, whether it is a program or a model, what it reads of an image, and which part of the truth it can tell.
struct Witness {
    name: &'static str,
    kind: &'static str,
    read: fn(&[u8], BlockSize, &Path) -> Seen,
    tells: fn([u64; 3]) -> [u64; 3],
    /// Block sizes and atomicities that it is asked about; a process for each state is too slow for the torn ones.
    asked: fn(BlockSize, Atomicity) -> bool,
}

const fn everything(row: [u64; 3]) -> [u64; 3] {
    row
}

const fn always(_: BlockSize, _: Atomicity) -> bool {
    true
}

/// On a file they assume 512-byte sectors.
fn tool_on_files(size: BlockSize, atomicity: Atomicity) -> bool {
    size == BlockSize::B512 && atomicity != Atomicity::Nothing
}

/// A boot for each command line, and a while for each state.
fn not_torn(_: BlockSize, atomicity: Atomicity) -> bool {
    atomicity != Atomicity::Nothing
}

const PROGRAMS: [Witness; 9] = [
    Witness {
        name: "libupdate",
        kind: "program",
        read: |bytes, size, _| ours(bytes, size),
        tells: everything,
        asked: always,
    },
    Witness { name: "`cgpt show`", kind: "program", read: cgpt_show, tells: slot_bits_only, asked: tool_on_files },
    Witness { name: "`cgpt repair`", kind: "program", read: cgpt_repair, tells: everything, asked: tool_on_files },
    Witness { name: "`sgdisk -i`", kind: "program", read: sgdisk_info, tells: everything, asked: tool_on_files },
    Witness {
        name: "`grub-fstest ls`",
        kind: "program",
        read: grub_ls,
        tells: nothing_but_numbers,
        asked: tool_on_files,
    },
    Witness { name: "Linux 6.1", kind: "program", read: linux::without_gpt, tells: linux::places, asked: not_torn },
    Witness { name: "Linux 6.1, `gpt`", kind: "program", read: linux::with_gpt, tells: linux::places, asked: not_torn },
    Witness { name: "crate `gpt` 4.1", kind: "program", read: gpt_crate, tells: everything, asked: always },
    Witness { name: "crate `gptman` 3.1", kind: "program", read: gptman_crate, tells: everything, asked: always },
];

macro_rules! model {
    ($reader:ident) => {
        Witness {
            name: Reader::$reader.name(),
            kind: "model",
            read: |bytes, size, _| Reader::$reader.read(bytes, size),
            tells: everything,
            asked: always,
        }
    };
}

const MODELS: [Witness; 7] = [
    model!(Vboot),
    model!(GrubGptprio),
    model!(GrubPartGpt),
    model!(Linux),
    model!(LinuxGpt),
    model!(UBoot),
    model!(GptmanBefore3),
];

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Counts {
    old: usize,
    new: usize,
    none: usize,
    mixed: usize,
}

impl Counts {
    fn add(&mut self, witness: &Witness, act: &Act, seen: &Seen) {
        let told = |seen: &Seen| {
            seen.as_ref().map(|rows| rows.iter().map(|(n, row)| (*n, (witness.tells)(*row))).collect::<Rows>())
        };
        let seen = told(seen);
        if seen == told(&act.old) {
            self.old += 1;
        } else if seen == told(&act.new) {
            self.new += 1;
        } else if seen.is_none() {
            self.none += 1;
        } else {
            self.mixed += 1;
        }
    }

    fn states(self) -> usize {
        self.old + self.new + self.none + self.mixed
    }
}

/// Every state of every act on every drive, some more than once. Torn ones, ten times as many, where `READERS_TORN` is set.
fn each_image(mut see: impl FnMut(BlockSize, &[u8])) {
    let torn = std::env::var_os("READERS_TORN").is_some();
    for (_, sizes) in DRIVES {
        for act in acts(sizes) {
            for (_, atomicity) in ATOMICITIES.into_iter().filter(|(_, atomicity)| torn || not_torn(sizes.0, *atomicity))
            {
                act.states(atomicity).iter().for_each(|image| see(sizes.0, image));
            }
        }
    }
}

/// Drive, group, atomicity, reader.
type Key = (&'static str, Group, &'static str, &'static str);

/// Everything, measured once for all tests of this file.
fn measured() -> &'static BTreeMap<Key, Counts> {
    static ALL: OnceLock<BTreeMap<Key, Counts>> = OnceLock::new();
    ALL.get_or_init(|| {
        let scratch = tempfile::tempdir().unwrap();
        let scratch = scratch.path().join("disk");
        let mut all = BTreeMap::new();
        for (drive, sizes) in DRIVES {
            for act in acts(sizes) {
                for (how, atomicity) in ATOMICITIES {
                    let states = act.states(atomicity);
                    for witness in PROGRAMS.iter().chain(&MODELS).filter(|witness| (witness.asked)(sizes.0, atomicity))
                    {
                        let counts: &mut Counts = all.entry((drive, act.group, how, witness.name)).or_default();
                        for image in &states {
                            counts.add(witness, &act, &(witness.read)(image, sizes.0, &scratch));
                        }
                    }
                }
            }
        }
        all
    })
}

fn witnesses() -> impl Iterator<Item = &'static Witness> {
    PROGRAMS.iter().chain(&MODELS)
}

fn cell(counts: Option<&Counts>) -> String {
    let Some(counts) = counts else { return "-".to_owned() };
    let mixed = if counts.mixed > 0 { format!(" ({} mixed)", counts.mixed) } else { String::new() };
    format!("{}{mixed}", counts.none)
}

/// What was found by hand, from the sources of the readers, for one act: order D where H1 and E1 are one write, else B.
const BY_HAND: [(&str, usize, usize); 5] = [
    ("vboot firmware", 0, 0),
    ("GRUB gptprio", 0, 0),
    ("Linux", 0, 1),
    ("Linux, `gpt`", 0, 0),
    ("gptman 1, signpost", 0, 1),
];

/// States in which a reader finds no table, for changes of bits.
fn table_of_bits() -> String {
    let columns = [("512n", WHOLE), ("512e", WHOLE), ("512n", IN_ORDER), ("512n", ANY_ORDER), ("512n", TORN)];
    let columns: Vec<_> = columns.into_iter().chain([("4Kn", ANY_ORDER), ("4Kn", TORN)]).collect();
    let all = measured();
    let at = |(drive, how), reader| all.get(&(drive, Group::Bits, how, reader));
    let mut text = String::from("| reader | | section 8, D / B |");
    for (drive, how) in &columns {
        write!(text, " {drive}, {how} |").unwrap();
    }
    write!(text, "\n|---|---|---|{}\n| states | | |", "---|".repeat(columns.len())).unwrap();
    for column in &columns {
        write!(text, " {} |", at(*column, "libupdate").unwrap().states()).unwrap();
    }
    for witness in witnesses() {
        let modelled = BY_HAND.iter().find(|(name, ..)| *name == witness.name);
        let modelled = modelled.map_or_else(|| "-".to_owned(), |(_, d, b)| format!("{d} / {b}"));
        write!(text, "\n| {} | {} | {modelled} |", witness.name, witness.kind).unwrap();
        for column in &columns {
            write!(text, " {} |", cell(at(*column, witness.name))).unwrap();
        }
    }
    text
}

/// Old, new, none and mixed for every kind of act, on a drive of 512-byte sectors that arrive in any order.
fn table_of_acts() -> String {
    let groups = [Group::Bits, Group::Repair, Group::Relocate, Group::Create, Group::Replace];
    let mut text =
        String::from("| reader | | bits | repair | relocate | create | replace |\n|---|---|---|---|---|---|---|");
    for witness in witnesses() {
        write!(text, "\n| {} | {} |", witness.name, witness.kind).unwrap();
        for group in groups {
            let Counts { old, new, none, mixed } = measured()[&("512n", group, ANY_ORDER, witness.name)];
            write!(text, " {old} {new} {none} {mixed} |").unwrap();
        }
    }
    text
}

/// docs/POWER.md has the tables as they are measured.
#[test]
fn the_document_has_the_measured_tables() {
    let tables = [table_of_bits(), table_of_acts()];
    for line in tables.iter().flat_map(|table| table.lines()) {
        eprintln!("result: {line}");
    }
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/POWER.md")).unwrap();
    for table in tables {
        assert!(document.contains(&table), "docs/POWER.md has another table than\n\n{table}\n");
    }
}

/// Readers that look at both copies read the old or the new table in every state of every act.
#[test]
fn who_looks_at_both_copies_always_reads() {
    let both = [
        "libupdate",
        "`cgpt show`",
        "`cgpt repair`",
        "Linux 6.1, `gpt`",
        "crate `gptman` 3.1",
        "vboot firmware",
        "Linux, `gpt`",
    ];
    assert!(both.iter().all(|name| witnesses().any(|witness| witness.name == *name)));
    for ((drive, group, how, reader), counts) in measured().iter().filter(|((.., reader), _)| both.contains(reader)) {
        assert_eq!((counts.none, counts.mixed), (0, 0), "{reader}: {group:?} on {drive}, {how}");
    }
}

/// Nobody is left without a table, or with a mixture, by a change of bits on a drive that keeps a small write together.
#[test]
fn a_change_of_bits_in_whole_writes_is_seen_by_all() {
    for ((drive, group, how, reader), counts) in measured() {
        if (*group, *how) == (Group::Bits, WHOLE) && *drive != "4Kn" {
            assert_eq!((counts.none, counts.mixed), (0, 0), "{reader} on {drive}");
        }
    }
}

/// The models say what section 8 says, for every act that changes bits.
#[test]
fn what_was_found_by_hand_is_confirmed() {
    let acts = acts(DRIVES[0].1).iter().filter(|act| act.group == Group::Bits).count();
    for (reader, d, b) in BY_HAND {
        let none = |drive, how| measured()[&(drive, Group::Bits, how, reader)].none;
        assert_eq!((none("512n", WHOLE), none("512e", WHOLE)), (d * acts, d * acts), "{reader}");
        assert_eq!(none("4Kn", ANY_ORDER), b * acts, "{reader}");
    }
}

/// State by state, `cgpt show` is what the model of vboot says, and `grub-fstest` what that of `part_gpt` says.
#[test]
fn the_models_are_those_of_the_programs() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = dir.path().join("disk");
    for act in acts(DRIVES[0].1) {
        for image in act.states(Atomicity::Sectors) {
            let told = |seen: Seen, tells: fn([u64; 3]) -> [u64; 3]| {
                seen.map(|rows| {
                    rows.iter().filter(|(n, _)| **n != 1).map(|(n, row)| (*n, tells(*row))).collect::<Rows>()
                })
            };
            let model = told(Reader::Vboot.read(&image, BlockSize::B512), slot_bits_only);
            let shown = cgpt_show(&image, BlockSize::B512, &scratch);
            assert_eq!(told(shown, slot_bits_only), model, "{}", act.name);
            let model = told(Reader::GrubPartGpt.read(&image, BlockSize::B512), nothing_but_numbers);
            let listed = grub_ls(&image, BlockSize::B512, &scratch);
            let listed = told(listed, nothing_but_numbers).unwrap_or_default();
            assert_eq!(listed, model.unwrap_or_default(), "{}", act.name);
        }
    }
}

/// State by state, the kernel reads what its models say.
#[test]
fn the_models_of_linux_are_those_of_the_kernel() {
    let nowhere = Path::new("");
    each_image(|size, image| {
        for (model, found) in [
            (Reader::Linux, linux::without_gpt(image, size, nowhere)),
            (Reader::LinuxGpt, linux::with_gpt(image, size, nowhere)),
        ] {
            let model =
                model.read(image, size).map(|rows| rows.iter().map(|(n, row)| (*n, linux::places(*row))).collect());
            assert_eq!(found, model.filter(|rows: &Rows| !rows.is_empty()));
        }
    });
}

/// `cgpt repair` makes of every state two equal copies with the table that we read in it; `sgdisk -v` finds no problem only
/// where both copies hold.
#[test]
fn what_repairers_make_of_every_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    let both_hold = |disk: &mut FileDisk| {
        let table = Table::read(disk, &mut [0; 4096]).unwrap();
        [table.primary(), table.backup()].iter().all(|copy| copy.state() == CopyState::Valid)
    };
    for act in acts(DRIVES[0].1).into_iter().filter(|act| act.group != Group::Create) {
        for image in act.states(Atomicity::Sectors) {
            let seen = ours(&image, BlockSize::B512);
            fs::write(&path, &image).unwrap();
            let mut disk = FileDisk::open(&path, BlockSize::B512).unwrap();
            let verdict = tool::output("sgdisk", &["-v".as_ref(), path.as_os_str()]);
            let clean =
                verdict.stderr.is_empty() && String::from_utf8_lossy(&verdict.stdout).contains("No problems found");
            assert!(!clean || both_hold(&mut disk), "sgdisk -v after a cut of {}", act.name);
            tool::run("cgpt", &["repair".as_ref(), path.as_os_str()]);
            // Of a disk that grew, Debian's cgpt moves the backup and leaves the primary's pointer to the old place, which the
            // new entries may cover (vboot 2dde4ce9 mended that).
            assert!(both_hold(&mut disk) || act.group == Group::Relocate, "cgpt repair after a cut of {}", act.name);
            assert_eq!(ours_on(&mut disk), seen, "cgpt repair after a cut of {}", act.name);
        }
    }
}
