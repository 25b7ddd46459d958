//! Who may change a disk now: one act at a time, and nobody else on a disk image file.
//!
//! | lock | on | keeps out | when |
//! |---|---|---|---|
//! | act, device | `flock` on `/run/updater/lock` | another updater on this device | the whole act |
//! | act, disk image file | `flock` and a POSIX lock on the file | another updater; qemu and others that lock byte ranges | the whole act |
//! | table | `flock` on the whole-disk node | udev (systemd's block-device locking) | one GPT commit |
//!
//! The kernel drops each lock with the process, so none is ever stale.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::units::limits::SYSTEM_BYTES;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use crate::disk::{Disk, DiskKind, Mode, medium};
use crate::error::{OsError, OsErrorKind};
use crate::file;

/// The lock of acts on a device.
pub const DEVICE_LOCK: &str = "/run/updater/lock";
/// udev holds the node's lock for as long as it probes, a second or so; longer is somebody else's work.
const TABLE_PATIENCE: Duration = Duration::from_secs(10);
const TABLE_POLL: Duration = Duration::from_millis(50);

/// A lock, held until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released where it is dropped"]
pub struct Lock {
    /// `None` if the act's lock already covers it.
    _held: Option<File>,
}

impl Lock {
    /// Takes the disk for one act, or says at once who has it.
    ///
    /// # Errors
    /// [`OsErrorKind::Locked`] with the holder, or what the kernel says.
    pub fn act(disk: &Disk) -> Result<Self, OsError> {
        match disk.kind() {
            DiskKind::Device(_) => Self::act_on_device(Path::new(DEVICE_LOCK)),
            DiskKind::File => Self::act_on_file(disk.path(), disk.mode()),
        }
    }

    /// Who works on this device, in words; `None` if nobody is known to. Nothing is locked.
    #[must_use]
    pub fn holder_on_device() -> Option<String> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        holder(&medium::open(Path::new(DEVICE_LOCK), flags).ok()?)
    }

    /// Keeps udev from reading the table while it is written. To be dropped right after the commit.
    ///
    /// # Errors
    /// [`OsErrorKind::Locked`] where somebody holds the node for more than ten seconds, or what the kernel says.
    pub fn table(disk: &Disk) -> Result<Self, OsError> {
        if *disk.kind() == DiskKind::File {
            return Ok(Self { _held: None });
        }
        // Not opened for writing: closing such a descriptor is what makes udev probe the disk.
        let node = medium::open(disk.path(), OFlags::RDONLY)?;
        let until = Instant::now() + TABLE_PATIENCE;
        loop {
            match flock(disk.path(), &node) {
                Err(error) if matches!(error.kind(), OsErrorKind::Locked { .. }) && Instant::now() < until => {
                    sleep(TABLE_POLL)
                }
                answer => return answer.map(|()| Self { _held: Some(node) }),
            }
        }
    }

    fn act_on_device(path: &Path) -> Result<Self, OsError> {
        let file = file::lock(path).map_err(|error| OsError::io(path, "open", &error))?;
        flock(path, &file)?;
        Ok(Self { _held: Some(file) })
    }

    fn act_on_file(path: &Path, mode: Mode) -> Result<Self, OsError> {
        let (flags, ranges) = match mode {
            Mode::ReadOnly => (OFlags::RDONLY, FlockOperation::NonBlockingLockShared),
            Mode::ReadWrite => (OFlags::RDWR, FlockOperation::NonBlockingLockExclusive),
        };
        let file = medium::open(path, flags)?;
        flock(path, &file)?;
        // A POSIX lock over the whole file meets every byte-range lock of others, qemu's OFD locks among them, and tells
        // them in turn. The process loses it when it closes any descriptor of the file: the flock is what lasts.
        match rustix::fs::fcntl_lock(&file, ranges) {
            Ok(()) => Ok(Self { _held: Some(file) }),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(locked(path, &file)),
            // A file system without byte-range locks has nobody who holds one.
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(Self { _held: Some(file) }),
            Err(errno) => Err(OsError::call(path, "lock", errno)),
        }
    }
}

fn flock(path: &Path, file: &File) -> Result<(), OsError> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(locked(path, file)),
        Err(errno) => Err(OsError::call(path, "lock", errno)),
    }
}

fn locked(path: &Path, file: &File) -> OsError {
    OsError::new(path, OsErrorKind::Locked { by: holder(file).unwrap_or_else(|| "another process".to_owned()) })
}

/// Who holds a lock on the file, in words. Best effort: it only makes a message more helpful.
///
/// The kernel's lock table names the process for `flock` and POSIX locks and -1 for OFD locks; a descriptor's own page in
/// `/proc` lists the locks of either kind.
fn holder(file: &File) -> Option<String> {
    let inode = file.metadata().ok()?.ino();
    let own = std::process::id();
    let table = system("/proc/locks");
    let pid = lock_pids(&table, inode).find(|pid| *pid != own).or_else(|| {
        processes().into_iter().filter(|pid| *pid != own).find(|pid| {
            pages(*pid)
                .iter()
                .any(|page| page.lines().filter(|line| line.starts_with("lock:")).any(|line| of_inode(line, inode)))
        })
    });
    match pid {
        Some(pid) => {
            let name = system(&format!("/proc/{pid}/comm"));
            Some(format!("process {pid} ({})", name.trim_end()))
        }
        None if lock_pids(&table, inode).next().is_some() => Some("this process".to_owned()),
        None => None,
    }
}

