//! The partition that becomes `/var`: a file system is made where there is none, and filled once from the image's own `/var`.
//!
//! ```text
//!  0                                    end - 64 KiB (of the size rounded down to 64 KiB)
//!  | file system                        | "made here" 4096 | not used     |
//!
//!  blank ─► mark written ─► mkfs.ext4 of the slot ─► mark erased ─► empty ─► .updater-fills ─► copied ─► .updater-fills removed ─► /var
//! ```
//! 1. Each arrow flushes. A cut leaves the mark, or the folder: what is there is then ours alone, and is made anew.
//! 2. Only a blank partition is written to: its first and last MiB, where every file system, volume manager and cipher has its
//!    signature, are zeros, and so is all that is read between. Whatever else is there is left alone.
//! 3. An empty file system is filled, whoever made it. One that holds anything is the system's, unless it has the folder: then it was half
//!    filled, or the system asks for a reset (`libupdate_linux::var`), and is emptied.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate_linux::var::{self, REQUEST};
use rustix::fs::OFlags;
use rustix::process::{Signal, WaitOptions, kill_process, waitpid};

use crate::copy;
use crate::kernel;
use crate::trash;
use crate::watchdog::Watchdog;
use libupdate_linux::filesystem;

/// The file system that is made.
pub const KIND: &str = "ext4";
/// Programs of the slot that make it.
const MAKERS: [&str; 4] = ["/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4", "/sbin/mke2fs", "/usr/sbin/mke2fs"];
/// It takes a second, and the disk may be slow.
const MAKING: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);
const MARK: &[u8; 32] = b"updater: a file system is made.\n";
/// Bytes of a block, on the partition and in memory.
const BLOCK: u64 = 4096;
const PIECE: usize = 4096;
const RESERVED: u64 = 64 << 10;
/// The superblock of ext4, and its magic.
const SUPERBLOCK: usize = 1024;
const EXT4: [u8; 2] = 0xef53_u16.to_le_bytes();
/// The one file system whose first 64 KiB are not used, and its magic.
const BTRFS: &[u8; 8] = b"_BHRfS_M";
const BTRFS_AT: u64 = 65_600;
/// Read at both ends, in full.
const EDGE: u64 = 1 << 20;
/// Blocks read between them, in even steps.
const PROBES: u64 = 1024;

/// What stands on the partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Zeros.
    Blank,
    /// An earlier boot was cut short as it made a file system.
    HalfMade,
    /// Something.
    Used,
}

/// Looks at the partition.
///
/// # Errors
/// What the system says.
pub fn state(file: &File, size: u64) -> io::Result<State> {
    let Some(mark) = mark_at(size) else { return Ok(State::Used) };
    let mut block = [0; PIECE];
    file.read_exact_at(&mut block, mark)?;
    if block.starts_with(MARK) {
        return Ok(if is_covered(file, mark)? { State::Used } else { State::HalfMade });
    }
    let last = size.saturating_sub(EDGE);
    let edges = [0, last].into_iter().flat_map(|from| (from..from + EDGE).step_by(PIECE));
    let between = (1..PROBES).map(|number| (last / PROBES).saturating_mul(number) & !(BLOCK - 1));
    for at in edges.chain(between) {
        file.read_exact_at(&mut block, at)?;
        // A mark that was torn is none, and nothing else was written then.
        let of_mark = |byte: u64| (mark..mark + BLOCK).contains(&byte);
        if (at..).zip(&block).any(|(at, byte)| *byte != 0 && !of_mark(at)) {
            return Ok(State::Used);
        }
    }
    Ok(State::Blank)
}

/// Whether a file system of another maker reaches over the mark, which is a piece of somebody's file then. What `mkfs.ext4` leaves of its
/// first KiB and a half at any moment is zeros, or a superblock that ends before the mark: one sector, so never a part of one.
fn is_covered(file: &File, mark: u64) -> io::Result<bool> {
    let (mut head, mut btrfs) = ([0; 1536], [0; BTRFS.len()]);
    file.read_exact_at(&mut head, 0)?;
    file.read_exact_at(&mut btrfs, BTRFS_AT)?;
    let (boot, superblock) = head.split_at(SUPERBLOCK);
    let number = |at: usize| superblock[at..].first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    if boot.iter().chain(superblock).all(|byte| *byte == 0) {
        return Ok(btrfs == *BTRFS);
    }
    // Bytes of its blocks: `s_blocks_count_lo`, `s_log_block_size`, `s_blocks_count_hi` of the kernel's ext4 documentation.
    let blocks = (number(0x150) << 32) | number(4);
    let bytes =
        1024_u64.checked_shl(u32::try_from(number(0x18)).unwrap_or(u32::MAX)).and_then(|size| size.checked_mul(blocks));
    let is_ours = boot.iter().all(|byte| *byte == 0) && superblock[0x38..].starts_with(&EXT4);
    Ok(!is_ours || bytes.is_none_or(|bytes| bytes > mark))
}

