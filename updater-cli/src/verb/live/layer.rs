//! What an overlay holds: a layer of the kernel's overlays, beside the folder that it is laid over.
//!
//! | in the layer | it means |
//! |---|---|
//! | a file, a link | the same in the folder is another one, or missing |
//! | a character device 0:0 | the same in the folder is removed (whiteout) |
//! | a folder with `trusted.overlay.opaque` | what the folder's has is removed, all of it |
//! | any other folder | both are seen as one |
//!
//! Links are never followed. A layer is read and changed here only where it is not laid, or not written.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, chown, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use serde::Serialize;

/// Entries of a layer.
pub const ENTRIES: usize = 100_000;
const ATTRIBUTES: usize = 64 << 10;
const OVERLAYS: &str = "trusted.overlay.";
/// The attribute of a folder that hides all that is below it.
pub const OPAQUE: &str = "trusted.overlay.opaque";
/// Rights that a file gives to who runs it.
pub const CAPABILITY: &str = "security.capability";
const SET_ID: u32 = 0o6000;
const BUFFER: usize = 64 << 10;

/// What an entry does to the folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// The folder has another one.
    Changed,
    /// It hides the folder's.
    Removed,
    /// It is a folder that hides all that the folder has there.
    Replaced,
}

/// An entry of a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Below the folder.
    pub path: PathBuf,
    pub change: Change,
    pub bytes: u64,
    pub is_folder: bool,
}

/// All entries of a layer in the order of their paths, and what they do to the folder at `base`. A folder that is seen as one with the folder's is none.
///
/// # Errors
/// What the system says; too many.
pub fn entries(upper: &Path, base: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut seen = 0_usize;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(upper.join(&folder))? {
            seen = seen.saturating_add(1);
            if seen > ENTRIES {
                return Err(io::Error::other(format!("more than {ENTRIES} files")));
            }
            let path = folder.join(entry?.file_name());
            let facts = fs::symlink_metadata(upper.join(&path))?;
            let below = fs::symlink_metadata(base.join(&path)).ok();
            let is_folder = facts.is_dir();
            let change = match &below {
                _ if is_whiteout(&facts) => Some(Change::Removed),
                None => Some(Change::Added),
                Some(below) if !is_folder || !below.is_dir() => Some(Change::Changed),
                Some(_) if is_opaque(&upper.join(&path)) => Some(Change::Replaced),
                Some(_) => None,
            };
            if is_folder {
                folders.push(path.clone());
            }
            if let Some(change) = change {
                let bytes = if facts.is_file() { facts.len() } else { 0 };
                found.push(Entry { path, change, bytes, is_folder });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Drops from a layer what it changed or removed of another base, now that it is over `base`; what it added stays. As ostree's state overlays do. Paths that
/// were dropped.
///
/// # Errors
/// What the system says. It can be begun again.
///
/// # Durability
/// It is on the medium when it returns.
pub fn rebase(upper: &Path, base: &Path) -> io::Result<Vec<PathBuf>> {
    let mut dropped = Vec::new();
    let entries = entries(upper, base)?;
    // What is in a folder before the folder.
    for entry in entries.iter().rev() {
        let at = upper.join(&entry.path);
        match entry.change {
            Change::Added => {}
            Change::Replaced => {
                rustix::fs::lremovexattr(&at, OPAQUE)?;
                dropped.push(entry.path.clone());
            }
            Change::Changed | Change::Removed => {
                if entry.is_folder {
                    fs::remove_dir_all(&at)?
                } else {
                    fs::remove_file(&at)?
                }
                dropped.push(entry.path.clone());
            }
        }
    }
    without_empty_folders(upper, base)?;
    flush(upper)?;
    dropped.sort();
    Ok(dropped)
}

/// Drops from a layer what equals the folder at `base`. Paths and bytes that were dropped.
///
/// # Errors
/// What the system says. It can be begun again.
///
/// # Durability
/// It is on the medium when it returns.
pub fn drop_equal(upper: &Path, base: &Path) -> io::Result<(Vec<PathBuf>, u64)> {
    let (mut dropped, mut bytes) = (Vec::new(), 0_u64);
    for entry in entries(upper, base)? {
        let (ours, theirs) = (upper.join(&entry.path), base.join(&entry.path));
        let nothing = entry.change == Change::Removed && fs::symlink_metadata(&theirs).is_err();
        if nothing || (entry.change == Change::Changed && !entry.is_folder && are_equal(&ours, &theirs)?) {
            fs::remove_file(&ours)?;
            bytes = bytes.saturating_add(entry.bytes);
            dropped.push(entry.path);
        }
    }
    without_empty_folders(upper, base)?;
    flush(upper)?;
    Ok((dropped, bytes))
}

/// Puts all that was done to a layer on its medium: its folders, too, which are many.
///
/// # Errors
/// What the system says.
pub fn flush(upper: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(upper)?)?)
}

/// Removes empty folders that look as the folder's do.
fn without_empty_folders(upper: &Path, base: &Path) -> io::Result<()> {
    let mut folders = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(upper.join(&folder))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(folder.join(entry.file_name()));
                folders.push(folder.join(entry.file_name()));
            }
        }
    }
    // The inner ones first.
    folders.sort();
    for folder in folders.iter().rev() {
        let (ours, theirs) = (upper.join(folder), base.join(folder));
        let same = fs::symlink_metadata(&theirs).is_ok_and(|facts| facts.is_dir()) && look_alike(&ours, &theirs)?;
        if same && !is_opaque(&ours) && fs::read_dir(&ours)?.next().is_none() {
            fs::remove_dir(&ours)?;
        }
    }
    Ok(())
}

