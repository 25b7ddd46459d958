//! Both copies in memory and in files; `tests/tests/oracle/boot_loader.rs` has `fw_setenv`, `tests/tests/boot/u_boot_env.rs` U-Boot itself.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use tempfile::TempDir;

use super::super::fixture::{disk, ranking, tries};
use super::*;

const A: SlotId = SlotId::A;
const B: SlotId = SlotId::B;
const LEN: usize = 256;

/// A copy, as `mkenvimage -r` makes it.
fn copy(flags: u8, variables: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    for variable in variables {
        bytes.extend(variable.bytes().chain([0]));
    }
    bytes.push(0);
    bytes.resize(LEN, 0xff);
    sealed(bytes, flags)
}

fn sealed(mut bytes: Vec<u8>, flags: u8) -> Vec<u8> {
    let crc = crc32(&bytes[HEAD..]);
    bytes[..4].copy_from_slice(&crc.to_ne_bytes());
    bytes[4] = flags;
    bytes
}

fn env_of(copies: [&[u8]; 2]) -> Option<Env> {
    Env::of(copies.map(Some), LEN)
}

fn damaged(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[LEN - 1] ^= 1;
    bytes
}

/// Slot b on trial before slot a, which is good.
const TRIAL: [&str; 4] = ["BOOT_ORDER=B A", "BOOT_A_LEFT=3", "BOOT_B_LEFT=2", "BOOT_GOOD=A"];

fn trial() -> Ranking {
    ranking(&[(1, 3, true), (2, 2, false)], None)
}

#[test]
fn the_newer_copy_counts_and_the_other_one_is_written() {
    let which = |first: u8, second: u8| {
        let env = env_of([&copy(first, &["x=first"]), &copy(second, &["x=second"])]).unwrap();
        let (written, bytes) = env.next().unwrap();
        assert_ne!(env.get("x").unwrap(), if written == 0 { b"first".as_slice() } else { b"second" });
        (written, bytes[4])
    };
    // The numbers wrap around; of two equal ones the first copy counts.
    for (first, second, written, flags) in
        [(1, 2, 0, 3), (2, 1, 1, 3), (255, 0, 0, 1), (0, 255, 1, 1), (254, 255, 0, 0), (7, 7, 1, 8), (0, 1, 0, 2)]
    {
        assert_eq!(which(first, second), (written, flags), "{first} {second}");
    }
}

#[test]
fn a_damaged_copy_does_not_count_and_is_the_one_that_is_written() {
    let (old, new) = (copy(1, &["x=old"]), copy(2, &["x=new"]));
    let both = env_of([&old, &new]).unwrap();
    assert!(!both.one_is_lost);
    let first = env_of([&damaged(old.clone()), &new]).unwrap();
    assert_eq!((first.get("x"), first.next().unwrap().0, first.one_is_lost), (Some(&b"new"[..]), 0, true));
    let second = env_of([&old, &damaged(new.clone())]).unwrap();
    assert_eq!((second.get("x"), second.next().unwrap().0, second.one_is_lost), (Some(&b"old"[..]), 1, true));
    assert_eq!(env_of([&damaged(old), &damaged(new)]), None);
    assert_eq!(Env::of([None, Some(&copy(2, &["x=1"]))], LEN).unwrap().next().unwrap().0, 0, "one that cannot be read");
    for junk in [&[][..], &[0; 4], &[0; LEN], &[0xff; LEN]] {
        assert_eq!(env_of([junk, junk]), None);
    }
}

/// The checksum is right, and U-Boot would read on past the end.
#[test]
fn a_list_that_does_not_end_is_damaged() {
    let mut endless = vec![0; HEAD];
    endless.resize(LEN, b'x');
    let endless = sealed(endless, 9);
    assert_eq!(env_of([&endless, &endless]), None);
    assert_eq!(env_of([&endless, &copy(1, &["x=1"])]).unwrap().get("x"), Some(&b"1"[..]));
    // A name without a value is kept, as it is no variable of ours.
    let odd = env_of([&copy(1, &["BOOT_ORDER", "x="]), &endless]).unwrap();
    assert_eq!((odd.get("BOOT_ORDER"), odd.get("x")), (None, Some(&b""[..])));
}

#[test]
fn of_two_of_one_name_the_last_counts_and_one_is_left() {
    let mut env = env_of([&copy(1, &["x=1", "y=2", "x=3", "xx=4"]), &copy(0, &[])]).unwrap();
    assert_eq!(env.get("x"), Some(&b"3"[..]));
    env.set("x", "5");
    env.set("z", "6");
    let (_, bytes) = env.next().unwrap();
    assert_eq!(&bytes[HEAD..HEAD + 21], b"x=5\0y=2\0xx=4\0z=6\0\0\0\0\0");
}

