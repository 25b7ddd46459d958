//! Which systems an extension image is for, by its own word: `extension-release` of the UAPI's extension image specification. Pure, but for reading it.
//!
//! | key | rule |
//! |---|---|
//! | `ID` | `_any`, or the system's |
//! | `SYSEXT_LEVEL` | the system's, where both have one |
//! | `VERSION_ID` | the system's, where there is no `SYSEXT_LEVEL` and both have one |
//!
//! The signed head says the same of a major version and a board; this is for programs that know no head, such as systemd-sysext, and the two must not differ.

use std::path::Path;

use libupdate_linux::file;
use libupdate_linux::overlay::Place;
use rustix::fs::OFlags;

/// Bytes of such a file.
const BYTES: u64 = 64 << 10;

/// Judges the image that is mounted at `root` and is to be called `name`.
///
/// # Errors
/// The rule that it breaks, in words.
pub fn check(root: &Path, name: &str) -> Result<(), String> {
    let path = format!("usr/lib/extension-release.d/extension-release.{name}");
    let opened = libupdate_linux::filesystem::open_inside(
        root,
        Path::new(&path),
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
    );
    let regular = opened.and_then(|file| match file.metadata()?.is_file() {
        true => file::bounded(&file, BYTES),
        false => Err(std::io::Error::other("it is no file")),
    });
    let text = regular.map_err(|error| format!("the image {name} has no /{path}: {error}"))?;
    judge(&String::from_utf8_lossy(&text), &of_the_system()).map_err(|why| format!("extension-release.{name} {why}"))
}

/// The image's own, without packs.
fn of_the_system() -> String {
    let usr = Place::of("usr").base().join("lib/os-release");
    let read = |path: &Path| file::read_text(path, BYTES);
    read(&usr).or_else(|_| read(Path::new("/etc/os-release"))).unwrap_or_default()
}

fn judge(release: &str, system: &str) -> Result<(), String> {
    let same = |key: &str| match (value(release, key), value(system, key)) {
        (Some(own), Some(system)) if own != system => {
            Err(format!("is for {key}={own}, and the system has {key}={system}"))
        }
        _ => Ok(()),
    };
    match value(release, "ID") {
        None => return Err("has no ID".to_owned()),
        Some("_any") => return Ok(()),
        Some(_) => same("ID")?,
    }
    if value(release, "SYSEXT_LEVEL").is_some() { same("SYSEXT_LEVEL") } else { same("VERSION_ID") }
}

/// The value of a key, by os-release(5), without quotes.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let line = |line: &'t str| line.trim().strip_prefix(key)?.strip_prefix('=');
    let value = text.lines().filter_map(line).next_back()?;
    let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(bare.unwrap_or(value)).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "ID=acme\nVERSION_ID=\"2.0\"\nSYSEXT_LEVEL=7\n";

    #[test]
    fn it_is_for_any_system_or_for_this_one() {
        for release in ["ID=_any", "ID=acme", "ID=acme\nVERSION_ID=2.0", "ID='acme'\nSYSEXT_LEVEL=7\nVERSION_ID=9"] {
            assert_eq!(judge(release, SYSTEM), Ok(()), "{release}");
        }
        assert_eq!(judge("ID=acme\nVERSION_ID=2.0", ""), Ok(()), "a system that says nothing of itself");
    }

    #[test]
    fn for_another_one_it_is_refused() {
        assert_eq!(judge("", SYSTEM).unwrap_err(), "has no ID");
        assert_eq!(judge("ID=other", SYSTEM).unwrap_err(), "is for ID=other, and the system has ID=acme");
        assert!(judge("ID=acme\nVERSION_ID=3.0", SYSTEM).is_err());
        assert!(judge("ID=acme\nVERSION_ID=2.0\nSYSEXT_LEVEL=8", SYSTEM).is_err());
    }
}
