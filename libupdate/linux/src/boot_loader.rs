//! The stores of boot loaders that choose the slot by themselves, one file each. What they have in common, and why a cut between the slot
//! bits and a store is harmless, is in [`libupdate::loader`].
//!
//! | store | where | one atomic step | it counts |
//! |---|---|---|---|
//! | [`tryboot`] | `autoboot.txt` and a flag of the firmware | one sector is written in place; then the flag | once |
//! | [`grub_env`] | two files, each an environment block | first the file that does not count, then the one that does | down, good slots too |
//! | [`u_boot_env`] | two copies of an environment block | the older copy is written | down, good slots too |
//! | [`systemd_boot`] | names of files in the folder of kernels | one of them is renamed or removed | down |
//! | [`efi_boot_next`] | variables of the firmware | one of them is written | once |
//!
//! [`emmc_boot`] is no store: it brings the boot loader itself to the boot partitions of an eMMC before a slot is armed.

use std::path::Path;

use libupdate::loader::Loader;
use libupdate::{BlockIo, SlotId};

use crate::error::{OsError, OsErrorKind};
use crate::profile::{LoaderKind, Profile};

pub mod efi_boot_next;
pub mod emmc_boot;
#[cfg(test)]
mod fixture;
pub mod grub_env;
mod image;
mod place;
pub mod systemd_boot;
pub mod tryboot;
pub mod u_boot_env;

/// Whose boot loader it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// That of the machine that this runs on.
    This,
    /// Another one's: what is only in that machine's memory is not here.
    Another,
}

/// The store of the profile's boot loader, at `store`; `None` if its boot loader does not choose by itself. `D` is the disk with the slots.
///
/// # Errors
/// The store is not there, or is no store.
pub fn open<D: BlockIo<Error = OsError>>(
    profile: &Profile,
    store: Option<&Path>,
    machine: Machine,
) -> Result<Option<Box<dyn Loader<D>>>, OsError> {
    let Some(loader) = &profile.loader else { return Ok(None) };
    let store = store.unwrap_or(&loader.store);
    Ok(Some(match loader.kind {
        LoaderKind::EfiBootNext => Box::new(efi_boot_next::EfiBootNext::open(store)?),
        LoaderKind::SystemdBoot => {
            let role = loader.payload.as_deref().unwrap_or_default();
            Box::new(systemd_boot::SystemdBoot::open(store, role, profile.tries)?)
        }
        LoaderKind::Tryboot => {
            let flag = (machine == Machine::This).then(tryboot::of_this_machine);
            let role = loader.payload.as_deref().unwrap_or_default();
            Box::new(tryboot::Tryboot::open(store, role, &profile.partitions, flag)?)
        }
        LoaderKind::GrubEnv => Box::new(grub_env::GrubEnv::open(store, profile.tries)?),
        LoaderKind::UBootEnv => Box::new(u_boot_env::UBootEnv::open(store, profile.tries)?),
    }))
}

/// A store that breaks a rule.
fn refused(path: &Path, why: String) -> OsError {
    OsError::new(path, OsErrorKind::LoaderStore { why })
}

/// The name of a slot in variables: a capital letter, as RAUC's boot scripts have it.
fn capital(slot: SlotId) -> String {
    slot.letter().to_ascii_uppercase().to_string()
}
