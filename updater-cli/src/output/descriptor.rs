//! `--progress-fd N`: a descriptor that the caller opened for us.

use std::fs::{File, OpenOptions};
use std::io;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::exit::{Exit, Failure};

/// A descriptor of our own for the open file behind `number`.
///
/// Taken through a handle of this very process: that keeps the file's position and works for sockets, as opening
/// `/proc/self/fd/N` would not, and it cannot take the number away from somebody who uses it already.
pub fn duplicate(number: u32) -> Result<File, Failure> {
    let raw = i32::try_from(number).map_err(|error| unusable(number, &error))?;
    match pidfd_open(getpid(), PidfdFlags::empty()).and_then(|this| pidfd_getfd(this, raw, PidfdGetfdFlags::empty())) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        // Kernels before 5.6, and containers that forbid it.
        Err(Errno::NOSYS | Errno::PERM) => reopen(number).map_err(|error| unusable(number, &error)),
        Err(error) => Err(unusable(number, &error)),
    }
}

/// The file behind the descriptor, opened again: not for sockets, and a regular file is appended to.
fn reopen(number: u32) -> io::Result<File> {
    OpenOptions::new().append(true).open(format!("/proc/self/fd/{number}"))
}

fn unusable(number: u32, error: &dyn core::error::Error) -> Failure {
    let what = format!("--progress-fd {number} cannot be used");
    Failure::new(Exit::Usage, what, error, format!("open the descriptor for the command: {number}>progress.jsonl"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn an_open_descriptor_is_written_to_and_a_closed_one_refused() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let number = writer.as_raw_fd().try_into().unwrap();
        let (mut ours, mut again) = (duplicate(number).unwrap(), reopen(number).unwrap());
        ours.write_all(b"x").and_then(|()| again.write_all(b"y")).unwrap();
        drop((ours, again, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xy");
        assert_eq!(duplicate(987_654).unwrap_err().code, Exit::Usage);
    }
}
