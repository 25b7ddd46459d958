//! A slot's kernel, copied to a file of its own, and proven to be what was signed.
//!
//! 1. Each block goes to the file as it comes from the slot: bounded memory, whatever the image.
//! 2. The file is flushed, its pages are dropped, and it is read again: from the medium.
//! 3. What is read makes a hash tree, whose root must be the one of the signed manifest. So it is known that the copy is what was signed,
//!    and not only that it is what was read.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use libupdate::manifest::Payload;
use libupdate::units::digest::{BLOCK_BYTES, SoftHasher};
use libupdate::verity::TreeBuilder;
use libupdate::{BlockIo, Extent, Lba};
use rustix::fs::{Advice, Mode, OFlags};

use super::refused;
use crate::AlignedBuf;
use crate::error::OsError;
use crate::file;

/// Bytes of one step.
const STEP: usize = 1 << 20;
/// Levels of the tree of the largest image.
const LEVELS: usize = libupdate::units::limits::LEVELS;

/// Copies the image of `payload`, at the start of `extent`, to the file `to`, which is not there yet.
///
/// # Errors
/// What the system says; what was copied is not what was signed. Then there is no file.
pub fn copy<D: BlockIo<Error = OsError>>(
    disk: &mut D,
    (payload, extent): (&Payload<'_>, Extent),
    to: &Path,
) -> Result<File, OsError> {
    let file =
        file::create(to, OFlags::RDWR, Mode::RUSR | Mode::WUSR).map_err(|error| OsError::io(to, "create", &error))?;
    let mut buffer = AlignedBuf::new(STEP);
    let copied =
        fill(disk, (payload, extent), (&file, to), &mut buffer).and_then(|()| check(payload, (&file, to), &mut buffer));
    match copied {
        Ok(()) => Ok(file),
        Err(error) => {
            // The error that led here is the one to be told; what stays is removed by the next write.
            drop(std::fs::remove_file(to));
            Err(error)
        }
    }
}

fn fill<D: BlockIo<Error = OsError>>(
    disk: &mut D,
    (payload, extent): (&Payload<'_>, Extent),
    (file, to): (&File, &Path),
    buffer: &mut [u8],
) -> Result<(), OsError> {
    let sector = disk.block_size();
    let mut at = extent.first();
    let mut rest = payload.image_len().get();
    let mut file = file;
    while rest > 0 {
        let step = length(rest).min(STEP);
        let whole = step.next_multiple_of(BLOCK_BYTES);
        disk.read(at, &mut buffer[..whole])?;
        file.write_all(&buffer[..step]).map_err(|error| OsError::io(to, "write", &error))?;
        at = Lba::new(at.get().saturating_add(sector.blocks_for(wide(whole))));
        rest = rest.saturating_sub(wide(step));
    }
    file.sync_all().map_err(|error| OsError::io(to, "flush", &error))
}

fn check(payload: &Payload<'_>, (file, to): (&File, &Path), buffer: &mut [u8]) -> Result<(), OsError> {
    // What is in the page cache says nothing of the medium.
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).map_err(|errno| OsError::call(to, "read", errno))?;
    let wrong = |why: &str| refused(to, format!("{why}: the copy is not what was signed; the medium is failing"));
    let mut open = [[0; BLOCK_BYTES]; LEVELS];
    let mut tree =
        TreeBuilder::new(payload.geometry(), payload.salt(), &mut open).map_err(|misuse| wrong(&misuse.to_string()))?;
    let (mut at, mut rest) = (0, payload.image_len().get());
    while rest > 0 {
        let step = length(rest).min(STEP);
        let whole = step.next_multiple_of(BLOCK_BYTES);
        file.read_exact_at(&mut buffer[..step], at).map_err(|error| OsError::io(to, "read", &error))?;
        buffer[step..whole].fill(0);
        tree.push_blocks(&buffer[..whole], &mut SoftHasher, |_, _, _| Ok::<(), OsError>(()))
            .map_err(|error| wrong(&error.to_string()))?;
        (at, rest) = (at.saturating_add(wide(step)), rest.saturating_sub(wide(step)));
    }
    match tree.finish() {
        Ok(root) if root == payload.root_hash() => Ok(()),
        Ok(root) => {
            Err(wrong(&format!("its root hash is {root}, and that of the manifest is {}", payload.root_hash())))
        }
        Err(unfinished) => Err(wrong(&unfinished.to_string())),
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
