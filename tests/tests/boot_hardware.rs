//! Other disks than virtio, and modules that the kernel decompresses: the names of nodes and partitions are the kernel's, and the hook finds
//! its disk all the same.

use libupdate::BlockSize;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Kernel, Release};
use tests::guest_medium::Bus;

/// An update is tried on this disk, marked good from inside, and the bits are seen from outside.
fn updates(board: Board, bus: Bus, sectors: BlockSize) -> String {
    let disk = GuestDisk::with_sectors(board, &Release::of("1.0"), sectors);
    disk.install(&Release::of("2.0"));
    let said = Machine { bus, ..Machine::does("json,mark-good,off") }.run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("guest: release 2.0 runs") && said.contains(r#""booted":"b""#), "{said}");
    assert!(said.contains("guest: mark-good ended with 0"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 1]));
    said
}

/// Which node the program in the guest found the slots on.
fn on(said: &str, node: &str) {
    assert!(said.contains(&format!(r#""disk":"{node}""#)), "{node}: {said}");
}

#[test]
fn an_nvme_disk() {
    on(&updates(Board::default(), Bus::Nvme, BlockSize::B512), "/dev/nvme0n1");
}

#[test]
fn an_nvme_disk_with_sectors_of_4096_bytes() {
    on(&updates(Board::default(), Bus::Nvme, BlockSize::B4096), "/dev/nvme0n1");
}

#[test]
fn a_scsi_disk() {
    on(&updates(Board::default(), Bus::Scsi, BlockSize::B512), "/dev/sda");
}

#[test]
fn an_sd_card() {
    on(&updates(Board::with(Kernel::Full), Bus::Mmc, BlockSize::B512), "/dev/mmcblk0");
}

#[test]
fn compressed_modules_are_the_kernels_to_decompress() {
    let board = Board::with(Kernel::Compressed);
    let modules = board.kernel.module_files(&["virtio_blk"]);
    assert!(modules.iter().all(|path| path.to_string_lossy().ends_with(".ko.xz")), "{modules:?}");
    on(&updates(board, Bus::Virtio, BlockSize::B512), "/dev/vda");
}
