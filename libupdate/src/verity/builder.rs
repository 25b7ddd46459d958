//! Builds a hash tree from data blocks in order, with one block per level in memory.

use core::fmt;

use crate::error::Misuse;
use crate::units::bytes::array;
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest, RootHash, Salt, hash_block};
use crate::verity::DIGESTS_PER_BLOCK;
use crate::verity::geometry::{Geometry, place_of, spanned_by};

/// A tree in the making: takes the digest of every data block once, in order, and hands out each hash block as soon as it is
/// complete.
///
/// Touches memory only. The caller's sink gets (level, index, block), each block after all that it covers, so the top level's
/// only block comes last; [`Geometry::block_offset`] says where it belongs.
#[derive(Debug)]
pub struct TreeBuilder<'a> {
    geometry: Geometry,
    salt: Salt<'a>,
    /// The unfinished block of each level, zero where no digest has come yet.
    open: &'a mut [[u8; BLOCK_BYTES]],
    /// Data blocks taken so far; how full each open block is follows from it.
    taken: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Growing,
    Done(RootHash),
    SinkFailed,
}

/// Why the builder has no root hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfinished {
    /// The image has more data blocks than came.
    Missing {
        /// How many more.
        data_blocks: u64,
    },
    /// The sink failed before: a hash block is lost.
    SinkFailed,
}

/// Why the builder stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BuildError<E> {
    /// The sink's own error. The tree cannot be continued.
    Sink(E),
    /// The input is not a whole number of digests, or of blocks. None of it was taken.
    NotWhole {
        /// Its bytes.
        bytes: usize,
    },
    /// The input is more than the image has. None of it was taken.
    TooMany {
        /// Data blocks that were still missing.
        missing: u64,
    },
    /// There is no root hash, or none to come.
    Unfinished(Unfinished),
}

impl<'a> TreeBuilder<'a> {
    /// Begins a tree. `open` is its memory: a block for each of [`Geometry::levels`], of any content.
    ///
    /// # Errors
    /// [`Misuse::Buffer`] where `open` has fewer blocks than the tree has levels.
    pub fn new(geometry: Geometry, salt: Salt<'a>, open: &'a mut [[u8; BLOCK_BYTES]]) -> Result<Self, Misuse> {
        let levels = usize::from(geometry.levels());
        let needed = levels.saturating_mul(BLOCK_BYTES);
        let short = Misuse::Buffer { needed, got: open.as_flattened().len() };
        let open = open.get_mut(..levels).ok_or(short)?;
        open.as_flattened_mut().fill(0);
        Ok(Self { geometry, salt, open, taken: 0, state: State::Growing })
    }

    /// Takes the next data blocks, 4096 bytes each, any number of them; the tail of the image's last one is zero.
    ///
    /// # Errors
    /// As [`TreeBuilder::push_digests`].
    pub fn push_blocks<H: BlockHasher, E>(
        &mut self,
        blocks: &[u8],
        hasher: &mut H,
        mut sink: impl FnMut(u8, u64, &[u8; BLOCK_BYTES]) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        self.admit(blocks, BLOCK_BYTES)?;
        let mut digests = [0; BLOCK_BYTES];
        for run in blocks.chunks(BLOCK_BYTES.saturating_mul(DIGESTS_PER_BLOCK)) {
            // Never past the end: a run is at most 128 blocks.
            let (digests, _) = digests.split_at_mut(run.chunks_exact(BLOCK_BYTES).len().saturating_mul(DIGEST_BYTES));
            hasher.hash_blocks(self.salt, run, digests);
            self.push_digests(digests, hasher, &mut sink)?;
        }
        Ok(())
    }

    /// Takes the digests of the next data blocks, 32 bytes each, any number of them: for a caller who hashes on several cores,
    /// or has the digests already.
    ///
    /// # Errors
    /// [`BuildError`], in the order of its kinds from the second on, or the sink's.
    pub fn push_digests<H: BlockHasher, E>(
        &mut self,
        digests: &[u8],
        hasher: &mut H,
        mut sink: impl FnMut(u8, u64, &[u8; BLOCK_BYTES]) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        self.admit(digests, DIGEST_BYTES)?;
        let mut rest = digests;
        while !rest.is_empty() {
            // Up to the end of the open level-0 block, so that only the last digest of a run can complete a block.
            let room = DIGESTS_PER_BLOCK.saturating_sub(place_of(self.taken)).saturating_mul(DIGEST_BYTES);
            let (run, after) = rest.split_at(room.min(rest.len()));
            self.take(run);
            self.close_complete(hasher, &mut sink).inspect_err(|_| self.state = State::SinkFailed)?;
            rest = after;
        }
        Ok(())
    }

