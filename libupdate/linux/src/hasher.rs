//! Salted SHA-256 of many blocks: several at once on each core, on every core.
//!
//! ```text
//!  blocks ─┬─ of zeros: known, sparse images cost the time to see that they are
//!          └─ others ─┬─ SHA instructions of x86-64: four at a time (sha_ni)
//!                     └─ AVX-512, AVX2, ARMv8: up to 32 at a time (tape-sha256)
//! ```

#[cfg(target_arch = "x86_64")]
mod sha_ni;

use libupdate::units::bytes::all_zero;
use libupdate::units::digest::{BLOCK_BYTES, DIGEST_BYTES};
use libupdate::{BlockHasher, Salt};
use rayon::prelude::*;

use crate::cores;
#[cfg(target_arch = "x86_64")]
use sha_ni::{STREAMS, ShaNi};

/// Fewer blocks than this are hashed faster by one core than two cores are woken.
const WORTH_A_THREAD: usize = 32;
/// Blocks that one call of the batch hasher gets: a multiple of what any processor hashes side by side.
const BATCH: usize = 32;
/// What `tape-sha256` calls its own way with the SHA instructions of x86-64, where it finds nothing faster.
#[cfg(target_arch = "x86_64")]
const LIBRARY_TAKES_SHA_NI: &str = "shani-x4";

type Block = [u8; BLOCK_BYTES];
type DigestBytes = [u8; DIGEST_BYTES];

/// Shares the blocks of a batch among the cores.
#[derive(Clone, Debug)]
pub struct Hasher {
    cores: usize,
    unit: Unit,
    zero: Option<(Vec<u8>, DigestBytes)>,
}

/// What hashes blocks side by side on one core.
#[derive(Clone, Copy, Debug)]
enum Unit {
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi),
    Library,
    /// One block after another.
    Soft,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { cores: cores::count(), unit: Unit::of_this_processor(), zero: None }
    }
}

impl BlockHasher for Hasher {
    fn hash_blocks(&mut self, salt: Salt<'_>, blocks: &[u8], digests: &mut [u8]) {
        let (blocks, _) = blocks.as_chunks::<BLOCK_BYTES>();
        let (digests, _) = digests.as_chunks_mut::<DIGEST_BYTES>();
        let (unit, zero) = (self.unit, self.zero(salt));
        let share = blocks.len().div_ceil(self.cores).max(WORTH_A_THREAD);
        if blocks.len() <= share {
            return some(unit, salt, zero, blocks, digests);
        }
        let shares = blocks.par_chunks(share).zip(digests.par_chunks_mut(share));
        shares.for_each(|(blocks, digests)| some(unit, salt, zero, blocks, digests));
    }
}

impl Hasher {
    /// One that leaves all work to the calling core.
    #[must_use]
    pub fn on_one_core() -> Self {
        Self { cores: 1, unit: Unit::of_this_processor(), zero: None }
    }

    fn zero(&mut self, salt: Salt<'_>) -> DigestBytes {
        match &self.zero {
            Some((known, digest)) if known == salt.as_bytes() => *digest,
            _ => {
                let mut digest = [0; DIGEST_BYTES];
                one_by_one(salt, &[&[0; BLOCK_BYTES]], &mut [&mut digest]);
                self.zero = Some((salt.as_bytes().to_vec(), digest));
                digest
            }
        }
    }
}

impl Unit {
    #[cfg(target_arch = "x86_64")]
    fn of_this_processor() -> Self {
        match ShaNi::detect() {
            // The library, as tests build it, is not optimized: it is slow, and its widest way needs more stack than threads have.
            Some(ours) if cfg!(debug_assertions) || takes_sha_ni(tape_sha256::backend()) => Self::ShaNi(ours),
            None if cfg!(debug_assertions) => Self::Soft,
            _ => Self::Library,
        }
    }

    #[cfg(target_arch = "aarch64")]
    const fn of_this_processor() -> Self {
        Self::Library
    }

    /// Elsewhere nothing is gained by hashing blocks side by side.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    const fn of_this_processor() -> Self {
        Self::Soft
    }
}

/// Whether the library would take the same instructions as the module, which is at least as fast then.
#[cfg(target_arch = "x86_64")]
fn takes_sha_ni(backend: &str) -> bool {
    backend == LIBRARY_TAKES_SHA_NI
}

/// Hashes on this core.
fn some(unit: Unit, salt: Salt<'_>, zero: DigestBytes, blocks: &[Block], digests: &mut [DigestBytes]) {
    let mut bodies = Vec::with_capacity(BATCH);
    let mut places = Vec::with_capacity(BATCH);
    for (block, digest) in blocks.iter().zip(digests) {
        if all_zero(block) {
            *digest = zero;
            continue;
        }
        bodies.push(block);
        places.push(digest);
        if bodies.len() == BATCH {
            many(unit, salt, &bodies, &mut places);
            bodies.clear();
            places.clear();
        }
    }
    many(unit, salt, &bodies, &mut places);
}

fn many(unit: Unit, salt: Salt<'_>, bodies: &[&Block], places: &mut [&mut DigestBytes]) {
    match unit {
        #[cfg(target_arch = "x86_64")]
        Unit::ShaNi(unit) => by_fours(unit, salt, bodies, places),
        Unit::Library => by_library(salt, bodies, places),
        Unit::Soft => one_by_one(salt, bodies, places),
    }
}

