//! Delta bundles: installed beside the image that they are made from, refused without it, and broken in every way that a key holder may.

use std::fs;
use std::path::{Path, PathBuf};

use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::cli::Cli;
use tests::device::Device;
use tests::nginx::Nginx;
use tests::packed_bundle::{PackedBundle, ROW, ROWS_AT};
use tests::raw_manifest::RawManifest;
use tests::root_image::noise;
use tests::workshop::Workshop;

const BLOCK: usize = 4096;
const CHUNK: usize = 128 * BLOCK;

/// What release 1.0 became: a block more at the front, so that no chunk is where it was; bytes changed in every third block; a file more at the end.
fn newer(workshop: &Workshop) -> Vec<u8> {
    let mut image = [noise("front", BLOCK), fs::read(&workshop.image(1).path).unwrap()].concat();
    for (number, block) in image.chunks_mut(BLOCK).enumerate().filter(|(number, _)| number % 3 == 1) {
        block[number % BLOCK] ^= 0x55;
        block[(number * 7) % BLOCK] ^= 0x11;
    }
    image.extend(noise("end", 20_000));
    image
}

/// The image of release 2.0, its whole bundle, and the delta from release 1.0.
struct Release {
    image: Vec<u8>,
    whole: PathBuf,
    delta: PathBuf,
}

