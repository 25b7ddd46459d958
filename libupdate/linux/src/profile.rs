//! The profile: data that describes a board. `hardware-profiles/README.md` has every key.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use libupdate::SlotId;
use libupdate::boot::Guard;
use libupdate::gpt::{Attributes, Guid, TriesLeft};
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::units::limits::PROFILE_BYTES;

use crate::file;
use crate::find::Selection;

pub mod boot;
pub mod disk;
mod error;
mod judge;
mod keys;
mod value;

pub use boot::Boot;
pub use error::{ProfileError, ProfileErrorKind, TrustError};
pub use value::{Size, parse_bytes};

use error::ProfileErrorKind as Kind;
use judge::Broken;

/// The profile of a device.
const DEVICE_PROFILE: &str = "/etc/updater/profile.toml";
/// Where profiles stand by name, the administrator's first.
const FOLDERS: [&str; 2] = ["/etc/updater/profiles", "/usr/share/updater/profiles"];
/// What relative paths of a built-in profile start from.
const BUILT_IN_BASE: &str = "/etc/updater";
/// Profiles inside the program.
const BUILT_IN: [(&str, &str); 5] = [
    ("qemu-x86_64", include_str!("../../../hardware-profiles/qemu-x86_64.toml")),
    ("generic-x86_64-uefi", include_str!("../../../hardware-profiles/generic-x86_64-uefi.toml")),
    ("qemu-aarch64", include_str!("../../../hardware-profiles/qemu-aarch64.toml")),
    ("raspberrypi4", include_str!("../../../hardware-profiles/raspberrypi4.toml")),
    ("chromebook", include_str!("../../../hardware-profiles/chromebook.toml")),
];

/// A board.
///
/// # Invariants
/// At least two slots; each has the same roles, one of them the control partition; labels are distinct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What a bundle must be made for.
    pub compatible: String,
    /// Which disk it is.
    pub disk: Selection,
    /// The slots, in order.
    pub slots: Vec<SlotId>,
    /// Boots that a new slot gets.
    pub tries: TriesLeft,
    /// Whether boots of a good slot are counted.
    pub guard: Guard,
    /// The slots' partitions.
    pub partitions: Vec<SlotPartition>,
    /// Every partition of the disk, in table order.
    pub layout: Vec<Planned>,
    /// The trust anchors.
    pub trust: Trust,
    /// What happens at boot.
    pub boot: Boot,
}

/// A partition of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotPartition {
    /// The slot.
    pub slot: SlotId,
    /// What it holds.
    pub role: String,
    /// Its name in the table.
    pub label: String,
    /// Its type.
    pub type_guid: Guid,
    /// Whether its entry carries the slot's bits.
    pub duty: Duty,
}

/// A partition that `provision` makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its name in the table.
    pub label: String,
    /// Its type.
    pub type_guid: Guid,
    /// How large it is made.
    pub size: Size,
    /// Its attribute bits, slot bits not among them.
    pub attributes: Attributes,
    /// Slot and role, where it belongs to a slot.
    pub slot: Option<(SlotId, String)>,
}

/// The keys that sign for the device. Paths are absolute, or relative to the working directory as the profile's own is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    /// Public key files.
    pub keys: Vec<PathBuf>,
    /// A folder of more.
    pub folder: Option<PathBuf>,
    /// How many keys must have signed.
    pub threshold: NonZeroUsize,
}

/// Files that may hold the keys to trust.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustFiles {
    /// Those that somebody named, each of them a key.
    pub named: Vec<PathBuf>,
    /// What lies in the trust folder; also what is no key.
    pub gathered: Vec<PathBuf>,
}

impl Profile {
    /// Finds and reads the profile that `--profile` names, or the device's own.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it breaks a rule.
    pub fn load(asked: Option<&str>) -> Result<Self, ProfileError> {
        Self::find(asked, Path::new(DEVICE_PROFILE), &FOLDERS.map(Path::new))
    }

