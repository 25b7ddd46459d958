//! A Linux kernel of x86, as qemu starts it.
//!
//! ```text
//!  0x202 | "HdrS" |        Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
//!  0x20e | place of the kernel's version, counted from 0x200; 0 if it says none |
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use libupdate::units::version;

/// Where the words are that tell a kernel from something else.
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
/// What a kernel says of itself is before this.
pub const HEAD_BYTES: u64 = 64 << 10;
const NAME: &str = "vmlinuz-";

/// The newest kernel of a folder, by the version in its name.
pub fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().and_then(|name| name.strip_prefix(NAME)).map(str::to_owned));
    }
    let newest = names.into_iter().max_by(|one, other| version::compare(one, other).then_with(|| one.cmp(other)));
    Ok(newest.map(|newest| folder.join(format!("{NAME}{newest}"))))
}

/// The release that a kernel is, as `uname -r` says it, by its first bytes. `None` of what is no kernel of x86.
pub fn release(head: &[u8]) -> Option<String> {
    let (at, magic) = MAGIC;
    let place = head.get(at..).filter(|rest| rest.starts_with(magic)).and_then(|_| head.get(0x20e..0x210))?;
    let place = usize::from(u16::from_le_bytes(place.try_into().ok()?));
    let words = head.get(place.checked_add(0x200)?..).filter(|_| place != 0)?;
    let words = words.split(|byte| *byte == 0 || *byte == b' ').next()?;
    String::from_utf8(words.to_vec()).ok().filter(|release| !release.is_empty())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The first bytes of a kernel of this release.
    pub fn head(release: &str) -> Vec<u8> {
        let mut head = vec![0; 0x4000];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x3000_u16.to_le_bytes());
        let words = format!("{release} (build@host) #1 SMP");
        head[0x3200..0x3200 + words.len()].copy_from_slice(words.as_bytes());
        head
    }

    #[test]
    fn a_kernel_says_its_release() {
        assert_eq!(release(&head("6.1.0-35-cloud-amd64")).as_deref(), Some("6.1.0-35-cloud-amd64"));
        let mut other = head("6.1.0");
        other[0x202] = b'h';
        assert_eq!(release(&other), None);
        let mut silent = head("6.1.0");
        silent[0x20e..0x210].fill(0);
        assert_eq!(release(&silent), None);
        assert_eq!(release(&head("6.1.0")[..0x3000]), None);
        assert_eq!(release(b"MZ"), None);
    }

    #[test]
    fn the_newest_is_the_highest_version_and_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(folder.path()).unwrap(), None);
        for name in ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-35-amd64", "vmlinuz-5.10", "vmlinuz", "config-7.0"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(newest(folder.path()).unwrap(), Some(folder.path().join("vmlinuz-6.1.0-35-amd64")));
    }
}
