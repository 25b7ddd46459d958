//! The store of a boot loader that chooses by itself: not written, where the program is built without the feature `boot-loaders`.

use std::path::Path;

use libupdate::loader::Loader;
use libupdate_linux::profile::Profile;
use libupdate_linux::{Disk, GuardedDisk};

use crate::exit::{Exit, Failure};

/// What would follow a disk's acts.
pub type Store = Box<dyn Loader<GuardedDisk>>;

/// Whether the disk's system is the one that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runs {
    /// It is.
    Here,
    /// It is not.
    Elsewhere,
}

/// A device whose boot loader would not follow is not changed.
pub fn open(profile: &Profile, _: Option<&Path>, _: Runs) -> Result<Option<Store>, Failure> {
    match &profile.loader {
        Some(loader) => Err(without(&format!("loader = \"{}\"", loader.kind.word()))),
        None => Ok(None),
    }
}

/// Nor is one whose boot loader would stay as it is.
pub fn with_emmc(profile: &Profile, _: &Disk, store: Option<Store>) -> Result<Option<Store>, Failure> {
    match &profile.emmc_boot {
        Some(_) => Err(without("kind = \"emmc-boot\"")),
        None => Ok(store),
    }
}

/// No boot loader is set.
pub const fn reboot_argument(_: &Profile) -> Option<&'static str> {
    None
}

fn without(what: &str) -> Failure {
    let why = format!("the profile has {what}, and this program is built without the feature boot-loaders");
    Failure::new(Exit::Usage, "", why, "use a program with that feature")
}
