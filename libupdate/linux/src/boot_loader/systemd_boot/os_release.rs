//! By what systemd-boot orders kernels before it looks at their names: the section `.osrel` of each.
//!
//! ```text
//!  IMAGE_ID, else ID                                        the sort key: entries without one come after all that have one
//!  IMAGE_VERSION, else VERSION, VERSION_ID, BUILD_ID        the version: the greater one first
//! ```
//! Where both are equal the name decides. So they must be the same for every slot: else a rollback to an older version, or the trial of
//! one, would never start.
//!
//! Sources: `boot_entry_compare` of `src/boot/boot.c`, `bootspec_pick_name_version_sort_key` of `src/fundamental/bootspec-fundamental.c`,
//! systemd 252 to 258; seen on the one of Debian 12.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use libupdate::uki::{HEAD, Headers};

/// Bytes of the section, at most.
const MOST_BYTES: u32 = 64 << 10;
const KEYS: [&str; 2] = ["IMAGE_ID", "ID"];
const VERSIONS: [&str; 4] = ["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"];
/// What gives an entry its title: without, it is not listed.
const TITLES: [&str; 4] = ["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"];

/// What systemd-boot orders a kernel by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    sort_key: Option<String>,
    version: Option<String>,
}

impl Order {
    /// Reads it from a kernel. `None` for a file that systemd-boot does not list.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let mut head = vec![0; HEAD];
        let len = read_up_to(file, 0, &mut head)?;
        head.truncate(len);
        let Some(section) = Headers::parse(&head).and_then(|headers| headers.section(b".osrel\0\0")) else {
            return Ok(None);
        };
        let mut bytes = vec![0; usize::try_from(section.memory_bytes.min(MOST_BYTES)).unwrap_or_default()];
        let len = read_up_to(file, section.place.into(), &mut bytes)?;
        bytes.truncate(len);
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let first = |keys: &[&str]| keys.iter().find_map(|key| value(&text, key)).map(str::to_owned);
        first(&TITLES)?;
        Some(Self { sort_key: first(&KEYS), version: first(&VERSIONS) })
    }

    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let word =
            |value: &Option<String>| value.as_ref().map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
        format!("sort key {}, version {}", word(&self.sort_key), word(&self.version))
    }
}

/// The value of the last line of this key.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let lines = text.split(['\n', '\r', '\0']).map(str::trim);
    let value = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).next_back()?;
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(inner.unwrap_or(value)).filter(|value| !value.is_empty())
}

fn read_up_to(file: &File, from: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from.saturating_add(u64::try_from(len).unwrap_or(u64::MAX)))? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> (Option<String>, Option<String>) {
        let order = Order::parse(text.as_bytes()).unwrap();
        (order.sort_key, order.version)
    }

    #[test]
    fn the_first_key_that_is_there_counts() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(order("NAME=\"A B\"\n"), (None, None));
        assert_eq!(order("ID=debian\nVERSION_ID=\"12\"\nVERSION='12 (x)'\n"), (some("debian"), some("12 (x)")));
        assert_eq!(order("IMAGE_VERSION=3\nIMAGE_ID=i\nID=d\nVERSION=2\n"), (some("i"), some("3")));
        assert_eq!(order("ID=\nNAME=n\nXID=x\nID =y\n"), (None, None), "an empty value is none");
        assert_eq!(order("ID=a\r\nID=b\0rest"), (some("b"), None));
    }

    #[test]
    fn what_has_no_title_or_no_section_is_not_listed() {
        assert_eq!(Order::parse(b"VERSION=1\n"), None);
        assert_eq!(Order::parse(b"\xff\xfe"), None);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Order::of(&file).unwrap(), None);
        file.write_all_at(b"MZ", 0).unwrap();
        assert_eq!(Order::of(&file).unwrap(), None);
        file.write_all_at(&super::super::tests::uki("NAME=x\n"), 0).unwrap();
        assert_eq!(Order::of(&file).unwrap(), Some(Order { sort_key: None, version: None }));
        // The section is said to be larger than the file.
        file.set_len(600).unwrap();
        assert_eq!(Order::of(&file).unwrap(), None);
    }
}
