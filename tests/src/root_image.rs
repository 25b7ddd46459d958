//! Small root file systems, made by the tools that firmware builders use.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::tool;

/// A file system of images.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileSystem {
    /// `mkfs.erofs`.
    Erofs,
    /// `mksquashfs`.
    Squashfs,
}

impl FileSystem {
    /// Its name for the kernel.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erofs => "erofs",
            Self::Squashfs => "squashfs",
        }
    }
}

/// An image, and the folder it was made from.
#[derive(Clone, Debug)]
pub struct RootImage {
    /// The image.
    pub path: PathBuf,
    /// What it holds.
    pub tree: PathBuf,
    /// Its kind.
    pub kind: FileSystem,
}

impl RootImage {
    /// Makes an image with `kib` KiB that do not compress, in `folder`. The same arguments give the same bytes.
    ///
    /// # Panics
    /// Where the tool is missing or fails.
    #[must_use]
    pub fn make(folder: &Path, name: &str, kind: FileSystem, kib: usize) -> Self {
        let tree = folder.join(format!("{name}.tree"));
        let path = folder.join(format!("{name}.{}", kind.name()));
        plant(&tree, name, kib).expect("the temporary folder can be written");
        let text = |path: &Path| path.to_str().expect("paths of tests are UTF-8").to_owned();
        match kind {
            FileSystem::Erofs => {
                let options = ["-T0", "-U00000000-0000-4000-8000-000000000001", "--all-root"].map(str::to_owned);
                tool::run("mkfs.erofs", &[&options[..], &[text(&path), text(&tree)]].concat());
            }
            FileSystem::Squashfs => {
                let options = ["-noappend", "-no-progress", "-quiet", "-all-root", "-mkfs-time", "0", "-all-time", "0"];
                let options = options.map(str::to_owned);
                tool::run("mksquashfs", &[&[text(&tree), text(&path)], &options[..]].concat());
            }
        }
        Self { path, tree, kind }
    }

    /// The image's bytes, with zeros to a whole block: what ends on the partition.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn padded(&self) -> Vec<u8> {
        let mut bytes = fs::read(&self.path).expect("the image was made");
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        bytes
    }
}

fn plant(tree: &Path, name: &str, kib: usize) -> std::io::Result<()> {
    fs::create_dir_all(tree.join("etc"))?;
    fs::create_dir_all(tree.join("usr/lib/empty"))?;
    fs::write(tree.join("etc/os-release"), format!("ID=test\nVERSION_ID={name}\n"))?;
    symlink("../usr/lib/noise", tree.join("etc/link"))?;
    fs::write(tree.join("usr/lib/noise"), noise(name, kib << 10))
}

/// Bytes that do not compress: xorshift64, seeded with the name.
#[must_use]
pub fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
    });
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
