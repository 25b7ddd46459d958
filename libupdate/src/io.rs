//! The device seam: blocks in, blocks out, and a barrier that is asked for by name.

#[cfg(test)]
pub(crate) mod ram_disk;
mod slice_disk;

pub use slice_disk::{OutsideSlice, SliceDisk};

use crate::error::{Access, Error, IoError, Medium, Misuse, Rejected};
use crate::units::block::{BlockCount, BlockSize, ByteOffset, Extent, Lba};
use crate::units::bytes::len_u64;

/// A disk: logical blocks that can be read, written and flushed.
///
/// The whole disk is one address space. An implementation may send an access to a partition's own node, as long as reads see
/// earlier writes of the same address.
///
/// # Durability
/// A write is not durable until a later `flush` returned `Ok`. Until then any of its blocks, and of every other write since
/// the last flush, may or may not be on the medium, in any order. An implementation may also report a failed write only at a
/// later access, at the latest at the next `flush`. After a failed flush nothing is known about those writes, and no caller in this crate tries again.
pub trait BlockIo {
    /// What the device reports.
    type Error: core::error::Error;

    /// Bytes in a logical block.
    fn block_size(&self) -> BlockSize;

    /// Bytes the device writes at once without tearing a neighbour: at least the logical block.
    fn physical_block_size(&self) -> BlockSize {
        self.block_size()
    }

    /// Logical blocks on the disk.
    fn block_count(&self) -> BlockCount;

    /// Fills `buf`, a whole number of blocks, from `at` on.
    ///
    /// # Errors
    /// The device's own; `buf` is then undefined.
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Self::Error>;

    /// The bytes that [`BlockIo::read`] would give: in `buf`, or in memory of the implementation's own, which then leaves `buf` alone
    /// and spares the copy.
    ///
    /// # Errors
    /// As [`BlockIo::read`].
    fn lend<'a>(&'a mut self, at: Lba, buf: &'a mut [u8]) -> Result<&'a [u8], Self::Error> {
        self.read(at, buf).map(|()| &*buf)
    }

    /// Writes `buf`, a whole number of blocks, from `at` on.
    ///
    /// # Errors
    /// The device's own; any of the blocks may then be old, new or torn.
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Self::Error>;

    /// Makes every earlier write durable.
    ///
    /// # Errors
    /// The device's own; the earlier writes are then in an unknown state.
    fn flush(&mut self) -> Result<(), Self::Error>;

    /// Takes an extent for the act that will write it, or refuses it: somebody else may use it.
    ///
    /// # Errors
    /// The device's own: nothing was written then.
    fn claim(&mut self, _extent: Extent) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Begins a section of an act. An implementation keeps others away from the table, or begins to keep several accesses in flight.
    ///
    /// # Errors
    /// The device's own: the section does not begin, and nothing was written.
    fn begin(&mut self, _section: Section) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Ends the section that was begun last. Nothing is in flight any more when it returns.
    ///
    /// # Errors
    /// An earlier write's, if the section itself did not fail.
    fn end(&mut self, _section: Section, _ended: Ended) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A part of an act, as an operating system treats it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// The partition table is read, changed and read back. Nobody else may change it meanwhile, and nothing may end the process in between.
    Table,
    /// Images are read or written: many accesses, which may be in flight together.
    Images,
}

/// How a section ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It did what it is for.
    Done,
    /// The bundle broke off, or is wrong. What was written before is right and is worth keeping: the next run does not fetch it again.
    BundleFailed,
    /// The disk failed, or the caller stopped it.
    Failed,
}

impl<D: BlockIo + ?Sized> BlockIo for &mut D {
    type Error = D::Error;

