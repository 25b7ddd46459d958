use core::num::NonZeroUsize;
use std::io::{self, Cursor, Read};
use std::vec;

use super::*;
use crate::bundle::Features;
use crate::bundle::frame::Frames;
use crate::bundle::hints::HINT_BYTES;
use crate::bundle::page::{self, PageChain, Row};
use crate::bundle::{Anchors, PublicKey, Unverified, fixture};
use crate::error::{Corrupt, Rule};
use crate::units::digest::{BLOCK_BYTES, SoftHasher};

mod delta;
mod frames;

const BLOCK: u64 = 4096;
const CHUNK: usize = 524_288;

fn name(text: &str) -> Name<'_> {
    Name::new(text).unwrap()
}

fn spec() -> BundleSpec<'static> {
    BundleSpec {
        compatibles: vec![name("acme-box"), name("acme-box-2")],
        version: name("2.0"),
        rollback_index: 3,
        build_time: UnixSeconds::new(1_700_000_000),
        extensions: vec![],
        minimum_updater: UpdaterVersion::OLDEST,
    }
}

/// Bytes without a pattern (xorshift), so that two blocks never have one digest.
fn noise(len: u64) -> Vec<u8> {
    let mut state = len | 1;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(usize::try_from(len).unwrap());
    bytes
}

fn image<'c>(role: &'static str, bytes: &'c [u8], carriage: Carriage<'c>) -> Image<'static, 'c, &'c [u8]> {
    Image { role: name(role), len: ByteLen::new(bytes.len() as u64), source: bytes, salt: None, carriage }
}

fn written<R: Read>(images: &mut [Image<'_, '_, R>]) -> Result<(Vec<u8>, Written), WriteError> {
    let mut out = Cursor::new(Vec::new());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let written = write(&spec(), images, &[&fixture::key(1)], &mut out, &mut tools)?;
    assert_eq!(out.position(), out.get_ref().len() as u64);
    Ok((out.into_inner(), written))
}

/// Makes a "frame" of a chunk that is one byte over and over, and a useless long one of any other.
#[derive(Debug, Default)]
struct RunLength {
    calls: usize,
}

impl Compressor for RunLength {
    fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
        assert_eq!(chunks.len(), frames.len());
        self.calls += chunks.len();
        for (chunk, frame) in chunks.iter().zip(frames) {
            frame.clear();
            let uniform = chunk.iter().all(|byte| *byte == chunk[0]);
            frame.extend(if uniform { vec![chunk[0]] } else { [chunk, &b"overhead"[..]].concat() });
        }
        Ok(())
    }
}

/// A tree made level by level, with every level in memory: the other way round from the builder.
fn levels_of(image: &[u8], salt: &[u8]) -> (RootHash, Vec<Vec<u8>>) {
    let mut levels: Vec<Vec<u8>> = Vec::new();
    let mut below = image.to_vec();
    while below.len() > BLOCK_BYTES {
        let digests = below.chunks(BLOCK_BYTES).flat_map(|block| *Digest::of(&[salt, block]).as_bytes());
        below = digests.collect();
        below.resize(below.len().next_multiple_of(BLOCK_BYTES), 0);
        levels.push(below.clone());
    }
    (RootHash::new(Digest::of(&[salt, &below])), levels)
}

/// Takes a bundle apart, checks all of it by the rules of the format, and gives back the images.
fn read_back(bundle: &[u8]) -> Vec<Vec<u8>> {
    let anchors = Anchors::new(&[*fixture::key(1).public_key()], NonZeroUsize::MIN).unwrap();
    let mut source = bundle;
    let mut buf = [0; 8192];
    let verified = Unverified::read(&mut source, &mut buf).unwrap().verify(&anchors).unwrap();
    let images = verified.manifest().payloads().iter().map(|payload| {
        let shipped = usize::try_from(payload.geometry().shipped_blocks()).unwrap() * BLOCK_BYTES;
        let levels = source.split_off(..shipped).unwrap();
        let image = carried_chunks(&mut source, &payload, verified.features(), Frames::of(&verified).unwrap());
        let (root_hash, all_levels) = levels_of(&image, payload.salt().as_bytes());
        assert_eq!(payload.root_hash(), root_hash);
        assert_eq!(all_levels.iter().skip(1).rev().flatten().copied().collect::<Vec<_>>(), levels);
        let (image, padding) = image.split_at(usize::try_from(payload.image_len().get()).unwrap());
        assert!(padding.iter().all(|byte| *byte == 0));
        image.to_vec()
    });
    let images = images.collect();
    assert!(source.is_empty(), "{} bytes after the end", source.len());
    images
}

