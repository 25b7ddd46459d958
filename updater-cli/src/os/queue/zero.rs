//! Zeros that need not be carried.

use std::sync::Arc;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

use crate::os::error::OsError;
use crate::os::medium::{Bounce, Medium, length, retry};

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
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.write(at, &vec![0; len], bounce),
            Err(errno) => Err(OsError::call(self.path(), "zero", errno)),
        }
    }

    fn is_regular(&self) -> bool {
        self.file().metadata().is_ok_and(|metadata| metadata.is_file())
    }
}
