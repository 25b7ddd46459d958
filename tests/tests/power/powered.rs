//! A simulated disk for stores of `libupdate-linux`, and one count of steps for the disk and what is beside it: after so many, nothing is done
//! any more.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use libupdate::boot::Guard;
use libupdate::device::{Board as Rules, Device, Listener, News, OnGrown, Room, Work};
use libupdate::gpt::TriesLeft;
use libupdate::inspect::View;
use libupdate::install::NoDecompressor;
use libupdate::install::progress::{Flow, Observer, Progress};
use libupdate::loader::{Counting, Loader};
use libupdate::policy::Compression;
use libupdate::{BlockCount, BlockIo, BlockSize, Lba, SlotId, SoftHasher};
use libupdate_linux::{OsError, OsErrorKind};
use tests::board::{Board, COMPATIBLE};
use tests::medium::{Medium, Sectors};
use tests::sim_disk::{Event, SimDisk, SimError};

/// Steps that are left before the power goes, and those that were done.
#[derive(Clone, Debug, Default)]
pub struct Power {
    left: Rc<Cell<Option<usize>>>,
    done: Rc<Cell<usize>>,
}

impl Power {
    /// It goes after so many steps.
    pub fn for_steps(steps: usize) -> Self {
        let power = Self::default();
        power.left.set(Some(steps));
        power
    }

    /// Steps that were done.
    pub fn done(&self) -> usize {
        self.done.get()
    }

    /// One step, if there is power for it.
    pub fn step(&self) -> Result<(), OsError> {
        match self.left.get() {
            Some(0) => Err(failed("the power is gone")),
            left => {
                self.left.set(left.map(|left| left - 1));
                self.done.set(self.done.get() + 1);
                Ok(())
            }
        }
    }

    /// Whether nothing can be done any more.
    fn is_gone(&self) -> bool {
        self.left.get() == Some(0)
    }
}

/// What the models report.
pub fn failed(why: &str) -> OsError {
    OsError::new(Path::new("model"), OsErrorKind::File { act: "use", why: why.to_owned() })
}

/// The disk.
#[derive(Debug)]
pub struct PoweredDisk {
    start: Medium,
    disk: SimDisk,
    power: Power,
}

/// What becomes of writes that no flush came after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unflushed {
    Kept,
    Lost,
}

impl PoweredDisk {
    pub fn new(start: &Medium, power: &Power) -> Self {
        Self { start: start.clone(), disk: SimDisk::new(start.clone()), power: power.clone() }
    }

    /// What the next start finds.
    pub fn after(&self, unflushed: Unflushed) -> Medium {
        if unflushed == Unflushed::Kept {
            return self.disk.content().flattened();
        }
        let log = self.disk.log();
        let flushed = log.iter().rposition(|event| matches!(event, Event::Flush)).unwrap_or_default();
        let mut sectors = Sectors::default();
        for event in &log[..flushed] {
            if let Event::Write(at, written) = event {
                sectors.extend((*at..).zip(written.iter().cloned()));
            }
        }
        self.start.with(sectors).flattened()
    }
}

fn told(error: SimError) -> OsError {
    failed(error.0)
}

impl BlockIo for PoweredDisk {
    type Error = OsError;

    fn block_size(&self) -> BlockSize {
        self.disk.block_size()
    }
    fn physical_block_size(&self) -> BlockSize {
        self.disk.physical_block_size()
    }
    fn block_count(&self) -> BlockCount {
        self.disk.block_count()
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), OsError> {
        if self.power.is_gone() {
            return Err(failed("the power is gone"));
        }
        self.disk.read(at, buf).map_err(told)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), OsError> {
        self.power.step()?;
        self.disk.write(at, buf).map_err(told)
    }
    fn flush(&mut self) -> Result<(), OsError> {
        self.power.step()?;
        self.disk.flush().map_err(told)
    }
}

/// Hears which tries were taken.
#[derive(Debug, Default)]
pub struct Heard(pub Vec<(SlotId, u8, Counting)>);

impl Observer for Heard {
    fn progress(&mut self, _: Progress) -> Flow {
        Flow::Continue
    }
}

impl Listener for Heard {
    fn hear(&mut self, news: &News<'_>) {
        if let News::TriesTaken(slot, left, counting) = news {
            self.0.push((*slot, left.get(), *counting));
        }
    }
}

/// One act of a device that runs from `booted` and has `loader`.
pub fn act<'b, T>(
    board: &'b Board,
    booted: Option<SlotId>,
    disk: &mut PoweredDisk,
    loader: &mut dyn Loader<PoweredDisk>,
    act: impl FnOnce(
        &mut Device<'_, 'b, PoweredDisk>,
        &mut Room<'b>,
        &mut Work<'_, SoftHasher, NoDecompressor>,
        &mut Heard,
    ) -> T,
) -> (T, Heard) {
    let (specs, anchors) = (board.specs, &board.anchors);
    let view = View { compatible: COMPATIBLE, specs, anchors, booted, compression: Compression::None };
    let tries = |tries| TriesLeft::new(tries).expect("at most 15");
    let rules = Rules { view, tries: tries(3), guard: Guard::new(tries(0)), backup: OnGrown::Moves };
    let (mut data, mut scratch, mut room) = (vec![0; 512 << 10], vec![0; 64 << 10], Box::<Room<'b>>::default());
    let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
    let mut work = Work::new(&mut data, hasher, decompressor);
    let mut heard = Heard::default();
    let mut device = Device::new(disk, rules, &mut scratch).with_loader(Some(loader));
    (act(&mut device, &mut room, &mut work, &mut heard), heard)
}
