//! Every bound in one table. A number from a disk or a bundle that exceeds its bound is refused before it is used.
//!
//! | bound | what it stops |
//! |---|---|
//! | [`ENVELOPE_BYTES`] | a bundle that makes the device hold more than two pages before its signature is checked |
//! | [`SIGNATURES`] | a bundle that burns minutes of signature checks |
//! | [`COMPATIBLES`], [`PAYLOADS`], [`EXTENSIONS`], [`EXTENSION_BYTES`] | a manifest that grows the fixed structures of the core |
//! | [`NAME_BYTES`] | a name that fills a terminal or a log line |
//! | [`SALT_BYTES`] | dm-verity's own bound of the salt |
//! | [`LEVELS`] | an image size that makes the tree deeper than the core's buffers; 128^5 blocks are 128 TiB |
//! | [`GPT_ENTRIES`], [`GPT_HEADER_BYTES`] | a partition table that takes minutes to read, or a header longer than its block |
//! | [`SLOTS`] | a profile with more slots than the chooser's table |
//! | [`ANCHORS`] | a trust folder that makes each signature cost more than this many key comparisons |

/// Bytes of a bundle's envelope: prefix, manifest and signatures.
pub const ENVELOPE_BYTES: usize = 8192;
/// Signatures in one envelope.
pub const SIGNATURES: usize = 8;
/// Strings in a manifest's list of compatibles.
pub const COMPATIBLES: usize = 8;
/// Payloads in one bundle, one per partition role.
pub const PAYLOADS: usize = 8;
/// Extensions in one manifest.
pub const EXTENSIONS: usize = 8;
/// Bytes in one extension.
pub const EXTENSION_BYTES: usize = 1024;
/// Bytes in a compatible, version or role.
pub const NAME_BYTES: usize = 64;
/// Bytes of a dm-verity salt.
pub const SALT_BYTES: usize = 256;
/// Levels of a hash tree, the root not counted.
pub const LEVELS: usize = 5;
/// Data blocks of one image: what [`LEVELS`] levels of 128 digests cover.
pub const DATA_BLOCKS: u64 = 1 << 35;
/// Entries of a partition table.
pub const GPT_ENTRIES: u32 = 1024;
/// Bytes of a GPT header that are covered by its checksum, at least.
pub const GPT_HEADER_BYTES: u32 = 92;
/// Slots of one device.
pub const SLOTS: usize = 8;
/// Public keys a device trusts at once.
pub const ANCHORS: usize = 16;
