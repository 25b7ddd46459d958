//! One image's tree, and the checks of its blocks against the root hash.

use crate::error::{Corrupt, Error, Rule};
use crate::io::{BlockIo, Window};
use crate::units::bytes::{array, put};
use crate::units::digest::{BLOCK_BYTES, BlockHasher, DIGEST_BYTES, Digest, RootHash, Salt, hash_block};
use crate::verity::geometry::{Geometry, Parent, ancestor};

/// What a signed manifest says of one image: all that is needed to check every block of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tree<'s> {
    /// The shape.
    pub geometry: Geometry,
    /// What is hashed before every block.
    pub salt: Salt<'s>,
    /// The one digest that is trusted.
    pub root: RootHash,
}

impl Tree<'_> {
    /// Reads a hash block from the partition, checked through every block above it. One block is in memory at a time: `buf`
    /// holds the wanted one in the end, and is undefined after an error.
    ///
    /// # Errors
    /// [`Error::Medium`]; [`Error::Misuse`] where the partition ends before the tree; `HashBlock` names the topmost
    /// block that does not match, or the wanted one where the tree has no such block.
    pub fn load_block<D: BlockIo, H: BlockHasher>(
        &self,
        window: &mut Window<'_, D>,
        level: u8,
        index: u64,
        buf: &mut [u8; BLOCK_BYTES],
        hasher: &mut H,
    ) -> Result<(), Error<D::Error>> {
        if index >= self.geometry.level_blocks(level) {
            return Err(Error::Slot(Corrupt(Rule::HashBlock { level, index })));
        }
        for above in (0..self.geometry.levels().saturating_sub(level)).rev() {
            let (level, index) = (level.saturating_add(above), ancestor(index, above));
            // `buf` still holds the parent, checked by the step before.
            let expected = self.digest_from(buf, level, index).map_err(Error::Slot)?;
            let at = self
                .geometry
                .block_offset(level, index)
                .ok_or(Error::Slot(Corrupt(Rule::HashBlock { level, index })))?;
            window.read(at, buf)?;
            self.check_block(expected, level, index, buf, hasher).map_err(Error::Slot)?;
        }
        Ok(())
    }

    /// Compares a hash block with its digest.
    ///
    /// # Errors
    /// `HashBlock`.
    pub fn check_block<H: BlockHasher>(
        &self,
        expected: Digest,
        level: u8,
        index: u64,
        block: &[u8; BLOCK_BYTES],
        hasher: &mut H,
    ) -> Result<(), Corrupt> {
        if hash_block(hasher, self.salt, block) == expected {
            Ok(())
        } else {
            Err(Corrupt(Rule::HashBlock { level, index }))
        }
    }

    /// Compares one chunk, given by its data blocks' digests, with the digest that [`ParentCache::expected_chunk`] gives.
    /// Touches memory only: in the end `block` holds the chunk's level-0 hash block, to be written to
    /// [`Geometry::block_offset`]`(0, chunk)` where the tree has levels; after an error it is undefined.
    ///
    /// [`ParentCache::expected_chunk`]: crate::verity::ParentCache::expected_chunk
    ///
    /// # Errors
    /// `Chunk`, also where `digests` is not 32 bytes for each data block of the chunk.
    pub fn check_chunk<H: BlockHasher>(
        &self,
        expected: Digest,
        chunk: u64,
        digests: &[u8],
        block: &mut [u8; BLOCK_BYTES],
        hasher: &mut H,
    ) -> Result<(), Corrupt> {
        let wrong = Corrupt(Rule::Chunk { chunk });
        let blocks = self.geometry.chunk_blocks(chunk);
        if blocks == 0 || digests.len() != blocks.saturating_mul(DIGEST_BYTES) {
            return Err(wrong);
        }
        block.fill(0);
        put(block, 0, digests).ok_or(wrong)?;
        if self.digest_of_chunk(block, hasher) == expected { Ok(()) } else { Err(wrong) }
    }

    /// The digest of a chunk whose data blocks have the digests in `block`, zero after the last one: for a caller who fills the
    /// block piece by piece, where [`Tree::check_chunk`] wants them all at once. It is the hash block's digest, or the only
    /// digest in it where the tree has no levels.
    pub fn digest_of_chunk<H: BlockHasher>(&self, block: &[u8; BLOCK_BYTES], hasher: &mut H) -> Digest {
        match digest_at(block, 0) {
            Some(only) if self.geometry.levels() == 0 => only,
            _ => hash_block(hasher, self.salt, block),
        }
    }

    /// The digest of hash block `index` of `level`: the root hash for the top, else what `parent`, the hash block above it,
    /// holds.
    pub(super) fn digest_from(&self, parent: &[u8; BLOCK_BYTES], level: u8, index: u64) -> Result<Digest, Corrupt> {
        match self.geometry.parent(level, index) {
            Some(Parent::Root) => Some(*self.root.digest()),
            Some(Parent::Block { place, .. }) => digest_at(parent, place),
            None => None,
        }
        .ok_or(Corrupt(Rule::HashBlock { level, index }))
    }
}

