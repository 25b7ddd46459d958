//! The slot in a name that firmware and boot loaders of UEFI show. Pure.
//!
//! ```text
//!  updater-2-b+3-0.efi      systemd-boot: rank, slot, tries left, tries done; the last two only of a slot on trial
//!  updater-b                a boot entry of the firmware, by its description
//! ```

/// What each such name begins with.
pub const PREFIX: &str = "updater-";

/// The letter in the name of an entry, or in the path of its file.
#[must_use]
pub fn slot_letter(name: &[u8]) -> Option<u8> {
    let name = name.rsplit(|byte| *byte == b'\\').next()?;
    let rest = name.strip_prefix(PREFIX.as_bytes())?;
    let stem = rest.split(|byte| matches!(byte, b'.' | b'+')).next()?;
    match stem.rsplit(|byte| *byte == b'-').next()? {
        [letter] => Some(*letter),
        _ => None,
    }
}

/// UTF-16 up to a NUL, little-endian as UEFI has it, with `?` for what is not ASCII.
#[must_use]
pub fn ascii(utf16: &[u8]) -> Vec<u8> {
    let units = utf16.chunks_exact(2).take_while(|unit| *unit != [0, 0]);
    units.map(|unit| if unit[1] == 0 && unit[0].is_ascii() { unit[0] } else { b'?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_is_the_last_part_before_the_counter() {
        let names = ["updater-2-b+3-0.efi", "updater-2-b.efi", "\\EFI\\Linux\\updater-9-b+0-3.efi", "updater-b"];
        for name in names {
            assert_eq!(slot_letter(name.as_bytes()), Some(b'b'), "{name}");
        }
        for name in ["", "updater-", "updater-recovery", "Updater-b", "xupdater-b", "updater-b-", "updater-b\\x", "b"] {
            assert_eq!(slot_letter(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn text_ends_at_its_nul_and_is_never_more_than_ascii() {
        assert_eq!(ascii(b"u\0p\0\0\0x\0"), b"up");
        assert_eq!(ascii(b"u\0\xe4\0p\x01q"), b"u??");
        assert_eq!(ascii(b""), b"");
    }
}
