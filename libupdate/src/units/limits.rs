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
//! | [`DELTA_RUNS`], [`DELTA_REFERENCE_BLOCKS`] | a delta that reads all of an old image for each chunk, or needs more memory than an installation has |
//! | [`PACK_SUPERSEDES`], [`PACK_UNITS`] | a pack that removes all others, or restarts a whole system, by one signed head |
//! | [`GPT_ENTRIES`], `GPT_HEADER_BYTES` | a partition table that takes minutes to read, or a header longer than its block |
//! | [`SLOTS`] | a profile with more slots than the chooser's table |
//! | [`ANCHORS`] | a trust folder that makes each signature cost more than this many key comparisons |
//! | [`PROFILE_BYTES`], [`KEY_BYTES`], [`SIGNATURE_BYTES`], [`HOOK_CONFIG_BYTES`], [`MODULE_LIST_BYTES`], [`COMMAND_LINE_BYTES`] | a path to a disk, or a file that has grown, where a small file is expected: reading it would take the memory of the device |
//! | [`STATE_BYTES`] | a report of the boot or a history of acts that somebody has filled up, and with it the memory of each act |
//! | [`HISTORY_TEXT_BYTES`] | a path or a reason that leaves the history no room for other acts |
//! | [`SYSTEM_BYTES`] | a table of the kernel (mounts, locks) that a program with the right to mount has made endless |

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
/// Runs of an old image that one chunk is made from.
pub const DELTA_RUNS: usize = 64;
/// Blocks of them, together.
pub const DELTA_REFERENCE_BLOCKS: usize = 256;
/// Names that one pack supersedes.
pub const PACK_SUPERSEDES: u8 = 16;
/// Units that one pack reloads, and units that it restarts.
pub const PACK_UNITS: u8 = 8;
/// Entries of a partition table.
pub const GPT_ENTRIES: u32 = 1024;
/// Bytes of a GPT header that are covered by its checksum, at least.
pub(crate) const GPT_HEADER_BYTES: u32 = 92;
/// Slots of one device.
pub const SLOTS: usize = 8;
/// Public keys a device trusts at once.
pub const ANCHORS: usize = 16;
/// Bytes of a profile.
pub const PROFILE_BYTES: u64 = 256 << 10;
/// Bytes of a file with a key, and whatever else is in it: certificates, comments.
pub const KEY_BYTES: u64 = 64 << 10;
/// Bytes of a file with one signature; its longest form has 72.
pub const SIGNATURE_BYTES: u64 = 4 << 10;
/// Bytes of what the boot hook reads: more than 64 partitions and 16 keys take.
pub const HOOK_CONFIG_BYTES: u64 = 32 << 10;
/// Bytes of the hook's list of kernel modules.
pub const MODULE_LIST_BYTES: u64 = 256 << 10;
/// Bytes of a kernel's command line; the kernel's own bound is lower.
pub const COMMAND_LINE_BYTES: u64 = 16 << 10;
/// Bytes of a file that one part of the updater leaves for another.
pub const STATE_BYTES: u64 = 64 << 10;
/// Bytes of a disk's path, or of the reason of a failure, in the history of acts.
pub const HISTORY_TEXT_BYTES: usize = 512;
/// Bytes of a table of the kernel.
pub const SYSTEM_BYTES: u64 = 16 << 20;
