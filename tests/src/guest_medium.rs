//! What a guest's disk hangs on, and what it does with writes.

use std::path::{Path, PathBuf};
use std::process::Command;

use libupdate::BlockSize;

/// How a disk is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bus {
    /// /dev/vda, /dev/vda1.
    #[default]
    Virtio,
    /// /dev/nvme0n1, /dev/nvme0n1p1.
    Nvme,
    /// The same, with a controller that shares it: Linux makes one drive of its paths, beside loop devices in sysfs.
    NvmePaths,
    /// /dev/sda, /dev/sda1.
    Scsi,
    /// The same, on an AHCI controller.
    Sata,
    /// /dev/mmcblk0, /dev/mmcblk0p1.
    Mmc,
}

/// What a disk does with writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Medium {
    /// It does them.
    #[default]
    Sound,
    /// It does them, and they stand in a log beside the file: see [`write_log`](crate::write_log).
    Logged,
    /// It is one that cannot be written at all, and says so.
    ReadOnly,
    /// It fails those to its second sector: the header of the primary table.
    FailsHeader,
}

impl Medium {
    fn options(self, path: &Path, sectors: BlockSize) -> String {
        let file = path.display();
        match self {
            Self::Sound => format!("file={file},cache=writeback"),
            Self::Logged => {
                let log = log(path);
                std::fs::write(&log, "").expect("the folder can be written");
                let (log, sectors) = (log.display(), sectors.bytes());
                format!(
                    "file.driver=blklogwrites,file.log-sector-size={sectors},file.file.driver=file,\
                     file.file.filename={file},file.log.driver=file,file.log.filename={log}"
                )
            }
            Self::ReadOnly => format!("file={file},read-only=on"),
            Self::FailsHeader => {
                let rule = "event=none,iotype=write,sector=1,errno=5".replace(',', ",file.inject-error.0.");
                format!(
                    "file.driver=blkdebug,file.image.driver=file,file.image.filename={file},file.inject-error.0.{rule}"
                )
            }
        }
    }
}

/// Where the log of a disk's writes stands.
#[must_use]
pub fn log(file: &Path) -> PathBuf {
    file.with_extension("log")
}

/// Attaches a disk.
pub fn drive(qemu: &mut Command, file: &Path, bus: Bus, medium: Medium, block: BlockSize) {
    let name = match bus {
        Bus::Virtio => format!("virtio{}", qemu.get_args().filter(|argument| *argument == "-drive").count()),
        Bus::Nvme | Bus::NvmePaths | Bus::Scsi | Bus::Sata | Bus::Mmc => "disk".to_owned(),
    };
    let (name, bytes) = (name.as_str(), block.bytes());
    let sectors = format!("logical_block_size={bytes},physical_block_size={bytes}");
    let devices = match bus {
        Bus::Virtio => vec![format!("virtio-blk-pci,drive={name},{sectors}")],
        Bus::Nvme => vec![format!("nvme,drive={name},serial=disk,{sectors}")],
        Bus::NvmePaths => vec![
            "nvme-subsys,id=drive".to_owned(),
            "nvme,serial=disk,subsys=drive,id=path".to_owned(),
            format!("nvme-ns,drive={name},bus=path,shared=on,{sectors}"),
        ],
        Bus::Scsi => vec!["virtio-scsi-pci".to_owned(), format!("scsi-hd,drive={name},{sectors}")],
        Bus::Sata => vec!["ahci,id=sata".to_owned(), format!("ide-hd,drive={name},bus=sata.0,{sectors}")],
        Bus::Mmc => vec!["sdhci-pci".to_owned(), format!("sd-card,drive={name}")],
    };
    qemu.arg("-drive").arg(format!("{},format=raw,if=none,id={name}", medium.options(file, block)));
    for device in devices {
        qemu.args(["-device", &device]);
    }
}
