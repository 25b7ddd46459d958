//! Bundles of which a payload refers to an old image.

use super::*;
use crate::bundle::Features;
use crate::bundle::delta::OLD_IMAGES;
use crate::manifest::{Extension, ExtensionId};

const OLD: RootHash = RootHash::new(Digest::new([7; 32]));

/// Says of a chunk of one byte over and over what its codec is, by that byte; any other chunk gets a useless long body.
#[derive(Debug)]
struct ByByte;

impl DeltaCompressor for ByByte {
    fn compress(&mut self, chunks: &[&[u8]], bodies: &mut [Body]) -> io::Result<()> {
        assert_eq!(chunks.len(), bodies.len());
        for (chunk, body) in chunks.iter().zip(bodies) {
            let codec = [Codec::Zstd, Codec::Prefix, Codec::Patch][usize::from(chunk[0] % 3)];
            let uniform = chunk.iter().all(|byte| *byte == chunk[0]);
            *body = Body { codec, bytes: if uniform { vec![chunk[0]] } else { vec![9; chunk.len()] } };
        }
        Ok(())
    }
}

/// Chunks of each codec, of zeros, and of noise.
fn bytes() -> Vec<u8> {
    let chunks = [3, 4, 5, 0].map(|byte| vec![byte; CHUNK]);
    [chunks.concat(), noise(CHUNK as u64), vec![4; 8192]].concat()
}

fn manifest_of<'b>(bundle: &[u8], buf: &'b mut [u8; 8192]) -> (Manifest<'b>, Features) {
    let mut source = bundle;
    let unverified = Unverified::read(&mut source, buf).unwrap();
    (unverified.danger_manifest().unwrap(), unverified.prefix().features())
}

#[test]
fn each_codec_has_its_row_and_the_base_is_named() {
    let bytes = bytes();
    let mut compressor = ByByte;
    let delta = Carriage::Delta { old: OLD, compressor: &mut compressor };
    let (bundle, _) = written(&mut [image("boot", b"x", Carriage::Raw), image("root", &bytes, delta)]).unwrap();
    let tail = &bundle[bundle.len() - BLOCK_BYTES - CHUNK - 4..];
    // The page, then what the chunks carry: nothing for the zeros, all of the noise.
    assert_eq!(tail[BLOCK_BYTES..BLOCK_BYTES + 3], [3, 4, 5]);
    let codecs: Vec<u8> = tail[96..BLOCK_BYTES].chunks(40).take(6).map(|row| row[0]).collect();
    assert_eq!(codecs, [2, 3, 4, 0, 1, 3]);
    assert_eq!(read_back(&bundle)[1], bytes);
    let mut buf = [0; 8192];
    let (manifest, features) = manifest_of(&bundle, &mut buf);
    assert_eq!(features.get(), 3);
    let expected = [[0; 32], [7; 32]].concat();
    let extensions: Vec<_> = manifest.extensions().iter().map(|one| (one.id(), one.bytes().to_vec())).collect();
    assert_eq!(extensions, [(OLD_IMAGES, expected)]);
}

#[test]
fn a_bundle_without_a_delta_does_not_ask_for_one() {
    let mut buf = [0; 8192];
    let bytes = noise(9000);
    let (bundle, _) = written(&mut [image("root", &bytes, Carriage::Raw)]).unwrap();
    let (manifest, features) = manifest_of(&bundle, &mut buf);
    assert_eq!((features, manifest.extensions().len()), (Features::NONE, 0));
}

#[test]
fn other_extensions_stay_and_the_base_is_named_once() {
    let delta = |id| {
        let mut spec = spec();
        spec.extensions.push(Extension::new(ExtensionId(id), b"full.bundle").unwrap());
        let mut compressor = ByByte;
        let mut images = [image("root", b"x", Carriage::Delta { old: OLD, compressor: &mut compressor })];
        let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
        let mut out = Cursor::new(Vec::new());
        write(&spec, &mut images, &[], &mut out, &mut tools).map(|_| out.into_inner())
    };
    let mut buf = [0; 8192];
    let bundle = delta(2).unwrap();
    let ids: Vec<u16> = manifest_of(&bundle, &mut buf).0.extensions().iter().map(|one| one.id().0).collect();
    assert_eq!(ids, [1, 2]);
    assert!(matches!(delta(1), Err(WriteError::Statement(_))));
}

#[test]
fn a_detached_head_is_no_delta() {
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    let mut compressor = ByByte;
    let mut delta = image("root", b"x", Carriage::Delta { old: OLD, compressor: &mut compressor });
    let refused = write_detached_head(&spec(), &mut delta, &[], &mut Vec::new(), &mut tools);
    assert!(matches!(refused, Err(WriteError::DetachedIsRaw)));
}