/// Makes the file system on a partition that is blank or half made.
///
/// # Errors
/// Why there is none, in words.
pub fn make(root: &Path, node: &Path, size: u64, watchdog: &mut Watchdog) -> Result<(), String> {
    let inside = |maker: &&&str| filesystem::open_inside(root, Path::new(maker), OFlags::PATH).is_ok();
    let maker =
        MAKERS.iter().find(inside).ok_or("it is blank, and the slot has no mkfs.ext4 to make a file system with")?;
    let mark = mark_at(size).ok_or("it is too small for a file system")?;
    let file = File::options().read(true).write(true).open(node).map_err(|error| error.to_string())?;
    let write = |text: &[u8]| {
        let mut block = [0; PIECE];
        block[..text.len()].copy_from_slice(text);
        file.write_all_at(&block, mark).and_then(|()| file.sync_all()).map_err(|error| format!("its mark: {error}"))
    };
    write(MARK)?;
    let made = with_nodes(root, || run(root, maker, node, mark, watchdog));
    made?;
    file.sync_all().map_err(|error| error.to_string())?;
    write(&[])
}

/// Lends the slot's programs the nodes of this machine.
fn with_nodes(root: &Path, act: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let nodes = root.join("dev");
    rustix::mount::mount_bind("/dev", &nodes).map_err(|error| format!("the slot's /dev: {error}"))?;
    let done = act();
    filesystem::unmount(&nodes);
    done
}

fn run(root: &Path, maker: &str, node: &Path, size: u64, watchdog: &mut Watchdog) -> Result<(), String> {
    let node = node.to_str().ok_or("its node has no name")?;
    // In blocks: without a size it would take the mark for its own.
    let blocks = (size / BLOCK).to_string();
    let words = [maker, "-q", "-F", "-t", KIND, "-b", "4096", "-E", "nodiscard", node, &blocks];
    let told = |error: io::Error| format!("{maker}: {error}");
    let child = kernel::spawn_in(root, &words).map_err(told)?;
    let until = Instant::now() + MAKING;
    let mut ended = |how| {
        watchdog.feed();
        waitpid(Some(child), how).map_err(|errno| told(errno.into()))
    };
    loop {
        match ended(WaitOptions::NOHANG)? {
            Some((_, status)) if status.exit_status() == Some(0) => return Ok(()),
            Some((_, status)) => return Err(format!("{maker} failed ({})", status.as_raw())),
            None if Instant::now() < until => sleep(POLL),
            None => {
                kill_process(child, Signal::KILL).map_err(|errno| told(errno.into()))?;
                ended(WaitOptions::empty())?;
                return Err(format!("{maker} took more than {} s", MAKING.as_secs()));
            }
        }
    }
}

/// What became of a file system that was mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filled {
    /// It was empty, or half filled.
    Now,
    /// It holds what the system left there.
    Earlier,
}

/// Fills an empty file system from the image's own `/var`; one that is to be emptied, or half filled, is emptied first.
///
/// # Errors
/// What the system says. The next boot begins anew.
pub fn fill(from: &Path, at: &Path, watchdog: &mut Watchdog) -> io::Result<Filled> {
    let fills = at.join(REQUEST);
    if var::is_asked(at) {
        trash::empty(at, &fills, watchdog)?;
    } else if holds_anything(at)? {
        return Ok(Filled::Earlier);
    } else {
        fs::create_dir(&fills)?;
    }
    var::flush(at)?;
    copy::content(from, at, watchdog)?;
    var::flush(at)?;
    fs::remove_dir(&fills)?;
    var::flush(at)?;
    Ok(Filled::Now)
}

/// Whether somebody has put something there.
fn holds_anything(at: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(at)? {
        if entry?.file_name() != trash::OF_ITS_OWN {
            return Ok(true);
        }
    }
    Ok(false)
}

