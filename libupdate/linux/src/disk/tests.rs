//! Disk image files.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use tempfile::TempDir;

use libupdate::io::Ended;

use super::*;
use crate::error::Class;

/// A sparse image of so many bytes.
pub(super) fn image(bytes: u64) -> (TempDir, PathBuf) {
    image_in(tempfile::tempdir().unwrap(), bytes)
}

/// A sparse image of 4 MiB in the build folder, which is no tmpfs: that one is all page cache.
fn image_on_a_medium() -> (TempDir, PathBuf) {
    let program = std::env::current_exe().unwrap();
    image_in(tempfile::tempdir_in(program.parent().unwrap()).unwrap(), 4 << 20)
}

fn image_in(folder: TempDir, bytes: u64) -> (TempDir, PathBuf) {
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(bytes).unwrap();
    (folder, path)
}

/// Bytes that differ from sector to sector and never repeat a block.
pub(super) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let words = (0..).map(|at: u64| (at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    words.flatten().take(len).collect()
}

pub(super) fn extent(first: u64, last: u64) -> Extent {
    Extent::new(Lba::new(first), Lba::new(last), BlockSize::B512).unwrap()
}

const HOWS: [OpenHow; 4] = [
    OpenHow::read_write(),
    OpenHow { caching: Caching::Buffered, ..OpenHow::read_write() },
    OpenHow { sector_size: Some(BlockSize::B4096), ..OpenHow::read_write() },
    OpenHow { sector_size: Some(BlockSize::B4096), caching: Caching::Buffered, ..OpenHow::read_write() },
];

#[test]
fn whole_blocks_come_back_from_anywhere_in_memory_and_stand_in_the_file() {
    for how in HOWS {
        let (_folder, path) = image(8 << 20);
        let mut disk = Disk::open(&path, how).unwrap();
        let size = disk.block_size().bytes();
        assert_eq!(Some(disk.block_size()), how.sector_size.or(Some(BlockSize::B512)));
        // One sector, an odd number of them, more than the bounce buffer holds; memory aligned and not.
        for (count, shift, at) in [(1, 0, 1), (3, 1, 7), (1 << 10, 512, 33), ((2 << 20) / size, 8, 100), (5, 4096, 11)]
        {
            let bytes = pattern(shift + count * size, at);
            disk.write(Lba::new(at), &bytes[shift..]).unwrap();
            let mut back = vec![0; shift + count * size];
            disk.read(Lba::new(at), &mut back[shift..]).unwrap();
            assert!(back[shift..] == bytes[shift..], "{how:?} {count} {shift}");
            disk.flush().unwrap();
            disk.read(Lba::new(at), &mut back[shift..]).unwrap();
            assert!(back[shift..] == bytes[shift..], "{how:?} {count} {shift} after the flush");
            let mut foreign = vec![0; count * size];
            File::open(&path).unwrap().read_exact_at(&mut foreign, at * disk.block_size().bytes_u64()).unwrap();
            assert!(foreign == bytes[shift..], "{how:?} {count} {shift} through another descriptor");
        }
    }
}

/// The file system of the build folder must offer it, or nothing is learned here.
#[test]
fn data_go_around_the_page_cache_where_the_file_system_allows_it() {
    let (_folder, path) = image_on_a_medium();
    for (caching, in_cache) in [(Caching::Direct, 0), (Caching::Buffered, 1 << 20)] {
        // Nothing is probed, so nothing is read.
        let how = OpenHow { caching, sector_size: Some(BlockSize::B512), ..OpenHow::read_write() };
        let mut disk = Disk::open(&path, how).unwrap();
        disk.write(Lba::new(0), &pattern(1 << 20, 1)).unwrap();
        assert_eq!((disk.caching(), resident(&path)), (caching, in_cache));
    }
}

#[test]
fn after_a_flush_buffered_reads_come_from_the_medium() {
    let (_folder, path) = image_on_a_medium();
    let mut disk = Disk::open(&path, OpenHow { caching: Caching::Buffered, ..OpenHow::read_write() }).unwrap();
    disk.write(Lba::new(0), &pattern(4 << 20, 2)).unwrap();
    assert_eq!(resident(&path), 4 << 20);
    disk.flush().unwrap();
    assert_eq!(resident(&path), 0);
}

/// Bytes of the file in the page cache, by util-linux's look at mincore(2).
fn resident(path: &Path) -> u64 {
    let done =
        std::process::Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).arg(path).output();
    let text = String::from_utf8(done.expect("fincore is part of util-linux").stdout).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn offsets_over_four_gib_are_ordinary() {
    let (_folder, path) = image((5 << 30) + 512);
    let mut disk = Disk::open(&path, OpenHow::read_write()).unwrap();
    let last = disk.block_count().get() - 1;
    assert_eq!(last, (5 << 30) / 512);
    let bytes = pattern(1024, 3);
    disk.write(Lba::new(last - 1), &bytes).unwrap();
    disk.flush().unwrap();
    let mut back = vec![0; 1024];
    disk.read(Lba::new(last - 1), &mut back).unwrap();
    assert_eq!(back, bytes);
}

#[test]
fn a_file_that_is_no_whole_number_of_blocks_ends_at_its_last_whole_one() {
    let (_folder, path) = image(10_000);
    for (sector_size, blocks) in [(BlockSize::B512, 19), (BlockSize::B4096, 2)] {
        let how = OpenHow { sector_size: Some(sector_size), ..OpenHow::read_write() };
        let mut disk = Disk::open(&path, how).unwrap();
        assert_eq!(disk.block_count().get(), blocks);
        let block = pattern(sector_size.bytes(), 4);
        disk.write(Lba::new(blocks - 1), &block).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 10_000);
        for (at, len) in [(blocks, block.len()), (blocks - 1, 2 * block.len()), (0, 100), (u64::MAX, block.len())] {
            let error = disk.write(Lba::new(at), &vec![0; len]).unwrap_err();
            assert!(matches!(error.kind(), OsErrorKind::OutsideDisk { .. }), "{at} {len}");
            let error = disk.read(Lba::new(at), &mut vec![0; len]).unwrap_err();
            assert!(matches!(error.kind(), OsErrorKind::OutsideDisk { .. }), "{at} {len}");
        }
    }
}

