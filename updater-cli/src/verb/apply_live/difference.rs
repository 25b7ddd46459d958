//! What differs between `/usr` of two versions, and whether a running system may take it. The judgement is pure.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::verb::live::guard;
use crate::verb::live::layer::{self, Change, Entry};

/// Files of one folder tree.
const ENTRIES: usize = 500_000;
const PAGE: u64 = 4096;

/// What differs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Difference {
    /// Paths below `/usr`.
    pub added: Vec<PathBuf>,
    pub changed: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
    /// Bytes of what is added or changed, in memory: whole pages.
    pub bytes: u64,
}

/// A file that a running system does not take well, and what it is.
pub type Guarded = (String, &'static str);

/// How a difference is laid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Under the folder that runs: what that lacks is seen, and nothing else.
    Below,
    /// Over it, with marks for what is removed.
    Above,
    /// The same of copies of some files, which are memory.
    Copied,
}

/// Compares two trees, byte for byte.
///
/// # Errors
/// What the system says; too many files.
pub fn between(old: &Path, new: &Path) -> io::Result<Difference> {
    let mut found = Difference::default();
    let mut folders = vec![PathBuf::new()];
    let mut seen = 0_usize;
    while let Some(folder) = folders.pop() {
        let (ours, theirs) = (names(&old.join(&folder))?, names(&new.join(&folder))?);
        seen = seen.saturating_add(ours.len()).saturating_add(theirs.len());
        if seen > ENTRIES {
            return Err(io::Error::other(format!("more than {ENTRIES} files")));
        }
        found.removed.extend(ours.iter().filter(|name| !theirs.contains(name)).map(|name| folder.join(name)));
        for name in theirs {
            let path = folder.join(&name);
            let facts = fs::symlink_metadata(new.join(&path))?;
            let bytes = pages(&facts);
            if ours.binary_search(&name).is_err() {
                found.added.push(path.clone());
                found.bytes = found.bytes.saturating_add(bytes);
                if facts.is_dir() {
                    whole(new, &path, &mut found)?;
                }
            } else if facts.is_dir() && fs::symlink_metadata(old.join(&path))?.is_dir() {
                folders.push(path);
            } else if !layer::are_equal(&old.join(&path), &new.join(&path))? {
                found.changed.push(path);
                found.bytes = found.bytes.saturating_add(bytes);
            }
        }
    }
    [&mut found.added, &mut found.changed, &mut found.removed].into_iter().for_each(|paths| paths.sort());
    Ok(found)
}

fn whole(new: &Path, folder: &Path, found: &mut Difference) -> io::Result<()> {
    for Entry { path, bytes, .. } in layer::entries(&new.join(folder), Path::new("/nowhere"))? {
        found.added.push(folder.join(path));
        found.bytes = found.bytes.saturating_add(bytes.next_multiple_of(PAGE));
    }
    Ok(())
}

fn is_folder(root: &Path, path: &Path) -> bool {
    fs::symlink_metadata(root.join(path)).is_ok_and(|facts| facts.is_dir())
}

fn pages(facts: &Metadata) -> u64 {
    if facts.is_file() { facts.len().next_multiple_of(PAGE) } else { 0 }
}

fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

impl Difference {
    /// Only what is one of these, or below one. Folders above stay, which have to be there.
    #[must_use]
    pub fn only(self, wanted: &[PathBuf], new: &Path) -> Self {
        let is_wanted = |path: &PathBuf| wanted.iter().any(|wanted| path.starts_with(wanted));
        let kept = |paths: Vec<PathBuf>| paths.into_iter().filter(is_wanted).collect::<Vec<_>>();
        let (added, changed, removed) = (kept(self.added), kept(self.changed), kept(self.removed));
        let len = |path: &PathBuf| fs::symlink_metadata(new.join(path)).map_or(0, |facts| pages(&facts));
        let bytes = added.iter().chain(&changed).map(len).sum();
        Self { added, changed, removed, bytes }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// Files that a running system does not take well, also those of folders that are removed as a whole.
    ///
    /// # Errors
    /// What the system says; too many.
    pub fn guarded(&self, old: &Path, new: &Path) -> io::Result<Vec<Guarded>> {
        let mut files: Vec<PathBuf> =
            self.added.iter().chain(&self.changed).filter(|path| !is_folder(new, path)).cloned().collect();
        for path in &self.removed {
            if is_folder(old, path) {
                let inside = layer::entries(&old.join(path), Path::new("/nowhere"))?;
                files.extend(inside.into_iter().filter(|entry| !entry.is_folder).map(|entry| path.join(entry.path)));
            } else {
                files.push(path.clone());
            }
        }
        let guarded = |path: &PathBuf| {
            let path = Path::new("usr").join(path);
            let what = guard::guarded(&path.to_string_lossy())?;
            // Its name is what an update is for.
            (what != guard::NAME).then(|| (format!("/{}", path.display()), what))
        };
        Ok(files.iter().filter_map(guarded).collect())
    }

    /// How it is laid.
    #[must_use]
    pub const fn how(&self, only: bool) -> How {
        match (only, self.changed.is_empty() && self.removed.is_empty()) {
            (true, _) => How::Copied,
            (false, true) => How::Below,
            (false, false) => How::Above,
        }
    }

    /// Each with what becomes of it.
    pub fn each(&self) -> impl Iterator<Item = (Change, &PathBuf)> {
        let added = self.added.iter().map(|path| (Change::Added, path));
        let changed = self.changed.iter().map(|path| (Change::Changed, path));
        added.chain(changed).chain(self.removed.iter().map(|path| (Change::Removed, path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let files = [
            ("old/bin/a", "a"),
            ("new/bin/a", "b"),
            ("old/bin/same", "s"),
            ("new/bin/same", "s"),
            ("old/gone/x", "x"),
            ("new/lib/new/y", "yy"),
            ("new/lib/modules/6/k.ko", "k"),
            ("new/lib/os-release", "2"),
        ];
        for (path, text) in files {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        place
    }

    fn paths(list: &[&str]) -> Vec<PathBuf> {
        list.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn two_versions_are_compared_byte_for_byte() {
        let place = trees();
        let (old, new) = (place.path().join("old"), place.path().join("new"));
        let found = between(&old, &new).unwrap();
        assert_eq!(found.changed, paths(&["bin/a"]));
        assert_eq!(found.removed, paths(&["gone"]));
        assert_eq!(
            found.added,
            paths(&[
                "lib",
                "lib/modules",
                "lib/modules/6",
                "lib/modules/6/k.ko",
                "lib/new",
                "lib/new/y",
                "lib/os-release"
            ])
        );
        assert_eq!(found.bytes, 4 * 4096);
        assert_eq!(
            found.guarded(&old, &new).unwrap(),
            [("/usr/lib/modules/6/k.ko".to_owned(), "the kernel, or a module of it")]
        );
        assert_eq!((found.how(false), found.how(true)), (How::Above, How::Copied));
        let only = found.only(&paths(&["lib/new"]), &new);
        assert_eq!(
            (only.added.clone(), only.bytes, only.how(false)),
            (paths(&["lib/new", "lib/new/y"]), 4096, How::Below)
        );
        // The other way, where they go with a folder.
        let back = between(&new, &old).unwrap();
        assert_eq!((back.removed.clone(), back.guarded(&new, &old).unwrap().len()), (paths(&["lib"]), 1));
        assert!(between(&old, &old).unwrap().is_empty());
    }
}