    /// The root hash, once every data block came.
    ///
    /// # Errors
    /// [`Unfinished`].
    pub fn finish(self) -> Result<RootHash, Unfinished> {
        match self.state {
            State::Done(root) => Ok(root),
            State::Growing => Err(Unfinished::Missing { data_blocks: self.missing() }),
            State::SinkFailed => Err(Unfinished::SinkFailed),
        }
    }

    fn missing(&self) -> u64 {
        self.geometry.data_blocks().saturating_sub(self.taken)
    }

    fn admit<E>(&self, input: &[u8], unit: usize) -> Result<(), BuildError<E>> {
        let missing = self.missing();
        if matches!(self.state, State::SinkFailed) {
            Err(BuildError::Unfinished(Unfinished::SinkFailed))
        } else if !input.chunks_exact(unit).remainder().is_empty() {
            Err(BuildError::NotWhole { bytes: input.len() })
        } else if count(input, unit) <= missing {
            Ok(())
        } else {
            Err(BuildError::TooMany { missing })
        }
    }

    /// Puts digests that fit there into the open level-0 block. Without one, the only data block's digest is the root.
    fn take(&mut self, run: &[u8]) {
        match self.open.first_mut() {
            Some(block) => place(block, self.taken, run),
            None => self.state = array(run, 0).map_or(State::Growing, |digest| done(Digest::new(digest))),
        }
        self.taken = self.taken.saturating_add(count(run, DIGEST_BYTES));
    }

    /// Hands out each open block that the last digest completed: 128 digests are in it, or no more will come.
    fn close_complete<H: BlockHasher, E>(
        &mut self,
        hasher: &mut H,
        sink: &mut impl FnMut(u8, u64, &[u8; BLOCK_BYTES]) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        for level in 0..self.geometry.levels() {
            let spanned = spanned_by(level.saturating_add(1));
            if self.missing() > 0 && self.taken.checked_rem(spanned) != Some(0) {
                break;
            }
            let index = self.taken.div_ceil(spanned).saturating_sub(1);
            let [block, above @ ..] = self.open.get_mut(usize::from(level)..).unwrap_or_default() else { break };
            sink(level, index, block).map_err(BuildError::Sink)?;
            let digest = hash_block(hasher, self.salt, block);
            block.fill(0);
            match above {
                [parent, ..] => place(parent, index, digest.as_bytes()),
                [] => self.state = done(digest),
            }
        }
        Ok(())
    }
}

/// Whole units in `input`.
fn count(input: &[u8], unit: usize) -> u64 {
    u64::try_from(input.chunks_exact(unit).len()).unwrap_or(u64::MAX)
}

const fn done(digest: Digest) -> State {
    State::Done(RootHash::new(digest))
}

/// Puts the digests of block `index`, and of those after it, to their places in their parent.
fn place(parent: &mut [u8; BLOCK_BYTES], index: u64, digests: &[u8]) {
    let places = parent.chunks_exact_mut(DIGEST_BYTES).skip(place_of(index));
    places.zip(digests.chunks_exact(DIGEST_BYTES)).for_each(|(place, digest)| place.copy_from_slice(digest));
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { data_blocks } => write!(f, "{data_blocks} data blocks of the image are missing"),
            Self::SinkFailed => f.write_str("a block of the hash tree was lost in an earlier failure"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(error) => write!(f, "a block of the hash tree could not be stored: {error}"),
            Self::NotWhole { bytes } => write!(f, "{bytes} bytes are not a whole number of blocks or digests"),
            Self::TooMany { missing } => {
                write!(f, "more data than the {missing} data blocks that the image still lacks")
            }
            Self::Unfinished(kind) => kind.fmt(f),
        }
    }
}

impl core::error::Error for Unfinished {}
impl<E: core::error::Error> core::error::Error for BuildError<E> {}

