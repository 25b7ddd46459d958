//! What the integration tests share.
//!
//! - [`file_disk`]: a disk in a file.
//! - [`tool`]: foreign tools as oracles; [`superuser`]: those that need root; [`loop_device`], [`mounted`]: what they make.
//! - [`table_oracle`]: a partition table as sgdisk, sfdisk and cgpt see it.
//! - [`tree`]: the files of the project, as a commit would hold them.
//! - [`markdown`]: fences, headings and links of a document.
//! - [`rust_source`]: tokens, functions and paths of a Rust file, for the tests that hold the house style.
//! - [`cli`]: the program itself; [`answer`]: what a run of it came to.
//! - [`workshop`]: keys, profiles, images and bundles; [`root_image`]: images of real file systems.
//! - [`bundle_parts`], [`packed_bundle`], [`raw_manifest`], [`gpt_copy`]: bundles and tables in pieces, to be broken.
//! - [`device`]: a disk with a booted slot; [`witness`]: what must hold after every failure.

pub mod answer;
pub mod bundle_parts;
pub mod cli;
pub mod device;
pub mod file_disk;
pub mod gpt_copy;
pub mod loop_device;
pub mod markdown;
pub mod mounted;
pub mod packed_bundle;
pub mod raw_manifest;
pub mod root_image;
pub mod rust_source;
pub mod superuser;
pub mod table_oracle;
pub mod tool;
pub mod tree;
pub mod witness;
pub mod workshop;
