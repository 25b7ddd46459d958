//! U-Boot's environment on the guests' disk, and its boot script: raw blocks before the first partition, where the U-Boot of
//! `tests/guest/u-boot/config` looks.
//!
//! ```text
//!  34 sectors   256 KiB      512 KiB          768 KiB          1 MiB
//!  | GPT |      | boot.scr | | copy, 16 KiB | | copy, 16 KiB | | partitions ..
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::guest_disk::GuestDisk;
use crate::{tool, tree};

/// `CONFIG_ENV_OFFSET`, `CONFIG_ENV_OFFSET_REDUND`.
const COPIES: [u64; 2] = [0x8_0000, 0xc_0000];
/// `CONFIG_ENV_SIZE`.
const LEN: &str = "0x4000";
const SCRIPT: u64 = 0x4_0000;

/// What `fw_env.config` says of such a disk.
#[must_use]
pub fn config(disk: &Path) -> String {
    COPIES.map(|at| format!("{} {at:#x} {LEN}\n", disk.display())).concat()
}

/// Puts an environment of these lines on a disk, twice, and the script; what describes it is beside the disk.
///
/// # Panics
/// Where a tool fails.
#[must_use]
pub fn plant(disk: &GuestDisk, variables: &str) -> PathBuf {
    let [text, image, script, config_file] =
        ["env.txt", "env.image", "boot.scr", "fw_env.config"].map(|name| disk.path().with_file_name(name));
    fs::write(&text, variables).expect("the folder can be written");
    tool::run("mkenvimage", &["-r", "-s", LEN, "-o", utf8(&image), utf8(&text)]);
    let copy = fs::read(image).expect("it was made");
    COPIES.iter().for_each(|at| disk.write_at(*at, &copy));
    let source = tree::root().join("hardware-profiles/boot-loaders/u-boot.cmd");
    tool::run("mkimage", &["-A", "arm64", "-T", "script", "-C", "none", "-d", utf8(&source), utf8(&script)]);
    disk.write_at(SCRIPT, &fs::read(script).expect("it was made"));
    fs::write(&config_file, config(&disk.path())).expect("the folder can be written");
    config_file
}

/// Writes zeros over the start of a copy.
pub fn damage(disk: &GuestDisk, copy: usize) {
    disk.write_at(COPIES[copy], &[0; 512]);
}

/// A variable, as `fw_printenv` reads it.
#[must_use]
pub fn variable(config: &Path, name: &str) -> String {
    tool::run("fw_printenv", &["-c", utf8(config), "-n", name]).trim().to_owned()
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
