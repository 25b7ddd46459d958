//! What an attacker, or a bad cable, does to a bundle.

/// The manifest with a higher version, as one who has no key would write it.
///
/// `None` where the version does not stand in it.
pub fn forged(bundle: &[u8], version: &str, wanted: &str) -> Option<Vec<u8>> {
    let at = bundle.windows(version.len()).position(|piece| piece == version.as_bytes())?;
    let mut forged = bundle.to_vec();
    forged.get_mut(at..)?.get_mut(..version.len())?.copy_from_slice(wanted.get(..version.len())?.as_bytes());
    Some(forged)
}

/// The bundle with one bit of its image flipped: where, and the bytes. `None` of an empty one.
pub fn flipped(bundle: &[u8]) -> Option<(usize, Vec<u8>)> {
    let at = bundle.len() / 4 * 3;
    let mut flipped = bundle.to_vec();
    *flipped.get_mut(at)? ^= 1;
    Some((at, flipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_manifest_differs_in_its_version_alone() {
        assert_eq!(forged(b"LUBUNDLE..3.0..3.0", "3.0", "9.0").unwrap(), b"LUBUNDLE..9.0..3.0");
        assert_eq!(forged(b"LUBUNDLE", "3.0", "9.0"), None);
        assert_eq!(forged(b"3.0", "3.0", "9"), None);
    }

    #[test]
    fn one_bit_behind_the_head_is_flipped() {
        let (at, bytes) = flipped(&[0; 4096]).unwrap();
        assert_eq!(at, 3072);
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        assert_eq!(flipped(&[]), None);
    }
}
