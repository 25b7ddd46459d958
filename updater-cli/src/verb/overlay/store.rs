//! Which overlays there are, and where what they hold is.
//!
//! ```text
//!  /var/lib/updater/overlays/     those that are kept
//!  /run/updater/overlays/         those that are memory: each a file system of its own
//!      set.json                   the overlays; changed by one rename
//!      NAME/upper, NAME/work      what one holds
//!      removed/                   what `remove --keep-data` has put aside
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::overlay::Place;
use libupdate_linux::{file, filesystem, mounts};
use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};

use crate::cli::overlay::{Keep, Scope};
use crate::exit::{self, Exit, Failure};
use crate::output;
use crate::verb::live::LiveOverlay;
use crate::verb::live::layer;

const KEPT: &str = "/var/lib/updater/overlays";
const PASSING: &str = "/run/updater/overlays";
const SET: &str = "set.json";
const REMOVED: &str = "removed";
/// Overlays of one kind: their layers, and those of packs, have to fit a page of the kernel.
const OVERLAYS: usize = 8;
const NAME_BYTES: usize = 32;
/// Names that are tried for what is put aside.
const ASIDE: u32 = 1000;

/// An overlay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Overlay {
    pub name: String,
    pub scope: Scope,
    pub keep: Keep,
    pub priority: i32,
    pub enabled: bool,
    pub read_only: bool,
    /// The most that it holds, if it is memory.
    pub size_bytes: Option<u64>,
    /// Root hash of the version that it changes, if it is kept for one.
    pub root_hash: Option<String>,
    /// Why it is off, if no person has turned it off.
    pub off: Option<String>,
}

/// The overlays of one folder.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Set {
    overlays: Vec<Overlay>,
    /// The fallback that a person knew of when one was made or turned on.
    settled: Option<String>,
}

/// All overlays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overlays {
    kept: Set,
    passing: Set,
}

impl Scope {
    /// The folder that it is laid over.
    pub fn place(self) -> Place {
        Place::of(match self {
            Self::Usr | Self::User => "usr",
            Self::Etc => "etc",
            Self::Opt => "opt",
        })
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usr => "usr",
            Self::Etc => "etc",
            Self::Opt => "opt",
            Self::User => "user",
        }
    }
}

impl Keep {
    fn folder(self) -> &'static Path {
        Path::new(if self == Self::None { PASSING } else { KEPT })
    }
}

impl Overlay {
    /// The folder of what it holds.
    pub fn data(&self) -> PathBuf {
        self.keep.folder().join(&self.name)
    }

    /// Its layer.
    pub fn upper(&self) -> PathBuf {
        self.data().join("upper")
    }

    /// As it is laid.
    pub fn live(&self) -> LiveOverlay {
        let place = self.scope.place().name().to_owned();
        LiveOverlay { name: self.name.clone(), place, data: self.data(), read_only: self.read_only }
    }

    /// Makes what it needs where it is missing: an empty layer that looks like the folder.
    ///
    /// # Durability
    /// It is on the medium when it returns, if it is kept.
    pub fn make(&self) -> Result<(), Failure> {
        let made = || {
            let (data, base) = (self.data(), self.scope.place().base());
            file::folder(self.keep.folder())?;
            if !data.is_dir() {
                fs::DirBuilder::new().mode(0o700).create(&data)?;
            }
            if let Some(bytes) = self.size_bytes.filter(|_| !is_mounted(&data)) {
                let options = format!("size={bytes},mode=0700");
                let options = std::ffi::CString::new(options)?;
                rustix::mount::mount("updater-overlay", &data, "tmpfs", MountFlags::NODEV, Some(options.as_c_str()))?;
            }
            for folder in ["upper", "work"] {
                let path = data.join(folder);
                if !path.is_dir() {
                    fs::create_dir(&path)?;
                    let like = fs::metadata(&base)?;
                    chown(&path, Some(like.uid()), Some(like.gid()))?;
                    fs::set_permissions(&path, like.permissions())?;
                    layer::copy_attributes(&base, &path)?;
                }
            }
            if self.keep == Keep::None { Ok(()) } else { layer::flush(&data) }
        };
        made().map_err(|error| failed(&self.data(), &error))
    }

    /// Removes what it holds.
    pub fn drop_data(&self) -> Result<(), Failure> {
        dropped(&self.data()).map_err(|error| failed(&self.data(), &error))
    }

