//! Bundles with hints over a network: what the device holds in its other slot is not fetched, and whatever is wrong with it, the image is
//! the signed one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::chance::Chance;
use tests::device::Device;
use tests::nginx::{Asked, Nginx};
use tests::odd_server::{OddServer, Request, answer, part_of};
use tests::packed_bundle::PackedBundle;
use tests::relay::{Manner, Relay};
use tests::root_image::noise;
use tests::workshop::Workshop;

const BLOCK: usize = 4096;
const CHUNK: usize = 128 * BLOCK;
/// Bytes of a chunk, as documents count them.
const BYTES: u64 = 524_288;

/// A release that moved: a block more at the front, so that no chunk is where it was; a chunk in the middle is new; so is the end.
struct Moved {
    /// Its folder lives as long.
    workshop: Arc<Workshop>,
    old: PathBuf,
    image: Vec<u8>,
    bundle: PathBuf,
}

impl Moved {
    fn new() -> Self {
        Self::carried(&[])
    }

    /// The same with these options of `bundle create`.
    fn carried(options: &[&str]) -> Self {
        let workshop = Workshop::shared();
        let old = noise("old", 10 * CHUNK + 20 * BLOCK);
        let mut image = [noise("front", BLOCK), old.clone()].concat();
        image[4 * CHUNK + 77] ^= 1;
        image.extend(noise("end", 20_000));
        let old = workshop.put_new("image", &old);
        let new = workshop.put_new("image", &image);
        let bundle = workshop.release(2).image(&new).with(&["--compression", "zstd"]).with(options).create();
        let old = workshop.release(1).image(&old).create();
        Self { workshop, old, image, bundle }
    }

    /// A device that runs the old release.
    fn device(&self) -> Device {
        let device = Device::new();
        device.does(&["install", self.old.to_str().unwrap()]);
        let device = device.booted("b");
        device.does(&["mark-good"]);
        device
    }

    fn is_in(&self, device: &Device) {
        assert!(device.partition("a").starts_with(&self.image));
        device.does(&["verify", "--slot", "a"]);
        assert_eq!(device.next(), "a");
    }

    /// Bytes of the head.
    fn head(&self) -> u64 {
        u64::try_from(BundleParts::of(&self.bytes()).payload_at()).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.bundle).unwrap()
    }
}

/// Bytes of all bodies.
fn sent(asked: &[Asked]) -> u64 {
    asked.iter().map(|asked| asked.bytes).sum()
}

#[test]
fn only_what_is_new_is_fetched() {
    let moved = Moved::new();
    let device = moved.device();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    let done = device.does(&["install", &server.url("update.bundle")]);
    moved.is_in(&device);
    // The chunk with the new front, the changed one, and the last two, of which one has the old end and 20 000 new bytes.
    let reused = done["reused_bytes"].as_u64().unwrap();
    assert_eq!(reused, 8 * BYTES, "{done}");
    let asked = server.asked(4);
    assert!(asked.iter().all(|asked| asked.status == 206 && asked.range.starts_with("bytes=")), "{asked:?}");
    assert!(sent(&asked) < 4 * BYTES, "{asked:?}");
    assert_eq!(done["fetched_bytes"].as_u64(), Some(sent(&asked)), "{asked:?}");
}

/// A bit of the old image that is not as it was, in its data and in its tree: what that costs is a chunk, fetched.
#[test]
fn an_old_image_that_has_rotted_costs_the_chunks_that_it_had() {
    let moved = Moved::new();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    // The superblock, one block of level 1, level 0 of the third chunk.
    let tree = 10 * BYTES + 20 * 4096 + 2 * 4096;
    for (at, lost) in [(2 * BYTES + 5000, 1), (tree + 2 * 4096 + 1, 1)] {
        let device = moved.device();
        device.flip(device.slot("b").start + at);
        let done = device.does(&["install", &server.url("update.bundle")]);
        moved.is_in(&device);
        assert_eq!(done["reused_bytes"].as_u64(), Some((8 - lost) * BYTES), "{done}");
    }
}

