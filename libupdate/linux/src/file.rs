//! The small files beside the disk: profiles, keys, and the state that one part of the updater leaves for another. They are opened here
//! and nowhere else.
//!
//! | | what people give: [`read`] | state: [`read_state`], [`write_state`], [`lock`] |
//! |---|---|---|
//! | a symbolic link | followed | refused, and replaced when written |
//! | a FIFO | read while bytes come, never waited for | the same |
//! | more bytes than its limit | refused | refused |
//! | mode | | 0644, and its folder 0755, whatever the umask; the lock 0600 |
//!
//! State that grows line by line is a [`LineLog`].
//!
//! No open waits, and no name that can be guessed is ever written through: whoever can put something into a folder of ours must neither
//! stop an act nor have it write elsewhere.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

mod line_log;

pub use line_log::{LineLog, Tail};

/// A pipe that is silent for so long brings nothing any more.
const SILENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// Of a file that everybody may read.
const FILE_MODE: u32 = 0o644;
/// Of a folder of such files.
const FOLDER_MODE: u32 = 0o755;

/// Reads a file, or a pipe that has a writer, of at most `most` bytes.
///
/// # Errors
/// What the system says; more bytes; a pipe that is silent.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bounded(&open(path, OFlags::RDONLY)?, most)
}

/// The same as text.
///
/// # Errors
/// [`read`]'s; what is no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(read(path, most)?)
}

/// Reads a file that a part of the updater has left: a regular file, and no link to one.
///
/// # Errors
/// What the system says; another kind of file; more bytes than `most`; what is no UTF-8.
pub fn read_state(path: &Path, most: u64) -> io::Result<String> {
    let file = open(path, OFlags::RDONLY | OFlags::NOFOLLOW)?;
    regular(&file)?;
    text(bounded(&file, most)?)
}

/// Puts a file of state in place of the one that is there: a cut leaves the old one or the new one.
///
/// # Durability
/// The file is flushed before it takes its name, which is durable with the next flush of its file system.
///
/// # Errors
/// What the system says.
pub fn write_state(path: &Path, bytes: &[u8]) -> io::Result<()> {
    folder(path.parent().unwrap_or(Path::new("/")))?;
    let mut name = OsString::from(path);
    name.push(".new");
    let new = PathBuf::from(name);
    // What a cut has left, or anybody else. Whatever it is, it is not opened.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(&new, OFlags::WRONLY, Mode::RUSR | Mode::WUSR)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.set_permissions(Permissions::from_mode(FILE_MODE)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    // The error that led here is the one to be told.
    written.inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Makes a folder of state, and what is missing above it.
///
/// # Errors
/// What the system says.
pub fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        // The umask has taken bits away; whoever may not change the folder has not made it.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => match path.parent() {
            Some(above) if above != Path::new("") => folder(above).and_then(|()| folder(path)),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Opens the file that a lock is taken on, for root alone: who can open it can hold the lock.
///
/// # Errors
/// What the system says; something else than a regular file.
pub fn lock(path: &Path) -> io::Result<File> {
    folder(path.parent().unwrap_or(Path::new("/")))?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
    let file = opened(rustix::fs::open(path, flags | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR))?;
    regular(&file)?;
    Ok(file)
}

/// Makes a file that was not there, with at most this mode.
///
/// # Errors
/// What the system says, [`ErrorKind::AlreadyExists`] too.
pub fn create(path: &Path, access: OFlags, mode: Mode) -> io::Result<File> {
    let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    opened(rustix::fs::open(path, flags, mode))
}

/// Opens a file that is there. Whatever it is, this does not wait: a FIFO is open at once, with or without a writer.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    opened(rustix::fs::open(path, flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()))
}

fn opened(answer: Result<rustix::fd::OwnedFd, Errno>) -> io::Result<File> {
    match answer {
        // Only where no link is to be followed; the system's own words are of many links.
        Err(Errno::LOOP) => Err(io::Error::new(ErrorKind::InvalidInput, "it is a symbolic link, or a loop of them")),
        answer => Ok(File::from(answer?)),
    }
}

