//! New defaults in `/etc`: files that the new version brings and nobody has. Local edits stay, and `--reset` takes back what nobody has edited since.
//!
//! Only where `/etc` is memory, as the hook lays it over the image: else what is added would outlive the boot that it was for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use libupdate_linux::mounts;

use crate::verb::live::layer::{self, Change};

const ETC: &str = "/etc";
/// The image, where the hook has laid memory over it.
const IMAGE: &str = "/run/updater/image";

/// Files and links that would be added; `new` is the other version's folder.
///
/// # Errors
/// What the system says.
pub fn missing(new: &Path) -> io::Result<Vec<PathBuf>> {
    let mounts = mounts::all()?;
    let is_memory = mounts::seen(&mounts, Path::new("/")).is_some_and(|root| root.kind == "overlay")
        && mounts::seen(&mounts, Path::new(IMAGE)).is_some()
        && mounts::seen(&mounts, Path::new(ETC)).is_none();
    if !is_memory || !new.is_dir() {
        return Ok(Vec::new());
    }
    // What the old image had and is gone, somebody has removed.
    let had = |path: &Path| fs::symlink_metadata(Path::new(IMAGE).join("etc").join(path)).is_ok();
    let entries = layer::entries(new, Path::new(ETC))?;
    let added = entries.into_iter().filter(|entry| entry.change == Change::Added && !entry.is_folder);
    Ok(added.map(|entry| entry.path).filter(|path| !had(path)).collect())
}

/// Adds one.
///
/// # Errors
/// What the system says.
pub fn add(path: &Path, new: &Path) -> io::Result<()> {
    layer::put(&new.join(path), (Path::new(ETC), new), path)
}

/// Takes back those that are still as they were added. The others, which somebody has edited.
pub fn take_back(paths: &[PathBuf], new: &Path) -> Vec<PathBuf> {
    let mut edited = Vec::new();
    for path in paths {
        let (at, was) = (Path::new(ETC).join(path), new.join(path));
        match layer::are_equal(&was, &at) {
            Ok(true) => fs::remove_file(&at).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => edited.push(path.clone()),
        }
    }
    edited
}