/// The signed hints lie: each is that of another block of the old image.
#[test]
fn hints_that_lie_cost_what_they_lie_about() {
    let moved = Moved::new();
    let device = moved.device();
    let mut packed = PackedBundle::of(&moved.bundle);
    packed.hint(|hints| hints[2 * 128 * 6..].copy_within(6..7 * 128 * 6, 0));
    let bytes = packed.into_parts().signed(&[moved.workshop.maker()]).joined();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &bytes);
    let done = device.does(&["install", &server.url("update.bundle")]);
    moved.is_in(&device);
    assert_eq!(done["reused_bytes"].as_u64(), Some(2 * BYTES), "{done}");

    let mut packed = PackedBundle::of(&moved.bundle);
    packed.hints[7] ^= 1;
    server.put("forged.bundle", &packed.into_parts().signed(&[moved.workshop.maker()]).joined());
    let device = moved.device();
    let refused = device.run(&["install", &server.url("forged.bundle")]);
    refused.exits(Exit::NotAuthentic).says("the hints of index page 0 are wrong");
}

/// Frames of 64 KiB: of the four chunks that have new blocks, only the frames with these are fetched.
#[test]
fn of_a_chunk_in_frames_only_the_new_frames_are_fetched() {
    let moved = Moved::carried(&["--frame-size", "64"]);
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    let device = moved.device();
    let done = device.does(&["install", &server.url("update.bundle")]);
    moved.is_in(&device);
    let asked = server.asked(4);
    // The front, the changed block, and the last 5 blocks, which stand in a frame of 10.
    let new = 2 * 65_536 + 10 * 4096;
    assert!(sent(&asked) < moved.head() + 30_000 + new, "{asked:?}");
    let reused = done["reused_bytes"].as_u64().unwrap();
    assert_eq!(reused, 10 * BYTES + 26 * 4096 - new, "{done}");

    let told = moved.device().does(&["install", "--dry-run", &server.url("update.bundle")]);
    let (to_fetch, fetched) = (told["to_fetch_bytes"].as_u64().unwrap(), done["fetched_bytes"].as_u64().unwrap());
    assert!(fetched >= to_fetch && fetched <= to_fetch + moved.head() + 65_536, "{told} {done}");
    // All of it is right, and it installs from a file and a pipe, where nothing is reused.
    let bundle = moved.bundle.to_str().unwrap();
    let device = moved.device();
    device.does(&["verify", bundle]);
    device.does(&["install", bundle]);
    moved.is_in(&device);
}

/// Blocks of the old image that have the hints of new ones, and are others: a chunk of which nothing was fetched is fetched; if some of its frames were,
/// the installation begins again without them.
#[test]
fn reused_frames_whose_hints_lie_are_fetched() {
    let moved = Moved::carried(&["--frame-size", "64"]);
    let server = Nginx::start("", &[]);
    // The second frame of a chunk that is all in the old image, and of the first one, whose first frame is new.
    for (chunk, begins_again) in [(2, false), (0, true)] {
        let mut packed = PackedBundle::of(&moved.bundle);
        let frame = (chunk * 128 + 16) * 6;
        packed.hint(|hints| hints.copy_within(200 * 6..216 * 6, frame));
        server.put("update.bundle", &packed.into_parts().signed(&[moved.workshop.maker()]).joined());
        let device = moved.device();
        let ended = device.run(&["install", &server.url("update.bundle")]);
        let words = "blocks of another slot were taken for those of chunk 0, and are others; going on without blocks of other slots";
        let told = ended.stderr().contains(words);
        assert_eq!(told, begins_again, "{}", ended.stderr());
        ended.exits(Exit::Done);
        moved.is_in(&device);
    }
}

