//! A file of lines that grows at its end, and never beyond its bound.
//!
//! ```text
//!  line ─► room? ── yes ─► one write at the end, flushed       a cut leaves the lines before it, and perhaps a part of this one
//!                └─ no ──► new file, flushed ─► rename         a cut leaves the old file or the new one
//! ```
//!
//! 1. Writers wait for each other, for a second at most, by a lock of the file.
//! 2. After a line that a cut has torn, the next one begins on a line of its own. A reader skips what has no line end yet.
//! 3. A reader takes the last bytes up to the bound, whatever the file has become: 10 MB of something else cost no memory and no time.
//! 4. A link, a FIFO or anything else that has the file's name is never opened; a writer puts a new file in its place.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{FILE_MODE, folder, open, opened, regular, write_state};

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// A bounded file of lines.
#[derive(Clone, Debug)]
pub struct LineLog {
    path: PathBuf,
    most: u64,
}

impl LineLog {
    /// The file of this name, of at most `most` bytes.
    #[must_use]
    pub fn new(path: &Path, most: u64) -> Self {
        Self { path: path.to_owned(), most }
    }

    /// The last whole lines, at most `most` bytes of them. What is no UTF-8 is replaced.
    ///
    /// # Errors
    /// What the system says; something else than a regular file.
    pub fn tail(&self) -> io::Result<String> {
        let file = open(&self.path, OFlags::RDONLY | OFlags::NOFOLLOW)?;
        regular(&file)?;
        last_lines(&file, self.most)
    }

