//! The zstd library behind the core's seams: one frame a chunk, no dictionary, a window of one chunk.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use libupdate::bundle::writer::Compressor;
use libupdate::install::{Decompressor, Packed};
use libupdate_linux::Interrupt;
use libupdate_linux::cores;
use rayon::prelude::*;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

/// The base-2 logarithm of the largest window: a chunk.
const WINDOW_LOG: u32 = 19;
/// Bundles are made once and fetched by every device. Above this level a chunk, which is a frame of its own, gets hardly smaller: on a
/// Debian root 19 gives 2.6 % less in three times the time.
const LEVEL: i32 = 16;
/// Sizes of the matcher's tables: what a chunk can fill. The library's own are for larger frames, 10 MiB a core.
const TABLES: [CParameter; 2] = [CParameter::ChainLog(18), CParameter::HashLog(16)];

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

fn unpack(context: &mut DCtx<'_>, carried: &[u8], chunk: &mut [u8]) -> Option<()> {
    let wanted = chunk.len();
    // One frame and nothing behind it, which names its size.
    let one_frame = zstd::zstd_safe::find_frame_compressed_size(carried).ok() == Some(carried.len());
    let says = zstd::zstd_safe::get_frame_content_size(carried).ok().flatten();
    if !one_frame || says != u64::try_from(wanted).ok() || !is_within_bounds(carried) {
        return None;
    }
    (context.decompress(chunk, carried).ok()? == wanted).then_some(())
}

/// Whether a frame does without a dictionary and with a window of at most 2^19 bytes, by its header (RFC 8878, section 3.1.1.1):
/// the library has a bound only for streams, and here the whole chunk is its memory.
///
/// ```text
///  magic 4 | descriptor 1 | window 1 | dictionary id | content size       the window byte: exponent 5 bits, mantissa 3 bits
/// ```
/// A single segment has no window byte: its window is its content.
fn is_within_bounds(frame: &[u8]) -> bool {
    const SINGLE_SEGMENT: u8 = 0x20;
    const DICTIONARY_ID: u8 = 0x03;
    /// Of a window of 2^19 bytes: its exponent counts from 2^10, and its mantissa is zero.
    const LARGEST: u8 = 9 << 3;
    const _: () = assert!(WINDOW_LOG == 19);
    match frame {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] => {
            descriptor & DICTIONARY_ID == 0 && (descriptor & SINGLE_SEGMENT != 0 || *window <= LARGEST)
        }
        _ => false,
    }
}

impl Decompressor for Unpacker {
    fn decompress(&mut self, carried: &[u8], chunk: &mut [u8]) -> Option<()> {
        unpack(self.0.first_mut()?, carried, chunk)
    }

    fn decompress_each(&mut self, packed: &mut [Packed<'_>]) -> Result<(), usize> {
        if self.0.len() < 2 {
            let alone = packed.iter_mut().position(|one| self.decompress(one.carried, one.chunk).is_none());
            return alone.map_or(Ok(()), Err);
        }
        let share = packed.len().div_ceil(self.0.len());
        let done: Vec<Option<()>> = (packed.par_chunks_mut(share).zip(self.0.par_iter_mut()))
            .flat_map_iter(|(packed, context)| packed.iter_mut().map(|one| unpack(context, one.carried, one.chunk)))
            .collect();
        done.iter().position(Option::is_none).map_or(Ok(()), Err)
    }
}

/// What chunks are compressed with, side by side. It is kept from batch to batch and image to image: what a thread gives back stays with
/// that thread, so that new ones would take memory for each core.
#[derive(Default)]
pub struct Contexts(Mutex<Vec<CCtx<'static>>>);

/// Compresses chunks until somebody asks to stop.
pub struct Packer<'c> {
    contexts: &'c Contexts,
    interrupt: &'c Interrupt,
}

impl<'c> Packer<'c> {
    /// A compressor that fails once `interrupt` is requested, after the chunk that it is at.
    pub const fn new(contexts: &'c Contexts, interrupt: &'c Interrupt) -> Self {
        Self { contexts, interrupt }
    }
}

impl fmt::Debug for Packer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Compressor for Packer<'_> {
    fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
        let share = chunks.len().div_ceil(at_once()).max(1);
        // A poisoned lock means that a compression panicked; each begins its context anew.
        let mut contexts = self.contexts.0.lock().unwrap_or_else(PoisonError::into_inner);
        while contexts.len() < chunks.len().div_ceil(share) {
            contexts.push(context()?);
        }
        if let ([context, ..], true) = (contexts.as_mut_slice(), share >= chunks.len()) {
            return self.pack(context, chunks, frames);
        }
        let shares = chunks.par_chunks(share).zip(frames.par_chunks_mut(share)).zip(contexts.par_iter_mut());
        shares.try_for_each(|((chunks, frames), context)| self.pack(context, chunks, frames))
    }
}

impl Packer<'_> {
    fn pack(&self, context: &mut CCtx<'_>, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
        for (chunk, frame) in chunks.iter().zip(frames) {
            if self.interrupt.requested() {
                return Err(io::Error::other("interrupted"));
            }
            frame.clear();
            frame.reserve(zstd::zstd_safe::compress_bound(chunk.len()));
            context.compress2(frame, chunk).map_err(refused)?;
        }
        Ok(())
    }
}

fn context() -> io::Result<CCtx<'static>> {
    let mut context = CCtx::create();
    let parameters = [CParameter::CompressionLevel(LEVEL), CParameter::WindowLog(WINDOW_LOG)];
    for parameter in parameters.into_iter().chain(TABLES) {
        context.set_parameter(parameter).map_err(refused)?;
    }
    Ok(context)
}

fn refused(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(chunk: &[u8]) -> Vec<u8> {
        let [frame] = packed(&Contexts::default(), [chunk]);
        frame
    }

    fn packed<const N: usize>(contexts: &Contexts, chunks: [&[u8]; N]) -> [Vec<u8>; N] {
        let mut frames = [const { Vec::new() }; N];
        Packer::new(contexts, &Interrupt::default()).compress(&chunks, &mut frames).unwrap();
        frames
    }

    /// Or a bundle could not be made again on another machine.
    #[test]
    fn a_frame_does_not_depend_on_what_was_packed_before() {
        let chunks: Vec<Vec<u8>> = (1..=12_u32)
            .map(|step| (0..100_000_u32).map(|at| at.wrapping_mul(at / 7 * step).to_le_bytes()[1] & 0x3f).collect())
            .collect();
        let contexts = Contexts::default();
        for several in chunks.windows(4) {
            let [one, two, three, four] = several else { panic!("windows of 4") };
            let found = packed(&contexts, [one, two, three, four]);
            assert_eq!(found, [frame(one), frame(two), frame(three), frame(four)]);
            assert!(found.iter().all(|frame| frame.len() < 90_000), "they are no chunks that compress");
        }
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
