//! Whether a disk is somebody's, before a table is written over it.
//!
//! 1. Anything but zeros where a table or a boot sector would be, at either end.
//! 2. The signatures that `blkid` knows further inside: file systems, volumes and members of arrays that use the whole disk. Some leave
//!    the ends empty: btrfs begins at 64 KiB, an array of version 0.90 tells of itself 64 to 128 KiB before the end.

use std::fmt;

use libupdate::units::bytes::all_zero;
use libupdate::{BlockIo, Lba};

use crate::{AlignedBuf, Disk, OsError};

/// Sectors at each end that must be zero.
const EDGE: u64 = 40;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Where a signature is.
#[derive(Clone, Copy)]
enum At {
    /// Bytes from the start.
    Start(u64),
    /// `back` bytes before the end, which is rounded down to whole `unit`s.
    End { unit: u64, back: u64 },
}

use At::{End, Start};

/// A signature, and its places.
struct Signature {
    name: &'static str,
    magic: &'static [u8],
    places: &'static [At],
}

const fn at(name: &'static str, magic: &'static [u8], places: &'static [At]) -> Signature {
    Signature { name, magic, places }
}

/// Sectors of 512 bytes before the end.
const fn sectors(count: u64) -> At {
    End { unit: 512, back: 512 * count }
}

/// The last bytes of the first page, of each size that pages have.
const PAGE_ENDS: &[At] = &[Start(4086), Start(8182), Start(16_374), Start(32_758), Start(65_526)];
/// Where LUKS2 keeps its second header, by the size of the first one.
const LUKS2_SECOND: &[At] = &[
    Start(16 * KIB),
    Start(32 * KIB),
    Start(64 * KIB),
    Start(128 * KIB),
    Start(256 * KIB),
    Start(512 * KIB),
    Start(MIB),
    Start(2 * MIB),
    Start(4 * MIB),
];
const UFS: &[At] = &[Start(8 * KIB + 1372), Start(64 * KIB + 1372), Start(256 * KIB + 1372)];
const REISERFS: &[At] = &[Start(8 * KIB + 52), Start(64 * KIB + 52)];
const BTRFS: &[At] = &[Start(64 * KIB + 64), Start(64 * MIB + 64), Start(256 * GIB + 64)];
const VOLUME_DESCRIPTOR: &[At] = &[Start(32 * KIB + 1)];
const MD: &[At] =
    &[Start(0), Start(4 * KIB), End { unit: 4 * KIB, back: 8 * KIB }, End { unit: 64 * KIB, back: 64 * KIB }];
const PROMISE: &[At] = &[
    sectors(63),
    sectors(255),
    sectors(256),
    sectors(16),
    sectors(399),
    sectors(591),
    sectors(675),
    sectors(735),
    sectors(911),
    sectors(974),
    sectors(991),
    sectors(951),
    sectors(3087),
];

