//! Index pages: what the chunks of a zstd payload are, told before they come.
//!
//! ```text
//!    0  magic "LUPAGE01"        8
//!    8  count of rows           4   100, fewer only in the last page
//!   12  zero                    4
//!   16  digest of next page    32   zero in the last page
//!   48  zero                   48
//!   96  100 x | codec 1 | zero 3 | carried length 4 | SHA-256 of carried bytes 32 |
//! 4096
//!
//!  codec     carried length            digest
//!  0 zero    0                         zero      a chunk of zeros; nothing is carried
//!  1 raw     the chunk's bytes         zero      the hash tree checks it, as it does without pages
//!  2 zstd    1 .. the chunk's bytes-1  of the carried bytes, checked before they are decompressed
//! ```
//!
//! 1. The manifest names the digest of page 0, each page that of the next: one page in memory authenticates the next one.
//! 2. Judged in this order: digest; magic; count; zeros; next; rows; rows without use, which are zero.

use crate::bytes;
use crate::digest::{BLOCK_BYTES, Digest};
use crate::error::Corrupt;
use crate::manifest::{Encoding, Payload};

/// Rows of a full page.
pub const ROWS: usize = 100;
/// [`ROWS`], as chunks are numbered.
const ROWS_U64: u64 = 100;
const MAGIC: [u8; 8] = *b"LUPAGE01";
const ROWS_AT: usize = 96;
const ROW_BYTES: usize = 40;
const NONE: [u8; 32] = [0; 32];

/// How one chunk is carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    /// All zeros; nothing is carried.
    Zero,
    /// As it is.
    Raw {
        /// Bytes of the chunk.
        len: u32,
    },
    /// One zstd frame.
    Zstd {
        /// Bytes of the frame, fewer than the chunk has.
        carried_len: u32,
        /// SHA-256 of the frame.
        digest: Digest,
    },
}

impl Row {
    /// Bytes that the bundle carries for the chunk.
    #[must_use]
    pub fn carried_len(&self) -> usize {
        let len = match self {
            Self::Zero => 0,
            Self::Raw { len } => *len,
            Self::Zstd { carried_len, .. } => *carried_len,
        };
        // At most a chunk, 512 KiB: fits any target that can hold one.
        usize::try_from(len).unwrap_or(usize::MAX)
    }

    /// The row for a chunk of `chunk_len` bytes, or `None` where a rule is broken.
    fn parse(row: &[u8; ROW_BYTES], chunk_len: u32) -> Option<Self> {
        let [codec, zero @ ..] = bytes::array::<4>(row, 0)?;
        let carried_len = bytes::u32_at(row, 4)?;
        let digest = bytes::array::<32>(row, 8)?;
        if zero != [0; 3] {
            return None;
        }
        match codec {
            0 if carried_len == 0 && digest == NONE => Some(Self::Zero),
            1 if carried_len == chunk_len && digest == NONE => Some(Self::Raw { len: chunk_len }),
            2 if (1..chunk_len).contains(&carried_len) => Some(Self::Zstd { carried_len, digest: Digest::new(digest) }),
            _ => None,
        }
    }

    fn fields(&self) -> (u8, u32, [u8; 32]) {
        match self {
            Self::Zero => (0, 0, NONE),
            Self::Raw { len } => (1, *len, NONE),
            Self::Zstd { carried_len, digest } => (2, *carried_len, *digest.as_bytes()),
        }
    }
}

/// A page whose digest and layout are right.
#[derive(Clone, Copy, Debug)]
pub struct Page<'b> {
    rows: &'b [[u8; ROW_BYTES]],
    /// Bytes of each chunk but the last one of the page.
    chunk_len: u32,
    last_len: u32,
}

impl<'b> Page<'b> {
    /// Number of rows: the chunks that follow this page.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the page has no row: never, each group has a chunk.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How chunk `index` of the group is carried.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row> {
        let last = index.checked_add(1) == Some(self.rows.len());
        Row::parse(self.rows.get(index)?, if last { self.last_len } else { self.chunk_len })
    }

    /// How each chunk of the group is carried.
    pub fn rows(&self) -> impl Iterator<Item = Row> + use<'b> {
        let page = *self;
        (0..page.len()).map_while(move |index| page.row(index))
    }
}

/// The pages of one payload, each authenticated by the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageChain<'a> {
    payload: Payload<'a>,
    page: u64,
    first_chunk: u64,
    expected: Digest,
}

impl<'a> PageChain<'a> {
    /// The chain of a zstd payload; `None` for a raw one, which has no pages.
    #[must_use]
    pub const fn new(payload: Payload<'a>) -> Option<Self> {
        match payload.encoding() {
            Encoding::Raw => None,
            Encoding::Zstd { first_page } => Some(Self { payload, page: 0, first_chunk: 0, expected: first_page }),
        }
    }