fn release(workshop: &Workshop, old: &str) -> Release {
    let image = newer(workshop);
    let path = workshop.put_new("image", &image);
    let recipe = || workshop.release(2).image(&path);
    let whole = recipe().with(&["--compression", "zstd"]).create();
    let name = whole.file_name().unwrap().to_str().unwrap();
    let delta = recipe().with(&["--delta-from", old, "--full", name]).create();
    Release { image, whole, delta }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// The delta with no whole bundle beside it.
fn alone(workshop: &Workshop, delta: &Path) -> String {
    let folder = workshop.path("alone");
    fs::create_dir_all(&folder).unwrap();
    let place = folder.join(delta.file_name().unwrap());
    fs::copy(delta, &place).unwrap();
    text(&place).to_owned()
}

#[test]
fn a_delta_gives_the_image_bit_for_bit_and_is_a_fraction_of_the_whole() {
    let device = Device::new();
    let workshop = &device.workshop;
    for old in [text(&workshop.image(1).path), &workshop.bundle_text(1)] {
        let device = Device::new();
        let release = release(workshop, old);
        assert!(len(&release.delta) * 3 < len(&release.whole), "{} of {}", len(&release.delta), len(&release.whole));
        let installed = device.does(&["install", text(&release.delta)]);
        assert_eq!((installed["slot"].as_str(), installed["result"].as_str()), (Some("b"), Some("armed")));
        assert_eq!(device.partition("b")[..release.image.len()], release.image);
        device.does(&["verify", "--slot", "b"]);
        // What the slot holds is a whole image of the same root hash, however it came.
        let roots = |bundle: &Path| device.does(&["info", text(bundle)])["payloads"][0]["root_hash"].clone();
        assert_eq!(roots(&release.delta), roots(&release.whole));
        device.run(&["install", text(&release.delta)]).exits(Exit::Nothing).says("slot b holds 2.0 already");
    }
}

#[test]
fn a_delta_says_what_it_is_made_from() {
    let device = Device::new();
    let workshop = &device.workshop;
    let release = release(workshop, &workshop.bundle_text(1));
    let info = device.does(&["info", text(&release.delta)]);
    let old = device.does(&["info", &workshop.bundle_text(1)]);
    assert_eq!(info["payloads"][0]["old_image"], old["payloads"][0]["root_hash"]);
    assert_eq!(info["full_bundle"].as_str(), release.whole.file_name().unwrap().to_str());
    assert!(old["payloads"][0]["old_image"].is_null() && old["full_bundle"].is_null());
    let checked = |bundle: &Path| device.does(&["verify", text(bundle)])["delta"].as_bool();
    assert_eq!((checked(&release.delta), checked(&release.whole)), (Some(true), Some(false)));
}

#[test]
fn no_old_image_and_nothing_is_written_and_the_whole_bundle_is_taken_if_there_is_one() {
    let workshop = Workshop::shared();
    let release = release(&workshop, &workshop.bundle_text(3));
    let device = Device::new();
    let why = "no other slot holds the old image";
    device.refuses_untouched(&["install", &alone(&workshop, &release.delta)], Exit::Refused, why);
    let bytes = fs::read(&release.delta).unwrap();
    let piped = device.cli(&["install", "-", "--json"]).run_with_input(&bytes, &[BLOCK]);
    piped.fails(Exit::Refused, why);
    let answer = device.run(&["install", text(&release.delta)]);
    answer.exits(Exit::Done).says(&format!("going on with {}", release.whole.display()));
    assert_eq!(device.partition("b")[..release.image.len()], release.image);
}

/// The slot that is written is none that it is made from.
#[test]
fn the_target_is_not_an_old_image() {
    let device = Device::new();
    let workshop = &device.workshop;
    device.installs(3);
    let release = release(workshop, &workshop.bundle_text(3));
    device.does(&["cancel"]);
    device.refuses(&["install", &alone(workshop, &release.delta)], Exit::Refused, "no other slot holds the old image");
}

#[test]
fn a_new_disk_takes_whole_images_only() {
    let workshop = Workshop::shared();
    let release = release(&workshop, &workshop.bundle_text(1));
    let disk = workshop.text("whole-only.disk");
    let cli = Cli::new(&["--profile", &workshop.text("profile.toml"), "--disk", &disk]);
    let answer = cli.and(&["provision", "--size", "20971520", text(&release.delta)]).run();
    assert!(!Path::new(&disk).exists(), "a disk that was not made is not left behind");
    answer.exits(Exit::Refused).says("no other slot holds the old image");
}

/// The bits of the old image that the delta is made from, each in turn: nothing wrong is ever armed.
#[test]
fn old_image_differs_from_what_the_delta_was_made_from() {
    let workshop = Workshop::shared();
    let release = release(&workshop, &workshop.bundle_text(1));
    let old = usize::try_from(len(&workshop.image(1).path)).unwrap();
    let start = |device: &Device| device.slot("a").start;
    for at in [2 * BLOCK + 9, old / 2, old - BLOCK] {
        let device = Device::new();
        device.flip(start(&device) + u64::try_from(at).unwrap());
        let answer = device.run(&["install", &alone(&workshop, &release.delta)]);
        answer.exits(Exit::NotAuthentic).says("made from the old image in another slot, does not match the hash tree");
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
        // The bundle of whole images beside it helps, in the same run.
        device.run(&["install", text(&release.delta)]).exits(Exit::Done).says("going on with");
        assert_eq!(device.partition("b")[..release.image.len()], release.image);
        assert_eq!(device.state("b"), "trial");
    }
}

#[test]
fn the_whole_bundle_is_fetched_from_beside_a_delta_for_another_image() {
    let device = Device::new();
    let workshop = &device.workshop;
    let release = release(workshop, &workshop.bundle_text(3));
    let server = Nginx::start("", &[]);
    let name = release.whole.file_name().unwrap().to_str().unwrap();
    server.put("update.delta", &fs::read(&release.delta).unwrap());
    server.put(name, &fs::read(&release.whole).unwrap());
    device.run(&["install", &server.url("update.delta?channel=stable")]).exits(Exit::Done).says("going on with");
    assert_eq!(device.partition("b")[..release.image.len()], release.image);
    let paths: Vec<_> = server.asked(3).into_iter().map(|asked| (asked.path, asked.bytes)).collect();
    let whole = (format!("/{name}"), len(&release.whole) - 65_536);
    assert_eq!(paths, [("/update.delta".to_owned(), 65_536), (whole.0.clone(), 65_536), whole]);
}

/// A chunk of the delta with another body, signed as if all were well.
fn forged(workshop: &Workshop, delta: &Path, change: impl FnOnce(&mut PackedBundle)) -> String {
    let mut packed = PackedBundle::of(delta);
    change(&mut packed);
    let bundle = packed.into_parts().signed(&[workshop.maker()]).joined();
    workshop.put_new("bundle", &bundle).to_str().unwrap().to_owned()
}

fn codec(packed: &mut PackedBundle, number: usize, codec: u8) {
    packed.page[ROWS_AT + number * ROW] = codec;
}

#[test]
fn delta_body_that_breaks_a_rule_is_refused_and_the_slot_stays_out() {
    let workshop = Workshop::shared();
    let release = release(&workshop, &workshop.bundle_text(1));
    let old_blocks = u32::try_from(len(&workshop.image(1).path).div_ceil(4096)).unwrap();
    let leb = |mut number: u32| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    };
    let runs = |start: u32, blocks: u32| [vec![1], leb(start), leb(blocks)].concat();
    let bomb = zstd::bulk::compress(&vec![7; 16 << 20], 3).unwrap();
    let whole = zstd::bulk::compress(&vec![7; CHUNK], 3).unwrap();
    let cases: [(&str, u8, Vec<u8>); 10] = [
        ("no runs", 4, vec![0]),
        ("a run after the end of the old image", 4, runs(old_blocks, 128)),
        ("a run over its end", 4, runs(old_blocks - 127, 128)),
        ("a run of itself: blocks that only the new image has", 4, runs(old_blocks + 1, 1)),
        ("less than the chunk", 4, runs(0, 127)),
        ("more than a reference", 3, [runs(0, 257), whole.clone()].concat()),
        ("a bomb behind a valid digest", 3, [runs(0, 1), bomb.clone()].concat()),
        ("a bomb as streams", 4, [runs(0, 1), leb(100), leb(0), leb(0), leb(0), bomb].concat()),
        ("no frame", 3, [runs(0, 1), vec![9; 100]].concat()),
        ("streams that are no patch", 4, [runs(0, 1), leb(524_288), leb(0), leb(0), leb(0), whole.clone()].concat()),
    ];
    for (what, kind, body) in cases {
        let device = Device::new();
        let bundle = forged(&workshop, &release.delta, |packed| {
            packed.carry(1, &body);
            codec(packed, 1, kind);
        });
        let answer = device.run(&["install", &alone(&workshop, Path::new(&bundle))]);
        answer.exits(Exit::NotAuthentic).says("the delta of chunk 1 breaks its layout");
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"), "{what}");
    }
    // A body that is in order and gives another chunk.
    let device = Device::new();
    let bundle = forged(&workshop, &release.delta, |packed| {
        packed.carry(1, &runs(0, 128));
        codec(packed, 1, 4);
    });
    device.run(&["install", &alone(&workshop, Path::new(&bundle))]).exits(Exit::NotAuthentic).says("does not match");
    assert_eq!(device.state("b"), "disarmed");
}