/// In the order in which they are told: what is inside a boot sector before the boot sector.
const SIGNATURES: &[Signature] = &[
    at("btrfs", b"_BHRfS_M", BTRFS),
    at("bcache", b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", &[Start(4120)]),
    at("bcachefs", b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", &[Start(4120)]),
    at("swap", b"SWAPSPACE2", PAGE_ENDS),
    at("swap", b"SWAP-SPACE", PAGE_ENDS),
    at("a hibernated system", b"S1SUSPEND", PAGE_ENDS),
    at("a hibernated system", b"S2SUSPEND", PAGE_ENDS),
    at("a hibernated system", b"ULSUSPEND", PAGE_ENDS),
    at("a hibernated system", b"LINHIB0001", PAGE_ENDS),
    at("LVM2", b"LABELONE", &[Start(0), Start(512), Start(1024), Start(1536)]),
    at("LUKS", b"LUKS\xba\xbe", &[Start(0)]),
    at("LUKS2 (its second header)", b"SKUL\xba\xbe", LUKS2_SECOND),
    at("jfs", b"JFS1", &[Start(32 * KIB)]),
    at("f2fs", b"\x10\x20\xf5\xf2", &[Start(1024), Start(5120)]),
    at("xfs", b"XFSB", &[Start(0)]),
    at("ext2, ext3 or ext4", b"\x53\xef", &[Start(1080)]),
    at("ntfs", b"NTFS    ", &[Start(3)]),
    at("exfat", b"EXFAT   ", &[Start(3)]),
    at("BitLocker", b"-FVE-FS-", &[Start(3)]),
    at("refs", b"\0\0\0ReFS\0", &[Start(0)]),
    at("vfat", b"FAT32   ", &[Start(82)]),
    at("vfat", b"FAT1", &[Start(54)]),
    at("squashfs", b"hsqs", &[Start(0)]),
    at("squashfs", b"sqsh", &[Start(0)]),
    at("erofs", b"\xe2\xe1\xf5\xe0", &[Start(1024)]),
    at("cramfs", b"\x45\x3d\xcd\x28", &[Start(0)]),
    at("romfs", b"-rom1fs-", &[Start(0)]),
    at("apfs", b"NXSB", &[Start(32)]),
    at("hfs+", b"H+", &[Start(1024)]),
    at("hfs+", b"HX", &[Start(1024)]),
    at("hfs", b"BD", &[Start(1024)]),
    at("ocfs2", b"OCFSV2", &[Start(KIB), Start(2 * KIB), Start(4 * KIB), Start(8 * KIB)]),
    at("gfs2", b"\x01\x16\x19\x70", &[Start(64 * KIB)]),
    at("nilfs2", b"\x34\x34", &[Start(1030), End { unit: 4 * KIB, back: 4 * KIB - 6 }]),
    at("ISO 9660", b"CD001", VOLUME_DESCRIPTOR),
    at("ISO 9660", b"CDROM", &[Start(32 * KIB + 9)]),
    at("udf", b"BEA01", VOLUME_DESCRIPTOR),
    at("udf", b"BOOT2", VOLUME_DESCRIPTOR),
    at("udf", b"CDW02", VOLUME_DESCRIPTOR),
    at("udf", b"NSR02", VOLUME_DESCRIPTOR),
    at("udf", b"NSR03", VOLUME_DESCRIPTOR),
    at("udf", b"TEA01", VOLUME_DESCRIPTOR),
    at("reiserfs", b"ReIsErFs", REISERFS),
    at("reiserfs", b"ReIsEr2Fs", REISERFS),
    at("reiserfs", b"ReIsEr3Fs", REISERFS),
    at("reiser4", b"ReIsEr4", &[Start(64 * KIB)]),
    at("ufs", b"\x54\x19\x01\x00", UFS),
    at("ufs", b"\x00\x01\x19\x54", UFS),
    at("ufs2", b"\x19\x01\x54\x19", UFS),
    at("ufs2", b"\x19\x54\x01\x19", UFS),
    at("VMFS", b"\x0d\xd0\x01\xc0", &[Start(MIB)]),
    at("VMFS", b"\x5e\xf1\xab\x2f", &[Start(2 * MIB)]),
    at("a member of a Linux array (md)", b"\xfc\x4e\x2b\xa9", MD),
    at("a member of a Linux array (md)", b"\xa9\x2b\x4e\xfc", MD),
    at("a member of an array (DDF)", b"\xde\x11\xde\x11", &[sectors(1), sectors(257)]),
    at(
        "a member of an array (Intel)",
        b"Intel Raid ISM Cfg Sig. ",
        &[sectors(2), End { unit: 4 * KIB, back: 8 * KIB }],
    ),
    at("a member of an array (Promise)", b"Promise Technology, Inc.", PROMISE),
    at("a GPT", b"EFI PART", &[Start(512), Start(4096), sectors(1), End { unit: 4 * KIB, back: 4 * KIB }]),
    at("a DOS partition table or a boot sector", b"\x55\xaa", &[Start(510)]),
];

/// Both ends hold two labels of a zfs member, each with a ring of 128 uberblocks.
const ZFS_LABELS: [At; 4] =
    [Start(0), Start(256 * KIB), End { unit: 256 * KIB, back: 512 * KIB }, End { unit: 256 * KIB, back: 256 * KIB }];
const ZFS_RING: u64 = 128 * KIB;
const ZFS_SLOT: u64 = KIB;
const ZFS_MAGIC: u64 = 0x00ba_b10c;

/// What a disk holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Content {
    /// Something that is known by its signature.
    Signed {
        /// What it is, in words: "btrfs".
        name: &'static str,
        /// Byte of the disk where the signature begins.
        byte: u64,
    },
    /// Something else.
    Data {
        /// The first byte of the disk that is not zero, of those that were read.
        byte: u64,
    },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed { name, byte } => write!(f, "{name} (its signature stands at byte {byte})"),
            Self::Data { byte } => write!(f, "data at byte {byte}"),
        }
    }
}

/// What a disk holds; `None` for one that is nobody's.
///
/// # Errors
/// What the system says.
pub fn content(disk: &mut Disk) -> Result<Option<Content>, OsError> {
    match signature(disk)? {
        Some(found) => Ok(Some(found)),
        None => Ok(at_the_ends(disk)?.map(|byte| Content::Data { byte })),
    }
}

/// The first signature that is found, and where.
fn signature(disk: &mut Disk) -> Result<Option<Content>, OsError> {
    for Signature { name, magic, places } in SIGNATURES {
        for place in *places {
            let Some(byte) = place.byte(disk) else { continue };
            if bytes(disk, byte, magic.len())?.as_deref() == Some(*magic) {
                return Ok(Some(Content::Signed { name, byte }));
            }
        }
    }
    for label in ZFS_LABELS {
        let Some(ring) = label.byte(disk).map(|byte| byte.saturating_add(ZFS_RING)) else { continue };
        if let Some(slot) = uberblock(disk, ring)? {
            return Ok(Some(Content::Signed { name: "a member of a zfs pool", byte: ring + slot }));
        }
    }
    Ok(None)
}

