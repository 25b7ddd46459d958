//! A unified kernel image: where its kernel, initramfs and command line are, and whether it is signed. Pure: bytes to ranges.
//!
//! ```text
//!    0  "MZ"                            at 60: where the PE header begins
//!       "PE\0\0"
//!    +4 COFF header, 20 bytes           at 2: number of sections, at 16: bytes of the optional header
//!       optional header                 magic 2, ..; the fifth data directory: place and bytes of the certificates
//!       sections, 40 bytes each         name 8, bytes in memory 4, address 4, bytes in the file 4, place in the file 4, ..
//! ```
//! `.linux`, `.initrd` and `.cmdline` are those of the UAPI group's specification; of several with one name the first counts. Nothing
//! else of the format is needed, because nothing of it is executed here: the signed bundle vouches for every byte.

use core::ops::Range;

use crate::units::bytes;

/// Bytes from the start in which every header must be.
pub const HEAD: usize = 8192;
const SECTION_BYTES: usize = 40;

/// Headers of a PE image.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'h> {
    optional: &'h [u8],
    sections: &'h [u8],
}

/// Whether an image has a signature, whoever made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signature {
    /// It has none.
    Missing,
    /// It has one.
    Present,
    /// The headers do not say.
    Unknown,
}

/// A section of a PE image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeSection {
    /// Bytes in memory; without the padding of the file.
    pub memory_bytes: u32,
    /// Address in memory, from the image's own on.
    pub address: u32,
    /// Bytes in the file.
    pub file_bytes: u32,
    /// Place in the file.
    pub place: u32,
}

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

impl<'h> Headers<'h> {
    /// Reads the headers of an image that begins with `head`. `None` for anything that is no PE image.
    #[must_use]
    pub fn parse(head: &'h [u8]) -> Option<Self> {
        if !head.starts_with(b"MZ") {
            return None;
        }
        let pe = head.get(usize::try_from(bytes::u32_at(head, 60)?).ok()?..)?;
        if !pe.starts_with(b"PE\0\0") {
            return None;
        }
        let (optional, after) = pe.get(24..)?.split_at_checked(half(pe, 20)?)?;
        let sections = after.get(..half(pe, 6)?.checked_mul(SECTION_BYTES)?)?;
        Some(Self { optional, sections })
    }

    /// The first section of this name, zeros behind a short one.
    #[must_use]
    pub fn section(&self, name: &[u8; 8]) -> Option<PeSection> {
        let section = self.sections.chunks_exact(SECTION_BYTES).find(|section| section.starts_with(name))?;
        let [memory_bytes, address, file_bytes, place] = [8, 12, 16, 20].map(|at| bytes::u32_at(section, at));
        Some(PeSection { memory_bytes: memory_bytes?, address: address?, file_bytes: file_bytes?, place: place? })
    }

    /// Whether there is a signature. It is not checked.
    #[must_use]
    pub fn signature(&self) -> Signature {
        // PE32 and PE32+: where the number of directories is, and after it the directories, 8 bytes each.
        let count = match half(self.optional, 0) {
            Some(0x10b) => 92,
            Some(0x20b) => 108,
            _ => return Signature::Unknown,
        };
        match (bytes::u32_at(self.optional, count), bytes::u32_at(self.optional, count.saturating_add(40))) {
            (Some(directories), _) if directories <= 4 => Signature::Missing,
            (Some(_), Some(0)) => Signature::Missing,
            (Some(_), Some(_)) => Signature::Present,
            _ => Signature::Unknown,
        }
    }
}

impl Uki {
    /// Reads the headers of an image of `len` bytes that begins with `head`. `None` for anything that is no UKI, or whose parts are
    /// not inside it.
    #[must_use]
    pub fn parse(head: &[u8], len: u64) -> Option<Self> {
        let headers = Headers::parse(head)?;
        // A part that is there, and not inside the image, makes it none.
        let part = |name| headers.section(name).map(|section| section.range(len).ok_or(())).transpose();
        let [linux, initrd, command_line] = [b".linux\0\0", b".initrd\0", b".cmdline"].map(part);
        Some(Self { linux: linux.ok()??, initrd: initrd.ok()?, command_line: command_line.ok()? })
    }
}

impl PeSection {
    /// What the section holds of an image of `len` bytes: in the file it is padded, in memory it has its own length.
    fn range(&self, len: u64) -> Option<Range<u64>> {
        let bytes = if self.memory_bytes == 0 { self.file_bytes } else { self.memory_bytes.min(self.file_bytes) };
        let start = u64::from(self.place);
        let end = start.checked_add(u64::from(bytes))?;
        (end <= len).then_some(start..end)
    }
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    bytes::u16_at(bytes, at).map(usize::from)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

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
    fn a_signature_is_there_if_the_directory_of_certificates_is_not_empty() {
        let image = |magic: u16, directories: u32, bytes: u32| {
            let mut head = image(&[(".linux", 1, 1, 7)]);
            let wide = if magic == 0x20b { 16 } else { 0 };
            head[148..150].copy_from_slice(&240_u16.to_le_bytes());
            head[152..154].copy_from_slice(&magic.to_le_bytes());
            head[244 + wide..][..4].copy_from_slice(&directories.to_le_bytes());
            head[284 + wide..][..4].copy_from_slice(&bytes.to_le_bytes());
            Headers::parse(&head).unwrap().signature()
        };
        for magic in [0x10b, 0x20b] {
            assert_eq!(image(magic, 16, 0), Signature::Missing);
            assert_eq!(image(magic, 16, 1480), Signature::Present);
            assert_eq!(image(magic, 4, 0), Signature::Missing, "a header without that directory");
        }
        assert_eq!(image(0x107, 16, 0), Signature::Unknown);
        assert_eq!(Headers::parse(&super::tests::image(&[])).unwrap().signature(), Signature::Unknown);
    }

    #[test]
    fn a_section_is_found_by_its_whole_name() {
        let head = image(&[(".update", 1, 2, 3), (".updater", 5, 512, 4096)]);
        let section = Headers::parse(&head).unwrap().section(b".updater").unwrap();
        assert_eq!((section.memory_bytes, section.address, section.file_bytes, section.place), (5, 0, 512, 4096));
        assert_eq!(Headers::parse(&head).unwrap().section(b".linux\0\0"), None);
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
                for head in [&head[..], &head[..at]] {
                    drop(Uki::parse(head, 100));
                    let signature = Headers::parse(head).map(|headers| headers.signature());
                    assert!(signature.is_none() || head.len() > 128);
                }
            }
        }
        assert_eq!(Uki::parse(&good[..2], 100), None);
        assert_eq!(Uki::parse(b"hsqs", 100), None);
    }
}
