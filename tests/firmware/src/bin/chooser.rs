//! The least a boot loader needs: read both copies of the table, choose the slot, spend the try.
#![no_std]
#![no_main]

use firmware::memory::Once;
use firmware::{board, host, startup};
use libupdate::activate::{self, Spent};
use libupdate::boot::{self, Choice, Guard};
use libupdate::{Error, SlotId, survey};

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
    let (_, slots) = survey::find(&mut disk, &board::PARTITIONS, scratch)?;
    match boot::choose(&boot::candidates(&slots), Guard::new(board::TRIES)) {
        Choice::Nothing => Ok(None),
        Choice::Boot(boot) => {
            let attempt = activate::spend_try(&mut disk, &board::PARTITIONS, &boot, scratch)?;
            if matches!(attempt.spent, Spent::Failed(_)) {
                host::say("the try could not be spent\n");
            }
            Ok(Some(attempt.token.slot()))
        }
    }
}
