//! Takes the steps of a plan. Dull on purpose: every decision was taken before.

use crate::error::{Error, Medium, TableFault};
use crate::gpt::write::plan::{Plan, Region, Step};
use crate::gpt::{CopyId, Header, pieces};
use crate::io::{self, BlockIo};
use crate::units::block::Lba;

/// What the blocks of a plan shall hold.
pub(super) trait Content {
    /// The header that a copy shall have, its checksum aside. `None` for a copy that is not written.
    fn header(&self, copy: CopyId) -> Option<Header>;

    /// The header that a copy had when the plan was made. `None` for one that did not hold.
    fn base(&self, copy: CopyId) -> Option<Header>;

    /// Puts to `buf` what the blocks of `piece` shall hold.
    fn fill<D: BlockIo>(&self, disk: &mut D, piece: Region, buf: &mut [u8]) -> Result<(), Error<D::Error>>;
}

/// Whether an act goes on when the disk refuses the backup in the middle of it. A backup that reads back wrong without an error of the
/// disk always ends the act: somebody else writes there, or the disk lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backup {
    /// It goes on: the primary carries the change alone, and a cut that tears it leaves no table. For a boot, which cannot wait.
    Optional,
    /// It ends, and the primary is whole and has the old bits. For every other act.
    Required,
}

/// Takes every step. Returns what went wrong with a backup that is optional.
pub(super) fn run<D: BlockIo, C: Content>(
    disk: &mut D,
    plan: &Plan,
    content: &C,
    backup: Backup,
    scratch: &mut [u8],
) -> Result<Option<Error<D::Error>>, Error<D::Error>> {
    let mut lost = None;
    for step in plan.steps() {
        let copy = match step {
            Step::Write(region) => Some(region.copy),
            Step::Compare(copy) | Step::ReadBack(copy) | Step::ReadBackHeader(copy) => Some(*copy),
            Step::Flush => None,
        };
        if copy == Some(CopyId::Backup) && lost.is_some() {
            continue;
        }
        match take(disk, *step, content, scratch) {
            // A flush belongs to no copy: where it fails, the act fails.
            Err(error @ Error::Medium(Medium::Failed(_)))
                if copy == Some(CopyId::Backup) && backup == Backup::Optional =>
            {
                lost = Some(error);
            }
            result => result?,
        }
    }
    Ok(lost)
}

fn take<D: BlockIo, C: Content>(
    disk: &mut D,
    step: Step,
    content: &C,
    scratch: &mut [u8],
) -> Result<(), Error<D::Error>> {
    match step {
        Step::Write(region) => write(disk, region, content, scratch),
        Step::Flush => io::flush(disk),
        Step::Compare(copy) => compare(disk, content.base(copy), scratch),
        Step::ReadBackHeader(copy) => read_back_header(disk, content.header(copy), scratch).map(|_| ()),
        Step::ReadBack(copy) => {
            let header = read_back_header(disk, content.header(copy), scratch)?;
            let crc = pieces(disk, &header, scratch, |_, _| {})?;
            if crc == header.entries_crc() { Ok(()) } else { Err(TableFault::ReadBack.into()) }
        }
    }
}

fn write<D: BlockIo, C: Content>(
    disk: &mut D,
    region: Region,
    content: &C,
    scratch: &mut [u8],
) -> Result<(), Error<D::Error>> {
    let block = disk.block_size().bytes_u64();
    let room = scratch_blocks(disk, scratch);
    let mut done = 0;
    while done < region.blocks {
        let blocks = room.min(region.blocks.saturating_sub(done));
        let first = region.first.plus(done).unwrap_or(region.first);
        let bytes = usize::try_from(blocks.saturating_mul(block)).unwrap_or_default();
        let buf = scratch.get_mut(..bytes).unwrap_or_default();
        content.fill(disk, Region { first, blocks, ..region }, buf)?;
        io::write(disk, first, buf)?;
        done = done.saturating_add(blocks);
    }
    Ok(())
}

/// # Errors
/// [`TableFault::ChangedUnderUs`] where the copy is no longer what the plan was made on: whoever changed it takes no lock.
fn compare<D: BlockIo>(disk: &mut D, base: Option<Header>, scratch: &mut [u8]) -> Result<(), Error<D::Error>> {
    let base = base.ok_or(TableFault::ChangedUnderUs)?;
    let block = scratch.get_mut(..disk.block_size().bytes()).unwrap_or_default();
    io::read(disk, base.my_lba(), block)?;
    let found = Header::parse(block, base.my_lba(), disk.block_count(), disk.block_size());
    if found != Ok(base) || pieces(disk, &base, scratch, |_, _| {})? != base.entries_crc() {
        return Err(TableFault::ChangedUnderUs.into());
    }
    Ok(())
}

/// Whole blocks that fit the scratch: one at least, once its size was checked.
pub(super) fn scratch_blocks<D: BlockIo>(disk: &D, scratch: &[u8]) -> u64 {
    crate::units::bytes::len_u64(scratch).div_euclid(disk.block_size().bytes_u64()).max(1)
}

fn read_back_header<D: BlockIo>(
    disk: &mut D,
    expected: Option<Header>,
    scratch: &mut [u8],
) -> Result<Header, Error<D::Error>> {
    let expected = expected.ok_or(TableFault::ReadBack)?;
    let block = scratch.get_mut(..disk.block_size().bytes()).unwrap_or_default();
    let at: Lba = expected.my_lba();
    io::read(disk, at, block)?;
    let found = Header::parse(block, at, disk.block_count(), disk.block_size()).map_err(|_| TableFault::ReadBack)?;
    if found.same_fields(&expected) { Ok(found) } else { Err(TableFault::ReadBack.into()) }
}
