//! A mounted image is looked through before it is merged: what an extension may bring, and what of it is guarded.
//!
//! 1. Folders, files and links below `usr` and `opt`, and nothing else: no device node, no pipe, no socket.
//! 2. Nothing that overlays read as an order: no whiteout, no opaque folder, no attribute of theirs.
//! 3. No file with rights of its own: no setuid, no setgid, no capabilities.
//! 4. At most [`ENTRIES`] of all.
//! 5. A folder where the system has none, or none where it has one, would hide all that is there ([`hides`]).
//!
//! These hold with `--force`, too. Links are never followed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use libupdate_linux::Interrupt;
use libupdate_linux::overlay::Place;
use rustix::io::Errno;

use crate::exit::{Exit, Failure};
use crate::verb::live::guard;

/// Files, folders and links of one image.
const ENTRIES: usize = 10_000;
/// Bytes of the names of one file's attributes.
const ATTRIBUTES: usize = 4 << 10;
const SET_ID: u32 = 0o6000;
const NEXT: &str = "make the pack again without it";

/// A guarded file, and what it is.
pub type Guarded = (String, &'static str);

/// Looks through the image that is mounted at `root`. Gives the guarded files that it brings.
///
/// # Errors
/// The first rule that is broken, and by what.
pub fn walk(root: &Path, interrupt: &Interrupt) -> Result<Vec<Guarded>, Failure> {
    let mut guarded = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut entries = 0_usize;
    while let Some(folder) = folders.pop() {
        if interrupt.requested() {
            return Err(Failure::new(Exit::Interrupted, "", "interrupted", "run the same command again"));
        }
        for entry in fs::read_dir(root.join(&folder)).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            entries = entries.saturating_add(1);
            if entries > ENTRIES {
                let why = format!("the image has more than {ENTRIES} files");
                return Err(Failure::new(Exit::Refused, "", why, "make a release of it: a pack is for few files"));
            }
            let path = folder.join(entry.file_name());
            let whole = root.join(&path);
            let facts = fs::symlink_metadata(&whole).map_err(|error| unreadable(&path, &error))?;
            let broken = rule(&path, &facts).or_else(|| attributes(&whole)).or_else(|| attributes_of(&whole, &facts));
            if let Some(broken) = broken {
                let why = format!("/{} {broken}", path.display());
                return Err(Failure::new(Exit::Refused, "", why, NEXT));
            }
            if facts.is_dir() {
                folders.push(path);
            } else if let Some(what) = guard::guarded(&path.to_string_lossy()) {
                guarded.push((format!("/{}", path.display()), what));
            }
        }
    }
    let top = attributes(root).map(|broken| Failure::new(Exit::Refused, "", format!("/ {broken}"), NEXT));
    guarded.sort();
    top.map_or(Ok(guarded), Err)
}

/// The first entry of the image at `root` that is a folder and is none in the system without packs, or the other way: all that is there would be hidden.
///
/// # Errors
/// What the system says.
pub fn hides(root: &Path) -> io::Result<Option<String>> {
    let places = ["usr", "opt"].map(|name| (PathBuf::from(name), Place::of(name).base()));
    hides_of(root, &places)
}

fn hides_of(root: &Path, places: &[(PathBuf, PathBuf)]) -> io::Result<Option<String>> {
    for (top, base) in places {
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(root.join(&folder)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                let is_folder = entry.file_type()?.is_dir();
                let inside = path.strip_prefix(top).unwrap_or(&path);
                match fs::symlink_metadata(base.join(inside)) {
                    Ok(there) if there.is_dir() != is_folder => return Ok(Some(format!("/{}", path.display()))),
                    // What is new hides nothing, and neither does what is in it.
                    Ok(_) if is_folder => folders.push(path),
                    _ => {}
                }
            }
        }
    }
    Ok(None)
}

/// The rule that an entry breaks by what it is, and where.
fn rule(path: &Path, facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    let top = path.components().count() == 1;
    if !path.starts_with("usr") && !path.starts_with("opt") {
        return Some("is outside of /usr and /opt");
    }
    if top && !kind.is_dir() {
        return Some("is no folder");
    }
    if kind.is_char_device() && facts.rdev() == 0 {
        return Some("is a whiteout: it would hide a file");
    }
    if kind.is_char_device() || kind.is_block_device() {
        return Some("is a device node");
    }
    if kind.is_fifo() || kind.is_socket() {
        return Some("is a pipe or a socket");
    }
    if kind.is_file() && facts.mode() & SET_ID != 0 {
        return Some("is setuid or setgid");
    }
    None
}