    /// The chunk that the next page's first row tells of.
    #[must_use]
    pub const fn next_chunk(&self) -> u64 {
        self.first_chunk
    }

    /// Whether every chunk has had its row, so that no page follows.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.first_chunk >= self.payload.geometry().chunks()
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// [`Corrupt::PageDigest`] before anything of the page is read; then the kinds of its layout. The chain stays where it was.
    pub fn accept<'b>(&mut self, page: &'b [u8; BLOCK_BYTES]) -> Result<Page<'b>, Corrupt> {
        if Digest::of(&[page]) != self.expected {
            return Err(Corrupt::PageDigest { page: self.page });
        }
        // Each access is inside the array; `Truncated` stands for the impossible.
        self.judge(page).unwrap_or(Err(Corrupt::Truncated))
    }

    fn judge<'b>(&mut self, bytes: &'b [u8; BLOCK_BYTES]) -> Option<Result<Page<'b>, Corrupt>> {
        let page = self.page;
        let chunks_left = self.payload.geometry().chunks().checked_sub(self.first_chunk)?;
        let count = usize::try_from(chunks_left).unwrap_or(ROWS).min(ROWS);
        let last_chunk = self.first_chunk.checked_add(u64::try_from(count).ok()?)?;
        if bytes::array(bytes, 0)? != MAGIC {
            return Some(Err(Corrupt::PageMagic { page }));
        }
        if usize::try_from(bytes::u32_at(bytes, 8)?) != Ok(count) || count == 0 {
            return Some(Err(Corrupt::PageCount { page }));
        }
        if !bytes::all_zero(bytes.get(12..16)?) || !bytes::all_zero(bytes.get(48..ROWS_AT)?) {
            return Some(Err(Corrupt::PageReserved { page }));
        }
        let next = bytes::array::<32>(bytes, 16)?;
        if (next == NONE) != (last_chunk == self.payload.geometry().chunks()) {
            return Some(Err(Corrupt::PageNext { page }));
        }
        let (rows, unused) = bytes.get(ROWS_AT..)?.as_chunks::<ROW_BYTES>().0.split_at_checked(count)?;
        let chunk_len = u32::try_from(self.payload.geometry().chunk_len(self.first_chunk)).ok()?;
        let last_len = u32::try_from(self.payload.geometry().chunk_len(last_chunk.checked_sub(1)?)).ok()?;
        let accepted = Page { rows, chunk_len, last_len };
        if let Some(row) = (0..count).find(|row| accepted.row(*row).is_none()) {
            return Some(Err(Corrupt::PageRow { page, row }));
        }
        if !unused.iter().all(|row| bytes::all_zero(row)) {
            return Some(Err(Corrupt::PageReserved { page }));
        }
        self.page = page.checked_add(1)?;
        self.first_chunk = last_chunk;
        self.expected = Digest::new(next);
        Some(Ok(accepted))
    }
}

/// The row of `chunk` in a page that [`PageChain::accept`] has accepted, and that was not changed since. `None` where the payload
/// has no such chunk.
#[must_use]
pub fn row(page: &[u8; BLOCK_BYTES], payload: Payload<'_>, chunk: u64) -> Option<Row> {
    let index = usize::try_from(chunk.checked_rem(ROWS_U64)?).ok()?;
    let rows = page.get(ROWS_AT..)?.as_chunks::<ROW_BYTES>().0;
    Row::parse(rows.get(index)?, u32::try_from(payload.geometry().chunk_len(chunk)).ok()?)
}

/// Writes a page. `None`, with `out` in part written, where there is no row or more than [`ROWS`].
#[must_use]
pub fn encode(rows: &[Row], next: Option<Digest>, out: &mut [u8; BLOCK_BYTES]) -> Option<()> {
    if rows.is_empty() || rows.len() > ROWS {
        return None;
    }
    out.fill(0);
    bytes::put(out, 0, &MAGIC)?;
    bytes::put(out, 8, &u32::try_from(rows.len()).ok()?.to_le_bytes())?;
    bytes::put(out, 16, next.as_ref().map_or(NONE.as_slice(), |page| page.as_bytes()))?;
    for (place, row) in out.get_mut(ROWS_AT..)?.as_chunks_mut::<ROW_BYTES>().0.iter_mut().zip(rows) {
        let (codec, carried_len, digest) = row.fields();
        bytes::put(place, 0, &[codec])?;
        bytes::put(place, 4, &carried_len.to_le_bytes())?;
        bytes::put(place, 8, &digest)?;
    }
    Some(())
}
