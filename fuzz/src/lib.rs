//! Fuzz targets. Each is a function from bytes to nothing that panics where a promise is broken; `fuzz_targets` hands them to
//! libFuzzer, `seeds` writes their first inputs, and a test runs those.
//!
//! | target | bytes become | held to |
//! |---|---|---|
//! | [`gpt`] | a disk with two damaged tables, one act | no write outside the table, both copies valid after, old or new after a cut |
//! | [`superblock_geometry`] | a superblock, an image size | encode gives the bytes back, arithmetic as in 128 bits |
//! | [`manifest`] | a manifest | encode gives the bytes back |
//! | [`bundle_stream`] | a bundle, reads, buffers | what is staged is what was signed |
//! | [`delta`] | a chunk's body, and the streams of its patch | what the rules of the format give, in the plainest words |
//! | [`pack`] | the extension of a pack | names safe as paths, encode gives the bytes back |
//! | [`profile`] | a profile | the promises of its type; a refusal in words |
//! | [`c`] | a call of libupdate for C, operands right and wrong | a number of the header, no memory touched that was not lent |
//! | [`acts`] | a life of a machine, with cuts and failures | the rules of the slots in docs/DESIGN.md |

pub mod acts;
pub mod bundle_stream;
pub mod bundles;
pub mod c;
pub mod delta;
pub mod disk;
pub mod gpt;
pub mod input;
pub mod machine;
pub mod manifest;
pub mod pack;
pub mod profile;
pub mod seeds;
pub mod superblock_geometry;
