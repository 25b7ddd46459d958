//! Both files in memory and on a file system; `tests/tests/oracle/boot_loader.rs` has `grub-editenv`, `tests/tests/boot/grub.rs` GRUB itself.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use rustix::fs::{MemfdFlags, SealFlags};
use tempfile::TempDir;

use super::super::fixture::{disk, ranking, tries};
use super::*;
use crate::Disk;

const A: SlotId = SlotId::A;
const B: SlotId = SlotId::B;

/// A block as GRUB has it.
fn block(text: &str) -> Vec<u8> {
    let mut bytes = format!("# GRUB Environment Block\n{text}").into_bytes();
    bytes.resize(BYTES, b'#');
    bytes
}

fn text_of(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap().strip_prefix("# GRUB Environment Block\n").unwrap().trim_end_matches('#')
}

/// Slot b on trial before slot a, which is good.
const TRIAL: &str = "ORDER=B A\nA_LEFT=3\nA_OK=1\nB_LEFT=2\nB_OK=0\nSEAL=B A:13:02::::::\n";

fn trial() -> Ranking {
    ranking(&[(1, 3, true), (2, 2, false)], None)
}

#[test]
fn a_ranking_is_in_the_block_after_what_others_keep() {
    let old = Block::of(&block("# by hand\nsaved_entry=x\\\\y\nORDER=old\nC_LEFT=7\nkernelopts=a=b\n")).unwrap();
    let bytes = old.ranked(&trial(), tries(3)).bytes().unwrap();
    assert_eq!(text_of(&bytes), format!("# by hand\nsaved_entry=x\\\\y\nkernelopts=a=b\n{TRIAL}"));
    let read = Block::of(&bytes).unwrap();
    assert!(read.is_sealed() && !old.is_sealed());
    assert_eq!(
        [A, B, SlotId::from_index(2).unwrap()].map(|slot| read.left(slot)),
        [Some(tries(3)), Some(tries(2)), None]
    );
    // Off: not in the order, whatever its digit says.
    let off = read.ranked(&ranking(&[(1, 3, true), (0, 2, false)], None), tries(3));
    assert_eq!(text_of(&off.bytes().unwrap()).lines().last(), Some("SEAL=A:13:00::::::"));
    assert_eq!(off.left(B), None);
}

#[test]
fn a_good_slot_keeps_its_count_until_it_is_confirmed() {
    let counted = Block::of(&block(&TRIAL.replace("A_LEFT=3", "A_LEFT=1").replace(":13:", ":11:"))).unwrap();
    let again = |confirmed| counted.ranked(&ranking(&[(1, 3, true), (2, 2, false)], confirmed), tries(3)).left(A);
    assert_eq!((again(None), again(Some(B)), again(Some(A))), (Some(tries(1)), Some(tries(1)), Some(tries(3))));
    let none_left = Block::of(&block(&TRIAL.replace("A_LEFT=3", "A_LEFT=0").replace(":13:", ":10:"))).unwrap();
    // It hangs: another slot that runs and looks does not start it over. Whoever marks it good, or puts it first, does.
    let again = |confirmed| none_left.ranked(&ranking(&[(1, 3, true), (2, 2, false)], confirmed), tries(3)).left(A);
    assert_eq!((again(None), again(Some(B)), again(Some(A))), (Some(tries(0)), Some(tries(0)), Some(tries(3))));
}

/// Every cut of one write of the sector, at every byte: it says all of the old or all of the new, or its seal is broken.
#[test]
fn a_block_that_was_written_in_part_is_old_or_new_or_not_sealed() {
    let states = [
        vec![(1, 3, true), (2, 2, false)],
        vec![(1, 3, true), (2, 1, false)],
        vec![(1, 3, true), (2, 3, true)],
        vec![(1, 3, true), (0, 2, false)],
        vec![(3, 2, false), (2, 3, true)],
        vec![(1, 3, true), (2, 2, false), (3, 1, false)],
    ];
    let others = Block { others: b"saved_entry=0\n".to_vec(), ours: Vec::new() };
    let blocks = states.map(|state| others.ranked(&ranking(&state, None), tries(3)));
    let mut broken = 0;
    for old in &blocks {
        for new in &blocks {
            let [before, after] = [old, new].map(|block| block.bytes().unwrap());
            for cut in 0..ROOM {
                for torn in [[&after[..cut], &before[cut..]].concat(), [&before[..cut], &after[cut..]].concat()] {
                    let torn = Block::of(&torn).unwrap();
                    assert!(!torn.is_sealed() || torn.ours == old.ours || torn.ours == new.ours, "{cut}: {torn:?}");
                    assert!(torn.others.starts_with(&others.others));
                    broken += u32::from(!torn.is_sealed());
                }
            }
        }
    }
    assert!(broken > 1000, "{broken}");
}

