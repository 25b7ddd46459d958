//! Bodies of random and real chunks, each decoded and compared.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use libupdate::bundle::writer::{Body, Codec, DeltaCompressor as _};
use libupdate::{ByteLen, Salt};
use libupdate_linux::Interrupt;

use super::decoder::decode;
use super::{BLOCK, ImageFile, OldImage, Packer, Run};
use crate::zstd::pack::Contexts;

const CHUNK: usize = 512 << 10;
const SALT: &[u8] = b"salt";

/// Bytes without a pattern (xorshift).
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::from_fn(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state.to_le_bytes())
    });
    words.take(len.div_ceil(8)).flatten().take(len).collect()
}

pub fn run(start: u32, end: u32) -> Run {
    Run { start, end }
}

/// Numbers that chance would give.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    /// Below one of these bounds.
    fn one_of<const N: usize>(&mut self, bounds: [usize; N]) -> usize {
        let bound = bounds[self.below(N)];
        self.below(bound)
    }
}

fn padded(image: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    image.resize(image.len().next_multiple_of(BLOCK), 0);
    image
}

fn old_image(old: &[u8]) -> (OldImage, File) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(old).unwrap();
    let again = file.try_clone().unwrap();
    let image = ImageFile { file, start: 0, len: ByteLen::new(old.len().try_into().unwrap()) };
    (OldImage::read(image, Salt::new(SALT).unwrap(), &Interrupt::default(), &mut |_| {}).unwrap(), again)
}

/// The bodies of a new image, each proved by decoding it.
fn packed(old: &[u8], new: &[u8]) -> Vec<Body> {
    packed_from(&old_image(old).0, old, new)
}

fn packed_from(image: &OldImage, old: &[u8], new: &[u8]) -> Vec<Body> {
    let (salt, interrupt) = (Salt::new(SALT).unwrap(), Interrupt::default());
    let contexts = Contexts::default();
    let mut packer = Packer::new(image, salt, &contexts, &interrupt);
    let (old, new) = (padded(old), padded(new));
    let mut all = Vec::new();
    for batch in new.chunks(4 * CHUNK) {
        let chunks: Vec<&[u8]> = batch.chunks(CHUNK).collect();
        let mut bodies = vec![Body::default(); chunks.len()];
        packer.compress(&chunks, &mut bodies).unwrap();
        for (chunk, body) in chunks.iter().zip(&bodies) {
            if body.bytes.len() < chunk.len() {
                assert!(decode(body, &old, chunk.len()) == *chunk, "{:?} of {} bytes", body.codec, body.bytes.len());
            }
        }
        all.extend(bodies);
    }
    all
}

fn len(bodies: &[Body]) -> usize {
    bodies.iter().map(|body| body.bytes.len()).sum()
}

fn codecs(bodies: &[Body]) -> Vec<Codec> {
    bodies.iter().map(|body| body.codec).collect()
}

#[test]
fn an_image_of_itself_is_nothing_but_runs() {
    let image = noise(1, 3 * CHUNK + 5000);
    let bodies = packed(&image, &image);
    assert_eq!(codecs(&bodies), [Codec::Patch; 4]);
    assert_eq!(bodies[0].bytes, [1, 0, 0x80, 1]);
    assert_eq!(bodies[3].bytes, [1, 0x80, 3, 2]);
}

#[test]
fn what_moved_by_blocks_is_still_runs() {
    let image = noise(1, 3 * CHUNK);
    let moved = [&noise(2, 3 * BLOCK), image.as_slice()].concat();
    let bodies = packed(&image, &moved);
    assert!(bodies[0].bytes.len() < 3 * BLOCK + 100);
    assert_eq!(bodies[1].bytes, [1, 125, 0x80, 1]);
}

#[test]
fn what_moved_by_bytes_is_copied() {
    let image = noise(1, 3 * CHUNK);
    let moved = [b"seven b", image.as_slice()].concat();
    let bodies = packed(&image, &moved);
    assert!(len(&bodies) < 200, "{} bytes: {:?}", len(&bodies), codecs(&bodies));
}

