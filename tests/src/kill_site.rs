//! An installation that something happens to: a device with release 1.0 booted from slot a, a bundle of eleven chunks for slot b, and
//! what must hold afterwards, whatever happened.

use std::path::PathBuf;

use crate::answer::{Answer, Exit};
use crate::chance::Chance;
use crate::cli::Cli;
use crate::device::Device;
use crate::strace::{self, counted};
use crate::witness::Witness;

const CHUNK: usize = 512 << 10;
const CHUNK_BYTES: u64 = 512 << 10;
/// Bytes of the disk that are compared, and written where they differ.
const PIECE: usize = 64 << 10;
/// Bytes of the image: ten chunks and a short one.
const IMAGE: usize = 10 * CHUNK + 150_001;
/// Bytes of one copy of the table: 32 sectors of entries and the header.
const TABLE_COPY: u64 = 33 * 512;

/// The site.
#[derive(Debug)]
pub struct Site {
    /// The device.
    pub device: Device,
    /// The bundle.
    pub bundle: PathBuf,
    /// The image in it.
    pub image: Vec<u8>,
    /// Bytes that an installation writes which nothing happens to.
    pub whole: u64,
    fresh: Vec<u8>,
    witness: Witness,
    /// First byte of slot b.
    target: u64,
}

/// How an installation that was disturbed was made good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mended {
    /// Chunks that were on the disk before it ran again.
    pub there: usize,
    /// Chunks in all.
    pub chunks: usize,
    /// Bytes that it wrote.
    pub written: u64,
}

impl Site {
    /// Makes it.
    ///
    /// # Panics
    /// Where the device or the bundle cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let device = Device::new().booted("a");
        let image = noise();
        let path = device.workshop.put_new("image", &image);
        let bundle = device.workshop.release(2).image(&path).create();
        let fresh = device.bytes();
        let (witness, target) = (Witness::of(&device), device.slot("b").start);
        let mut site = Self { device, bundle, image, whole: 0, fresh, witness, target };
        let (answer, writes) = counted(site.install(), site.device.disk(), &strace::WRITES);
        drop(answer.exits(Exit::Done));
        site.whole = writes.iter().sum();
        site
    }

    /// The disk as it was in the beginning.
    pub fn refresh(&self) {
        let now = self.device.bytes();
        let pieces = now.chunks(PIECE).zip(self.fresh.chunks(PIECE)).zip((0..).step_by(PIECE));
        for ((_, fresh), at) in pieces.filter(|((now, fresh), _)| now != fresh) {
            self.device.put(at, fresh);
        }
    }

    /// The installation.
    #[must_use]
    pub fn install(&self) -> Cli {
        self.device.cli(&["install", self.bundle.to_str().expect("paths of tests are UTF-8"), "--json"])
    }

    /// Chunks of the image that are in slot b.
    #[must_use]
    pub fn chunks_there(&self) -> usize {
        let len = self.image.len().next_multiple_of(4096);
        let there = self.device.range(self.target, u64::try_from(len).expect("a small image"));
        self.image.chunks(CHUNK).zip(there.chunks(CHUNK)).filter(|(chunk, there)| there.starts_with(chunk)).count()
    }

    /// After the disturbance: `status` and `verify` work, the booted slot is as it was, the next slot boots; and the same installation
    /// runs through without help, and writes less than a whole one where more than a tenth was there.
    ///
    /// # Panics
    /// Where any of it does not hold.
    pub fn mended(&self, what: &str) -> Mended {
        let status = self.device.status();
        assert_eq!(status["slots"][0]["state"], "good", "{what}: {status}");
        let armed = status["slots"][1]["bootable"] == true;
        self.device.run(&["verify", "--slot", "a"]).exits(Exit::Done);
        if armed {
            // Never armed before it is whole.
            self.device.run(&["verify", "--slot", "b"]).exits(Exit::Done);
        }
        let (there, chunks) = (self.chunks_there(), self.image.chunks(CHUNK).len());
        let (again, writes) = counted(self.install(), self.device.disk(), &strace::WRITES);
        let written = writes.iter().sum();
        self.one_of(&again, &[if armed { Exit::Nothing } else { Exit::Done }]);
        // A copy of the table that the disturbance left torn is written anew.
        assert!(!armed || written <= TABLE_COPY, "{what}: there was nothing to do, and {written} bytes were written");
        let much = there * 10 > chunks;
        // The short chunk may be among them.
        let saved = u64::try_from(there).unwrap_or(u64::MAX).saturating_sub(1) * CHUNK_BYTES;
        let less = written + saved <= self.whole;
        assert!(
            !much || less,
            "{what}: {there} of {chunks} chunks were there, {written} bytes written of {}",
            self.whole
        );
        self.complete(what);
        self.witness.testifies(&self.device);
        Mended { there, chunks, written }
    }

    /// Slot b is armed, and holds the image.
    ///
    /// # Panics
    /// Where it is not.
    pub fn complete(&self, what: &str) {
        let slot = self.device.slot("b");
        assert_eq!((slot.state.as_str(), slot.version.as_deref()), ("trial", Some("2.0")), "{what}");
        assert_eq!(self.chunks_there(), self.image.chunks(CHUNK).len(), "{what}: another image");
    }

    /// What a disturbed run answered: an end that the contract knows.
    ///
    /// # Panics
    /// Where it is another one.
    pub fn one_of(&self, answer: &Answer, exits: &[Exit]) {
        let known = exits.iter().any(|exit| answer.code() == Some(exit.code()));
        assert!(known, "wanted one of {exits:?}\n{answer}");
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes without a pattern.
fn noise() -> Vec<u8> {
    let mut chance = Chance::new(0).named("kill site");
    let mut bytes: Vec<u8> = (0..IMAGE.div_ceil(8)).flat_map(|_| chance.next().to_le_bytes()).collect();
    bytes.truncate(IMAGE);
    bytes
}
