//! What is where in the old image: sorted lists, so that equal images have equal indexes, and little memory is lost.

use libupdate::units::bytes::array;
use libupdate::units::digest::DIGEST_BYTES;

use super::BLOCK;
use super::landmarks::{Landmarks, WINDOW};

/// Places of one landmark, at most: what is everywhere tells nothing.
const PLACES: usize = 48;
/// One window in 2^6 is a landmark, up to [`FINE`] bytes of image.
const BITS: u32 = 6;
/// Above it, landmarks get rarer, so that there are about 16 million at most.
const FINE: u64 = 1 << 30;
/// Bytes that a window has with those before it in common.
const TAIL: usize = WINDOW - 1;

/// Where landmarks and blocks of an image are.
#[derive(Debug)]
pub struct Index {
    landmarks: Landmarks,
    /// Key of each landmark, and the block in which it begins.
    places: Vec<(u32, u32)>,
    /// Hint and number of each block.
    blocks: Vec<(u64, u32)>,
    /// The last bytes that were taken, in which windows begin that end later.
    tail: Vec<u8>,
    taken: usize,
}

impl Index {
    /// Of an image of this length, of which nothing was taken yet.
    pub fn new(len: u64) -> Self {
        let bits = BITS.saturating_add(len.div_ceil(FINE).max(1).next_power_of_two().trailing_zeros());
        // Room for an eighth more than chance gives. What is not used is not memory yet.
        let expected = usize::try_from((len >> bits).saturating_add(len >> bits >> 3)).unwrap_or(0);
        let places = Vec::with_capacity(expected);
        Self { landmarks: Landmarks::new(bits), places, blocks: Vec::new(), tail: Vec::new(), taken: 0 }
    }

    /// Takes the next blocks of the image, and their digests.
    pub fn take(&mut self, blocks: &[u8], digests: &[u8]) {
        let first = number(self.taken / BLOCK);
        self.blocks.extend(hints(digests).zip(first..));
        let known = self.tail.len();
        self.tail.extend(blocks.iter().take(TAIL));
        let start = self.taken.saturating_sub(known);
        let across = place_all(&self.landmarks, &self.tail, start);
        let inside = place_all(&self.landmarks, blocks, self.taken);
        // A tail that was not there has the first windows of `blocks` alone.
        let across = across.take_while(|(_, at)| *at < self.taken);
        for (key, at) in across.chain(inside) {
            let place = (key, number(at / BLOCK));
            if self.places.last() != Some(&place) {
                self.places.push(place);
            }
        }
        self.tail.clear();
        self.tail.extend(blocks.iter().skip(blocks.len().saturating_sub(TAIL)));
        self.taken = self.taken.saturating_add(blocks.len());
    }

    /// The index of what was taken.
    pub fn sorted(mut self) -> Self {
        self.places.sort_unstable();
        self.places.dedup();
        self.blocks.sort_unstable();
        self
    }

    /// The blocks of the image in which landmarks of `chunk` are, each with the number of its landmark, sorted; and how many such landmarks
    /// there are. One that has very many places does not count, nor does one that came before.
    pub fn matches(&self, chunk: &[u8]) -> (Vec<(u32, u32)>, u32) {
        let mut keys: Vec<u32> = self.landmarks.of(chunk).map(|landmark| landmark.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut found, mut count) = (Vec::new(), 0_u32);
        for key in keys {
            let places = self.places_of(key);
            if !places.is_empty() && places.len() <= PLACES {
                found.extend(places.iter().map(|(_, block)| (*block, count)));
                count = count.saturating_add(1);
            }
        }
        found.sort_unstable();
        (found, count)
    }

    /// Numbers of the blocks with a hint, each with it, ascending.
    pub fn blocks_with(&self, hint: u64) -> &[(u64, u32)] {
        let start = self.blocks.partition_point(|(known, _)| *known < hint);
        let from = self.blocks.get(start..).unwrap_or_default();
        from.get(..from.partition_point(|(known, _)| *known == hint)).unwrap_or_default()
    }

