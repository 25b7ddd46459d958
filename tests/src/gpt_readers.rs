//! How other programs read a partition table, modelled from their public sources (rules, not code).
//!
//! | reader | takes the primary where | takes the backup where |
//! |---|---|---|
//! | vboot: firmware, `cgpt` | header and entries hold | last block; its entries may also belong to the primary's header, and the other way round |
//! | GRUB gptprio (Flatcar, Bottlerocket) | header and entries hold | last block, and it equals the primary's header where that one holds |
//! | GRUB of Debian (`part_gpt`) | header has the signature; no checksum is looked at | never |
//! | Linux | header and entries hold, protective MBR | never |
//! | Linux with `gpt` | header and entries hold | where a valid primary says, else last block |
//! | U-Boot | header and entries hold, protective MBR | last block, protective MBR |
//! | gptman before 3 (signpost) | header holds; entries must | header of the primary does not hold |

use std::collections::BTreeMap;

use libupdate::gpt::{Entry, Table};
use libupdate::{BlockIo, BlockSize};

use crate::gpt_disk::GptDisk;

/// What a reader says of each used entry: its number, and first block, last block, attributes. `None`: no table.
pub type Seen = Option<BTreeMap<u32, [u64; 3]>>;

/// A program that reads partition tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reader {
    /// ChromeOS firmware and `cgpt`.
    Vboot,
    /// GRUB with `gptprio.next`.
    GrubGptprio,
    /// GRUB as Debian builds it.
    GrubPartGpt,
    /// Linux without `gpt` on its command line.
    Linux,
    /// Linux with it.
    LinuxGpt,
    /// U-Boot.
    UBoot,
    /// The crate before it fell back for entries too.
    GptmanBefore3,
}

impl Reader {
    /// Every reader.
    pub const ALL: [Self; 7] = [
        Self::Vboot,
        Self::GrubGptprio,
        Self::GrubPartGpt,
        Self::Linux,
        Self::LinuxGpt,
        Self::UBoot,
        Self::GptmanBefore3,
    ];

    /// Its name in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vboot => "vboot firmware",
            Self::GrubGptprio => "GRUB gptprio",
            Self::GrubPartGpt => "GRUB part_gpt",
            Self::Linux => "Linux",
            Self::LinuxGpt => "Linux, `gpt`",
            Self::UBoot => "U-Boot",
            Self::GptmanBefore3 => "gptman 1, signpost",
        }
    }

    /// What it finds on a disk of these bytes.
    #[must_use]
    pub fn read(self, bytes: &[u8], block_size: BlockSize) -> Seen {
        let disk = Disk { bytes, size: block_size.bytes() };
        let at = |lba| disk.head(lba);
        let (first, last) = (at(1), at(disk.last()));
        let with_entries = |head: &Option<Head>| head.as_ref().and_then(|head| disk.valid_entries(head));
        match self {
            Self::Vboot => disk.vboot(),
            Self::GrubGptprio => with_entries(&first).or_else(|| {
                let in_sync = first.as_ref().zip(last.as_ref()).is_none_or(|(first, last)| first.same_table(last));
                with_entries(&last).filter(|_| in_sync)
            }),
            Self::GrubPartGpt => disk.part_gpt(),
            Self::Linux => with_entries(&first).filter(|_| disk.has_protective_mbr()),
            Self::LinuxGpt => with_entries(&first).or_else(|| with_entries(&last)),
            Self::UBoot => with_entries(&first).or_else(|| with_entries(&last)).filter(|_| disk.has_protective_mbr()),
            Self::GptmanBefore3 => with_entries(if first.is_some() { &first } else { &last }),
        }
    }
}

/// What we find on a disk of these bytes.
#[must_use]
pub fn ours(bytes: &[u8], block_size: BlockSize) -> Seen {
    ours_on(&mut GptDisk::from_bytes(bytes.to_vec(), block_size).disk())
}

/// What we find on this disk.
///
/// # Panics
/// Where entries that were read once cannot be read again.
pub fn ours_on<D: BlockIo>(disk: &mut D) -> Seen {
    let table = Table::read(disk, &mut [0; 4096]).ok()?;
    let mut rows = BTreeMap::new();
    let each = |entry: &Entry| {
        let row = [entry.extent.first().get(), entry.extent.last().get(), entry.attributes.get()];
        rows.insert(entry.number.get(), row);
    };
    assert!(table.entries(disk, &mut [0; 4096], each).is_ok(), "the entries cannot be read again");
    Some(rows)
}

struct Disk<'b> {
    bytes: &'b [u8],
    size: usize,
}

/// A header whose signature, revision, size, checksum and place hold.
struct Head {
    raw: Vec<u8>,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default())
}