/// First byte of the mark, which is the file system's end; `None` where there is no room for both.
fn mark_at(size: u64) -> Option<u64> {
    let mark = (size & !(RESERVED - 1)).checked_sub(RESERVED)?;
    (mark >= EDGE).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trash::OF_ITS_OWN;

    const SIZE: u64 = (8 << 20) + 512;

    fn partition() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        file
    }

    #[test]
    fn zeros_are_blank_and_nothing_else_is() {
        assert_eq!(state(&partition(), SIZE).unwrap(), State::Blank);
        // LUKS and XFS, ext4, btrfs, ZFS's second label, md at the end, a byte in the middle.
        let middle = ((SIZE - (1 << 20)) / PROBES * 400) & !4095;
        for at in [0, 1080, 65_600, 262_144, SIZE - 8192, SIZE - 1, middle] {
            let file = partition();
            file.write_all_at(b"x", at).unwrap();
            assert_eq!(state(&file, SIZE).unwrap(), State::Used, "{at}");
        }
    }

    #[test]
    fn a_mark_says_that_it_is_ours_and_a_torn_one_that_nothing_was_begun() {
        let mark = mark_at(SIZE).unwrap();
        assert_eq!(mark, (8 << 20) - (64 << 10));
        let file = partition();
        file.write_all_at(MARK, mark).unwrap();
        file.write_all_at(b"half an ext4", 1536).unwrap();
        assert_eq!(state(&file, SIZE).unwrap(), State::HalfMade);
        let file = partition();
        file.write_all_at(&MARK[..7], mark).unwrap();
        assert_eq!(state(&file, SIZE).unwrap(), State::Blank);
        // With it torn and something else there, it is somebody's.
        file.write_all_at(b"x", 0).unwrap();
        assert_eq!(state(&file, SIZE).unwrap(), State::Used);
    }

    /// Who may write files could else have the partition made anew: a file system that was not made here has file content there.
    #[test]
    fn a_mark_inside_somebodys_file_system_is_a_piece_of_a_file() {
        let mark = mark_at(SIZE).unwrap();
        let with = |pieces: &[(u64, &[u8])]| {
            let file = partition();
            file.write_all_at(MARK, mark).unwrap();
            pieces.iter().for_each(|(at, bytes)| file.write_all_at(bytes, *at).unwrap());
            state(&file, SIZE).unwrap()
        };
        let ext4 = |blocks: u64| {
            let blocks = u32::try_from(blocks).unwrap().to_le_bytes();
            with(&[(1028, &blocks), (1048, &[2]), (1080, &EXT4)])
        };
        assert_eq!(ext4(mark / 4096), State::HalfMade);
        assert_eq!(ext4(mark / 4096 + 1), State::Used);
        assert_eq!(with(&[(1048, &[200]), (1080, &EXT4)]), State::Used);
        assert_eq!(with(&[(0, b"XFSB")]), State::Used);
        assert_eq!(with(&[(1024, &[0x10, 0x20, 0xf5, 0xf2])]), State::Used, "f2fs");
        assert_eq!(with(&[(65_600, BTRFS)]), State::Used);
    }

    #[test]
    fn a_partition_without_room_is_left_alone() {
        let file = partition();
        for size in [0, 512, 1 << 20] {
            assert_eq!(state(&file, size).unwrap(), State::Used, "{size}");
        }
    }

    #[test]
    fn an_empty_file_system_is_filled_once_and_a_half_filled_one_anew() {
        let folder = tempfile::tempdir().unwrap();
        let [from, at] = ["from", "at"].map(|name| folder.path().join(name));
        fs::create_dir_all(from.join("lib")).unwrap();
        fs::create_dir_all(at.join(OF_ITS_OWN)).unwrap();
        let fill = || super::fill(&from, &at, &mut Watchdog::arm(None)).unwrap();
        assert_eq!(fill(), Filled::Now);
        fs::write(at.join("lib/state"), "the system's").unwrap();
        assert_eq!(fill(), Filled::Earlier);
        assert!(at.join("lib/state").exists() && !at.join(REQUEST).exists());
        // As a cut leaves it: the folder, and a part.
        fs::create_dir(at.join(REQUEST)).unwrap();
        fs::write(at.join("torn"), "").unwrap();
        assert_eq!(fill(), Filled::Now);
        assert!(at.join("lib").is_dir() && !at.join("lib/state").exists() && !at.join("torn").exists());
        assert!(at.join(OF_ITS_OWN).exists() && !at.join(REQUEST).exists());
    }
}
