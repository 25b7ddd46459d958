//! Which slot this boot was told, by whoever chose it before: on the kernel's command line, or by a variable of the firmware. One
//! decision: the command line comes first, since it is of this kernel and the variables of the firmware's start, which kexec outlives.
//!
//! ```text
//!  /sys/firmware/efi/efivars/     0   attributes 4: 06 00 00 00, set by firmware, and gone with this boot
//!  UpdaterSlot-6d1f1b0e-..        4   the slot's letter                               our UEFI application
//!  LoaderEntrySelected-4a67b0..   4   updater-2-b+3-0.efi, in UTF-16                  systemd-boot
//!  BootCurrent-8be4df61-..        4   number of a boot entry: BootXXXX-8be4df61-..    firmware
//!                                     10   updater-b, in UTF-16
//! ```
//! An operating system can only set variables that stay. So one of that kind is none of this boot's, and does not count.

use std::borrow::Cow;
use std::path::Path;

use libupdate::slot::PartitionSpec;
use libupdate_linux::{entry_name, file};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::command_line::{CommandLine, Named};
use crate::say::say;

const FOLDER: &str = "/sys/firmware/efi/efivars";
const UPDATER: &str = "-6d1f1b0e-8d54-4c0e-9b6e-0d8c1a2f3b44";
const SYSTEMD_BOOT: &str = "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const FIRMWARE: &str = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Attributes, and more than a boot entry has.
const VARIABLE_BYTES: u64 = 16 << 10;
/// `EFI_VARIABLE_BOOTSERVICE_ACCESS` and `EFI_VARIABLE_RUNTIME_ACCESS`, and not `EFI_VARIABLE_NON_VOLATILE`.
const OF_THIS_BOOT: [u8; 4] = [6, 0, 0, 0];

/// The slot that this boot was told, if the profile has it. A word that names none is refused, and the console says so.
pub fn slot(line: &CommandLine, profile: &[PartitionSpec<'_>]) -> Named {
    let (source, word) = match line.slot_word() {
        Some(word) => ("the command line's updater.slot", Cow::Borrowed(word)),
        None => match by_firmware() {
            Some((source, word)) => (source, Cow::Owned(word)),
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

/// What chose the slot, and the word it left. The kernel's view of variables is mounted for as long as it takes, and not for the system:
/// that mounts it as it likes.
fn by_firmware() -> Option<(&'static str, Vec<u8>)> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // It fails where there is no such firmware, and where it is mounted already.
    let mounted = rustix::mount::mount("efivarfs", FOLDER, "efivarfs", flags, None).is_ok();
    let found = told(&|name, owner| variable(FOLDER, name, owner));
    if mounted && let Err(error) = rustix::mount::unmount(FOLDER, UnmountFlags::DETACH) {
        say!("{FOLDER} stays mounted: {error}");
    }
    found
}

fn variable(folder: &str, name: &str, owner: &str) -> Option<Vec<u8>> {
    file::read(Path::new(&[folder, "/", name, owner].concat()), VARIABLE_BYTES).ok()
}

/// The first of the variables that names a slot. `read` gives a variable by its name and its owner.
fn told(read: &dyn Fn(&str, &str) -> Option<Vec<u8>>) -> Option<(&'static str, Vec<u8>)> {
    let of_this_boot = |name, owner| read(name, owner)?.strip_prefix(&OF_THIS_BOOT).map(<[u8]>::to_vec);
    if let Some(word) = of_this_boot("UpdaterSlot", UPDATER) {
        return Some(("the firmware's UpdaterSlot", word));
    }
    let letter = |text: &[u8]| entry_name::slot_letter(&entry_name::ascii(text)).map(|letter| vec![letter]);
    if let Some(word) = of_this_boot("LoaderEntrySelected", SYSTEMD_BOOT).and_then(|text| letter(&text)) {
        return Some(("systemd-boot's LoaderEntrySelected", word));
    }
    let [low, high] = of_this_boot("BootCurrent", FIRMWARE)?.try_into().ok()?;
    let entry = read(&format!("Boot{high:02X}{low:02X}"), FIRMWARE)?;
    Some(("the firmware's boot entry", letter(entry.get(10..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    /// What is told where these variables are.
    fn with(variables: &[(&str, &[u8], &[u8])]) -> Option<(&'static str, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        for (name, attributes, data) in variables {
            std::fs::write(folder.path().join(name), [*attributes, *data].concat()).unwrap();
        }
        told(&|name, owner| variable(folder.path().to_str().unwrap(), name, owner))
    }

    #[test]
    fn each_loader_has_its_variable_and_the_first_that_names_a_slot_counts() {
        let ours = [UPDATER, SYSTEMD_BOOT, FIRMWARE];
        let names = ["UpdaterSlot", "LoaderEntrySelected", "BootCurrent", "Boot01AB"];
        let [own, selected, current, entry] =
            [0, 1, 2, 3].map(|number| format!("{}{}", names[number], ours[number.min(2)]));
        let selected_b = utf16("updater-2-b+3-0.efi");
        let entry_c = [&[1, 0, 0, 0, 4, 0], &utf16("updater-c")[..], &[0x7f, 0xff, 4, 0]].concat();
        let volatile = &OF_THIS_BOOT[..];
        let all = [
            (own.as_str(), volatile, &b"a"[..]),
            (selected.as_str(), volatile, &selected_b),
            (current.as_str(), volatile, &[0xab, 1]),
            (entry.as_str(), &[7, 0, 0, 0], &entry_c),
        ];
        let word = |variables: &[_]| with(variables).map(|(_, word)| word);
        assert_eq!(with(&all), Some(("the firmware's UpdaterSlot", b"a".to_vec())));
        assert_eq!(word(&all[1..]), Some(b"b".to_vec()));
        assert_eq!(word(&all[2..]), Some(b"c".to_vec()));
        assert_eq!(word(&all[3..]), None);
        // An entry of somebody else names none, and the next one is asked.
        let others = utf16("debian-12.efi");
        assert_eq!(word(&[(selected.as_str(), volatile, &others), all[2], all[3]]), Some(b"c".to_vec()));
        // What stays is none of this boot's.
        assert_eq!(word(&[(selected.as_str(), &[7, 0, 0, 0], &selected_b)]), None);
        assert_eq!(word(&[(current.as_str(), &[7, 0, 0, 0], &[0xab, 1]), all[3]]), None);
        for data in [&[][..], &[0xab], &[0xab, 1, 0]] {
            assert_eq!(word(&[(current.as_str(), volatile, data), all[3]]), None);
        }
        assert_eq!(word(&[all[2], (entry.as_str(), &[7], &[])]), None);
    }
}
