//! Block devices and full or read-only file systems, the real ones: loop devices and small tmpfs mounts. As root, or with a
//! `sudo` that asks nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::tests::{extent, image, pattern};
use super::*;
use crate::error::Class;
use crate::eventually::eventually;
use crate::lock::Lock;

/// What the program prints; its failure is the test's.
fn root(program: &str, arguments: &[&str]) -> String {
    run_as_root(program, arguments).unwrap_or_else(|error| panic!("{program} {arguments:?}: {error}"))
}

fn run_as_root(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", program]);
        sudo
    };
    let done = command.args(arguments).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

/// A loop device over a file, with partitions as the kernel is told of them.
struct Loop {
    _folder: TempDir,
    node: PathBuf,
    partitions: RefCell<BTreeSet<String>>,
}

impl Loop {
    /// 16 MiB.
    fn new(sector_size: &str) -> Self {
        let (folder, path) = image(16 << 20);
        let node = root("losetup", &["--sector-size", sector_size, "--find", "--show", path.to_str().unwrap()]);
        let made = Self { _folder: folder, node: node.into(), partitions: RefCell::default() };
        made.open_to_all(&made.node);
        made
    }

    /// By BLKPG, which counts in 512-byte units: no table is read, as on a kernel without EFI partitions.
    fn add_partition(&self, number: &str, first: u64, units: u64) -> PathBuf {
        root("addpart", &[self.text(), number, &first.to_string(), &units.to_string()]);
        self.partitions.borrow_mut().insert(number.to_owned());
        let node = PathBuf::from(format!("{}p{number}", self.text()));
        self.open_to_all(&node);
        node
    }

    fn open_to_all(&self, node: &Path) {
        if !rustix::process::geteuid().is_root() {
            root("chmod", &["666", node.to_str().unwrap()]);
        }
    }

    fn text(&self) -> &str {
        self.node.to_str().unwrap()
    }

    fn open(&self) -> Disk {
        Disk::open(&self.node, OpenHow::read_write()).unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.partitions
            .borrow()
            .iter()
            .for_each(|number| drop(eventually(|| run_as_root("delpart", &[self.text(), number]))));
        root("losetup", &["--detach", self.text()]);
    }
}

/// A mounted tmpfs.
struct Mounted(TempDir);

impl Mounted {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Self(folder);
        root("mount", &["-t", "tmpfs", "-o", &format!("mode=777,{options}"), "tmpfs", mounted.text()]);
        mounted
    }

    fn text(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        eventually(|| run_as_root("umount", &[self.text()]));
    }
}

fn number(number: u32) -> EntryNumber {
    EntryNumber::new(number).unwrap()
}

fn read(disk: &mut Disk, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    disk.read(Lba::new(at), &mut bytes).unwrap();
    bytes
}

#[test]
fn a_device_knows_its_size_and_its_sectors() {
    for (text, size) in [("512", BlockSize::B512), ("4096", BlockSize::B4096)] {
        let device = Loop::new(text);
        let mut disk = device.open();
        assert_eq!((disk.block_size(), disk.physical_block_size()), (size, size));
        assert_eq!(disk.block_count().get() * size.bytes_u64(), 16 << 20);
        assert!(matches!(disk.kind(), DiskKind::Device(_)));
        let bytes = pattern(3 * size.bytes(), 5);
        disk.write(Lba::new(7), &bytes).unwrap();
        disk.flush().unwrap();
        assert_eq!(read(&mut disk, 7, bytes.len()), bytes);
        let other = if size == BlockSize::B512 { BlockSize::B4096 } else { BlockSize::B512 };
        let how = OpenHow { sector_size: Some(other), ..OpenHow::read_only() };
        let error = Disk::open(&device.node, how).unwrap_err();
        assert_eq!(*error.kind(), OsErrorKind::SectorSizeDiffers { asked: other, device: size });
    }
}

