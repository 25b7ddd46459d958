//! Builds a hash tree from data blocks in order, with one block per level in memory.

use core::fmt;

use crate::bytes::array;
use crate::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest, RootHash, Salt, hash_block};
use crate::error::NoSpace;
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
    /// [`NoSpace::Buffer`] where `open` has fewer blocks than the tree has levels.
    pub fn new(geometry: Geometry, salt: Salt<'a>, open: &'a mut [[u8; BLOCK_BYTES]]) -> Result<Self, NoSpace> {
        let levels = usize::from(geometry.levels());
        let needed = levels.saturating_mul(BLOCK_BYTES);
        let short = NoSpace::Buffer { needed, got: open.as_flattened().len() };
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
