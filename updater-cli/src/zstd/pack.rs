//! Chunks compressed, for who makes bundles.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use libupdate::bundle::writer::Compressor;
use libupdate_linux::Interrupt;
use zstd::zstd_safe::{CCtx, CParameter, get_error_name};

use super::{WINDOW_LOG, at_once};
use crate::cores;

/// Bundles are made once and fetched by every device. Above this level a chunk, which is a frame of its own, gets hardly smaller: on a
/// Debian root 19 gives 2.6 % less in three times the time.
const LEVEL: i32 = 16;
/// Sizes of the matcher's tables: what a chunk can fill. The library's own are for larger frames, 10 MiB a core.
const TABLES: [CParameter; 2] = [CParameter::ChainLog(18), CParameter::HashLog(16)];

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
        let mut pairs: Vec<_> = chunks.iter().zip(frames).collect();
        self.contexts.share(&mut pairs, |context, (chunk, frame)| self.pack(context, chunk, frame))
    }
}

impl Contexts {
    /// Does `act` to every item, side by side.
    ///
    /// # Errors
    /// The first of the items'; the library's where it makes no context.
    pub fn share<I: Send>(
        &self,
        items: &mut [I],
        act: impl Fn(&mut CCtx<'static>, &mut I) -> io::Result<()> + Sync,
    ) -> io::Result<()> {
        // A poisoned lock means that a compression panicked; each begins its context anew.
        let mut contexts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while contexts.len() < at_once() {
            contexts.push(context()?);
        }
        cores::share(items, &mut contexts, act).into_iter().collect()
    }
}

impl Packer<'_> {
    fn pack(&self, context: &mut CCtx<'_>, chunk: &[u8], frame: &mut Vec<u8>) -> io::Result<()> {
        if self.interrupt.requested() {
            return Err(io::Error::other("interrupted"));
        }
        frame.clear();
        frame.reserve(zstd::zstd_safe::compress_bound(chunk.len()));
        context.compress2(frame, chunk).map(drop).map_err(refused)
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

/// The library's words.
pub fn refused(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let frame = |chunk| packed(&Contexts::default(), [chunk]).concat();
        let contexts = Contexts::default();
        for several in chunks.windows(4) {
            let [one, two, three, four] = several else { panic!("windows of 4") };
            let found = packed(&contexts, [one, two, three, four]);
            assert_eq!(found, [frame(one), frame(two), frame(three), frame(four)]);
            assert!(found.iter().all(|frame| frame.len() < 90_000), "they are no chunks that compress");
        }
    }
}
