//! Zeros that need not be carried.

use std::sync::{Arc, LazyLock};

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

use crate::aligned::AlignedBuf;
use crate::disk::medium::{Bounce, Medium, length, retry};
use crate::error::OsError;

/// Zeros for who must carry them after all, on an address that direct access takes. All threads write the same ones. Not a constant,
/// which would be 64 KiB of every program.
static ZEROS: LazyLock<AlignedBuf> = LazyLock::new(|| AlignedBuf::new(64 << 10));

impl Medium {
    /// Whether two are the same descriptors.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Makes `len` bytes from byte `at` on read as zeros, without carrying them where the file system or device can do that. Durable
    /// after [`Medium::sync`].
    pub(super) fn zero(&self, at: u64, len: usize, bounce: &mut Bounce) -> Result<(), OsError> {
        let end = at.saturating_add(length(len));
        // A hole of a sparse file stays one.
        let hole = match rustix::fs::seek(self.file(), SeekFrom::Data(at)) {
            Ok(data) => data >= end,
            Err(errno) => errno == Errno::NXIO && self.is_regular(),
        };
        if hole {
            return Ok(());
        }
        let how = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        match retry(|| rustix::fs::fallocate(self.file(), how, at, length(len))) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.carry_zeros(at, len, bounce),
            Err(errno) => Err(OsError::call(self.path(), "zero", errno)),
        }
    }

    fn carry_zeros(&self, mut at: u64, len: usize, bounce: &mut Bounce) -> Result<(), OsError> {
        let mut left = len;
        while let Some(piece) = ZEROS.get(..left.min(ZEROS.len())).filter(|piece| !piece.is_empty()) {
            self.write(at, piece, bounce)?;
            at = at.saturating_add(length(piece.len()));
            left = left.saturating_sub(piece.len());
        }
        Ok(())
    }

    fn is_regular(&self) -> bool {
        self.file().metadata().is_ok_and(|metadata| metadata.is_file())
    }
}
