//! Where a profile is found, and how it is read.

use std::io::ErrorKind;
use std::path::Path;

use libupdate::units::limits::PROFILE_BYTES;

use super::board::Profile;
use super::error::{ProfileError, ProfileErrorKind as Kind};
use super::judge::{self, Broken};
use crate::file;

/// The profile of a device.
const DEVICE_PROFILE: &str = "/etc/updater/profile.toml";
/// Where profiles stand by name, the administrator's first.
const FOLDERS: [&str; 2] = ["/etc/updater/profiles", "/usr/share/updater/profiles"];
/// What relative paths of a built-in profile start from.
pub(super) const BUILT_IN_BASE: &str = "/etc/updater";
/// Profiles inside the program.
pub(super) const BUILT_IN: [(&str, &str); 5] = [
    ("qemu-x86_64", include_str!("../../profiles/qemu-x86_64.toml")),
    ("generic-x86_64-uefi", include_str!("../../profiles/generic-x86_64-uefi.toml")),
    ("qemu-aarch64", include_str!("../../profiles/qemu-aarch64.toml")),
    ("raspberrypi4", include_str!("../../profiles/raspberrypi4.toml")),
    ("chromebook", include_str!("../../profiles/chromebook.toml")),
];

impl Profile {
    /// Finds and reads the profile that `--profile` names, or the device's own.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it breaks a rule.
    pub fn load(asked: Option<&str>) -> Result<Self, ProfileError> {
        Self::find(asked, Path::new(DEVICE_PROFILE), &FOLDERS.map(Path::new))
    }

    pub(super) fn find(asked: Option<&str>, device: &Path, folders: &[&Path]) -> Result<Self, ProfileError> {
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

    /// `None` if there is no such file.
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
    /// [`Kind::Broken`].
    pub fn from_text(text: &str, origin: &str, base: &Path) -> Result<Self, ProfileError> {
        let mut profile = judge::profile(text).map_err(|broken| refused(broken, text, origin))?;
        let trust = &mut profile.trust;
        trust.keys.iter_mut().chain(&mut trust.folder).for_each(|path| *path = base.join(&*path));
        Ok(profile)
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
