//! A file of lines that grows at its end, and never beyond its bound.
//!
//! ```text
//!  lines ─► room? ── yes ─► one write at the end, flushed      a cut leaves the lines before it, and perhaps a part of the new ones
//!                 └─ no ──► new file, flushed ─► rename        a cut leaves the old file or the new one
//! ```
//!
//! 1. Writers wait for each other, for a second at most, by a lock of the file.
//! 2. After a line that a cut has torn, the next one begins on a line of its own. The writer sees what is torn, and so does a reader.
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

/// The end of such a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tail {
    /// The last bytes up to the bound, from the start of a line on.
    pub bytes: Vec<u8>,
    /// Bytes of the whole file, which may be more.
    pub len: u64,
}

impl LineLog {
    /// The file of this name, of at most `most` bytes.
    #[must_use]
    pub fn new(path: &Path, most: u64) -> Self {
        Self { path: path.to_owned(), most }
    }

    /// The last lines, at most `most` bytes of them, and at the end perhaps a part of one.
    ///
    /// # Errors
    /// What the system says; something else than a regular file.
    pub fn tail(&self) -> io::Result<Tail> {
        let file = open(&self.path, OFlags::RDONLY | OFlags::NOFOLLOW)?;
        regular(&file)?;
        last_lines(&file, self.most)
    }

    /// Adds lines, which `lines` makes of those before them. If there is no room, `anew` makes a whole new file of them.
    ///
    /// # Durability
    /// The lines are durable, or the file is what it was.
    ///
    /// # Errors
    /// What the system says; another writer that does not end; more bytes than the bound.
    pub fn append(
        &self,
        lines: impl FnOnce(&[u8]) -> io::Result<String>,
        anew: impl FnOnce(&[u8]) -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            return self.replace(&anew(&[])?);
        }
        let mut file = self.locked()?;
        let Tail { bytes, len } = last_lines(&file, self.most)?;
        if len <= self.most {
            let lines = lines(&bytes)?;
            let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
            // One more for the end of a torn line.
            if len.saturating_add(added) < self.most {
                return at_end(&mut file, len, &lines);
            }
        }
        // The lock stays until the new file has the name: who waits for it finds another file there, and begins again.
        self.replace(&anew(&bytes)?)
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        if u64::try_from(bytes.len()).is_ok_and(|len| len <= self.most) {
            return write_state(&self.path, bytes);
        }
        Err(io::Error::new(ErrorKind::InvalidInput, format!("more than {} bytes", self.most)))
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

/// Writes lines at the end, or leaves the file as long as it was.
fn at_end(file: &mut File, len: u64, lines: &str) -> io::Result<()> {
    if len == 0 {
        // The umask has taken bits away.
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    let mut last = *b"\n";
    if let Some(at) = len.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    let lines = if last == *b"\n" { lines.to_owned() } else { format!("\n{lines}") };
    let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
    // A part of a line is skipped by readers, so a file that cannot be shortened either misleads nobody.
    written.inspect_err(|_| drop(file.set_len(len)))
}

/// What follows the first line end before the last `most` bytes.
fn last_lines(mut file: &File, most: u64) -> io::Result<Tail> {
    let len = file.metadata()?.len();
    let from = len.saturating_sub(most);
    // The byte before tells whether the first line is whole.
    file.seek(SeekFrom::Start(from.saturating_sub(1)))?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if from > 0 {
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at.saturating_add(1));
        bytes.drain(..first);
    }
    Ok(Tail { bytes, len })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Adds a line. If there is no room, those of the lines that have a 7 stay.
    fn add(log: &LineLog, line: &str) -> io::Result<()> {
        let sevens = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let stay: String = text.lines().filter(|line| line.contains('7')).map(|line| format!("{line}\n")).collect();
            let mut stay = stay.as_str();
            while stay.len() + line.len() + 1 > usize::try_from(log.most).unwrap() {
                stay = stay.split_once('\n').unwrap().1;
            }
            Ok(format!("{stay}{line}\n").into_bytes())
        };
        log.append(|_| Ok(format!("{line}\n")), sevens)
    }

    fn text(log: &LineLog) -> String {
        String::from_utf8(log.tail().unwrap().bytes).unwrap()
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
            add(&log, &format!("line {number}")).unwrap();
            assert!(fs::metadata(&log.path).unwrap().len() <= 40);
            assert!(text(&log).ends_with(&format!("line {number}\n")));
        }
        assert!(text(&log).contains("line 97\n"), "{}", text(&log));
        assert_eq!(fs::metadata(&log.path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_torn_line_is_skipped_and_the_next_one_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        add(&log, "one").unwrap();
        fs::write(&log.path, "one\ntw").unwrap();
        assert_eq!(text(&log), "one\ntw");
        log.append(|before| Ok(format!("after {}\n", before.len())), |_| unreachable!()).unwrap();
        assert_eq!(text(&log), "one\ntw\nafter 6\n");
    }

    /// What lies before the last bytes is never read; the first line among them counts if it is whole.
    #[test]
    fn of_a_file_that_has_grown_the_last_lines_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        add(&log, "x").unwrap();
        let whole = format!("{}\n{}7\n", "a".repeat(100), "b".repeat(38));
        fs::write(&log.path, &whole).unwrap();
        assert_eq!(text(&log), format!("{}7\n", "b".repeat(38)));
        fs::write(&log.path, whole.replace("a\n", "aa")).unwrap();
        assert_eq!(text(&log), "");
        File::options().write(true).open(&log.path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(log.tail().unwrap(), Tail { bytes: Vec::new(), len: 1 << 40 });
        add(&log, "last").unwrap();
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
        add(&log, "line").unwrap();
        assert_eq!((text(&log).as_str(), fs::read_to_string(&victim).unwrap().as_str()), ("line\n", "precious"));
        fs::remove_file(&log.path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &log.path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(log.tail().unwrap_err().to_string(), "it is not a regular file");
        add(&log, "again").unwrap();
        assert_eq!(text(&log), "again\n");
        fs::remove_file(&log.path).unwrap();
        fs::create_dir(&log.path).unwrap();
        assert!(add(&log, "third").is_err());
    }

    #[test]
    fn a_writer_that_does_not_end_is_not_waited_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        add(&log, "one").unwrap();
        let held = log.locked().unwrap();
        assert_eq!(add(&log, "two").unwrap_err().kind(), ErrorKind::TimedOut);
        drop(held);
        add(&log, "two").unwrap();
        assert_eq!(text(&log), "one\ntwo\n");
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
                    match add(&log, &line) {
                        Err(error) if error.kind() == ErrorKind::TimedOut => {}
                        answer => return answer.unwrap(),
                    }
                };
                std::thread::spawn(move || (0..50).for_each(|n| append(format!("7 {name} {n}"))))
            };
            (0..4).map(writer).collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
            text(&log)
        };
        assert_eq!(all(1 << 20).lines().count(), 200);
        let lines = all(60);
        assert!(lines.lines().all(|line| line.starts_with("7 ") && line.split(' ').count() == 3), "{lines}");
    }
}
