//! Linux itself: Debian's kernel in qemu, one boot for each command line, reads every image.
//!
//! The guest has a disk with all images one after the other, a disk of each size and kind that they have, and one for what it
//! found. It copies an image to the disk of its size, has the kernel read the partition table again, and notes what sysfs lists.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libupdate::BlockSize;
use tests::gpt_readers::Seen;
use tests::{tool, tree};

use super::{Rows, each_image};

/// What the package of today's Debian 12 holds; the rows of docs/POWER.md name it.
const VERSION: &str = "6.1.";
/// Of the unpacked kernel, in the order in which they need each other.
const MODULES: [&str; 6] = [
    "virtio/virtio_ring",
    "virtio/virtio_pci_modern_dev",
    "virtio/virtio_pci_legacy_dev",
    "virtio/virtio",
    "virtio/virtio_pci",
    "block/virtio_blk",
];
const FOUND_BYTES: usize = 4 << 20;

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
exec >/dev/ttyS0 2>&1
for module in $(cat /modules); do insmod "/$module" || echo "cannot load $module"; done
for disk in /sys/block/vd*; do
  read -r serial <"$disk/serial"
  eval "$serial=${disk##*/}"
done
while read -r number disk skip count; do
  eval "node=\$$disk"
  dd if="/dev/$images" of="/dev/$node" bs=4096 skip="$skip" count="$count" conv=fsync 2>/dev/null || echo "cannot write $disk"
  blockdev --rereadpt "/dev/$node" || echo "cannot read the table of $disk again"
  echo "$number"
  for part in "/sys/block/$node/$node"*; do
    [ -e "$part/start" ] || continue
    read -r start <"$part/start"
    read -r size <"$part/size"
    echo "$number ${part##*"$node"} $start $size"
  done
done </states >/found
echo end >>/found
dd if=/found of="/dev/$found" bs=4096 conv=fsync,sync 2>/dev/null
poweroff -f
"#;

pub fn without_gpt(bytes: &[u8], size: BlockSize, _: &Path) -> Seen {
    static FOUND: OnceLock<HashMap<u64, Seen>> = OnceLock::new();
    FOUND.get_or_init(|| boot("console=ttyS0 quiet panic=-1"))[&name_of(bytes, size)].clone()
}

pub fn with_gpt(bytes: &[u8], size: BlockSize, _: &Path) -> Seen {
    static FOUND: OnceLock<HashMap<u64, Seen>> = OnceLock::new();
    FOUND.get_or_init(|| boot("console=ttyS0 quiet panic=-1 gpt"))[&name_of(bytes, size)].clone()
}

/// First and last block: sysfs has no attributes.
pub const fn places([first, last, _]: [u64; 3]) -> [u64; 3] {
    [first, last, 0]
}

fn name_of(bytes: &[u8], size: BlockSize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (bytes, size.bytes()).hash(&mut hasher);
    hasher.finish()
}

/// What the guest works on, in files of one folder.
struct Work {
    /// Name and block size of each image, in order.
    images: Vec<(u64, BlockSize)>,
    /// Serial number of each disk; its bytes, and its block size.
    disks: BTreeMap<String, (usize, BlockSize)>,
    /// Lines of `/states`: number, disk, first 4096 bytes, how many of them.
    states: String,
}

impl Work {
    fn prepare(dir: &Path) -> Self {
        let mut work = Self { images: Vec::new(), disks: BTreeMap::new(), states: String::new() };
        let mut seen = std::collections::HashSet::new();
        let (mut archive, mut at) = (fs::File::create(dir.join("images")).unwrap(), 0);
        each_image(|size, image| {
            let name = name_of(image, size);
            if !seen.insert(name) {
                return;
            }
            let disk = format!("disk{}x{}", image.len(), size.bytes());
            let pages = image.len() / 4096;
            assert_eq!(pages * 4096, image.len(), "the guest copies whole pages");
            writeln!(work.states, "{} {disk} {at} {pages}", work.images.len()).unwrap();
            work.disks.insert(disk, (image.len(), size));
            work.images.push((name, size));
            archive.write_all(image).unwrap();
            at += pages;
        });
        work.disks.insert("images".to_owned(), (at * 4096, BlockSize::B512));
        work.disks.insert("found".to_owned(), (FOUND_BYTES, BlockSize::B512));
        for (disk, (bytes, _)) in &work.disks {
            let file = fs::OpenOptions::new().create(true).append(true).open(dir.join(disk)).unwrap();
            file.set_len(u64::try_from(*bytes).unwrap()).unwrap();
        }
        work
    }