/// Where in a ring the first uberblock is.
fn uberblock(disk: &mut Disk, ring: u64) -> Result<Option<u64>, OsError> {
    let len = usize::try_from(ZFS_RING).unwrap_or_default();
    let Some(ring) = bytes(disk, ring, len)? else { return Ok(None) };
    let holds = |slot: &[u8]| {
        slot.first_chunk()
            .is_some_and(|word| [u64::from_le_bytes(*word), u64::from_be_bytes(*word)].contains(&ZFS_MAGIC))
    };
    let slots = ring.chunks(usize::try_from(ZFS_SLOT).unwrap_or(1));
    Ok((0..).step_by(1024).zip(slots).find(|(_, slot)| holds(slot)).map(|(place, _)| place))
}

/// The first byte at either end that is not zero.
fn at_the_ends(disk: &mut Disk) -> Result<Option<u64>, OsError> {
    let (blocks, size) = (disk.block_count().get(), disk.block_size());
    let edge = blocks.min(EDGE);
    let mut bytes = AlignedBuf::new(size.bytes() * usize::try_from(edge).unwrap_or(0));
    for first in [0, blocks.saturating_sub(edge)] {
        disk.read(Lba::new(first), &mut bytes)?;
        if !all_zero(&bytes) {
            let inside = (0..).zip(bytes.iter()).find(|(_, byte)| **byte != 0).map_or(0, |(place, _)| place);
            return Ok(Some(first * size.bytes_u64() + inside));
        }
    }
    Ok(None)
}

impl At {
    /// `None` on a disk that is too small to have the place.
    fn byte(self, disk: &Disk) -> Option<u64> {
        let len = disk.block_count().get().checked_mul(disk.block_size().bytes_u64())?;
        match self {
            Start(byte) => Some(byte).filter(|byte| *byte < len),
            End { unit, back } => (len / unit).checked_mul(unit)?.checked_sub(back),
        }
    }
}

/// `len` bytes from `byte` on; `None` if the disk ends before.
fn bytes(disk: &mut Disk, byte: u64, len: usize) -> Result<Option<Vec<u8>>, OsError> {
    let size = disk.block_size();
    let inside = usize::try_from(byte % size.bytes_u64()).unwrap_or_default();
    let mut blocks = AlignedBuf::new((inside + len).next_multiple_of(size.bytes()));
    let first = byte / size.bytes_u64();
    let end = first.saturating_add(u64::try_from(blocks.len() / size.bytes()).unwrap_or(u64::MAX));
    if end > disk.block_count().get() {
        return Ok(None);
    }
    disk.read(Lba::new(first), &mut blocks)?;
    Ok(blocks.get(inside..inside + len).map(<[u8]>::to_vec))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::{Mode, OpenHow};
    use libupdate::BlockSize;

    /// A file of holes, opened as a disk.
    fn disk(folder: &tempfile::TempDir, len: u64, sector_size: BlockSize) -> (File, Disk) {
        let path = folder.path().join("disk.img");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(len).unwrap();
        let how = OpenHow { mode: Mode::ReadOnly, sector_size: Some(sector_size), ..OpenHow::read_only() };
        (file, Disk::open(&path, how).unwrap())
    }

    fn said(disk: &mut Disk) -> String {
        content(disk).unwrap().map(|found| found.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_signature_is_found_at_each_of_its_places() {
        let folder = tempfile::tempdir().unwrap();
        for sector_size in [BlockSize::B512, BlockSize::B4096] {
            for Signature { name, magic, places } in SIGNATURES {
                for place in *places {
                    let (file, mut disk) = disk(&folder, 257 * GIB + 12 * KIB, sector_size);
                    file.write_all_at(magic, place.byte(&disk).unwrap()).unwrap();
                    assert!(said(&mut disk).contains(name), "{name}: {}", said(&mut disk));
                }
            }
        }
    }

    #[test]
    fn an_uberblock_of_any_label_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for (label, slot, magic) in [(0, 0, ZFS_MAGIC.to_le_bytes()), (1, 127, ZFS_MAGIC.to_be_bytes())]
            .into_iter()
            .chain([(2, 4, ZFS_MAGIC.to_le_bytes()), (3, 16, ZFS_MAGIC.to_le_bytes())])
        {
            let (file, mut disk) = disk(&folder, 64 * MIB + 12 * KIB, BlockSize::B512);
            let at = ZFS_LABELS[label].byte(&disk).unwrap() + ZFS_RING + slot * ZFS_SLOT;
            file.write_all_at(&magic, at).unwrap();
            assert!(said(&mut disk).contains(&format!("zfs pool (its signature stands at byte {at})")));
        }
    }

    #[test]
    fn a_blank_disk_of_any_size_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        for len in [4096, 40 * 512, MIB, 3 * MIB + 4096] {
            assert_eq!(said(&mut disk(&folder, len, BlockSize::B512).1), "");
            assert_eq!(said(&mut disk(&folder, len, BlockSize::B4096).1), "");
        }
        let (file, mut disk) = disk(&folder, MIB, BlockSize::B512);
        file.write_all_at(b"x", MIB - 9).unwrap();
        assert_eq!(said(&mut disk), format!("data at byte {}", MIB - 9));
    }
}