#[test]
fn what_is_no_block_and_what_is_not_sealed() {
    for bytes in
        [&[][..], b"# GRUB Environment Block", b"# GRUB environment block\nORDER=A\n", &[0; BYTES], &[0xff; BYTES]]
    {
        assert_eq!(Block::of(bytes), None);
    }
    let sealed = |text: &str| Block::of(&block(text)).unwrap().is_sealed();
    assert!(sealed(TRIAL));
    for (from, to) in [
        ("SEAL=", "SEAL=x"),
        ("SEAL=", "LAES="),
        ("B_LEFT=2", "B_LEFT=3"),
        ("ORDER=B A", "ORDER=B"),
        ("B_OK=0\n", ""),
        ("ORDER=", "no end of line ORDER="),
        // GRUB reads a name up to its sign, across lines.
        ("ORDER=", "garbage\nORDER="),
        ("A_OK=1\n", "A_OK=1\\\n"),
    ] {
        assert!(!sealed(&TRIAL.replace(from, to)), "{from} -> {to}");
    }
    assert!(!sealed("ORDER=\nSEAL=::::::::\n"), "no slot boots");
    // As GRUB has them: an escaped letter is the letter, the last of a name counts, an end without a line is none.
    assert!(sealed(&TRIAL.replace("ORDER=B A", "ORDER=\\B A")));
    assert!(sealed(&format!("ORDER=C\n{TRIAL}")) && !sealed(&format!("{TRIAL}ORDER=C\n")));
    assert!(sealed(&format!("{TRIAL}ORDER=C")));
    // A half of zeros, as it may be after a cut: the rest counts.
    let mut half = block(TRIAL);
    half[ROOM..].fill(0);
    assert_eq!(Block::of(&half).unwrap().left(B), Some(tries(2)));
    half[..ROOM / 2].fill(0);
    assert_eq!(Block::of(&half), None);
    // A digit that is none.
    let letter = Block::of(&block(&TRIAL.replace("B_LEFT=2", "B_LEFT=x").replace(":02:", ":0x:"))).unwrap();
    assert_eq!((letter.is_sealed(), letter.left(B)), (true, None));
}

/// Nothing that a file can hold makes it panic, or is lost while it fits.
#[test]
fn any_bytes_are_read_and_what_others_keep_is_written_again() {
    let pieces: [&[u8]; 9] = [b"a=1\n", b"\\", b"=", b"\n", b"#", b"ORDER=A\n", b"\0", b"x=\\\n\n", b"\xff=\xfe\n"];
    for seed in 0..5000_usize {
        let mut bytes = HEADER.to_vec();
        let mut number = seed.wrapping_mul(2_654_435_761);
        for _ in 0..6 {
            bytes.extend_from_slice(pieces[number % pieces.len()]);
            number /= pieces.len();
        }
        bytes.resize(BYTES, if seed % 2 == 0 { b'#' } else { 0 });
        let block = Block::of(&bytes).unwrap();
        let again = Block::of(&block.ranked(&trial(), tries(3)).bytes().unwrap()).unwrap();
        assert_eq!(again.others, block.others, "{}", String::from_utf8_lossy(&bytes));
        assert!(again.is_sealed());
    }
}

#[test]
fn what_does_not_fit_into_one_sector_is_refused() {
    let with =
        |len: usize| Block::of(&block(&format!("x={}\n", "y".repeat(len)))).unwrap().ranked(&trial(), tries(3)).bytes();
    let room = ROOM - HEADER.len() - TRIAL.len() - "x=\n".len();
    assert!(with(room).is_some() && with(room + 1).is_none());
}

/// A folder with both files.
fn files(contents: [&[u8]; 2]) -> (TempDir, Disk, GrubEnv) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("grubenv");
    for (path, content) in [store.clone(), folder.path().join("grubenv.2")].iter().zip(contents) {
        fs::write(path, content).unwrap();
    }
    let disk = disk(&folder);
    (folder, disk, GrubEnv::open(&store, tries(3)).unwrap())
}

fn contents(folder: &TempDir) -> [Vec<u8>; 2] {
    ["grubenv", "grubenv.2"].map(|name| fs::read(folder.path().join(name)).unwrap())
}

#[test]
fn both_files_follow_and_a_second_time_nothing_is_written() {
    let (folder, mut disk, mut store) = files([&block("x=1\n"), &block("x=2\n")]);
    assert_eq!(store.read(&mut disk, B).unwrap(), None, "nothing is known");
    assert_eq!(store.put(&mut disk, &trial()).unwrap(), Put::Written);
    let expected = block(&format!("x=1\n{TRIAL}"));
    assert_eq!(contents(&folder), [expected.clone(), expected]);
    assert_eq!(store.read(&mut disk, B).unwrap(), Some(tries(2)));
    let before = fs::metadata(folder.path().join("grubenv")).unwrap().modified().unwrap();
    assert_eq!(store.put(&mut disk, &trial()).unwrap(), Put::Unchanged);
    assert_eq!(fs::metadata(folder.path().join("grubenv")).unwrap().modified().unwrap(), before);
}

