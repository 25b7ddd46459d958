use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

fn written(wanted: &Path, existing: Existing, bytes: &[u8]) -> Result<Went, Failure> {
    let interrupt = Interrupt::default();
    let mut new = NewFile::begin(wanted, existing, &interrupt)?;
    new.file().write_all(bytes).unwrap();
    new.commit()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn links_lead_to_what_is_replaced_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("deep")).unwrap();
    fs::write(at("deep/real"), "old").unwrap();
    fs::set_permissions(at("deep/real"), Permissions::from_mode(0o640)).unwrap();
    symlink("deep/real", at("one")).unwrap();
    symlink(at("one"), at("two")).unwrap();
    symlink("deep/yet", at("dangling")).unwrap();
    assert_eq!(written(&at("two"), Existing::Stays, b"new").unwrap_err().code, Exit::Usage);
    written(&at("two"), Existing::Replaced, b"new").unwrap();
    written(&at("dangling"), Existing::Stays, b"first").unwrap();
    assert_eq!(
        (fs::read(at("deep/real")).unwrap(), fs::read(at("deep/yet")).unwrap()),
        (b"new".to_vec(), b"first".to_vec())
    );
    assert_eq!(fs::metadata(at("two")).unwrap().permissions().mode() & PERMISSIONS, 0o640);
    assert!(["one", "two", "dangling"].iter().all(|name| fs::symlink_metadata(at(name)).unwrap().is_symlink()));
    assert_eq!((names(folder.path()).len(), names(&at("deep")).len()), (4, 2), "nothing else is left");
    symlink("loop", at("loop")).unwrap();
    assert!(written(&at("loop"), Existing::Replaced, b"x").is_err());
}

#[test]
fn the_owner_stays_too() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, "old").unwrap();
    std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
    written(&path, Existing::Replaced, b"new").unwrap();
    let facts = fs::metadata(&path).unwrap();
    assert_eq!((facts.uid(), facts.gid(), facts.len()), (12, 34, 3));
}

#[test]
fn a_name_as_long_as_can_be_and_one_that_is_taken_leave_room_for_the_unfinished_one() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(255));
    written(&long, Existing::Stays, b"long").unwrap();
    assert_eq!(fs::read(&long).unwrap(), b"long");
    let taken = format!("y.{}.tmp", std::process::id());
    symlink("/etc/passwd", folder.path().join(&taken)).unwrap();
    written(&folder.path().join("y"), Existing::Stays, b"y").unwrap();
    assert_eq!(names(folder.path()), ["x".repeat(255), "y".to_owned(), taken]);
}

#[test]
fn a_node_is_written_to_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    // More than a pipe holds, and no whole number of pieces.
    let bytes = vec![7; (1 << 20) + 77];
    assert_eq!(written(&pipe, Existing::Stays, &bytes).unwrap(), Went::Elsewhere);
    assert!(reader.join().unwrap() == bytes);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    written(Path::new("/dev/null"), Existing::Stays, b"gone").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let full = written(Path::new("/dev/full"), Existing::Stays, b"too much").unwrap_err();
    assert_eq!(full.code, Exit::NoSpace);
    let inside = written(folder.path(), Existing::Replaced, b"x").unwrap_err();
    assert!(inside.why.contains("it is a folder"), "{inside}");
}

#[test]
fn a_signal_ends_the_wait_for_the_reader_of_a_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let interrupt = Interrupt::default();
    interrupt.request();
    assert!(NewFile::begin(&pipe, Existing::Replaced, &interrupt).is_err());
}

#[test]
fn a_descriptor_of_a_file_is_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, "older and longer").unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let before = fs::metadata(&path).unwrap().ino();
    written(Path::new(&descriptor), Existing::Replaced, b"new").unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino()), (b"new".to_vec(), before));
}

#[test]
fn an_unfinished_file_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, "old").unwrap();
    let interrupt = Interrupt::default();
    let new = NewFile::begin(&path, Existing::Replaced, &interrupt).unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    drop(new);
    assert_eq!((names(folder.path()), fs::read(&path).unwrap()), (vec!["x".to_owned()], b"old".to_vec()));
}
