//! The folder that the demo fills: a new one, or an empty one that was named.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::new_file::unwritable;
use crate::source::unreadable;

/// Numbers to try below the temporary folder; who has this many demos lying about can remove one.
const ATTEMPTS: u32 = 1000;

/// The folder, made and empty, as an absolute path.
pub fn empty(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match asked {
        Some(folder) => named(folder)?,
        None => new_below(&env::temp_dir())?,
    };
    folder.canonicalize().map_err(|error| unreadable(&folder, &error))
}

/// What stands in a folder is somebody's, an earlier demo too: nothing of it is touched.
fn named(folder: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let mut entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    if entries.next().is_some() {
        let what = format!("cannot use {}", folder.display());
        let next = "name an empty or a new folder, or none; what an earlier demo left can be removed";
        return Err(Failure::new(Exit::Usage, what, "the folder is not empty", next));
    }
    Ok(folder.to_owned())
}

/// `mkdir` follows no link and takes no folder that exists, so the guessable name is safe in a shared folder.
fn new_below(parent: &Path) -> Result<PathBuf, Failure> {
    for number in 1..=ATTEMPTS {
        let folder = parent.join(format!("updater-demo-{number}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(&folder, &error)),
        }
    }
    let what = format!("cannot make a folder in {}", parent.display());
    Err(Failure::new(Exit::Usage, what, "every name is taken", "remove updater-demo-*, or name a folder"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_named_folder_is_made_and_taken_when_empty() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/demo");
        assert_eq!(empty(Some(&folder)).unwrap(), folder.canonicalize().unwrap());
        assert_eq!(empty(Some(&folder)).unwrap(), folder.canonicalize().unwrap());
    }

    #[test]
    fn a_folder_with_anything_in_it_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("thesis.txt");
        fs::write(&file, "x").unwrap();
        let failure = empty(Some(folder.path())).unwrap_err();
        assert_eq!((failure.code, failure.why.as_str()), (Exit::Usage, "the folder is not empty"));
        assert_eq!(fs::read(&file).unwrap(), b"x");
        assert_eq!(empty(Some(&file)).unwrap_err().code, Exit::Io);
    }

    #[test]
    fn new_folders_are_private_and_never_one_that_exists() {
        let parent = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| new_below(parent.path()).unwrap());
        assert!(first.ends_with("updater-demo-1") && second.ends_with("updater-demo-2"));
        assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink(&first, parent.path().join("updater-demo-3")).unwrap();
        assert!(new_below(parent.path()).unwrap().ends_with("updater-demo-4"));
    }
}