/// Two or three that are left over are as good as four: as many streams go in the time of one and a half.
#[cfg(target_arch = "x86_64")]
fn by_fours(unit: ShaNi, salt: Salt<'_>, bodies: &[&Block], places: &mut [&mut DigestBytes]) {
    for (bodies, places) in bodies.chunks(STREAMS).zip(places.chunks_mut(STREAMS)) {
        let [first, .., last] = bodies else {
            one_by_one(salt, bodies, places);
            continue;
        };
        let four = [*first, bodies.get(1).unwrap_or(last), bodies.get(2).unwrap_or(last), last];
        let digests = unit.hash(salt.as_bytes(), four);
        places.iter_mut().zip(digests).for_each(|(place, digest)| **place = digest);
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn by_library(salt: Salt<'_>, bodies: &[&Block], places: &mut [&mut DigestBytes]) {
    let bodies: Vec<&[u8]> = bodies.iter().map(|body| &body[..]).collect();
    let mut digests = [[0; DIGEST_BYTES]; BATCH];
    let digests = digests.get_mut(..bodies.len()).unwrap_or_default();
    tape_sha256::hash_many_prefixed(salt.as_bytes(), &bodies, digests);
    places.iter_mut().zip(digests).for_each(|(place, digest)| **place = *digest);
}

/// There is no library for other processors.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn by_library(salt: Salt<'_>, bodies: &[&Block], places: &mut [&mut DigestBytes]) {
    one_by_one(salt, bodies, places);
}

fn one_by_one(salt: Salt<'_>, bodies: &[&Block], places: &mut [&mut DigestBytes]) {
    for (body, place) in bodies.iter().zip(places) {
        libupdate::SoftHasher.hash_blocks(salt, &body[..], &mut place[..]);
    }
}

#[cfg(test)]
mod tests {
    use libupdate::SoftHasher;

    use super::*;

    /// Blocks of every kind, some of them zero.
    fn blocks(count: usize) -> Vec<u8> {
        let mut data: Vec<u8> = (0..count * BLOCK_BYTES).map(|at| (at / 7 % 251).try_into().unwrap()).collect();
        data.chunks_exact_mut(BLOCK_BYTES).skip(2).step_by(5).for_each(|block| block.fill(0));
        data
    }

    /// Each that this build has on this processor. What the library does with AVX-512 only a build with optimization can run: tests/shell/hashes.sh has the
    /// released program hash, too.
    fn units() -> Vec<Unit> {
        let mut units = vec![Unit::Soft];
        #[cfg(target_arch = "x86_64")]
        units.extend(ShaNi::detect().map(Unit::ShaNi));
        if !tape_sha256::backend().starts_with("avx512") || !cfg!(debug_assertions) {
            units.push(Unit::Library);
        }
        units
    }

    fn agree(hasher: &mut Hasher, salt: &[u8], data: &[u8]) {
        let salt = Salt::new(salt).unwrap();
        let bytes = data.len() / BLOCK_BYTES * DIGEST_BYTES;
        let (mut one, mut many) = (vec![0; bytes], vec![1; bytes]);
        SoftHasher.hash_blocks(salt, data, &mut one);
        hasher.hash_blocks(salt, data, &mut many);
        assert_eq!(one, many, "{} bytes of salt, {} blocks", salt.as_bytes().len(), data.len() / BLOCK_BYTES);
    }

    #[test]
    fn any_number_of_blocks_on_any_number_of_cores() {
        let data = blocks(1000);
        for unit in units() {
            for cores in [1, 3] {
                let mut hasher = Hasher { cores, unit, zero: None };
                for count in [0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000] {
                    agree(&mut hasher, b"pepper", &data[..count * BLOCK_BYTES]);
                }
            }
        }
    }

    #[test]
    fn any_salt_at_any_alignment() {
        let data = blocks(40);
        let salt: Vec<u8> = (0..=255).collect();
        for unit in units() {
            let mut hasher = Hasher { unit, ..Hasher::default() };
            for len in 0..=256 {
                let start = len % 64;
                agree(&mut hasher, &salt[..len], &data[start..start + 35 * BLOCK_BYTES]);
            }
        }
    }

    /// Four streams that are all different, so that one that is taken for another shows.
    #[test]
    fn each_stream_has_its_own_digest() {
        let data: Vec<u8> =
            (0_u32..8 * 1024).flat_map(|word| (word.wrapping_mul(0x9e37_79b9) ^ 7).to_le_bytes()).collect();
        for unit in units() {
            agree(&mut Hasher { unit, ..Hasher::default() }, b"", &data);
        }
    }

    /// The unit of this module is taken where the library would take the same instructions, and nowhere else. Should the library call its
    /// way otherwise one day, this tells.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_unit_is_that_of_the_processor() {
        let names = [LIBRARY_TAKES_SHA_NI, "avx512-16", "avx512-2x16", "avx2-8", "portable-1", "portable-8"];
        assert!(names.contains(&tape_sha256::backend()), "{}", tape_sha256::backend());
        assert!(takes_sha_ni(LIBRARY_TAKES_SHA_NI) && !takes_sha_ni("avx512-16") && !takes_sha_ni("avx2-8"));
        let ours = matches!(Unit::of_this_processor(), Unit::ShaNi(_));
        let wanted = cfg!(debug_assertions) || takes_sha_ni(tape_sha256::backend());
        assert_eq!(ours, wanted && ShaNi::detect().is_some());
    }
}