    fn find(asked: Option<&str>, device: &Path, folders: &[&Path]) -> Result<Self, ProfileError> {
        let Some(asked) = asked else {
            return Self::from_file(device)?.ok_or_else(|| ProfileError::of_file(device, Kind::NoneOfDevice));
        };
        let no_such = |kind| ProfileError::new(asked.to_owned(), kind);
        if asked.contains('/') || asked.ends_with(".toml") {
            return Self::from_file(Path::new(asked))?.ok_or_else(|| no_such(Kind::NoSuchFile));
        }
        for folder in folders {
            if let Some(profile) = Self::from_file(&folder.join(format!("{asked}.toml")))? {
                return Ok(profile);
            }
        }
        match BUILT_IN.iter().find(|(name, _)| *name == asked) {
            Some((name, text)) => Self::from_text(text, &format!("built-in profile {name}"), Path::new(BUILT_IN_BASE)),
            None => Err(no_such(Kind::NoSuchName)),
        }
    }

    /// `None` where there is no such file.
    fn from_file(path: &Path) -> Result<Option<Self>, ProfileError> {
        let text = match file::read_text(path, PROFILE_BYTES) {
            Ok(text) if text.trim().is_empty() => return Err(ProfileError::of_file(path, Kind::Empty)),
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ProfileError::of_file(path, Kind::Unreadable(error))),
        };
        let base = path.parent().unwrap_or(Path::new(""));
        Self::from_text(&text, &path.display().to_string(), base).map(Some)
    }

    /// Reads a profile's text. `origin` is its name in messages; paths in it start from `base`.
    ///
    /// # Errors
    /// [`ProfileErrorKind::Broken`].
    pub fn from_text(text: &str, origin: &str, base: &Path) -> Result<Self, ProfileError> {
        let mut profile = judge::profile(text).map_err(|broken| refused(broken, text, origin))?;
        let trust = &mut profile.trust;
        trust.keys.iter_mut().chain(&mut trust.folder).for_each(|path| *path = base.join(&*path));
        Ok(profile)
    }

    /// The slots' partitions, as the core looks for them.
    pub fn specs(&self) -> Vec<PartitionSpec<'_>> {
        self.partitions.iter().map(SlotPartition::spec).collect()
    }

    /// The roles of a slot, in table order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.partitions.iter().filter(|one| one.slot == SlotId::A).map(|one| one.role.as_str())
    }
}

impl SlotPartition {
    /// The partition, as the core looks for it.
    #[must_use]
    pub fn spec(&self) -> PartitionSpec<'_> {
        let Self { slot, role, label, type_guid, duty } = self;
        PartitionSpec { slot: *slot, role, label, type_guid: *type_guid, duty: *duty }
    }
}

impl Trust {
    /// Every key file: the named ones, and what stands in the folder as a `.pub`, by name.
    ///
    /// # Errors
    /// The folder cannot be read, or there is no key at all.
    pub fn files(&self) -> Result<TrustFiles, TrustError> {
        let mut gathered = Vec::new();
        if let Some(folder) = &self.folder {
            let failed = |error| TrustError::Unreadable { folder: folder.clone(), error };
            for entry in fs::read_dir(folder).map_err(failed)? {
                gathered.extend(
                    Some(entry.map_err(failed)?.path()).filter(|path| path.extension().is_some_and(|e| e == "pub")),
                );
            }
            gathered.sort();
        }
        if self.keys.is_empty() && gathered.is_empty() {
            return Err(TrustError::NoKey { folder: self.folder.clone().unwrap_or_default() });
        }
        Ok(TrustFiles { named: self.keys.clone(), gathered })
    }
}

/// The names of the built-in profiles.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

fn refused(broken: Broken, text: &str, origin: &str) -> ProfileError {
    let Broken { place, rule } = broken;
    let line = place.and_then(|place| text.get(..place.start)).map(|before| before.matches('\n').count() + 1);
    ProfileError::new(origin.to_owned(), Kind::Broken { line, rule })
}

#[cfg(test)]
mod tests;