/// The old images of the manifest, and the feature bit that goes with them.
#[test]
fn delta_bases_are_a_root_hash_for_each_payload() {
    let device = Device::new();
    let workshop = &device.workshop;
    let release = release(workshop, &workshop.bundle_text(1));
    let bundle = fs::read(&release.delta).unwrap();
    let forged = |root: &[u8], features: u8| {
        let mut parts = BundleParts::of(&bundle);
        let mut manifest = RawManifest::of(&parts.manifest);
        manifest.extensions.retain(|(id, _)| *id != 1);
        if !root.is_empty() {
            manifest.extensions.push((1, root.to_vec()));
        }
        (parts.manifest, parts.prefix[16]) = (manifest.encode(), features);
        text(&workshop.put_new("bundle", &parts.signed(&[workshop.maker()]).joined())).to_owned()
    };
    let why = "does not name an old image for each payload";
    for (root, features) in [(&[7; 31][..], 3), (&[7; 64], 3), (&[0; 32], 3), (&[], 3), (&[7; 32], 1)] {
        device.refuses_untouched(&["install", &forged(root, features)], Exit::NotAuthentic, why);
    }
    let wrong = "the required-feature bits are not those";
    device.refuses_untouched(&["install", &forged(&[7; 32], 2)], Exit::NotAuthentic, wrong);
}

/// What is carried is checked before any of it is read as runs or as a frame.
#[test]
fn a_changed_byte_of_a_body_is_found_by_its_digest() {
    let workshop = Workshop::shared();
    let release = release(&workshop, &workshop.bundle_text(1));
    let mut bytes = fs::read(&release.delta).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let bundle = alone(&workshop, &workshop.put_new("bundle", &bytes));
    let device = Device::new();
    device.run(&["install", &bundle]).exits(Exit::NotAuthentic).says("are damaged");
    device.cli(&["verify", &bundle]).run().exits(Exit::NotAuthentic).says("are damaged");
}
