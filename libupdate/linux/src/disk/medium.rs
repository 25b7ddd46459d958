//! One opened file or node: positioned reads and writes that go around the page cache where the file system allows it.
//!
//! ```text
//!  access ──► offset and length fit the direct alignment? ──yes──► memory aligned? ──yes──► direct fd
//!                 │ no                                                 │ no, through the bounce buffer ──► direct fd
//!                 ▼
//!             buffered fd (same inode: the kernel keeps both coherent), dropped from the cache after each sync
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, AtFlags, Mode as Permissions, OFlags, StatxFlags};
use rustix::io::Errno;

use crate::aligned::AlignedBuf;
use crate::error::{OsError, OsErrorKind};

/// Bytes that pass through the bounce buffer at once, where the caller's memory is not aligned.
const BOUNCE_BYTES: usize = 1 << 20;

/// A file or node, opened once or twice. Clones share the descriptors; accesses of several threads run side by side.
#[derive(Clone, Debug)]
pub struct Medium(pub(super) Arc<Opened>);

#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    buffered: File,
    direct: Option<Direct>,
    /// The file system offered direct access and then refused one.
    refused: AtomicBool,
}

#[derive(Debug)]
struct Direct {
    file: File,
    /// Offsets and lengths must be multiples of it.
    alignment: u64,
}

/// What is asked of the page cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caching {
    /// Around it where the file system allows that.
    Direct,
    /// Through it, and dropped after each flush.
    Buffered,
}

/// The calls that read and write at an offset.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    pub read: fn(&File, &mut [u8], u64) -> Result<usize, Errno>,
    pub write: fn(&File, &[u8], u64) -> Result<usize, Errno>,
}

/// What carries bytes for memory that is not aligned. Taken when it is first needed.
#[derive(Debug)]
pub struct Bounce {
    calls: Calls,
    memory: Option<AlignedBuf>,
}

impl Default for Bounce {
    fn default() -> Self {
        Self::with(Calls {
            read: |file, buf, at| rustix::io::pread(file, buf, at),
            write: |file, buf, at| rustix::io::pwrite(file, buf, at),
        })
    }
}