fn regular(file: &File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// All of an open file, or an error where that is more than `most` bytes.
///
/// # Errors
/// What the system says; more bytes; a pipe that is silent.
pub fn bounded(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut taken = file.take(most.saturating_add(1));
    loop {
        match taken.read_to_end(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => await_bytes(file)?,
            answer => {
                answer?;
                break;
            }
        }
    }
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= most) {
        return Ok(bytes);
    }
    Err(io::Error::new(ErrorKind::InvalidData, format!("it has more than {most} bytes, the limit for such a file")))
}

fn await_bytes(file: &File) -> io::Result<()> {
    match rustix::event::poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&SILENCE)) {
        Ok(0) => Err(io::Error::new(ErrorKind::TimedOut, "no byte came from it for 10 s")),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn fifo(path: &Path) {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
    }

    #[test]
    fn a_file_over_its_limit_is_refused_and_one_at_its_limit_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, [b'x'; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        assert!(read(&path, 99).unwrap_err().to_string().contains("more than 99 bytes"));
        // As much as it says; nobody's memory holds it.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(read_state(&path, 99).unwrap_err().to_string().contains("more than 99 bytes"));
        fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 9).unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn a_pipe_with_a_writer_is_read_and_one_without_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fifo(&path);
        assert_eq!(read(&path, 9).unwrap(), b"");
        let writer = std::thread::spawn({
            let path = path.clone();
            move || fs::write(path, "late")
        });
        // Whether the writer is there yet is left open; that it is never waited for is not.
        let got = read(&path, 9).unwrap();
        assert!(matches!(got.as_slice(), b"late" | b""), "{got:?}");
        while !writer.is_finished() {
            drop(read(&path, 9));
        }
        writer.join().unwrap().unwrap_or_default();
        for refused in [read_state(&path, 9).map(drop), lock(&path).map(drop)] {
            assert_eq!(refused.unwrap_err().to_string(), "it is not a regular file");
        }
    }

    #[test]
    fn state_is_never_written_or_read_through_what_somebody_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new, victim) = (folder.path().join("x"), folder.path().join("x.new"), folder.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &new).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(read_state(&path, 99).unwrap_err().to_string().contains("symbolic link"));
        write_state(&path, b"state").unwrap();
        assert_eq!(
            (read_state(&path, 99).unwrap().as_str(), fs::read(&victim).unwrap()),
            ("state", b"precious".to_vec())
        );
        fifo(&new);
        fs::remove_file(&path).unwrap();
        fifo(&path);
        write_state(&path, b"again").unwrap();
        assert_eq!(read_state(&path, 99).unwrap(), "again");
        fs::create_dir(&new).unwrap();
        assert!(write_state(&path, b"third").is_err());
        assert_eq!(read_state(&path, 99).unwrap(), "again");
    }

    /// The umask is the process's: this very test in another one.
    #[test]
    fn modes_are_the_same_whatever_the_umask() {
        const ROLE: &str = "LIBUPDATE_FILE_TEST";
        if let Some(place) = env::var_os(ROLE) {
            let place = Path::new(&place);
            write_state(&place.join("lib/updater/x"), b"state").unwrap();
            drop(lock(&place.join("run/updater/lock")).unwrap());
            return;
        }
        for umask in ["000", "022", "077"] {
            let folder = tempfile::tempdir().unwrap();
            let line = format!("umask {umask}; exec \"$0\" --exact \"$1\"");
            let test = "file::tests::modes_are_the_same_whatever_the_umask";
            let mut command = Command::new("sh");
            command.args(["-c", &line]).arg(env::current_exe().unwrap()).arg(test).env(ROLE, folder.path());
            assert!(command.status().unwrap().success());
            let at = |name: &str| mode(&folder.path().join(name));
            assert_eq!([at("lib"), at("lib/updater"), at("run/updater")], [0o755; 3], "{umask}");
            assert_eq!((at("lib/updater/x"), at("run/updater/lock")), (0o644, 0o600), "{umask}");
        }
    }
}