/// Attributes that overlays obey.
fn attributes(path: &Path) -> Option<&'static str> {
    let overlay = |name: &str| name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
    names(path).iter().any(|name| overlay(name)).then_some("has an attribute of overlays: it would hide files")
}

fn attributes_of(path: &Path, facts: &Metadata) -> Option<&'static str> {
    let rights = facts.is_file() && names(path).iter().any(|name| name == "security.capability");
    rights.then_some("has capabilities")
}

/// Names of the attributes; one that nobody can be sure of counts as an overlay's.
fn names(path: &Path) -> Vec<String> {
    let mut list = vec![0_u8; ATTRIBUTES];
    match rustix::fs::llistxattr(path, list.as_mut_slice()) {
        Ok(len) => {
            let names = list.get(..len).unwrap_or_default().split(|byte| *byte == 0);
            names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
        }
        Err(Errno::OPNOTSUPP) => Vec::new(),
        Err(_) => vec!["trusted.overlay.unknown".to_owned()],
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let next = "make the pack again, from an image that `fsck.erofs` or `unsquashfs` reads";
    Failure::new(Exit::NotAuthentic, "", format!("/{} cannot be read: {error}", path.display()), next)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn image() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        fs::create_dir_all(root.path().join("opt/app")).unwrap();
        fs::write(root.path().join("usr/bin/web"), "x").unwrap();
        symlink("/etc/shadow", root.path().join("opt/app/link")).unwrap();
        root
    }

    fn walked(root: &tempfile::TempDir) -> Result<Vec<Guarded>, Failure> {
        walk(root.path(), &Interrupt::default())
    }

    #[test]
    fn files_folders_and_links_are_all_it_may_have() {
        let root = image();
        assert_eq!(walked(&root).unwrap(), []);
        fs::write(root.path().join("usr/bin/busybox"), "x").unwrap();
        assert_eq!(walked(&root).unwrap(), [("/usr/bin/busybox".to_owned(), "init")]);
        fs::create_dir(root.path().join("etc")).unwrap();
        let refused = walked(&root).unwrap_err();
        assert_eq!((refused.code, refused.why.as_str()), (Exit::Refused, "/etc is outside of /usr and /opt"));
    }

    #[test]
    fn rights_and_pipes_are_refused() {
        let root = image();
        let file = root.path().join("usr/bin/web");
        for mode in [0o4755, 0o2755] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(walked(&root).unwrap_err().why, "/usr/bin/web is setuid or setgid");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("usr/p"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        assert_eq!(walked(&root).unwrap_err().why, "/usr/p is a pipe or a socket");
    }

    #[test]
    fn a_link_at_the_top_is_refused() {
        let root = image();
        fs::remove_dir_all(root.path().join("opt")).unwrap();
        symlink("usr", root.path().join("opt")).unwrap();
        assert_eq!(walked(&root).unwrap_err().why, "/opt is no folder");
    }

    #[test]
    fn a_folder_where_the_system_has_none_hides_what_is_there_and_the_other_way() {
        let (root, base) = (image(), tempfile::tempdir().unwrap());
        let places = [("usr".into(), base.path().to_owned())];
        let hidden = || hides_of(root.path(), &places).unwrap();
        assert_eq!(hidden(), None);
        fs::create_dir_all(base.path().join("bin")).unwrap();
        assert_eq!(hidden(), None);
        symlink("lib", base.path().join("lib64")).unwrap();
        fs::create_dir(root.path().join("usr/lib64")).unwrap();
        assert_eq!(hidden().as_deref(), Some("/usr/lib64"));
        fs::remove_dir(root.path().join("usr/lib64")).unwrap();
        fs::create_dir_all(base.path().join("lib/modules")).unwrap();
        fs::create_dir(root.path().join("usr/lib")).unwrap();
        symlink("/opt/x", root.path().join("usr/lib/modules")).unwrap();
        assert_eq!(hidden().as_deref(), Some("/usr/lib/modules"));
    }

    #[test]
    fn the_number_of_files_has_a_bound() {
        let root = image();
        for number in 0..ENTRIES {
            fs::write(root.path().join(format!("usr/{number}")), "").unwrap();
        }
        assert!(walked(&root).unwrap_err().why.contains("more than 10000 files"));
    }
}
