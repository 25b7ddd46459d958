//! The question to a person on a slot, who confirms its trial.
//!
//! ```text
//!  install, a person confirms:  sealed ─► ask, flush ─► arm ─► boot ─┬─ mark-good in time ─► good
//!                                                                  └─ not ─► mark-bad, restart ─► the old slot
//! ```
//!
//! # Durability
//! The question has a block of its own in the trailer region of the slot's first partition. No image, hash block, trailer or boot note
//! shares it, so a cut leaves the old question, the new one, or a torn one, which is none. A question is asked before the slot is armed:
//! no trial that waits for a person boots without it, unless the cut came before the arming.

use crate::error::{Corrupt, Error, Medium, Rule};
use crate::io::{BlockIo, Window};
use crate::region::Block;
use crate::region::boot_note::{self, BootNote};
use crate::slot::Slot;
use crate::units::digest::Digest;

/// Seconds that a person has to confirm the trial of this manifest; `None` if nobody needs to.
pub fn asked<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, manifest: Digest, block: &mut Block) -> Option<u32> {
    question(disk, slot, block).ok().and_then(|question| question.confirm_within(manifest))
}

fn question<D: BlockIo>(disk: &mut D, slot: &Slot<'_>, block: &mut Block) -> Result<BootNote, Error<D::Error>> {
    let partition = slot.partitions.first().ok_or(Error::Slot(Corrupt(Rule::BootNoteMissing)))?;
    BootNote::read_question(&mut Window::new(disk, partition.extent), block)
}

/// Asks a person, or nobody, to confirm the trial that is about to be armed. Touches the disk only where that is not so already; a
/// block that a cut left unreadable is written, too.
///
/// # Durability
/// What it wrote is durable when it returns; what was there already is by the first flush of arming. See the module.
/// # Errors
/// [`Error::Medium`]: the slot must not be armed then.
pub fn ask<D: BlockIo>(
    disk: &mut D,
    slot: &Slot<'_>,
    manifest: Digest,
    within: Option<u32>,
    block: &mut Block,
) -> Result<(), Error<D::Error>> {
    let found = match question(disk, slot, block) {
        Ok(question) => Some(question.confirm_within(manifest)),
        Err(Error::Medium(Medium::Failed(_))) => None,
        Err(_) => Some(None),
    };
    if found == Some(within) {
        return Ok(());
    }
    let question = within.map(|seconds| BootNote::awaiting(manifest, seconds));
    boot_note::on_first(disk, slot, |window| BootNote::write_question(question.as_ref(), window, block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::{Detail, Reason};
    use crate::gpt::{Attributes, EntryNumber};
    use crate::io::ram_disk::{Op, RamDisk};
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
        boot_note::leave(&mut disk, &slot, &BootNote { reason, manifest: MANIFEST, at, detail }, &mut block).unwrap();
        assert_eq!(asked(&mut disk, &slot, MANIFEST, &mut block), Some(600));
        assert_eq!(boot_note::about(&mut disk, &slot, MANIFEST, &mut block).map(|word| word.reason), Some(reason));
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
        let word = |reason, at, detail: &str| BootNote {
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
            (BootNote { manifest: Digest::new([5; 32]), ..word(Reason::NO_INIT, 2, "y") }, 4),
        ];
        for (word, times) in all {
            boot_note::leave(&mut disk, &slot, &word, &mut block).unwrap();
            assert_eq!(writes(&disk), times, "{word:?}");
        }
        assert_eq!(boot_note::about(&mut disk, &slot, MANIFEST, &mut block), None);
        assert!(boot_note::about(&mut disk, &slot, Digest::new([5; 32]), &mut block).is_some());
    }
}