    /// Puts what it holds aside. Where it is then.
    pub fn put_aside(&self) -> Result<PathBuf, Failure> {
        let aside = self.keep.folder().join(REMOVED);
        let moved = || {
            file::folder(&aside)?;
            for number in 1..=ASIDE {
                let place = aside.join(format!("{}-{number}", self.name));
                if fs::symlink_metadata(&place).is_err() {
                    fs::rename(self.data(), &place)?;
                    flush(&aside)?;
                    flush(self.keep.folder())?;
                    return Ok(place);
                }
            }
            Err(io::Error::other(format!("{ASIDE} are there already")))
        };
        moved().map_err(|error| failed(&aside, &error))
    }
}

impl Overlays {
    /// Those that there are.
    pub fn read() -> Result<Self, Failure> {
        Ok(Self { kept: set(Keep::Boot)?, passing: set(Keep::None)? })
    }

    /// All of them, the one on top first.
    pub fn all(&self) -> Vec<&Overlay> {
        let mut all: Vec<&Overlay> = self.kept.overlays.iter().chain(&self.passing.overlays).collect();
        all.sort_by(|one, other| other.priority.cmp(&one.priority).then_with(|| one.name.cmp(&other.name)));
        all
    }

    /// Those that are kept.
    pub fn kept(&self) -> &[Overlay] {
        &self.kept.overlays
    }

    /// One by its name.
    pub fn named(&self, name: &str) -> Result<&Overlay, Failure> {
        let found = self.all().into_iter().find(|overlay| overlay.name == name);
        found.ok_or_else(|| {
            let why = format!("there is no overlay {name}");
            Failure::new(Exit::Usage, "", why, "`overlay list` shows those that there are")
        })
    }

    /// The fallback that a person knows of.
    pub const fn settled(&self) -> Option<&String> {
        self.kept.settled.as_ref()
    }

    /// The same, with this one, in the place of one of its name.
    ///
    /// # Errors
    /// Where it would be one too many.
    pub fn with(&self, overlay: Overlay) -> Result<Self, Failure> {
        let mut new = self.without(&overlay.name);
        let set = if overlay.keep == Keep::None { &mut new.passing } else { &mut new.kept };
        if set.overlays.len() >= OVERLAYS {
            let why = format!("there are {OVERLAYS} overlays, and more are more than one system takes");
            return Err(Failure::new(Exit::Refused, "", why, "remove one"));
        }
        set.overlays.push(overlay);
        Ok(new)
    }

    /// The same without one.
    pub fn without(&self, name: &str) -> Self {
        let mut new = self.clone();
        for set in [&mut new.kept, &mut new.passing] {
            set.overlays.retain(|overlay| overlay.name != name);
        }
        new
    }

    /// The same, where a person knows of the last fallback.
    pub fn settling(mut self, fallback: Option<String>) -> Self {
        self.kept.settled = fallback;
        self
    }

    /// The same with those that are kept off.
    pub fn all_off(&self, why: &str) -> Self {
        let mut new = self.clone();
        for overlay in new.kept.overlays.iter_mut().filter(|overlay| overlay.enabled) {
            (overlay.enabled, overlay.off) = (false, Some(why.to_owned()));
        }
        new
    }

    /// Puts it in the place of what counts.
    ///
    /// # Durability
    /// It is on the medium when it returns. A cut leaves the old set or the new one.
    pub fn write(&self, old: &Self) -> Result<(), Failure> {
        if self.kept != old.kept {
            write(Keep::Boot, &self.kept)?;
        }
        if self.passing != old.passing {
            write(Keep::None, &self.passing)?;
        }
        Ok(())
    }

    /// Writes the set that a new overlay comes into, where there is none: from then on what it does not name is what a cut has left.
    pub fn begin(&self, keep: Keep) -> Result<(), Failure> {
        let (path, set) = (keep.folder().join(SET), if keep == Keep::None { &self.passing } else { &self.kept });
        if path.exists() { Ok(()) } else { write(keep, set) }
    }

