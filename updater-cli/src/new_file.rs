//! Files that the command line names for output: every `-o`, and what a verb writes besides.
//!
//! | what stands there | what becomes of it |
//! |---|---|
//! | nothing | the new file takes the name when it is complete |
//! | a regular file, by its name or through links | the same, with its owner and mode; the links stay |
//! | the same in a folder that takes no new file, or as a mount of its own | written over, when all is known that comes in |
//! | a FIFO, a device, an open descriptor (`/dev/stdout`, `/dev/fd/3`) | written to, when all is known; it stays what it is |
//! | `-` | stdout |
//!
//! So nobody sees half a file where a whole one can be had, and a node is never turned into a file.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use libupdate_linux::Shield;
use libupdate_linux::{Interrupt, file};
use rustix::fs::{Mode, OFlags};

use crate::exit::{self, Exit, Failure};

mod sink;

pub use sink::Went;
use sink::{Kind, Sink};

/// Names to try for an unfinished file, where others are taken.
const ATTEMPTS: u32 = 100;
/// Bytes of a name that leave room for the ending of an unfinished one.
const NAME: usize = 200;
/// Links after links that are followed, as the kernel does.
const LINKS: u32 = 40;
const PERMISSIONS: u32 = 0o7777;

/// What becomes of a file that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Existing {
    /// It stays, and the act is refused.
    #[default]
    Stays,
    /// It is replaced.
    Replaced,
}

/// A file in the making. Dropped before it is committed, it leaves nothing behind; no signal ends the process meanwhile.
#[derive(Debug)]
pub struct NewFile<'i> {
    file: File,
    wanted: PathBuf,
    way: Way,
    interrupt: &'i Interrupt,
    /// Dropped last: a second signal must not come before the unfinished file is removed.
    _shield: Shield,
}

#[derive(Debug)]
enum Way {
    /// Takes the name `target` by a rename.
    Beside { unfinished: PathBuf, target: PathBuf, replaced: Option<Box<Metadata>> },
    /// Is copied out of a nameless file.
    Through(Sink),
    /// Has its name.
    Done,
}

impl<'i> NewFile<'i> {
    /// Begins a file that is to stand at `wanted`.
    ///
    /// # Errors
    /// [`Exit::Usage`] where a file is there that stays; what the system says.
    pub fn begin(wanted: &Path, existing: Existing, interrupt: &'i Interrupt) -> Result<Self, Failure> {
        let shield = interrupt.shield();
        let failed = |error: io::Error| unwritten(wanted, &error);
        let there = there(wanted).map_err(failed)?;
        let (file, way) = begun(wanted, there, interrupt).map_err(failed)?;
        if existing == Existing::Stays && way.loses_something() {
            let what = format!("cannot make {}", wanted.display());
            way.discard();
            return Err(Failure::new(Exit::Usage, what, "it exists", "remove it, or give --force"));
        }
        Ok(Self { file, wanted: wanted.to_owned(), way, interrupt, _shield: shield })
    }

    /// The open file, which can be read and sought.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it where it was wanted: a cut leaves the old file, or the whole new one, where it has a name of its own.
    ///
    /// # Durability
    /// The file is flushed before it takes its name, and its folder after.
    ///
    /// # Errors
    /// What the system says; [`Exit::Interrupted`] where a signal came while a pipe was written to.
    pub fn commit(mut self) -> Result<Went, Failure> {
        self.put().map_err(|error| unwritten(&self.wanted, &error))
    }

    fn put(&mut self) -> io::Result<Went> {
        match &self.way {
            Way::Through(sink) => sink.take(&mut self.file, self.interrupt),
            Way::Done => Ok(Went::Elsewhere),
            Way::Beside { unfinished, target, replaced } => {
                if let Some(facts) = replaced {
                    like(&self.file, facts)?;
                }
                // Opened before the name changes: who may not read the folder is told while there is nothing to be undone.
                let folder = File::open(folder_of(target))?;
                self.file.sync_all()?;
                match fs::rename(unfinished, target) {
                    // A mount of this one file, as containers have it, has no other name.
                    Err(error) if error.kind() == ErrorKind::ResourceBusy && replaced.is_some() => {
                        return Sink::open(target, Kind::File, self.interrupt)?.take(&mut self.file, self.interrupt);
                    }
                    answer => answer?,
                }
                self.way = Way::Done;
                folder.sync_all()?;
                Ok(Went::Elsewhere)
            }
        }
    }
}

impl Drop for NewFile<'_> {
    /// Nothing of an unfinished file is kept; that it could not be removed helps nobody to know.
    fn drop(&mut self) {
        self.way.discard();
    }
}