    /// From the lines that the guest wrote.
    fn read(&self, found: &str) -> HashMap<u64, Seen> {
        assert!(found.trim_end().ends_with("end"), "the guest did not come to its end");
        let mut rows: Vec<Option<Rows>> = vec![None; self.images.len()];
        for line in found.lines().filter(|line| *line != "end") {
            let fields: Vec<u64> = line.split(' ').map(|word| word.parse().expect(line)).collect();
            let number = usize::try_from(fields[0]).unwrap();
            let row = rows[number].get_or_insert_default();
            if let [_, partition, start, size] = fields[..] {
                // sysfs counts in 512 bytes, whatever the disk's block is.
                let per_block = self.images[number].1.bytes_u64() / 512;
                row.insert(u32::try_from(partition).unwrap(), [start / per_block, (start + size) / per_block - 1, 0]);
            }
        }
        let told = rows.into_iter().map(|rows| rows.expect("the guest looked at every image"));
        let told = told.map(|rows| (!rows.is_empty()).then_some(rows));
        self.images.iter().map(|(name, _)| *name).zip(told).collect()
    }
}

/// What a kernel with this command line finds on each image.
fn boot(command_line: &str) -> HashMap<u64, Seen> {
    let dir = tempfile::tempdir().unwrap();
    let work = Work::prepare(dir.path());
    let kernel = kernel();
    let release = kernel.file_name().unwrap().to_str().unwrap().strip_prefix("vmlinuz-").unwrap().to_owned();
    assert!(release.starts_with(VERSION), "docs/POWER.md names Linux {VERSION}, this is {release}");
    let initramfs = initramfs(dir.path(), &kernel, &release, &work.states);
    let mut line =
        vec!["300", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "512"];
    line.extend(["-no-user-config", "-nodefaults", "-nographic", "-monitor", "none", "-serial", "stdio", "-no-reboot"]);
    line.extend(["-kernel", kernel.to_str().unwrap(), "-initrd", initramfs.to_str().unwrap(), "-append", command_line]);
    let disks: Vec<String> = work.disks.iter().flat_map(|(name, (_, size))| disk(dir.path(), name, *size)).collect();
    line.extend(disks.iter().map(String::as_str));
    let console = tool::run("timeout", &line);
    assert!(!console.contains("cannot"), "{console}");
    let found = fs::read(dir.path().join("found")).unwrap();
    let len = found.iter().position(|byte| *byte == 0).unwrap_or(found.len());
    eprintln!("result: Linux {release} (`{command_line}`) read {} images", work.images.len());
    work.read(std::str::from_utf8(&found[..len]).unwrap_or_else(|error| panic!("{error}: {console}")))
}

/// Options for a disk whose file, id and serial number have this name.
fn disk(dir: &Path, name: &str, size: BlockSize) -> [String; 4] {
    let size = size.bytes();
    [
        "-drive".to_owned(),
        format!("if=none,id={name},format=raw,file={}", dir.join(name).display()),
        "-device".to_owned(),
        format!("virtio-blk-pci,drive={name},serial={name},logical_block_size={size},physical_block_size={size}"),
    ]
}

fn kernel() -> PathBuf {
    let script = tree::root().join("tests/shell/unpack.sh");
    let folder = tool::run("bash", &[script.as_os_str(), "linux-image-cloud-amd64".as_ref()]);
    let files = fs::read_dir(Path::new(folder.trim_end()).join("boot")).unwrap().map(|file| file.unwrap().path());
    files.into_iter().find(|path| path.to_string_lossy().contains("/vmlinuz-")).expect("the package holds a kernel")
}

fn initramfs(dir: &Path, kernel: &Path, release: &str, states: &str) -> PathBuf {
    let root = dir.join("root");
    for folder in ["bin", "dev", "sys"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let drivers = kernel.parent().unwrap().join(format!("../lib/modules/{release}/kernel/drivers"));
    let mut names = String::new();
    for module in MODULES {
        let name = format!("{}.ko", module.rsplit('/').next().unwrap());
        fs::copy(drivers.join(format!("{module}.ko")), root.join(&name)).unwrap();
        writeln!(names, "{name}").unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for (name, text) in [("init", INIT), ("states", states), ("modules", &names)] {
        fs::write(root.join(name), text).unwrap();
    }
    let image = dir.join("initramfs");
    let script = "chmod 755 \"$0/init\" && cd \"$0\" && find . | cpio --quiet -o -H newc >\"$1\"";
    tool::run("sh", &["-c".as_ref(), script.as_ref(), root.as_os_str(), image.as_os_str()]);
    image
}
