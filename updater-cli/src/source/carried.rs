//! A file that is read from front to end by a thread of its own, so that its device and the target's work at the same time. Where the
//! system gives no thread, the act reads.
//!
//! ```text
//!  file ── thread: 512 KiB pieces ──► at most 1 waits ──► the act, and the disk that takes them as they are
//!                 ◄── position: pieces that the act skips are not read
//! ```
//! A piece that nobody holds any more is filled again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use libupdate::units::bytes::len_u64;
use libupdate_linux::{Lending, SharedBuf};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Bytes of a piece.
const PIECE: usize = 512 << 10;
/// Pieces that wait to be taken.
const WAITING: usize = 1;
/// Bytes of the thread's stack: it makes calls, and computes nothing.
const STACK: usize = 128 << 10;
/// Who reads less at a time reads little: no thread for that.
const WORTH_A_THREAD: usize = 64 << 10;

/// A file from its front on, or from there to a bound.
#[derive(Debug)]
pub struct Carried {
    file: Arc<File>,
    at: u64,
    end: u64,
    lending: Lending,
    ahead: Option<Ahead>,
}

/// The thread's end of the file.
#[derive(Debug)]
struct Ahead {
    pieces: Receiver<io::Result<Piece>>,
    current: Option<Piece>,
    position: Arc<AtomicU64>,
}

/// Bytes of the file, from `at` on. None: its end.
#[derive(Debug)]
struct Piece {
    at: u64,
    len: usize,
    buf: SharedBuf,
}

impl Carried {
    /// Stands at the front. Nothing at `bound` or behind it is read. What is taken without a copy is lent meanwhile.
    pub fn new(file: File, bound: Option<u64>, lending: &Lending) -> Self {
        Self { file: Arc::new(file), at: 0, end: bound.unwrap_or(u64::MAX), lending: lending.clone(), ahead: None }
    }

    /// Fills the front of `buf`; 0 at the end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end.saturating_sub(self.at)).map_or(buf.len(), |left| left.min(buf.len()));
        let buf = buf.get_mut(..room).unwrap_or_default();
        if buf.len() >= WORTH_A_THREAD && self.ahead.is_none() {
            self.ahead = Ahead::of(&self.file, self.at);
        }
        let got = match &mut self.ahead {
            Some(ahead) => copy(ahead.from(self.at)?, buf),
            None => self.file.read_at(buf, self.at)?,
        };
        self.at = self.at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        Ok(got)
    }

    /// Whether the next `len` bytes are in memory as one piece, or are as soon as the thread brings it.
    pub(super) fn has_at_hand(&mut self, len: usize) -> io::Result<bool> {
        let inside = u64::try_from(len).is_ok_and(|len| len <= self.end.saturating_sub(self.at));
        match &mut self.ahead {
            Some(ahead) if inside => Ok(ahead.from(self.at)?.len() >= len),
            _ => Ok(false),
        }
    }

    /// The next `len` bytes, of which [`Carried::has_at_hand`] was true.
    pub(super) fn take_at_hand(&mut self, len: usize) -> io::Result<&[u8]> {
        let Some(ahead) = &mut self.ahead else { return Err(gone()) };
        let piece = ahead.piece(self.at)?;
        let taken = piece.from(self.at).get(..len).ok_or_else(gone)?;
        self.lending.lend(Some(&piece.buf));
        self.at = self.at.saturating_add(len_u64(taken));
        Ok(taken)
    }

    /// Moves on by at most `wanted` bytes, not past the end. 0 at the end, and where it is no regular file.
    pub(super) fn skip(&mut self, wanted: u64) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if !metadata.is_file() {
            return Ok(0);
        }
        let step = wanted.min(metadata.len().min(self.end).saturating_sub(self.at));
        self.at = self.at.saturating_add(step);
        if let Some(ahead) = &self.ahead {
            ahead.position.fetch_max(self.at, Ordering::Relaxed);
        }
        Ok(step)
    }
}

impl io::Read for Carried {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Self::read(self, buf)
    }
}

impl Ahead {
    fn of(file: &Arc<File>, at: u64) -> Option<Self> {
        let (filled, pieces) = mpsc::sync_channel(WAITING);
        let position = Arc::new(AtomicU64::new(at));
        let (file, from) = (Arc::clone(file), Arc::clone(&position));
        let read = move || read_all(&file, &from, &filled);
        thread::Builder::new().stack_size(STACK).spawn(read).ok()?;
        Some(Self { pieces, current: None, position })
    }

    /// The bytes from `at` on of the piece that holds it; none at the end.
    fn from(&mut self, at: u64) -> io::Result<&[u8]> {
        Ok(self.piece(at)?.from(at))
    }