/// What is wrong with an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub path: PathBuf,
    pub what: &'static str,
    /// Whether dropping it changes nothing that is seen.
    pub is_idle: bool,
}

/// Looks for what does nothing, what would not work, and what has rights of its own.
///
/// # Errors
/// What the system says.
pub fn problems(upper: &Path, base: &Path) -> io::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for Entry { path, change, .. } in entries(upper, base)? {
        let at = upper.join(&path);
        let facts = fs::symlink_metadata(&at)?;
        let is_idle = change == Change::Removed && fs::symlink_metadata(base.join(&path)).is_err();
        let what = if is_idle { Some("removes what is not there") } else { unsafe_in(&at, &facts) };
        let what = what.or_else(|| foreign(&at).then_some("has an attribute of overlays that is not followed here"));
        problems.extend(what.map(|what| Problem { path, what, is_idle }));
    }
    Ok(problems)
}

/// What a file is that an overlay should not bring.
pub fn unsafe_in(path: &Path, facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    let has_rights = || attributes(path).unwrap_or_default().iter().any(|(name, _)| name == CAPABILITY);
    match () {
        () if facts.is_file() && has_rights() => Some("has capabilities"),
        () if facts.is_file() && facts.mode() & SET_ID != 0 => Some("is setuid or setgid"),
        () if is_whiteout(facts) => None,
        () if kind.is_char_device() || kind.is_block_device() => Some("is a device node"),
        () => None,
    }
}

/// Whether it hides the folder's.
pub fn is_whiteout(facts: &Metadata) -> bool {
    facts.file_type().is_char_device() && facts.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0_u8; 8];
    let len = rustix::fs::lgetxattr(path, OPAQUE, &mut value).unwrap_or(0);
    value.get(..len) == Some(b"y")
}

fn foreign(path: &Path) -> bool {
    let known =
        [OPAQUE, "trusted.overlay.origin", "trusted.overlay.impure", "trusted.overlay.uuid", "trusted.overlay.nlink"];
    attributes(path)
        .unwrap_or_default()
        .iter()
        .any(|(name, _)| name.starts_with(OVERLAYS) && !known.contains(&name.as_str()))
}

/// Whether two files say the same to who looks at them.
///
/// # Errors
/// What the system says.
pub fn are_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (ours, theirs) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    if ours.file_type() != theirs.file_type() || !look_alike(one, other)? {
        return Ok(false);
    }
    if ours.is_symlink() {
        return Ok(fs::read_link(one)? == fs::read_link(other)?);
    }
    Ok(ours.is_file() && ours.len() == theirs.len() && same_bytes(one, other)?)
}

fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut ours, mut theirs) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let len = one.read(&mut ours)?;
        let (Some(ours), Some(theirs)) = (ours.get(..len), theirs.get_mut(..len)) else { return Ok(false) };
        if len == 0 {
            return Ok(true);
        }
        if other.read_exact(theirs).is_err() || ours != theirs {
            return Ok(false);
        }
    }
}

/// Owner, mode and attributes; a link has no mode.
fn look_alike(one: &Path, other: &Path) -> io::Result<bool> {
    let (ours, theirs) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    let seen = |path| -> io::Result<Vec<(String, Vec<u8>)>> {
        Ok(attributes(path)?.into_iter().filter(|(name, _)| !name.starts_with(OVERLAYS)).collect())
    };
    Ok((ours.uid(), ours.gid(), ours.mode()) == (theirs.uid(), theirs.gid(), theirs.mode())
        && seen(one)? == seen(other)?)
}

