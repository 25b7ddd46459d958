//! The carried bytes of a chunk that is made from an old image, against the rules of docs/FORMAT.md in the plainest words.

use libupdate::Digest;
use libupdate::bundle::delta::{Body, Recipe};
use libupdate::bundle::page::Row;

use crate::input::Input;

const BLOCK: usize = 4096;

/// Reads the bytes as a body, and builds its chunk from streams that follow the lengths as they are: nothing is compressed here.
///
/// # Panics
/// Where a body or a patch is taken that the rules refuse, refused that they take, or gives other bytes.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let digest = Digest::new([0; 32]);
    let row = if input.yes() { Row::Patch { carried_len: 1, digest } } else { Row::Prefix { carried_len: 1, digest } };
    let (chunk_bytes, old_blocks) = ((1 + input.below(8)) * BLOCK, 1 + input.below(40));
    let body = input.rest();
    let old: Vec<u8> = (0..old_blocks * BLOCK).map(|at| (at / 7 % 251) as u8).collect();
    let parsed = Body::parse(&row, body, chunk_bytes, u64::try_from(old_blocks).expect("few blocks"));
    let plain = plain(matches!(row, Row::Patch { .. }), body, chunk_bytes, &old);
    let (Some(parsed), Some((reference, rest))) = (parsed, plain.clone()) else {
        assert_eq!(parsed.is_some(), plain.is_some(), "{body:x?}");
        return;
    };
    let runs = parsed.runs().map(|run| {
        let start = usize::try_from(run.first).expect("inside") * BLOCK;
        old[start..start + run.blocks * BLOCK].to_vec()
    });
    assert_eq!(runs.collect::<Vec<_>>().concat(), reference);
    assert_eq!(parsed.reference_bytes(), reference.len());
    let Recipe::Patch(lengths, frame) = parsed.recipe() else { return };
    let (sizes, streams) = rest.expect("a patch has streams");
    assert_eq!((lengths.total(), frame), (sizes.iter().sum(), streams));
    let mut chunk = vec![0; chunk_bytes];
    let built = lengths.build(&reference, frame, &mut chunk).map(|()| chunk);
    assert_eq!(built, patched(sizes, streams, &reference, chunk_bytes));
}

/// What a patch's body has after its runs: the lengths of the streams, and their bytes.
type Streams<'b> = Option<([usize; 4], &'b [u8])>;

/// The reference of a body that keeps the rules, and its streams.
fn plain<'b>(is_patch: bool, body: &'b [u8], chunk_bytes: usize, old: &[u8]) -> Option<(Vec<u8>, Streams<'b>)> {
    let (&count, mut rest) = body.split_first()?;
    let (mut reference, mut at) = (Vec::new(), 0_usize);
    for _ in 0..count {
        let (start, blocks) = (number(&mut rest)?, number(&mut rest)?);
        at += usize::try_from(start).ok()?;
        let blocks = usize::try_from(blocks).ok().filter(|blocks| (1..=256).contains(blocks))?;
        reference.extend(old.get(at.checked_mul(BLOCK)?..(at + blocks) * BLOCK)?);
        at += blocks;
    }
    if !(1..=64).contains(&count) || reference.len() > 256 * BLOCK {
        return None;
    }
    if !is_patch || rest.is_empty() && reference.len() == chunk_bytes {
        return Some((reference, None));
    }
    let mut sizes = [0; 4];
    for size in &mut sizes {
        *size = usize::try_from(number(&mut rest)?).ok()?;
    }
    (1..=524_288).contains(&sizes.iter().sum::<usize>()).then_some((reference, Some((sizes, rest))))
}

/// The chunk that the four streams give, if they keep the rules.
fn patched(sizes: [usize; 4], streams: &[u8], reference: &[u8], len: usize) -> Option<Vec<u8>> {
    if streams.len() != sizes.iter().sum::<usize>() {
        return None;
    }
    let (mut control, rest) = streams.split_at(sizes[0]);
    let (mut gaps, rest) = rest.split_at(sizes[1]);
    let (values, extra) = rest.split_at(sizes[2]);
    // Copied bytes are numbered through the chunk; this is which of them differ.
    let (mut differences, mut place) = (Vec::new(), 0_u64);
    for value in values {
        place += u64::from(number(&mut gaps)?);
        differences.push((place, *value));
        place += 1;
    }
    if !gaps.is_empty() || values.contains(&0) {
        return None;
    }
    let (mut chunk, mut copied, mut inserted, mut at) = (Vec::new(), 0_u64, 0_usize, 0_i64);
    while !control.is_empty() {
        let (copy, insert, step) = (number(&mut control)?, number(&mut control)?, number(&mut control)?);
        let (copy, insert) = (usize::try_from(copy).ok()?, usize::try_from(insert).ok()?);
        let start = usize::try_from(at).ok()?;
        for byte in reference.get(start..start.checked_add(copy)?)? {
            let value = differences.iter().find(|(place, _)| *place == copied).map_or(0, |(_, value)| *value);
            chunk.push(byte.wrapping_add(value));
            copied += 1;
        }
        chunk.extend(extra.get(inserted..inserted.checked_add(insert)?)?);
        inserted += insert;
        let step = i64::from(step / 2) ^ -i64::from(step % 2);
        at = i64::try_from(start + copy).ok()? + step;
        if chunk.len() > len || !(0..=i64::try_from(reference.len()).ok()?).contains(&at) {
            return None;
        }
    }
    let used_up = inserted == extra.len() && differences.last().is_none_or(|(place, _)| *place < copied);
    (chunk.len() == len && used_up).then_some(chunk)
}

/// LEB128 of 32 bits, in its shortest form.
fn number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u64;
    for place in 0..5 {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            let shortest = byte != 0 || place == 0;
            return u32::try_from(number).ok().filter(|_| shortest);
        }
    }
    None
}
