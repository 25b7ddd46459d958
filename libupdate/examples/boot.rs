//! A boot loader in few lines: which slot boots, and its try is spent. No allocator and no key; 4 KiB of memory besides the stack.
//! The disk is a slice here; a boot loader has its own [`BlockIo`].

use libupdate::boot::Guard;
use libupdate::device::choose_and_spend;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::{BlockIo, BlockSize, Error, SliceDisk, SlotId, guid};

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "small numbers of its own")]
#[path = "made/table.rs"]
mod table;

/// The profile: one partition for each slot, found by label and type.
const PARTITIONS: [PartitionSpec<'static>; 2] = [root(SlotId::A, "root-a"), root(SlotId::B, "root-b")];

const fn root(slot: SlotId, label: &'static str) -> PartitionSpec<'static> {
    let type_guid = guid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
    PartitionSpec { slot, role: "root", label, type_guid, duty: Duty::Control }
}

/// The slot to load and start; `None` if none is bootable.
fn choose<D: BlockIo>(disk: &mut D) -> Result<Option<SlotId>, Error<D::Error>> {
    let chosen = choose_and_spend(disk, &PARTITIONS, Guard::Off, &mut [0; 4096])?;
    Ok(chosen.attempt.map(|attempt| attempt.token.slot()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [a, b] = PARTITIONS;
    let mut memory = table::disk(&[(a, table::GOOD), (b, table::TRIAL)])?;
    let mut disk = SliceDisk::new(&mut memory, BlockSize::B512);
    // The new system in slot b never says that it works, so after its one try the old one boots again.
    for boots in [SlotId::B, SlotId::A, SlotId::A] {
        assert_eq!(choose(&mut disk)?, Some(boots));
        println!("slot {} boots", boots.letter());
    }
    Ok(())
}
