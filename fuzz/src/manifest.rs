//! A manifest: what decodes encodes to the same bytes.

use libupdate::manifest::Manifest;

/// Decodes the bytes as a manifest.
///
/// # Panics
/// Where the encoding is not canonical.
pub fn run(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode(bytes) else { return };
    let mut out = [0; 8192];
    // A slice longer than any envelope still decodes; it has no room here.
    let Ok(len) = manifest.encode(&mut out) else {
        assert!(bytes.len() > out.len(), "a manifest of {} bytes does not encode", bytes.len());
        return;
    };
    assert_eq!(&out[..len], bytes, "two encodings of one manifest");
    assert_eq!(Manifest::decode(&out[..len]).as_ref(), Ok(&manifest));
    assert!(!manifest.payloads().is_empty() && !manifest.compatibles().is_empty());
    for payload in manifest.payloads() {
        assert_eq!(payload.data_blocks(), payload.image_len().get().div_ceil(4096));
        assert_eq!(manifest.payload(payload.role().as_str()), Some(payload));
        assert!(payload.role().as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
