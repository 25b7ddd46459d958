//! What an updater on Linux needs beside `libupdate`: disks, locks, nodes, signals, profiles, keys, hook configuration and
//! device-mapper. For whoever builds one: `updater-cli` and `initramfs-hook` stand on it.
//!
//! Failures are values with a class ([`OsError`], [`profile::ProfileError`], [`keys::KeyError`]): no function prints, and none ends the
//! process but [`Interrupt::listen`], at the second signal.
//!
//! ```text
//!  for one board   profile  keys  hook_config  new_table             data of a device, read and judged
//!  boot loaders    boot_loader  emmc                                 the stores of those that choose by themselves; where one is
//!  this boot       booted  running  watchdog  var                    which slot runs, by whose word; who feeds the watchdog; a reset
//!  a whole disk    find  drive  used_disk  lock  program             which one it is, whose it is, who may change it
//!  its blocks      disk                                              a `BlockIo` around the page cache, with accesses in flight
//!  devices         device_mapper  partitions  filesystem             what the kernel makes of a disk's blocks
//!  a live system   verity_image  overlay  mounts  processes          images and folders that are laid over a system that runs
//!  the system      node  file  kernel_words  entry_name  signal  time    sysfs, small files, words of kernel and firmware
//!  words, memory   error  printable  aligned  lent  hasher  cores
//! ```
//!
//! Each heavy capability is a feature, on by default: `boot-loaders`, `boot-report` (`serde_json`), `hasher` (`rayon`, `tape-sha256`), `keys` (PEM and
//! PKCS#8 of `p256`), `live`, `new-table` (`gpt`), `profile` (`toml`), `signals` (`signal-hook`). A boot hook does without all of them.

mod aligned;
#[cfg(feature = "boot-loaders")]
pub mod boot_loader;
#[cfg(feature = "boot-report")]
pub mod booted;
#[cfg(feature = "hasher")]
pub mod cores;
pub mod device_mapper;
mod disk;
mod drive;
#[cfg(feature = "boot-loaders")]
pub mod emmc;
pub mod entry_name;
mod error;
#[cfg(test)]
mod eventually;
pub mod file;
pub mod filesystem;
pub mod find;
#[cfg(feature = "hasher")]
pub mod hasher;
pub mod hook_config;
mod ioctl;
pub mod kernel_words;
#[cfg(feature = "keys")]
pub mod keys;
#[cfg(feature = "signals")]
mod lent;
mod lock;
#[cfg(feature = "live")]
pub mod mounts;
#[cfg(feature = "new-table")]
pub mod new_table;
pub mod node;
#[cfg(feature = "live")]
pub mod overlay;
pub mod partitions;
pub mod printable;
#[cfg(feature = "live")]
pub mod processes;
pub mod profile;
pub mod program;
#[cfg(feature = "boot-report")]
pub mod running;
#[cfg(feature = "signals")]
mod signal;
pub mod time;
pub mod used_disk;
pub mod var;
#[cfg(feature = "live")]
pub mod verity_image;
pub mod watchdog;

pub use aligned::AlignedBuf;
#[cfg(feature = "signals")]
pub use disk::GuardedDisk;
pub use disk::{Caching, Disk, DiskKind, Mode, OpenHow};
pub use error::{Class, OsError, OsErrorKind};
#[cfg(feature = "signals")]
pub use lent::{Lending, SharedBuf};
pub use lock::Lock;
#[cfg(feature = "signals")]
pub use signal::{Interrupt, Shield};
