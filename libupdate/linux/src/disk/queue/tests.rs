use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, mpsc};

use rustix::fs::OFlags;
use tempfile::TempDir;

use super::*;
use crate::disk::Caching;
use crate::lent::SharedBuf;

const LEN: usize = 6 << 20;

/// A file of noise, opened by hand and through a medium. Not on a temporary file system that may lack direct access.
struct Bench {
    _folder: TempDir,
    path: PathBuf,
    medium: Medium,
    end: u64,
}

impl Bench {
    fn new(caching: Caching) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, noise(1, LEN)).unwrap();
        let medium = Medium::open(&path, OFlags::RDWR, caching).unwrap();
        Self { _folder: folder, path, medium, end: len_u64(&[0; LEN]) }
    }

    fn at(&self, at: u64) -> Place<'_> {
        Place { medium: &self.medium, at, end: self.end }
    }

    fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        File::open(&self.path).unwrap().read_exact_at(&mut bytes, at).unwrap();
        bytes
    }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

/// Looks at the bytes in place where the queue holds them, and reads them where it does not.
fn read(queue: &mut Queue, place: Place<'_>, len: usize) -> Result<Vec<u8>, OsError> {
    if queue.hold(place, len)? {
        return Ok(queue.held().to_vec());
    }
    let mut bytes = AlignedBuf::new(len);
    queue.read(place, &mut bytes, &mut Bounce::default())?;
    Ok(bytes.to_vec())
}

/// Random accesses of all sizes, against the same done to memory.
#[test]
fn reads_see_every_write_whatever_is_in_flight() {
    for (seed, caching, threads) in [(7, Caching::Direct, 4), (8, Caching::Buffered, 4), (9, Caching::Direct, 0)] {
        let bench = Bench::new(caching);
        let mut model = noise(1, LEN);
        let mut queue = Queue::of(threads);
        let dice = noise(seed, 3 * 8 * 600);
        let mut rolls = dice.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let (mut row, sizes) = ([0_u64; 2], [4096, 8192, 65_536, 131_072, 524_288, 1_048_576]);
        while let (Some(what), Some(size), Some(place)) = (rolls.next(), rolls.next(), rolls.next()) {
            let len = sizes[usize::try_from(size % 6).unwrap()];
            let most = (bench.end - len_u64(&vec![0; len])) / 4096;
            // Half of all accesses follow the last one of their kind.
            let kind = usize::from(what % 2 == 0);
            let at = if what % 8 < 4 { row[kind].min(most) } else { place % most };
            row[kind] = at + (len_u64(&vec![0; len]) / 4096);
            let range = usize::try_from(at * 4096).unwrap()..usize::try_from(at * 4096).unwrap() + len;
            if kind == 0 {
                assert!(read(&mut queue, bench.at(at * 4096), len).unwrap() == model[range], "at block {at}");
            } else {
                let bytes = if what % 5 == 0 { vec![0; len] } else { noise(place, len) };
                let mut lent = SharedBuf::new(len);
                lent.fill().unwrap().copy_from_slice(&bytes);
                queue.lending.lend((what % 3 == 0).then_some(&lent));
                let written = if what % 3 == 0 { lent.bytes() } else { &bytes };
                queue.write(bench.at(at * 4096), written).unwrap();
                model[range].copy_from_slice(&bytes);
            }
            if what % 61 == 0 {
                queue.settle().unwrap();
                assert!(bench.bytes(0, LEN) == model, "settled");
            }
        }
        queue.settle().unwrap();
        drop(queue);
        assert!(bench.bytes(0, LEN) == model, "{caching:?}");
    }
}

#[test]
fn a_write_that_failed_is_told_and_nothing_is_settled_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, vec![0; LEN]).unwrap();
    // A descriptor that takes no writes.
    let medium = Medium::open(&path, OFlags::RDONLY, Caching::Buffered).unwrap();
    let place = |at| Place { medium: &medium, at, end: len_u64(&[0; LEN]) };
    for (len, threads) in [(4096, 0), (524_288, 0), (4096, 4), (524_288, 4)] {
        let mut queue = Queue::of(threads);
        let first = queue.write(place(0), &vec![1; len]);
        assert!(first.is_err() || queue.settle().is_err());
        queue.settle().unwrap_err();
        queue.write(place(1 << 20), &vec![1; len]).unwrap_err();
        read(&mut queue, place(0), 4096).unwrap_err();
    }
}

#[test]
fn what_cannot_be_read_fails_where_it_is_asked_for_and_not_before() {
    let bench = Bench::new(Caching::Buffered);
    let mut queue = Queue::new(Lending::default());
    // The file is shorter than the disk is said to be.
    let place = |at| Place { medium: &bench.medium, at, end: bench.end * 2 };
    for at in (0..bench.end).step_by(524_288) {
        assert!(read(&mut queue, place(at), 524_288).unwrap() == bench.bytes(at, 524_288));
    }
    read(&mut queue, place(bench.end), 524_288).unwrap_err();
    assert!(read(&mut queue, place(0), 4096).is_ok(), "a read that failed is over");
}

