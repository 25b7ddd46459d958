//! Variables of UEFI firmware, as Linux shows them: a file each.
//!
//! ```text
//!  NAME-8be4df61-93ca-11d2-aa0d-00e098032b8c
//!  0   attributes 4    7: kept, and seen at boot and at run time
//!  4   data            BootNext, BootCurrent: u16      BootOrder: u16 each      BootXXXX: attributes 4 (1: active), bytes of path 2,
//!                      description in UTF-16 up to NUL, path, data
//! ```
//! One `write` is one variable: firmware has the old one or the new one. A file that is not on efivarfs, of a test, is written the same
//! way.
//!
//! Sources: UEFI 2.10, 3.1.3 and 8.2; `fs/efivarfs/file.c` of Linux.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::entry_name::ascii;
use crate::error::OsError;
use crate::file;

/// Whose variables they are: those of the specification itself.
const OWNER: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Kept, and seen at boot and at run time.
const KEPT: [u8; 4] = [7, 0, 0, 0];
/// Bytes of a variable: firmware keeps less.
const MOST_BYTES: u64 = 64 << 10;

/// What firmware starts: a variable `BootXXXX`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootEntry {
    /// Whether it may be started by itself.
    pub active: bool,
    /// Its description, in ASCII.
    pub description: Vec<u8>,
}

impl BootEntry {
    /// Reads the data of a variable. `None` for what is no boot entry.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (attributes, rest) = data.split_first_chunk::<4>()?;
        let (_, text) = rest.split_first_chunk::<2>()?;
        let ends = text.chunks_exact(2).any(|unit| unit == [0, 0]);
        ends.then(|| Self { active: attributes[0] & 1 == 1, description: ascii(text) })
    }
}

/// Numbers of boot entries, of the data of a variable. `None` if it is not a whole number of them.
#[must_use]
pub fn numbers(data: &[u8]) -> Option<Vec<u16>> {
    let (units, rest) = data.as_chunks();
    rest.is_empty().then(|| units.iter().map(|unit| u16::from_le_bytes(*unit)).collect())
}

/// The number in the name of a boot entry's file.
#[must_use]
pub fn entry_number(file: &str) -> Option<u16> {
    let digits = file.strip_prefix("Boot")?.strip_suffix(OWNER)?.strip_suffix('-')?;
    let upper = digits.len() == 4 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    if upper { u16::from_str_radix(digits, 16).ok() } else { None }
}

/// The file of a variable.
#[must_use]
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}-{OWNER}"))
}

/// The data of a variable; `None` if there is none.
///
/// # Errors
/// What the system says; a variable without attributes.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, OsError> {
    match file::read(path, MOST_BYTES) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OsError::io(path, "read", &error)),
        // One that was created and never written, or that firmware refused.
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => match bytes.split_first_chunk::<4>() {
            Some((_, data)) => Ok(Some(data.to_vec())),
            None => Err(super::refused(path, "it has no attributes: it is no variable of firmware".to_owned())),
        },
    }
}

/// Gives a variable this data, and reads it back. Firmware has none without data: then it is removed.
///
/// # Errors
/// What the system says: the variable is as it was. What reads back different.
pub fn write(path: &Path, data: &[u8]) -> Result<(), OsError> {
    if data.is_empty() {
        return remove(path);
    }
    let failed = |act| move |error| OsError::io(path, act, &error);
    let bytes = [&KEPT, data].concat();
    changeable(path, || {
        let mut file = match file::open(path, OFlags::WRONLY | OFlags::NOFOLLOW) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                file::create(path, OFlags::WRONLY, Mode::from_raw_mode(0o644)).map_err(failed("create"))?
            }
            opened => opened.map_err(failed("open for writing"))?,
        };
        let written = file.write(&bytes).map_err(failed("write"))?;
        // On efivarfs this is so by then.
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if file.metadata().map_err(failed("read"))?.len() > len {
            file.set_len(len).map_err(failed("write"))?;
        }
        if written == bytes.len() { Ok(()) } else { Err(OsError::call(path, "write", Errno::NOSPC)) }
    })?;
    match read(path)? {
        Some(found) if found == data => Ok(()),
        _ => Err(super::refused(
            path,
            "what was written to it reads back different: the firmware did not take it".to_owned(),
        )),
    }
}

/// Removes a variable.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> Result<(), OsError> {
    changeable(path, || std::fs::remove_file(path).map_err(|error| OsError::io(path, "remove", &error)))
}

/// Runs an act on a file that may be immutable, as Linux makes those of which it does not know that firmware survives without them.
fn changeable(path: &Path, act: impl FnOnce() -> Result<(), OsError>) -> Result<(), OsError> {
    let Ok(file) = file::open(path, OFlags::RDONLY | OFlags::NOFOLLOW) else { return act() };
    // A file system without such flags has none that is set.
    let flags = rustix::fs::ioctl_getflags(&file).unwrap_or(IFlags::empty());
    if !flags.contains(IFlags::IMMUTABLE) {
        return act();
    }
    let set = |file: &File, flags| {
        rustix::fs::ioctl_setflags(file, flags).map_err(|errno| OsError::call(path, "change the flags of", errno))
    };
    set(&file, flags.difference(IFlags::IMMUTABLE))?;
    let done = act();
    // A file that was removed, and made anew, has the flags that the kernel gives it.
    let restored = set(&file, flags);
    done.and(restored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_entry_has_attributes_and_a_description_that_ends() {
        let entry = |active: u32, text: &str| {
            let text: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            [&active.to_le_bytes(), &[4, 0][..], &text, &[0x7f, 0xff, 4, 0]].concat()
        };
        let read = BootEntry::parse(&entry(1, "updater-b")).unwrap();
        assert_eq!((read.active, read.description.as_slice()), (true, &b"updater-b"[..]));
        assert!(!BootEntry::parse(&entry(8, "x")).unwrap().active);
        let whole = entry(1, "b");
        for len in 0..10 {
            assert_eq!(BootEntry::parse(&whole[..len]), None, "{len}");
        }
        assert_eq!(BootEntry::parse(&[1; 99]), None, "no end");
    }

    #[test]
    fn numbers_are_whole_and_names_are_those_of_the_specification() {
        assert_eq!(numbers(&[1, 0, 0xff, 2]), Some(vec![1, 0x2ff]));
        assert_eq!((numbers(&[]), numbers(&[1])), (Some(vec![]), None));
        let name = |start: &str| entry_number(&format!("{start}-{OWNER}"));
        assert_eq!((name("Boot0001"), name("BootFFFF")), (Some(1), Some(0xffff)));
        for other in ["BootOrder", "Boot001", "Boot00001", "Boot00ff", "Boot+001", "BootNext", "xBoot0001"] {
            assert_eq!(name(other), None, "{other}");
        }
        assert_eq!(entry_number("Boot0001-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"), None);
    }

    #[test]
    fn a_variable_is_written_whole_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "BootOrder");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, &[1, 0, 2, 0]).unwrap();
        write(&path, &[3, 0]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [7, 0, 0, 0, 3, 0]);
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        std::fs::write(&path, [7, 0, 0]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("it has no attributes"));
        std::fs::write(&path, vec![0; 70_000]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("more than 65536 bytes"));
    }

    #[test]
    fn one_that_nobody_may_write_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), "BootNext");
        std::fs::create_dir(&path).unwrap();
        assert!(write(&path, &[1, 0]).is_err() && remove(&path).is_err());
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(write(&path, &[1, 0]).unwrap_err().to_string().contains("symbolic link"));
    }
}
