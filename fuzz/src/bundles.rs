//! Bundles that the fuzzer's machine trusts, and a hash tree made the slow way to judge them by.

use std::io::{self, Cursor};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use libupdate::bundle::writer::{self, BundleSpec, Carriage, Compressor, Image, LocalKey, Signer, Tools};
use libupdate::bundle::{Anchors, UpdaterVersion};
use libupdate::install::Decompressor;
use libupdate::manifest::Name;
use libupdate::units::digest::Digest;
use libupdate::{ByteLen, SoftHasher, UnixSeconds};

/// Bytes of a data block and of a hash block.
pub const BLOCK: usize = 4096;
/// What the machine is.
pub const COMPATIBLE: &str = "fuzz-box";
/// Roles of a slot's partitions; the first one carries the bits.
pub const ROLES: [&str; 2] = ["root", "boot"];

/// The key that the machine trusts.
pub static KEY: LazyLock<LocalKey> = LazyLock::new(|| LocalKey::from_scalar(&[7; 32]).expect("a number in range"));
/// The machine's trust.
pub static ANCHORS: LazyLock<Anchors> =
    LazyLock::new(|| Anchors::new(&[*KEY.public_key()], NonZeroUsize::MIN).expect("one key"));

/// A bundle, and the images in it.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The file.
    pub bytes: Vec<u8>,
    /// Length of its envelope.
    pub head: usize,
    /// The manifest digest.
    pub digest: Digest,
    /// The images, padded to whole blocks, in the order of [`ROLES`].
    pub images: Vec<Vec<u8>>,
}

/// How a bundle carries its images.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carried {
    /// As they are.
    Raw,
    /// In groups behind index pages, by [`RunLength`].
    Paged,
}

/// Makes a bundle of images of these lengths.
///
/// # Panics
/// Where the writer refuses.
#[must_use]
pub fn bundle(version: &str, lens: &[usize], carried: Carried) -> Bundle {
    let name = |text| Name::new(text).expect("a name");
    let mut images: Vec<Vec<u8>> = lens.iter().zip(1_u8..).map(|(len, role)| image(version, role, *len)).collect();
    let mut packers: Vec<RunLength> = lens.iter().map(|_| RunLength).collect();
    let mut carried_images: Vec<Image<'_, '_, &[u8]>> = Vec::new();
    for ((image, packer), role) in images.iter().zip(&mut packers).zip(ROLES) {
        let carriage = if carried == Carried::Raw { Carriage::Raw } else { Carriage::Zstd(packer) };
        let len = ByteLen::new(image.len() as u64);
        carried_images.push(Image { role: name(role), len, source: image.as_slice(), salt: None, carriage });
    }
    let spec = BundleSpec {
        compatibles: vec![name(COMPATIBLE)],
        version: name(version),
        rollback_index: 1,
        build_time: UnixSeconds::UNKNOWN,
        extensions: vec![],
        minimum_updater: UpdaterVersion::OLDEST,
    };
    let mut out = Cursor::new(Vec::new());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let written = writer::write(&spec, &mut carried_images, &[&*KEY], &mut out, &mut tools).expect("a valid bundle");
    for image in &mut images {
        image.resize(image.len().next_multiple_of(BLOCK), 0);
    }
    Bundle { bytes: out.into_inner(), head: written.envelope.len(), digest: written.digest, images }
}

/// Runs of one byte, zeros and noise, chunk by chunk.
fn image(version: &str, role: u8, len: usize) -> Vec<u8> {
    let seed = version.bytes().fold(u32::from(role), |seed, byte| seed.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let byte = |at: usize| {
        let block = at / BLOCK;
        let noise = (seed ^ u32::try_from(at).unwrap_or_default()).wrapping_mul(0x9e37_79b1).to_le_bytes()[3];
        match block / 128 % 3 {
            0 => noise,
            1 => 0,
            _ => role,
        }
    };
    (0..len).map(byte).collect()
}

/// Stands for zstd behind the seams: a chunk of one byte over and over is carried as that byte.
#[derive(Clone, Copy, Debug)]
pub struct RunLength;

impl Compressor for RunLength {
    fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
        for (chunk, frame) in chunks.iter().zip(frames) {
            let uniform = chunk.iter().all(|byte| *byte == chunk[0]);
            *frame = if uniform { vec![chunk[0]] } else { [chunk, &b"longer"[..]].concat() };
        }
        Ok(())
    }
}

impl Decompressor for RunLength {
    fn decompress(&mut self, carried: &[u8], chunk: &mut [u8]) -> Option<()> {
        let [byte] = carried else { return None };
        chunk.fill(*byte);
        Some(())
    }
}

/// Root digest and levels, bottom first, of an image of whole blocks: every level in memory, one after the other.
#[must_use]
pub fn naive_tree(image: &[u8], salt: &[u8]) -> ([u8; 32], Vec<Vec<u8>>) {
    let mut levels: Vec<Vec<u8>> = Vec::new();
    let mut below = image.to_vec();
    while below.len() > BLOCK {
        below = below.chunks(BLOCK).flat_map(|block| *Digest::of(&[salt, block]).as_bytes()).collect();
        below.resize(below.len().next_multiple_of(BLOCK), 0);
        levels.push(below.clone());
    }
    (*Digest::of(&[salt, &below]).as_bytes(), levels)
}