/// One that gives all of a file or nothing: it is read from front to end, and what is there already is not taken from it.
#[test]
fn a_server_without_ranges_is_a_stream() {
    let moved = Moved::new();
    let device = moved.device();
    let bytes = moved.bytes();
    let server = OddServer::start(move |_: &Request| {
        let headers = [format!("Content-Length: {}", bytes.len())];
        answer("HTTP/1.1 200 OK", &headers, &bytes)
    });
    let done = device.does(&["install", &server.url("update.bundle")]);
    moved.is_in(&device);
    assert_eq!(done["reused_bytes"].as_u64(), Some(8 * BYTES), "{done}");
    assert!(server.asked().len() <= 2, "{:?}", server.asked());
}

/// The network fails in the middle of a piece, and the program is killed: nothing is fetched twice.
#[test]
fn cuts_in_the_middle() {
    let moved = Moved::new();
    let device = moved.device();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    let relay = Relay::before(server.port, &[Manner::Cuts(300_000), Manner::Cuts(400_000)]);
    let cut = device.run(&["install", "--json", "--retries", "1", &relay.url("update.bundle")]);
    cut.exits(Exit::Done);
    moved.is_in(&device);

    let device = moved.device();
    let relay = Relay::before(server.port, &[Manner::FallsSilent(900_000)]);
    let ended = device.run(&["install", "--timeout", "1", "--retries", "0", &relay.url("update.bundle")]);
    ended.exits(Exit::Network);
    let done = device.does(&["install", &server.url("update.bundle")]);
    moved.is_in(&device);
    let [kept, reused] = ["kept_bytes", "reused_bytes"].map(|key| done[key].as_u64().unwrap());
    assert!(kept >= BYTES && kept + reused <= 9 * BYTES, "{done}");
    assert!(done["fetched_bytes"].as_u64().unwrap() < 1_300_000, "{done}");
}

/// A dry run says what would be fetched, and fetches the index alone.
#[test]
fn a_dry_run_knows_what_would_be_fetched() {
    let moved = Moved::new();
    let device = moved.device();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    let before = device.bytes();
    let told = device.does(&["install", "--dry-run", &server.url("update.bundle")]);
    assert!(before == device.bytes(), "a dry run wrote");
    assert!(told["fetched_bytes"].as_u64().unwrap() < 100_000, "{told}");
    let head = moved.head();
    let done = device.does(&["install", &server.url("update.bundle")]);
    // The front is fetched before anybody knows what is needed of it, and little gaps are fetched.
    let (to_fetch, fetched) = (told["to_fetch_bytes"].as_u64().unwrap(), done["fetched_bytes"].as_u64().unwrap());
    assert!(fetched >= to_fetch && fetched <= to_fetch + head + 65_536, "{told} {done}");
    let whole = Device::new().does(&["install", "--dry-run", &server.url("update.bundle")]);
    let all = fs::metadata(&moved.bundle).unwrap().len();
    assert_eq!(whole["to_fetch_bytes"].as_u64().map(|bytes| bytes + head), Some(all), "{whole}");
}

/// Without hints, and an image whose blocks are nowhere else: all of it, in one go.
#[test]
fn nothing_to_reuse() {
    let moved = Moved::new();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    let device = Device::new();
    let done = device.does(&["install", &server.url("update.bundle")]);
    assert!(device.partition("b").starts_with(&moved.image));
    assert_eq!(done["reused_bytes"].as_u64(), Some(0), "{done}");
    let fetched = done["fetched_bytes"].as_u64().unwrap();
    assert_eq!(fetched, fs::metadata(&moved.bundle).unwrap().len());
    assert_eq!(server.asked(2).iter().map(|asked| asked.bytes).sum::<u64>(), fetched);
}

