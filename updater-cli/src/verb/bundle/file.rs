//! Files that are written whole or not at all, and heads that are changed in place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// A file that takes its name when it is complete; dropped before, it goes away.
pub struct NewFile {
    file: File,
    path: PathBuf,
    wanted: PathBuf,
    done: bool,
}

impl NewFile {
    /// Opens a new file in the folder of `wanted`, which must not exist unless it may be replaced.
    pub fn beside(wanted: &Path, replace: bool) -> Result<Self, Failure> {
        if !replace && wanted.exists() {
            let what = format!("cannot make {}", wanted.display());
            return Err(Failure::new(Exit::Usage, what, "it exists", "remove it, or give --force"));
        }
        let mut name = wanted.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = wanted.with_file_name(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| unwritable(&path, &error))?;
        Ok(Self { file, path, wanted: wanted.to_owned(), done: false })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives it its name: a cut leaves the old file, or the whole new one.
    ///
    /// # Durability
    /// The file is flushed before it takes its name, and its folder after.
    pub fn commit(mut self) -> Result<(), Failure> {
        let failed = |error| unwritable(&self.wanted, &error);
        let folder = match self.wanted.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // Opened before the name changes: who may not read the folder is told while there is nothing to be undone.
        let folder = File::open(folder).map_err(failed)?;
        self.file.sync_all().and_then(|()| fs::rename(&self.path, &self.wanted)).map_err(failed)?;
        self.done = true;
        folder.sync_all().map_err(failed)
    }
}

impl Drop for NewFile {
    /// Nothing of an unfinished file is kept; that it could not be removed helps nobody to know.
    fn drop(&mut self) {
        if !self.done {
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// A file that cannot be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::StorageFull { Exit::NoSpace } else { Exit::Io };
    Failure::new(
        code,
        format!("cannot write {}", path.display()),
        error,
        "check the path, its permissions and the room",
    )
}