impl<E> From<Unfinished> for BuildError<E> {
    fn from(kind: Unfinished) -> Self {
        Self::Unfinished(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::digest::SoftHasher;
    use crate::verity::sample::{Sample, digest, golden, image};
    use core::convert::Infallible;
    use std::vec::Vec;

    const SALT: &[u8] = b"salt";

    fn salt() -> Salt<'static> {
        Salt::new(SALT).unwrap()
    }

    fn geometry(blocks: u64) -> Geometry {
        Geometry::from_data_blocks(blocks).unwrap()
    }

    type Finished = Vec<(u8, u64, Vec<u8>)>;

    /// Pushes `digests` in steps of `step` digests.
    fn build(digests: &[u8], step: usize) -> (RootHash, Finished) {
        let mut open = [[0xee; BLOCK_BYTES]; 3];
        let blocks = (digests.len() / DIGEST_BYTES) as u64;
        let mut builder = TreeBuilder::new(geometry(blocks), salt(), &mut open).unwrap();
        let mut finished = Vec::new();
        for step in digests.chunks(step * DIGEST_BYTES) {
            builder
                .push_digests(step, &mut SoftHasher, |level, index, block| {
                    finished.push((level, index, block.to_vec()));
                    Ok::<(), Infallible>(())
                })
                .unwrap();
        }
        (builder.finish().unwrap(), finished)
    }

    /// The tree by its definition: whole levels at once.
    fn reference(digests: &[u8]) -> (RootHash, Finished) {
        let mut finished = Vec::new();
        let mut below = digests.to_vec();
        for level in 0.. {
            if below.len() == DIGEST_BYTES {
                break;
            }
            below.resize(below.len().next_multiple_of(BLOCK_BYTES), 0);
            for (index, block) in (0..).zip(below.chunks(BLOCK_BYTES)) {
                finished.push((level, index, block.to_vec()));
            }
            below = below.chunks(BLOCK_BYTES).flat_map(|block| *Digest::of(&[SALT, block]).as_bytes()).collect();
        }
        (RootHash::new(Digest::new(below.try_into().unwrap())), finished)
    }

    fn some_digests(blocks: u64) -> Vec<u8> {
        (0..blocks).flat_map(|block| *Digest::of(&[&block.to_le_bytes()]).as_bytes()).collect()
    }

    #[test]
    fn every_size_gives_the_tree_of_the_definition() {
        for blocks in (1..=400).chain([16256, 16257, 16383, 16384, 16385, 16512, 16513, 33000]) {
            let digests = some_digests(blocks);
            let (root, mut finished) = build(&digests, 1000);
            finished.sort();
            assert!((root, finished) == reference(&digests), "{blocks} blocks");
        }
    }

    #[test]
    fn how_the_digests_are_batched_does_not_matter() {
        let digests = some_digests(16385);
        let whole = build(&digests, 16385);
        for step in [1, 7, 127, 128, 129, 16384] {
            assert!(build(&digests, step) == whole, "step {step}");
        }
    }

    #[test]
    fn a_block_comes_after_all_that_it_covers() {
        let (_, finished) = build(&some_digests(16385), 100);
        let order: Vec<_> = finished.iter().map(|(level, index, _)| (*level, *index)).collect();
        assert_eq!(order[..2], [(0, 0), (0, 1)]);
        assert_eq!(order[126..], [(0, 126), (0, 127), (1, 0), (0, 128), (1, 1), (2, 0)]);
    }

    #[test]
    fn the_hash_areas_of_veritysetup_come_out() {
        for line in golden() {
            let mut sample = Sample::new(line.blocks, &line.salt);
            assert_eq!(sample.tree.root, line.root, "{} blocks, salt of {}", line.blocks, line.salt.len());
            let hash_offset = sample.tree.geometry.hash_offset();
            assert_eq!(Digest::of(&[sample.from(hash_offset)]), line.hash_area, "{} blocks", line.blocks);
        }
    }

    /// `veritysetup` 2.6.1, remade by tests/tests/oracle/verity.rs:
    /// `truncate -s 4294971392 image; veritysetup format --salt aa --hash-offset 4294971392 image image`.
    #[test]
    fn an_image_over_4_gib_has_the_root_of_veritysetup() {
        let geometry = geometry((1 << 20) + 1);
        let salt = Salt::new(&[0xaa]).unwrap();
        let mut open = [[0; BLOCK_BYTES]; 3];
        let mut builder = TreeBuilder::new(geometry, salt, &mut open).unwrap();
        let digests = hash_block(&mut SoftHasher, salt, &[0; BLOCK_BYTES]).as_bytes().repeat(128);
        let mut hash_blocks = 0;
        for chunk in 0..geometry.chunks() {
            let digests = &digests[..geometry.chunk_blocks(chunk) * DIGEST_BYTES];
            let sink = |_, _, _: &[u8; BLOCK_BYTES]| {
                hash_blocks += 1;
                Ok::<(), Infallible>(())
            };
            builder.push_digests(digests, &mut SoftHasher, sink).unwrap();
        }
        let root = digest("b16a6744a6722b91ac51b9baa5f29e12ca78db2a238ff580cca1012131edb57c");
        assert_eq!(builder.finish(), Ok(RootHash::new(root)));
        assert_eq!(hash_blocks, 8259);
    }

    fn nowhere(_: u8, _: u64, _: &[u8; BLOCK_BYTES]) -> Result<(), Infallible> {
        Ok(())
    }

    #[test]
    fn what_is_not_whole_is_refused_untaken() {
        let mut open = [[0; BLOCK_BYTES]; 1];
        let mut builder = TreeBuilder::new(geometry(2), salt(), &mut open).unwrap();
        let found = builder.push_digests(&[0; 33], &mut SoftHasher, nowhere);
        assert_eq!(found, Err(BuildError::NotWhole { bytes: 33 }));
        let found = builder.push_blocks(&[0; 4095], &mut SoftHasher, nowhere);
        assert_eq!(found, Err(BuildError::NotWhole { bytes: 4095 }));
        builder.push_blocks(&image(2), &mut SoftHasher, nowhere).unwrap();
        assert_eq!(builder.finish(), Ok(Sample::new(2, SALT).tree.root));
    }

    #[test]
    fn more_than_the_image_is_refused_untaken() {
        for blocks in [1, 2, 128, 129] {
            let mut open = [[0; BLOCK_BYTES]; 2];
            let mut builder = TreeBuilder::new(geometry(blocks), salt(), &mut open).unwrap();
            let found = builder.push_blocks(&image(blocks + 1), &mut SoftHasher, nowhere);
            assert_eq!(found, Err(BuildError::TooMany { missing: blocks }));
            builder.push_blocks(&image(blocks), &mut SoftHasher, nowhere).unwrap();
            let found = builder.push_digests(&[0; 32], &mut SoftHasher, nowhere);
            assert_eq!(found, Err(BuildError::TooMany { missing: 0 }));
            assert_eq!(builder.push_digests(&[], &mut SoftHasher, nowhere), Ok(()));
            assert_eq!(builder.finish(), Ok(Sample::new(blocks, SALT).tree.root));
        }
    }

    #[test]
    fn an_image_that_ends_early_has_no_root() {
        for (blocks, came) in [(1, 0), (2, 1), (129, 128), (16385, 16384)] {
            let mut open = [[0; BLOCK_BYTES]; 3];
            let mut builder = TreeBuilder::new(geometry(blocks), salt(), &mut open).unwrap();
            builder.push_digests(&some_digests(came), &mut SoftHasher, nowhere).unwrap();
            assert_eq!(builder.finish(), Err(Unfinished::Missing { data_blocks: blocks - came }));
        }
    }

    #[test]
    fn a_lost_block_ends_the_tree() {
        let digests = some_digests(16385);
        for lost in [(0, 0), (1, 0), (2, 0)] {
            let mut open = [[0; BLOCK_BYTES]; 3];
            let mut builder = TreeBuilder::new(geometry(16385), salt(), &mut open).unwrap();
            let sink = |level, index, _: &[u8; BLOCK_BYTES]| if (level, index) == lost { Err("full") } else { Ok(()) };
            assert_eq!(builder.push_digests(&digests, &mut SoftHasher, sink), Err(BuildError::Sink("full")));
            let found = builder.push_digests(&digests[..32], &mut SoftHasher, nowhere);
            assert_eq!(found, Err(BuildError::Unfinished(Unfinished::SinkFailed)));
            assert_eq!(builder.finish(), Err(Unfinished::SinkFailed));
        }
    }

    #[test]
    fn the_memory_is_a_block_for_each_level() {
        for (blocks, levels) in [(1, 0), (2, 1), (129, 2), (16385, 3)] {
            let mut open = std::vec![[0; BLOCK_BYTES]; levels];
            assert!(TreeBuilder::new(geometry(blocks), salt(), &mut open).is_ok());
            if open.pop().is_some() {
                let short = Misuse::Buffer { needed: levels * BLOCK_BYTES, got: (levels - 1) * BLOCK_BYTES };
                assert_eq!(TreeBuilder::new(geometry(blocks), salt(), &mut open).err(), Some(short));
            }
        }
    }
}