fn carried_chunks(source: &mut &[u8], payload: &Payload<'_>, features: Features, frames: Frames) -> Vec<u8> {
    let geometry = payload.geometry();
    let Some(mut chain) = PageChain::new(*payload, features, frames) else {
        return source.split_off(..usize::try_from(geometry.image_blocks_bytes().get()).unwrap()).unwrap().to_vec();
    };
    let mut image: Vec<u8> = Vec::new();
    while !chain.is_finished() {
        let first = chain.next_frame();
        let bytes = source.split_off(..BLOCK_BYTES).unwrap().try_into().unwrap();
        let page = chain.accept(bytes).unwrap();
        let blocks: usize =
            (first..chain.next_frame()).map(|frame| frames.len(&geometry, frame)).sum::<usize>() / BLOCK_BYTES;
        let hints = page::hints(bytes).map(|digest| {
            let hints = source.split_off(..blocks * HINT_BYTES).unwrap();
            assert_eq!(Digest::of(&[hints]), digest);
            hints
        });
        assert_eq!(hints.is_some(), features.has(Features::HINTS));
        let start = image.len();
        for (frame, row) in (first..).zip(page.rows()) {
            let carried = source.split_off(..row.carried_len()).unwrap();
            let len = frames.len(&geometry, frame);
            match row {
                Row::Zero => image.resize(image.len() + len, 0),
                Row::Raw { .. } => image.extend(carried),
                Row::Zstd { digest, .. } | Row::Prefix { digest, .. } | Row::Patch { digest, .. } => {
                    assert_eq!(Digest::of(&[carried]), digest);
                    image.resize(image.len() + len, carried[0]);
                }
            }
        }
        let digests = image[start..].chunks(BLOCK_BYTES).map(|block| Digest::of(&[payload.salt().as_bytes(), block]));
        let expected: Vec<u8> = digests.flat_map(|digest| digest.as_bytes()[..HINT_BYTES].to_vec()).collect();
        assert!(hints.is_none_or(|hints| hints == expected));
    }
    image
}

#[test]
fn a_raw_bundle_of_any_size_reads_back() {
    for len in [1, BLOCK, BLOCK + 1, 127 * BLOCK, 128 * BLOCK, 128 * BLOCK + 1, 129 * BLOCK, 9 * CHUNK as u64 + 5] {
        let bytes = noise(len);
        let (bundle, written) = written(&mut [image("root", &bytes, Carriage::Raw)]).unwrap();
        assert_eq!(written.len.get(), bundle.len() as u64);
        assert!(bundle.starts_with(&written.envelope));
        assert_eq!(read_back(&bundle), [bytes], "{len} bytes");
    }
}

/// 128 x 128 blocks and one: the first tree of three levels.
#[test]
fn a_bundle_with_three_levels_reads_back() {
    let bytes = noise(128 * 128 * BLOCK + 1);
    let (bundle, _) = written(&mut [image("root", &bytes, Carriage::Raw)]).unwrap();
    assert!(read_back(&bundle) == [bytes]);
}

#[test]
fn several_images_follow_each_other() {
    let (root, boot, data) = (noise(200 * BLOCK), noise(77), vec![0; CHUNK + 4096]);
    let mut compressor = RunLength::default();
    let mut images = [
        image("root", &root, Carriage::Raw),
        image("boot", &boot, Carriage::Raw),
        image("data", &data, Carriage::Zstd(&mut compressor)),
    ];
    let (bundle, _) = written(&mut images).unwrap();
    assert_eq!(read_back(&bundle), [root, boot, data]);
}

#[test]
fn each_chunk_is_carried_in_its_shortest_form_behind_its_page() {
    // 203 chunks: two full pages and one of three rows. Noise in chunk 7 and in the short last one.
    let mut bytes = vec![0; 202 * CHUNK + 5];
    bytes[100 * CHUNK..101 * CHUNK].fill(7);
    bytes[7 * CHUNK..8 * CHUNK].copy_from_slice(&noise(CHUNK as u64));
    *bytes.last_mut().unwrap() = 1;
    let mut compressor = RunLength::default();
    let (bundle, written) = written(&mut [image("root", &bytes, Carriage::Zstd(&mut compressor))]).unwrap();
    assert_eq!(compressor.calls, 3, "chunks of zeros do not reach the compressor");
    // Two blocks of levels: one of level 1 for 128 chunks each, and the top above them. Then pages and carried chunks.
    let expected = written.envelope.len() + 3 * BLOCK_BYTES + 3 * BLOCK_BYTES + CHUNK + 1 + BLOCK_BYTES;
    assert_eq!(bundle.len(), expected);
    assert!(read_back(&bundle) == [bytes]);
}

