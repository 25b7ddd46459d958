//! Kernels: Debian's, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool;

/// A kernel of Debian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Kernel {
    /// Debian 12's for clouds: virtio, NVMe and SCSI.
    #[default]
    Cloud,
    /// Debian 12's for PCs: every driver, no file system built in.
    Full,
    /// Debian 13's, whose modules are compressed with xz, which it decompresses itself.
    Compressed,
    /// Debian 12's for clouds of ARMv8 processors.
    Arm64,
}

impl Kernel {
    /// The package, and the suite and the architecture where they are not the machine's.
    const fn package(self) -> &'static [&'static str] {
        match self {
            Self::Cloud => &["linux-image-cloud-amd64"],
            Self::Full => &["linux-image-amd64"],
            Self::Compressed => &["linux-image-cloud-amd64", "trixie", "amd64"],
            Self::Arm64 => &["linux-image-cloud-arm64", "bookworm", "arm64"],
        }
    }

    /// Modules for the guests' machines, in the order of their needs.
    const fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Cloud => &[
                "virtio_pci",
                "virtio_blk",
                "dm-verity",
                "erofs",
                "squashfs",
                "softdog",
                "nvme",
                "virtio_scsi",
                "ext4",
                "overlay",
                "sd_mod",
            ],
            Self::Full => &[
                "virtio_pci",
                "virtio_blk",
                "dm-verity",
                "erofs",
                "squashfs",
                "ext4",
                "sdhci-pci",
                "mmc_block",
                "i6300esb",
            ],
            Self::Compressed => &["virtio_pci", "virtio_blk", "dm-verity", "erofs"],
            Self::Arm64 => &["virtio_pci", "virtio_blk", "dm-verity", "sha256-arm64", "erofs", "squashfs"],
        }
    }

    /// Where the package is unpacked.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        unpacked(self.package())
    }

    /// The kernel itself.
    ///
    /// # Panics
    /// Where the package has none.
    #[must_use]
    pub fn image(self) -> PathBuf {
        let folder = fs::read_dir(self.folder().join("boot")).expect("the package was unpacked");
        let names = folder.map(|entry| entry.expect("it can be read").path());
        names.into_iter().find(|path| text(path).contains("/vmlinuz-")).expect("a kernel package has a kernel")
    }

    /// Writes the kernel as an emulator starts it soonest: not compressed, through the entry of `pvh`. The compressed one takes twice as
    /// long after some resets, since it unpacks itself over memory whose code the emulator has translated.
    ///
    /// # Panics
    /// Where the package has no kernel of this kind.
    pub fn unpack(self, to: &Path) {
        if self == Self::Arm64 {
            fs::copy(self.image(), to).expect("the folder can be written");
            return;
        }
        let image = fs::read(self.image()).expect("the package was unpacked");
        let number = |at: usize| {
            let bytes = image[at..at + 4].try_into().expect("four bytes");
            usize::try_from(u32::from_le_bytes(bytes)).expect("it is within the file")
        };
        // Linux's Documentation/arch/x86/boot.rst: sectors of the first part, then where in the second the kernel lies, and its length,
        // at whose end are four bytes for who unpacks it.
        let from = (usize::from(image[0x1f1]) + 1) * 512 + number(0x248);
        let packed = &image[from..from + number(0x24c) - 4];
        let unpacker = match packed {
            [0x02, 0x21, ..] => "lz4",
            [0xfd, b'7', ..] => "xz",
            [0x28, 0xb5, ..] => "zstd",
            _ => panic!("{}: an unknown compression", self.image().display()),
        };
        let file = to.with_extension("packed");
        fs::write(&file, packed).expect("the folder can be written");
        tool::run("sh", &["-c", &format!("{unpacker} -dc <'{}' >'{}'", text(&file), text(to))]);
    }

    /// The files of these modules and of those that they need, in the order in which they are loaded.
    ///
    /// # Panics
    /// Where there is none of this name.
    #[must_use]
    pub fn module_files(self, names: &[&str]) -> Vec<PathBuf> {
        let version = text(&self.image()).split_once("vmlinuz-").expect("its name has the version").1.to_owned();
        let mut files = Vec::new();
        for name in names {
            let arguments = ["-d", &text(&self.folder()), "-S", &version, "--show-depends", name];
            for path in tool::run("modprobe", &arguments).lines().filter_map(|line| line.strip_prefix("insmod ")) {
                let path = PathBuf::from(path.trim());
                if !files.contains(&path) {
                    files.push(path);
                }
            }
        }
        files
    }

    /// Copies the modules of the guests' machines into an initramfs, and gives their list.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    #[must_use]
    pub fn plant(self, tree: &Path, more: &[&str]) -> String {
        fs::create_dir_all(tree.join("modules")).expect("the folder can be written");
        let mut list = String::new();
        for path in self.module_files(&[self.modules(), more].concat()) {
            let name = path.file_name().expect("a module has a name");
            fs::copy(&path, tree.join("modules").join(name)).expect("the package was unpacked");
            list += &format!("/modules/{}\n", name.display());
        }
        list
    }
}

/// The folder of an unpacked package: its name, and its suite and architecture where they are not the machine's.
#[must_use]
pub fn unpacked(package: &[&str]) -> PathBuf {
    super::printed_by("tests/shell/unpack.sh", package)
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}
