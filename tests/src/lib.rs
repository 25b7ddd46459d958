//! What the integration tests share.
//!
//! - [`file_disk`]: a disk in a file.
//! - [`tool`]: foreign tools as oracles; [`superuser`]: those that need root; [`loop_device`], [`mounted`]: what they make.
//! - [`table_oracle`]: a partition table as sgdisk, sfdisk and cgpt see it.
//! - [`tree`]: the files of the project, as a commit would hold them.
//! - [`markdown`]: fences, headings and links of a document.
//! - [`rust_source`]: tokens and paths of a Rust file, for the floors.
//! - [`cli`]: the program itself; [`answer`]: what a run of it came to.
//! - [`workshop`]: keys, profiles, images and bundles; [`root_image`]: images of real file systems.
//! - [`bundle_parts`], [`packed_bundle`], [`raw_manifest`], [`gpt_copy`]: bundles and tables in pieces, to be broken.
//! - [`device`]: a disk with a booted slot; [`loop_board`]: the same as a block device; [`schema`]: what documents must be; [`witness`]: what must hold after every failure.
//! - [`nginx`]: a server, its [`certificates`], and a [`relay`] before it that fails; [`tinyproxy`]; [`odd_server`]: what they never say.
//! - [`kill_site`]: an installation that something happens to; [`strace`]: what makes it happen.
//! - [`bus`]: a message bus of its own, with the service on it and clients.
//!
//! The boot, on real kernels in qemu:
//!
//! - [`guest_kit`]: kernel, programs, boards and releases; [`guest_disk`]: a disk; [`guest`]: a machine that runs from it.
//! - [`write_log`]: what a machine wrote; [`guest_lab`]: the laboratory below, on that.
//!
//! The power-cut laboratory, from below:
//!
//! - [`medium`]: what stands on a simulated disk; [`sim_disk`]: the disk, its cache, its log and its faults.
//! - [`crash`]: every state that a cut may leave; [`seen`]: those that were met before; [`chance`]: random numbers with a seed.
//! - [`gpt_maker`], [`board`], [`models`], [`scenario`]: tables, boards with releases, and disks for every act to begin on.
//! - [`acts`]: the acts, as the program and the boot hook do them.
//! - [`rules`]: what may become of slot bits; [`verdict`]: what a crash image must be.
//! - [`lab`], [`tally`]: an act, its cuts, the recoveries, their cuts, and the counts.
//! - [`wrong_writer`]: what it must catch; [`log_story`]: a log in words.
//!
//! The conformance catalogue, and other readers:
//!
//! - [`gpt_disk`]: a disk with a table whose every byte a test may change.
//! - [`cut_states`]: what cuts of every act on the table leave, as disk images; [`gpt_readers`]: how other programs read them.

pub mod acts;
pub mod answer;
pub mod board;
pub mod bundle_parts;
pub mod bus;
pub mod certificates;
pub mod chance;
pub mod cli;
pub mod crash;
pub mod cut_states;
pub mod device;
pub mod file_disk;
pub mod firmware;
pub mod fit;
pub mod gpt_copy;
pub mod gpt_disk;
pub mod gpt_maker;
pub mod gpt_readers;
pub mod grub;
pub mod guest;
pub mod guest_disk;
pub mod guest_kit;
pub mod guest_lab;
pub mod guest_medium;
pub mod kill_site;
pub mod lab;
pub mod loader_lab;
pub mod loader_store;
pub mod log_story;
pub mod loop_board;
pub mod loop_device;
pub mod markdown;
pub mod medium;
pub mod models;
pub mod mounted;
pub mod nginx;
pub mod odd_server;
pub mod overlay;
pub mod pack;
pub mod packed_bundle;
pub mod raw_manifest;
pub mod registry;
pub mod relay;
pub mod root_image;
pub mod rules;
pub mod rust_source;
pub mod scenario;
pub mod schema;
pub mod seen;
pub mod sim_disk;
pub mod strace;
pub mod superuser;
pub mod table_oracle;
pub mod tally;
pub mod timeline;
pub mod tinyproxy;
pub mod tool;
pub mod tree;
pub mod u_boot;
pub mod uki;
pub mod verdict;
pub mod witness;
pub mod workshop;
pub mod write_log;
pub mod wrong_writer;