#[test]
fn hints_follow_each_page() {
    let mut bytes = vec![0; 202 * CHUNK + 5];
    bytes[7 * CHUNK..8 * CHUNK].copy_from_slice(&noise(CHUNK as u64));
    let mut compressor = RunLength::default();
    let (bundle, written) =
        written(&mut [image("root", &bytes, Carriage::Hinted(&mut compressor, Frames::WHOLE))]).unwrap();
    // As without them, and 6 bytes for each block.
    let hints = 6 * (202 * 128 + 1);
    assert_eq!(bundle.len(), written.envelope.len() + 3 * BLOCK_BYTES + 3 * BLOCK_BYTES + CHUNK + hints);
    assert!(read_back(&bundle) == [bytes]);
}

#[test]
fn a_frame_as_long_as_its_chunk_is_not_used() {
    #[derive(Debug)]
    struct SameLength;
    impl Compressor for SameLength {
        fn compress(&mut self, chunks: &[&[u8]], frames: &mut [Vec<u8>]) -> io::Result<()> {
            chunks.iter().zip(frames).for_each(|(chunk, frame)| *frame = vec![0; chunk.len()]);
            Ok(())
        }
    }
    let bytes = noise(5000);
    let (bundle, _) = written(&mut [image("root", &bytes, Carriage::Zstd(&mut SameLength))]).unwrap();
    assert_eq!(read_back(&bundle), [bytes]);
}

#[test]
fn a_bundle_can_be_made_again() {
    let bytes = noise(300 * BLOCK);
    let make = || {
        let mut compressor = RunLength::default();
        written(&mut [image("root", &bytes, Carriage::Zstd(&mut compressor))]).unwrap()
    };
    assert!(make() == make());
}

#[test]
fn a_detached_head_with_its_image_is_the_bundle() {
    for len in [1, BLOCK, 129 * BLOCK, 300 * BLOCK + 17] {
        let bytes = noise(len);
        let (bundle, whole) = written(&mut [image("root", &bytes, Carriage::Raw)]).unwrap();
        let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
        let mut detached = image("root", &bytes, Carriage::Raw);
        let mut head = Vec::new();
        let signers: [&dyn Signer; 1] = [&fixture::key(1)];
        let part = write_detached_head(&spec(), &mut detached, &signers, &mut head, &mut tools).unwrap();
        assert_eq!((part.digest, part.len.get()), (whole.digest, head.len() as u64));
        let padding = vec![0; bytes.len().next_multiple_of(BLOCK_BYTES) - bytes.len()];
        assert!([head, bytes, padding].concat() == bundle, "{len} bytes");
    }
}

#[test]
fn a_detached_head_has_a_raw_image() {
    let mut compressor = RunLength::default();
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let mut zstd = image("root", b"x", Carriage::Zstd(&mut compressor));
    let refused = write_detached_head(&spec(), &mut zstd, &[], &mut Vec::new(), &mut tools);
    assert!(matches!(refused, Err(WriteError::DetachedIsRaw)));
}

#[test]
fn the_bundle_begins_where_the_output_stands() {
    let bytes = noise(9000);
    let mut out = Cursor::new(vec![0x55; 100]);
    out.set_position(100);
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    write(&spec(), &mut [image("root", &bytes, Carriage::Raw)], &[&fixture::key(1)], &mut out, &mut tools).unwrap();
    assert_eq!(out.get_ref()[..100], [0x55; 100]);
    assert_eq!(read_back(&out.get_ref()[100..]), [bytes]);
}

#[test]
fn salts_differ_by_product_and_role_and_can_be_chosen() {
    assert_eq!(default_salt(name("acme-box"), name("root")), Digest::of(&[b"acme-box\0root"]));
    let bytes = noise(5);
    let mut salted = image("root", &bytes, Carriage::Raw);
    salted.salt = Salt::new(b"own");
    let (bundle, _) = written(&mut [salted, image("boot", &bytes, Carriage::Raw)]).unwrap();
    let mut buf = [0; 8192];
    let manifest = Unverified::read(&mut bundle.as_slice(), &mut buf).unwrap().danger_manifest().unwrap();
    assert_eq!(manifest.payloads().get(0).unwrap().salt().as_bytes(), b"own");
    assert_eq!(manifest.payloads().get(1).unwrap().salt().as_bytes(), Digest::of(&[b"acme-box\0boot"]).as_bytes());
}

