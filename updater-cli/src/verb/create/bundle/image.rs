//! Images that a bundle is made of.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use libupdate_linux::{Interrupt, file};
use rustix::fs::OFlags;

use crate::exit::{Exit, Failure};
use crate::new_file::{nameless, unwritable};
use crate::source::local::{STDIN, len, what};
use crate::source::{empty, unreadable, wait};

/// Bytes that are taken from a pipe at once.
const PIECE: usize = 64 << 10;

/// Opens an image, at its front, and asks how long it is. What a pipe brings is put into a nameless file first: the head of a bundle says how long its
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

fn spooled(path: &Path, pipe: &File, interrupt: &Interrupt) -> Result<(File, u64), Failure> {
    let folder = std::env::temp_dir();
    let full = |error: io::Error| unwritable(&folder, &error).or("or name a folder with more room by TMPDIR");
    let mut spool = nameless().map_err(full)?;
    let mut piece = vec![0; PIECE];
    let mut len: u64 = 0;
    loop {
        let got = wait(pipe, interrupt).and_then(|()| (&mut &*pipe).read(&mut piece));
        match got {
            Ok(0) => return spool.rewind().map(|()| (spool, len)).map_err(full),
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