/// A hint says where a block may be; the bytes that are there now decide.
#[test]
fn what_is_copied_was_compared() {
    let mut old = noise(1, CHUNK);
    let (image, file) = old_image(&old);
    let new = old.clone();
    old[70_000] ^= 1;
    file.write_all_at(&old, 0).unwrap();
    let bodies = packed_from(&image, &old, &new);
    assert!((20..300).contains(&len(&bodies)), "{} bytes", len(&bodies));
}

/// As pointers in a program that grew.
#[test]
fn small_numbers_added_all_over_are_a_patch() {
    let image = noise(1, CHUNK);
    let mut new = image.clone();
    (0..CHUNK).step_by(61).for_each(|at| new[at] = new[at].wrapping_add(16));
    let bodies = packed(&image, &new);
    assert_eq!(codecs(&bodies), [Codec::Patch]);
    assert!(len(&bodies) < 500, "{} bytes", len(&bodies));
}

#[test]
fn what_the_old_image_does_not_have_is_carried_without_it() {
    let text: Vec<u8> = noise(1, CHUNK).iter().map(|byte| b"delta"[usize::from(*byte % 5)]).collect();
    assert_eq!(codecs(&packed(&noise(2, CHUNK), &text)), [Codec::Zstd]);
    assert!(packed(&noise(3, CHUNK), &noise(2, CHUNK))[0].bytes.len() >= CHUNK);
}

#[test]
fn an_old_image_of_one_byte_will_do() {
    for new in [&b"y"[..], &[0; 5000], &noise(1, 20_000)] {
        packed(b"x", new);
    }
}

/// A new image of pieces of the old one and of others, cut and changed as releases never would be.
fn changed(chance: &mut Chance, old: &[u8], len: usize) -> Vec<u8> {
    let mut new = Vec::new();
    while new.len() < len {
        let take = 1 + chance.one_of([40, 3000, 200_000]);
        let at = chance.below(old.len());
        let piece = &old[at..old.len().min(at + take)];
        match chance.below(6) {
            0 => new.extend(noise(chance.0, take.min(3000))),
            1 => new.extend(std::iter::repeat_n(piece[0], take.min(9000))),
            2 => new.extend(piece.iter().map(|byte| byte.wrapping_add(1))),
            3 => {
                let step = 1 + chance.below(100);
                new.extend(piece.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at % step == 0)));
            }
            4 => new.extend(old[at / BLOCK * BLOCK..].iter().take(take.next_multiple_of(BLOCK))),
            _ => new.extend(piece),
        }
    }
    new.truncate(len);
    new
}

#[test]
fn random_images_come_back_bit_for_bit() {
    let mut seen = [0; 3];
    for round in 0..2000 {
        let mut chance = Chance(round);
        let alphabet = [2, 5, 64, 255][chance.below(4)];
        let old_len = 1 + chance.one_of([3000, 20_000, 70_000, if round % 50 == 0 { 1_000_000 } else { 9000 }]);
        let old: Vec<u8> = noise(round, old_len).iter().map(|byte| byte % alphabet).collect();
        let new_len = 1 + chance.one_of([9000, 20_000, 40_000, if round % 50 == 0 { 700_000 } else { 9000 }]);
        let new = changed(&mut chance, &old, new_len);
        for body in packed(&old, &new) {
            seen[match body.codec {
                Codec::Zstd => 0,
                Codec::Prefix => 1,
                Codec::Patch => 2,
            }] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

/// Or a bundle could not be made again on another machine: here they share cores, there one packs alone.
#[test]
fn a_body_does_not_depend_on_what_is_packed_beside_it() {
    let old = noise(1, 2 * CHUNK);
    let new = changed(&mut Chance(5), &old, 4 * CHUNK);
    let together = packed(&old, &new);
    let alone: Vec<Body> = new.chunks(CHUNK).flat_map(|chunk| packed(&old, chunk)).collect();
    assert!(together == alone);
}
