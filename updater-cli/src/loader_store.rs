//! The store of a boot loader that chooses by itself, opened where an act has to have it follow.

use std::path::Path;

use libupdate::loader::Loader;
use libupdate_linux::GuardedDisk;
use libupdate_linux::boot_loader;
use libupdate_linux::profile::Profile;

use crate::exit::Failure;

/// The store of the profile's boot loader: at `named`, else where the profile says.
pub fn open(profile: &Profile, named: Option<&Path>) -> Result<Option<Box<dyn Loader<GuardedDisk>>>, Failure> {
    Ok(boot_loader::open(profile, named)?)
}
