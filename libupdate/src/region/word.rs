//! The words left on a slot: its [`Verdict`], why it was passed over or not marked good; and the question that a person answers by
//! confirming its trial.
//!
//! ```text
//!  install, a person confirms:  sealed ─► ask, flush ─► arm ─► boot ─┬─ mark-good in time ─► good
//!                                                                  └─ not ─► mark-bad, restart ─► the old slot
//!  a slot does not hold:        passed over, or its trial ended ─► explain, flush ─► `status` on the slot that boots instead
//! ```
//!
//! # Durability
//! Each stands in a block of its own in the trailer region of the slot's first partition. No image, hash block, trailer or other word
//! shares it, and no decision of the chooser needs it, so a cut leaves the old word, the new one, or a torn one, which is none. A question
//! is asked before the slot is armed: no trial that waits for a person boots without it, but where the cut fell before the arming.

use crate::error::{Corrupt, Error, NoSpace};
use crate::io::{self, BlockIo, Window};
use crate::region::Block;
use crate::region::boot_note::Verdict;
use crate::slot::Slot;
use crate::units::digest::Digest;

/// The word on the slot, if it is about this manifest. One that is missing, torn or cannot be read is none.
pub fn about<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, manifest: Digest, block: &mut Block) -> Option<Verdict> {
    any(disk, slot, block).filter(|word| word.manifest == manifest)
}

/// The word on the slot, whatever it is about.
pub fn any<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, block: &mut Block) -> Option<Verdict> {
    read(disk, slot, block).ok()
}

fn read<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, block: &mut Block) -> Result<Verdict, Error<D::Error>> {
    let partition = slot.partitions.first().ok_or(Corrupt::VerdictMissing)?;
    Verdict::read(&mut Window::new(disk, partition.extent), block)
}

/// Seconds that a person has to confirm the trial of this manifest; `None` where nobody needs to.
pub fn asked<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, manifest: Digest, block: &mut Block) -> Option<u32> {
    question(disk, slot, block).ok().and_then(|question| question.confirm_within(manifest))
}

fn question<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, block: &mut Block) -> Result<Verdict, Error<D::Error>> {
    let partition = slot.partitions.first().ok_or(Corrupt::VerdictMissing)?;
    Verdict::read_question(&mut Window::new(disk, partition.extent), block)
}

/// Asks a person, or nobody, to confirm the trial that is about to be armed. Touches the disk only where that is not so already; a
/// block that a cut left unreadable is written, too.
///
/// # Durability
/// What it wrote is durable when it returns; what was there already is by the first flush of arming. See the module.
/// # Errors
/// [`Error::Io`]: the slot must not be armed then.
pub fn ask<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    manifest: Digest,
    within: Option<u32>,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let found = match question(disk, slot, block) {
        Ok(question) => Some(question.confirm_within(manifest)),
        Err(Error::Io(_)) => None,
        Err(_) => Some(None),
    };
    if found == Some(within) {
        return Ok(());
    }
    let question = within.map(|seconds| Verdict::awaiting(manifest, seconds));
    on(disk, slot, |window| Verdict::write_question(question.as_ref(), window, block))
}

/// Leaves the word on the slot, but not the same one again: flash wears.
///
/// # Durability
/// Durable when it returns; see the module.
/// # Errors
/// [`Error::Io`].
pub fn explain<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    word: &Verdict,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let same = |old: &Verdict| (old.reason, old.manifest, &old.detail) == (word.reason, word.manifest, &word.detail);
    if any(disk, slot, block).as_ref().is_some_and(same) {
        // Somebody left it there, and perhaps no flush of theirs returned.
        return io::flush(disk);
    }
    on(disk, slot, |window| word.write(window, block))
}

