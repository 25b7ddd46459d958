//! Which blocks of the old image a chunk is to refer to.
//!
//! ```text
//!  old image     |    |  2 |  9 |  7 |    |    |    |  1 |  3 |         anchors of the chunk in each block
//!  1. greedy          | 3rd  1st  2nd |              -  | 4th |         most new anchors first, neighbours before others
//!  2. growth     |<---                 ---------...-          |         to both sides of all, until there are 256
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use libupdate::units::limits::{DELTA_EXTENTS, DELTA_REFERENCE_BLOCKS};

use super::Extent;
use super::body::push;

/// New anchors that a block away from all others must have: a single one is often chance.
const WORTH_AN_EXTENT: u32 = 2;
/// What a new anchor counts, and what it counts to be a neighbour.
const ANCHOR: u32 = 4;
const NEIGHBOUR: u32 = 3;

/// Extents of the old image's `blocks` that cover the anchors best: at most 64, of at most 256 blocks. `places` are pairs of block and
/// anchor, sorted; anchors are numbered from 0 to `anchors`.
pub fn cover(places: &[(u32, u32)], anchors: u32, blocks: u32) -> Vec<Extent> {
    let mut cover = Cover::new(places, anchors);
    let mut queue: BinaryHeap<_> =
        cover.anchors_in.keys().map(|block| (cover.score(*block), Reverse(*block))).collect();
    while let Some((score, Reverse(block))) = queue.pop() {
        let now = cover.score(block);
        if cover.is_full() {
            break;
        }
        if now < score && !cover.chosen.contains(&block) {
            queue.push((now, Reverse(block)));
        } else if cover.is_worth(block, now) {
            cover.choose(block);
            let near = neighbours(block).filter(|near| cover.anchors_in.contains_key(near));
            queue.extend(near.map(|near| (cover.score(near), Reverse(near))));
        }
    }
    cover.grow(blocks);
    cover.extents()
}

struct Cover<'p> {
    /// The places in each block.
    anchors_in: BTreeMap<u32, &'p [(u32, u32)]>,
    covered: Vec<bool>,
    chosen: BTreeSet<u32>,
    extents: usize,
}

impl<'p> Cover<'p> {
    fn new(places: &'p [(u32, u32)], anchors: u32) -> Self {
        let runs = places.chunk_by(|one, next| one.0 == next.0);
        let anchors_in = runs.filter_map(|run| Some((run.first()?.0, run))).collect();
        let covered = vec![false; usize::try_from(anchors).unwrap_or(0)];
        Self { anchors_in, covered, chosen: BTreeSet::new(), extents: 0 }
    }

    fn is_covered(&self, anchor: u32) -> bool {
        usize::try_from(anchor).ok().and_then(|anchor| self.covered.get(anchor)).is_none_or(|covered| *covered)
    }

    fn chosen_beside(&self, block: u32) -> usize {
        neighbours(block).filter(|near| self.chosen.contains(near)).count()
    }

    fn new_anchors(&self, block: u32) -> u32 {
        let places = self.anchors_in.get(&block).copied().unwrap_or_default();
        let new = places.iter().filter(|(_, anchor)| !self.is_covered(*anchor)).count();
        u32::try_from(new).unwrap_or(u32::MAX)
    }

    fn score(&self, block: u32) -> u32 {
        let near = if self.chosen_beside(block) > 0 { NEIGHBOUR } else { 0 };
        self.new_anchors(block).saturating_mul(ANCHOR).saturating_add(near)
    }

    fn is_worth(&self, block: u32, score: u32) -> bool {
        let new = score / ANCHOR;
        match self.chosen_beside(block) {
            _ if self.chosen.contains(&block) => false,
            0 => new >= WORTH_AN_EXTENT && self.extents < DELTA_EXTENTS,
            _ => new > 0,
        }
    }

    fn choose(&mut self, block: u32) {
        // It begins an extent, makes one longer, or joins two.
        self.extents = self.extents.saturating_add(1).saturating_sub(self.chosen_beside(block));
        self.chosen.insert(block);
        for (_, anchor) in self.anchors_in.get(&block).copied().unwrap_or_default() {
            let covered = usize::try_from(*anchor).ok().and_then(|anchor| self.covered.get_mut(anchor));
            covered.into_iter().for_each(|covered| *covered = true);
        }
    }

    fn is_full(&self) -> bool {
        self.chosen.len() >= DELTA_REFERENCE_BLOCKS
    }

    /// Adds what is beside the chosen blocks, one block on each side after the other: anchors do not see everything.
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

    fn extents(&self) -> Vec<Extent> {
        let mut extents = Vec::new();
        for block in &self.chosen {
            push(&mut extents, Extent { start: *block, end: block.saturating_add(1) });
        }
        extents
    }
}

fn neighbours(block: u32) -> impl Iterator<Item = u32> {
    block.checked_sub(1).into_iter().chain(block.checked_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tests::extent;

    fn blocks_of(extents: &[Extent]) -> usize {
        extents.iter().map(|extent| extent.blocks()).sum()
    }

    #[test]
    fn the_block_with_most_anchors_wins_and_the_rest_grows_around_it() {
        let places = [(500, 0), (500, 1), (500, 2), (900, 0), (900, 1)];
        assert_eq!(cover(&places, 3, 10_000), [extent(372, 628)], "what it has, the other one needs not");
        let places = [(500, 0), (500, 1), (500, 2), (900, 3), (900, 4)];
        assert_eq!(cover(&places, 5, 10_000), [extent(436, 565), extent(837, 964)]);
    }

    #[test]
    fn one_anchor_counts_beside_others_only() {
        assert_eq!(cover(&[(500, 0)], 1, 10_000), []);
        assert_eq!(cover(&[], 0, 10_000), []);
        assert_eq!(cover(&[(500, 0), (900, 1)], 2, 10_000), []);
        let places = [(500, 0), (500, 1), (501, 2), (900, 3)];
        assert_eq!(cover(&places, 4, 10_000), [extent(373, 629)]);
    }

    #[test]
    fn a_small_image_is_taken_whole() {
        assert_eq!(cover(&[(3, 0), (3, 1)], 2, 200), [extent(0, 200)]);
    }

    #[test]
    fn bounds_are_kept_wherever_anchors_are() {
        let mut seed: u64 = 1;
        let mut next = |bound: u32| {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            u32::try_from(seed >> 33).unwrap() % bound
        };
        for round in 0..300 {
            let blocks = 1 + next(if round % 3 == 0 { 300 } else { 100_000 });
            let anchors = 1 + next(2000);
            let mut places: Vec<_> = (0..next(6000)).map(|_| (next(blocks), next(anchors))).collect();
            places.sort_unstable();
            places.dedup();
            let extents = cover(&places, anchors, blocks);
            assert!(extents.len() <= DELTA_EXTENTS && blocks_of(&extents) <= 256, "{extents:?}");
            assert!(extents.is_empty() || blocks_of(&extents) == 256.min(usize::try_from(blocks).unwrap()));
            assert!(extents.windows(2).all(|pair| pair[0].end < pair[1].start));
            assert!(extents.iter().all(|extent| extent.start < extent.end && extent.end <= blocks));
        }
    }
}
