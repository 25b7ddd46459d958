//! The readers that are here: what each says of an image, or nothing where it finds no table.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use gpt::disk::LogicalBlockSize;
use libupdate::BlockSize;
use tests::gpt_readers::{Seen, ours};
use tests::tool;

use super::Rows;

/// Priority, tries and success, and no other attribute.
pub const fn slot_bits_only([first, last, attributes]: [u64; 3]) -> [u64; 3] {
    [first, last, attributes & 0x01ff << 48]
}

pub const fn nothing_but_numbers(_: [u64; 3]) -> [u64; 3] {
    [0; 3]
}

/// `start size number Label: ..` of every partition, and `Attr: priority=.. tries=.. successful=..` where its type has them.
pub fn cgpt_show(bytes: &[u8], _: BlockSize, scratch: &Path) -> Seen {
    fs::write(scratch, bytes).unwrap();
    let shown = tool::output("cgpt", &["show".as_ref(), scratch.as_os_str()]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let mut rows = Rows::new();
    let mut number = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [start, size, found, "Label:", ..] = words[..] {
            let [start, size]: [u64; 2] = [start, size].map(|word| word.parse().unwrap());
            number = found.parse().unwrap();
            rows.insert(number, [start, start + size - 1, 0]);
        } else if let ["Attr:", attributes @ ..] = &words[..] {
            let value = |name: &str| {
                let found = attributes.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
                found.map_or(0, |value| value.parse::<u64>().unwrap())
            };
            let bits = value("priority") | value("tries") << 4 | value("successful") << 8;
            rows.get_mut(&number).unwrap()[2] = bits << 48;
        }
    }
    (shown.status.success() && !rows.is_empty()).then_some(rows)
}

/// What we find once it has repaired the disk.
pub fn cgpt_repair(bytes: &[u8], size: BlockSize, scratch: &Path) -> Seen {
    fs::write(scratch, bytes).unwrap();
    // Where there is no table it says so and does nothing.
    let repaired = tool::output("cgpt", &["repair".as_ref(), scratch.as_os_str()]);
    let seen = ours(&fs::read(scratch).unwrap(), size);
    assert!(repaired.status.success() || seen.is_none(), "{repaired:?}");
    seen
}

pub fn sgdisk_info(bytes: &[u8], _: BlockSize, scratch: &Path) -> Seen {
    fs::write(scratch, bytes).unwrap();
    let arguments = ["-i1", "-i3", "-i4", "-i7", scratch.to_str().unwrap()];
    let shown = tool::output("sgdisk", &arguments);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let field = |line: &str, name: &str| {
        let rest = line.strip_prefix(name)?;
        Some(rest.split_whitespace().next().unwrap().to_owned())
    };
    let mut found: [Vec<u64>; 3] = [vec![], vec![], vec![]];
    for line in text.lines() {
        if let Some(first) = field(line, "First sector: ") {
            found[0].push(first.parse().unwrap());
        } else if let Some(last) = field(line, "Last sector: ") {
            found[1].push(last.parse().unwrap());
        } else if let Some(flags) = field(line, "Attribute flags: ") {
            found[2].push(u64::from_str_radix(&flags, 16).unwrap());
        }
    }
    // It prints no number; all four partitions are there or only the first.
    let numbers: &[u32] = if found[0].len() == 1 { &[1] } else { &[1, 3, 4, 7] };
    let rows: Rows =
        numbers.iter().zip(0..found[0].len()).map(|(n, i)| (*n, [0, 1, 2].map(|f: usize| found[f][i]))).collect();
    (!rows.is_empty()).then_some(rows)
}

pub fn grub_ls(bytes: &[u8], _: BlockSize, scratch: &Path) -> Seen {
    fs::write(scratch, bytes).unwrap();
    let text = tool::run("grub-fstest", &[scratch.as_os_str(), "ls".as_ref()]);
    let number = |word: &str| word.strip_prefix("(loop0,gpt")?.strip_suffix(')')?.parse::<u32>().ok();
    let rows: Rows = text.split_whitespace().filter_map(number).map(|number| (number, [0; 3])).collect();
    (!rows.is_empty()).then_some(rows)
}

pub fn gpt_crate(bytes: &[u8], size: BlockSize, _: &Path) -> Seen {
    let size = if size == BlockSize::B512 { LogicalBlockSize::Lb512 } else { LogicalBlockSize::Lb4096 };
    let config = gpt::GptConfig::new().logical_block_size(size);
    // Without a protective MBR it says so in a way of its own.
    let disk = config.open_from_device(Cursor::new(bytes.to_vec())).ok()?;
    let row =
        |(number, part): (&u32, &gpt::partition::Partition)| (*number, [part.first_lba, part.last_lba, part.flags]);
    Some(disk.partitions().iter().map(row).collect())
}

pub fn gptman_crate(bytes: &[u8], size: BlockSize, _: &Path) -> Seen {
    let table = gptman::GPT::read_from(&mut Cursor::new(bytes), size.bytes_u64()).ok()?;
    let used = table.iter().filter(|(_, entry)| entry.is_used());
    Some(used.map(|(number, entry)| (number, [entry.starting_lba, entry.ending_lba, entry.attribute_bits])).collect())
}
