//! Which block size a disk image has, before anything of it is known.

use crate::error::TableFault;
use crate::units::block::{BlockCount, BlockSize, ByteLen, Lba};

use super::header::{Header, PRIMARY_LBA};

/// Bytes at each end of the disk that [`detect_block_size`] looks at.
pub const PROBE_BYTES: usize = 8192;

/// The two ends of a disk, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct DiskEnds<'a> {
    /// The first [`PROBE_BYTES`] of the disk, or all of it.
    pub head: &'a [u8],
    /// The last [`PROBE_BYTES`] of the disk, or all of it.
    pub tail: &'a [u8],
    /// The whole disk's length.
    pub len: ByteLen,
}

/// The block size at which a valid header is: a primary one at byte 512 or 4096, else a backup one in the last
/// block. `None` if there is none. Pure.
///
/// # Errors
/// [`TableFault::AmbiguousSectorSize`] if one is at both: only the operator can know.
pub fn detect_block_size(ends: DiskEnds<'_>) -> Result<Option<BlockSize>, TableFault> {
    match one_of(ends, primary_holds)? {
        Some(found) => Ok(Some(found)),
        None => one_of(ends, backup_holds),
    }
}

fn one_of(
    ends: DiskEnds<'_>,
    holds: fn(DiskEnds<'_>, BlockSize) -> Option<()>,
) -> Result<Option<BlockSize>, TableFault> {
    match (holds(ends, BlockSize::B512), holds(ends, BlockSize::B4096)) {
        (Some(()), Some(())) => Err(TableFault::AmbiguousSectorSize),
        (Some(()), None) => Ok(Some(BlockSize::B512)),
        (None, Some(())) => Ok(Some(BlockSize::B4096)),
        (None, None) => Ok(None),
    }
}

fn primary_holds(ends: DiskEnds<'_>, size: BlockSize) -> Option<()> {
    let block = ends.head.get(size.bytes()..)?;
    Header::parse(block, PRIMARY_LBA, blocks(ends, size), size).ok().map(|_| ())
}

fn backup_holds(ends: DiskEnds<'_>, size: BlockSize) -> Option<()> {
    let disk = blocks(ends, size);
    let last = Lba::new(disk.get().checked_sub(1)?);
    // A file's length need not be a whole number of blocks: bytes after the last one are not part of the disk.
    let from_end = ends.len.get().checked_sub(last.get().checked_mul(size.bytes_u64())?)?;
    let start = ends.tail.len().checked_sub(usize::try_from(from_end).ok()?)?;
    Header::parse(ends.tail.get(start..)?, last, disk, size).ok().map(|_| ())
}

fn blocks(ends: DiskEnds<'_>, size: BlockSize) -> BlockCount {
    BlockCount::new(ends.len.get().checked_div(size.bytes_u64()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Layout, block, two_slots};
    use super::*;
    use crate::io::ram_disk::RamDisk;

    fn detect(bytes: &[u8]) -> Result<Option<BlockSize>, TableFault> {
        detect_block_size(DiskEnds {
            head: &bytes[..bytes.len().min(PROBE_BYTES)],
            tail: &bytes[bytes.len().saturating_sub(PROBE_BYTES)..],
            len: ByteLen::new(bytes.len() as u64),
        })
    }

    fn disk(size: BlockSize) -> (RamDisk, u64) {
        let layout = Layout::usual(size, 600, 128);
        (two_slots(layout), layout.backup)
    }

    #[test]
    fn either_copy_tells_the_block_size() {
        for size in [BlockSize::B512, BlockSize::B4096] {
            let (good, backup) = disk(size);
            assert_eq!(detect(&good.bytes), Ok(Some(size)));
            for header in [1, backup] {
                let mut disk = good.clone();
                block(&mut disk, header).fill(0);
                assert_eq!(detect(&disk.bytes), Ok(Some(size)));
                block(&mut disk, 1 + backup - header).fill(0);
                assert_eq!(detect(&disk.bytes), Ok(None));
            }
        }
    }

    #[test]
    fn a_file_need_not_end_with_a_whole_block() {
        for (size, surplus) in [(BlockSize::B512, 511), (BlockSize::B4096, 4095), (BlockSize::B4096, 1)] {
            let (mut disk, _) = disk(size);
            block(&mut disk, 1).fill(0);
            disk.bytes.extend(std::vec![0; surplus]);
            assert_eq!(detect(&disk.bytes), Ok(Some(size)));
        }
    }

    #[test]
    fn a_header_at_both_sizes_is_refused() {
        let (large, _) = disk(BlockSize::B4096);
        let layout = Layout::usual(BlockSize::B512, 4800, 4);
        let mut small = two_slots(layout);
        small.bytes[4096..8192].copy_from_slice(&large.bytes[4096..8192]);
        assert_eq!(detect(&small.bytes), Err(TableFault::AmbiguousSectorSize));
        small.bytes[4096] = 0;
        assert_eq!(detect(&small.bytes), Ok(Some(BlockSize::B512)));
    }

    #[test]
    fn what_is_no_disk_has_no_block_size() {
        for len in [0, 1, 511, 512, 1024, 4096, 8192, 100_000] {
            assert_eq!(detect(&std::vec![0x45; len]), Ok(None));
        }
    }
}