/// A server that ends each connection after an answer, though it said nothing of that: each range is asked for once, without a pause.
#[test]
fn a_server_that_hangs_up_after_each_answer() {
    let moved = Moved::new();
    let bytes = moved.bytes();
    let server = OddServer::start(move |asked| {
        let (first, last) = asked.range.unwrap_or((0, None));
        let end = last.map_or(bytes.len(), |last| bytes.len().min(last + 1));
        // The server closes all the same.
        let said = String::from_utf8_lossy(b"Connection: close\r\n").into_owned();
        let whole = part_of(&bytes, first, end);
        let at = whole.windows(said.len()).position(|bytes| bytes == said.as_bytes()).unwrap();
        [&whole[..at], &whole[at + said.len()..]].concat()
    });
    let device = moved.device();
    let since = Instant::now();
    let answer = device.run(&["install", &server.url("update.bundle")]).exits(Exit::Done);
    assert!(!answer.stderr().contains("trying again") && since.elapsed().as_secs() < 10, "{answer}");
    moved.is_in(&device);
}

/// Every second chunk of the old image has rotted: what is on its way when that is seen is of use all the same.
#[test]
fn rot_everywhere_is_not_fetched_twice() {
    let moved = Moved::new();
    for ranges in [true, false] {
        let server = Nginx::start(if ranges { "" } else { "max_ranges 0;" }, &[]);
        server.put("update.bundle", &moved.bytes());
        let device = moved.device();
        let start = device.slot("b").start;
        (0..10).filter(|chunk| chunk % 2 == 0).for_each(|chunk| device.flip(start + chunk * BYTES + 9000));
        let done = device.does(&["install", &server.url("update.bundle")]);
        moved.is_in(&device);
        let (fetched, all) = (done["fetched_bytes"].as_u64().unwrap(), fs::metadata(&moved.bundle).unwrap().len());
        assert!(fetched <= all + 2 * 65_536, "{ranges}: {done}");
    }
}

/// A length that nobody tells costs nothing at the end.
#[test]
fn a_file_of_unknown_length_is_not_fetched_again_to_see_its_end() {
    let moved = Moved::new();
    let bytes = moved.bytes();
    let all = bytes.len();
    let server = OddServer::start(move |_| answer("HTTP/1.0 200 OK", &[], &bytes));
    let device = moved.device();
    let done = device.does(&["install", &server.url("update.bundle")]);
    moved.is_in(&device);
    assert!(done["fetched_bytes"].as_u64().unwrap() <= u64::try_from(all).unwrap() + 200_000, "{done}");
}

/// Twelve installations, each cut wherever it is until it is done: what has come is not fetched again, whether other slots help or not.
#[test]
fn two_hundred_cuts() {
    let moved = Moved::new();
    let server = Nginx::start("", &[]);
    server.put("update.bundle", &moved.bytes());
    let url = server.url("update.bundle");
    let device = |number| if number % 2 == 0 { Device::new() } else { moved.device() };
    let alone = [0, 1].map(|number| device(number).does(&["install", &url])["fetched_bytes"].as_u64().unwrap());
    let install = |number: usize| {
        let mut chance = Chance::new(0).named(&format!("cuts {number}"));
        // Less than 64 KiB would be no progress, and the pauses grow.
        let most = [300_000, 30_000][number % 2];
        let cuts: Vec<_> = (0..100).map(|_| Manner::Cuts(70_000 + chance.below(most))).collect();
        let (relay, device) = (Relay::before(server.port, cuts.leak()), device(number));
        let done = device.does(&["install", &relay.url("update.bundle")]);
        assert!(device.partition(["b", "a"][number % 2]).starts_with(&moved.image));
        let (once, fetched) = (alone[number % 2], done["fetched_bytes"].as_u64().unwrap());
        assert!(fetched * 100 <= once * 105, "{number}: {fetched} of {once} bytes");
        relay.failures()
    };
    let cuts: usize = thread::scope(|scope| {
        let running: Vec<_> = (0..12)
            .map(|number| {
                scope.spawn({
                    let install = &install;
                    move || install(number)
                })
            })
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert!(cuts >= 200, "{cuts} cuts");
}
