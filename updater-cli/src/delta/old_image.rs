//! The image that devices have: its file, its root hash, and an index of what is where in it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use libupdate::units::digest::{BLOCK_BYTES, DIGEST_BYTES};
use libupdate::units::limits::LEVELS;
use libupdate::verity::{Geometry, TreeBuilder};
use libupdate::{BlockHasher as _, ByteLen, RootHash, Salt};
use libupdate_linux::Interrupt;

use super::index::Index;
use super::{BLOCK, Run};
use crate::cores;

/// Bytes that are read and indexed at once: whole blocks.
const PIECE: usize = 4 << 20;

/// An image that is a file, or a part of one.
#[derive(Debug)]
pub struct ImageFile {
    /// The file.
    pub file: File,
    /// Where the image begins in it.
    pub start: u64,
    /// Its length.
    pub len: ByteLen,
}

/// An image in a file, and its index.
#[derive(Debug)]
pub struct OldImage {
    image: ImageFile,
    blocks: u32,
    root_hash: RootHash,
    index: Index,
}

/// Why an image has no index.
#[derive(Debug)]
pub enum Unreadable {
    /// Its file failed, or has become shorter.
    File(io::Error),
    /// Somebody asked to stop.
    Interrupted,
    /// It is empty, or larger than an image can be.
    Length,
}

impl OldImage {
    /// Reads the image once. `tell` hears how many of its bytes are done.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(
        image: ImageFile,
        salt: Salt<'_>,
        interrupt: &Interrupt,
        tell: &mut dyn FnMut(ByteLen),
    ) -> Result<Self, Unreadable> {
        let len = image.len.get();
        let geometry = Geometry::from_image_len(image.len).ok_or(Unreadable::Length)?;
        let blocks = u32::try_from(geometry.data_blocks()).map_err(|_| Unreadable::Length)?;
        let mut open = vec![[0; BLOCK_BYTES]; LEVELS];
        let mut tree = TreeBuilder::new(geometry, salt, &mut open).map_err(|_| Unreadable::Length)?;
        let (mut hasher, mut index) = (cores::hasher(), Index::new(len));
        let (mut piece, mut digests) = (vec![0; PIECE], Vec::new());
        let mut done = 0;
        while done < len {
            if interrupt.requested() {
                return Err(Unreadable::Interrupted);
            }
            let read = image.padded(done, &mut piece).map_err(Unreadable::File)?;
            digests.resize(read.len() / BLOCK * DIGEST_BYTES, 0);
            hasher.hash_blocks(salt, read, &mut digests);
            tree.push_digests(&digests, &mut hasher, |_, _, _| Ok::<_, ()>(())).map_err(|_| Unreadable::Length)?;
            index.take(read, &digests);
            done = done.saturating_add(u64::try_from(read.len()).unwrap_or(u64::MAX)).min(len);
            tell(ByteLen::new(done));
        }
        let root_hash = tree.finish().map_err(|_| Unreadable::Length)?;
        Ok(Self { image, blocks, root_hash, index: index.sorted() })
    }

    /// The root hash with the salt that it was read with.
    pub const fn root_hash(&self) -> RootHash {
        self.root_hash
    }

    /// What is where.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// How many blocks it has.
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The bytes of `runs`, one after the other.
    pub(super) fn bytes(&self, runs: &[Run]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for run in runs {
            let mut part = vec![0; run.blocks().saturating_mul(BLOCK)];
            let at = u64::from(run.start).saturating_mul(u64::try_from(BLOCK).unwrap_or(u64::MAX));
            bytes.extend_from_slice(self.image.padded(at, &mut part)?);
        }
        Ok(bytes)
    }
}

impl ImageFile {
    /// Reads what `buf` has room for from `at` on, up to the end of the image, behind which zeros fill the last block.
    fn padded<'b>(&self, at: u64, buf: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let left = usize::try_from(self.len.get().saturating_sub(at)).unwrap_or(usize::MAX).min(buf.len());
        let (read, behind) = buf.split_at_mut(left);
        self.file.read_exact_at(read, self.start.saturating_add(at))?;
        behind.fill(0);
        Ok(buf.get(..left.next_multiple_of(BLOCK).min(buf.len())).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::delta::tests::noise;
    use crate::delta::tests::run;

    /// It begins in the middle of its file.
    fn old_image(bytes: &[u8]) -> OldImage {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[&[9; 5], bytes, &[9; 5]].concat()).unwrap();
        let image = ImageFile { file, start: 5, len: ByteLen::new(bytes.len().try_into().unwrap()) };
        OldImage::read(image, Salt::new(b"salt").unwrap(), &Interrupt::default(), &mut |_| {}).unwrap()
    }

    #[test]
    fn runs_are_read_and_the_last_block_is_padded() {
        let image = noise(1, 3 * BLOCK + 5);
        let old = old_image(&image);
        assert_eq!(old.blocks(), 4);
        let padding = vec![0; BLOCK - 5];
        assert_eq!(
            old.bytes(&[run(0, 1), run(2, 4)]).unwrap(),
            [&image[..BLOCK], &image[2 * BLOCK..], &padding].concat()
        );
    }

    #[test]
    fn an_image_of_several_pieces_has_the_root_hash_of_its_tree() {
        for len in [1, BLOCK, PIECE, 2 * PIECE + 7] {
            let image = noise(2, len);
            let blocks = [image.as_slice(), &vec![0; len.next_multiple_of(BLOCK) - len]].concat();
            let geometry = Geometry::from_image_len(ByteLen::new(len.try_into().unwrap())).unwrap();
            let mut open = [[0; BLOCK_BYTES]; LEVELS];
            let mut tree = TreeBuilder::new(geometry, Salt::new(b"salt").unwrap(), &mut open).unwrap();
            tree.push_blocks(&blocks, &mut libupdate::SoftHasher, |_, _, _| Ok::<_, ()>(())).unwrap();
            assert_eq!(old_image(&image).root_hash(), tree.finish().unwrap(), "{len} bytes");
        }
    }

    #[test]
    fn a_file_that_is_shorter_or_empty_or_stopped_has_no_index() {
        let read = |len, interrupt: &Interrupt| {
            let image = ImageFile { file: tempfile::tempfile().unwrap(), start: 0, len: ByteLen::new(len) };
            OldImage::read(image, Salt::new(b"").unwrap(), interrupt, &mut |_| {}).unwrap_err()
        };
        let calm = Interrupt::default();
        assert!(matches!(read(1, &calm), Unreadable::File(error) if error.kind() == io::ErrorKind::UnexpectedEof));
        assert!(matches!(read(0, &calm), Unreadable::Length));
        assert!(matches!(read(1 << 60, &calm), Unreadable::Length));
    }
}
