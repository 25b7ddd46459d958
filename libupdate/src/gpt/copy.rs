//! One of the two copies of a table: header and entries, judged together.

use crate::error::{Error, Medium, TableFault};
use crate::io::{self, BlockIo};
use crate::units::block::Lba;

use super::array;
use super::header::{Header, IGNORE_SIGNATURE};

/// Which copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum CopyId {
    /// The one at the start of the disk.
    Primary,
    /// The one at its end.
    Backup,
}

impl CopyId {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Backup,
            Self::Backup => Self::Primary,
        }
    }
}

impl core::fmt::Display for CopyId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        })
    }
}

/// What was found of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyState {
    /// Every rule holds, and it is the table.
    Valid,
    /// Every rule holds, but the other copy says something else and wins.
    Differs,
    /// Marked `IGNOREME`: the other copy serves, and this one is never written.
    Ignored,
    /// A rule is broken.
    Faulty(TableFault),
}

/// A copy, and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopyReport {
    /// What was found.
    pub(super) state: CopyState,
    /// Where its header is or would be. `None` if there is no place for it.
    pub(super) place: Option<Lba>,
    /// Its header, where that holds: also when the entries do not.
    pub(super) header: Option<Header>,
}

/// A report, and what the disk said where the copy could not be read.
type Reading<E> = (CopyReport, Option<Error<E>>);

impl CopyReport {
    /// What was found.
    #[must_use]
    pub const fn state(&self) -> CopyState {
        self.state
    }

    /// Where its header is or would be. `None` if there is no place for it.
    #[must_use]
    pub const fn place(&self) -> Option<Lba> {
        self.place
    }

    /// Its header, where that holds: also when the entries do not.
    #[must_use]
    pub const fn header(&self) -> Option<Header> {
        self.header
    }

    pub(super) const fn nowhere(fault: TableFault) -> Self {
        Self { state: CopyState::Faulty(fault), place: None, header: None }
    }

    /// Reads and judges the copy whose header is at `at`.
    ///
    /// # Errors
    /// [`Error::Misuse`] only: a copy that cannot be read is faulty, not the end.
    pub(super) fn read<D: BlockIo>(
        disk: &mut D,
        at: Lba,
        scratch: &mut [u8],
    ) -> Result<Reading<D::Error>, Error<D::Error>> {
        let mut report = Self { state: CopyState::Valid, place: Some(at), header: None };
        match report.judge(disk, at, scratch) {
            Ok(()) => Ok((report, None)),
            Err(Error::Table(fault)) => Ok((Self { state: CopyState::Faulty(fault), ..report }, None)),
            Err(error @ Error::Medium(Medium::Failed(_))) => {
                Ok((Self { state: CopyState::Faulty(TableFault::Unreadable), ..report }, Some(error)))
            }
            Err(error) => Err(error),
        }
    }

    fn judge<D: BlockIo>(&mut self, disk: &mut D, at: Lba, scratch: &mut [u8]) -> Result<(), Error<D::Error>> {
        array::check_scratch(scratch)?;
        let block = scratch.get_mut(..disk.block_size().bytes()).unwrap_or_default();
        io::read(disk, at, block)?;
        if block.starts_with(IGNORE_SIGNATURE) {
            self.state = CopyState::Ignored;
            return Ok(());
        }
        let header = Header::parse(block, at, disk.block_count(), disk.block_size())?;
        self.header = Some(header);
        array::judge(disk, &header, scratch)
    }
}
