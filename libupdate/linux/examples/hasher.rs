//! The hasher alone, as it is shipped: hashes as many MiB as are asked for on one core, out of 128 KiB that stay in its cache.
//! What `verify` and `install` add to it shows beside this (tests/bench/hashing.sh).
//!
//! ```text
//! hasher MIB [SALT_BYTES]
//! ```

use std::process::ExitCode;

use libupdate::units::digest::{BLOCK_BYTES, DIGEST_BYTES};
use libupdate::{BlockHasher as _, Salt};
use libupdate_linux::hasher::Hasher;

/// Blocks that are hashed again and again, none of them zero.
const BLOCKS: usize = 32;
const TURNS_IN_A_MIB: u64 = 8;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(mib) = words.next().and_then(|word| word.parse::<u64>().ok()) else { return ExitCode::from(2) };
    let salt = vec![7; words.next().and_then(|word| word.parse().ok()).unwrap_or(DIGEST_BYTES)];
    let Some(salt) = Salt::new(&salt) else { return ExitCode::from(2) };
    let mut data: Vec<u8> = (0..=250).cycle().take(BLOCKS * BLOCK_BYTES).collect();
    let mut digests = [0; BLOCKS * DIGEST_BYTES];
    let mut hasher = Hasher::on_one_core();
    for _ in 0..mib.saturating_mul(TURNS_IN_A_MIB) {
        hasher.hash_blocks(salt, &data, &mut digests);
        // The next turn depends on this one: none can be left out.
        data.iter_mut().zip(&digests).for_each(|(byte, new)| *byte ^= new);
    }
    ExitCode::SUCCESS
}
