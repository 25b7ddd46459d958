//! A compressed bundle taken apart down to its index page and the carried bytes of each chunk.
//!
//! ```text
//!  | envelope | levels >= 1 | page 4096 | hints | carried 0 | carried 1 | ...       one page: at most 100 chunks
//! ```

use std::fs;
use std::path::Path;

use libupdate::Digest;

use crate::bundle_parts::BundleParts;
use crate::raw_manifest::RawManifest;

/// Where the rows of a page begin.
pub const ROWS_AT: usize = 96;
/// Bytes of a row: codec 1, zero 3, carried length 4, digest 32.
pub const ROW: usize = 40;

/// The parts.
#[derive(Clone, Debug)]
pub struct PackedBundle {
    /// Envelope and all of the payload.
    pub parts: BundleParts,
    /// The shipped levels.
    pub levels: Vec<u8>,
    /// The index page.
    pub page: Vec<u8>,
    /// The hints after it, if there are any: 6 bytes for each data block.
    pub hints: Vec<u8>,
    /// Carried bytes of each chunk.
    pub carried: Vec<Vec<u8>>,
}

impl PackedBundle {
    /// Takes a bundle of one compressed payload with one page apart.
    ///
    /// # Panics
    /// Where it is not such a one.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let parts = BundleParts::of(&fs::read(path).expect("the bundle was made"));
        let at = parts.payload.windows(8).position(|bytes| bytes == b"LUPAGE01").expect("it has an index page");
        let (levels, rest) = parts.payload.split_at(at);
        let (page, rest) = rest.split_at(4096);
        let blocks = RawManifest::of(&parts.manifest).payloads[0].data_blocks;
        let hints = if page[48..80] == [0; 32] { 0 } else { 6 * usize::try_from(blocks).expect("an image of a test") };
        let (hints, mut rest) = rest.split_at(hints);
        let (levels, page, hints) = (levels.to_vec(), page.to_vec(), hints.to_vec());
        let rows = usize::from(page[8]);
        let mut carried = Vec::new();
        for row in page[ROWS_AT..].chunks(ROW).take(rows) {
            let len = u32::from_le_bytes(row[4..8].try_into().expect("four bytes"));
            let (now, later) = rest.split_at(usize::try_from(len).expect("a chunk"));
            carried.push(now.to_vec());
            rest = later;
        }
        assert!(rest.is_empty(), "more than one page");
        Self { parts, levels, page, hints, carried }
    }

    /// Other hints, which the page names.
    pub fn hint(&mut self, change: impl FnOnce(&mut [u8])) {
        change(&mut self.hints);
        self.page[48..80].copy_from_slice(Digest::of(&[&self.hints]).as_bytes());
    }

    /// Lets chunk `number` be carried by other bytes, which its row names.
    ///
    /// # Panics
    /// Where there is no such chunk.
    pub fn carry(&mut self, number: usize, bytes: &[u8]) {
        let row = &mut self.page[ROWS_AT + number * ROW..][..ROW];
        let len = u32::try_from(bytes.len()).expect("a chunk");
        row[4..8].copy_from_slice(&len.to_le_bytes());
        row[8..40].copy_from_slice(Digest::of(&[bytes]).as_bytes());
        self.carried[number] = bytes.to_vec();
    }

    /// The parts with this payload in them, and the page's digest in a manifest that is yet to be signed.
    #[must_use]
    pub fn into_parts(self) -> BundleParts {
        let mut manifest = RawManifest::of(&self.parts.manifest);
        manifest.payloads[0].first_page = *Digest::of(&[&self.page]).as_bytes();
        let payload = [self.levels, self.page, self.hints, self.carried.concat()].concat();
        BundleParts { manifest: manifest.encode(), payload, ..self.parts }
    }
}
