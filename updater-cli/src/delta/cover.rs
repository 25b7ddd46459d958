//! Which blocks of the old image a chunk is to refer to.
//!
//! ```text
//!  old image     |    |  2 |  9 |  7 |    |    |    |  1 |  3 |         landmarks of the chunk in each block
//!  1. greedy          | 3rd  1st  2nd |              -  | 4th |         most new landmarks first, neighbours before others
//!  2. growth     |<---                 ---------...-          |         to both sides of all, until there are 256
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use libupdate::units::limits::{DELTA_REFERENCE_BLOCKS, DELTA_RUNS};

use super::Run;
use super::body::push;

/// New landmarks that a block away from all others must have: a single one is often chance.
const WORTH_A_RUN: u32 = 2;
/// What a new landmark counts, and what it counts to be a neighbour.
const LANDMARK: u32 = 4;
const NEIGHBOUR: u32 = 3;

/// Runs of the old image's `blocks` that cover the landmarks best: at most 64, of at most 256 blocks. `places` are pairs of block and
/// landmark, sorted; landmarks are numbered from 0 to `landmarks`.
pub fn cover(places: &[(u32, u32)], landmarks: u32, blocks: u32) -> Vec<Run> {
    let mut cover = Cover::new(places, landmarks);
    let mut queue: BinaryHeap<_> =
        cover.landmarks_in.keys().map(|block| (cover.score(*block), Reverse(*block))).collect();
    while let Some((score, Reverse(block))) = queue.pop() {
        let now = cover.score(block);
        if cover.is_full() {
            break;
        }
        if now < score && !cover.chosen.contains(&block) {
            queue.push((now, Reverse(block)));
        } else if cover.is_worth(block, now) {
            cover.choose(block);
            let near = neighbours(block).filter(|near| cover.landmarks_in.contains_key(near));
            queue.extend(near.map(|near| (cover.score(near), Reverse(near))));
        }
    }
    cover.grow(blocks);
    cover.runs()
}

struct Cover<'p> {
    /// The places in each block.
    landmarks_in: BTreeMap<u32, &'p [(u32, u32)]>,
    covered: Vec<bool>,
    chosen: BTreeSet<u32>,
    runs: usize,
}

impl<'p> Cover<'p> {
    fn new(places: &'p [(u32, u32)], landmarks: u32) -> Self {
        let runs = places.chunk_by(|one, next| one.0 == next.0);
        let landmarks_in = runs.filter_map(|run| Some((run.first()?.0, run))).collect();
        let covered = vec![false; usize::try_from(landmarks).unwrap_or(0)];
        Self { landmarks_in, covered, chosen: BTreeSet::new(), runs: 0 }
    }

    fn is_covered(&self, landmark: u32) -> bool {
        usize::try_from(landmark).ok().and_then(|landmark| self.covered.get(landmark)).is_none_or(|covered| *covered)
    }

    fn chosen_beside(&self, block: u32) -> usize {
        neighbours(block).filter(|near| self.chosen.contains(near)).count()
    }

    fn new_landmarks(&self, block: u32) -> u32 {
        let places = self.landmarks_in.get(&block).copied().unwrap_or_default();
        let new = places.iter().filter(|(_, landmark)| !self.is_covered(*landmark)).count();
        u32::try_from(new).unwrap_or(u32::MAX)
    }

    fn score(&self, block: u32) -> u32 {
        let near = if self.chosen_beside(block) > 0 { NEIGHBOUR } else { 0 };
        self.new_landmarks(block).saturating_mul(LANDMARK).saturating_add(near)
    }

    fn is_worth(&self, block: u32, score: u32) -> bool {
        let new = score / LANDMARK;
        match self.chosen_beside(block) {
            _ if self.chosen.contains(&block) => false,
            0 => new >= WORTH_A_RUN && self.runs < DELTA_RUNS,
            _ => new > 0,
        }
    }

    fn choose(&mut self, block: u32) {
        // It begins a run, makes one longer, or joins two.
        self.runs = self.runs.saturating_add(1).saturating_sub(self.chosen_beside(block));
        self.chosen.insert(block);
        for (_, landmark) in self.landmarks_in.get(&block).copied().unwrap_or_default() {
            let covered = usize::try_from(*landmark).ok().and_then(|landmark| self.covered.get_mut(landmark));
            covered.into_iter().for_each(|covered| *covered = true);
        }
    }

    fn is_full(&self) -> bool {
        self.chosen.len() >= DELTA_REFERENCE_BLOCKS
    }

    /// Adds what is beside the chosen blocks, one block on each side after the other: landmarks do not see everything.
    fn grow(&mut self, blocks: u32) {
        loop {
            let beside: BTreeSet<u32> = self.chosen.iter().flat_map(|block| neighbours(*block)).collect();
            let before = self.chosen.len();
            for block in beside {
                if block < blocks && !self.is_full() {
                    self.chosen.insert(block);
                }
            }
            if self.chosen.len() == before {
                return;
            }
        }
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for block in &self.chosen {
            push(&mut runs, Run { start: *block, end: block.saturating_add(1) });
        }
        runs
    }
}

fn neighbours(block: u32) -> impl Iterator<Item = u32> {
    block.checked_sub(1).into_iter().chain(block.checked_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tests::run;

    fn blocks_of(runs: &[Run]) -> usize {
        runs.iter().map(|run| run.blocks()).sum()
    }

    #[test]
    fn the_block_with_most_landmarks_wins_and_the_rest_grows_around_it() {
        let places = [(500, 0), (500, 1), (500, 2), (900, 0), (900, 1)];
        assert_eq!(cover(&places, 3, 10_000), [run(372, 628)], "what it has, the other one needs not");
        let places = [(500, 0), (500, 1), (500, 2), (900, 3), (900, 4)];
        assert_eq!(cover(&places, 5, 10_000), [run(436, 565), run(837, 964)]);
    }

    #[test]
    fn one_landmark_counts_beside_others_only() {
        assert_eq!(cover(&[(500, 0)], 1, 10_000), []);
        assert_eq!(cover(&[], 0, 10_000), []);
        assert_eq!(cover(&[(500, 0), (900, 1)], 2, 10_000), []);
        let places = [(500, 0), (500, 1), (501, 2), (900, 3)];
        assert_eq!(cover(&places, 4, 10_000), [run(373, 629)]);
    }

    #[test]
    fn a_small_image_is_taken_whole() {
        assert_eq!(cover(&[(3, 0), (3, 1)], 2, 200), [run(0, 200)]);
    }

    #[test]
    fn bounds_are_kept_wherever_landmarks_are() {
        let mut seed: u64 = 1;
        let mut next = |bound: u32| {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            u32::try_from(seed >> 33).unwrap() % bound
        };
        for round in 0..300 {
            let blocks = 1 + next(if round % 3 == 0 { 300 } else { 100_000 });
            let landmarks = 1 + next(2000);
            let mut places: Vec<_> = (0..next(6000)).map(|_| (next(blocks), next(landmarks))).collect();
            places.sort_unstable();
            places.dedup();
            let runs = cover(&places, landmarks, blocks);
            assert!(runs.len() <= DELTA_RUNS && blocks_of(&runs) <= 256, "{runs:?}");
            assert!(runs.is_empty() || blocks_of(&runs) == 256.min(usize::try_from(blocks).unwrap()));
            assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            assert!(runs.iter().all(|run| run.start < run.end && run.end <= blocks));
        }
    }
}