/// The processes that hold a lock on the inode; blocked waiters ("->") hold nothing.
fn lock_pids(table: &str, inode: u64) -> impl Iterator<Item = u32> {
    let held = table.lines().filter(move |line| !line.contains("->") && of_inode(line, inode));
    held.filter_map(|line| line.split_whitespace().nth(4)?.parse().ok())
}

/// Whether a line of the lock table is about the inode. Its device number is not compared: some file systems show another
/// one there than to stat.
fn of_inode(line: &str, inode: u64) -> bool {
    line.split_whitespace().any(|field| {
        let mut parts = field.split(':').skip(2);
        parts.next().and_then(|number| number.parse().ok()) == Some(inode)
    })
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn pages(pid: u32) -> Vec<String> {
    let folder = PathBuf::from(format!("/proc/{pid}/fdinfo"));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| file::read_text(&entry.path(), SYSTEM_BYTES).ok()).collect()
}

fn system(path: &str) -> String {
    file::read_text(Path::new(path), SYSTEM_BYTES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::disk::OpenHow;
    use crate::eventually::eventually;

    /// Another process that takes a lock of the kind on the file and holds it until it is dropped.
    struct Other(Child);

    impl Other {
        fn holding(lock: &str, path: &Path) -> Self {
            // F_OFD_SETLK = 37; struct flock of a 64-bit Linux.
            let script = r#"use Fcntl qw(:DEFAULT :flock F_SETLK F_WRLCK F_RDLCK); $|=1; my ($kind,$path)=@ARGV;
                sysopen(my $f,$path,O_RDWR) or die; my $l=sub {pack('s s x4 q q l x4',$_[0],0,$_[1],$_[2],0)};
                if($kind eq 'flock'){flock($f,LOCK_EX) or die} elsif($kind eq 'posix'){fcntl($f,F_SETLK,$l->(F_WRLCK,0,0)) or die}
                else {fcntl($f,37,$l->(F_RDLCK,100,1)) or die} print "held\n"; <STDIN>;"#;
            let mut child = Command::new("perl")
                .args(["-e", script, lock])
                .arg(path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("perl is part of every Debian system");
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "held\n");
            Self(child)
        }
    }

    impl Drop for Other {
        fn drop(&mut self) {
            self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
            assert!(self.0.wait().unwrap().success());
        }
    }

    fn image(folder: &Path) -> PathBuf {
        let path = folder.join("disk.img");
        File::create(&path).unwrap().set_len(1 << 20).unwrap();
        path
    }

    #[test]
    fn a_disk_image_locked_by_another_process_is_busy_and_the_holder_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = image(folder.path());
        let disk = Disk::open(&path, OpenHow::read_write()).unwrap();
        for kind in ["flock", "posix", "ofd"] {
            let other = Other::holding(kind, &path);
            let error = Lock::act(&disk).unwrap_err();
            let wanted = OsErrorKind::Locked { by: format!("process {} (perl)", other.0.id()) };
            assert_eq!(*error.kind(), wanted, "{kind}");
            drop(other);
            drop(eventually(|| Lock::act(&disk)));
        }
    }

    #[test]
    fn the_second_act_of_one_process_is_busy_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = image(folder.path());
        let disk = Disk::open(&path, OpenHow::read_write()).unwrap();
        let first = Lock::act(&disk).unwrap();
        let error = Lock::act(&Disk::open(&path, OpenHow::read_only()).unwrap()).unwrap_err();
        assert_eq!(*error.kind(), OsErrorKind::Locked { by: "this process".to_owned() });
        drop(first);
        drop(eventually(|| Lock::act(&disk)));
    }

    #[test]
    fn the_lock_of_a_device_is_roots_in_a_folder_that_all_may_look_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("updater/lock");
        let first = Lock::act_on_device(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o755, 0o600));
        let error = Lock::act_on_device(&path).unwrap_err();
        assert!(matches!(error.kind(), OsErrorKind::Locked { .. }));
        drop(first);
        drop(eventually(|| Lock::act_on_device(&path)));
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::os::unix::fs::symlink(&victim, folder.path().join("lock")).unwrap();
        let error = Lock::act_on_device(&folder.path().join("lock")).unwrap_err();
        assert!(error.to_string().contains("it is a symbolic link"), "{error}");
        assert!(!victim.exists());
    }

    #[test]
    fn the_lock_table_is_read_by_inode_and_waiters_hold_nothing() {
        let table = "1: POSIX  ADVISORY  WRITE 12 fe:00:77 0 EOF\n1: -> FLOCK ADVISORY WRITE 13 fe:00:77 0 EOF\n\
                     2: OFDLCK ADVISORY  READ -1 fe:00:77 100 100\n3: FLOCK  ADVISORY  WRITE 14 fe:00:770 0 EOF\n";
        assert_eq!(lock_pids(table, 77).collect::<Vec<_>>(), [12]);
        assert_eq!(lock_pids(table, 770).collect::<Vec<_>>(), [14]);
    }
}