/// One of the 128 digests in a hash block, from 0; the unused ones at the end of a level are zero.
#[must_use]
pub fn digest_at(block: &[u8; BLOCK_BYTES], place: usize) -> Option<Digest> {
    array(block, place.checked_mul(DIGEST_BYTES)?).map(Digest::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Access, IoError, Medium, Misuse};
    use crate::io::ram_disk::Failed;
    use crate::units::block::{BlockSize, Extent, Lba};
    use crate::units::digest::SoftHasher;
    use crate::verity::sample::{Sample, image};
    use std::vec::Vec;

    const SALT: &[u8] = b"salt";

    fn load(sample: &mut Sample<'_>, level: u8, index: u64) -> Result<[u8; BLOCK_BYTES], Error<Failed>> {
        let mut buf = [0xee; BLOCK_BYTES];
        let tree = sample.tree;
        tree.load_block(&mut sample.window(), level, index, &mut buf, &mut SoftHasher).map(|()| buf)
    }

    #[test]
    fn every_block_of_a_tree_loads() {
        for blocks in [2, 127, 128, 129, 16384, 16385] {
            let mut sample = Sample::new(blocks, SALT);
            for level in 0..sample.tree.geometry.levels() {
                for index in 0..sample.tree.geometry.level_blocks(level) {
                    assert_eq!(load(&mut sample, level, index), Ok(*sample.block(level, index)));
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_on_the_path_is_named_with_its_level_and_index() {
        for blocks in [2, 129, 16385] {
            let mut sample = Sample::new(blocks, SALT);
            let geometry = sample.tree.geometry;
            for wanted in [0, 127, 128].into_iter().filter(|index| *index < geometry.level_blocks(0)) {
                for above in 0..geometry.levels() {
                    let (level, index) = (above, ancestor(wanted, above));
                    for byte in [0, 31, 32, 4095] {
                        sample.block(level, index)[byte] ^= 0x80;
                        let found = load(&mut sample, 0, wanted);
                        assert_eq!(
                            found,
                            Err(Error::Slot(Corrupt(Rule::HashBlock { level, index }))),
                            "{blocks}, byte {byte}"
                        );
                        sample.block(level, index)[byte] ^= 0x80;
                    }
                }
                assert!(load(&mut sample, 0, wanted).is_ok());
            }
        }
    }

    #[test]
    fn a_flipped_bit_off_the_path_is_not_looked_at() {
        let mut sample = Sample::new(16385, SALT);
        sample.block(1, 1)[0] ^= 1;
        sample.block(0, 1)[0] ^= 1;
        assert!(load(&mut sample, 0, 0).is_ok());
    }

    /// Each is authentic, in another place.
    #[test]
    fn swapped_blocks_are_caught() {
        let mut sample = Sample::new(200, SALT);
        let (first, second) = (*sample.block(0, 0), *sample.block(0, 1));
        *sample.block(0, 0) = second;
        *sample.block(0, 1) = first;
        assert_eq!(load(&mut sample, 0, 0), Err(Error::Slot(Corrupt(Rule::HashBlock { level: 0, index: 0 }))));
        assert_eq!(load(&mut sample, 0, 1), Err(Error::Slot(Corrupt(Rule::HashBlock { level: 0, index: 1 }))));
    }

    #[test]
    fn another_root_or_salt_is_caught_at_the_top() {
        let mut sample = Sample::new(129, SALT);
        let tree = sample.tree;
        let top = Err(Error::Slot(Corrupt(Rule::HashBlock { level: 1, index: 0 })));
        sample.tree.root = RootHash::new(Digest::of(&[b"other"]));
        assert_eq!(load(&mut sample, 0, 0), top);
        sample.tree = Tree { salt: Salt::new(b"other").unwrap(), ..tree };
        assert_eq!(load(&mut sample, 0, 0), top);
    }

    #[test]
    fn a_block_that_the_tree_does_not_have_is_refused() {
        let mut sample = Sample::new(129, SALT);
        for (level, index) in [(0, 2), (1, 1), (2, 0), (u8::MAX, u64::MAX)] {
            assert_eq!(load(&mut sample, level, index), Err(Error::Slot(Corrupt(Rule::HashBlock { level, index }))));
        }
        let mut sample = Sample::new(1, SALT);
        assert_eq!(load(&mut sample, 0, 0), Err(Error::Slot(Corrupt(Rule::HashBlock { level: 0, index: 0 }))));
    }

    #[test]
    fn a_failed_read_and_a_short_partition_are_told_from_corruption() {
        let mut sample = Sample::new(129, SALT);
        sample.disk.bad_reads = sample.sectors(0, 1);
        let at = Lba::new(sample.disk.bad_reads[0]);
        let failed = IoError { access: Access::Read, at, cause: Failed };
        assert_eq!(load(&mut sample, 0, 1), Err(Error::Medium(Medium::Failed(failed))));

        let size = sample.tree.geometry.level_offset(0);
        let extent = Extent::new(Lba::new(40), Lba::new(39 + size.get() / 512), BlockSize::B512).unwrap();
        let outside = Misuse::OutsidePartition { offset: size, len: 4096, size: extent.len() };
        let mut window = Window::new(&mut sample.disk, extent);
        let mut buf = [0; BLOCK_BYTES];
        let found = sample.tree.load_block(&mut window, 0, 0, &mut buf, &mut SoftHasher);
        assert_eq!(found, Err(Error::Misuse(outside)));
    }

    fn digests(blocks: u64) -> Vec<u8> {
        let mut digests = std::vec![0; usize::try_from(blocks).unwrap() * DIGEST_BYTES];
        SoftHasher.hash_blocks(Salt::new(SALT).unwrap(), &image(blocks), &mut digests);
        digests
    }

    #[test]
    fn a_chunk_gives_its_level_0_block() {
        for blocks in [2, 127, 128, 129, 300] {
            let mut sample = Sample::new(blocks, SALT);
            let mut expected = digests(blocks);
            for (chunk, digests) in (0..).zip(expected.chunks_mut(BLOCK_BYTES)) {
                let digest = hash_block(&mut SoftHasher, sample.tree.salt, sample.block(0, chunk));
                let mut block = [0xee; BLOCK_BYTES];
                let tree = sample.tree;
                assert_eq!(tree.check_chunk(digest, chunk, digests, &mut block, &mut SoftHasher), Ok(()));
                assert_eq!(&block, sample.block(0, chunk), "{blocks}, chunk {chunk}");
                digests[digests.len() - 1] ^= 1;
                let found = tree.check_chunk(digest, chunk, digests, &mut block, &mut SoftHasher);
                assert_eq!(found, Err(Corrupt(Rule::Chunk { chunk })));
            }
        }
    }

    #[test]
    fn the_only_data_block_is_checked_against_the_root() {
        let tree = Sample::new(1, SALT).tree;
        let mut digests = digests(1);
        let mut block = [0; BLOCK_BYTES];
        assert_eq!(tree.check_chunk(*tree.root.digest(), 0, &digests, &mut block, &mut SoftHasher), Ok(()));
        digests[0] ^= 1;
        let found = tree.check_chunk(*tree.root.digest(), 0, &digests, &mut block, &mut SoftHasher);
        assert_eq!(found, Err(Corrupt(Rule::Chunk { chunk: 0 })));
    }

    /// A chunk with one zero digest more has the same level-0 block: its length has to be checked.
    #[test]
    fn a_chunk_has_exactly_its_digests() {
        let mut sample = Sample::new(130, SALT);
        let tree = sample.tree;
        let digest = hash_block(&mut SoftHasher, tree.salt, sample.block(0, 1));
        let mut digests = digests(130).split_off(BLOCK_BYTES);
        digests.extend([0; DIGEST_BYTES]);
        let mut block = [0; BLOCK_BYTES];
        let mut check = |chunk, digests: &[u8]| tree.check_chunk(digest, chunk, digests, &mut block, &mut SoftHasher);
        assert_eq!(check(1, &digests[..64]), Ok(()));
        for len in [0, 32, 63, 65, 96] {
            assert_eq!(check(1, &digests[..len]), Err(Corrupt(Rule::Chunk { chunk: 1 })), "{len} bytes");
        }
        assert_eq!(check(2, &[]), Err(Corrupt(Rule::Chunk { chunk: 2 })));
    }

    #[test]
    fn a_block_has_128_digests() {
        let block = core::array::from_fn(|at| u8::try_from(at / DIGEST_BYTES).unwrap());
        assert_eq!(digest_at(&block, 0), Some(Digest::new([0; 32])));
        assert_eq!(digest_at(&block, 127), Some(Digest::new([127; 32])));
        assert_eq!(digest_at(&block, 128), None);
        assert_eq!(digest_at(&block, usize::MAX), None);
    }
}
