use std::vec::Vec;

use super::*;
use crate::bundle::fixture;
use crate::bundle::writer::Sealed;
use crate::bundle::{Unverified, UpdaterVersion};
use crate::manifest::{Encoding, Extension, Statement};
use crate::units::time::UnixSeconds;

const DIGEST: Digest = Digest::new([6; 32]);
const PREFIX: Row = Row::Prefix { carried_len: 1, digest: DIGEST };
const PATCH: Row = Row::Patch { carried_len: 1, digest: DIGEST };
const CHUNK: usize = 3 * BLOCK_BYTES;
const OLD_BLOCKS: u64 = 1000;

fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn zigzag(step: i32) -> Vec<u8> {
    leb(((step << 1) ^ (step >> 31)).cast_unsigned())
}

fn body(runs: &[(u32, u32)], rest: &[u8]) -> Vec<u8> {
    let numbers = runs.iter().flat_map(|(start, blocks)| [leb(*start), leb(*blocks)].concat());
    core::iter::once(u8::try_from(runs.len()).unwrap()).chain(numbers).chain(rest.iter().copied()).collect()
}

fn parsed(row: Row, runs: &[(u32, u32)], rest: &[u8]) -> Option<(Vec<Run>, usize)> {
    let bytes = body(runs, rest);
    let body = Body::parse(&row, &bytes, CHUNK, OLD_BLOCKS)?;
    Some((body.runs().collect(), body.reference_bytes()))
}

#[test]
fn runs_are_counted_from_the_end_of_the_one_before() {
    let (runs, bytes) = parsed(PREFIX, &[(5, 2), (0, 1), (100, 253)], b"frame").unwrap();
    let expected = [Run { first: 5, blocks: 2 }, Run { first: 7, blocks: 1 }, Run { first: 108, blocks: 253 }];
    assert_eq!((runs.as_slice(), bytes), (expected.as_slice(), 256 * BLOCK_BYTES));
}

#[test]
fn a_body_outside_its_bounds_is_refused() {
    let one = |start, blocks| parsed(PREFIX, &[(start, blocks)], b"frame").is_some();
    assert!(one(999, 1) && one(744, 256));
    assert!(!one(1000, 1) && !one(999, 2) && !one(0, 257) && !one(0, 0) && !one(u32::MAX, 1));
    assert!(parsed(PREFIX, &[(0, 1); 64], b"frame").is_some());
    assert!(parsed(PREFIX, &[(0, 1); 65], b"frame").is_none());
    assert!(parsed(PREFIX, &[], b"frame").is_none());
    for cut in 0..3 {
        assert!(Body::parse(&PREFIX, &body(&[(5, 2)], b"")[..cut], CHUNK, OLD_BLOCKS).is_none(), "{cut}");
    }
    for row in [Row::Zero, Row::Raw { len: 1 }, Row::Zstd { carried_len: 1, digest: DIGEST }] {
        assert!(parsed(row, &[(0, 1)], b"frame").is_none());
    }
}

#[test]
fn a_patch_without_streams_is_the_reference_and_exactly_the_chunk() {
    let bytes = body(&[(0, 1), (9, 2)], b"");
    let copy = Body::parse(&PATCH, &bytes, CHUNK, OLD_BLOCKS).unwrap();
    assert!(matches!(copy.recipe(), Recipe::Copy));
    assert!(parsed(PATCH, &[(0, 4)], b"").is_none() && parsed(PATCH, &[(0, 2)], b"").is_none());
    // A prefix is never a copy: a frame of no bytes is left to who decompresses.
    assert!(matches!(Body::parse(&PREFIX, &bytes, CHUNK, OLD_BLOCKS).unwrap().recipe(), Recipe::Prefix(&[])));
}

#[test]
fn lengths_of_streams_are_bounded_by_the_chunk() {
    let with = |lengths: [u32; 4]| {
        let rest: Vec<u8> = lengths.iter().flat_map(|length| leb(*length)).chain(*b"frame").collect();
        parsed(PATCH, &[(0, 1)], &rest).is_some()
    };
    let chunk = u32::try_from(CHUNK_BYTES).unwrap();
    assert!(with([1, 0, 0, 0]) && with([0, 0, 0, chunk]) && with([chunk - 3, 1, 1, 1]));
    assert!(!with([0; 4]) && !with([chunk, 1, 0, 0]) && !with([u32::MAX; 4]));
}

/// A patch as its parts.
#[derive(Clone, Default)]
struct Parts {
    control: Vec<u8>,
    gaps: Vec<u8>,
    values: Vec<u8>,
    extra: Vec<u8>,
}

impl Parts {
    fn entry(mut self, copy: u32, insert: u32, step: i32) -> Self {
        self.control.extend([leb(copy), leb(insert), zigzag(step)].concat());
        self
    }

    fn difference(mut self, gap: u32, value: u8) -> Self {
        self.gaps.extend(leb(gap));
        self.values.push(value);
        self
    }

    fn extra(mut self, bytes: &[u8]) -> Self {
        self.extra.extend(bytes);
        self
    }

    fn build(&self, reference: &[u8], len: usize) -> Option<Vec<u8>> {
        let Self { control, gaps, values, extra } = self;
        let lengths = Lengths([control, gaps, values, extra].map(Vec::len));
        let mut chunk = std::vec![0xee; len];
        lengths.build(reference, &[&control[..], gaps, values, extra].concat(), &mut chunk)?;
        Some(chunk)
    }
}

