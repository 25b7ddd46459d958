//! Index pages: what the frames of a zstd payload are, told before they come. A frame is a chunk, unless the bundle has smaller
//! [frames](crate::bundle::frame).
//!
//! ```text
//!    0  magic "LUPAGE01"        8
//!    8  count of rows           4   100, or 96 for some sizes of frames; fewer only in the last page
//!   12  zero                    4
//!   16  digest of next page    32   zero in the last page
//!   48  digest of hints        32   zero if no hints follow the page, see [`hints`](crate::bundle::hints)
//!   80  zero                   16
//!   96  100 x | codec 1 | zero 3 | carried length 4 | SHA-256 of carried bytes 32 |
//! 4096
//!
//!  codec     carried length            digest
//!  0 zero    0                         zero      a frame of zeros; nothing is carried
//!  1 raw     the frame's bytes         zero      the hash tree checks it, as it does without pages
//!  2 zstd    1 .. the frame's bytes-1  of the carried bytes, checked before they are decompressed
//!  3 prefix  the same                  the same: blocks of an old image, and a frame made with them as its prefix
//!  4 patch   the same                  the same: blocks of an old image, and what differs; see [`delta`](crate::bundle::delta)
//! ```
//!
//! 1. The manifest names the digest of page 0, each page that of the next: one page in memory authenticates the next one.
//! 2. Judged in this order: digest; magic; count; zeros; next; rows; rows without use, which are zero.

use crate::bundle::Features;
use crate::bundle::frame::Frames;
use crate::error::{Corrupt, Rule};
use crate::manifest::{Encoding, Payload};
use crate::units::bytes;
use crate::units::digest::{BLOCK_BYTES, Digest};

/// Rows for which a page has room.
pub const ROWS: usize = 100;
const MAGIC: [u8; 8] = *b"LUPAGE01";
const HINTS_AT: usize = 48;
const HINTS_END: usize = 80;
const ROWS_AT: usize = 96;
const ROW_BYTES: usize = 40;
const NONE: [u8; 32] = [0; 32];

/// How one frame is carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    /// All zeros; nothing is carried.
    Zero,
    /// As it is.
    Raw {
        /// Bytes of the frame.
        len: u32,
    },
    /// One zstd frame.
    Zstd {
        /// Bytes that are carried, fewer than the frame has.
        carried_len: u32,
        /// SHA-256 of them.
        digest: Digest,
    },
    /// Blocks of an old image, and a zstd frame that has them as its prefix.
    Prefix {
        /// Bytes of the body.
        carried_len: u32,
        /// SHA-256 of the body.
        digest: Digest,
    },
    /// Blocks of an old image, and what is to be copied from them, added and inserted.
    Patch {
        /// Bytes of the body.
        carried_len: u32,
        /// SHA-256 of the body.
        digest: Digest,
    },
}

impl Row {
    /// Bytes that the bundle carries for the frame.
    #[must_use]
    pub(crate) fn carried_len(&self) -> usize {
        let len = match self {
            Self::Zero => 0,
            Self::Raw { len } => *len,
            Self::Zstd { carried_len, .. } | Self::Prefix { carried_len, .. } | Self::Patch { carried_len, .. } => {
                *carried_len
            }
        };
        // At most a chunk, 512 KiB: fits any target that can hold one.
        usize::try_from(len).unwrap_or(usize::MAX)
    }

    /// The row for a frame of `len` bytes, or `None` if a rule is broken.
    fn parse(row: &[u8; ROW_BYTES], len: u32) -> Option<Self> {
        let [codec, zero @ ..] = bytes::array::<4>(row, 0)?;
        let carried_len = bytes::u32_at(row, 4)?;
        let digest = bytes::array::<32>(row, 8)?;
        if zero != [0; 3] {
            return None;
        }
        match codec {
            0 if carried_len == 0 && digest == NONE => Some(Self::Zero),
            1 if carried_len == len && digest == NONE => Some(Self::Raw { len }),
            2..=4 if (1..len).contains(&carried_len) => {
                let digest = Digest::new(digest);
                Some(match codec {
                    2 => Self::Zstd { carried_len, digest },
                    3 => Self::Prefix { carried_len, digest },
                    _ => Self::Patch { carried_len, digest },
                })
            }
            _ => None,
        }
    }

