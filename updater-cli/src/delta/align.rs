//! A chunk cut into pieces that are like pieces of the reference, and what is between them: bsdiff's idea (Colin Percival, "Naive
//! differences of executable code", 2003).
//!
//! ```text
//!  reference  ......aaaaaaaaaaaaaaaaaaaa.......bbbbbbbbbbbbbb....
//!                   |                  |       |            |
//!  chunk            aaaaXaaaaaaaYaaaaaaa|extra |bbbbbbbZbbbbb
//!                   '---- copied -------'      '-- copied --'         X, Y, Z: differences, kept apart
//! ```
//! A match found by the suffix array begins a copy; it goes on, and began before, for as long as more bytes are the same than differ.

use std::cmp::Ordering;
use std::io;

use libsais::SuffixArrayConstruction;

/// Bytes of a match that are looked for: longer ones win nothing.
const LONGEST: usize = 1 << 16;
/// By so many bytes another place must be better than that of the copy which goes on.
const BETTER: usize = 8;

/// Bytes to copy from, and all their suffixes in order.
#[derive(Debug)]
pub struct Reference<'r> {
    bytes: &'r [u8],
    suffixes: Vec<i32>,
}

/// A piece of the chunk: first bytes that are copied, with differences, then bytes that are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Where in the reference the copy begins.
    pub from: usize,
    /// Bytes of the copy.
    pub copied: usize,
    /// Bytes after it.
    pub extra: usize,
}

/// Where a copy lies: `chunk[start..]` beside `reference[from..]`.
#[derive(Clone, Copy, Default)]
struct Lie {
    start: usize,
    from: usize,
}

/// A place in the chunk at which another lie is better, for `len` bytes.
struct Match {
    lie: Lie,
    len: usize,
}

impl<'r> Reference<'r> {
    /// Sorts the suffixes.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(bytes: &'r [u8]) -> io::Result<Self> {
        let sorted = SuffixArrayConstruction::for_text(bytes).in_owned_buffer32().single_threaded().run();
        let suffixes = sorted.map_err(|error| io::Error::other(error.to_string()))?.into_vec();
        Ok(Self { bytes, suffixes })
    }

    /// The chunk in pieces, which follow each other without a gap. The first one begins at the front of the reference.
    pub fn align(&self, chunk: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let (mut lie, mut at) = (Lie::default(), 0);
        loop {
            let next = self.better(chunk, lie, at);
            let end = next.as_ref().map_or(chunk.len(), |next| next.lie.start);
            let mut copied = self.forward(chunk, lie, end);
            let mut back = next.as_ref().map_or(0, |next| self.backward(chunk, next.lie, lie.start));
            let over = (lie.start + copied + back).saturating_sub(end);
            if let (Some(next), 1..) = (&next, over) {
                let kept = self.cut(chunk, (lie, next.lie), end - back, over);
                copied = copied - over + kept;
                back -= kept;
            }
            let extra = end - back - (lie.start + copied);
            pieces.push(Piece { from: lie.from, copied, extra });
            let Some(next) = next else { return pieces };
            lie = Lie { start: end - back, from: next.lie.from - back };
            at = end + next.len;
        }
    }

    /// From `at` on, the first place in the chunk at which another lie is better than this one.
    fn better(&self, chunk: &[u8], lie: Lie, at: usize) -> Option<Match> {
        // Of chunk[start..seen], `same` bytes are the same in this lie.
        let (mut start, mut seen, mut same) = (at, at, 0);
        while start < chunk.len() {
            let (from, len) = self.longest(chunk.get(start..).unwrap_or_default());
            while seen < start + len {
                same += usize::from(self.agrees(chunk, lie, seen));
                seen += 1;
            }
            if len > same + BETTER {
                return Some(Match { lie: Lie { start, from }, len });
            }
            if len > 0 && len == same {
                // As good as any: on to where this lie ends.
                start += len;
                while self.agrees(chunk, lie, start) {
                    start += 1;
                }
                (seen, same) = (start, 0);
                continue;
            }
            if seen > start {
                same -= usize::from(self.agrees(chunk, lie, start));
            } else {
                seen = start + 1;
            }
            start += 1;
        }
        None
    }

    fn agrees(&self, chunk: &[u8], lie: Lie, at: usize) -> bool {
        match (chunk.get(at), self.bytes.get(lie.from + (at - lie.start))) {
            (Some(here), Some(there)) => here == there,
            _ => false,
        }
    }

    /// How far a copy goes on, at most to `end`.
    fn forward(&self, chunk: &[u8], lie: Lie, end: usize) -> usize {
        let here = chunk.get(lie.start..end).unwrap_or_default();
        let there = self.bytes.get(lie.from..).unwrap_or_default();
        worth(here.iter().zip(there).map(|(here, there)| here == there))
    }

    /// How far before its match a copy begins, at most at `end`.
    fn backward(&self, chunk: &[u8], lie: Lie, end: usize) -> usize {
        let here = chunk.get(end..lie.start).unwrap_or_default();
        let there = self.bytes.get(..lie.from).unwrap_or_default();
        worth(here.iter().rev().zip(there.iter().rev()).map(|(here, there)| here == there))
    }

    /// Of the `over` bytes from `at` on, which two copies could have: how many the first one gets.
    fn cut(&self, chunk: &[u8], (first, second): (Lie, Lie), at: usize, over: usize) -> usize {
        let (mut score, mut best, mut kept) = (0_i64, 0, 0);
        for done in 0..over {
            score += i64::from(self.agrees(chunk, first, at + done));
            let behind = (second.from + done).checked_sub(second.start - at).and_then(|place| self.bytes.get(place));
            score -= i64::from(behind.is_some() && behind == chunk.get(at + done));
            if score > best {
                (best, kept) = (score, done + 1);
            }
        }
        kept
    }

    /// Where in the reference the longest piece is that `text` begins with, and its length.
    fn longest(&self, text: &[u8]) -> (usize, usize) {
        let text = text.get(..LONGEST).unwrap_or(text);
        let mut range = self.suffixes.as_slice();
        // What the text has in common with the suffixes on both sides of the range, it has with all between them.
        let (mut below, mut above, mut best) = (0, 0, (0, 0));
        while !range.is_empty() {
            let (lower, upper) = range.split_at(range.len() / 2);
            let Some((middle, upper)) = upper.split_first() else { break };
            let from = usize::try_from(*middle).unwrap_or(usize::MAX);
            let known = below.min(above);
            let suffix = self.bytes.get(from..).unwrap_or_default();
            let rest = (suffix.get(known..).unwrap_or_default(), text.get(known..).unwrap_or_default());
            let len = known + common(rest.0, rest.1);
            if len > best.1 {
                best = (from, len);
            }
            match suffix.get(len).cmp(&text.get(len)) {
                _ if len == text.len() => break,
                Ordering::Less | Ordering::Equal => (range, below) = (upper, len),
                Ordering::Greater => (range, above) = (lower, len),
            }
        }
        best
    }
}