    /// A few more than [`PLACES`], where there are more.
    fn places_of(&self, key: u32) -> &[(u32, u32)] {
        let start = self.places.partition_point(|(known, _)| *known < key);
        let from = self.places.get(start..).unwrap_or_default();
        let len = from.iter().take(PLACES.saturating_add(1)).take_while(|(known, _)| *known == key).count();
        from.get(..len).unwrap_or_default()
    }
}

/// What blocks are told apart by: the first bytes of their digests.
pub fn hints(digests: &[u8]) -> impl Iterator<Item = u64> {
    digests.chunks_exact(DIGEST_BYTES).filter_map(|digest| array(digest, 0).map(u64::from_le_bytes))
}

fn place_all<'b>(landmarks: &'b Landmarks, bytes: &'b [u8], start: usize) -> impl Iterator<Item = (u32, usize)> + 'b {
    landmarks.of(bytes).map(move |landmark| (landmark.key, start.saturating_add(landmark.at)))
}

/// An image has no more blocks than this type has numbers: who reads it has checked.
fn number(block: usize) -> u32 {
    u32::try_from(block).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use libupdate::{BlockHasher, Salt, SoftHasher};

    use super::*;
    use crate::delta::tests::noise;

    fn index(image: &[u8], piece: usize) -> Index {
        let mut index = Index::new(image.len().try_into().unwrap());
        for blocks in image.chunks(piece) {
            let mut digests = vec![0; blocks.len() / BLOCK * DIGEST_BYTES];
            SoftHasher.hash_blocks(Salt::new(b"s").unwrap(), blocks, &mut digests);
            index.take(blocks, &digests);
        }
        index.sorted()
    }

    #[test]
    fn pieces_of_any_size_give_one_index() {
        let image = noise(3, 70 * BLOCK);
        let whole = index(&image, image.len());
        assert!(whole.places.len() > 3000);
        for piece in [BLOCK, 3 * BLOCK, 64 * BLOCK] {
            let pieced = index(&image, piece);
            assert!(pieced.places == whole.places && pieced.blocks == whole.blocks, "pieces of {piece}");
        }
    }

    #[test]
    fn landmarks_of_a_chunk_are_found_in_the_blocks_that_it_came_from() {
        let image = noise(4, 300 * BLOCK);
        let (found, count) = index(&image, 128 * BLOCK).matches(&image[100 * BLOCK + 77..103 * BLOCK]);
        assert!((150..230).contains(&count), "{count} landmarks");
        assert!(found.len() < usize::try_from(count).unwrap() + 4, "{} places", found.len());
        let inside = found.iter().filter(|(block, _)| (100..103).contains(block)).count();
        assert!(inside > 140, "{inside} of {}", found.len());
    }

    #[test]
    fn what_is_in_many_places_is_no_match() {
        let image = noise(5, BLOCK).repeat(48);
        let chunk = &image[..BLOCK];
        assert_eq!(index(&image, BLOCK).matches(chunk).1, index(&image[..BLOCK], BLOCK).matches(chunk).1);
        let image = noise(5, BLOCK).repeat(49);
        assert_eq!(index(&image, BLOCK).matches(chunk).1, 0);
        assert_eq!(index(&[0; 9 * BLOCK], BLOCK).blocks_with(hint(&[0; BLOCK])).len(), 9);
    }

    fn hint(block: &[u8]) -> u64 {
        let mut digest = [0; DIGEST_BYTES];
        SoftHasher.hash_blocks(Salt::new(b"s").unwrap(), block, &mut digest);
        hints(&digest).next().unwrap()
    }

    #[test]
    fn a_large_image_has_rarer_landmarks() {
        let bits = |len: u64| Index::new(len).landmarks.bits();
        assert_eq!([1, 1 << 30, (1 << 30) + 1, 2 << 30, 40 << 30].map(bits), [6, 6, 7, 7, 12]);
    }
}