    fn fields(&self) -> (u8, u32, [u8; 32]) {
        match self {
            Self::Zero => (0, 0, NONE),
            Self::Raw { len } => (1, *len, NONE),
            Self::Zstd { carried_len, digest } => (2, *carried_len, *digest.as_bytes()),
            Self::Prefix { carried_len, digest } => (3, *carried_len, *digest.as_bytes()),
            Self::Patch { carried_len, digest } => (4, *carried_len, *digest.as_bytes()),
        }
    }
}

/// A page whose digest and layout are right.
#[derive(Clone, Copy, Debug)]
pub struct Page<'b> {
    rows: &'b [[u8; ROW_BYTES]],
    /// Bytes of each frame but the last one of the page.
    frame_len: u32,
    last_len: u32,
}

impl<'b> Page<'b> {
    /// Number of rows: the frames that follow this page.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the page has no row: never, each group has a frame.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How frame `index` of the group is carried.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row> {
        let last = index.checked_add(1) == Some(self.rows.len());
        Row::parse(self.rows.get(index)?, if last { self.last_len } else { self.frame_len })
    }

    /// How each frame of the group is carried.
    pub fn rows(&self) -> impl Iterator<Item = Row> + use<'b> {
        let page = *self;
        (0..page.len()).map_while(move |index| page.row(index))
    }
}

/// The pages of one payload, each authenticated by the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageChain<'a> {
    payload: Payload<'a>,
    features: Features,
    frames: Frames,
    page: u64,
    first_frame: u64,
    expected: Digest,
}

impl<'a> PageChain<'a> {
    /// The chain of a zstd payload; `None` for a raw one, which has no pages.
    #[must_use]
    pub const fn new(payload: Payload<'a>, features: Features, frames: Frames) -> Option<Self> {
        match payload.encoding() {
            Encoding::Raw => None,
            Encoding::Zstd { first_page } => {
                Some(Self { payload, features, frames, page: 0, first_frame: 0, expected: first_page })
            }
        }
    }

    /// The frame that the next page's first row tells of.
    #[cfg(test)]
    pub(crate) const fn next_frame(&self) -> u64 {
        self.first_frame
    }

    /// Whether every frame has had its row, so that no page follows.
    #[cfg(test)]
    pub(crate) fn is_finished(&self) -> bool {
        self.first_frame >= self.frames.of_image(&self.payload.geometry())
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// `PageDigest` before anything of the page is read; then the kinds of its layout. The chain stays where it was.
    pub fn accept<'b>(&mut self, page: &'b [u8; BLOCK_BYTES]) -> Result<Page<'b>, Corrupt> {
        if Digest::of(&[page]) != self.expected {
            return Err(Corrupt(Rule::PageDigest { page: self.page }));
        }
        // Each access is inside the array; `Truncated` stands for the impossible.
        self.judge(page).unwrap_or(Err(Corrupt(Rule::Truncated)))
    }

    fn judge<'b>(&mut self, bytes: &'b [u8; BLOCK_BYTES]) -> Option<Result<Page<'b>, Corrupt>> {
        let page = self.page;
        let (geometry, frames) = (self.payload.geometry(), self.frames);
        let all = frames.of_image(&geometry);
        let most = frames.before(frames.chunks_a_page());
        let count = usize::try_from(all.checked_sub(self.first_frame)?.min(most)).ok()?;
        let end = self.first_frame.checked_add(u64::try_from(count).ok()?)?;
        if bytes::array(bytes, 0)? != MAGIC {
            return Some(Err(Corrupt(Rule::PageMagic { page })));
        }
        if usize::try_from(bytes::u32_at(bytes, 8)?) != Ok(count) || count == 0 {
            return Some(Err(Corrupt(Rule::PageCount { page })));
        }
        let zeros_at = if self.features.has(Features::HINTS) { HINTS_END } else { HINTS_AT };
        if !bytes::all_zero(bytes.get(12..16)?) || !bytes::all_zero(bytes.get(zeros_at..ROWS_AT)?) {
            return Some(Err(Corrupt(Rule::PageReserved { page })));
        }
        let next = bytes::array::<32>(bytes, 16)?;
        if (next == NONE) != (end == all) {
            return Some(Err(Corrupt(Rule::PageNext { page })));
        }
        let (rows, unused) = bytes.get(ROWS_AT..)?.as_chunks::<ROW_BYTES>().0.split_at_checked(count)?;
        let frame_len = u32::try_from(frames.len(&geometry, self.first_frame)).ok()?;
        let last_len = u32::try_from(frames.len(&geometry, end.checked_sub(1)?)).ok()?;
        let accepted = Page { rows, frame_len, last_len };
        if let Some(row) = (0..count).find(|row| accepted.row(*row).is_none()) {
            return Some(Err(Corrupt(Rule::PageRow { page, row })));
        }
        if !unused.iter().all(|row| bytes::all_zero(row)) {
            return Some(Err(Corrupt(Rule::PageReserved { page })));
        }
        self.page = page.checked_add(1)?;
        self.first_frame = end;
        self.expected = Digest::new(next);
        Some(Ok(accepted))
    }
}