#[test]
fn what_does_not_fit_is_not_written() {
    let with = |len: usize| {
        let mut env = env_of([&copy(1, &["x=1"]), &copy(0, &[])]).unwrap();
        env.set("x", &"y".repeat(len));
        env.next().map(|(_, bytes)| bytes.len())
    };
    // Checksum and flags, "x=", the value, and two zeros.
    assert_eq!((with(LEN - HEAD - 4), with(LEN - HEAD - 3)), (Some(LEN), None));
}

#[test]
fn a_ranking_is_in_the_variables() {
    let of = |variables: &[&str]| env_of([&copy(1, variables), &copy(0, &[])]).unwrap();
    let mut env = of(&["bootcmd=run x", "BOOT_B_LEFT=0", "BOOT_ORDER=A"]);
    env.rank(&trial(), tries(3));
    let [order, a, b, good] = TRIAL;
    let lines: Vec<_> = env.variables.iter().map(|line| str::from_utf8(line).unwrap()).collect();
    assert_eq!(lines, ["bootcmd=run x", b, order, a, good]);
    assert_eq!([A, B].map(|slot| env.left(slot)), [Some(tries(3)), Some(tries(2))]);
    let left = |lines: &[&str]| of(lines).left(B);
    assert_eq!(left(&["BOOT_ORDER=A", b]), None, "not in the order");
    for none in ["BOOT_B_LEFT=", "BOOT_B_LEFT=x", "BOOT_B_LEFT=-1", "BOOT_B_LEFT=16", "BOOT_B_LEFT=\u{b2}"] {
        assert_eq!(left(&["BOOT_ORDER=B A", none]), None, "{none}");
    }
    // A good slot that is not confirmed keeps its count, as long as it has one.
    for (stored, confirmed, then) in [("1", None, 1), ("1", Some(A), 3), ("0", None, 3)] {
        let mut env = of(&[order, &format!("BOOT_A_LEFT={stored}"), b]);
        env.rank(&ranking(&[(1, 3, true), (2, 2, false)], confirmed), tries(3));
        assert_eq!(env.left(A), Some(tries(then)));
    }
    // It hangs: another slot that runs and looks does not start it over.
    let mut hangs = of(&[order, "BOOT_GOOD=A", "BOOT_A_LEFT=0", b]);
    hangs.rank(&ranking(&[(1, 3, true), (2, 2, false)], None), tries(3));
    assert_eq!(hangs.left(A), Some(tries(0)));
}

/// An environment of two copies in one file, and what describes it.
struct Files {
    folder: TempDir,
}

impl Files {
    fn with(copies: [Vec<u8>; 2]) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(files.path("env"), copies.concat()).unwrap();
        let env = files.path("env");
        files.describe(&format!("{0} 0 {LEN}\n{0} {LEN} {LEN}\n", env.display()));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn describe(&self, text: &str) {
        fs::write(self.path("fw_env.config"), text).unwrap();
    }

    fn open(&self) -> Result<UBootEnv, OsError> {
        UBootEnv::open(&self.path("fw_env.config"), tries(3))
    }

    fn put(&self) -> Result<Put, OsError> {
        self.open()?.put(&mut disk(&self.folder), &trial())
    }

    fn env(&self) -> Env {
        self.open().unwrap().env().unwrap()
    }
}

#[test]
fn a_ranking_is_written_once_and_a_lost_copy_is_made_whole() {
    let files = Files::with([copy(1, &["x=1"]), copy(0, &["x=0"])]);
    assert_eq!((files.put().unwrap(), files.put().unwrap()), (Put::Written, Put::Unchanged));
    assert_eq!((files.env().get("x"), files.env().flags), (Some(&b"1"[..]), 2));
    assert_eq!(files.open().unwrap().read(&mut disk(&files.folder), B).unwrap(), Some(tries(2)));
    // Nothing else is to be said, and a copy is gone.
    let file = fs::File::options().write(true).open(files.path("env")).unwrap();
    file.write_all_at(&[0; 16], 0).unwrap();
    assert!(files.env().one_is_lost);
    assert_eq!((files.put().unwrap(), files.put().unwrap()), (Put::Written, Put::Unchanged));
    assert!(!files.env().one_is_lost);
    // Every cut inside a write: the copy that counted before is as it was.
    let before = files.env();
    let (which, bytes) = before.next().unwrap();
    for cut in [1, 4, 5, 100, LEN - 1] {
        file.write_all_at(&bytes[..cut], u64::try_from(which * LEN).unwrap()).unwrap();
        assert_eq!(files.env().variables, before.variables);
    }
}

#[test]
fn with_both_copies_damaged_nothing_is_written() {
    let files = Files::with([damaged(copy(1, &TRIAL)), damaged(copy(2, &TRIAL))]);
    let before = fs::read(files.path("env")).unwrap();
    let error = files.put().unwrap_err();
    assert!(error.to_string().contains("neither copy of the environment is valid"), "{error}");
    assert_eq!(fs::read(files.path("env")).unwrap(), before);
}

