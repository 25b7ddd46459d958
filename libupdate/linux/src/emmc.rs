//! An eMMC's two boot partitions, and the byte of its EXT_CSD register that says which of them the processor's ROM starts.
//!
//! ```text
//!  /dev/mmcblk0          user area: the GPT, the slots
//!  /dev/mmcblk0boot0     boot partition 1   each BOOT_SIZE_MULT x 128 KiB, write-protected by the kernel (force_ro)
//!  /dev/mmcblk0boot1     boot partition 2
//!
//!  PARTITION_CONFIG, byte 179:  | 7 reserved | 6 BOOT_ACK | 5:3 BOOT_PARTITION_ENABLE | 2:0 PARTITION_ACCESS |
//!                                                           0 none, 1 boot 1, 2 boot 2, 7 user area
//! ```
//! Source: JESD84-B51 (eMMC 5.1), 6.3 and 7.4; linux/mmc/ioctl.h; `Documentation/driver-api/mmc/mmc-dev-parts.rst`.
//!
//! Linux keeps PARTITION_CONFIG in memory and writes it whole whenever it changes between the areas. Since 4.20 it notices a SWITCH of
//! that byte by ioctl (`__mmc_blk_ioctl_cmd`); an older kernel would undo it.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags};

use crate::error::{OsError, OsErrorKind};
use crate::ioctl::boot_loader::{self as ioctl, EXT_CSD_BYTES};
use crate::node::{self, Node};
use crate::{Disk, DiskKind, file};

const BOOT_WP: usize = 173;
const BOOT_WP_STATUS: usize = 174;
const PARTITION_CONFIG: u8 = 179;
/// The same, to index with.
const PARTITION_CONFIG_AT: usize = 179;
const BOOT_SIZE_MULT: usize = 226;
/// Unit of BOOT_SIZE_MULT: 128 KiB.
const BOOT_SIZE_UNIT: u64 = 128 << 10;
/// Place and width of BOOT_PARTITION_ENABLE.
const BOOT_PARTITION_ENABLE_SHIFT: u8 = 3;
const BOOT_PARTITION_ENABLE: u8 = 7 << BOOT_PARTITION_ENABLE_SHIFT;
/// BOOT_WP: the bits below select one boot partition each, instead of both.
const B_SEC_WP_SEL: u8 = 1 << 7;
const B_PERM_WP_EN: u8 = 1 << 2;
const B_PWR_WP_EN: u8 = 1;

/// A boot partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Area {
    /// "boot0".
    First,
    /// "boot1".
    Second,
}

/// What BOOT_PARTITION_ENABLE says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootSource {
    /// Nothing is enabled.
    None,
    /// A boot partition.
    Area(Area),
    /// The user area.
    UserArea,
    /// A value without a meaning.
    Reserved(u8),
}

/// The EXT_CSD register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExtCsd(pub [u8; EXT_CSD_BYTES]);

impl Area {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The end of its node's name.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::First => "boot0",
            Self::Second => "boot1",
        }
    }

    const fn enable(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
        }
    }

    /// Its two bits of BOOT_WP_STATUS.
    const fn status_shift(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => 2,
        }
    }
}

impl ExtCsd {
    const fn partition_config(&self) -> u8 {
        self.0[PARTITION_CONFIG_AT]
    }

    /// What the processor's ROM starts.
    #[must_use]
    pub const fn boot_source(&self) -> BootSource {
        match (self.partition_config() & BOOT_PARTITION_ENABLE) >> BOOT_PARTITION_ENABLE_SHIFT {
            0 => BootSource::None,
            1 => BootSource::Area(Area::First),
            2 => BootSource::Area(Area::Second),
            7 => BootSource::UserArea,
            other => BootSource::Reserved(other),
        }
    }

    /// Byte of PARTITION_CONFIG that enables `area`; BOOT_ACK and PARTITION_ACCESS are as they were.
    #[must_use]
    pub const fn enabling(&self, area: Area) -> u8 {
        self.partition_config() & !BOOT_PARTITION_ENABLE | area.enable() << BOOT_PARTITION_ENABLE_SHIFT
    }

