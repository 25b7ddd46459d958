//! The table line of a verity target. Pure.
//!
//! ```text
//!  1 254:2 254:2 4096 4096 <data blocks> <first hash block> sha256 <root hash> <salt, or -> [1 <on damage>]
//! ```
//! `Documentation/admin-guide/device-mapper/verity.rst`. The first hash block is the one after the superblock.

use super::OnCorruption;
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::verity::Tree;

/// Device-mapper counts in 512-byte units on every disk.
const SECTORS_PER_BLOCK: u64 = 8;

/// Sectors of the device.
pub fn sectors(tree: &Tree<'_>) -> u64 {
    // At most 2^35 data blocks.
    tree.geometry.data_blocks() * SECTORS_PER_BLOCK
}

/// The target's parameters.
pub fn of(device: &str, tree: &Tree<'_>, damage: OnCorruption) -> String {
    let blocks = tree.geometry.data_blocks();
    // Data and superblock fill whole blocks, so that the superblock's number is the number of data blocks.
    let hashes = blocks + 1;
    let salt: String = tree.salt.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let salt = if salt.is_empty() { "-" } else { &salt };
    let option = match damage {
        OnCorruption::Restart => " 1 restart_on_corruption",
        OnCorruption::Panic => " 1 panic_on_corruption",
        OnCorruption::IoError => "",
    };
    let root = tree.root;
    format!("1 {device} {device} {BLOCK_BYTES} {BLOCK_BYTES} {blocks} {hashes} sha256 {root} {salt}{option}")
}

#[cfg(test)]
mod tests {
    use libupdate::verity::Geometry;
    use libupdate::{ByteLen, RootHash, Salt};

    use super::*;

    #[test]
    fn the_line_is_veritysetups_and_damage_restarts_panics_or_fails_the_read() {
        let geometry = Geometry::from_image_len(ByteLen::new(129 * 4096)).unwrap();
        let root = RootHash::new(libupdate::Digest::new([0xab; 32]));
        let tree = Tree { geometry, salt: Salt::new(b"\x01\xff").unwrap(), root };
        let line = of("254:2", &tree, OnCorruption::IoError);
        // veritysetup open --verbose --debug prints the same for such an image: data at 0, superblock in block 129.
        assert_eq!(line, format!("1 254:2 254:2 4096 4096 129 130 sha256 {} 01ff", "ab".repeat(32)));
        assert!(of("254:2", &tree, OnCorruption::Restart).ends_with(" 01ff 1 restart_on_corruption"));
        assert!(of("254:2", &tree, OnCorruption::Panic).ends_with(" 01ff 1 panic_on_corruption"));
        let unsalted = Tree { salt: Salt::new(b"").unwrap(), ..tree };
        assert!(of("254:2", &unsalted, OnCorruption::IoError).ends_with(" -"));
        assert_eq!(sectors(&tree), 129 * 8);
    }
}
