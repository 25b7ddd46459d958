//! The second part of a patch's body: what turns pieces of the reference into the chunk.
//!
//! ```text
//!  varint: bytes of control | gaps | values | extra || one zstd frame of: control | gaps | values | extra
//!
//!  control   for each piece  ( varint: bytes copied | varint: bytes of extra after them | zigzag varint: on to the next piece )
//!  gaps      varint: copied bytes without a difference, up to the next one with a difference
//!  values    what is added to that one
//!  extra     what is not copied
//! ```

use super::align::Piece;
use super::body::{varint, zigzag};

/// Bytes of all four, at most: a chunk's.
const BYTES: usize = 512 << 10;

/// The four streams of a chunk.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Streams {
    control: Vec<u8>,
    gaps: Vec<u8>,
    values: Vec<u8>,
    extra: Vec<u8>,
}

impl Streams {
    /// Of a chunk in `pieces` of the reference, the first one at its front. `None` if a number does not fit.
    pub fn new(reference: &[u8], chunk: &[u8], pieces: &[Piece]) -> Option<Self> {
        let mut streams = Self::default();
        let (mut left, mut gap) = (chunk, 0);
        let mut nexts = pieces.iter().skip(1);
        for piece in pieces {
            let copied = left.split_off(..piece.copied)?;
            let extra = left.split_off(..piece.extra)?;
            let end = piece.from.checked_add(piece.copied)?;
            let next = nexts.next().map_or(end, |next| next.from);
            streams.piece(piece, zigzag(i32::try_from(next).ok()?.checked_sub(i32::try_from(end).ok()?)?))?;
            for (new, old) in copied.iter().zip(reference.get(piece.from..end)?) {
                match new.wrapping_sub(*old) {
                    0 => gap += 1,
                    value => {
                        varint(&mut streams.gaps, gap);
                        streams.values.push(value);
                        gap = 0;
                    }
                }
            }
            streams.extra.extend_from_slice(extra);
        }
        left.is_empty().then_some(streams)
    }

    fn piece(&mut self, piece: &Piece, seek: u32) -> Option<()> {
        varint(&mut self.control, u32::try_from(piece.copied).ok()?);
        varint(&mut self.control, u32::try_from(piece.extra).ok()?);
        varint(&mut self.control, seek);
        Some(())
    }

    /// Their lengths as the body tells them; `None` where it may not have as many bytes.
    pub fn lengths(&self) -> Option<Vec<u8>> {
        let all = [&self.control, &self.gaps, &self.values, &self.extra];
        let mut out = Vec::new();
        for stream in all {
            varint(&mut out, u32::try_from(stream.len()).ok()?);
        }
        let sum: usize = all.iter().map(|stream| stream.len()).sum();
        (1..=BYTES).contains(&sum).then_some(out)
    }

    /// All their bytes.
    pub fn bytes(&self) -> Vec<u8> {
        [self.control.as_slice(), &self.gaps, &self.values, &self.extra].concat()
    }

    /// Whether something in them may be found in the reference.
    pub const fn has_extra(&self) -> bool {
        !self.extra.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_say_what_is_copied_and_what_is_new() {
        let reference: Vec<u8> = (0..200).collect();
        let mut chunk = [&reference[..3], b"new", &reference[150..180], &reference[10..20]].concat();
        chunk[6] -= 1;
        chunk[38] += 2;
        let pieces = [
            Piece { from: 0, copied: 3, extra: 3 },
            Piece { from: 150, copied: 30, extra: 0 },
            Piece { from: 10, copied: 10, extra: 0 },
        ];
        let streams = Streams::new(&reference, &chunk, &pieces).unwrap();
        let expected = Streams {
            // On by 147; back by 170; nowhere.
            control: vec![3, 3, 0xa6, 2, 30, 0, 0xd3, 2, 10, 0, 0],
            gaps: vec![3, 31],
            values: vec![255, 2],
            extra: b"new".to_vec(),
        };
        assert_eq!(streams, expected);
        assert_eq!(streams.lengths(), Some(vec![11, 2, 2, 3]));
        assert_eq!(streams.bytes().len(), 18);
        assert_eq!(Streams::new(&reference, &chunk[1..], &pieces), None);
    }

    #[test]
    fn more_bytes_than_a_chunk_has_are_refused() {
        let streams = |extra: usize| Streams { control: vec![0], extra: vec![0; extra], ..Streams::default() };
        assert!(streams(BYTES - 1).lengths().is_some());
        assert_eq!(streams(BYTES).lengths(), None);
        assert_eq!(Streams::default().lengths(), None);
    }
}
