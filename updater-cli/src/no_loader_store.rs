//! The store of a boot loader that chooses by itself: not written, where the program is built without the feature `boot-loaders`.

use std::path::Path;

use libupdate::loader::Loader;
use libupdate_linux::GuardedDisk;
use libupdate_linux::profile::Profile;

use crate::exit::{Exit, Failure};

/// A device whose boot loader would not follow is not changed.
pub fn open(profile: &Profile, _: Option<&Path>) -> Result<Option<Box<dyn Loader<GuardedDisk>>>, Failure> {
    let Some(loader) = &profile.loader else { return Ok(None) };
    let why = format!(
        "the profile has loader = \"{}\", and this program is built without the feature boot-loaders",
        loader.kind.word()
    );
    Err(Failure::new(Exit::Usage, "", why, "use a program with that feature"))
}