const REFERENCE: &[u8] = b"the quick brown fox jumps over the lazy dog";

#[test]
fn copies_differ_inserts_go_between_and_the_place_moves_both_ways() {
    // "quick " with one letter changed, "red ", then from the front "the ", whose last byte changes; then "dog" from the end.
    let parts = Parts::default().entry(0, 0, 4).entry(6, 4, -10).entry(4, 0, 36).entry(3, 1, 0);
    let parts = parts.difference(1, b'a'.wrapping_sub(b'u')).difference(7, b'\n'.wrapping_sub(b' ')).extra(b"red !");
    assert_eq!(parts.build(REFERENCE, 18).unwrap(), b"qaick red the\ndog!");
}

#[test]
fn a_difference_may_be_the_first_and_the_last_byte_of_each_copy() {
    let parts = Parts::default().entry(2, 0, 0).entry(2, 0, 0);
    let every = parts.difference(0, 1).difference(0, 1).difference(0, 255).difference(0, 1);
    assert_eq!(every.build(REFERENCE, 4).unwrap(), b"uid!");
}

#[test]
fn what_leaves_the_reference_the_chunk_or_a_stream_is_refused() {
    let good = || Parts::default().entry(4, 2, 0).entry(2, 0, 0).extra(b"__").difference(0, 1);
    assert!(good().build(REFERENCE, 8).is_some());
    assert!(good().build(REFERENCE, 7).is_none(), "more than the chunk");
    assert!(good().build(REFERENCE, 9).is_none(), "less than the chunk");
    assert!(good().build(&REFERENCE[..5], 8).is_none(), "a copy past the reference");
    assert!(good().extra(b"_").build(REFERENCE, 8).is_none(), "an insert is left over");
    assert!(good().difference(5, 1).build(REFERENCE, 8).is_none(), "a difference after the last copy");
    assert!(good().difference(4, 1).build(REFERENCE, 8).is_some(), "at the last byte");
    let mut parts = good();
    parts.values.push(1);
    assert!(parts.build(REFERENCE, 8).is_none(), "a value without a gap");
    parts.values.truncate(0);
    assert!(parts.build(REFERENCE, 8).is_none(), "a gap without a value");
    assert!(Parts::default().entry(4, 0, 0).difference(1, 0).build(REFERENCE, 4).is_none(), "no difference at all");
    assert!(Parts::default().entry(4, 0, -5).build(REFERENCE, 4).is_none(), "before the reference");
    assert!(Parts::default().entry(4, 0, 40).build(REFERENCE, 4).is_none(), "past the reference");
    assert!(Parts::default().entry(4, 0, 39).build(REFERENCE, 4).is_some(), "at its end");
    assert!(Parts::default().entry(u32::MAX, 0, 0).build(REFERENCE, 4).is_none());
    assert!(Parts::default().entry(0, u32::MAX, 0).build(REFERENCE, 4).is_none());
    let mut cut = good();
    cut.control.pop();
    assert!(cut.build(REFERENCE, 8).is_none(), "half an entry");
}

/// What is said to a bundle with this extension, of one payload, whose prefix has these features.
fn olds(extension: Option<&[u8]>, features: Features) -> Result<Vec<Option<RootHash>>, Corrupt> {
    let encoding = Encoding::Zstd { first_page: DIGEST };
    let extensions: Vec<_> = extension.map(|bytes| Extension::new(OLD_IMAGES, bytes).unwrap()).into_iter().collect();
    let statement = Statement {
        compatibles: &[Name::new("acme-box").unwrap()],
        version: Name::new("1.0").unwrap(),
        rollback_index: 1,
        build_time: UnixSeconds::UNKNOWN,
        payloads: &[fixture::payload(4096, encoding)],
        extensions: &extensions,
    };
    let mut memory = [0; 512];
    let manifest = Manifest::new(&statement, &mut memory).unwrap();
    let sealed = Sealed::with_features(&manifest, UpdaterVersion::OLDEST, features).unwrap();
    let sealed = sealed.signed_by(&[&fixture::key(1)]).unwrap();
    let verified = Unverified::parse(sealed.envelope()).unwrap().verify(&fixture::anchors(&[1], 1)).unwrap();
    OldImages::of(&verified).map(|old| old.roots().collect())
}

#[test]
fn old_images_go_with_their_feature_bit() {
    let (whole, delta) = (Features::ZSTD, Features::ZSTD.with(Features::DELTA));
    let wrong = Err(Corrupt(Rule::DeltaBases));
    assert_eq!(olds(None, whole), Ok(Vec::new()));
    assert_eq!(olds(Some(&[7; 32]), delta), Ok(std::vec![Some(RootHash::new(Digest::new([7; 32])))]));
    assert_eq!(olds(None, delta), wrong);
    assert_eq!(olds(Some(&[7; 32]), whole), wrong);
    assert_eq!(olds(Some(&[0; 32]), delta), wrong, "none at all");
    assert_eq!(olds(Some(&[7; 31]), delta), wrong);
    assert_eq!(olds(Some(&[7; 64]), delta), wrong, "one too many");
    assert_eq!(olds(Some(&[]), delta), wrong);
}
