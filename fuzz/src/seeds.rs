//! First inputs of each target, made here so that none is tracked.

use crate::bundle_stream::BUNDLES;
use crate::bundles::{BLOCK, Bundle, Carried, bundle};
use crate::disk::Disk;
use crate::gpt::flag;
use crate::machine::Shape;
use libupdate::gpt::write;
use libupdate::units::digest::{Digest, RootHash, Salt};
use libupdate::verity::{Geometry, Superblock, Tree};
use libupdate::{BlockIo as _, BlockSize};

/// One target, and its first inputs.
pub type Seeds = (&'static str, Vec<Vec<u8>>);

/// The seeds of every target.
#[must_use]
pub fn all() -> Vec<Seeds> {
    vec![
        ("gpt", gpt()),
        ("superblock_geometry", superblocks()),
        ("manifest", manifests()),
        ("bundle_stream", bundle_streams()),
        ("delta", deltas()),
        ("pack", packs()),
        ("profile", profiles()),
        ("c", calls()),
        ("acts", lives()),
    ]
}

/// Prefixes and patches of one chunk: a copy, copies that differ with bytes between them, and the same cut short.
fn deltas() -> Vec<Vec<u8>> {
    let copy = [1, 2, 39, 2, 4, 1, 13, 2];
    // 4000 bytes of two blocks from the fourth on, with two differences, and 96 bytes.
    let patch =
        [&[1, 0, 9, 1, 3, 2][..], &[4, 2, 2, 96], &[0xa0, 0x1f, 96, 0], &[10, 20], &[1, 255], &[7; 96]].concat();
    let prefix = [0, 0, 9, 1, 3, 2, 1, 2, 3];
    let whole = [&copy[..], &patch, &prefix];
    whole.iter().flat_map(|seed| [seed.to_vec(), seed[..seed.len() - 1].to_vec()]).collect()
}

/// A pack with everything, the least one, and each cut short, or with one thing wrong.
fn packs() -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| -> Vec<u8> {
        texts
            .iter()
            .flat_map(|text| [&[u8::try_from(text.len()).expect("it is short")], text.as_bytes()].concat())
            .collect()
    };
    let head = |steps, counts: [u8; 3]| [&[3, 0, 0, 0, 2, 0, 0, 0, steps][..], &counts].concat();
    let names = ["hotfix-a", "hotfix-b", "c.1", "web.service", "a@1.timer", "x.socket"];
    let whole = [head(3, [2, 1, 2]), texts(&names)].concat();
    let least = [head(0, [0; 3]), texts(&["a"])].concat();
    let wrong = ["../x", "a..b", "-a", ".a", "a/b", "", "hotfix-b", "\u{e4}"];
    let wrong = wrong.map(|name| [head(0, [1, 0, 0]), texts(&["hotfix-b", name])].concat());
    let cut = [whole[..whole.len() - 1].to_vec(), [&least[..], &[0]].concat()];
    [whole, least].into_iter().chain(cut).chain(wrong).collect()
}

/// Both tables of a small disk, as records, under every act.
fn gpt() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (block_size, large) in [(BlockSize::B512, 0), (BlockSize::B4096, flag::LARGE)] {
        let shape = Shape { block_size, slots: 3, roles: 1, partition_blocks: 4 };
        let mut disk = Disk::new([block_size; 2], shape.disk_blocks(), vec![]);
        write::create(&mut disk, &shape.fresh(&shape.entries()), &mut [0; 4096]).expect("an empty disk");
        let records = records(&disk);
        let size = u8::try_from(shape.disk_blocks()).expect("a small disk");
        for what in [0, 1, 0x12, 0x32] {
            for flags in [0, flag::ENTRIES | flag::HEADERS, flag::ENTRIES | flag::HEADERS | flag::MIRROR] {
                let head = [large | flags, size, 0, what, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];
                let edits = [1_u8, 0x21, 0x01, 2, 0x0f, 0x00, 3, 0x35, 0x01];
                let edits = &edits[..usize::from(what >> 4) * 3];
                seeds.push([&head[..], edits, &records].concat());
            }
        }
    }
    seeds
}

/// Every function of the C interface on the disks of `gpt`, once as it should be and once with each thing wrong.
fn calls() -> Vec<Vec<u8>> {
    let disks: Vec<Vec<u8>> = gpt().into_iter().filter(|seed| seed[3] >> 4 == 0).collect();
    let mut seeds = Vec::new();
    for function in 0..11 {
        for wrong in [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10] {
            let disk = &disks[usize::from(function) % disks.len()];
            // Its flags and size, and its records after the head of that target.
            let head = [function, wrong, 1, 0, 0x50, 0, 0, 0, 0, 0, disk[0], disk[1]];
            seeds.push([&head[..], &disk[14..]].concat());
        }
    }
    seeds
}

