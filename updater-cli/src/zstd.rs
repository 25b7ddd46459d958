//! The zstd library behind the core's seams: one frame a chunk, no dictionary, a window of one chunk.

use libupdate::install::{Decompressor, Packed};
use zstd::zstd_safe::DCtx;

use crate::cores;

#[cfg(feature = "create")]
pub mod pack;

/// The base-2 logarithm of the largest window: a chunk.
const WINDOW_LOG: u32 = 19;
/// The same of a frame with a prefix: the largest prefix and a chunk.
const PREFIX_WINDOW_LOG: u32 = 21;

/// Decompresses chunks, several side by side.
pub struct Unpacker(Vec<DCtx<'static>>);

/// Chunks that are compressed, or decompressed, side by side on this machine: each one more costs memory, a context and a chunk.
pub fn at_once() -> usize {
    cores::count().min(3)
}

impl Unpacker {
    /// One for as many chunks as are decompressed side by side.
    pub fn new() -> Self {
        Self((0..at_once()).map(|_| DCtx::create()).collect())
    }
}

fn unpack(context: &mut DCtx<'_>, window_log: u32, carried: &[u8], chunk: &mut [u8]) -> Option<()> {
    let wanted = chunk.len();
    // One frame and nothing behind it, which names its size.
    let one_frame = zstd::zstd_safe::find_frame_compressed_size(carried).ok() == Some(carried.len());
    let says = zstd::zstd_safe::get_frame_content_size(carried).ok().flatten();
    if !one_frame || says != u64::try_from(wanted).ok() || !is_within_bounds(carried, window_log) {
        return None;
    }
    (context.decompress(chunk, carried).ok()? == wanted).then_some(())
}

/// Whether a frame does without a dictionary and with a window of at most 2^`log` bytes, by its header (RFC 8878, section 3.1.1.1):
/// the library has a bound only for streams, and here the whole chunk is its memory.
///
/// ```text
///  magic 4 | descriptor 1 | window 1 | dictionary id | content size       the window byte: exponent 5 bits, mantissa 3 bits
/// ```
/// A single segment has no window byte: its window is its content.
fn is_within_bounds(frame: &[u8], log: u32) -> bool {
    const SINGLE_SEGMENT: u8 = 0x20;
    const DICTIONARY_ID: u8 = 0x03;
    // Its exponent counts from 2^10, and its mantissa is zero.
    let largest = log.saturating_sub(10) << 3;
    match frame {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] => {
            descriptor & DICTIONARY_ID == 0 && (descriptor & SINGLE_SEGMENT != 0 || u32::from(*window) <= largest)
        }
        _ => false,
    }
}

impl Decompressor for Unpacker {
    fn decompress(&mut self, carried: &[u8], chunk: &mut [u8]) -> Option<()> {
        unpack(self.0.first_mut()?, WINDOW_LOG, carried, chunk)
    }

    /// In a context of its own, which ends with the prefix that it refers to.
    fn decompress_after(&mut self, prefix: &[u8], carried: &[u8], out: &mut [u8]) -> Option<()> {
        let mut context = DCtx::create();
        context.ref_prefix(prefix).ok()?;
        unpack(&mut context, PREFIX_WINDOW_LOG, carried, out)
    }

    fn decompress_each(&mut self, packed: &mut [Packed<'_>]) -> Result<(), usize> {
        let done =
            cores::share(packed, &mut self.0, |context, one| unpack(context, WINDOW_LOG, one.carried, one.chunk));
        done.iter().position(Option::is_none).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(chunk: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(zstd::zstd_safe::compress_bound(chunk.len()));
        zstd::zstd_safe::compress(&mut frame, chunk, 1).unwrap();
        frame
    }

    #[test]
    fn what_is_packed_is_unpacked_and_only_at_its_length() {
        let chunk: Vec<u8> = (0..4096_u32).flat_map(u32::to_le_bytes).collect();
        let frame = frame(&chunk);
        let mut unpacker = Unpacker::new();
        let mut out = vec![0; chunk.len()];
        assert_eq!(unpacker.decompress(&frame, &mut out), Some(()));
        assert_eq!(out, chunk);
        assert_eq!(unpacker.decompress(&frame, &mut vec![0; chunk.len() - 1]), None);
        assert_eq!(unpacker.decompress(&frame, &mut vec![0; chunk.len() + 1]), None);
    }

    #[test]
    fn several_are_unpacked_in_their_order_and_the_first_bad_one_is_named() {
        let chunks: Vec<Vec<u8>> = (0..7_u8).map(|number| vec![number; 8192 + usize::from(number)]).collect();
        let frames: Vec<Vec<u8>> = chunks.iter().map(|chunk| frame(chunk)).collect();
        let mut unpacker = Unpacker(vec![DCtx::create(), DCtx::create(), DCtx::create()]);
        let mut outs: Vec<Vec<u8>> = chunks.iter().map(|chunk| vec![9; chunk.len()]).collect();
        let mut run = |frames: &[Vec<u8>]| {
            let pairs = frames.iter().zip(&mut outs);
            let mut packed: Vec<_> = pairs.map(|(carried, chunk)| Packed { carried, chunk }).collect();
            unpacker.decompress_each(&mut packed)
        };
        assert_eq!(run(&frames), Ok(()));
        let mut bad = frames.clone();
        bad[5].pop();
        assert_eq!(run(&bad), Err(5));
        bad[2].pop();
        assert_eq!(run(&bad), Err(2));
        assert_eq!(outs[6], chunks[6]);
    }

    #[test]
    fn two_frames_and_a_cut_frame_are_refused() {
        let chunk = vec![7; 8192];
        let frame = frame(&chunk);
        let mut unpacker = Unpacker::new();
        let mut out = vec![0; chunk.len()];
        assert_eq!(unpacker.decompress(&frame[..frame.len() - 1], &mut out), None);
        let twice = [frame.as_slice(), frame.as_slice()].concat();
        assert_eq!(unpacker.decompress(&twice, &mut vec![0; 2 * chunk.len()]), None);
    }

    /// A frame of one block that says it 8192 times; with a header of these fields, which the library takes.
    fn by_hand(header: &[u8]) -> Vec<u8> {
        const BLOCK: [u8; 4] = [0x03, 0, 1, 7];
        let frame = [&[0x28, 0xb5, 0x2f, 0xfd], header, &BLOCK].concat();
        let mut out = vec![0; 8192];
        assert_eq!(DCtx::create().decompress(out.as_mut_slice(), &frame), Ok(8192), "{header:x?}");
        frame
    }

    /// Each names its content size, 8192, which is coded as 256 less.
    #[test]
    fn a_window_of_a_chunk_is_taken_and_no_larger_one() {
        const SIZE: [u8; 2] = 7936_u16.to_le_bytes();
        let unpacked = |descriptor: u8, fields: &[u8]| {
            let frame = by_hand(&[&[descriptor], fields, &SIZE].concat());
            let mut out = vec![0; 8192];
            let done = Unpacker::new().decompress(&frame, &mut out).is_some();
            assert!(!done || out == [7; 8192]);
            done
        };
        assert!(unpacked(0x60, &[]), "a single segment");
        for (window, taken) in [(0, true), (8 << 3 | 7, true), (9 << 3, true), (9 << 3 | 1, false), (10 << 3, false)] {
            assert_eq!(unpacked(0x40, &[window]), taken, "{window:#x}");
        }
        for log in [24, 30] {
            assert!(!unpacked(0x40, &[(log - 10) << 3]), "2^{log}");
        }
        assert!(!unpacked(0x61, &[0]), "an id of a dictionary");
    }
}
