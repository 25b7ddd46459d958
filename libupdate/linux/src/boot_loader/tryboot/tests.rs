use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::rc::Rc;

use libupdate::boot::Candidate;
use libupdate::gpt::{EntryNumber, Priority, SlotBits, Successful};
use tempfile::TempDir;

use super::*;
use crate::error::OsErrorKind;

const SET_UP: &str = "[all]\ntryboot_a_b=1\nboot_partition=3\n";
/// Entries of the slots' partitions: not 1 and 2.
const NUMBERS: [(SlotId, u32); 2] = [(SlotId::A, 3), (SlotId::B, 6)];

#[derive(Clone, Debug)]
struct Model(Rc<Cell<Flag>>);

impl FlagStore for Model {
    fn read(&mut self) -> Result<Flag, OsError> {
        Ok(self.0.get())
    }

    fn write(&mut self, flag: Flag) -> Result<(), OsError> {
        self.0.set(flag);
        Ok(())
    }
}

fn store(text: &[u8]) -> (TempDir, Tryboot, Model) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), text).unwrap();
    let flag = Model(Rc::new(Cell::new(Flag::Clear)));
    let store = Tryboot::open(folder.path(), "boot", &[], Some(Box::new(flag.clone()))).unwrap();
    (folder, store, flag)
}

fn text(store: &Tryboot) -> String {
    fs::read_to_string(&store.path).unwrap()
}

/// Priority, tries and success of both slots.
fn ranking(a: (u8, u8, bool), b: (u8, u8, bool)) -> Ranking {
    let candidate = |slot: SlotId, (priority, tries, good): (u8, u8, bool)| Candidate {
        slot,
        entry: EntryNumber::new(9).unwrap(),
        bits: SlotBits {
            priority: Priority::new(priority).unwrap(),
            tries_left: TriesLeft::new(tries).unwrap(),
            successful: if good { Successful::Yes } else { Successful::No },
        },
    };
    Ranking::of(&[candidate(SlotId::A, a), candidate(SlotId::B, b)], None, Some(SlotId::A))
}

/// What `say` makes of a ranking: the numbers of a usual start and of one with the flag.
fn said(store: &Tryboot, a: (u8, u8, bool), b: (u8, u8, bool)) -> (Option<u32>, Option<u32>) {
    store.say(&NUMBERS, &ranking(a, b)).unwrap();
    let read = Autoboot::parse(text(store).as_bytes()).unwrap();
    (read.usual, read.trial)
}

#[test]
fn each_standing_has_its_numbers_and_mark_good_swaps_them() {
    let (_folder, store, _) = store(SET_UP.as_bytes());
    let (good, off) = ((1, 0, true), (0, 1, false));
    assert_eq!(said(&store, good, off), (Some(3), Some(3)), "an installation is under way: nothing names its slot");
    assert_eq!(said(&store, good, (2, 3, false)), (Some(3), Some(6)), "armed");
    assert_eq!(said(&store, good, (2, 0, true)), (Some(6), Some(3)), "mark-good swaps");
    assert_eq!(said(&store, (3, 0, true), (2, 0, true)), (Some(3), Some(6)), "a rollback swaps again");
    assert_eq!(said(&store, good, (2, 0, false)), (Some(3), Some(3)), "tries ran out");
    assert_eq!(said(&store, off, (2, 0, true)), (Some(6), Some(6)));
}

#[test]
fn without_a_good_slot_the_usual_start_stays_what_it_was_if_that_boots() {
    let (_folder, store, _) = store(SET_UP.as_bytes());
    assert_eq!(said(&store, (1, 3, false), (2, 3, false)), (Some(3), Some(6)));
    assert_eq!(said(&store, (0, 0, false), (2, 3, false)), (Some(6), Some(6)), "the only one that boots");
    let before = text(&store);
    assert_eq!(said(&store, (0, 0, false), (0, 1, false)), (Some(6), Some(6)), "a new disk, before its first slot");
    assert_eq!(text(&store), before);
}