#[test]
fn a_partition_is_reached_through_its_own_node_and_is_no_disk() {
    let device = Loop::new("512");
    let (first, second) = (device.add_partition("1", 2048, 1024), device.add_partition("3", 4096, 1024));
    let mut disk = device.open();
    let DiskKind::Device(whole) = disk.kind().clone() else { panic!("not a device") };
    assert_eq!(whole.partition_node(number(1)).unwrap(), Some(first.clone()));
    assert_eq!(whole.partition_node(number(2)).unwrap(), None);
    assert_eq!(*Disk::open(&first, OpenHow::read_only()).unwrap_err().kind(), OsErrorKind::NotAWholeDisk);
    disk.route_partition(number(1), extent(2048, 3071));
    disk.route_partition(number(2), extent(3072, 4095));
    disk.route_partition(number(3), extent(4096, 5119));
    assert_eq!(disk.map.routes.len(), 2, "no node, no route");
    // From before the first partition to past the second, in one access: five ways.
    let bytes = pattern(4096 * 512, 6);
    disk.write(Lba::new(1500), &bytes).unwrap();
    assert!(disk.map.routes.iter().all(|route| matches!(route.medium, Some((_, Mode::ReadWrite)))));
    assert!(read(&mut disk, 1500, bytes.len()) == bytes);
    disk.flush().unwrap();
    let node = fs::read(&second).unwrap();
    assert!(node == bytes[(4096 - 1500) * 512..(5120 - 1500) * 512], "what another reader of the node sees");
}

#[test]
fn a_4kn_partition_lies_where_512_byte_units_say() {
    let device = Loop::new("4096");
    let node = device.add_partition("1", 2048, 1024);
    let mut disk = device.open();
    let here = Extent::new(Lba::new(256), Lba::new(383), BlockSize::B4096).unwrap();
    disk.route(here, node.clone()).unwrap();
    let bytes = pattern(4096, 7);
    disk.write(Lba::new(383), &bytes).unwrap();
    disk.flush().unwrap();
    assert_eq!(fs::read(&node).unwrap()[127 * 4096..], bytes);
}

#[test]
fn a_node_that_is_not_where_the_table_says_is_refused() {
    let device = Loop::new("512");
    let node = device.add_partition("1", 2048, 1024);
    let mut disk = device.open();
    for wrong in [extent(2049, 3072), extent(2048, 3072), extent(2047, 3071)] {
        let error = disk.route(wrong, node.clone()).unwrap_err();
        assert!(matches!(error.kind(), OsErrorKind::NodeDiffers { .. }), "{error}");
    }
    // The kernel's table changes between the look and the first write.
    disk.route(extent(2048, 3071), node.clone()).unwrap();
    eventually(|| run_as_root("delpart", &[device.text(), "1"]));
    device.add_partition("1", 2048, 2048);
    let error = disk.write(Lba::new(2048), &[1; 512]).unwrap_err();
    assert!(matches!(error.kind(), OsErrorKind::NodeDiffers { .. }), "{error}");
    assert_eq!(error.class(), Class::Disk);
}

/// The node of one slot is missing, or lies elsewhere: that partition is out of reach, and no other.
#[test]
fn a_node_that_cannot_be_used_stands_in_the_way_of_its_own_partition_only() {
    let device = Loop::new("512");
    device.add_partition("1", 2048, 1024);
    let second = device.add_partition("2", 4096, 1024);
    root("rm", &[second.to_str().unwrap()]);
    let mut disk = device.open();
    disk.route_partition(number(1), extent(2048, 3071));
    disk.route_partition(number(2), extent(4096, 5119));
    disk.write(Lba::new(2048), &[1; 512]).unwrap();
    for error in [disk.read(Lba::new(4096), &mut [0; 512]), disk.write(Lba::new(5119), &[1; 512])] {
        assert_eq!(error.unwrap_err().errno(), Some(Errno::NOENT));
    }
    assert_eq!(disk.claim(extent(4096, 5119)).unwrap_err().errno(), Some(Errno::NOENT));
    assert_eq!(read(&mut disk, 2048, 512), [1; 512]);
    let mut disk = device.open();
    disk.route_partition(number(1), extent(2048, 3072));
    let error = disk.read(Lba::new(2048), &mut [0; 512]).unwrap_err();
    assert!(matches!(error.kind(), OsErrorKind::NodeDiffers { .. }), "{error}");
}