/// Extended attributes, by their names.
///
/// # Errors
/// What the system says.
pub fn attributes(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut list = vec![0_u8; ATTRIBUTES];
    let len = match rustix::fs::llistxattr(path, list.as_mut_slice()) {
        Err(Errno::OPNOTSUPP) => 0,
        len => len?,
    };
    let names = list.get(..len).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut found = Vec::new();
    for name in names {
        let name = String::from_utf8_lossy(name).into_owned();
        let mut value = vec![0_u8; ATTRIBUTES];
        let len = rustix::fs::lgetxattr(path, name.as_str(), value.as_mut_slice())?;
        value.truncate(len);
        found.push((name, value));
    }
    found.sort();
    Ok(found)
}

/// Gives a file the attributes of another, but for those of overlays, and those that its file system has not.
///
/// # Errors
/// What the system says.
pub fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    for (name, value) in attributes(from)?.into_iter().filter(|(name, _)| !name.starts_with(OVERLAYS)) {
        match rustix::fs::lsetxattr(to, name.as_str(), &value, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => {}
            set => set?,
        }
    }
    Ok(())
}

/// Puts a copy of the file or link at `source` to `path` below `root`, whole or not at all. Folders above it that are missing look as those of `base`.
///
/// # Errors
/// What the system says; a folder above it that is none.
///
/// # Durability
/// It is on the medium when it returns.
pub fn put(source: &Path, (root, base): (&Path, &Path), path: &Path) -> io::Result<()> {
    folders_above((root, base), path)?;
    let (target, name) = (root.join(path), path.file_name().unwrap_or_default());
    let new = target.with_file_name(format!(".{}.updater-new", name.to_string_lossy()));
    let placed = copied(source, &new).and_then(|()| fs::rename(&new, &target)).and_then(|()| flush(root));
    placed.inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Makes the folders above `path` that `root` lacks, as those of `base` look.
///
/// # Errors
/// What the system says; one that is no folder.
pub fn folders_above((root, base): (&Path, &Path), path: &Path) -> io::Result<()> {
    let mut above = PathBuf::new();
    for part in path.parent().into_iter().flat_map(Path::components) {
        above.push(part);
        let (at, like) = (root.join(&above), base.join(&above));
        let like_facts = fs::symlink_metadata(&like).ok();
        if like_facts.as_ref().is_some_and(|facts| !facts.is_dir()) {
            return Err(io::Error::other(format!(
                "{} is no folder in the image, but perhaps a link to one: name that",
                above.display()
            )));
        }
        match fs::create_dir(&at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && at.is_dir() => continue,
            made => made?,
        }
        if let Some(facts) = like_facts {
            chown(&at, Some(facts.uid()), Some(facts.gid()))?;
            fs::set_permissions(&at, facts.permissions())?;
            copy_attributes(&like, &at)?;
        }
    }
    Ok(())
}

fn copied(source: &Path, new: &Path) -> io::Result<()> {
    let facts = fs::symlink_metadata(source)?;
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if facts.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(source)?, new)?;
        return lchown(new, Some(facts.uid()), Some(facts.gid()));
    }
    let mut out = File::create_new(new)?;
    io::copy(&mut File::open(source)?, &mut out)?;
    chown(new, Some(facts.uid()), Some(facts.gid()))?;
    // The owner's change takes such bits away.
    fs::set_permissions(new, facts.permissions())?;
    copy_attributes(source, new)?;
    out.set_modified(facts.modified()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Pair(tempfile::TempDir);

    impl Pair {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            for (path, text) in [
                ("base/bin/a", "a"),
                ("base/bin/b", "b"),
                ("base/share/x/1", "1"),
                ("upper/bin/a", "changed"),
                ("upper/new/n", "new"),
            ] {
                let path = place.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(place)
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn entries(&self) -> Vec<(String, Change)> {
            let entries = entries(&self.at("upper"), &self.at("base")).unwrap();
            entries.into_iter().map(|entry| (entry.path.display().to_string(), entry.change)).collect()
        }
    }

    fn changes(list: &[(&str, Change)]) -> Vec<(String, Change)> {
        list.iter().map(|(path, change)| ((*path).to_owned(), *change)).collect()
    }

    fn whiteout(path: &Path) -> bool {
        let mode = rustix::fs::Mode::empty();
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::CharacterDevice, mode, 0).is_ok()
    }

    #[test]
    fn what_a_layer_does_is_told() {
        let pair = Pair::new();
        assert_eq!(
            pair.entries(),
            changes(&[("bin/a", Change::Changed), ("new", Change::Added), ("new/n", Change::Added)])
        );
        // A folder over a file.
        fs::create_dir(pair.at("upper/bin/b")).unwrap();
        assert!(pair.entries().contains(&("bin/b".to_owned(), Change::Changed)));
    }

    #[test]
    fn another_base_drops_what_was_changed_and_keeps_what_was_added() {
        let pair = Pair::new();
        fs::create_dir_all(pair.at("upper/share/x")).unwrap();
        fs::write(pair.at("upper/share/x/2"), "2").unwrap();
        let (upper, base) = (pair.at("upper"), pair.at("base"));
        let mut wanted = vec![PathBuf::from("bin/a")];
        if whiteout(&pair.at("upper/bin/b")) {
            wanted.push(PathBuf::from("bin/b"));
        }
        assert_eq!(rebase(&upper, &base).unwrap(), wanted);
        assert_eq!(
            pair.entries(),
            changes(&[("new", Change::Added), ("new/n", Change::Added), ("share/x/2", Change::Added)])
        );
        assert!(!upper.join("bin").exists());
        assert_eq!(rebase(&upper, &base).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_equals_the_base_is_dropped_and_nothing_else() {
        let pair = Pair::new();
        let (upper, base) = (pair.at("upper"), pair.at("base"));
        assert_eq!(drop_equal(&upper, &base).unwrap(), (Vec::new(), 0));
        fs::write(pair.at("upper/bin/b"), "b").unwrap();
        fs::set_permissions(pair.at("upper/bin/b"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(pair.at("base/bin/b"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(drop_equal(&upper, &base).unwrap().0, Vec::<PathBuf>::new());
        fs::set_permissions(pair.at("upper/bin/b"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink("a", pair.at("upper/bin/link")).unwrap();
        symlink("a", pair.at("base/bin/link")).unwrap();
        assert_eq!(drop_equal(&upper, &base).unwrap(), (vec![PathBuf::from("bin/b"), PathBuf::from("bin/link")], 1));
        assert!(upper.join("bin/a").exists());
    }

    #[test]
    fn a_copy_keeps_its_looks_and_folders_look_as_the_bases() {
        let pair = Pair::new();
        let source = pair.at("source");
        fs::write(&source, "text").unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o751)).unwrap();
        fs::set_permissions(pair.at("base/share"), fs::Permissions::from_mode(0o710)).unwrap();
        symlink("share", pair.at("base/link")).unwrap();
        let roots = (&*pair.at("upper"), &*pair.at("base"));
        put(&source, roots, Path::new("share/x/1")).unwrap();
        assert_eq!(fs::read_to_string(pair.at("upper/share/x/1")).unwrap(), "text");
        assert_eq!(fs::metadata(pair.at("upper/share/x/1")).unwrap().mode() & 0o7777, 0o751);
        assert_eq!(fs::metadata(pair.at("upper/share")).unwrap().mode() & 0o7777, 0o710);
        assert!(put(&source, roots, Path::new("link/1")).unwrap_err().to_string().contains("link is no folder"));
    }

    #[test]
    fn rights_are_problems() {
        let pair = Pair::new();
        let (upper, base) = (pair.at("upper"), pair.at("base"));
        assert_eq!(problems(&upper, &base).unwrap(), []);
        fs::set_permissions(pair.at("upper/new/n"), fs::Permissions::from_mode(0o4755)).unwrap();
        let found = problems(&upper, &base).unwrap();
        assert_eq!((found[0].path.as_path(), found[0].what), (Path::new("new/n"), "is setuid or setgid"));
        // CAP_NET_RAW, permitted and effective, by linux/capability.h; a file system or a user may not know it.
        fs::set_permissions(pair.at("upper/new/n"), fs::Permissions::from_mode(0o755)).unwrap();
        let rights = [&[1, 0, 0, 2, 0, 32][..], &[0; 14]].concat();
        if rustix::fs::lsetxattr(pair.at("upper/new/n"), CAPABILITY, &rights, XattrFlags::empty()).is_ok() {
            assert_eq!(problems(&upper, &base).unwrap()[0].what, "has capabilities");
        }
    }
}
