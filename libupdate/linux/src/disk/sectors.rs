//! The sector size of a disk: a device tells it; in a disk image file it is where the table's header is.

use libupdate::gpt::{DiskEnds, PROBE_BYTES, detect_block_size};
use libupdate::units::bytes::len_u64;
use libupdate::{BlockSize, ByteLen};

use super::medium::{Bounce, Medium, memory};
use crate::error::{OsError, OsErrorKind};

/// Logical and physical block size of a device.
pub(super) fn of_device(whole: &Medium, asked: Option<BlockSize>) -> Result<(BlockSize, BlockSize), OsError> {
    let failed = |errno| OsError::call(whole.path(), "query the sector size of", errno);
    let logical = rustix::fs::ioctl_blksszget(whole.file()).map_err(failed)?;
    let device = BlockSize::new(logical)
        .ok_or_else(|| OsError::new(whole.path(), OsErrorKind::SectorSize { found: logical }))?;
    if let Some(asked) = asked.filter(|asked| *asked != device) {
        return Err(OsError::new(whole.path(), OsErrorKind::SectorSizeDiffers { asked, device }));
    }
    // Physical blocks of 1024 to 64 Ki bytes exist; all that the GPT writer asks is whether a neighbour may be torn.
    let physical = rustix::fs::ioctl_blkpbszget(whole.file()).map_err(failed)?;
    Ok((device, if physical > 512 { BlockSize::B4096 } else { device }))
}

/// The sector size of a disk image file: where a valid GPT header is; 512 where there is none.
pub(super) fn of_file(whole: &Medium, bytes: u64, bounce: &mut Bounce) -> Result<BlockSize, OsError> {
    let mut ends = [[0; PROBE_BYTES]; 2];
    let [head, tail] = &mut ends;
    let len = memory(bytes).min(PROBE_BYTES);
    let (head, tail) = (head.get_mut(..len).unwrap_or_default(), tail.get_mut(..len).unwrap_or_default());
    whole.read(0, head, bounce)?;
    whole.read(bytes.saturating_sub(len_u64(tail)), tail, bounce)?;
    match detect_block_size(DiskEnds { head, tail, len: ByteLen::new(bytes) }) {
        Ok(found) => Ok(found.unwrap_or(BlockSize::B512)),
        Err(_) => Err(OsError::new(whole.path(), OsErrorKind::SectorSizeAmbiguous)),
    }
}
