//! `--progress-fd N`: a descriptor that the caller opened for us.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::exit::{Exit, Failure};

/// A descriptor of our own for the open file behind `number`, which is not the disk.
///
/// Taken through a handle of this very process: that keeps the file's position and works for sockets, as opening
/// `/proc/self/fd/N` would not, and it cannot take the number away from somebody who uses it already.
pub fn duplicate(number: u32, disk: Option<&Path>) -> Result<File, Failure> {
    let raw = i32::try_from(number).map_err(|_| unusable(number, &"no descriptor has such a number"))?;
    if number == 0 {
        return Err(unusable(number, &"it is stdin, which is for reading"));
    }
    if is_ours(number) {
        return Err(unusable(number, &"nobody opened it for this command"));
    }
    let taken =
        pidfd_open(getpid(), PidfdFlags::empty()).and_then(|this| pidfd_getfd(this, raw, PidfdGetfdFlags::empty()));
    let file = match taken {
        Ok(descriptor) => File::from(descriptor),
        // Kernels before 5.6, and containers that forbid it.
        Err(Errno::NOSYS | Errno::PERM) => reopen(number).map_err(|error| unusable(number, &error))?,
        Err(error) => return Err(unusable(number, &error)),
    };
    judge(&file, disk).map_err(|why| unusable(number, &why))?;
    Ok(file)
}

/// Whether this process opened it itself: then the caller did not. What a caller hands on is not closed when a program is executed, and all
/// that this program opens is.
fn is_ours(number: u32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else { return false };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or_default();
    OFlags::from_bits_retain(flags).contains(OFlags::CLOEXEC)
}

/// Lines are written only where nobody keeps a disk.
fn judge(file: &File, disk: Option<&Path>) -> Result<(), String> {
    let system = |error: &dyn fmt::Display| error.to_string();
    let mode = fcntl_getfl(file).map_err(|error| system(&error))? & (OFlags::RWMODE | OFlags::PATH);
    if mode != OFlags::WRONLY && mode != OFlags::RDWR {
        return Err("it is not open for writing".to_owned());
    }
    let there = file.metadata().map_err(|error| system(&error))?;
    if there.file_type().is_block_device() {
        return Err("it is a block device, which would be overwritten".to_owned());
    }
    let same = |disk: &Path| disk.metadata().is_ok_and(|disk| (disk.dev(), disk.ino()) == (there.dev(), there.ino()));
    if disk.is_some_and(same) {
        return Err("it is the disk, which would be overwritten".to_owned());
    }
    Ok(())
}

/// The file behind the descriptor, opened again: not for sockets, and a regular file is appended to.
fn reopen(number: u32) -> io::Result<File> {
    OpenOptions::new().append(true).open(format!("/proc/self/fd/{number}"))
}

fn unusable(number: u32, error: &dyn fmt::Display) -> Failure {
    let what = format!("--progress-fd {number} cannot be used");
    Failure::new(Exit::Usage, what, error, format!("open the descriptor for the command: {number}>progress.jsonl"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;

    /// As a caller hands it on: not closed when a program is executed.
    fn handed_on(file: &impl AsFd) -> u32 {
        rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).unwrap();
        file.as_fd().as_raw_fd().try_into().unwrap()
    }

    fn refused(number: u32, disk: Option<&Path>, why: &str) {
        let failure = duplicate(number, disk).unwrap_err();
        assert!(failure.code == Exit::Usage && failure.why.contains(why), "{failure}");
    }

    #[test]
    fn an_open_descriptor_is_written_to_and_a_closed_one_refused() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let number = handed_on(&writer);
        let (mut ours, mut again) = (duplicate(number, None).unwrap(), reopen(number).unwrap());
        ours.write_all(b"x").and_then(|()| again.write_all(b"y")).unwrap();
        drop((ours, again, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xy");
        refused(987_654, None, "");
        refused(u32::MAX, None, "no descriptor has such a number");
    }

    #[test]
    fn what_is_not_for_lines_is_refused() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        refused(disk.as_file().as_raw_fd().try_into().unwrap(), None, "nobody opened it");
        refused(handed_on(disk.as_file()), Some(disk.path()), "it is the disk");
        duplicate(handed_on(disk.as_file()), Some(Path::new("/dev/null"))).unwrap();
        for path in ["/", "/dev/null"] {
            refused(handed_on(&File::open(path).unwrap()), None, "not open for writing");
        }
        refused(0, None, "stdin");
    }
}
