//! The least a boot loader needs: read both copies of the table, choose the slot, spend the try.
#![no_std]
#![no_main]

use firmware::memory::Once;
use firmware::{board, host, startup};
use libupdate::boot::Guard;
use libupdate::device::choose_and_spend;
use libupdate::transition::Spent;

static SCRATCH: Once<[u8; 4096]> = Once::new([0; 4096]);

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let disk = host::HostDisk::open(board::DISK).ok();
    let code = disk.zip(SCRATCH.take()).map_or(1, |(mut disk, scratch)| choose(&mut disk, scratch));
    startup::finish(code)
}

/// 0 with a slot to boot, whose try is spent on the disk; 2 if none is bootable; 1 if the disk failed.
fn choose(disk: &mut host::HostDisk, scratch: &mut [u8]) -> u32 {
    let Ok(chosen) = choose_and_spend(disk, &board::PARTITIONS, Guard::new(board::TRIES), scratch) else { return 1 };
    if chosen.needs_repair {
        host::say("a copy of the table needs repair\n");
    }
    let Some(attempt) = chosen.attempt else { return 2 };
    if chosen.passed_over.is_some() || matches!(attempt.spent, Spent::Failed(_)) {
        host::say("the try could not be spent\n");
    }
    host::say("boot ");
    host::say(attempt.token.slot().letter().encode_utf8(&mut [0; 4]));
    host::say("\n");
    0
}