impl Head {
    fn entries_lba(&self) -> u64 {
        u64_at(&self.raw, 72)
    }
    fn count(&self) -> usize {
        usize::try_from(u32_at(&self.raw, 80)).unwrap_or_default()
    }
    fn entries_crc(&self) -> u32 {
        u32_at(&self.raw, 88)
    }
    /// Every field but the checksum, the two places of headers and the place of the entries.
    fn same_table(&self, other: &Self) -> bool {
        let fields = |head: &Self| [&head.raw[..16], &head.raw[40..72], &head.raw[80..92]].concat();
        fields(self) == fields(other)
    }
}

impl Disk<'_> {
    fn blocks(&self) -> u64 {
        u64::try_from(self.bytes.len() / self.size).unwrap_or_default()
    }

    fn last(&self) -> u64 {
        self.blocks() - 1
    }

    fn at(&self, lba: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(lba).ok()?.checked_mul(self.size)?;
        self.bytes.get(start..start.checked_add(len)?)
    }

    fn has_protective_mbr(&self) -> bool {
        self.bytes[510..512] == [0x55, 0xaa] && (0..4).any(|part| self.bytes[446 + part * 16 + 4] == 0xee)
    }

    fn head(&self, lba: u64) -> Option<Head> {
        let raw = self.at(lba, self.size)?;
        let size = usize::try_from(u32_at(raw, 12)).ok().filter(|size| (92..=self.size).contains(size))?;
        let mut covered = raw[..size].to_vec();
        covered[16..20].fill(0);
        let (first, last) = (u64_at(raw, 40), u64_at(raw, 48));
        let holds = raw.starts_with(b"EFI PART\0\0\x01\0")
            && crc32fast::hash(&covered) == u32_at(raw, 16)
            && u64_at(raw, 24) == lba
            && u32_at(raw, 84) == 128
            && first <= last
            && last < self.blocks();
        holds.then(|| Head { raw: raw.to_vec() })
    }

    fn array(&self, head: &Head) -> Option<&[u8]> {
        self.at(head.entries_lba(), head.count().checked_mul(128)?)
    }

    fn valid_entries(&self, head: &Head) -> Seen {
        self.array(head).filter(|array| crc32fast::hash(array) == head.entries_crc()).map(rows)
    }

    /// `GptValidityCheck` and `GptRepair`, in memory.
    fn vboot(&self) -> Seen {
        let exact = |head: &Head, lba: u64| {
            head.count() == 128
                && u32_at(&head.raw, 20) == 0
                && u32_at(&head.raw, 12) <= 512
                && (lba == 1 || head.entries_lba() == lba - u64::try_from(16384 / self.size).unwrap_or_default())
        };
        let [first, last] = [1, self.last()].map(|lba| self.head(lba).filter(|head| exact(head, lba)));
        let array = |head: &Option<Head>| head.as_ref().and_then(|head| self.array(head));
        let arrays = [array(&first), array(&last)];
        let fits = |head: &Head| arrays.map(|array| array.filter(|array| crc32fast::hash(array) == head.entries_crc()));
        let by = |head: &Option<Head>| head.as_ref().map_or([None; 2], fits);
        let good = if first.is_some() { by(&first) } else { by(&last) };
        // Both headers hold and the first describes neither array: a primary that was cut.
        let found = if good == [None; 2] && first.is_some() { by(&last) } else { good };
        found.into_iter().flatten().next().map(rows)
    }

    /// `grub_gpt_partition_map_iterate`.
    fn part_gpt(&self) -> Seen {
        let head = Head { raw: self.at(1, self.size)?.to_vec() };
        let looks_right = self.has_protective_mbr() && head.raw.starts_with(b"EFI PART\0\0\x01\0");
        self.array(&head).filter(|_| looks_right).map(rows)
    }
}

fn rows(array: &[u8]) -> BTreeMap<u32, [u64; 3]> {
    let used = (1..).zip(array.chunks_exact(128)).filter(|(_, raw)| raw[..16] != [0; 16]);
    used.map(|(number, raw)| (number, [32, 40, 48].map(|at| u64_at(raw, at)))).collect()
}

/// `GptNextKernelEntry`, called until it finds nothing: the entries in the order in which vboot tries them, from 0.
/// Each entry is (priority, tries, successful).
#[must_use]
pub fn vboot_order(entries: &[(u8, u8, u8)]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    let eligible = |(_, tries, successful): (u8, u8, u8)| successful == 1 || tries > 0;
    let mut current = (None, 999_u16);
    loop {
        let same = current.0.and_then(|at: usize| {
            (at + 1..entries.len()).find(|i| eligible(entries[*i]) && u16::from(entries[*i].0) == current.1)
        });
        let next = same.map(|at| (at, current.1)).or_else(|| {
            let lower = (0..entries.len()).filter(|i| eligible(entries[*i]) && u16::from(entries[*i].0) < current.1);
            lower.fold(None, |best: Option<(usize, u16)>, i| {
                let priority = u16::from(entries[i].0);
                if priority > best.map_or(0, |(_, best)| best) { Some((i, priority)) } else { best }
            })
        });
        let Some((at, priority)) = next else { return found };
        current = (Some(at), priority);
        found.push(at);
    }
}