    /// Removes what no overlay holds: what a cut has left. Where no set is, one may be lost, and nothing is removed.
    pub fn sweep(&self) -> Result<(), Failure> {
        for (keep, set) in [(Keep::Boot, &self.kept), (Keep::None, &self.passing)] {
            if !keep.folder().join(SET).exists() {
                continue;
            }
            for entry in fs::read_dir(keep.folder()).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                let stays = set.overlays.iter().any(|overlay| *overlay.name == *name) || name == REMOVED;
                if path.is_dir() && !stays {
                    dropped(&path).map_err(|error| failed(&path, &error))?;
                }
            }
        }
        Ok(())
    }
}

/// A name that an overlay may have.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(plain) && !name.starts_with('-') && name != REMOVED
}

fn set(keep: Keep) -> Result<Set, Failure> {
    let path = keep.folder().join(SET);
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::new(
            Exit::Io,
            format!("cannot read {}", path.display()),
            why,
            "move that folder elsewhere, where what the overlays held can be looked at, and make them again",
        )
    };
    let read = file::read_state(&path, STATE_BYTES);
    match read.and_then(|text| serde_json::from_str::<Set>(&text).map_err(io::Error::from)) {
        Ok(set) if set.overlays.iter().all(|overlay| is_name(&overlay.name)) => Ok(set),
        Ok(_) => Err(unusable(&"it is no list of overlays")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Set::default()),
        Err(error) => Err(unusable(&error)),
    }
}

fn write(keep: Keep, set: &Set) -> Result<(), Failure> {
    let path = keep.folder().join(SET);
    let text = output::json(set).map_err(io::Error::from);
    let written = text.and_then(|text| file::write_state(&path, text.as_bytes())).and_then(|()| flush(keep.folder()));
    written.map_err(|error| failed(&path, &error))
}

fn dropped(data: &Path) -> io::Result<()> {
    while is_mounted(data) {
        filesystem::unmount(data);
    }
    match fs::remove_dir_all(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_mounted(at: &Path) -> bool {
    mounts::all().is_ok_and(|mounts| mounts::seen(&mounts, at).is_some())
}

/// A failure to write.
pub fn failed(path: &Path, error: &io::Error) -> Failure {
    let next = "see the kernel log (dmesg), then run the same command again";
    let (code, next) = exit::no_room(error).unwrap_or((Exit::Io, next));
    Failure::new(code, "", format!("{} cannot be written: {error}", path.display()), next)
}

fn flush(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
pub mod fixture {
    use super::*;

    /// An overlay over `/usr`.
    pub fn overlay(name: &str, keep: Keep, priority: i32) -> Overlay {
        Overlay {
            name: name.to_owned(),
            scope: Scope::Usr,
            keep,
            priority,
            enabled: true,
            read_only: false,
            size_bytes: None,
            root_hash: None,
            off: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::overlay;
    use super::*;

    #[test]
    fn the_highest_priority_is_on_top_and_names_are_taken_once() {
        let mut all = Overlays::default();
        for (name, keep, priority) in [("b", Keep::None, 0), ("a", Keep::Boot, 0), ("z", Keep::Version, 5)] {
            all = all.with(overlay(name, keep, priority)).unwrap();
        }
        let names = |all: &Overlays| all.all().iter().map(|overlay| overlay.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&all), ["z", "a", "b"]);
        let moved = all.with(overlay("z", Keep::None, -1)).unwrap();
        assert_eq!((names(&moved), moved.kept().len()), (vec!["a".into(), "b".into(), "z".into()], 1));
        assert_eq!(names(&all.without("a")), ["z", "b"]);
        assert!(all.named("c").is_err());
        let off = all.all_off("why");
        assert!(off.kept().iter().all(|overlay| !overlay.enabled && overlay.off.as_deref() == Some("why")));
        assert!(off.named("b").unwrap().enabled);
    }

    #[test]
    fn there_is_a_bound() {
        let mut all = Overlays::default();
        for number in 0..OVERLAYS {
            all = all.with(overlay(&format!("o{number}"), Keep::None, 0)).unwrap();
        }
        assert_eq!(all.with(overlay("more", Keep::None, 0)).unwrap_err().code, Exit::Refused);
        assert!(all.with(overlay("o1", Keep::None, 1)).is_ok());
    }

    #[test]
    fn names_are_plain() {
        assert!(["a", "fix-1", "0"].iter().all(|name| is_name(name)));
        let long = "a".repeat(33);
        assert!(["", "-a", "A", "a/b", "..", "a:b", "a,b", "removed", &long].iter().all(|name| !is_name(name)));
    }
}
