//! The laboratory's disk, act by act: what fails in the act, what the act changed, and one of the states that a cut may leave of it.
//!
//! What an act wrote and did not flush is in the disk's cache when the next one begins.

use std::ops::Range;

use libupdate::{BlockCount, BlockIo, BlockSize, Lba};
use tests::chance::Chance;
use tests::crash::{Tears, windows};
use tests::medium::{Medium, Sector, Zone};
use tests::sim_disk::{Accesses, Event, Faults, SimDisk, SimError};

/// The access that fails, counted from 0, each kind for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// None.
    None,
    /// This read.
    Read(usize),
    /// This write.
    Write(usize),
    /// This flush.
    Flush(usize),
    /// The process is killed after so many writes and flushes.
    Killed(usize),
}

/// The disk did what it was told to.
pub type Failed = SimError;

/// The disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What it held when the act began, cache and all.
    before: Medium,
    /// What of that was durable.
    start: Medium,
    sim: SimDisk,
    /// What is durable now, and what is in the cache over it.
    durable: Medium,
    cached: Vec<(Lba, Vec<u8>)>,
    fault: Fault,
}

impl Disk {
    /// A disk of zeros, with the sectors of each slot.
    #[must_use]
    pub fn new(sizes: [BlockSize; 2], blocks: usize, slots: Vec<(Range<u64>, Zone)>) -> Self {
        Self::of(Medium::blank(sizes, BlockCount::new(blocks as u64), slots))
    }

    /// A disk that holds these bytes.
    #[must_use]
    pub fn holding(sizes: [BlockSize; 2], bytes: &[u8]) -> Self {
        let size = sizes[0].bytes();
        let used = (0..).zip(bytes.chunks(size)).filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let sectors = used.map(|(lba, sector)| (lba, Sector::new(sector))).collect();
        Self::of(Medium::blank(sizes, BlockCount::new((bytes.len() / size) as u64), vec![]).with(sectors))
    }

    fn of(medium: Medium) -> Self {
        let [before, start, durable] = [(); 3].map(|()| medium.clone());
        Self { before, start, sim: SimDisk::new(medium), durable, cached: Vec::new(), fault: Fault::None }
    }

    /// Forgets what was done, and fails anew from here on: an act begins, on a disk whose cache is as the one before left it.
    pub fn begin(&mut self, fault: Fault) {
        let mut faults = Faults::default();
        match fault {
            Fault::None => {}
            Fault::Read(number) => faults.read = Some(number),
            Fault::Write(number) => faults.write = Some(number),
            Fault::Flush(number) => faults.flush = Some(number),
            Fault::Killed(after) => faults.killed = Some(after),
        }
        let mut sim = SimDisk::new(self.durable.clone());
        for (at, bytes) in &self.cached {
            sim.write(*at, bytes).expect("nothing fails");
        }
        (self.before, self.start, self.fault) = (sim.content(), self.durable.clone(), fault);
        self.sim = sim.handed_over(faults);
    }

    /// Whether all that was written is durable.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.cached.is_empty()
    }

    /// The drive loses some of its cache, as it may where a flush failed.
    pub fn drop_some(&mut self, seed: u64) {
        self.begin(Fault::None);
        let mut windows = windows(&self.start, self.sim.log());
        let window = windows.last_mut().expect("a log has one");
        *self = Self::of(window.any(Tears::Never, &mut Chance::new(seed)).0);
    }

    /// What was to fail in the act. From here on nothing does; where something was, what the act did is forgotten.
    pub fn heal(&mut self) -> Fault {
        let fault = self.fault;
        if fault != Fault::None {
            self.begin(Fault::None);
        }
        fault
    }

    /// What fails in this act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Accesses since the act began.
    #[must_use]
    pub const fn accesses(&self) -> Accesses {
        self.sim.accesses()
    }

    /// What a read sees.
    #[must_use]
    pub fn content(&self) -> Medium {
        self.sim.content()
    }

    /// Bytes of the disk. A sector that was lost reads as zeros.
    #[must_use]
    pub fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        let (now, size) = (self.sim.content(), self.block_size().bytes());
        let first = range.start / size;
        let mut bytes = Vec::with_capacity(range.len() + 2 * size);
        for lba in first..range.end.div_ceil(size) {
            match now.sector(lba as u64).and_then(Sector::bytes) {
                Some(sector) => bytes.extend_from_slice(sector),
                None => bytes.resize(bytes.len() + size, 0),
            }
        }
        bytes[range.start - first * size..][..range.len()].to_vec()
    }

    /// Changes a sector behind the back of every act, on a disk whose cache is clean.
    pub fn edit(&mut self, lba: u64, edit: impl FnOnce(&mut [u8])) {
        let size = self.block_size().bytes();
        let start = usize::try_from(lba).expect("a small disk") * size;
        let mut bytes = self.bytes(start..start + size);
        edit(&mut bytes);
        *self = Self::of(self.sim.content().with([(lba, Sector::new(&bytes))].into_iter().collect()));
    }

    /// Addresses of the sectors that the act has changed.
    #[must_use]
    pub fn changed(&self) -> Vec<u64> {
        let now = self.sim.content();
        let differs = |lba: &u64| match (self.before.sector(*lba), now.sector(*lba)) {
            (Some(old), Some(new)) => !old.same(new),
            _ => true,
        };
        let mut written: Vec<u64> = self.sim.log().iter().flat_map(addresses).filter(differs).collect();
        written.sort_unstable();
        written.dedup();
        written
    }

    /// The power goes some time during the act, or right after it. Tells what that did.
    pub fn cut(&mut self, seed: u64) -> String {
        let mut chance = Chance::new(seed);
        let mut windows = windows(&self.start, self.sim.log());
        let (number, count) = (chance.below(windows.len()), windows.len());
        let tears = [Tears::Never, Tears::Inside, Tears::Lost][chance.below(3)];
        let (medium, story) = windows[number].any(tears, &mut chance);
        *self = Self::of(medium);
        format!("window {number} of {count}: {story}")
    }
}

fn addresses(event: &Event) -> Range<u64> {
    match event {
        Event::Write(first, sectors) => *first..*first + sectors.len() as u64,
        Event::Flush | Event::FailedFlush => 0..0,
    }
}

impl BlockIo for Disk {
    type Error = Failed;

    fn block_size(&self) -> BlockSize {
        self.sim.block_size()
    }
    fn physical_block_size(&self) -> BlockSize {
        self.sim.physical_block_size()
    }
    fn block_count(&self) -> BlockCount {
        self.sim.block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), Failed> {
        self.sim.read(at, buf)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), Failed> {
        self.sim.write(at, buf)?;
        self.cached.push((at, buf.to_vec()));
        Ok(())
    }
    fn flush(&mut self) -> Result<(), Failed> {
        self.sim.flush()?;
        self.durable = self.sim.content();
        self.cached.clear();
        Ok(())
    }
}
