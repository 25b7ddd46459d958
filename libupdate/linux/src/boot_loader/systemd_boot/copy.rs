//! A slot's kernel, copied to a file of its own, flushed, and read again from the medium: `Image` proves that it is what was signed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use libupdate::BlockIo;
use rustix::fs::{Advice, Mode, OFlags};

use crate::boot_loader::image::Image;
use crate::boot_loader::refused;
use crate::error::OsError;
use crate::file;

/// Copies an image to the file `to`, which is not there yet.
///
/// # Errors
/// What the system says; what was copied is not what was signed. Then there is no file.
pub fn copy<D: BlockIo<Error = OsError>>(disk: &mut D, image: &Image<'_>, to: &Path) -> Result<(), OsError> {
    let file =
        file::create(to, OFlags::RDWR, Mode::RUSR | Mode::WUSR).map_err(|error| OsError::io(to, "create", &error))?;
    // The error that led here is the one to be told; what stays is removed by the next write.
    fill(disk, image, (&file, to))
        .and_then(|()| check(image, (&file, to)))
        .inspect_err(|_| drop(std::fs::remove_file(to)))
}

fn fill<D: BlockIo<Error = OsError>>(
    disk: &mut D,
    image: &Image<'_>,
    (file, to): (&File, &Path),
) -> Result<(), OsError> {
    image.copy(disk, |at, piece| {
        let own = &piece[..own_bytes(image, at, piece.len())];
        file.write_all_at(own, at).map_err(|error| OsError::io(to, "write", &error))
    })?;
    file.sync_all().map_err(|error| OsError::io(to, "flush", &error))
}

fn check(image: &Image<'_>, (file, to): (&File, &Path)) -> Result<(), OsError> {
    // What is in the page cache says nothing of the medium.
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).map_err(|errno| OsError::call(to, "read", errno))?;
    let wrong = |why: &dyn std::fmt::Display| {
        refused(to, format!("{why}: the copy is not what was signed; the medium is failing"))
    };
    let read = |at, piece: &mut [u8]| {
        let (own, padding) = piece.split_at_mut(own_bytes(image, at, piece.len()));
        padding.fill(0);
        file.read_exact_at(own, at).map_err(|error| OsError::io(to, "read", &error))
    };
    let (root, signed) = (image.root_hash(read, wrong)?, image.payload.root_hash());
    if root == signed {
        return Ok(());
    }
    Err(wrong(&format_args!("its root hash is {root}, and that of the manifest is {signed}")))
}

/// Bytes of a piece that are the image's, and not what fills its last block.
fn own_bytes(image: &Image<'_>, at: u64, piece: usize) -> usize {
    let rest = image.payload.image_len().get().saturating_sub(at);
    usize::try_from(rest).map_or(piece, |rest| rest.min(piece))
}