#[test]
fn chunks_in_a_row_are_held_and_not_copied() {
    let bench = Bench::new(Caching::Direct);
    let mut queue = Queue::new(Lending::default());
    read(&mut queue, bench.at(0), 524_288).unwrap();
    read(&mut queue, bench.at(524_288), 524_288).unwrap();
    for at in (1 << 20..bench.end).step_by(524_288) {
        assert!(queue.hold(bench.at(at), 524_288).unwrap(), "at byte {at}");
        assert!(queue.held() == bench.bytes(at, 524_288));
    }
    assert!(!queue.hold(bench.at(bench.end), 4096).unwrap());
    assert_eq!(queue.held(), [0; 0]);
    assert!(queue.made[0] <= LARGE);
}

#[test]
fn zeros_leave_a_hole_a_hole_and_erase_data() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(Caching::Direct);
    let file = File::options().write(true).open(&bench.path).unwrap();
    file.set_len(2 * bench.end).unwrap();
    file.sync_all().unwrap();
    let before = file.metadata().unwrap().blocks();
    let mut queue = Queue::new(Lending::default());
    let place = |at| Place { medium: &bench.medium, at, end: bench.end * 2 };
    queue.write(place(bench.end + (1 << 20)), &vec![0; 1 << 20]).unwrap();
    queue.settle().unwrap();
    assert_eq!(file.metadata().unwrap().blocks(), before);
    queue.write(place(1 << 20), &vec![0; 1 << 20]).unwrap();
    queue.settle().unwrap();
    assert_eq!(bench.bytes(1 << 20, 1 << 20), vec![0; 1 << 20]);
    assert_eq!(bench.bytes(0, 1 << 20), noise(1, LEN)[..1 << 20]);
}

/// Who gave up does not wait for what no thread has begun.
#[test]
fn what_is_abandoned_is_not_begun() {
    for abandoned in [true, false] {
        let bench = Bench::new(Caching::Direct);
        let before = bench.bytes(0, 524_288);
        let (orders, taken) = mpsc::channel();
        let (told, done) = mpsc::channel();
        for ticket in 0..3 {
            let (medium, buf) = (bench.medium.clone(), AlignedBuf::new(524_288));
            orders.send((ticket, Order { what: What::Write, medium, at: 0, len: buf.len(), buf })).unwrap();
        }
        drop(orders);
        crew::work(&Mutex::new(taken), &told, &AtomicBool::new(abandoned));
        assert_eq!(
            (done.try_iter().count(), bench.bytes(0, 524_288) == before),
            if abandoned { (0, true) } else { (3, false) }
        );
    }
}

#[test]
fn a_write_that_failed_says_where() {
    let bench = Bench::new(Caching::Buffered);
    let medium = Medium::open(&bench.path, OFlags::RDONLY, Caching::Buffered).unwrap();
    let mut queue = Queue::new(Lending::default());
    let place = Place { medium: &medium, at: 1 << 20, end: bench.end };
    let told = queue.write(place, &vec![1; 524_288]).and_then(|()| queue.settle()).unwrap_err();
    assert!(told.to_string().contains("an access made earlier: cannot write"), "{told}");
    assert!(told.to_string().contains("at byte 1048576: Bad file descriptor"), "{told}");
}

/// What is lent goes to the device as it is, at most six at once, and is its reader's own again when it is written.
#[test]
fn what_is_lent_is_not_copied_and_comes_back() {
    let bench = Bench::new(Caching::Direct);
    let lending = Lending::default();
    let mut queue = Queue::new(lending.clone());
    let mut bufs: Vec<SharedBuf> = (0..12).map(|_| SharedBuf::new(CHUNK_BYTES)).collect();
    for (place, buf) in bufs.iter_mut().enumerate() {
        buf.fill().unwrap().copy_from_slice(&noise(len_u64(&vec![0; place]) + 50, CHUNK_BYTES));
        lending.lend(Some(buf));
        queue.write(bench.at(len_u64(&vec![0; place * CHUNK_BYTES])), buf.bytes()).unwrap();
        assert!((1..=LENT).contains(&queue.lent));
    }
    assert_eq!(queue.made, [0, 0], "no memory of the queue's own");
    lending.lend(None);
    queue.settle().unwrap();
    assert_eq!(queue.lent, 0);
    for (place, buf) in bufs.iter_mut().enumerate() {
        assert!(bench.bytes(len_u64(&vec![0; place * CHUNK_BYTES]), CHUNK_BYTES) == buf.bytes(), "{place}");
        assert!(buf.fill().is_some(), "{place} is held by nobody else");
    }
}