    /// Bytes of each boot partition.
    #[must_use]
    pub fn area_bytes(&self) -> u64 {
        u64::from(self.0[BOOT_SIZE_MULT]).saturating_mul(BOOT_SIZE_UNIT)
    }

    /// Whether the eMMC itself protects `area` from writes, for good or until the power goes.
    #[must_use]
    pub const fn is_protected(&self, area: Area) -> bool {
        let (rules, status) = (self.0[BOOT_WP], self.0[BOOT_WP_STATUS]);
        let both = rules & B_SEC_WP_SEL == 0 && rules & (B_PERM_WP_EN | B_PWR_WP_EN) != 0;
        both || status >> area.status_shift() & 0b11 != 0
    }
}

/// An eMMC with two boot partitions: the seam for a model.
pub trait Chip: fmt::Debug {
    /// Reads the register.
    ///
    /// # Errors
    /// The system's; there is no eMMC.
    fn ext_csd(&mut self) -> Result<ExtCsd, OsError>;

    /// Writes PARTITION_CONFIG.
    ///
    /// # Durability
    /// The eMMC is no longer busy when this returns: the byte is in it.
    /// # Errors
    /// The system's.
    fn switch(&mut self, partition_config: u8) -> Result<(), OsError>;

    /// Reads from a boot partition's medium.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self, area: Area, at: u64, buf: &mut [u8]) -> Result<(), OsError>;

    /// Lets writes through to a boot partition, until [`Chip::lock`].
    ///
    /// # Errors
    /// The system's.
    fn unlock(&mut self, area: Area) -> Result<(), OsError>;

    /// Writes to a boot partition. Durable after [`Chip::flush`].
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, area: Area, at: u64, bytes: &[u8]) -> Result<(), OsError>;

    /// Makes what was written to a boot partition durable.
    ///
    /// # Errors
    /// The system's.
    fn flush(&mut self, area: Area) -> Result<(), OsError>;

    /// Lets no write through any more.
    ///
    /// # Errors
    /// The system's.
    fn lock(&mut self, area: Area) -> Result<(), OsError>;
}

/// The eMMC that a disk is on.
#[derive(Debug)]
pub struct Emmc {
    disk: PathBuf,
}

impl Emmc {
    /// The eMMC of a disk. Nothing is opened yet: what is no eMMC is refused at the first access.
    #[must_use]
    pub fn of(disk: &Disk) -> Option<Self> {
        match disk.kind() {
            DiskKind::File => None,
            DiskKind::Device(_) => Some(Self { disk: disk.path().to_owned() }),
        }
    }

    /// A boot partition's directory in sysfs.
    fn folder(&self, area: Area) -> Result<PathBuf, OsError> {
        let node = Node::of(&self.disk)?;
        let folder = node.as_ref().and_then(Node::name).map(|name| {
            let name = format!("{name}{}", area.suffix());
            Path::new("/sys/class/block").join(name)
        });
        folder.filter(|folder| folder.is_dir()).ok_or_else(|| {
            let why = format!("it has no boot partition {}: it is no eMMC", area.suffix());
            OsError::new(&self.disk, OsErrorKind::EmmcBoot { why })
        })
    }

    /// Opens a boot partition. Its path, too, for errors.
    fn area(&self, area: Area, flags: OFlags) -> Result<(File, PathBuf), OsError> {
        let path = node::device_node(&self.folder(area)?)?;
        let file = file::open(&path, flags).map_err(|error| OsError::io(&path, "open", &error))?;
        Ok((file, path))
    }

    fn protect(&self, area: Area, word: &str) -> Result<(), OsError> {
        let file = self.folder(area)?.join("force_ro");
        fs::write(&file, word).map_err(|error| OsError::io(&file, "write", &error))
    }

    fn register(&self) -> Result<File, OsError> {
        self.folder(Area::First)?;
        file::open(&self.disk, OFlags::RDONLY).map_err(|error| OsError::io(&self.disk, "open", &error))
    }
}

impl Chip for Emmc {
    fn ext_csd(&mut self) -> Result<ExtCsd, OsError> {
        let read = ioctl::ext_csd(&self.register()?);
        read.map(ExtCsd).map_err(|errno| OsError::call(&self.disk, "read EXT_CSD of", errno))
    }