impl Way {
    /// Whether what is there would be gone. What somebody has opened for this program is there to be written.
    const fn loses_something(&self) -> bool {
        match self {
            Self::Beside { replaced, .. } => replaced.is_some(),
            Self::Through(sink) => sink.loses_something(),
            Self::Done => false,
        }
    }

    fn discard(&self) {
        if let Self::Beside { unfinished, .. } = self {
            fs::remove_file(unfinished).unwrap_or_default();
        }
    }
}

fn there(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        _ if path == Path::new("-") => Ok(None),
        Ok(facts) if facts.is_dir() => {
            Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder: name a file in it"))
        }
        Ok(facts) => Ok(Some(facts)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file to be filled, and what becomes of it.
fn begun(wanted: &Path, there: Option<Metadata>, interrupt: &Interrupt) -> io::Result<(File, Way)> {
    if wanted == Path::new("-") {
        return Ok((nameless()?, Way::Through(Sink::stdout()?)));
    }
    if let Some(sink) = there.as_ref().and_then(Sink::of_own_stream) {
        return Ok((nameless()?, Way::Through(sink?)));
    }
    let in_place = |kind| Ok((nameless()?, Way::Through(Sink::open(wanted, kind, interrupt)?)));
    match &there {
        Some(facts) if facts.file_type().is_block_device() => return in_place(Kind::Disk),
        Some(facts) if !facts.is_file() => return in_place(Kind::Stream),
        Some(_) if of_a_descriptor(wanted)? => return in_place(Kind::Opened),
        _ => {}
    }
    let target = target(wanted)?;
    // What is replaced may be secret, until its mode is known to be the new one's.
    let mode = if there.is_some() { Mode::RUSR | Mode::WUSR } else { Mode::from_bits_truncate(0o666) };
    match unfinished(&target, mode) {
        Ok((file, unfinished)) => Ok((file, Way::Beside { unfinished, target, replaced: there.map(Box::new) })),
        Err(error) if there.is_some() && denied(&error) => in_place(Kind::File),
        Err(error) => Err(error),
    }
}

fn denied(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Whether the path is the name of an open descriptor: what it leads to may have no name, or another one.
fn of_a_descriptor(path: &Path) -> io::Result<bool> {
    Ok(fs::canonicalize(folder_of(path))?.starts_with("/proc"))
}

/// Where the links lead, also those that lead to nothing yet.
pub fn target(wanted: &Path) -> io::Result<PathBuf> {
    let mut path = wanted.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "too many links that lead to links"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A new file in the folder of `target`, under a name that nothing had.
fn unfinished(target: &Path, mode: Mode) -> io::Result<(File, PathBuf)> {
    let name = target.file_name().unwrap_or_default().as_bytes();
    let name = OsStr::from_bytes(name.get(..NAME).unwrap_or(name));
    let id = std::process::id();
    let mut taken = ErrorKind::AlreadyExists.into();
    for attempt in 0..ATTEMPTS {
        let mut unfinished = OsString::from(name);
        unfinished.push(if attempt == 0 { format!(".{id}.tmp") } else { format!(".{id}-{attempt}.tmp") });
        let path = folder_of(target).join(unfinished);
        match file::create(&path, OFlags::RDWR, mode) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// A file without a name, for bytes that are on their way.
pub fn nameless() -> io::Result<File> {
    let folder = std::env::temp_dir();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let (file, path) = unfinished(&folder.join("updater"), Mode::RUSR | Mode::WUSR).map_err(named)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Owner and mode as they were. Who may not give a file away keeps it, and gives nobody more rights than there were.
fn like(file: &File, facts: &Metadata) -> io::Result<()> {
    let mode = facts.permissions().mode() & PERMISSIONS;
    let now = file.metadata()?;
    let moved = (now.uid(), now.gid()) != (facts.uid(), facts.gid());
    let kept = !moved || fchown(file.as_fd(), Some(facts.uid()), Some(facts.gid())).is_ok();
    let of_group = kept || fchown(file.as_fd(), None, Some(facts.gid())).is_ok();
    file.set_permissions(Permissions::from_mode(if of_group { mode } else { mode & !0o070 }))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    if error.kind() != ErrorKind::Interrupted {
        return unwritable(path, error);
    }
    let (what, next) = (format!("cannot write {}", path.display()), "run the same command again, it begins anew");
    Failure::new(Exit::Interrupted, what, "interrupted", next)
}

/// A file that cannot be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let what = format!("cannot write {}", path.display());
    let (code, next) = exit::no_room(error).unwrap_or((Exit::Io, "check the path, its permissions and the room"));
    Failure::new(code, what, error, next)
}

#[cfg(test)]
mod tests;
