use super::*;

#[test]
fn smaller_frames_have_pages_of_their_own() {
    // 26 chunks and 20 blocks: 12 chunks, 96 frames, have their rows in one page.
    let mut bytes = vec![0; 26 * CHUNK + 20 * BLOCK_BYTES];
    bytes[7 * CHUNK + 5..][..100_000].fill(9);
    bytes[7 * CHUNK + 70_000..][..3 * BLOCK_BYTES].copy_from_slice(&noise(3 * BLOCK));
    *bytes.last_mut().unwrap() = 1;
    for blocks in [4, 8, 16, 32, 64] {
        let (frames, mut compressor) = (Frames::of_blocks(blocks).unwrap(), RunLength::default());
        let images = &mut [image("root", &bytes, Carriage::Hinted(&mut compressor, frames))];
        let (bundle, written) = written(images).unwrap();
        let pages = 27_u64.div_ceil(frames.chunks_a_page()) as usize;
        let least = written.envelope.len() + 2 * BLOCK_BYTES + pages * BLOCK_BYTES + 6 * (26 * 128 + 20);
        // The noise, and what of its frames is with it.
        assert!((least..least + 2 * CHUNK).contains(&bundle.len()), "{blocks}: {} of {least}", bundle.len());
        assert!(read_back(&bundle) == [&bytes[..]], "{blocks} blocks");
    }
}

#[test]
fn images_of_one_bundle_have_the_same_frames() {
    let (bytes, [mut one, mut other]) = (noise(5000), [RunLength::default(), RunLength::default()]);
    let small = Frames::of_blocks(16).unwrap();
    let images = &mut [
        image("root", &bytes, Carriage::Hinted(&mut one, small)),
        image("data", &bytes, Carriage::Zstd(&mut other)),
    ];
    assert!(matches!(written(images), Err(WriteError::Statement(Corrupt(Rule::ManifestFeatures)))));
}