#[test]
fn the_file_is_written_in_place_as_long_as_it_was_and_only_if_it_has_to_be() {
    let (_folder, store, _) = store(SET_UP.as_bytes());
    let file = |store: &Tryboot| fs::metadata(&store.path).map(|facts| (facts.ino(), facts.len())).unwrap();
    let inode = file(&store).0;
    let armed = ranking((1, 0, true), (2, 3, false));
    assert_eq!(store.say(&NUMBERS, &armed).unwrap(), Put::Written);
    assert_eq!(file(&store), (inode, 128), "made longer once, and never replaced");
    assert_eq!(store.say(&NUMBERS, &armed).unwrap(), Put::Unchanged);
    assert_eq!(store.say(&NUMBERS, &ranking((1, 0, true), (2, 0, true))).unwrap(), Put::Written);
    assert_eq!(file(&store), (inode, 128));
    assert!(text(&store).trim_end_matches('\n').ends_with("[tryboot]\nboot_partition=3"), "{:?}", text(&store));
}

#[test]
fn a_cut_while_the_file_is_made_longer_leaves_its_old_text() {
    // What is past the old text is newlines, or what its sector held: nothing.
    for rest in [[b'\n'; 60], [0; 60]] {
        let (_folder, store, _) = store(&[SET_UP.as_bytes(), &rest].concat());
        assert_eq!(store.now().unwrap().0, Autoboot::parse(SET_UP.as_bytes()).unwrap());
        assert_eq!(said(&store, (1, 0, true), (2, 3, false)), (Some(3), Some(6)));
    }
}

#[test]
fn a_full_file_system_needs_no_room_and_a_read_only_one_is_refused() {
    let (_folder, store, _) = store(SET_UP.as_bytes());
    said(&store, (1, 0, true), (2, 3, false));
    fs::set_permissions(&store.path, fs::Permissions::from_mode(0o444)).unwrap();
    let before = text(&store);
    // Root writes to it all the same.
    if let Err(error) = store.say(&NUMBERS, &ranking((1, 0, true), (2, 0, true))) {
        assert_eq!(error.errno(), Some(rustix::io::Errno::ACCESS));
        assert_eq!(text(&store), before);
    }
    let full = Tryboot { path: PathBuf::from("/dev/full"), role: String::new(), partitions: Vec::new(), flag: None };
    let why = full.write(&Autoboot::default(), 128).unwrap_err();
    assert_eq!(why.errno(), Some(rustix::io::Errno::NOSPC), "{why}");
}

#[test]
fn a_hostile_file_is_refused_and_stays_as_it_is() {
    let long = [b'#'; 600];
    for (bytes, rule) in [
        (&b"[cm4]\nboot_partition=2\n"[..], "line 1: the filter [cm4] is neither [all] nor [tryboot]"),
        (&long[..], "it has more than 512 bytes"),
        (&b"\xfe\xff"[..], "it is no text"),
        (&b"[all]\nboot_partition=2\nboot_partition=3\n"[..], "line 3: a second boot_partition"),
    ] {
        let (_folder, store, flag) = store(bytes);
        let error = store.say(&NUMBERS, &ranking((1, 0, true), (2, 3, false))).unwrap_err();
        assert!(matches!(error.kind(), OsErrorKind::LoaderStore { why } if why.starts_with(rule)), "{error}");
        assert_eq!(fs::read(&store.path).unwrap(), bytes);
        assert_eq!(flag.0.get(), Flag::Clear);
    }
}

#[test]
fn settings_that_do_not_fit_any_more_are_refused_before_a_write() {
    let kept = format!("{SET_UP}# {}\n", "x".repeat(450));
    let (_folder, store, _) = store(kept.as_bytes());
    let error = store.say(&NUMBERS, &ranking((1, 0, true), (2, 3, false))).unwrap_err().to_string();
    assert!(error.contains("and the firmware reads 512"), "{error}");
    assert_eq!(text(&store), kept);
}

#[test]
fn a_partition_that_is_not_mounted_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let error = Tryboot::open(folder.path(), "boot", &[], None).unwrap_err();
    assert_eq!(error.errno(), Some(rustix::io::Errno::NOENT));
    fs::create_dir(folder.path().join(NAME)).unwrap();
    let error = Tryboot::open(folder.path(), "boot", &[], None).unwrap_err().to_string();
    assert!(error.ends_with("it is not a regular file"), "{error}");
}
