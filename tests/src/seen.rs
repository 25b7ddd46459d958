//! Crash images that were met before, so that the numbers that are printed count distinct ones.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, PoisonError};

use crate::medium::Spread;

const SHARDS: usize = 64;

/// Identities of disks, for one thread.
#[derive(Default, Debug)]
pub struct Met(HashSet<u64, BuildHasherDefault<Spread>>);

impl Met {
    /// Notes an image, and says whether it is new.
    pub fn insert(&mut self, identity: u64) -> bool {
        self.0.insert(identity)
    }
}

/// Identities of disks, for all threads together.
#[derive(Debug)]
pub struct Seen {
    shards: Vec<Mutex<Met>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Seen {
    /// Notes an image, and says whether it is new.
    pub fn insert(&self, identity: u64) -> bool {
        let shard = usize::try_from(identity >> 58).unwrap_or_default();
        // A set that a panicking thread left is whole all the same.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner).insert(identity)
    }

    /// Number of distinct images.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).0.len()).sum()
    }
}
