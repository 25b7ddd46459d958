//! Landmarks: places that content alone decides, by which equal bytes find each other wherever they are.
//!
//! ```text
//!  bytes    .. | window of 32 bytes | ..        each byte one window; a landmark is where the hash begins with `bits` zero bits
//! ```

/// Bytes that a landmark's hash is made of.
pub const WINDOW: usize = 32;
/// [`WINDOW`], as a hash is rotated: each of its bytes turned it once when it leaves.
const TURNS: u32 = 32;

/// A rolling hash: each byte has a random number, which turns by one bit with each byte that follows it.
#[derive(Clone, Debug)]
pub struct Landmarks {
    numbers: [u64; 256],
    /// One window in 2^`bits` is a landmark.
    bits: u32,
}

/// A landmark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Landmark {
    /// Tells it from most others.
    pub key: u32,
    /// Where its window begins.
    pub at: usize,
}

impl Landmarks {
    /// One window in 2^`bits` is a landmark.
    pub fn new(bits: u32) -> Self {
        let mut numbers = [0; 256];
        let mut state: u64 = 0;
        for number in &mut numbers {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            *number = mixed(state);
        }
        Self { numbers, bits }
    }

    /// How rare they are.
    #[cfg(test)]
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// The landmarks of `bytes`, in their order.
    pub fn of<'b>(&'b self, bytes: &'b [u8]) -> impl Iterator<Item = Landmark> + 'b {
        let first = bytes.get(..WINDOW).map(|window| window.iter().fold(0, |hash, byte| self.pushed(hash, *byte)));
        let leaving = bytes.iter().zip(bytes.iter().skip(WINDOW));
        let following = leaving.scan(first.unwrap_or_default(), |hash, (out, into)| {
            *hash = self.pushed(*hash, *into) ^ self.number(*out).rotate_left(TURNS);
            Some(*hash)
        });
        let hashes = first.into_iter().chain(following);
        hashes.enumerate().filter_map(|(at, hash)| Some(Landmark { key: self.key(hash)?, at }))
    }

    fn number(&self, byte: u8) -> u64 {
        self.numbers.get(usize::from(byte)).copied().unwrap_or_default()
    }

    fn pushed(&self, hash: u64, byte: u8) -> u64 {
        hash.rotate_left(1) ^ self.number(byte)
    }

    /// The key, where the hash is a landmark's.
    fn key(&self, hash: u64) -> Option<u32> {
        let spread = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        let taken = spread.leading_zeros() >= self.bits;
        if taken { u32::try_from((spread >> 16) & u64::from(u32::MAX)).ok() } else { None }
    }
}

/// splitmix64.
const fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tests::noise;

    #[test]
    fn one_window_in_64_is_an_landmark_and_it_moves_with_its_bytes() {
        let landmarks = Landmarks::new(6);
        let bytes = noise(7, 1 << 20);
        let found: Vec<Landmark> = landmarks.of(&bytes).collect();
        assert!((15_000..18_000).contains(&found.len()), "{}", found.len());
        for shift in [1, 31, 32, 33, 4095] {
            let moved: Vec<Landmark> = landmarks.of(&bytes[shift..]).collect();
            let expected = found.iter().filter(|landmark| landmark.at >= shift);
            let expected: Vec<Landmark> =
                expected.map(|landmark| Landmark { key: landmark.key, at: landmark.at - shift }).collect();
            assert!(moved == expected, "moved by {shift}");
        }
    }

    #[test]
    fn keys_differ() {
        let bytes = noise(9, 4 << 20);
        let mut keys: Vec<u32> = Landmarks::new(6).of(&bytes).map(|landmark| landmark.key).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert!(keys.len() + 10 > all, "{} keys of {all} landmarks", keys.len());
    }

    #[test]
    fn fewer_bytes_than_a_window_have_no_landmark() {
        let landmarks = Landmarks::new(0);
        for len in 0..WINDOW {
            assert_eq!(landmarks.of(&noise(1, len)).count(), 0);
        }
        assert_eq!(landmarks.of(&noise(1, WINDOW)).count(), 1);
        assert_eq!(landmarks.of(&noise(1, WINDOW + 5)).count(), 6);
    }
}