/// What each cut, and each half of a write, leaves: the file that counts, and that both are whole again afterwards.
#[test]
fn a_damaged_file_is_passed_over_and_made_whole_from_the_other() {
    let whole = block(TRIAL);
    let old = block(&TRIAL.replace("B_LEFT=2", "B_LEFT=3").replace(":02:", ":03:"));
    let torn = [&whole[..60], &old[60..]].concat();
    for (first, second, left) in [
        (&whole[..], &old[..], 2),
        (&old, &whole, 3),
        (&torn, &whole, 2),
        (&[0; BYTES], &whole, 2),
        (&[], &whole, 2),
        (&whole[..512], &whole, 2),
        (&whole, &torn, 2),
        (&whole, &[0xff; BYTES], 2),
        (&whole, &[], 2),
    ] {
        let (folder, mut disk, mut store) = files([first, second]);
        assert_eq!(store.read(&mut disk, B).unwrap(), Some(tries(left)));
        assert_eq!(store.put(&mut disk, &trial()).unwrap(), Put::Written);
        assert_eq!(contents(&folder), [whole.clone(), whole.clone()]);
    }
}

/// A write that fails leaves the file that counts, which is written last.
#[test]
fn the_file_that_counts_is_written_last() {
    let old = block(&TRIAL.replace("B_LEFT=2", "B_LEFT=3").replace(":02:", ":03:"));
    for counts in [0, 1] {
        let contents = if counts == 0 { [&old[..], &old] } else { [&[0; BYTES][..], &old] };
        let (folder, mut disk, mut store) = files(contents);
        let closed = read_only(contents[1 - counts]);
        store.copies[1 - counts].path = format!("/proc/self/fd/{}", closed.as_raw_fd()).into();
        let error = store.put(&mut disk, &trial()).unwrap_err();
        assert_eq!(error.errno(), Some(rustix::io::Errno::PERM), "{error}");
        assert_eq!(fs::read(folder.path().join(["grubenv", "grubenv.2"][counts])).unwrap(), old);
        assert_eq!(store.read(&mut disk, B).unwrap(), Some(tries(3)));
    }
}

/// A file that can be opened and not written, by nobody.
fn read_only(content: &[u8]) -> File {
    let file = rustix::fs::memfd_create("store", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::io::write(&file, content).unwrap();
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
    file.into()
}

#[test]
fn what_is_no_store_is_refused_and_stays_as_it_is() {
    let whole = block(TRIAL);
    let longer = [&whole[..], b"#"].concat();
    for (first, second, rule) in [
        (&[][..], &whole[..512], "neither it nor the file of the same name with .2 is an environment block"),
        (&[0; BYTES], &[0xff; BYTES], "neither it nor"),
        (&longer, &whole, "it has 1025 bytes, and an environment block has 1024"),
        (&whole, &longer, "it has 1025 bytes"),
    ] {
        let (folder, mut disk, mut store) = files([first, second]);
        for error in [store.read(&mut disk, B).map(drop), store.put(&mut disk, &trial()).map(drop)] {
            let error = error.unwrap_err();
            assert!(
                error.to_string().contains(rule) && error.to_string().contains("grub-editenv FILE create"),
                "{error}"
            );
        }
        assert_eq!(contents(&folder), [first, second]);
    }
    let (folder, mut disk, mut store) = files([&block(&format!("x={}\n", "y".repeat(450))), &whole]);
    fs::write(folder.path().join("grubenv.2"), [0; BYTES]).unwrap();
    let error = store.put(&mut disk, &trial()).unwrap_err();
    assert!(error.to_string().contains("do not fit into its first 512 bytes"), "{error}");
    fs::remove_file(folder.path().join("grubenv.2")).unwrap();
    let error = store.put(&mut disk, &trial()).unwrap_err();
    assert!(error.to_string().contains("grubenv.2: ") && error.to_string().contains("is not there"), "{error}");
    fs::create_dir(folder.path().join("grubenv.2")).unwrap();
    assert!(store.put(&mut disk, &trial()).unwrap_err().to_string().contains("not a regular file"));
    assert_eq!(
        GrubEnv::open(&folder.path().join("nothing"), tries(3)).unwrap_err().errno(),
        Some(rustix::io::Errno::NOENT)
    );
}

/// GRUB refuses to write to a file with a hole. In the folder of the build, which is on no tmpfs.
#[test]
fn a_file_with_a_hole_does_not_count_and_loses_it() {
    let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
    let [first, second] = ["grubenv", "grubenv.2"].map(|name| folder.path().join(name));
    File::create(&first).unwrap().set_len(1024).unwrap();
    fs::write(&second, block(TRIAL)).unwrap();
    // A link in the place of the first one: the second is beside the file.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&first, &link).unwrap();
    let mut store = GrubEnv::open(&link, tries(3)).unwrap();
    let mut disk = disk(&folder);
    assert_eq!(store.read(&mut disk, B).unwrap(), Some(tries(2)));
    assert_eq!(store.put(&mut disk, &trial()).unwrap(), Put::Written);
    assert!(fs::metadata(&first).unwrap().blocks() > 0);
    assert_eq!(contents(&folder), [block(TRIAL), block(TRIAL)]);
}