impl Medium {
    /// Opens `path` with `flags`, a second time without the page cache where that works.
    ///
    /// The first descriptor carries `O_EXCL` where asked for, which the kernel grants once per opener; the second goes
    /// without it, under the protection of the first.
    pub fn open(path: &Path, flags: OFlags, caching: Caching) -> Result<Self, OsError> {
        let buffered = open(path, flags)?;
        let direct = match caching {
            Caching::Buffered => None,
            Caching::Direct => {
                Direct::open(path, flags.difference(OFlags::EXCL))?.filter(|direct| direct.is(&buffered))
            }
        };
        Ok(Self(Arc::new(Opened { path: path.to_owned(), buffered, direct, refused: AtomicBool::new(false) })))
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The descriptor for everything but data.
    pub fn file(&self) -> &File {
        &self.0.buffered
    }

    /// Whether data goes around the page cache now.
    pub fn caching(&self) -> Caching {
        if self.direct().is_some() { Caching::Direct } else { Caching::Buffered }
    }

    /// Fills `buf` from byte `at` on.
    pub fn read(&self, mut at: u64, buf: &mut [u8], bounce: &mut Bounce) -> Result<(), OsError> {
        let mut rest = buf;
        while !rest.is_empty() {
            let count = match self.direct_for(at, rest.len()) {
                Some(direct) if AlignedBuf::is_aligned(rest) => (bounce.calls.read)(&direct.file, rest, at),
                Some(direct) => bounce.read(&direct.file, at, rest),
                None => (bounce.calls.read)(self.file(), rest, at),
            };
            let count = match self.settle(count) {
                Settled::Again => continue,
                Settled::Failed(errno) => return Err(OsError::call(self.path(), "read", errno)),
                Settled::Moved(0) => return Err(OsError::new(self.path(), OsErrorKind::Ended)),
                Settled::Moved(count) => count,
            };
            // A call never moves more than it was given.
            rest = rest.get_mut(count..).unwrap_or_default();
            at = at.saturating_add(length(count));
        }
        Ok(())
    }

    /// Writes `buf` at byte `at`. Durable after [`Medium::sync`].
    pub fn write(&self, mut at: u64, buf: &[u8], bounce: &mut Bounce) -> Result<(), OsError> {
        let mut rest = buf;
        while !rest.is_empty() {
            let count = match self.direct_for(at, rest.len()) {
                Some(direct) if AlignedBuf::is_aligned(rest) => (bounce.calls.write)(&direct.file, rest, at),
                Some(direct) => bounce.write(&direct.file, at, rest),
                None => (bounce.calls.write)(self.file(), rest, at),
            };
            let count = match self.settle(count) {
                Settled::Again => continue,
                Settled::Failed(errno) => return Err(OsError::call(self.path(), "write", errno)),
                // A device that takes nothing and gives no reason would be asked for ever.
                Settled::Moved(0) => return Err(OsError::call(self.path(), "write", Errno::IO)),
                Settled::Moved(count) => count,
            };
            rest = rest.get(count..).unwrap_or_default();
            at = at.saturating_add(length(count));
        }
        Ok(())
    }

    /// Makes every write of this medium durable, and has later reads come from the device.
    ///
    /// Called also where this process wrote nothing: what an earlier, killed run wrote is still in the page cache.
    pub fn sync(&self) -> Result<(), OsError> {
        retry(|| rustix::fs::fdatasync(self.file())).map_err(|errno| OsError::call(self.path(), "flush", errno))?;
        rustix::fs::fadvise(self.file(), 0, None, Advice::DontNeed)
            .map_err(|errno| OsError::call(self.path(), "drop the cached pages of", errno))
    }

    fn direct(&self) -> Option<&Direct> {
        self.0.direct.as_ref().filter(|_| !self.0.refused.load(Ordering::Relaxed))
    }

    fn direct_for(&self, at: u64, len: usize) -> Option<&Direct> {
        self.direct()
            .filter(|direct| at.is_multiple_of(direct.alignment) && length(len).is_multiple_of(direct.alignment))
    }

    /// Some file systems accept `O_DIRECT` and then refuse each access: from then on, the page cache serves.
    fn settle(&self, answer: Result<usize, Errno>) -> Settled {
        match answer {
            Ok(count) => Settled::Moved(count),
            Err(Errno::INTR) => Settled::Again,
            Err(Errno::INVAL) if self.direct().is_some() => {
                self.0.refused.store(true, Ordering::Relaxed);
                Settled::Again
            }
            Err(errno) => Settled::Failed(errno),
        }
    }
}

enum Settled {
    Moved(usize),
    Again,
    Failed(Errno),
}

impl Direct {
    /// `None` if the file system does not offer it.
    fn open(path: &Path, flags: OFlags) -> Result<Option<Self>, OsError> {
        let file = match rustix::fs::open(path, flags | OFlags::DIRECT | OFlags::CLOEXEC, Permissions::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(OsError::call(path, "open", errno)),
        };
        let facts = match rustix::fs::statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) {
            Ok(facts) => Some(facts).filter(|facts| facts.stx_mask & StatxFlags::DIOALIGN.bits() != 0),
            Err(Errno::NOSYS) => None,
            Err(errno) => return Err(OsError::call(path, "query", errno)),
        };
        match facts.map(|facts| facts.stx_dio_offset_align) {
            Some(0) => Ok(None),
            Some(alignment) => Ok(Some(Self { file, alignment: u64::from(alignment) })),
            // Kernels before 6.1 do not tell; whole pages suit every device.
            None => Ok(Some(Self { file, alignment: 4096 })),
        }
    }

    /// Whether both were opened on one file: a path may have got another one in between. One that does not tell counts as another: then
    /// the page cache serves.
    fn is(&self, buffered: &File) -> bool {
        let identity = |file: &File| rustix::fs::fstat(file).map(|facts| (facts.st_dev, facts.st_ino)).ok();
        identity(&self.file).is_some_and(|one| identity(buffered) == Some(one))
    }
}

impl Bounce {
    /// For these calls.
    pub const fn with(calls: Calls) -> Self {
        Self { calls, memory: None }
    }

    fn read(&mut self, file: &File, at: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let calls = self.calls;
        let memory = self.take(buf.len());
        let count = (calls.read)(file, memory, at)?;
        if let (Some(to), Some(from)) = (buf.get_mut(..count), memory.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write(&mut self, file: &File, at: u64, buf: &[u8]) -> Result<usize, Errno> {
        let calls = self.calls;
        let memory = self.take(buf.len());
        if let Some(from) = buf.get(..memory.len()) {
            memory.copy_from_slice(from);
        }
        (calls.write)(file, memory, at)
    }

    /// Memory for `len` bytes, or for as many as pass at once. Both are multiples of the device's alignment.
    fn take(&mut self, len: usize) -> &mut [u8] {
        let memory = self.memory.get_or_insert_with(|| AlignedBuf::new(BOUNCE_BYTES));
        memory.get_mut(..len.min(BOUNCE_BYTES)).unwrap_or_default()
    }
}

/// Opens `path`, retrying where a signal came in between.
pub fn open(path: &Path, flags: OFlags) -> Result<File, OsError> {
    retry(|| rustix::fs::open(path, flags | OFlags::CLOEXEC, Permissions::empty()))
        .map(File::from)
        .map_err(|errno| OsError::call(path, "open", errno))
}

pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

#[expect(clippy::as_conversions, reason = "usize has at most 64 bits on every target of Rust")]
pub(super) const fn length(count: usize) -> u64 {
    count as u64
}

/// A number of bytes that is never more than a slice has.
pub(super) fn memory(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