#[test]
fn what_does_not_fit_into_the_files_is_refused_and_they_stay() {
    let files = Files::with([copy(1, &[&format!("x={}", "y".repeat(220))]), copy(0, &[])]);
    let before = fs::read(files.path("env")).unwrap();
    let error = files.put().unwrap_err();
    assert!(error.to_string().contains("do not fit into its 256 bytes"), "{error}");
    assert_eq!(fs::read(files.path("env")).unwrap(), before);
}

#[test]
fn files_that_cannot_be_read_or_written() {
    let files = Files::with([copy(1, &TRIAL), copy(0, &[])]);
    // One that ends inside its second copy, which is damaged then; inside its first, too.
    let cut = |len| fs::File::options().write(true).open(files.path("env")).unwrap().set_len(len).unwrap();
    cut(300);
    assert_eq!(files.put().unwrap(), Put::Written);
    assert_eq!(fs::metadata(files.path("env")).unwrap().len(), 512);
    cut(100);
    let error = files.put().unwrap_err();
    assert!(error.to_string().contains("env: "), "{error}");
    assert_eq!(fs::metadata(files.path("env")).unwrap().len(), 100);
    fs::remove_file(files.path("env")).unwrap();
    assert_eq!(files.put().unwrap_err().errno(), Some(Errno::NOENT));
    // One that can be opened and not written.
    let closed = rustix::fs::memfd_create("env", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::io::write(&closed, &[copy(1, &["x=1"]), copy(0, &[])].concat()).unwrap();
    rustix::fs::fcntl_add_seals(&closed, SealFlags::WRITE).unwrap();
    let path = format!("/proc/self/fd/{}", closed.as_raw_fd());
    files.describe(&format!("{path} 0 {LEN}\n{path} {LEN} {LEN}\n"));
    assert_eq!(files.put().unwrap_err().errno(), Some(Errno::PERM));
    assert_eq!(files.env().get("x"), Some(&b"1"[..]));
    files.describe("/dev/zero 0 256\n/dev/zero 256 256\n");
    assert!(files.put().unwrap_err().to_string().contains("raw flash device"));
}

#[test]
fn a_description_in_every_form_of_numbers() {
    let files = Files::with([copy(1, &["x=1"]), copy(0, &[])]);
    let env = files.path("env").display().to_string();
    for text in [
        format!("# copies\n\n  {env}\t0x0 0x100 0x200 1 # the first\n{env} 0X100 256\n"),
        format!("{env} -512 256\n{env} -0x100 0x100\n"),
    ] {
        files.describe(&text);
        assert_eq!(files.env().get("x"), Some(&b"1"[..]), "{text}");
    }
}

#[test]
fn a_description_that_breaks_a_rule() {
    let files = Files::with([copy(1, &["x=1"]), copy(0, &[])]);
    let env = files.path("env").display().to_string();
    for (text, rule) in [
        (String::new(), "it names 0 of the two copies that are needed"),
        (format!("{env} 0 256\n"), "it names 1 of the two copies that are needed"),
        (format!("{env} 0 256\n{env} 256 256\n{env} 512 256\n"), "it names 3 of the two copies"),
        (format!("{env} 0 256\n{env} 255 256\n"), "differ in size, or overlap"),
        (format!("{env} 0 256\n{env} 0 256\n"), "differ in size, or overlap"),
        (format!("{env} 0 256\n{env} 256 128\n"), "differ in size, or overlap"),
        (format!("{env} 0\n"), "line 1: a device, an offset and a size are needed"),
        (format!("#\n{env} 0 5\n"), "line 2: the size is not 6 bytes to 1 MiB"),
        (format!("{env} 0 0x100001\n"), "the size is not 6 bytes to 1 MiB"),
        (format!("{env} 0 -1\n"), "the size is not"),
        (format!("{env} zero 256\n"), "the offset is no number"),
        (format!("{env} -x 256\n"), "the offset is no number"),
        (format!("{env} -513 256\n"), "the offset is before the start of the device"),
    ] {
        files.describe(&text);
        let error = files.open().unwrap_err().to_string();
        assert!(error.contains(rule) && error.contains("fw_env.config: "), "{text}: {error}");
    }
    assert_eq!(UBootEnv::open(&files.path("nothing"), tries(3)).unwrap_err().errno(), Some(Errno::NOENT));
    let gone = files.path("gone").display().to_string();
    files.describe(&format!("{gone} -512 256\n{gone} -256 256\n"));
    assert_eq!(files.open().unwrap_err().errno(), Some(Errno::NOENT), "the end of what is not there");
}