/// The number of bytes after which most more are the same than differ.
fn worth(same: impl Iterator<Item = bool>) -> usize {
    let (mut score, mut best, mut len) = (0_i64, 0, 0);
    for (done, same) in (1..).zip(same) {
        score += if same { 1 } else { -1 };
        if score > best {
            (best, len) = (score, done);
        }
    }
    len
}

/// How many bytes two slices begin with in common.
fn common(one: &[u8], other: &[u8]) -> usize {
    const WORD: usize = 8;
    let words = one.as_chunks::<WORD>().0.iter().zip(other.as_chunks::<WORD>().0);
    let same = words.take_while(|(one, other)| one == other).count() * WORD;
    let rest = one.iter().zip(other).skip(same);
    same + rest.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tests::noise;

    fn aligned(reference: &[u8], chunk: &[u8]) -> Vec<Piece> {
        Reference::new(reference).unwrap().align(chunk)
    }

    #[test]
    fn the_longest_piece_is_found_as_by_looking_everywhere() {
        for (seed, alphabet) in [(1, 2), (2, 3), (3, 255)] {
            let few = |seed, len| noise(seed, len).iter().map(|byte| byte % alphabet).collect::<Vec<u8>>();
            let reference = few(seed, 400);
            let sorted = Reference::new(&reference).unwrap();
            for at in 0..300 {
                let text = few(seed + 10 + at % 50, 40);
                let at = usize::try_from(at).unwrap();
                let text = [&reference[at..at + at % 90], &text].concat();
                let expected = (0..reference.len()).map(|from| common(&reference[from..], &text)).max().unwrap();
                let (from, len) = sorted.longest(&text);
                assert_eq!((common(&reference[from..], &text), len), (expected, expected));
            }
        }
        assert_eq!(Reference::new(&[]).unwrap().longest(b"x"), (0, 0));
    }

    #[test]
    fn what_is_the_same_is_one_copy_with_its_differences() {
        let reference = noise(1, 100_000);
        let mut chunk = reference[20_000..60_000].to_vec();
        (0..chunk.len()).step_by(900).for_each(|at| chunk[at] ^= 1);
        chunk[0] = reference[20_000];
        let pieces = aligned(&reference, &chunk);
        assert_eq!(pieces, [Piece { from: 0, copied: 0, extra: 0 }, Piece { from: 20_000, copied: 40_000, extra: 0 }]);
    }

    #[test]
    fn pieces_of_other_places_and_new_bytes_are_told_apart() {
        let reference = noise(1, 100_000);
        let new = noise(2, 700);
        let chunk = [&reference[50_000..70_000], &new, &reference[10_000..20_000]].concat();
        let pieces = aligned(&reference, &chunk);
        let copied: usize = pieces.iter().map(|piece| piece.copied).sum();
        assert!(pieces.len() < 8 && (30_000..30_100).contains(&copied), "{pieces:?}");
    }

    #[test]
    fn pieces_are_the_whole_chunk_and_stay_inside_the_reference() {
        for (seed, round) in (1..).zip(0..200) {
            let alphabet = [2, 4, 16, 255][round % 4];
            let bytes: Vec<u8> = noise(seed, 3000).iter().map(|byte| byte % alphabet).collect();
            let (reference, chunk) = (&bytes[..round * 7], &bytes[700 + round..]);
            let pieces = aligned(reference, chunk);
            assert_eq!(pieces.iter().map(|piece| piece.copied + piece.extra).sum::<usize>(), chunk.len());
            assert!(pieces.iter().all(|piece| piece.from + piece.copied <= reference.len()), "{pieces:?}");
        }
    }
}