    fn switch(&mut self, partition_config: u8) -> Result<(), OsError> {
        ioctl::ext_csd_switch(&self.register()?, PARTITION_CONFIG, partition_config)
            .map_err(|errno| OsError::call(&self.disk, "switch PARTITION_CONFIG of", errno))
    }

    fn read(&mut self, area: Area, at: u64, buf: &mut [u8]) -> Result<(), OsError> {
        let (file, path) = self.area(area, OFlags::RDONLY)?;
        // What is in the page cache says nothing of the medium.
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).map_err(|errno| OsError::call(&path, "read", errno))?;
        file.read_exact_at(buf, at).map_err(|error| OsError::io(&path, "read", &error))
    }

    fn unlock(&mut self, area: Area) -> Result<(), OsError> {
        self.protect(area, "0")
    }

    fn write(&mut self, area: Area, at: u64, bytes: &[u8]) -> Result<(), OsError> {
        let (file, path) = self.area(area, OFlags::RDWR)?;
        file.write_all_at(bytes, at).map_err(|error| OsError::io(&path, "write", &error))
    }

    fn flush(&mut self, area: Area) -> Result<(), OsError> {
        let (file, path) = self.area(area, OFlags::RDONLY)?;
        file.sync_all().map_err(|error| OsError::io(&path, "flush", &error))
    }

    fn lock(&mut self, area: Area) -> Result<(), OsError> {
        self.protect(area, "1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(set: &[(usize, u8)]) -> ExtCsd {
        let mut bytes = [0; EXT_CSD_BYTES];
        set.iter().for_each(|(index, value)| bytes[*index] = *value);
        ExtCsd(bytes)
    }

    #[test]
    fn partition_config_is_read_and_changed_in_its_three_bits_only() {
        let source = |config| register(&[(179, config)]).boot_source();
        assert_eq!(source(0x00), BootSource::None);
        assert_eq!(source(0x48), BootSource::Area(Area::First));
        assert_eq!(source(0x50), BootSource::Area(Area::Second));
        assert_eq!(source(0x38), BootSource::UserArea);
        assert_eq!(source(0x18), BootSource::Reserved(3));
        let config = register(&[(179, 0b1100_1101)]);
        assert_eq!(config.enabling(Area::Second), 0b1101_0101);
        assert_eq!(config.enabling(Area::First), 0b1100_1101);
    }

    #[test]
    fn a_boot_partition_is_so_many_times_128_kib() {
        assert_eq!(register(&[(226, 32)]).area_bytes(), 4 << 20);
        assert_eq!(register(&[]).area_bytes(), 0);
    }

    #[test]
    fn write_protection_of_one_and_of_both() {
        let protected = |set: &[(usize, u8)]| [Area::First, Area::Second].map(|area| register(set).is_protected(area));
        assert_eq!(protected(&[]), [false, false]);
        assert_eq!(protected(&[(174, 0b0001)]), [true, false], "until the power goes");
        assert_eq!(protected(&[(174, 0b1000)]), [false, true], "for good");
        assert_eq!(protected(&[(173, 0b0000_0001)]), [true, true]);
        assert_eq!(protected(&[(173, 0b0000_0100)]), [true, true]);
        assert_eq!(protected(&[(173, 0b1000_0001), (174, 0b0001)]), [true, false], "one is selected");
        assert_eq!(protected(&[(173, 0b0100_0000)]), [false, false], "protecting is disabled, which protects nothing");
    }

    #[test]
    fn a_disk_without_boot_partitions_is_refused() {
        let mut chip = Emmc { disk: PathBuf::from("/dev/null") };
        let error = chip.ext_csd().unwrap_err().to_string();
        assert_eq!(error, "cannot bring the boot loader to /dev/null: it has no boot partition boot0: it is no eMMC");
        assert!(chip.switch(0x50).is_err() && chip.unlock(Area::First).is_err());
        assert_eq!(ioctl::ext_csd(&File::open("/dev/null").unwrap()), Err(rustix::io::Errno::NOTTY));
    }
}
