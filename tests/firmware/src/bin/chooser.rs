//! The least a boot loader needs: read both copies of the table, choose the slot, spend the try.
#![no_std]
#![no_main]

use firmware::memory::Once;
use firmware::{board, host, startup};
use libupdate::transition::{self, Spent};
use libupdate::boot::{self, Boot, Choice, Guard};
use libupdate::gpt::CopyState;
use libupdate::slot::SlotTable;
use libupdate::{Error, SlotId, inspect};

static SCRATCH: Once<[u8; 4096]> = Once::new([0; 4096]);

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let code = match SCRATCH.take().map(|scratch| choose(scratch)) {
        Some(Ok(Some(slot))) => {
            host::say("boot ");
            host::say(slot.letter().encode_utf8(&mut [0; 4]));
            host::say("\n");
            0
        }
        Some(Ok(None)) => 2,
        Some(Err(_)) | None => 1,
    };
    startup::finish(code)
}

/// The slot that was chosen, with its try spent on the disk; `None` where no slot is bootable.
fn choose(scratch: &mut [u8]) -> Result<Option<SlotId>, Error<host::HostError>> {
    let mut disk = host::HostDisk::open(board::DISK).map_err(|_| Error::Interrupted)?;
    match look(&mut disk, scratch)? {
        Choice::Nothing => Ok(None),
        Choice::Boot(boot) => spend(&mut disk, &boot, scratch).map(Some),
    }
}

// Two functions, so that the stack holds the larger one and not both.
#[inline(never)]
fn look(disk: &mut host::HostDisk, scratch: &mut [u8]) -> Result<Choice, Error<host::HostError>> {
    let mut slots = SlotTable::empty();
    let table = inspect::find_into(disk, &board::PARTITIONS, &mut slots, scratch)?;
    if [table.primary(), table.backup()].iter().any(|copy| copy.state() != CopyState::Valid) {
        host::say("a copy of the table needs repair\n");
    }
    Ok(boot::choose(&boot::candidates(&slots), Guard::new(board::TRIES)))
}

#[inline(never)]
fn spend(disk: &mut host::HostDisk, boot: &Boot, scratch: &mut [u8]) -> Result<SlotId, Error<host::HostError>> {
    let attempt = transition::spend_try(disk, &board::PARTITIONS, boot, scratch)?;
    if matches!(attempt.spent, Spent::Failed(_)) {
        host::say("the try could not be spent\n");
    }
    Ok(attempt.token.slot())
}