#[test]
fn an_empty_file_has_no_blocks() {
    let (_folder, path) = image(0);
    let mut disk = Disk::open(&path, OpenHow::read_write()).unwrap();
    assert_eq!(disk.block_count().get(), 0);
    assert!(disk.read(Lba::new(0), &mut [0; 512]).is_err());
}

#[test]
fn a_file_that_is_made_shorter_meanwhile_is_told_so() {
    let (_folder, path) = image(1 << 20);
    let mut disk = Disk::open(&path, OpenHow::read_only()).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
    assert_eq!(*disk.read(Lba::new(16), &mut [0; 512]).unwrap_err().kind(), OsErrorKind::Ended);
}

#[test]
fn a_disk_opened_for_reading_refuses_writes_and_needs_no_flush() {
    let (_folder, path) = image(1 << 20);
    let mut disk = Disk::open(&path, OpenHow::read_only()).unwrap();
    let error = disk.write(Lba::new(0), &[0; 512]).unwrap_err();
    assert_eq!((error.kind(), error.class()), (&OsErrorKind::OpenedForReading, Class::Denied));
    disk.flush().unwrap();
}

#[test]
fn no_write_touches_a_protected_extent() {
    let (_folder, path) = image(1 << 20);
    let mut disk = Disk::open(&path, OpenHow::read_write()).unwrap();
    disk.protect(extent(100, 199), SlotId::B, Some(extent(180, 187)));
    for (at, blocks) in [(100, 1), (199, 1), (50, 51), (199, 5), (0, 400)] {
        let error = disk.write(Lba::new(at), &vec![1; blocks * 512]).unwrap_err();
        assert_eq!(
            (error.kind(), error.class()),
            (&OsErrorKind::BootedSlot { slot: SlotId::B }, Class::Booted),
            "{at}"
        );
    }
    for (at, blocks) in [(99, 1), (200, 1), (0, 100), (180, 8), (184, 2)] {
        disk.write(Lba::new(at), &vec![1; blocks * 512]).unwrap();
    }
    let mut back = vec![9; 100 * 512];
    disk.read(Lba::new(100), &mut back).unwrap();
    let spared: Vec<bool> = back.chunks(512).map(|block| block.iter().all(|byte| *byte == 1)).collect();
    assert!((0..100).all(|block| spared[block] == (80..88).contains(&block)), "only the spared part is written");
    assert!(back.iter().filter(|byte| **byte != 0).count() == 8 * 512);
}

#[test]
fn what_is_no_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |path: &Path| Disk::open(path, OpenHow::read_only()).unwrap_err().kind().clone();
    assert_eq!(fault(folder.path()), OsErrorKind::NotADisk);
    assert_eq!(fault(Path::new("/dev/null")), OsErrorKind::NotADisk);
    let missing = Disk::open(&folder.path().join("x"), OpenHow::read_only()).unwrap_err();
    assert_eq!((missing.errno(), missing.class()), (Some(Errno::NOENT), Class::Disk));
}

#[test]
fn the_sector_size_of_a_file_is_where_its_table_says() {
    use std::process::Command;
    let (_folder, path) = image(4 << 20);
    // sgdisk knows files as disks of 512-byte sectors only.
    let made = Command::new("sgdisk").args(["-n", "1:0:0"]).arg(&path).output().expect("gdisk is installed");
    assert!(made.status.success());
    let open = |sector_size| Disk::open(&path, OpenHow { sector_size, ..OpenHow::read_only() }).unwrap().block_size();
    assert_eq!(open(None), BlockSize::B512);
    assert_eq!(open(Some(BlockSize::B4096)), BlockSize::B4096, "--sector-size decides for files");
}

/// Tells how often it was waited for.
#[derive(Clone, Debug, Default)]
struct Waited(Rc<Cell<u32>>);

impl InFlight for Waited {
    fn write(&mut self, _: Place<'_>, _: &[u8]) -> Result<(), OsError> {
        Ok(())
    }

    fn read(&mut self, _: Place<'_>, _: &mut [u8], _: &mut Bounce) -> Result<(), OsError> {
        Ok(())
    }

    fn hold(&mut self, _: Place<'_>, _: usize) -> Result<bool, OsError> {
        Ok(false)
    }

    fn held(&self) -> &[u8] {
        &[]
    }

    fn settle(&mut self) -> Result<(), OsError> {
        self.0.set(self.0.get() + 1);
        Err(OsError::call(Path::new("disk"), "write", Errno::IO))
    }
}

#[test]
fn what_is_in_flight_is_waited_for_where_that_is_worth_it() {
    let (_folder, path) = image(1 << 20);
    let mut disk = Disk::open(&path, OpenHow::read_write()).unwrap();
    for (ended, waited, errno) in
        [(Ended::Done, 1, Some(Errno::IO)), (Ended::BundleFailed, 1, None), (Ended::Failed, 0, None)]
    {
        let queue = Waited::default();
        disk.queue = Some(Box::new(queue.clone()));
        let told = disk.end_in_flight(ended).err().and_then(|error| error.errno());
        assert_eq!((queue.0.get(), told), (waited, errno));
    }
}