/// The row of `frame`, counted through the image, in a page that `PageChain::accept` has accepted, and that was not changed since. `None` if the
/// payload has no such frame.
#[must_use]
pub fn row(page: &[u8; BLOCK_BYTES], (payload, frames): (Payload<'_>, Frames), frame: u64) -> Option<Row> {
    let index = usize::try_from(frame.checked_rem(frames.before(frames.chunks_a_page()))?).ok()?;
    let rows = page.get(ROWS_AT..)?.as_chunks::<ROW_BYTES>().0;
    Row::parse(rows.get(index)?, u32::try_from(frames.len(&payload.geometry(), frame)).ok()?)
}

/// The digest of the hints that follow a page that `PageChain::accept` has accepted, if there are any.
#[must_use]
pub fn hints(page: &[u8; BLOCK_BYTES]) -> Option<Digest> {
    let digest = bytes::array::<32>(page, HINTS_AT)?;
    (digest != NONE).then_some(Digest::new(digest))
}

/// Writes a page, with the digests of the next page and of its hints. `None`, with `out` in part written, where there is no row or more than
/// [`ROWS`].
#[must_use]
pub fn encode(rows: &[Row], [next, hints]: [Option<Digest>; 2], out: &mut [u8; BLOCK_BYTES]) -> Option<()> {
    if rows.is_empty() || rows.len() > ROWS {
        return None;
    }
    out.fill(0);
    bytes::put(out, 0, &MAGIC)?;
    bytes::put(out, 8, &u32::try_from(rows.len()).ok()?.to_le_bytes())?;
    for (at, digest) in [(16, next), (HINTS_AT, hints)] {
        bytes::put(out, at, digest.as_ref().map_or(NONE.as_slice(), |digest| digest.as_bytes()))?;
    }
    for (place, row) in out.get_mut(ROWS_AT..)?.as_chunks_mut::<ROW_BYTES>().0.iter_mut().zip(rows) {
        let (codec, carried_len, digest) = row.fields();
        bytes::put(place, 0, &[codec])?;
        bytes::put(place, 4, &carried_len.to_le_bytes())?;
        bytes::put(place, 8, &digest)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::bundle::fixture;

    const CHUNK: u32 = 524_288;
    const LAST: u32 = 8192;

    fn rows(count: usize) -> Vec<Row> {
        let digest = Digest::new([6; 32]);
        let carried_len = CHUNK - 1;
        let kinds = [
            Row::Zero,
            Row::Raw { len: CHUNK },
            Row::Zstd { carried_len, digest },
            Row::Prefix { carried_len, digest },
            Row::Patch { carried_len, digest },
        ];
        kinds.into_iter().cycle().take(count).collect()
    }

    fn page(rows: &[Row], next: Option<Digest>) -> [u8; BLOCK_BYTES] {
        let mut page = [0xee; BLOCK_BYTES];
        encode(rows, [next, None], &mut page).unwrap();
        page
    }

    /// A chain over `chunks` chunks, the last one of two blocks, that begins with `first`.
    fn chain(chunks: u64, first: &[u8; BLOCK_BYTES]) -> PageChain<'static> {
        let image_len = (chunks - 1) * u64::from(CHUNK) + u64::from(LAST);
        let encoding = Encoding::Zstd { first_page: Digest::of(&[first]) };
        PageChain::new(fixture::payload(image_len, encoding), Features::HINTS, Frames::WHOLE).unwrap()
    }

    /// What is said to the only page of three chunks, changed and named by its right digest.
    fn refusal(change: impl FnOnce(&mut [u8; BLOCK_BYTES])) -> Option<Corrupt> {
        let mut rows = rows(2);
        rows.push(Row::Raw { len: LAST });
        let mut bytes = page(&rows, None);
        change(&mut bytes);
        chain(3, &bytes).accept(&bytes).err()
    }

    #[test]
    fn three_pages_are_followed_by_their_digests() {
        let mut last_rows = rows(49);
        last_rows.push(Row::Raw { len: LAST });
        let last = page(&last_rows, None);
        let middle = page(&rows(100), Some(Digest::of(&[&last])));
        let first = page(&rows(100), Some(Digest::of(&[&middle])));
        let mut chain = chain(250, &first);
        for (bytes, expected, next_frame) in
            [(&first, rows(100), 100), (&middle, rows(100), 200), (&last, last_rows, 250)]
        {
            assert!(!chain.is_finished());
            assert_eq!(chain.accept(bytes).unwrap().rows().collect::<Vec<_>>(), expected);
            assert_eq!(chain.next_frame(), next_frame);
        }
        assert!(chain.is_finished());
        assert!(chain.accept(&last).is_err());
    }

    #[test]
    fn a_raw_payload_has_no_pages() {
        assert_eq!(PageChain::new(fixture::payload(4096, Encoding::Raw), Features::NONE, Frames::WHOLE), None);
    }

    #[test]
    fn a_page_out_of_its_order_is_refused_by_its_digest_and_the_chain_stays() {
        let last = page(&[Row::Zero], None);
        let first = page(&rows(100), Some(Digest::of(&[&last])));
        let mut chain = chain(101, &first);
        let before = chain;
        assert_eq!(chain.accept(&last).err(), Some(Corrupt(Rule::PageDigest { page: 0 })));
        assert_eq!(chain, before);
        assert!(chain.accept(&first).is_ok());
        assert_eq!(chain.accept(&first).err(), Some(Corrupt(Rule::PageDigest { page: 1 })));
        for at in [0, 100, 4095] {
            let mut bytes = last;
            bytes[at] ^= 0x80;
            assert_eq!(chain.accept(&bytes).err(), Some(Corrupt(Rule::PageDigest { page: 1 })), "byte {at}");
        }
        assert!(chain.accept(&last).is_ok());
    }

    #[test]
    fn the_good_page_is_accepted() {
        assert_eq!(refusal(|_| ()), None);
    }

    #[test]
    fn a_page_begins_with_its_magic() {
        assert_eq!(refusal(|page| page[7] = b'2'), Some(Corrupt(Rule::PageMagic { page: 0 })));
    }

    #[test]
    fn the_count_is_what_the_place_asks_for() {
        for count in [0_u32, 2, 4, 100, 101, u32::MAX] {
            let found = refusal(|page| page[8..12].copy_from_slice(&count.to_le_bytes()));
            assert_eq!(found, Some(Corrupt(Rule::PageCount { page: 0 })), "{count} rows");
        }
    }

    #[test]
    fn what_is_reserved_is_zero() {
        for at in (12..16).chain(80..96).chain(96 + 3 * 40..4096) {
            assert_eq!(refusal(|page| page[at] = 1), Some(Corrupt(Rule::PageReserved { page: 0 })), "byte {at}");
        }
    }

    #[test]
    fn hints_are_named_only_where_the_bundle_may_have_them() {
        let bytes = page(&[Row::Zero], None);
        assert_eq!(hints(&bytes), None);
        let mut named = [0; BLOCK_BYTES];
        let digest = Digest::new([7; 32]);
        encode(&[Row::Zero], [None, Some(digest)], &mut named).unwrap();
        assert_eq!(hints(&named), Some(digest));
        let encoding = Encoding::Zstd { first_page: Digest::of(&[&named]) };
        let accept = |features| {
            PageChain::new(fixture::payload(4096, encoding), features, Frames::WHOLE).unwrap().accept(&named).err()
        };
        assert_eq!(accept(Features::HINTS), None);
        assert_eq!(accept(Features::NONE), Some(Corrupt(Rule::PageReserved { page: 0 })));
    }

    #[test]
    fn the_last_page_names_none_and_the_others_do() {
        assert_eq!(refusal(|page| page[20] = 1), Some(Corrupt(Rule::PageNext { page: 0 })));
        let early_end = page(&rows(100), None);
        assert_eq!(chain(101, &early_end).accept(&early_end).err(), Some(Corrupt(Rule::PageNext { page: 0 })));
    }

    #[test]
    fn a_row_has_the_length_and_digest_of_its_codec() {
        let row = |number: usize, at: usize, field: &[u8]| {
            let at = 96 + 40 * number + at;
            refusal(|page| page[at..at + field.len()].copy_from_slice(field))
        };
        let bad = |row| Some(Corrupt(Rule::PageRow { page: 0, row }));
        // Codec, and its three zeros.
        assert_eq!(row(0, 0, &[3]), bad(0));
        assert_eq!(row(0, 0, &[5]), bad(0));
        assert_eq!(row(1, 1, &[1]), bad(1));
        assert_eq!(row(2, 3, &[1]), bad(2));
        // Zero carries nothing.
        assert_eq!(row(0, 4, &[1]), bad(0));
        assert_eq!(row(0, 8, &[1]), bad(0));
        // Raw carries the chunk, and the last chunk is shorter.
        assert_eq!(row(1, 4, &(CHUNK - 1).to_le_bytes()), bad(1));
        assert_eq!(row(1, 39, &[1]), bad(1));
        assert_eq!(row(2, 4, &CHUNK.to_le_bytes()), bad(2));
        // Zstd carries at least a byte, and fewer than the chunk has.
        for codec in [2, 3, 4] {
            let carried = |carried_len: u32| [&[codec, 0, 0, 0], &carried_len.to_le_bytes()[..], &[7; 32]].concat();
            assert_eq!(row(2, 0, &carried(1)), None);
            assert_eq!(row(2, 0, &carried(LAST - 1)), None);
            assert_eq!(row(2, 0, &carried(0)), bad(2));
            assert_eq!(row(2, 0, &carried(LAST)), bad(2));
            assert_eq!(row(1, 0, &carried(CHUNK)), bad(1));
        }
    }

    #[test]
    fn rules_are_judged_in_the_order_of_the_list() {
        let mut bytes = page(&[Row::Zero, Row::Zero, Row::Zero], None);
        bytes[96 + 3 * 40] = 1;
        bytes[96] = 9;
        bytes[16] = 1;
        bytes[12] = 1;
        bytes[8] = 9;
        bytes[0] = 0;
        let mut mend = |at: usize, to: u8, expected: Corrupt| {
            assert_eq!(chain(3, &bytes).accept(&bytes).err(), Some(expected));
            bytes[at] = to;
        };
        mend(0, b'L', Corrupt(Rule::PageMagic { page: 0 }));
        mend(8, 3, Corrupt(Rule::PageCount { page: 0 }));
        mend(12, 0, Corrupt(Rule::PageReserved { page: 0 }));
        mend(16, 0, Corrupt(Rule::PageNext { page: 0 }));
        mend(96, 0, Corrupt(Rule::PageRow { page: 0, row: 0 }));
        mend(96 + 3 * 40, 0, Corrupt(Rule::PageReserved { page: 0 }));
        assert!(chain(3, &bytes).accept(&bytes).is_ok());
    }

    #[test]
    fn a_page_has_one_to_a_hundred_rows() {
        assert_eq!(encode(&[], [None; 2], &mut [0; BLOCK_BYTES]), None);
        assert_eq!(encode(&rows(101), [None; 2], &mut [0; BLOCK_BYTES]), None);
    }
}
