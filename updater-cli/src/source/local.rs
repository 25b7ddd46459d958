//! What is opened on this machine: files, block devices and pipes, each asked what it is before it is read.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use libupdate_linux::file;
use rustix::fs::OFlags;

use super::{MAGIC, name};
use crate::exit::{Exit, Failure};

/// What stands for stdin.
pub const STDIN: &str = "-";

/// Opens a bundle, an image or a head for reading.
pub fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(path, &error))
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

/// The act that fails.
pub fn what(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// A file that cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket()) {
        let next = "give - in its place and the socket as stdin, or its bytes by a pipe: .. | updater-cli install -";
        return Failure::new(Exit::Io, what(path), "a socket has no name to open it by", next);
    }
    if error.kind() != ErrorKind::NotFound {
        return Failure::new(Exit::Io, what(path), error, "check the path and its permissions");
    }
    let next = match name::could_be_server(path) {
        true => "if it is on a server, say how to reach it: http://, https:// or oci:// before it; else check the path",
        false => "check the path and its permissions",
    };
    Failure::new(Exit::Usage, what(path), error, next)
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
