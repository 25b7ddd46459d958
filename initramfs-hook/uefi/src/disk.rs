//! A whole disk of the firmware.

use libupdate::{BlockCount, BlockIo, BlockSize, Lba};
use uefi::boot::ScopedProtocol;
use uefi::proto::media::block::BlockIO;
use uefi::{Handle, Status};

use crate::firmware::{self, Drive};
use crate::memory::Aligned;

/// Bytes that are read or written by way of memory of this program's own, where the caller's is not as the disk wants it.
const DETOUR: usize = 64 << 10;

/// An open disk.
#[derive(Debug)]
pub struct Disk {
    io: ScopedProtocol<BlockIO>,
    medium: u32,
    block: BlockSize,
    physical: BlockSize,
    count: BlockCount,
    alignment: usize,
    drive: Option<Drive>,
    detour: Aligned,
}

impl Disk {
    /// Opens a handle; `Ok(None)` for one that is no whole disk that can be written: a partition, an empty drive, sectors of another size.
    ///
    /// # Errors
    /// The firmware's.
    pub fn open(handle: Handle) -> uefi::Result<Option<Self>> {
        let io = firmware::open::<BlockIO>(handle)?;
        let media = io.media();
        let Some(block) = BlockSize::new(media.block_size()) else { return Ok(None) };
        if media.is_logical_partition() || !media.is_media_present() || media.is_read_only() {
            return Ok(None);
        }
        let together = io.logical_blocks_per_physical_block().unwrap_or(1).max(1);
        let physical = media.block_size().checked_mul(together).and_then(BlockSize::new).unwrap_or(block);
        let count = BlockCount::new(media.last_block().saturating_add(1));
        let alignment = usize::try_from(media.io_align()).unwrap_or(usize::MAX).max(1);
        let detour = Aligned::new(DETOUR).ok_or(Status::OUT_OF_RESOURCES)?;
        let drive = Drive::of(handle);
        Ok(Some(Self { medium: media.media_id(), block, physical, count, alignment, drive, detour, io }))
    }

    fn takes(&self, memory: &[u8]) -> bool {
        memory.as_ptr().align_offset(self.alignment.checked_next_power_of_two().unwrap_or(1)) == 0
    }

    /// The address of the block `bytes` after `at`.
    fn after(&self, at: Lba, bytes: usize) -> u64 {
        at.get().saturating_add(u64::try_from(bytes / self.block.bytes()).unwrap_or(u64::MAX))
    }
}

impl BlockIo for Disk {
    type Error = uefi::Error;

    fn block_size(&self) -> BlockSize {
        self.block
    }
    fn physical_block_size(&self) -> BlockSize {
        self.physical
    }
    fn block_count(&self) -> BlockCount {
        self.count
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> uefi::Result<()> {
        if self.takes(buf) {
            return self.io.read_blocks(self.medium, at.get(), buf);
        }
        let mut done = 0;
        for piece in buf.chunks_mut(DETOUR) {
            let from = self.after(at, done);
            let detour = self.detour.get_mut(..piece.len()).ok_or(Status::BAD_BUFFER_SIZE)?;
            self.io.read_blocks(self.medium, from, detour)?;
            piece.copy_from_slice(detour);
            done = done.saturating_add(piece.len());
        }
        Ok(())
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> uefi::Result<()> {
        if self.takes(buf) {
            return self.io.write_blocks(self.medium, at.get(), buf);
        }
        let mut done = 0;
        for piece in buf.chunks(DETOUR) {
            let to = self.after(at, done);
            let detour = self.detour.get_mut(..piece.len()).ok_or(Status::BAD_BUFFER_SIZE)?;
            detour.copy_from_slice(piece);
            self.io.write_blocks(self.medium, to, detour)?;
            done = done.saturating_add(piece.len());
        }
        Ok(())
    }
    fn flush(&mut self) -> uefi::Result<()> {
        self.io.flush_blocks()?;
        self.drive.as_mut().map_or(Ok(()), Drive::flush)
    }
}
