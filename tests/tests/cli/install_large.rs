//! An image over 4 GiB into a slot that begins beyond 4 GiB: no offset, length or block number is cut to 32 bits on the way.
//!
//! The image is sparse, so the bundle is small; the slot is written in full.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use tests::cli;

const GIB: u64 = 1 << 30;
const BLOCK: u64 = 4096;
/// Two blocks more than 4 GiB: the last chunk has two blocks, and level 1 a second block with one digest in it.
const IMAGE: u64 = 4 * GIB + 2 * BLOCK;
/// Where the image has bytes: its first and last, and both sides of 4 GiB.
const ISLANDS: [u64; 4] = [0, 4 * GIB - BLOCK, 4 * GIB, IMAGE - BLOCK];

const PROFILE: &str = r#"
name = "large"
compatible = "large"
[slots]
names = ["a", "b"]
control = "root"
tries = 3
guard = 3
[[partition]]
role = "root"
label = "root-{slot}"
type = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
size = "4608M"
[trust]
keys = ["large.pub"]
"#;

/// Runs the program in `folder` and gives its stdout.
fn updater(folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new(cli::binary()).current_dir(folder).args(arguments).output().expect("the program runs");
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {}\n{stderr}", done.status);
    String::from_utf8(done.stdout).expect("stdout is text")
}

fn island(number: usize) -> [u8; 4096] {
    [u8::try_from(number + 1).expect("a few islands"); 4096]
}

#[test]
fn an_image_over_four_gib_stands_in_its_slot_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("large.toml"), PROFILE).unwrap();
    fs::write(folder.join("small.raw"), island(8)).unwrap();
    let image = File::create(folder.join("large.raw")).unwrap();
    image.set_len(IMAGE).unwrap();
    for (number, at) in ISLANDS.into_iter().enumerate() {
        image.write_all_at(&island(number), at).unwrap();
    }
    updater(folder, &["keygen", "--out", ".", "--name", "large"]);
    for (name, version) in [("small", "1"), ("large", "2")] {
        let (raw, bundle) = (format!("{name}.raw"), format!("{name}.bundle"));
        let made = ["bundle", "create", "--compatible", "large", "--key", "large.key", "--compression", "zstd"];
        updater(folder, &[&made[..], &["--version", version, "--image", &raw, "-o", &bundle]].concat());
    }
    assert!(fs::metadata(folder.join("large.bundle")).unwrap().len() < 8 << 20, "zero chunks carry nothing");

    let on = ["--profile", "./large.toml", "--disk", "disk.img", "--json"];
    updater(folder, &[&on[..], &["provision", "--size", "10G", "small.bundle"]].concat());
    updater(folder, &[&on[..], &["install", "large.bundle"]].concat());
    updater(folder, &[&on[..], &["verify", "--slot", "b"]].concat());

    let status = updater(folder, &[&on[..], &["status"]].concat());
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let start = status["slots"][1]["partitions"][0]["start_bytes"].as_u64().unwrap();
    assert!(start > 4 * GIB, "slot b begins at {start}");
    let disk = File::open(folder.join("disk.img")).unwrap();
    let read = |at| {
        let mut block = [0; 4096];
        disk.read_exact_at(&mut block, start + at).unwrap();
        block
    };
    for (number, at) in ISLANDS.into_iter().enumerate() {
        assert!(read(at) == island(number), "the block at {at}");
    }
    assert!(read(BLOCK) == [0; 4096] && read(2 * GIB) == [0; 4096], "holes are zero");
}
