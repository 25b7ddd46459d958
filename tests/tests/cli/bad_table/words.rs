//! What people are told of a table that will not do: not the same words for every cause.

use std::fs;

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::device::Device;
use tests::gpt_copy::GptCopy;
use tests::tool;

use super::{BOTH, device_after, tells};

/// One line a copy, and what helps there: not the same words for every cause.
#[test]
fn no_valid_copy_says_why_of_each() {
    let device = Device::new();
    BOTH.map(|which| GptCopy::read(&device, which).with(60, b"U")).iter().for_each(|copy| copy.write(&device));
    tells(&device, "backup copy, LBA 40959: the GPT header's checksum does not hold").says("sgdisk --load-backup");
    let device = Device::new();
    for which in BOTH {
        let copy = GptCopy::read(&device, which);
        let last = copy.entry_field(1, 40);
        copy.with_entry(2, 32, &last.to_le_bytes()).summed().write(&device);
    }
    tells(&device, "LBA 1: GPT entries 1 and 2 overlap").says("correct the partitions");
    let dos = "label: dos\nstart=2048,size=8192,type=83\n";
    let device = Device::new();
    fs::write(device.disk(), vec![0; 20 << 20]).unwrap();
    fs::write(device.disk().with_extension("sfdisk"), dos).unwrap();
    let (disk, script) = (device.disk().display().to_string(), device.disk().with_extension("sfdisk"));
    tool::run("sh", &["-c", "sfdisk --quiet \"$0\" <\"$1\"", &disk, script.to_str().unwrap()]);
    tells(&device, "LBA 0: a DOS (MBR) partition table").says("--disk");
    let device = Device::with_sectors(BlockSize::B4096);
    let answer = device.run(&["--sector-size", "512", "status"]).exits(Exit::Disk);
    assert!(answer.stderr().contains("byte 4096: a GPT header, for sectors of 4096 bytes"), "{answer}");
    assert!(answer.stderr().contains("give --sector-size 4096"), "{answer}");
}

/// The label that is looked for stands beside those that are there, and what comes close to it is named.
#[test]
fn partition_missing_says_what_is_there() {
    for (sgdisk, line, next) in [
        ("--change-name=1:ROOT-A", "partition 1: label ROOT-A, type 4f68bce3", "sgdisk --change-name=1:root-a "),
        ("--typecode=2:8300", "partition 2: label root-b, type 0fc63daf", "sgdisk --typecode=2:4f68bce3"),
        ("--change-name=2:other", "partition 2: label other", "check that --profile and --disk belong together"),
    ] {
        let device = device_after(&[sgdisk]);
        let answer = device.run(&["status"]).exits(Exit::Disk).says(line).says(next);
        let label =
            if sgdisk.contains("=1:") { "looked for: label root-a, type " } else { "looked for: label root-b, type " };
        assert!(answer.stderr().contains(label), "{answer}");
    }
}
