//! A small root file system as a squashfs image, made without any other program.

use std::io::Cursor;

use backhand::compression::Compressor;
use backhand::{BackhandError, FilesystemCompressor, FilesystemWriter, NodeHeader};

/// What every version ships.
const COMMON_BYTES: usize = 2 << 20;
/// What differs from version to version.
const OWN_BYTES: usize = 256 << 10;

const FOLDERS: [&str; 12] =
    ["bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "usr", "usr/share", "usr/share/demo", "var"];

/// How a version behaves when it boots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Init {
    /// It starts and says so.
    Works,
    /// It never starts.
    Hangs,
}

/// The image of a version with this init: the same bytes whenever and wherever it is made.
pub fn squashfs(version: &str, init: &[u8]) -> Result<Vec<u8>, BackhandError> {
    let mut root = FilesystemWriter::default();
    root.set_compressor(FilesystemCompressor::new(Compressor::Gzip, None)?);
    root.set_root_mode(0o755);
    for folder in FOLDERS {
        root.push_dir(folder, mode(if folder == "tmp" { 0o1777 } else { 0o755 }))?;
    }
    root.push_file(Cursor::new(os_release(version)), "etc/os-release", mode(0o644))?;
    root.push_symlink("../etc/os-release", "usr/os-release", mode(0o777))?;
    root.push_file(Cursor::new(init.to_vec()), "sbin/init", mode(0o755))?;
    root.push_file(Cursor::new(noise("common", COMMON_BYTES)), "usr/share/demo/common.bin", mode(0o644))?;
    root.push_file(Cursor::new(noise(version, OWN_BYTES)), "usr/share/demo/own.bin", mode(0o644))?;
    let mut image = Cursor::new(Vec::new());
    root.write(&mut image)?;
    Ok(image.into_inner())
}

/// Owned by root, never touched since 1970: reproducible.
const fn mode(permissions: u16) -> NodeHeader {
    NodeHeader { permissions, uid: 0, gid: 0, mtime: 0 }
}

fn os_release(version: &str) -> String {
    format!("NAME=\"Demo OS\"\nID=demo\nVERSION_ID={version}\nPRETTY_NAME=\"Demo OS {version}\"\n")
}

/// The init of a version, for a device with a shell.
pub fn script(version: &str, init: Init) -> String {
    let rest = match init {
        Init::Works => "updater-cli mark-good\nexec /bin/sh\n",
        Init::Hangs => "while :; do sleep 1; done\n",
    };
    format!("#!/bin/sh\necho \"Demo OS {version}\"\n{rest}")
}

/// Bytes that do not compress, like the pictures and programs of a real image (xorshift64*, seeded by FNV-1a of the name).
fn noise(name: &str, len: usize) -> Vec<u8> {
    let mut state = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use backhand::{FilesystemReader, InnerNode};

    use super::*;

    fn file(image: &[u8], path: &str) -> Vec<u8> {
        let root = FilesystemReader::from_reader(Cursor::new(image)).unwrap();
        let node = root.files().find(|node| node.fullpath.to_str() == Some(path)).unwrap();
        let InnerNode::File(found) = &node.inner else { panic!("{path} is no file") };
        let mut bytes = Vec::new();
        root.file(found).reader().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_image_is_a_squashfs_that_gives_its_files_back() {
        let image = squashfs("1.0", b"init").unwrap();
        assert_eq!(image[..4], *b"hsqs");
        assert!(image.len().is_multiple_of(4096), "padded to whole blocks");
        assert!(file(&image, "/etc/os-release").starts_with(b"NAME=\"Demo OS\"\nID=demo\nVERSION_ID=1.0\n"));
        assert_eq!(file(&image, "/usr/share/demo/common.bin"), noise("common", COMMON_BYTES));
    }

    #[test]
    fn versions_differ_and_each_is_reproducible() {
        let make = |version, init| squashfs(version, script(version, init).as_bytes()).unwrap();
        assert_eq!(make("1.0", Init::Works), make("1.0", Init::Works));
        assert_ne!(make("1.0", Init::Works), make("2.0", Init::Works));
        assert!(file(&make("2.0", Init::Hangs), "/sbin/init").ends_with(b"done\n"));
    }

    #[test]
    fn noise_has_the_length_asked_for_and_no_pattern() {
        let bytes = noise("x", 4099);
        assert_eq!(bytes.len(), 4099);
        assert!((0..=255_u8).all(|value| bytes.contains(&value)));
        assert_ne!(noise("x", 64), noise("y", 64));
    }
}