fn on<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    write: impl FnOnce(&mut Window<'_, D>) -> Result<(), Error<D::Error>>,
) -> Result<(), Error<D::Error>> {
    let Some(partition) = slot.partitions.first() else {
        return Err(NoSpace::NoTrailerRegion { size: crate::units::block::ByteLen::new(0) }.into());
    };
    let mut window = Window::new(disk, partition.extent);
    write(&mut window)?;
    window.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::{Attributes, EntryNumber};
    use crate::io::ram_disk::{Op, RamDisk};
    use crate::region::boot_note::{Detail, Reason};
    use crate::slot::Partition;
    use crate::units::block::{BlockSize, Extent, Lba};
    use crate::units::slot_id::SlotId;
    use crate::units::time::UnixSeconds;

    fn slot() -> Slot<'static> {
        let extent = Extent::new(Lba::new(2), Lba::new(30), BlockSize::B4096).unwrap();
        let entry = EntryNumber::new(1).unwrap();
        let mut partitions = heapless::Vec::new();
        partitions.push(Partition { role: "root", label: "root-a", entry, extent }).unwrap();
        Slot { id: SlotId::A, control: entry, attributes: Attributes::new(0), partitions }
    }

    fn disk() -> RamDisk {
        RamDisk::new(BlockSize::B4096, 40)
    }

    fn writes(disk: &RamDisk) -> usize {
        assert!(disk.log.last().is_none_or(|last| *last == Op::Flush), "not flushed");
        disk.log.iter().filter(|op| **op != Op::Flush).count()
    }

    const MANIFEST: Digest = Digest::new([4; 32]);

    #[test]
    fn a_question_is_written_once_and_taken_back_once() {
        let (mut disk, slot, mut block) = (disk(), slot(), [0; 4096]);
        ask(&mut disk, &slot, MANIFEST, None, &mut block).unwrap();
        assert_eq!(writes(&disk), 0, "nobody was asked before");
        for _ in 0..2 {
            ask(&mut disk, &slot, MANIFEST, Some(600), &mut block).unwrap();
            assert_eq!((writes(&disk), asked(&mut disk, &slot, MANIFEST, &mut block)), (1, Some(600)));
        }
        assert_eq!(asked(&mut disk, &slot, Digest::new([5; 32]), &mut block), None);
        ask(&mut disk, &slot, MANIFEST, None, &mut block).unwrap();
        assert_eq!((writes(&disk), asked(&mut disk, &slot, MANIFEST, &mut block)), (2, None));
    }

    #[test]
    fn a_word_leaves_the_question_alone() {
        let (mut disk, slot, mut block) = (disk(), slot(), [0; 4096]);
        ask(&mut disk, &slot, MANIFEST, Some(600), &mut block).unwrap();
        let (reason, at, detail) = (Reason::RESTARTED, UnixSeconds::UNKNOWN, Detail::new(""));
        explain(&mut disk, &slot, &Verdict { reason, manifest: MANIFEST, at, detail }, &mut block).unwrap();
        assert_eq!(asked(&mut disk, &slot, MANIFEST, &mut block), Some(600));
        assert_eq!(about(&mut disk, &slot, MANIFEST, &mut block).map(|word| word.reason), Some(reason));
    }

    #[test]
    fn a_block_that_cannot_be_read_is_written_and_says_nothing() {
        let (mut disk, slot, mut block) = (disk(), slot(), [0; 4096]);
        disk.bad_reads.push(31 - 7);
        assert_eq!(asked(&mut disk, &slot, MANIFEST, &mut block), None);
        ask(&mut disk, &slot, MANIFEST, None, &mut block).unwrap();
        assert_eq!(writes(&disk), 1);
        disk.bad_writes.push(31 - 7);
        assert!(ask(&mut disk, &slot, MANIFEST, Some(1), &mut block).is_err());
    }

    #[test]
    fn the_same_word_is_not_written_twice_but_for_another_reason_or_manifest() {
        let (mut disk, slot, mut block) = (disk(), slot(), [0; 4096]);
        let word = |reason, at, detail: &str| Verdict {
            reason,
            manifest: MANIFEST,
            at: UnixSeconds::new(at),
            detail: Detail::new(detail),
        };
        let all = [
            (word(Reason::MOUNT, 1, "x"), 1),
            (word(Reason::MOUNT, 2, "x"), 1),
            (word(Reason::MOUNT, 2, "y"), 2),
            (word(Reason::NO_INIT, 2, "y"), 3),
            (Verdict { manifest: Digest::new([5; 32]), ..word(Reason::NO_INIT, 2, "y") }, 4),
        ];
        for (word, times) in all {
            explain(&mut disk, &slot, &word, &mut block).unwrap();
            assert_eq!(writes(&disk), times, "{word:?}");
        }
        assert_eq!(about(&mut disk, &slot, MANIFEST, &mut block), None);
        assert!(about(&mut disk, &slot, Digest::new([5; 32]), &mut block).is_some());
    }
}
