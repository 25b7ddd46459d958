//! The store of a boot loader that chooses by itself, opened where an act has to have it follow.

use std::path::Path;

use libupdate::loader::Loader;
use libupdate_linux::boot_loader::emmc_boot::EmmcBoot;
use libupdate_linux::boot_loader::{self, Machine, tryboot};
use libupdate_linux::emmc::Emmc;
use libupdate_linux::profile::Profile;
use libupdate_linux::{Disk, GuardedDisk};

use crate::exit::Failure;

/// What follows a disk's acts.
pub type Store = Box<dyn Loader<GuardedDisk>>;

/// Whether the disk's system is the one that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runs {
    /// It is.
    Here,
    /// It is not: what is only in its machine's memory is out of reach.
    Elsewhere,
}

/// The store of the profile's boot loader: at `named`, else where the profile says.
pub fn open(profile: &Profile, named: Option<&Path>, runs: Runs) -> Result<Option<Store>, Failure> {
    let machine = match runs {
        Runs::Here => Machine::This,
        Runs::Elsewhere => Machine::Another,
    };
    Ok(boot_loader::open(profile, named, machine)?)
}

/// Has the boot loader itself brought to the disk's eMMC, if the profile has one for it and the disk is a device.
pub fn with_emmc(profile: &Profile, disk: &Disk, store: Option<Store>) -> Result<Option<Store>, Failure> {
    let Some(role) = &profile.emmc_boot else { return Ok(store) };
    Ok(match Emmc::of(disk) {
        Some(chip) => Some(Box::new(EmmcBoot::new(disk.path(), role, Box::new(chip), store))),
        None => store,
    })
}

/// What the reboot has to be given for a trial to start.
pub fn reboot_argument(profile: &Profile) -> Option<&'static str> {
    tryboot::reboot_argument(profile)
}
