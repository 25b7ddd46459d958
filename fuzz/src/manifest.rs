//! A manifest: what decodes encodes to the same bytes.

use libupdate::manifest::{Extension, Manifest, Name, Payload, Statement};

/// Decodes the bytes as a manifest.
///
/// # Panics
/// Where the encoding is not canonical.
pub fn run(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode(bytes) else { return };
    let (compatibles, payloads, extensions): (Vec<Name<'_>>, Vec<Payload<'_>>, Vec<Extension<'_>>) = (
        manifest.compatibles().iter().collect(),
        manifest.payloads().iter().collect(),
        manifest.extensions().iter().collect(),
    );
    let lens = [manifest.compatibles().len(), manifest.payloads().len(), manifest.extensions().len()];
    assert_eq!([compatibles.len(), payloads.len(), extensions.len()], lens, "a list ends early");
    let statement = Statement {
        compatibles: &compatibles,
        version: manifest.version(),
        rollback_index: manifest.rollback_index(),
        build_time: manifest.build_time(),
        payloads: &payloads,
        extensions: &extensions,
    };
    let mut out = vec![0; bytes.len()];
    let again = Manifest::new(&statement, &mut out).expect("its own values");
    assert_eq!(again.encoded(), bytes, "two encodings of one manifest");
    assert_eq!(again, manifest);
    assert!(!manifest.payloads().is_empty() && !manifest.compatibles().is_empty());
    for payload in manifest.payloads() {
        assert_eq!(payload.data_blocks(), payload.image_len().get().div_ceil(4096));
        assert_eq!(manifest.payload(payload.role().as_str()), Some(payload));
        assert!(payload.role().as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