    fn block_size(&self) -> BlockSize {
        (**self).block_size()
    }
    fn physical_block_size(&self) -> BlockSize {
        (**self).physical_block_size()
    }
    fn block_count(&self) -> BlockCount {
        (**self).block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read(at, buf)
    }
    fn lend<'a>(&'a mut self, at: Lba, buf: &'a mut [u8]) -> Result<&'a [u8], Self::Error> {
        (**self).lend(at, buf)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Self::Error> {
        (**self).write(at, buf)
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        (**self).flush()
    }
    fn claim(&mut self, extent: Extent) -> Result<(), Self::Error> {
        (**self).claim(extent)
    }
    fn begin(&mut self, section: Section) -> Result<(), Self::Error> {
        (**self).begin(section)
    }
    fn end(&mut self, section: Section, ended: Ended) -> Result<(), Self::Error> {
        (**self).end(section, ended)
    }
}

/// Reads blocks of the whole disk, with the address in the error.
///
/// # Errors
/// [`Error::Medium`].
pub fn read<D: BlockIo>(disk: &mut D, at: Lba, buf: &mut [u8]) -> Result<(), Error<D::Error>> {
    disk.read(at, buf).map_err(|cause| Error::Medium(Medium::Failed(IoError { access: Access::Read, at, cause })))
}

/// Writes blocks of the whole disk, with the address in the error. Touches the disk; durable after [`flush`].
///
/// # Errors
/// [`Error::Medium`].
pub fn write<D: BlockIo>(disk: &mut D, at: Lba, buf: &[u8]) -> Result<(), Error<D::Error>> {
    disk.write(at, buf).map_err(|cause| Error::Medium(Medium::Failed(IoError { access: Access::Write, at, cause })))
}

/// Makes every earlier write durable.
///
/// # Errors
/// [`Error::Medium`]; the act that called it has failed and does not try again.
pub fn flush<D: BlockIo>(disk: &mut D) -> Result<(), Error<D::Error>> {
    disk.flush()
        .map_err(|cause| Error::Medium(Medium::Failed(IoError { access: Access::Flush, at: Lba::new(0), cause })))
}

/// Takes an extent for the act that will write it.
///
/// # Errors
/// [`Error::Medium`]: nothing was written.
pub(crate) fn claim<D: BlockIo>(disk: &mut D, extent: Extent) -> Result<(), Error<D::Error>> {
    disk.claim(extent)
        .map_err(|cause| Error::Medium(Medium::Failed(IoError { access: Access::Claim, at: extent.first(), cause })))
}

/// Runs one section of an act between [`BlockIo::begin`] and [`BlockIo::end`].
///
/// # Errors
/// Those of `act`; [`Error::Medium`] if the section cannot begin, or an earlier write failed.
pub(crate) fn section<D: BlockIo, T>(
    disk: &mut D,
    section: Section,
    act: impl FnOnce(&mut D) -> Result<T, Error<D::Error>>,
) -> Result<T, Error<D::Error>> {
    let at = Lba::new(0);
    let failed = |access| move |cause| Error::Medium(Medium::Failed(IoError { access, at, cause }));
    disk.begin(section).map_err(failed(Access::Claim))?;
    let done = act(disk);
    let ended = match &done {
        Ok(_) => Ended::Done,
        Err(
            Error::Bundle(_)
            | Error::Source(_)
            | Error::Rejected(Rejected::Incompatible(_))
            // What was written before is kept also where some of it reads back wrong: the next run looks at each chunk.
            | Error::Slot(_)
            | Error::Medium(Medium::NotKept(_)),
        ) => Ended::BundleFailed,
        Err(_) => Ended::Failed,
    };
    let settled = disk.end(section, ended).map_err(failed(Access::Flush));
    let done = done?;
    settled.map(|()| done)
}

/// One partition of a disk, addressed in bytes from its start. Nothing outside it can be reached.
#[derive(Debug)]
pub struct Window<'d, D> {
    disk: &'d mut D,
    extent: Extent,
}

impl<'d, D: BlockIo> Window<'d, D> {
    /// Looks at `extent` of `disk`.
    pub fn new(disk: &'d mut D, extent: Extent) -> Self {
        Self { disk, extent }
    }

    /// Another partition of the same disk.
    pub(crate) const fn elsewhere(&mut self, extent: Extent) -> Window<'_, D> {
        Window { disk: &mut *self.disk, extent }
    }

    /// The partition's place.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        self.extent
    }

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`Error::Misuse`] where the access is not inside the partition.
    pub fn read(&mut self, offset: ByteOffset, buf: &mut [u8]) -> Result<(), Error<D::Error>> {
        let at = self.locate(offset, buf)?;
        read(self.disk, at, buf)
    }

    /// The bytes that [`Window::read`] would give, in `buf` or in memory of the disk's own, see [`BlockIo::lend`].
    ///
    /// # Errors
    /// As [`Window::read`].
    pub fn lend<'a>(&'a mut self, offset: ByteOffset, buf: &'a mut [u8]) -> Result<&'a [u8], Error<D::Error>> {
        let at = self.locate(offset, buf)?;
        self.disk
            .lend(at, buf)
            .map_err(|cause| Error::Medium(Medium::Failed(IoError { access: Access::Read, at, cause })))
    }

    /// Writes `buf` at `offset`. Durable after [`Window::flush`].
    ///
    /// # Errors
    /// [`Error::Medium`]; [`Error::Misuse`] where the access is not inside the partition.
    pub fn write(&mut self, offset: ByteOffset, buf: &[u8]) -> Result<(), Error<D::Error>> {
        let at = self.locate(offset, buf)?;
        write(self.disk, at, buf)
    }

    /// Makes every earlier write to the disk durable.
    ///
    /// # Errors
    /// [`Error::Medium`].
    pub fn flush(&mut self) -> Result<(), Error<D::Error>> {
        flush(self.disk)
    }

    fn locate(&self, offset: ByteOffset, buf: &[u8]) -> Result<Lba, Error<D::Error>> {
        let outside = Misuse::OutsidePartition { offset, len: len_u64(buf), size: self.extent.len() };
        self.extent.locate(offset, len_u64(buf)).ok_or(Error::Misuse(outside))
    }
}
