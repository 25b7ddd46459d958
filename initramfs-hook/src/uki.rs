//! A unified kernel image: where its kernel, initramfs and command line stand. Pure: bytes to ranges.
//!
//! ```text
//!    0  "MZ"                            at 60: where the PE header begins
//!       "PE\0\0"
//!    +4 COFF header, 20 bytes           at 2: number of sections, at 16: bytes of the optional header
//!       optional header
//!       sections, 40 bytes each         name 8, bytes in memory 4, address 4, bytes in the file 4, place in the file 4, ..
//! ```
//! `.linux`, `.initrd` and `.cmdline` are those of the UAPI group's specification; of several with one name the first counts. Nothing
//! else of the format is needed, because nothing of it is executed here: the signed bundle vouches for every byte.

use std::ops::Range;

/// Bytes from the start in which every header must be.
pub const HEAD: usize = 8192;

/// The parts of an image, as byte ranges of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uki {
    /// The kernel.
    pub linux: Range<u64>,
    /// Its initramfs.
    pub initrd: Option<Range<u64>>,
    /// Its command line.
    pub command_line: Option<Range<u64>>,
}

impl Uki {
    /// Reads the headers of an image of `len` bytes that begins with `head`. `None` for anything that is no UKI, or whose parts are
    /// not inside it.
    pub fn parse(head: &[u8], len: u64) -> Option<Self> {
        if !head.starts_with(b"MZ") {
            return None;
        }
        let pe = usize::try_from(word(head, 60)?).ok()?;
        if head.get(pe..)?.get(..4)? != b"PE\0\0" {
            return None;
        }
        let count = half(head, pe.checked_add(6)?)?;
        let first = pe.checked_add(24)?.checked_add(half(head, pe.checked_add(20)?)?)?;
        let mut found = [const { None }; 3];
        for number in 0..count {
            let at = first.checked_add(number.checked_mul(40)?)?;
            let section = head.get(at..)?.get(..40)?;
            let wanted = [&b".linux\0\0"[..], b".initrd\0", b".cmdline"];
            if let Some(place) = wanted.iter().position(|name| section.starts_with(name))
                && found[place].is_none()
            {
                found[place] = Some(range(section, len)?);
            }
        }
        let [linux, initrd, command_line] = found;
        Some(Self { linux: linux?, initrd, command_line })
    }
}

/// What a section holds: in the file it is padded, in memory it has its own length.
fn range(section: &[u8], len: u64) -> Option<Range<u64>> {
    let (memory, file, start) = (word(section, 8)?, word(section, 16)?, u64::from(word(section, 20)?));
    let end = start + u64::from(if memory == 0 { file } else { memory.min(file) });
    (end <= len).then_some(start..end)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers with these sections: name, bytes in memory, bytes in the file, place.
    fn image(sections: &[(&str, u32, u32, u32)]) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..2].copy_from_slice(b"MZ");
        head[60..64].copy_from_slice(&128_u32.to_le_bytes());
        head[128..132].copy_from_slice(b"PE\0\0");
        head[134..136].copy_from_slice(&u16::try_from(sections.len()).unwrap().to_le_bytes());
        head[148..150].copy_from_slice(&8_u16.to_le_bytes());
        for (number, (name, memory, file, start)) in sections.iter().enumerate() {
            let at = 160 + number * 40;
            head[at..at + name.len()].copy_from_slice(name.as_bytes());
            for (offset, value) in [(8, memory), (16, file), (20, start)] {
                head[at + offset..at + offset + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        head
    }

    #[test]
    fn parts_have_their_own_length_and_not_the_padded_one() {
        let head = image(&[
            (".text", 9, 9, 9),
            (".linux", 1000, 1024, 4096),
            (".cmdline", 5, 512, 512),
            (".initrd", 0, 99, 1),
        ]);
        let wanted = Uki { linux: 4096..5096, initrd: Some(1..100), command_line: Some(512..517) };
        assert_eq!(Uki::parse(&head, 5120), Some(wanted));
    }

    #[test]
    fn the_first_of_a_name_counts_and_the_kernel_must_be_there() {
        let head = image(&[(".linux", 1, 1, 7), (".linux", 1, 1, 8)]);
        assert_eq!(Uki::parse(&head, 100), Some(Uki { linux: 7..8, initrd: None, command_line: None }));
        assert_eq!(Uki::parse(&image(&[(".initrd", 1, 1, 7), (".linuxes", 1, 1, 7)]), 100), None);
    }

    #[test]
    fn parts_outside_the_image_are_refused() {
        let head = |start| image(&[(".linux", 10, 10, start)]);
        assert!(Uki::parse(&head(90), 100).is_some());
        assert_eq!(Uki::parse(&head(91), 100), None);
        assert_eq!(Uki::parse(&head(u32::MAX), 100), None);
    }

    #[test]
    fn no_byte_of_the_headers_makes_it_panic() {
        let good = image(&[(".linux", 10, 10, 20), (".cmdline", 1, 1, 1)]);
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut head = good.clone();
                head[at] = value;
                Uki::parse(&head, 100);
                Uki::parse(&head[..at], 100);
            }
        }
        assert_eq!(Uki::parse(&good[..2], 100), None);
        assert_eq!(Uki::parse(b"hsqs", 100), None);
    }
}
