//! Units of a disk: block addresses, byte lengths, and the place of a partition.
//!
//! A bare integer never says whether it counts bytes or blocks; these types do.

use core::fmt;

/// Bytes in a logical block of a disk: 512 or 4096.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockSize {
    /// 512-byte sectors, also on disks that write 4096 at once (512e).
    B512,
    /// 4096-byte sectors (4Kn).
    B4096,
}

impl BlockSize {
    /// The block size of `bytes`, or `None` if no GPT reader of the field accepts it.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        match bytes {
            512 => Some(Self::B512),
            4096 => Some(Self::B4096),
            _ => None,
        }
    }

    /// Bytes, as a length in memory.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }

    /// Bytes, as a length on disk.
    #[must_use]
    pub const fn bytes_u64(self) -> u64 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }

    /// Blocks that hold `bytes`, rounded up.
    #[must_use]
    pub const fn blocks_for(self, bytes: u64) -> u64 {
        bytes.div_ceil(self.bytes_u64())
    }
}

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Wraps the number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $form, self.0)
            }
        }
    };
}

unit!(
    /// A logical block address on the whole disk, 0 being the protective MBR.
    Lba, "LBA {}"
);
unit!(
    /// A number of logical blocks.
    BlockCount, "{} blocks"
);
unit!(
    /// A length in bytes.
    ByteLen, "{} bytes"
);
unit!(
    /// A distance in bytes from the start of a partition.
    ByteOffset, "byte {}"
);

impl Lba {
    /// The address `blocks` further on, or `None` past the end of the address space.
    #[must_use]
    pub const fn plus(self, blocks: u64) -> Option<Self> {
        match self.0.checked_add(blocks) {
            Some(lba) => Some(Self(lba)),
            None => None,
        }
    }

    /// The address `blocks` before this one, or `None` before LBA 0.
    #[must_use]
    pub const fn minus(self, blocks: u64) -> Option<Self> {
        match self.0.checked_sub(blocks) {
            Some(lba) => Some(Self(lba)),
            None => None,
        }
    }
}

impl ByteOffset {
    /// The offset `bytes` further on, or `None` past the end of the address space.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(offset) => Some(Self(offset)),
            None => None,
        }
    }
}

/// The place of a partition on its disk.
///
/// # Invariants
/// The last block's address and the length in bytes both fit 64 bits; there is at least one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    first: Lba,
    blocks: BlockCount,
    block_size: BlockSize,
}

impl Extent {
    /// The extent from `first` to `last`, both included. `None` if `last` lies before `first` or the size in bytes
    /// does not fit 64 bits.
    #[must_use]
    pub fn new(first: Lba, last: Lba, block_size: BlockSize) -> Option<Self> {
        let blocks = last.get().checked_sub(first.get())?.checked_add(1)?;
        last.get().checked_add(1)?.checked_mul(block_size.bytes_u64())?;
        Some(Self { first, blocks: BlockCount(blocks), block_size })
    }

    /// Address of the first block.
    #[must_use]
    pub const fn first(&self) -> Lba {
        self.first
    }

    /// Address of the last block.
    #[must_use]
    pub const fn last(&self) -> Lba {
        // `new` proved that the sum fits and that there is at least one block.
        Lba(self.first.0.saturating_add(self.blocks.0).saturating_sub(1))
    }

    /// Number of blocks.
    #[must_use]
    pub const fn blocks(&self) -> BlockCount {
        self.blocks
    }

    /// The disk's block size.
    #[must_use]
    pub const fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// Size in bytes.
    #[must_use]
    pub const fn len(&self) -> ByteLen {
        // `new` proved that the product fits.
        ByteLen(self.blocks.0.saturating_mul(self.block_size.bytes_u64()))
    }

    /// Whether the extent holds no block: never, by construction.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.0 == 0
    }

    /// Whether the two share a block.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last() && other.first <= self.last()
    }

    /// The address of the block at `offset`, for an access of `len` bytes. `None` if either is not a whole number of
    /// blocks or the access leaves the partition: a write outside its slot cannot be expressed.
    #[must_use]
    pub(crate) fn locate(&self, offset: ByteOffset, len: u64) -> Option<Lba> {
        let size = self.block_size.bytes_u64();
        if offset.get().checked_rem(size)? != 0 || len.checked_rem(size)? != 0 {
            return None;
        }
        if offset.get().checked_add(len)? > self.len().get() {
            return None;
        }
        self.first.plus(offset.get().checked_div(size)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_locates_only_whole_blocks_inside_itself() {
        let extent = Extent::new(Lba(10), Lba(11), BlockSize::B512).unwrap();
        assert_eq!(extent.len(), ByteLen(1024));
        assert_eq!(extent.locate(ByteOffset(512), 512), Some(Lba(11)));
        assert_eq!(extent.locate(ByteOffset(512), 1024), None);
        assert_eq!(extent.locate(ByteOffset(1), 512), None);
        assert_eq!(extent.locate(ByteOffset(0), 100), None);
        assert_eq!(extent.locate(ByteOffset(u64::MAX - 511), 512), None);
    }

    #[test]
    fn an_extent_that_cannot_be_addressed_is_refused() {
        assert_eq!(Extent::new(Lba(2), Lba(1), BlockSize::B512), None);
        assert_eq!(Extent::new(Lba(0), Lba(u64::MAX), BlockSize::B512), None);
        assert_eq!(Extent::new(Lba(0), Lba(u64::MAX / 4096), BlockSize::B4096), None);
    }
}
