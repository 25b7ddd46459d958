//! What is opened on this machine: files, block devices and pipes, each asked what it is before it is read.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use libupdate_linux::{Interrupt, file};
use rustix::fs::OFlags;

use super::{MAGIC, wait};
use crate::exit::{Exit, Failure};
use crate::new_file::{nameless, unwritable};

/// Bytes that are taken from a pipe at once.
const PIECE: usize = 64 << 10;
const STDIN: &str = "-";

/// Opens a bundle, an image or a head for reading.
pub fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

/// Opens a file that is to be read and then changed.
pub fn regular(path: &Path) -> Result<File, Failure> {
    let failed = |error: io::Error| unreadable(path, &error);
    let file = file::open(path, OFlags::RDONLY).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(Failure::new(Exit::Usage, "", "it is not a regular file", "copy it to a file, and name that one"));
    }
    if facts.len() == 0 { Err(empty(path, Exit::NotAuthentic)) } else { Ok(file) }
}

/// A FIFO, open at once: its writer is waited for with the first read. `None` for anything else.
pub fn pipe(path: &Path) -> Result<Option<File>, Failure> {
    if !path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return Ok(None);
    }
    file::open(path, OFlags::RDONLY).map(Some).map_err(|error| unreadable(path, &error))
}

/// Whether an image is still there when it has been read.
pub fn stays(path: &Path) -> bool {
    path != Path::new(STDIN) && !path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Opens an image and asks how long it is. What a pipe brings is put into a nameless file first: the head of a bundle says how long its
/// images are, and stands in front of them.
pub fn image(path: &Path, interrupt: &Interrupt) -> Result<(File, u64), Failure> {
    let failed = |error: io::Error| unreadable(path, &error);
    let file = match path == Path::new(STDIN) {
        true => io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(failed)?,
        false => file::open(path, OFlags::RDONLY).map_err(failed)?,
    };
    let kind = file.metadata().map_err(failed)?.file_type();
    let (file, len) = if kind.is_file() || kind.is_block_device() {
        let len = len(path, &file)?;
        (file, len)
    } else if kind.is_fifo() || kind.is_socket() {
        spooled(path, &file, interrupt)?
    } else {
        let next = "give the image as one of them";
        return Err(Failure::new(Exit::Usage, what(path), "it is no file, no block device and no pipe", next));
    };
    if len == 0 { Err(empty(path, Exit::Usage)) } else { Ok((file, len)) }
}

/// Bytes of a file or a block device.
pub fn size(path: &Path) -> Result<u64, Failure> {
    let failed = |error: io::Error| unreadable(path, &error);
    let file = file::open(path, OFlags::RDONLY).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    if kind.is_file() || kind.is_block_device() {
        return len(path, &file);
    }
    Err(Failure::new(Exit::Usage, what(path), "it is neither a file nor a block device", "name one of them"))
}

fn spooled(path: &Path, pipe: &File, interrupt: &Interrupt) -> Result<(File, u64), Failure> {
    let folder = std::env::temp_dir();
    let full = |error: io::Error| unwritable(&folder, &error).or("or name a folder with more room by TMPDIR");
    let mut spool = nameless().map_err(full)?;
    let mut piece = vec![0; PIECE];
    let mut len: u64 = 0;
    loop {
        let got = wait(pipe, interrupt).and_then(|()| (&mut &*pipe).read(&mut piece));
        match got {
            Ok(0) => return Ok((spool, len)),
            Ok(got) => {
                spool.write_all(piece.get(..got).unwrap_or_default()).map_err(full)?;
                len = len.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
            }
            Err(_) if interrupt.requested() => {
                let next = "run the same command again, it begins anew";
                return Err(Failure::new(Exit::Interrupted, "", "interrupted", next));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
}

/// Bytes of a file or a block device, whose own length the file system does not tell. Leaves it at its front.
pub fn len(path: &Path, mut file: &File) -> Result<u64, Failure> {
    let len = file.seek(SeekFrom::End(0)).and_then(|len| file.rewind().map(|()| len));
    len.map_err(|error| unreadable(path, &error))
}

/// The first bytes, as many as the magic has, or all where there are fewer. Leaves the file at its front.
pub fn first_bytes(path: &Path, mut file: &File) -> Result<Vec<u8>, Failure> {
    let mut first = Vec::new();
    let count = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
    let read = file.take(count).read_to_end(&mut first).and_then(|_| file.rewind());
    read.map(|()| first).map_err(|error| unreadable(path, &error))
}

fn what(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// A file that cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket()) {
        let next = "give - in its place and the socket as stdin, or its bytes by a pipe: .. | updater-cli install -";
        return Failure::new(Exit::Io, what(path), "a socket has no name to open it by", next);
    }
    let code = if error.kind() == ErrorKind::NotFound { Exit::Usage } else { Exit::Io };
    Failure::new(code, what(path), error, "check the path and its permissions")
}

/// A file in which there is nothing, or a pipe out of which nothing came.
pub fn empty(path: &Path, code: Exit) -> Failure {
    match stays(path) {
        true => Failure::new(code, what(path), "the file is empty: 0 bytes", "fetch or make it again"),
        false => {
            let next = "see why the program that writes to the pipe sent nothing, then run both again";
            Failure::new(code, what(path), "no byte came", next)
        }
    }
}
