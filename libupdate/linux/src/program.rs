//! Programs of the system that are asked for what they do best: a reboot in order, and a partition table that the kernel reads again.

use std::fmt;
use std::io;
use std::process::{Command, ExitStatus};

use crate::disk::{Disk, DiskKind};

/// A program that did not do what it was run for.
#[derive(Debug)]
pub struct ProgramError {
    /// The program and, for people, its option: "blockdev --rereadpt".
    pub program: &'static str,
    /// How it went.
    pub end: ProgramEnd,
}

/// How a program failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProgramEnd {
    /// It could not be run.
    NotRun(io::Error),
    /// It ended without success.
    Failed(ExitStatus),
}

/// Asks the init system to reboot, with an argument for the kernel if the boot loader needs one, and returns while it does.
///
/// # Errors
/// `reboot` could not be run, or refused.
pub fn reboot(argument: Option<&str>) -> Result<(), ProgramError> {
    ended("reboot", Command::new("reboot").args(argument).status())
}

/// Has the kernel read the partition table of a device again. A disk image file has nothing that could be old.
///
/// # Errors
/// `blockdev` could not be run, or refused: the disk is right, and the kernel knows its partitions after the next boot.
pub fn reread_table(disk: &Disk) -> Result<(), ProgramError> {
    match disk.kind() {
        DiskKind::File => Ok(()),
        DiskKind::Device(_) => {
            ended("blockdev --rereadpt", Command::new("blockdev").arg("--rereadpt").arg(disk.path()).status())
        }
    }
}

fn ended(program: &'static str, status: io::Result<ExitStatus>) -> Result<(), ProgramError> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(ProgramError { program, end: ProgramEnd::Failed(status) }),
        Err(error) => Err(ProgramError { program, end: ProgramEnd::NotRun(error) }),
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, end } = self;
        match end {
            ProgramEnd::Failed(status) => write!(f, "`{program}` ended with {status}"),
            ProgramEnd::NotRun(error) => {
                let name = program.split(' ').next().unwrap_or(program);
                write!(f, "`{name}` could not be run: {error}")
            }
        }
    }
}

impl core::error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.end {
            ProgramEnd::NotRun(error) => Some(error),
            ProgramEnd::Failed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_or_is_not_there_is_named() {
        let run = |program: &str| ended("x --y", Command::new(program).status());
        assert!(run("true").is_ok());
        assert_eq!(run("false").unwrap_err().to_string(), "`x --y` ended with exit status: 1");
        let missing = run("/nonexistent").unwrap_err();
        assert!(missing.to_string().starts_with("`x` could not be run: No such file"), "{missing}");
    }
}