#[test]
fn progress_counts_the_bytes_of_all_images() {
    let bytes = noise(9 * CHUNK as u64);
    let mut seen = Vec::new();
    let mut note = |done: ByteLen| seen.push(done.get());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut note };
    let mut images = [image("root", &bytes, Carriage::Raw), image("boot", b"x", Carriage::Raw)];
    write(&spec(), &mut images, &[], &mut Cursor::new(Vec::new()), &mut tools).unwrap();
    // How many chunks are a step depends on the machine's cores.
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    assert_eq!(seen[seen.len() - 2..], [9 * CHUNK as u64, 9 * CHUNK as u64 + 1]);
    assert!(seen[..seen.len() - 1].iter().all(|done| done % CHUNK as u64 == 0), "{seen:?}");
}

#[test]
fn an_image_of_another_length_makes_no_bundle() {
    for said in [1, 4999, 5001, 4096, 8192, 2 * CHUNK as u64] {
        let bytes = noise(5000);
        let mut images = [image("root", &bytes, Carriage::Raw)];
        images[0].len = ByteLen::new(said);
        let found = written(&mut images);
        assert!(
            matches!(&found, Err(WriteError::ImageLength { role, expected }) if role == "root" && expected.get() == said),
            "{said}: {found:?}"
        );
    }
    let empty = written(&mut [image("root", b"", Carriage::Raw)]);
    assert!(matches!(empty, Err(WriteError::Statement(Corrupt(Rule::ManifestImageLength { .. })))));
}

/// Fails after some bytes.
struct Failing {
    left: usize,
}

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(self.left);
        self.left -= len;
        if len == 0 { Err(io::Error::other("bad sector")) } else { Ok(len) }
    }
}

impl Write for Failing {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let len = buf.len().min(self.left);
        self.left -= len;
        if len == 0 { Err(io::Error::other("disk full")) } else { Ok(len) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bundle_that_was_not_finished_does_not_look_like_one() {
    let mut out = Cursor::new(Vec::new());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let source = Failing { left: 10_000_000 };
    let len = ByteLen::new(20_000_000);
    let mut images = [Image { role: name("root"), len, source, salt: None, carriage: Carriage::Raw }];
    let found = write(&spec(), &mut images, &[&fixture::key(1)], &mut out, &mut tools);
    assert!(matches!(found, Err(WriteError::Image { role, .. }) if role == "root"));
    assert!(out.get_ref().len() > 8 * CHUNK);
    assert!(Unverified::read(&mut out.get_ref().as_slice(), &mut [0; 8192]).is_err());
}

#[test]
fn failures_name_what_failed() {
    #[derive(Debug)]
    struct Broken;
    impl Compressor for Broken {
        fn compress(&mut self, _: &[&[u8]], _: &mut [Vec<u8>]) -> io::Result<()> {
            Err(io::Error::other("no memory"))
        }
    }
    struct Absent(LocalKey);
    impl Signer for Absent {
        fn public_key(&self) -> &PublicKey {
            self.0.public_key()
        }
        fn sign(&self, _: &Digest) -> io::Result<[u8; 64]> {
            Err(io::Error::other("no token"))
        }
    }
    let found = written(&mut [image("root", b"x", Carriage::Zstd(&mut Broken))]);
    assert!(matches!(found, Err(WriteError::Compressor(_))));

    let bare = || Sealed::new(&fixture::manifest(Encoding::Raw), UpdaterVersion::OLDEST).unwrap();
    assert!(matches!(bare().signed_by(&[&Absent(fixture::key(1))]), Err(WriteError::Signer(_))));

    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let mut one = image("root", b"x", Carriage::Raw);
    let found = write_detached_head(&spec(), &mut one, &[], &mut Failing { left: 10 }, &mut tools);
    assert!(matches!(found, Err(WriteError::Output(_))));

    let mut nameless = spec();
    nameless.compatibles.clear();
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let found =
        write(&nameless, &mut [image("root", b"x", Carriage::Raw)], &[], &mut Cursor::new(Vec::new()), &mut tools);
    assert!(matches!(found, Err(WriteError::Statement(Corrupt(Rule::ManifestEmptyList)))));
}