/// The disk as records of one entry or one header each.
fn records(disk: &Disk) -> Vec<u8> {
    let size = disk.block_size().bytes();
    let blocks = usize::try_from(disk.block_count().get()).expect("a small disk");
    let mut records = Vec::new();
    for lba in 1..blocks {
        for (number, piece) in disk.bytes(lba * size..(lba + 1) * size).chunks(128).enumerate() {
            if piece.iter().all(|byte| *byte == 0) {
                continue;
            }
            let place = if lba < blocks / 2 { lba } else { 160 + blocks - 1 - lba };
            let offset = u16::try_from(number * 128).expect("inside a block").to_le_bytes();
            records.extend([u8::try_from(place).expect("near an end"), offset[0], offset[1], 128]);
            records.extend(piece);
        }
    }
    records
}

/// The boards of this project.
fn profiles() -> Vec<Vec<u8>> {
    let boards = [
        include_str!("../../hardware-profiles/qemu-x86_64.toml"),
        include_str!("../../hardware-profiles/generic-x86_64-uefi.toml"),
        include_str!("../../hardware-profiles/raspberrypi4.toml"),
        include_str!("../../hardware-profiles/chromebook.toml"),
    ];
    boards.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn superblocks() -> Vec<Vec<u8>> {
    let superblock = |blocks: u64| {
        let root = RootHash::new(Digest::new([0xaa; 32]));
        let geometry = Geometry::from_data_blocks(blocks).expect("within the bound");
        let mut block = [0; BLOCK];
        Superblock::of(&Tree { root, geometry, salt: Salt::new(b"salt").expect("short") }).encode(&mut block);
        block[..512].to_vec()
    };
    let sizes = [1, 127, 128, 129, 16_385, 1 << 35].map(superblock);
    let images =
        [1_u64, 128, 129, 16_384, 2_097_153].map(|blocks| [blocks.to_le_bytes().as_slice(), &[0; 40]].concat());
    sizes.into_iter().chain(images).collect()
}

fn manifest_of(bundle: &Bundle) -> Vec<u8> {
    let head = &bundle.bytes[..bundle.head];
    let len = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
    head[40..40 + len].to_vec()
}

fn manifests() -> Vec<Vec<u8>> {
    let two = bundle("2.0-rc1", &[3 * BLOCK, 2 * BLOCK], Carried::Raw);
    BUNDLES.iter().chain([&two]).map(manifest_of).collect()
}

fn bundle_streams() -> Vec<Vec<u8>> {
    let heads = BUNDLES.iter().map(|bundle| [&[0, 1, 2, 3, 4], &bundle.bytes[..bundle.head]].concat());
    let whole = (0..6).map(|number| vec![2, number, 0, 0, 10, 150, 250, 0]);
    let changed = (0..6).flat_map(|number| {
        (0..8).map(move |what| {
            vec![2, number, what, 0, 10, 150, 250, 0, what << 5 | what, 7, number, 3, 1, 2, 3, 4, 5, 6, 7, 8]
        })
    });
    let signed = (0..6).map(|number| vec![1, number, 0, 0, 10, 150, 250, 0, 0, 0, 0, 0]);
    heads.chain(whole).chain(changed).chain(signed).collect()
}

/// The usual lives, on each shape: update and confirm, fall back, roll back, resume, a slot that does not start or went bad, an act
/// that is killed before another; each on a machine that was provisioned at once, or after a cut and a failure.
fn lives() -> Vec<Vec<u8>> {
    const BOOT: [u8; 4] = [1, 0, 0, 0];
    const GOOD: [u8; 4] = [1, 9, 0, 0];
    const BAD: [u8; 4] = [1, 16, 0, 0];
    const CANCEL: [u8; 4] = [1, 15, 1, 0];
    const ACTIVATE: [u8; 4] = [1, 8, 1, 0];
    const BACK: [u8; 4] = [1, 13, 0, 0];
    const REPAIR: [u8; 4] = [1, 14, 0, 0];
    let install = |release: u8, more: u8| [1, 4, 1, more, release, 0];
    let cut = |release: u8, seed: u8| [1, 4, 1, 0, release, 4, seed, 1, 2, 3, 4, 5, 6, 7];
    let killed = |release: u8, after: u8| [1, 4, 1, 0, release, 0xc7, after];
    let unflushed = |release: u8, flush: u8| [1, 4, 1, 0, release, 0x87, flush];
    let lost = |flush: u8| [1, 9, 0, 0xa7, flush, 7, 6, 5, 4, 3, 2, 1, 0];
    let refused = |slot: u8, reason: u8| [1, 3, slot, reason, 0];
    let after_decay = |slot: u8, act: &[u8]| [&[7 | slot << 3], &act[1..]].concat();
    let stories = [
        [&BOOT[..], &install(1, 0), &BOOT, &GOOD, &install(2, 0), &BOOT, &GOOD, &BACK].concat(),
        [&install(1, 0)[..], &BOOT, &BOOT, &BOOT, &BOOT, &install(1, 4), &REPAIR].concat(),
        [&BOOT[..], &cut(1, 1), &install(1, 0), &BOOT, &BAD, &BOOT, &cut(2, 9), &install(2, 0), &BOOT, &GOOD].concat(),
        [&BOOT[..], &install(1, 1), &ACTIVATE, &BOOT, &GOOD, &[0, 0, 14, 0, 0], &[8, 3, 9, 0, 0]].concat(),
        [&BOOT[..], &install(1, 8), &install(1, 0), &refused(1, 0), &install(1, 8), &install(1, 12), &BOOT].concat(),
        [&BOOT[..], &killed(1, 9), &cut(1, 0), &killed(1, 40), &install(2, 1), &CANCEL, &install(2, 0)].concat(),
        [&install(1, 0)[..], &BOOT, &lost(1), &BOOT, &lost(2), &GOOD, &BOOT, &BOOT, &BOOT, &refused(1, 1)].concat(),
        [&BOOT[..], &unflushed(1, 9), &install(1, 0), &BOOT, &GOOD, &unflushed(2, 8), &ACTIVATE, &CANCEL].concat(),
        [&BOOT[..], &unflushed(1, 11), &ACTIVATE, &BOOT, &GOOD, &unflushed(2, 10), &install(2, 0)].concat(),
        [&install(1, 1)[..], &after_decay(1, &ACTIVATE), &install(1, 0), &after_decay(1, &BOOT), &install(1, 0)]
            .concat(),
        [&install(1, 0)[..], &BOOT, &GOOD, &BOOT, &BOOT, &BOOT, &after_decay(1, &BOOT), &install(1, 0)].concat(),
    ];
    let straight = [0, 0].as_slice();
    let troubled = [4, 9, 1, 2, 3, 4, 5, 6, 7, 0xc7, 30, 6, 5, 0, 0].as_slice();
    let shape = |number: u8| [number & 1, number >> 1 & 1, number >> 2 & 1, 2, 2];
    let life = |number: u8, start: &[u8]| {
        let head = [&shape(number)[..], start, &[number & 1, 3]].concat();
        stories.iter().map(|story| [&head[..], story].concat()).collect::<Vec<_>>()
    };
    (0..8).flat_map(|number| life(number, if number % 3 == 0 { troubled } else { straight })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tests::chance::Chance;

    /// Long lives from plain chance, which libFuzzer comes to late. `LIVES=N` asks for more.
    #[test]
    fn random_lives_pass() {
        let lives = std::env::var("LIVES").map_or(200, |text| text.parse().expect("LIVES is a number"));
        for life in 0..lives {
            let mut chance = Chance::new(life);
            let bytes: Vec<u8> = (0..48).flat_map(|_| chance.next().to_le_bytes()).collect();
            crate::acts::run(&bytes);
        }
    }

    /// Every target takes its seeds, and the gpt seeds hold tables, so that a run begins behind the first check.
    #[test]
    fn every_seed_passes() {
        for (target, seeds) in all() {
            assert!(!seeds.is_empty(), "{target}");
            for seed in seeds {
                match target {
                    "gpt" => crate::gpt::run(&seed),
                    "pack" => crate::pack::run(&seed),
                    "superblock_geometry" => crate::superblock_geometry::run(&seed),
                    "manifest" => crate::manifest::run(&seed),
                    "delta" => crate::delta::run(&seed),
                    "bundle_stream" => crate::bundle_stream::run(&seed),
                    "profile" => crate::profile::run(&seed),
                    "c" => crate::c::run(&seed),
                    "acts" => crate::acts::run(&seed),
                    other => panic!("{other} has no target"),
                }
            }
        }
    }
}
