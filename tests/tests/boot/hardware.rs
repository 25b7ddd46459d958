//! Other disks than virtio, and modules that the kernel decompresses: the names of nodes and partitions are the kernel's, and the hook finds
//! its disk all the same.

use libupdate::BlockSize;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Kernel, Release};
use tests::guest_medium::Bus;
use tests::tool;

/// An update is tried on this disk, marked good from inside, and the bits are seen from outside.
fn updates(board: Board, bus: Bus, sectors: BlockSize) -> String {
    updates_beside(&[], board, bus, sectors)
}

/// The same, with more devices in the machine.
fn updates_beside(devices: &'static [&'static str], board: Board, bus: Bus, sectors: BlockSize) -> String {
    let disk = GuestDisk::with_sectors(board, &Release::of("1.0"), sectors);
    disk.install(&Release::of("2.0"));
    let said = Machine { bus, devices, ..Machine::does("json,mark-good,off") }.run(&disk);
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
fn an_nvme_disk_with_several_paths() {
    on(&updates(Board::default(), Bus::NvmePaths, BlockSize::B512), "/dev/nvme0n1");
}

#[test]
fn a_scsi_disk() {
    let said = updates_beside(STRAY, Board::default(), Bus::Scsi, BlockSize::B512);
    on(&said, "/dev/sda");
    for why in ["/dev/vda has sectors of 2048 bytes", "cannot read /dev/vdb"] {
        assert!(
            said.lines().any(|line| line.starts_with("updater: a drive is passed over") && line.contains(why)),
            "{said}"
        );
    }
    // The program takes the disk that the hook names, and looks at no other.
    assert!(!said.contains("warning: "), "{said}");
}

/// A disc with sectors of 2048 bytes, and a drive that fails every access.
const STRAY: &[&str] = &[
    "-blockdev",
    "driver=null-co,node-name=disc,size=4194304,read-zeroes=on",
    "-device",
    "virtio-blk-pci,drive=disc,logical_block_size=2048,physical_block_size=2048",
    "-blockdev",
    "driver=blkdebug,node-name=broken,image.driver=null-co,image.size=4194304,inject-error.0.event=none,inject-error.0.errno=5",
    "-device",
    "virtio-blk-pci,drive=broken",
];

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

/// What is said to a module by its name reaches it, in the words of modprobe.
#[test]
fn words_for_modules_on_the_kernels_command_line() {
    let disk = GuestDisk::provisioned(Board::PLAIN, &Release::of("1.0"));
    let words = "dm_verity.prefetch-cluster=65536 overlay.index=\"as you like\" modprobe.blacklist=squashfs,loop";
    let said = Machine { words, ..Machine::does("prefetch,off") }.run(&disk);
    assert!(said.contains("guest: dm-verity prefetches 65536"), "{said}");
    let told = "the module /modules/overlay.ko does not take index=\"as you like\" of the kernel's command line";
    assert!(said.contains(told) && !said.contains("cannot be loaded"), "{said}");
    assert!(
        said.contains("the module /modules/squashfs.ko is not loaded: the kernel's command line says so"),
        "{said}"
    );
    assert!(said.contains("updater: slot a boots: version 1.0"), "{said}");
}

/// A port that the kernel knows and the machine has not got, and one that has no driver yet: there the first process has no stdin,
/// stdout and stderr. What is said stands in the kernel's log.
#[test]
fn consoles_that_are_not_there() {
    let disk = GuestDisk::provisioned(Board::PLAIN, &Release::of("1.0"));
    let log = "earlyprintk=serial,ttyS0,keep loglevel=7 printk.devkmsg=on";
    for console in ["ttyS3", "ttyUSB0"] {
        let words: &str = format!("{log} console={console}").leak();
        let said = Machine { words, ..Machine::does("mark-good,off") }.run(&disk);
        assert!(said.contains("updater: slot a boots: version 1.0"), "{words}: {said}");
        assert!(said.contains("guest: mark-good ended with 0"), "{words}: {said}");
    }
    assert_eq!(disk.bits('a'), [1, 3, 1]);
}

#[test]
fn a_kernel_that_decompresses_no_modules_has_it_told() {
    let disk = GuestDisk::provisioned(Board::PLAIN, &Release::of("1.0"));
    // Behind the board's own initramfs: the kernel unpacks both, and later files replace earlier ones.
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let own = disk.kit().initramfs(disk.board());
    let [files, both] = ["files", "both"].map(|name| folder.path().join(name));
    let list = std::fs::read_to_string(own.with_extension("tree").join("etc/updater/modules")).unwrap();
    std::fs::create_dir_all(files.join("etc/updater")).unwrap();
    std::fs::write(files.join("etc/updater/modules"), format!("{list}/loop.ko.xz\n")).unwrap();
    let module = disk.board().kernel.module_files(&["loop"]).pop().unwrap();
    let (files, both_name, own) = (files.display(), both.display(), own.display());
    let script = format!(
        "xz --check=crc32 -c '{}' >'{files}/loop.ko.xz'; cp '{own}' '{both_name}'; cd '{files}' && find . | cpio --quiet -o -H newc -R 0:0 >>'{both_name}'",
        module.display()
    );
    tool::run("sh", &["-e", "-c", &script]);
    let said = Machine { initramfs: Some(both), ..Machine::does("off") }.run(&disk);
    let told =
        "updater: the module /loop.ko.xz cannot be loaded: this kernel decompresses no modules: put it there as .ko";
    assert!(said.contains(told), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted, 2 tries left"), "{said}");
}
