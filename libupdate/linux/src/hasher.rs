//! Salted SHA-256 of many blocks: several at once on each core, on every core.
//!
//! A block of zeros is hashed once for each salt: sparse images cost the time to see that they are.

use libupdate::units::bytes::all_zero;
use libupdate::units::digest::{BLOCK_BYTES, DIGEST_BYTES};
use libupdate::{BlockHasher, Salt};
use rayon::prelude::*;

use crate::cores;

/// Fewer blocks than this are hashed faster by one core than two cores are woken.
const WORTH_A_THREAD: usize = 32;
/// Blocks that one call of the batch hasher gets: a multiple of what any processor hashes side by side.
const BATCH: usize = 32;

type Block = [u8; BLOCK_BYTES];
type DigestBytes = [u8; DIGEST_BYTES];

/// Shares the blocks of a batch among the cores.
#[derive(Clone, Debug)]
pub struct Hasher {
    cores: usize,
    zero: Option<(Vec<u8>, DigestBytes)>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { cores: cores::count(), zero: None }
    }
}

impl BlockHasher for Hasher {
    fn hash_blocks(&mut self, salt: Salt<'_>, blocks: &[u8], digests: &mut [u8]) {
        let (blocks, _) = blocks.as_chunks::<BLOCK_BYTES>();
        let (digests, _) = digests.as_chunks_mut::<DIGEST_BYTES>();
        let zero = self.zero(salt);
        let share = blocks.len().div_ceil(self.cores).max(WORTH_A_THREAD);
        if blocks.len() <= share {
            return some(salt, zero, blocks, digests);
        }
        let shares = blocks.par_chunks(share).zip(digests.par_chunks_mut(share));
        shares.for_each(|(blocks, digests)| some(salt, zero, blocks, digests));
    }
}

impl Hasher {
    fn zero(&mut self, salt: Salt<'_>) -> DigestBytes {
        match &self.zero {
            Some((known, digest)) if known == salt.as_bytes() => *digest,
            _ => {
                let mut digest = [[0; DIGEST_BYTES]];
                many(salt, &[&[0; BLOCK_BYTES]], &mut digest);
                let [digest] = digest;
                self.zero = Some((salt.as_bytes().to_vec(), digest));
                digest
            }
        }
    }
}

/// Hashes on this core.
fn some(salt: Salt<'_>, zero: DigestBytes, blocks: &[Block], digests: &mut [DigestBytes]) {
    let mut bodies = Vec::with_capacity(BATCH);
    let mut places = Vec::with_capacity(BATCH);
    let mut fresh = [[0; DIGEST_BYTES]; BATCH];
    for (blocks, digests) in blocks.chunks(BATCH).zip(digests.chunks_mut(BATCH)) {
        bodies.clear();
        places.clear();
        for (block, digest) in blocks.iter().zip(digests) {
            if all_zero(block) {
                *digest = zero;
            } else {
                bodies.push(&block[..]);
                places.push(digest);
            }
        }
        let fresh = fresh.get_mut(..bodies.len()).unwrap_or_default();
        many(salt, &bodies, fresh);
        places.drain(..).zip(fresh).for_each(|(place, digest)| *place = *digest);
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn many(salt: Salt<'_>, blocks: &[&[u8]], digests: &mut [DigestBytes]) {
    tape_sha256::hash_many_prefixed(salt.as_bytes(), blocks, digests);
}

/// Elsewhere nothing is gained by hashing blocks side by side.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn many(salt: Salt<'_>, blocks: &[&[u8]], digests: &mut [DigestBytes]) {
    for (block, digest) in blocks.iter().zip(digests) {
        libupdate::SoftHasher.hash_blocks(salt, block, digest);
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
        for cores in [1, 3] {
            let mut hasher = Hasher { cores, zero: None };
            for count in [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000] {
                agree(&mut hasher, b"pepper", &data[..count * BLOCK_BYTES]);
            }
        }
    }

    #[test]
    fn any_salt_at_any_alignment() {
        let data = blocks(40);
        let salt: Vec<u8> = (0..=255).collect();
        let mut hasher = Hasher::default();
        for len in 0..=256 {
            let start = len % 64;
            agree(&mut hasher, &salt[..len], &data[start..start + 35 * BLOCK_BYTES]);
        }
    }
}
