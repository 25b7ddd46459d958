//! Salted SHA-256 of many blocks, on every core.

use std::num::NonZeroUsize;
use std::thread;

use libupdate::digest::{BLOCK_BYTES, DIGEST_BYTES};
use libupdate::{BlockHasher, Salt, SoftHasher};

/// Fewer blocks than this are hashed faster by one core than two cores are woken.
const WORTH_A_THREAD: usize = 64;

/// Shares the blocks of a batch among the cores.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    cores: usize,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { cores: thread::available_parallelism().map_or(1, NonZeroUsize::get) }
    }
}

impl BlockHasher for Hasher {
    fn hash_blocks(&mut self, salt: Salt<'_>, blocks: &[u8], digests: &mut [u8]) {
        let count = blocks.len() / BLOCK_BYTES;
        let share = count.div_ceil(self.cores).max(WORTH_A_THREAD);
        let mut shares = blocks.chunks(share * BLOCK_BYTES).zip(digests.chunks_mut(share * DIGEST_BYTES));
        let Some((own_blocks, own_digests)) = shares.next() else { return };
        thread::scope(|scope| {
            for (blocks, digests) in shares {
                scope.spawn(move || SoftHasher.hash_blocks(salt, blocks, digests));
            }
            SoftHasher.hash_blocks(salt, own_blocks, own_digests);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_cores_as_there_are_give_what_one_gives() {
        for blocks in [0, 1, 63, 64, 65, 128, 129, 1000] {
            let data: Vec<u8> = (0..blocks * BLOCK_BYTES).map(|at| (at / 7 % 251).try_into().unwrap()).collect();
            let salt = Salt::new(b"pepper").unwrap();
            let (mut one, mut many) = (vec![0; blocks * DIGEST_BYTES], vec![0; blocks * DIGEST_BYTES]);
            SoftHasher.hash_blocks(salt, &data, &mut one);
            Hasher { cores: 3 }.hash_blocks(salt, &data, &mut many);
            assert_eq!(one, many, "{blocks} blocks");
        }
    }
}
