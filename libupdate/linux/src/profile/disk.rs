//! Which disk of this machine is the profile's.

use std::path::Path;

use libupdate::error::Medium;
use libupdate::gpt::Guid;
use libupdate::slot::PartitionSpec;
use libupdate::{Error, inspect};

use crate::find::{Match, Selection};
use crate::{AlignedBuf, Disk, OpenHow, OsError};

/// Bytes of a usual table's entries, so that they are read at once.
const SCRATCH_BYTES: usize = 16 << 10;

/// Whether every slot partition is on the disk, and its table has the GUID that is asked for.
///
/// # Errors
/// What the system says: the disk could be the one.
pub fn holds_slots(node: &Path, disk: &Selection, specs: &[PartitionSpec<'_>]) -> Result<Match, OsError> {
    let other = |guid: Guid| matches!(disk, Selection::Guid(wanted) if wanted != guid.as_bytes());
    let mut disk = Disk::open(node, OpenHow::read_only())?;
    match inspect::find(&mut disk, specs, &mut AlignedBuf::new(SCRATCH_BYTES)) {
        Ok((table, _)) if other(table.header().disk_guid()) => {
            Ok(Match::No(format!("its GUID is {}", table.header().disk_guid())))
        }
        Ok(_) => Ok(Match::Yes),
        Err(Error::Medium(Medium::Failed(error))) => Err(error.cause),
        Err(error) => Ok(Match::No(error.to_string())),
    }
}