    /// Adds a line. If there is no room for it, `keep` says which of the last whole lines stay before it.
    ///
    /// # Durability
    /// The line is durable, or the file is what it was.
    ///
    /// # Errors
    /// What the system says; another writer that does not end.
    pub fn append(&self, line: &str, keep: impl FnOnce(&str) -> String) -> io::Result<()> {
        let line = format!("{line}\n");
        if fs::symlink_metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            return write_state(&self.path, line.as_bytes());
        }
        let mut file = self.locked()?;
        let len = file.metadata()?.len();
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        // One more for the end of a torn line.
        if len.saturating_add(added) < self.most {
            return at_end(&mut file, len, &line);
        }
        // The lock stays until the new file has the name: who waits for it finds another file there, and begins again.
        let kept = keep(&last_lines(&file, self.most)?);
        let room = self.most.saturating_sub(added);
        write_state(&self.path, (fitting(&kept, room).to_owned() + &line).as_bytes())
    }

    /// The file that has the name, locked.
    fn locked(&self) -> io::Result<File> {
        folder(self.path.parent().unwrap_or(Path::new("/")))?;
        let until = Instant::now() + PATIENCE;
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
            let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = opened(rustix::fs::open(&self.path, flags, Mode::RUSR | Mode::WUSR))?;
            regular(&file)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if self.is_named(&file)? => return Ok(file),
                // Another writer has put a new file there.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => sleep(POLL),
                Err(errno) => return Err(errno.into()),
            }
            if Instant::now() >= until {
                return Err(io::Error::new(ErrorKind::TimedOut, "another writer does not end"));
            }
        }
    }

    fn is_named(&self, file: &File) -> io::Result<bool> {
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        match fs::symlink_metadata(&self.path) {
            Ok(named) => Ok(identity(named) == identity(file.metadata()?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The last lines that fit.
fn fitting(mut lines: &str, room: u64) -> &str {
    while u64::try_from(lines.len()).is_ok_and(|len| len > room) {
        lines = lines.split_once('\n').map_or("", |(_, rest)| rest);
    }
    lines
}

/// Writes a line at the end, or leaves the file as long as it was.
fn at_end(file: &mut File, len: u64, line: &str) -> io::Result<()> {
    if len == 0 {
        // The umask has taken bits away.
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    let mut last = *b"\n";
    if let Some(at) = len.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    let line = if last == *b"\n" { line.to_owned() } else { format!("\n{line}") };
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
    // A part of a line is skipped by readers, so a file that cannot be shortened either misleads nobody.
    written.inspect_err(|_| drop(file.set_len(len)))
}

/// The whole lines among the last `most` bytes.
fn last_lines(mut file: &File, most: u64) -> io::Result<String> {
    let from = file.metadata()?.len().saturating_sub(most);
    // The byte before tells whether the first line is whole.
    file.seek(SeekFrom::Start(from.saturating_sub(1)))?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (whole, _torn) = text.rsplit_once('\n').unwrap_or_default();
    let whole = if from == 0 { whole } else { whole.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(if whole.is_empty() { String::new() } else { format!("{whole}\n") })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Of the lines that are there, those that have a 7.
    fn sevens(lines: &str) -> String {
        lines.lines().filter(|line| line.contains('7')).map(|line| format!("{line}\n")).collect()
    }

    fn log(folder: &tempfile::TempDir) -> LineLog {
        LineLog::new(&folder.path().join("lib/log"), 40)
    }

    #[test]
    fn a_full_file_keeps_what_it_is_told_to_and_never_exceeds_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        assert_eq!(log.tail().unwrap_err().kind(), ErrorKind::NotFound);
        for number in 0..100 {
            log.append(&format!("line {number}"), sevens).unwrap();
            assert!(fs::metadata(&log.path).unwrap().len() <= 40);
            assert!(log.tail().unwrap().ends_with(&format!("line {number}\n")));
        }
        assert!(log.tail().unwrap().contains("line 97\n"), "{}", log.tail().unwrap());
        assert_eq!(fs::metadata(&log.path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_torn_line_is_skipped_and_the_next_one_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        log.append("one", sevens).unwrap();
        fs::write(&log.path, "one\ntw").unwrap();
        assert_eq!(log.tail().unwrap(), "one\n");
        log.append("three", sevens).unwrap();
        assert_eq!(log.tail().unwrap(), "one\ntw\nthree\n");
        fs::write(&log.path, [0xff, b'\n']).unwrap();
        assert_eq!(log.tail().unwrap(), "\u{fffd}\n");
    }

    /// What lies before the last bytes is never read; the first line among them counts if it is whole.
    #[test]
    fn of_a_file_that_has_grown_the_last_lines_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        log.append("x", sevens).unwrap();
        let whole = format!("{}\n{}7\n", "a".repeat(100), "b".repeat(38));
        fs::write(&log.path, &whole).unwrap();
        assert_eq!(log.tail().unwrap(), format!("{}7\n", "b".repeat(38)));
        fs::write(&log.path, whole.replace("a\n", "aa")).unwrap();
        assert_eq!(log.tail().unwrap(), "");
        File::options().write(true).open(&log.path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(log.tail().unwrap(), "");
        log.append("last", sevens).unwrap();
        assert_eq!(fs::read_to_string(&log.path).unwrap(), "last\n");
    }

    #[test]
    fn what_somebody_put_there_is_replaced_and_never_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        super::super::folder(&folder.path().join("lib")).unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &log.path).unwrap();
        assert!(log.tail().is_err());
        log.append("line", sevens).unwrap();
        assert_eq!(
            (log.tail().unwrap().as_str(), fs::read_to_string(&victim).unwrap().as_str()),
            ("line\n", "precious")
        );
        fs::remove_file(&log.path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &log.path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(log.tail().unwrap_err().to_string(), "it is not a regular file");
        log.append("again", sevens).unwrap();
        assert_eq!(log.tail().unwrap(), "again\n");
        fs::remove_file(&log.path).unwrap();
        fs::create_dir(&log.path).unwrap();
        assert!(log.append("third", sevens).is_err());
    }

    #[test]
    fn a_writer_that_does_not_end_is_not_waited_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        log.append("one", sevens).unwrap();
        let held = log.locked().unwrap();
        assert_eq!(log.append("two", sevens).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(held);
        log.append("two", sevens).unwrap();
        assert_eq!(log.tail().unwrap(), "one\ntwo\n");
    }

    /// While there is room no line is lost; where one of the writers replaces the file, the others find the new one.
    #[test]
    fn many_writers_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let all = |most: u64| {
            let log = LineLog::new(&folder.path().join(most.to_string()), most);
            let writer = |name: usize| {
                let log = log.clone();
                // On a machine that is busy the others may take longer than a writer waits.
                let append = move |line: String| loop {
                    match log.append(&line, sevens) {
                        Err(error) if error.kind() == ErrorKind::TimedOut => {}
                        answer => return answer.unwrap(),
                    }
                };
                std::thread::spawn(move || (0..50).for_each(|n| append(format!("7 {name} {n}"))))
            };
            (0..4).map(writer).collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
            log.tail().unwrap()
        };
        assert_eq!(all(1 << 20).lines().count(), 200);
        let lines = all(60);
        assert!(lines.lines().all(|line| line.starts_with("7 ") && line.split(' ').count() == 3), "{lines}");
    }
}
