//! Where packs are stored.
//!
//! ```text
//!  /var/lib/updater/packs/
//!      set.json            which heads count, and whether packs are off; changed by one rename
//!      heads/DIGEST        the envelope of a pack, by its manifest digest
//!      parts/ROOT-HASH     an extension image, its superblock and its hash tree; one for all packs that bring it
//!      *.new               being written
//! ```
//! Nothing here is believed for being here: a head is verified, and an image is read through its hash tree, each time anew.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use libupdate::units::limits::{ENVELOPE_BYTES, STATE_BYTES};
use libupdate_linux::file;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::known::Known;
use super::plan::PACKS;
use crate::exit::{self, Exit, Failure};
use crate::output;
use crate::verb::live::System;

/// Where it is.
pub const STORE: &str = "/var/lib/updater/packs";
const NEXT: &str = "see the kernel log (dmesg), then run the same command again";

/// The store.
pub struct Store(PathBuf);

/// Which packs count.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Set {
    pub packs: Vec<Listed>,
    /// Why they are off; `None`: they are on.
    pub off: Option<String>,
    /// The fallback that a person knew of when packs were installed or turned on.
    pub settled: Option<String>,
}

/// A pack of the set. Its name is only for people who have to remove one whose head is broken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listed {
    pub name: String,
    pub digest: String,
}

/// A pack of the set, and why it does not count if it does not.
pub struct Stored {
    pub listed: Listed,
    pub known: Result<Known, String>,
}

impl Store {
    /// The one of this system.
    pub fn usual() -> Self {
        Self(PathBuf::from(STORE))
    }

    /// The set, empty if there is none.
    pub fn set(&self) -> Result<Set, Failure> {
        let path = self.0.join("set.json");
        let read = file::read_state(&path, STATE_BYTES);
        let parsed = read.and_then(|text| serde_json::from_str::<Set>(&text).map_err(io::Error::from));
        match parsed {
            Ok(set) if set.packs.len() <= PACKS && set.packs.iter().all(|pack| is_digest(&pack.digest)) => Ok(set),
            Ok(_) => Err(unusable(&path, "it is no list of packs")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Set::default()),
            Err(error) => Err(unusable(&path, error)),
        }
    }

