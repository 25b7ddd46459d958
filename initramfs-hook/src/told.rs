//! Which slot this boot was told, by whoever chose it before: on the kernel's command line, or by the UEFI application's variable. One
//! decision: the command line comes first, since it is of this kernel and the variable of the firmware's start, which kexec outlives.
//!
//! ```text
//!  /sys/firmware/efi/efivars/UpdaterSlot-6d1f1b0e-8d54-4c0e-9b6e-0d8c1a2f3b44
//!  0   attributes 4   06 00 00 00: set by firmware, and gone with this boot
//!  4   the slot's letter
//! ```
//! An operating system can only set variables that stay. So one of that kind is none of a boot application's, and does not count.

use std::borrow::Cow;
use std::path::Path;

use libupdate::slot::PartitionSpec;
use libupdate_linux::file;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::command_line::{CommandLine, Named};
use crate::say::say;

const FOLDER: &str = "/sys/firmware/efi/efivars";
const VARIABLE: &str = "/sys/firmware/efi/efivars/UpdaterSlot-6d1f1b0e-8d54-4c0e-9b6e-0d8c1a2f3b44";
/// Attributes and more letters than a slot has.
const VARIABLE_BYTES: u64 = 64;
/// `EFI_VARIABLE_BOOTSERVICE_ACCESS` and `EFI_VARIABLE_RUNTIME_ACCESS`, and not `EFI_VARIABLE_NON_VOLATILE`.
const OF_THIS_BOOT: [u8; 4] = [6, 0, 0, 0];

/// The slot that this boot was told, if the profile has it. A word that names none is refused, and the console says so.
pub fn slot(line: &CommandLine, profile: &[PartitionSpec<'_>]) -> Named {
    let (source, word) = match line.slot_word() {
        Some(word) => ("the command line's updater.slot", Cow::Borrowed(word)),
        None => match by_firmware() {
            Some(word) => ("the firmware's UpdaterSlot", Cow::Owned(word)),
            None => return Named::No,
        },
    };
    let named = Named::of(&word, profile);
    if named == Named::Nonsense {
        let mut has = String::new();
        for letter in profile.iter().map(|spec| spec.slot.letter()) {
            if !has.contains(letter) {
                has.push(letter);
            }
        }
        say!("{source}={} is refused: the profile has only {has}", word.escape_ascii());
    }
    named
}

/// What the boot application has left. The kernel's view of variables is mounted for as long as it takes, and not for the system: that
/// mounts it as it likes.
fn by_firmware() -> Option<Vec<u8>> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // It fails where there is no such firmware, and where it is mounted already.
    let mounted = rustix::mount::mount("efivarfs", FOLDER, "efivarfs", flags, None).is_ok();
    let content = file::read(Path::new(VARIABLE), VARIABLE_BYTES);
    if mounted && let Err(error) = rustix::mount::unmount(FOLDER, UnmountFlags::DETACH) {
        say!("{FOLDER} stays mounted: {error}");
    }
    content.ok()?.strip_prefix(&OF_THIS_BOOT).map(<[u8]>::to_vec)
}