#[test]
fn a_node_that_somebody_uses_is_read_but_never_written() {
    let device = Loop::new("512");
    let node = device.add_partition("1", 2048, 2048);
    let here = extent(2048, 4095);
    let held = medium_held(&node);
    let mut disk = device.open();
    disk.route(here, node.clone()).unwrap();
    assert_eq!(read(&mut disk, 2048, 512), [0; 512]);
    let error = disk.write(Lba::new(2048), &[1; 512]).unwrap_err();
    assert_eq!(*error.kind(), OsErrorKind::InUse { by: "another process has it for itself".into() });
    drop(held);
    eventually(|| disk.write(Lba::new(2048), &[1; 512]));
    drop(disk);
    eventually(|| run_as_root("mkfs.ext2", &["-q", node.to_str().unwrap()]));
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    root("mount", &[node.to_str().unwrap(), at]);
    let mut disk = device.open();
    disk.route(here, node).unwrap();
    let error = disk.write(Lba::new(2048), &[1; 512]);
    eventually(|| run_as_root("umount", &[at]));
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.class()), (&OsErrorKind::InUse { by: format!("mounted at {at}") }, Class::Busy));
}

/// The node, opened by somebody for itself.
fn medium_held(node: &Path) -> File {
    medium::open(node, OFlags::RDONLY | OFlags::EXCL).unwrap()
}

#[test]
fn the_table_lock_meets_the_whole_disks_node() {
    let device = Loop::new("512");
    let disk = device.open();
    let lock = Lock::table(&disk).unwrap();
    let flock = || Command::new("flock").args(["--nonblock", device.text(), "true"]).status().expect("util-linux");
    assert!(!flock().success(), "udev would be let in");
    drop(lock);
    eventually(|| if flock().success() { Ok(()) } else { Err("still locked") });
}

/// A file system on 4Kn sectors takes no direct access of 512 bytes: those go through the page cache, the rest around it.
#[test]
fn small_sectors_on_a_4kn_file_system_see_each_others_writes() {
    let device = Loop::new("4096");
    root("mkfs.ext2", &["-q", "-b", "4096", device.text()]);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    root("mount", &[device.text(), at]);
    root("chmod", &["777", at]);
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let mut disk = Disk::open(&path, OpenHow { sector_size: Some(BlockSize::B512), ..OpenHow::read_write() }).unwrap();
    let (large, small) = (pattern(1 << 20, 9), pattern(512, 10));
    let mut wanted = large.clone();
    disk.write(Lba::new(0), &large).unwrap();
    for sector in [1, 8, 2047] {
        disk.write(Lba::new(sector), &small).unwrap();
        wanted[usize::try_from(sector).unwrap() * 512..][..512].copy_from_slice(&small);
        assert!(read(&mut disk, 0, 1 << 20) == wanted, "before the flush, sector {sector}");
    }
    disk.flush().unwrap();
    assert!(read(&mut disk, 0, 1 << 20) == wanted);
    assert_eq!(read(&mut disk, 8, 512), small);
    disk.write(Lba::new(0), &large).unwrap();
    assert_eq!(read(&mut disk, 1, 512), large[512..1024]);
    let caching = disk.caching();
    drop(disk);
    eventually(|| run_as_root("umount", &[at]));
    assert_eq!(caching, Caching::Direct);
}

#[test]
fn a_full_file_system_is_told_apart() {
    let mount = Mounted::new("size=64k");
    let path = mount.0.path().join("disk.img");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let mut disk = Disk::open(&path, OpenHow::read_write()).unwrap();
    let error = disk.write(Lba::new(0), &pattern(1 << 20, 8)).unwrap_err();
    assert_eq!((error.errno(), error.class()), (Some(Errno::NOSPC), Class::NoSpace));
}

#[test]
fn a_read_only_file_system_is_told_apart() {
    let mount = Mounted::new("size=1m");
    let path = mount.0.path().join("disk.img");
    File::create(&path).unwrap().set_len(8192).unwrap();
    root("mount", &["-o", "remount,ro", mount.text()]);
    let error = Disk::open(&path, OpenHow::read_write()).unwrap_err();
    assert_eq!((error.errno(), error.class()), (Some(Errno::ROFS), Class::Denied));
    let mut disk = Disk::open(&path, OpenHow::read_only()).unwrap();
    assert_eq!(read(&mut disk, 0, 8192), [0; 8192]);
}