    /// Each pack of the set, verified again.
    pub fn stored(&self, set: &Set, system: &System) -> Vec<Stored> {
        let known = |listed: &Listed| {
            let path = self.0.join("heads").join(&listed.digest);
            let most = u64::try_from(ENVELOPE_BYTES).unwrap_or(u64::MAX);
            let opened =
                file::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW).and_then(|file| file::bounded(&file, most));
            let head = opened.map_err(|error| format!("its head cannot be read: {error}"))?;
            let known = Known::of_head(&head, system.setup.anchors, &system.setup.profile.compatible)?;
            if known.digest == listed.digest { Ok(known) } else { Err("its head is another pack's".to_owned()) }
        };
        set.packs.iter().map(|listed| Stored { listed: listed.clone(), known: known(listed) }).collect()
    }

    /// Where an image is.
    pub fn part(&self, root_hash: &str) -> PathBuf {
        self.0.join("parts").join(root_hash)
    }

    /// Opens the file that an image is, or is to be; and whether one of the right length is there, perhaps with wrong blocks.
    pub fn open_part(&self, root_hash: &str, bytes: u64) -> io::Result<(File, bool)> {
        let path = self.part(root_hash);
        if let Ok(file) = file::open(&path, OFlags::RDWR | OFlags::NOFOLLOW) {
            let facts = file.metadata()?;
            if facts.is_file() && facts.len() == bytes {
                return Ok((file, true));
            }
        }
        file::folder(&self.0.join("parts"))?;
        let new = new_name(&path);
        removed(&new)?;
        let file = file::create(&new, OFlags::RDWR, Mode::RUSR | Mode::WUSR)?;
        file.set_len(bytes)?;
        Ok((file, false))
    }

    /// Gives images that are whole, and a head, their names.
    ///
    /// # Durability
    /// Files and names are on the medium when it returns.
    pub fn keep(&self, known: &Known, new_parts: &[String]) -> Result<(), Failure> {
        let kept = || {
            for root_hash in new_parts {
                let path = self.part(root_hash);
                fs::rename(new_name(&path), &path)?;
            }
            flush(&self.0.join("parts"))?;
            let heads = self.0.join("heads");
            file::folder(&heads)?;
            let (path, new) = (heads.join(&known.digest), new_name(&heads.join(&known.digest)));
            removed(&new)?;
            let mut file = file::create(&new, OFlags::WRONLY, Mode::RUSR | Mode::WUSR)?;
            file.write_all(&known.head)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            flush(&heads)?;
            flush(&self.0)
        };
        kept().map_err(|error| self.failed(&error))
    }

    /// Puts another set in the place of the one that counts.
    ///
    /// # Durability
    /// It is on the medium when it returns. A cut leaves the old set or the new one.
    pub fn switch(&self, set: &Set) -> Result<(), Failure> {
        let text = output::json(set).map_err(io::Error::from);
        let written = text.and_then(|text| file::write_state(&self.0.join("set.json"), text.as_bytes()));
        written.and_then(|()| flush(&self.0)).map_err(|error| self.failed(&error))
    }

    /// Removes what no pack of the set needs. Where a head of the set cannot be read, nobody knows its images: they stay.
    pub fn sweep(&self, stored: &[Stored]) -> Result<(), Failure> {
        let all = stored.iter().map(|pack| pack.known.as_ref().ok()).collect::<Option<Vec<_>>>();
        let needed: Option<Vec<&str>> =
            all.map(|all| all.iter().flat_map(|pack| pack.parts.iter().map(|part| part.root_hash.as_str())).collect());
        let heads: Vec<&str> = stored.iter().map(|pack| pack.listed.digest.as_str()).collect();
        let swept = remove_others(&self.0.join("heads"), |name| heads.contains(&name)).and_then(|()| {
            remove_others(&self.0.join("parts"), |name| {
                needed.as_ref().map_or(is_digest(name), |needed| needed.contains(&name))
            })
        });
        swept.map_err(|error| self.failed(&error))
    }

    /// A failure to write.
    pub fn failed(&self, error: &io::Error) -> Failure {
        let (code, next) = exit::no_room(error).unwrap_or((Exit::Io, NEXT));
        Failure::new(code, "", format!("{} cannot be written: {error}", self.0.display()), next)
    }
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Failure {
    let next = "remove that folder, and install the packs again";
    Failure::new(Exit::Io, format!("cannot read {}", path.display()), why, next)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn new_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Removes every file of a folder but these.
fn remove_others(folder: &Path, stays: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&stays) {
            removed(&entry.path())?;
        }
    }
    Ok(())
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn flush(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, digest: char) -> Listed {
        Listed { name: name.to_owned(), digest: digest.to_string().repeat(64) }
    }

    fn known(digest: char, root: char) -> Known {
        let part = super::super::known::Part {
            name: "x".to_owned(),
            root_hash: root.to_string().repeat(64),
            stored_bytes: 8192,
        };
        Known { digest: digest.to_string().repeat(64), parts: vec![part], head: b"head".to_vec(), ..Known::default() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_set_is_read_as_it_was_written_and_nothing_else_is_one() {
        let place = tempfile::tempdir().unwrap();
        let store = Store(place.path().join("packs"));
        assert_eq!(store.set().unwrap(), Set::default());
        let set = Set { packs: vec![listed("a", 'a')], off: Some("why".to_owned()), settled: None };
        fs::create_dir(place.path().join("packs")).unwrap();
        store.switch(&set).unwrap();
        assert_eq!(store.set().unwrap(), set);
        let bad = Set { packs: vec![Listed { digest: "../x".to_owned(), ..listed("a", 'a') }], ..set };
        store.switch(&bad).unwrap();
        assert_eq!(store.set().unwrap_err().code, Exit::Io);
        fs::write(place.path().join("packs/set.json"), "{").unwrap();
        assert_eq!(store.set().unwrap_err().code, Exit::Io);
    }

    #[test]
    fn what_no_pack_needs_is_removed_and_what_nobody_knows_stays() {
        let place = tempfile::tempdir().unwrap();
        let store = Store(place.path().to_owned());
        for (digest, root) in [('a', '1'), ('b', '2')] {
            let known = known(digest, root);
            let (_, held) = store.open_part(&known.parts[0].root_hash, 8192).unwrap();
            assert!(!held);
            store.keep(&known, &[known.parts[0].root_hash.clone()]).unwrap();
            assert!(store.open_part(&known.parts[0].root_hash, 8192).unwrap().1);
        }
        fs::write(place.path().join("parts/x.new"), "").unwrap();
        let broken = Stored { listed: listed("b", 'b'), known: Err("rot".to_owned()) };
        let whole = Stored { listed: listed("a", 'a'), known: Ok(known('a', '1')) };
        store.sweep(&[whole, broken]).unwrap();
        assert_eq!((names(&place.path().join("heads")).len(), names(&place.path().join("parts")).len()), (2, 2));
        store.sweep(&[Stored { listed: listed("a", 'a'), known: Ok(known('a', '1')) }]).unwrap();
        assert_eq!(names(&place.path().join("parts")), ["1".repeat(64)]);
        assert_eq!(names(&place.path().join("heads")), ["a".repeat(64)]);
        store.sweep(&[]).unwrap();
        assert!(names(&place.path().join("parts")).is_empty());
    }
}
