//! The other way round, for tests: the rules of the format, in the plainest words.

use libupdate::bundle::writer::{Body, Codec};
use libupdate::units::limits::{DELTA_REFERENCE_BLOCKS, DELTA_RUNS};
use zstd::zstd_safe::{DCtx, DParameter};

use super::BLOCK;

/// The chunk of `len` bytes that a body gives, with the old image padded to whole blocks.
pub fn decode(body: &Body, old: &[u8], len: usize) -> Vec<u8> {
    assert!(body.bytes.len() < len && !body.bytes.is_empty(), "{} bytes for {len}", body.bytes.len());
    let mut rest = body.bytes.as_slice();
    match body.codec {
        Codec::Zstd => unframed(rest, &[], len),
        Codec::Prefix => {
            let reference = reference(&mut rest, old);
            unframed(rest, &reference, len)
        }
        Codec::Patch => {
            let reference = reference(&mut rest, old);
            let chunk = if rest.is_empty() { reference } else { patched(rest, &reference) };
            assert_eq!(chunk.len(), len);
            chunk
        }
    }
}

fn number(rest: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = *rest.split_off_first().unwrap();
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            assert!(shift == 0 || byte != 0, "not the shortest form");
            return u32::try_from(number).unwrap();
        }
        shift += 7;
    }
}

fn size(rest: &mut &[u8]) -> usize {
    usize::try_from(number(rest)).unwrap()
}

fn reference(rest: &mut &[u8], old: &[u8]) -> Vec<u8> {
    let count = usize::from(*rest.split_off_first().unwrap());
    assert!((1..=DELTA_RUNS).contains(&count));
    let (mut at, mut blocks, mut bytes) = (0, 0, Vec::new());
    for _ in 0..count {
        at += size(rest);
        let len = size(rest);
        assert!(len > 0);
        bytes.extend(&old[at * BLOCK..(at + len) * BLOCK]);
        at += len;
        blocks += len;
    }
    assert!(blocks <= DELTA_REFERENCE_BLOCKS);
    bytes
}

fn unframed(frame: &[u8], prefix: &[u8], len: usize) -> Vec<u8> {
    assert_eq!(zstd::zstd_safe::find_frame_compressed_size(frame), Ok(frame.len()));
    let says = zstd::zstd_safe::get_frame_content_size(frame).unwrap();
    assert_eq!(says, Some(u64::try_from(len).unwrap()));
    let single_segment = frame[4] & 0x20 != 0;
    assert!(frame[4] & 3 == 0 && (single_segment || frame[5] <= 11 << 3), "a dictionary, or a window over 2^21");
    let mut context = DCtx::create();
    context.set_parameter(DParameter::WindowLogMax(21)).unwrap();
    context.ref_prefix(prefix).unwrap();
    let mut out = Vec::with_capacity(len);
    assert_eq!(context.decompress(&mut out, frame), Ok(len), "a frame");
    out
}

fn patched(mut rest: &[u8], reference: &[u8]) -> Vec<u8> {
    let lens: [usize; 4] = [(); 4].map(|()| size(&mut rest));
    let sum: usize = lens.iter().sum();
    assert!((1..=512 << 10).contains(&sum));
    let all = unframed(rest, reference, sum);
    let mut left: &[u8] = &all;
    let [mut control, mut gaps, mut values, mut extra] = lens.map(|len| left.split_off(..len).unwrap());
    let (mut chunk, mut copied, mut at) = (Vec::<u8>::new(), Vec::new(), 0_i64);
    while !control.is_empty() {
        let (copy, add) = (size(&mut control), size(&mut control));
        let from = usize::try_from(at).unwrap();
        copied.extend(chunk.len()..chunk.len() + copy);
        chunk.extend(&reference[from..from + copy]);
        chunk.extend(extra.split_off(..add).unwrap());
        let seek = number(&mut control);
        at += i64::try_from(copy).unwrap() + (i64::from(seek >> 1) ^ -i64::from(seek & 1));
        assert!((0..=i64::try_from(reference.len()).unwrap()).contains(&at));
    }
    let mut place = 0;
    while !gaps.is_empty() {
        place += size(&mut gaps);
        let value = *values.split_off_first().unwrap();
        assert_ne!(value, 0);
        chunk[copied[place]] = chunk[copied[place]].wrapping_add(value);
        place += 1;
    }
    assert!(values.is_empty() && extra.is_empty());
    chunk
}
