//! A table made for a smaller disk than the one it stands on.

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::device::Device;
use tests::gpt_copy::{GptCopy, Which};
use tests::workshop::Workshop;

use super::resize;

/// An image that was copied to a larger disk: `status` says where its backup is, and the first act moves it there, so that the loss of the
/// start of the disk costs nothing.
#[test]
fn a_backup_on_a_disk_that_grew_is_moved_by_the_first_act() {
    let workshop = Workshop::shared();
    let bundle = workshop.bundle_text(2);
    for line in [vec!["mark-good"], vec!["install", &bundle], vec!["rollback", "--slot", "a"]] {
        for sectors in [BlockSize::B512, BlockSize::B4096] {
            let device = Device::with_sectors(sectors);
            resize(&device, 64 << 20);
            assert_eq!(device.status()["gpt"]["backup_bytes_before_end"], 64 << 20);
            device.run(&["status"]).exits(Exit::Done);
            let shown = device.run(&["status"]);
            let words =
                "backup valid, but 64.0 MiB before the disk's end: `repair` moves it there, and so does the next act";
            assert!(shown.stdout().contains(words), "{shown}");
            // A boot writes no more than it must.
            device.does(&["choose", "--spend"]);
            assert_eq!(device.status()["gpt"]["backup_bytes_before_end"], 64 << 20);
            device.run(&line).exits(Exit::Done).says("moved the backup copy of the partition table to the disk's end");
            assert_eq!(device.status()["gpt"]["backup_bytes_before_end"], 0);
            let wanted = (device.slot("a"), device.slot("b"));
            device.put(0, &vec![0; 34 * sectors.bytes()]);
            assert_eq!((device.slot("a"), device.slot("b")), wanted, "the table is lost");
            device.does(&["repair"]);
            assert_eq!(device.status()["gpt"]["primary"], "valid");
        }
    }
}

/// Beside the table's disk, somebody may keep something at the end of a larger one. An older backup is nobody's.
#[test]
fn a_backup_is_moved_over_nothing_that_is_somebodys() {
    let grown = || {
        let device = Device::new();
        resize(&device, 8 << 20);
        (u64::try_from(device.bytes().len()).unwrap(), device)
    };
    let (len, device) = grown();
    device.put(len - 8192, b"bootdelay=2");
    let answer = device.run(&["mark-good"]).exits(Exit::Done).says("its last blocks are not empty");
    assert_eq!(answer.stderr().matches("its last blocks are not empty").count(), 1, "{answer}");
    assert_eq!(device.range(len - 8192, 11), b"bootdelay=2");
    assert_eq!(device.status()["gpt"]["backup_bytes_before_end"], 8 << 20);
    device.does(&["repair"]);
    assert_eq!(device.status()["gpt"]["backup_bytes_before_end"], 0);
    for fill in [0xff, 0] {
        let (len, device) = grown();
        device.put(len - 33 * 512, &vec![fill; 33 * 512]);
        if fill == 0 {
            let older = GptCopy::read(&Device::new(), Which::Backup);
            device.put(len - 33 * 512, &older.entries);
            device.put(len - 512, &older.header);
        }
        device.does(&["mark-good"]);
        assert_eq!(device.status()["gpt"]["backup_bytes_before_end"], 0);
    }
}