    /// The piece that holds the byte `at`; an empty one at the end.
    fn piece(&mut self, at: u64) -> io::Result<&Piece> {
        loop {
            match self.current.take() {
                Some(piece) if piece.len == 0 || at < piece.end() => return Ok(self.current.insert(piece)),
                // The next one may be read into its memory.
                passed => drop(passed),
            }
            self.current = Some(self.pieces.recv().map_err(|_| gone())??);
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that reads the file has ended")
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}

impl Piece {
    fn end(&self) -> u64 {
        self.at.saturating_add(u64::try_from(self.len).unwrap_or(u64::MAX))
    }

    /// Its bytes from the file's byte `at` on.
    fn from(&self, at: u64) -> &[u8] {
        let skip = usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.buf.bytes().get(skip..self.len).unwrap_or_default()
    }
}

/// The thread: reads pieces from the position on until the file ends, fails, or nobody takes them any more.
fn read_all(file: &File, position: &AtomicU64, filled: &SyncSender<io::Result<Piece>>) {
    let (mut at, mut data) = (0, 0);
    let mut bufs = Vec::new();
    loop {
        at = position.load(Ordering::Relaxed).max(at);
        let buf = free(&mut bufs);
        let bytes = buf.fill().unwrap_or_default();
        // Holes take no room in the page cache if nobody reads them.
        if at >= data {
            data = next_data(file, at);
        }
        let hole = data.saturating_sub(at) >= len_u64(bytes);
        let answer = if hole { Ok(bytes.len()) } else { read_vectored_at(file, bytes, at) };
        if hole {
            bytes.fill(0);
        }
        let piece = match answer {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
            Ok(len) => Ok(Piece { at, len, buf: buf.clone() }),
        };
        let last = piece.as_ref().map_or(true, |piece| piece.len == 0);
        at = piece.as_ref().map_or(at, Piece::end);
        if filled.send(piece).is_err() || last {
            return;
        }
    }
}

/// A buffer that nobody else holds. There are as many as the act, the disk and the channel hold at once.
fn free(bufs: &mut Vec<SharedBuf>) -> &mut SharedBuf {
    let place = bufs.iter_mut().position(|buf| buf.fill().is_some()).unwrap_or(bufs.len());
    if place == bufs.len() {
        bufs.push(SharedBuf::new(PIECE));
    }
    &mut bufs[place]
}

/// By the vectored call, so that who traces the program can tell the thread's reads from the act's.
fn read_vectored_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    Ok(rustix::io::preadv(file, &mut [io::IoSliceMut::new(bytes)], at)?)
}

/// Where the next byte is that is no hole, or the end. `at` where the file system does not tell.
fn next_data(file: &File, at: u64) -> u64 {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data,
        Err(Errno::NXIO) => file.metadata().map_or(at, |metadata| metadata.len()),
        Err(_) => at,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at / 3 % 251).try_into().unwrap()).collect()
    }

    /// Reads to the end; after every read of `step` bytes, skips as many.
    fn every_other(bytes: &[u8], bound: Option<u64>, step: usize) {
        let mut carried = Carried::new(file(bytes), bound, &Lending::default());
        let end = bound.map_or(bytes.len(), |bound| usize::try_from(bound).unwrap().min(bytes.len()));
        let (mut at, mut buf) = (0, vec![0; step]);
        while at < end {
            if carried.has_at_hand(step).unwrap() {
                assert_eq!(carried.take_at_hand(step).unwrap(), &bytes[at..at + step]);
                at += step;
            } else {
                let got = carried.read(&mut buf).unwrap();
                assert!(got > 0, "{at} of {end}");
                assert_eq!(buf[..got], bytes[at..at + got]);
                at += got;
            }
            at += usize::try_from(carried.skip(len_u64(&buf)).unwrap()).unwrap();
        }
        assert_eq!((at, carried.read(&mut buf).unwrap(), carried.read(&mut buf).unwrap()), (end, 0, 0));
    }

    #[test]
    fn what_is_skipped_is_left_out_and_the_rest_is_in_order() {
        let bytes = content(5 << 20);
        for step in [1 << 20, 512 << 10, 70_000, 65_536] {
            every_other(&bytes, None, step);
            every_other(&bytes, Some(3_000_001), step);
        }
        every_other(&bytes[..100_000], None, 5000);
        every_other(&[], None, 5000);
        every_other(&[], None, 70_000);
    }

    #[test]
    fn a_piece_that_was_read_is_at_hand_and_the_bound_is_kept() {
        let bytes = content(5 << 20);
        let mut carried = Carried::new(file(&bytes), Some(2 << 20), &Lending::default());
        assert!(!carried.has_at_hand(PIECE).unwrap(), "no thread reads it yet");
        assert_eq!(carried.read(&mut vec![0; PIECE]).unwrap(), PIECE);
        for at in [PIECE, 2 * PIECE, 3 * PIECE] {
            assert!(carried.has_at_hand(PIECE).unwrap(), "{at}");
            assert_eq!(carried.take_at_hand(PIECE).unwrap(), &bytes[at..at + PIECE]);
        }
        assert!(!carried.has_at_hand(PIECE).unwrap());
        assert_eq!(carried.read(&mut [0; 10]).unwrap(), 0);
    }

    #[test]
    fn holes_are_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"middle", 3 << 20).unwrap();
        file.set_len((9 << 20) + 77).unwrap();
        let mut expected = vec![0; (9 << 20) + 77];
        expected[..5].copy_from_slice(b"begin");
        expected[3 << 20..(3 << 20) + 6].copy_from_slice(b"middle");
        let mut read = Vec::new();
        io::Read::read_to_end(&mut Carried::new(file, None, &Lending::default()), &mut read).unwrap();
        assert!(read == expected);
    }

    #[test]
    fn a_file_that_cannot_be_read_says_so() {
        let folder = File::open("/").unwrap();
        let mut carried = Carried::new(folder, None, &Lending::default());
        for len in [10, 100_000] {
            carried.read(&mut vec![0; len]).unwrap_err();
        }
    }
}
