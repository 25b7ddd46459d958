//! Whether a chunk is in the target already, and how often it is worth a look.
//!
//! Two versions of an image are often alike in long stretches, and what is in the target already costs no write and no wear.
//! Looking costs a read, in vain where nothing is alike:
//!
//! | looks in vain in a row | chunks then written without a look |
//! |---|---|
//! | 0 | 0 |
//! | 1, 2, 3, 4, 5 | 1, 2, 4, 8, 16 |
//! | 6 and more | 32 |

use crate::error::{Error, Medium};
use crate::io::{BlockIo, Window};
use crate::units::block::ByteOffset;
use crate::units::bytes::{all_zero, len_u64};
use crate::units::digest::BLOCK_BYTES;

/// Looks in vain after which the pause grows no more.
const MOST_IN_VAIN: u32 = 6;

/// What the last looks found, and so when the next one is due. Pure.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Looks {
    in_vain: u32,
    pause: u32,
    likely: bool,
}

/// What a look found in a chunk's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// The chunk.
    Same,
    /// Anything else, or what cannot be read.
    Other,
}

impl Looks {
    /// Whether the next chunk is worth a look; counts it.
    pub(super) fn due(&mut self) -> bool {
        match self.pause.checked_sub(1) {
            Some(rest) => {
                self.pause = rest;
                false
            }
            None => true,
        }
    }

    /// Whether the last look found the chunk: then the next one is likely to be there, too.
    pub(super) const fn likely(self) -> bool {
        self.likely
    }

    /// Notes what a look found.
    pub(super) fn note(&mut self, found: Found) {
        self.likely = found == Found::Same;
        self.in_vain = if self.likely { 0 } else { self.in_vain.saturating_add(1).min(MOST_IN_VAIN) };
        self.pause = 1_u32.checked_shl(self.in_vain).unwrap_or(0) / 2;
    }
}

/// Looks, where that is due, whether `data` is at `start` already: first at its front, unless it is likely, and then at the rest in
/// pieces as large as the memory allows.
///
/// Zeros are not looked for: a place that was discarded may read as zeros today and as something else tomorrow.
pub(super) fn look<D: BlockIo>(
    window: &mut Window<'_, D>,
    (start, data): (ByteOffset, &[u8]),
    looks: &mut Looks,
    [little, much]: [&mut [u8]; 2],
) -> Result<Found, Error<D::Error>> {
    if all_zero(data) || !looks.due() {
        return Ok(Found::Other);
    }
    let mut found = Found::Same;
    if !looks.likely() {
        let front = data.get(..little.len()).unwrap_or(data);
        found = stands(window, (start, front), little)?;
    }
    if found == Found::Same {
        let memory = if much.len() > little.len() { much } else { little };
        found = stands(window, (start, data), memory)?;
    }
    looks.note(found);
    Ok(found)
}

/// Compares what is at `start` with `data`, up to the first piece that differs or cannot be read.
fn stands<D: BlockIo>(
    window: &mut Window<'_, D>,
    (start, data): (ByteOffset, &[u8]),
    memory: &mut [u8],
) -> Result<Found, Error<D::Error>> {
    let mut at = Some(start);
    let piece = memory.len().saturating_sub(memory.len() % BLOCK_BYTES).max(BLOCK_BYTES);
    for wanted in data.chunks(piece) {
        let (Some(offset), Some(memory)) = (at, memory.get_mut(..wanted.len())) else { return Ok(Found::Other) };
        match window.lend(offset, memory) {
            Ok(stored) if stored == wanted => {}
            Ok(_) | Err(Error::Medium(Medium::Failed(_))) => return Ok(Found::Other),
            Err(other) => return Err(other),
        }
        at = offset.plus(len_u64(wanted));
    }
    Ok(Found::Same)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::io::ram_disk::RamDisk;
    use crate::units::block::{BlockSize, Extent, Lba};

    /// Which of the chunks are looked at, where those in `same` stand in the target.
    fn looked(chunks: u32, same: core::ops::Range<u32>) -> Vec<u32> {
        let mut looks = Looks::default();
        let mut looked = Vec::new();
        for chunk in 0..chunks {
            if looks.due() {
                looked.push(chunk);
                looks.note(if same.contains(&chunk) { Found::Same } else { Found::Other });
            }
        }
        looked
    }

    #[test]
    fn looks_in_vain_grow_rare_and_never_end() {
        assert_eq!(looked(200, 0..0), [0, 2, 5, 10, 19, 36, 69, 102, 135, 168]);
    }

    #[test]
    fn every_chunk_of_a_stretch_that_is_the_same_is_looked_at_from_the_first_one_found() {
        assert_eq!(looked(10, 0..10), (0..10).collect::<Vec<_>>());
        assert_eq!(looked(30, 12..24), [0, 2, 5, 10, 19, 20, 21, 22, 23, 24, 26, 29]);
    }

    #[test]
    fn a_single_other_chunk_costs_one_look_and_one_write_of_what_was_there() {
        let mut looks = Looks::default();
        assert!(!looks.likely() && looks.due());
        looks.note(Found::Same);
        assert!(looks.likely() && looks.due());
        looks.note(Found::Other);
        assert!(!looks.likely() && !looks.due() && looks.due());
    }

    /// One chunk's place at block 8 of a disk of 512-byte blocks.
    struct Place(RamDisk);

    impl Place {
        fn holding(data: &[u8]) -> Self {
            let mut disk = RamDisk::new(BlockSize::B512, 64);
            disk.bytes[8 * 512..8 * 512 + data.len()].copy_from_slice(data);
            Self(disk)
        }

        /// Looks with memory for two blocks of 4096 bytes in each piece.
        fn look(&mut self, data: &[u8], looks: &mut Looks) -> Found {
            let extent = Extent::new(Lba::new(8), Lba::new(63), BlockSize::B512).unwrap();
            let (mut little, mut much) = ([1; BLOCK_BYTES], [1; 2 * BLOCK_BYTES + 100]);
            let mut window = Window::new(&mut self.0, extent);
            look(&mut window, (ByteOffset::new(0), data), looks, [&mut little, &mut much]).unwrap()
        }
    }

    fn data() -> Vec<u8> {
        (0..5 * BLOCK_BYTES).map(|at| (at / 9 % 250 + 1).try_into().unwrap()).collect()
    }

    #[test]
    fn it_is_the_same_only_where_every_byte_is() {
        let data = data();
        for likely in [true, false] {
            let looks = Looks { likely, ..Looks::default() };
            assert_eq!(Place::holding(&data).look(&data, &mut looks.clone()), Found::Same);
            for at in [0, 4095, 4096, 8191, 8192, 5 * BLOCK_BYTES - 1] {
                let mut stored = data.clone();
                stored[at] ^= 1;
                assert_eq!(Place::holding(&stored).look(&data, &mut looks.clone()), Found::Other, "byte {at}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_written() {
        let data = data();
        for bad in [8, 8 + 5 * 8 - 1] {
            let mut place = Place::holding(&data);
            place.0.bad_reads = std::vec![bad];
            let mut looks = Looks::default();
            assert_eq!(place.look(&data, &mut looks), Found::Other, "block {bad}");
            assert!(!looks.likely());
        }
    }

    #[test]
    fn zeros_are_written_though_the_place_reads_as_zeros() {
        let zeros = [0; 2 * BLOCK_BYTES];
        let mut looks = Looks::default();
        assert_eq!(Place::holding(&zeros).look(&zeros, &mut looks), Found::Other);
        assert_eq!(looks, Looks::default(), "no look");
    }
}
