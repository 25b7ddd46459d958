//! The zstd library behind the core's seams: one frame a chunk, no dictionary, a window of one chunk.

use std::io;

use libupdate::bundle::writer::Compressor;
use libupdate::install::{Decompressor, Packed};
use rayon::prelude::*;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, get_error_name};

use crate::cores;
use crate::exit::{Exit, Failure};

/// Windows are one chunk, 2^19 bytes, at most.
const WINDOW_LOG: u32 = 19;
/// Bundles are made once and fetched by every device. Above this level a chunk, which is a frame of its own, gets hardly smaller: on a
/// Debian root 19 gives 2.6 % less in three times the time.
const LEVEL: i32 = 16;
/// Sizes of the matcher's tables: what a chunk can fill. The library's own are for larger frames, 10 MiB a core.
const TABLES: [CParameter; 2] = [CParameter::ChainLog(18), CParameter::HashLog(16)];

/// Decompresses chunks, several side by side.
pub struct Unpacker(Vec<DCtx<'static>>);

/// Chunks that are decompressed side by side on this machine: more would cost memory and win nothing.
pub fn at_once() -> usize {
    cores::count().min(3)
}

impl Unpacker {
    /// A decompressor whose window is bounded.
    pub fn new() -> Result<Self, Failure> {
        let next = "report this: the zstd library refuses its own bound";
        let context = || {
            let mut context = DCtx::create();
            let bound = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG));
            bound.map_err(|code| Failure::new(Exit::Io, "cannot decompress", get_error_name(code), next))?;
            Ok(context)
        };
        (0..at_once()).map(|_| context()).collect::<Result<_, Failure>>().map(Self)
    }
}

fn unpack(context: &mut DCtx<'_>, carried: &[u8], chunk: &mut [u8]) -> Option<()> {
    let wanted = chunk.len();
    // One frame and nothing behind it, which names its size; the library refuses a larger window and a dictionary.
    let one_frame = zstd::zstd_safe::find_frame_compressed_size(carried).ok() == Some(carried.len());
    let says = zstd::zstd_safe::get_frame_content_size(carried).ok().flatten();
    if !one_frame || says != u64::try_from(wanted).ok() {
        return None;
    }
    (context.decompress(chunk, carried).ok()? == wanted).then_some(())
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

/// Compresses chunks.
#[derive(Debug)]
pub struct Packer;

impl Compressor for Packer {
    fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
        let share = chunks.len().div_ceil(cores::count()).max(1);
        if share == chunks.len() {
            return pack(chunks, frames);
        }
        let shares = chunks.par_chunks(share).zip(frames.par_chunks_mut(share));
        shares.try_for_each(|(chunks, frames)| pack(chunks, frames))
    }
}

fn pack(chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
    let mut context = CCtx::create();
    let refused = |code| io::Error::other(get_error_name(code));
    context.set_parameter(CParameter::CompressionLevel(LEVEL)).map_err(refused)?;
    context.set_parameter(CParameter::WindowLog(WINDOW_LOG)).map_err(refused)?;
    for table in TABLES {
        context.set_parameter(table).map_err(refused)?;
    }
    for (chunk, frame) in chunks.iter().zip(frames) {
        frame.clear();
        frame.reserve(zstd::zstd_safe::compress_bound(chunk.len()));
        context.compress2(frame, chunk).map_err(refused)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(chunk: &[u8]) -> Vec<u8> {
        let mut frames = [Vec::new()];
        Packer.compress(&[chunk], &mut frames).unwrap();
        let [frame] = frames;
        frame
    }

    #[test]
    fn what_is_packed_is_unpacked_and_only_at_its_length() {
        let chunk: Vec<u8> = (0..4096_u32).flat_map(u32::to_le_bytes).collect();
        let frame = frame(&chunk);
        let mut unpacker = Unpacker::new().unwrap();
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
    fn two_frames_a_cut_frame_and_a_large_window_are_refused() {
        let chunk = vec![7; 8192];
        let frame = frame(&chunk);
        let mut unpacker = Unpacker::new().unwrap();
        let mut out = vec![0; chunk.len()];
        assert_eq!(unpacker.decompress(&frame[..frame.len() - 1], &mut out), None);
        let twice = [frame.as_slice(), frame.as_slice()].concat();
        assert_eq!(unpacker.decompress(&twice, &mut vec![0; 2 * chunk.len()]), None);
        let mut wide = CCtx::create();
        wide.set_parameter(CParameter::WindowLog(24)).unwrap();
        wide.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
        let mut large = Vec::with_capacity(4 << 20);
        wide.compress2(&mut large, &vec![9; 3 << 20]).unwrap();
        assert_eq!(unpacker.decompress(&large, &mut vec![0; 3 << 20]), None);
    }
}
