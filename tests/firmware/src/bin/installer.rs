//! A whole installation with buffers of 4 KiB.
#![no_std]
#![no_main]

use core::mem::MaybeUninit;
use core::num::NonZeroUsize;

use embedded_io::Read;
use firmware::memory::Once;
use firmware::{board, host, startup};
use libupdate::boot::Guard;
use libupdate::bundle::{Anchors, PublicKey};
use libupdate::device::{Board, Device, Listener, News, OnGrown, Request, Room, Work};
use libupdate::inspect::View;
use libupdate::install::NoDecompressor;
use libupdate::install::progress::{Flow, Observer, Progress};
use libupdate::policy::Compression;
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::{Error, SlotId, SoftHasher};

static ROOM: Once<Room<'static>> = Once::new(Room::new());
static DATA: Once<[u8; BLOCK_BYTES]> = Once::new([0; BLOCK_BYTES]);
static SCRATCH: Once<[u8; BLOCK_BYTES]> = Once::new([0; BLOCK_BYTES]);
static ANCHORS: Once<MaybeUninit<Anchors>> = Once::new(MaybeUninit::uninit());

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let code = match install() {
        Some(Ok(slot)) => {
            host::say("armed ");
            host::say(slot.letter().encode_utf8(&mut [0; 4]));
            host::say("\n");
            0
        }
        Some(Err(Error::Bundle(_) | Error::Slot(_))) => 4,
        Some(Err(Error::Rejected(_))) => 6,
        _ => 1,
    };
    startup::finish(code)
}

/// The slot that was armed; `None` if the board lacks something.
fn install() -> Option<Result<SlotId, Error<host::HostError>>> {
    let mut disk = host::HostDisk::open(board::DISK).ok()?;
    let mut bundle = host::HostFile::open(board::BUNDLE).ok()?;
    let anchors = trust(ANCHORS.take()?)?;
    let view = View {
        compatible: board::COMPATIBLE,
        specs: &board::PARTITIONS,
        anchors,
        booted: None,
        compression: Compression::None,
    };
    let rules = Board { view, tries: board::TRIES, guard: Guard::new(board::TRIES), backup: OnGrown::Stays };
    let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
    let mut work = Work::new(DATA.take()?, hasher, decompressor);
    let mut device = Device::new(&mut disk, rules, SCRATCH.take()?);
    let installed = device.install(&mut bundle, &Request::default(), ROOM.take()?, &mut work, &mut Console);
    Some(installed.map(|installed| installed.slot))
}

#[inline(never)]
fn trust(room: &'static mut MaybeUninit<Anchors>) -> Option<&'static Anchors> {
    let mut der = [0; 128];
    let mut file = host::HostFile::open(board::TRUST).ok()?;
    let len = file.read(&mut der).ok()?;
    let key = PublicKey::from_spki(der.get(..len)?).ok()?;
    Some(room.write(Anchors::new(&[key], NonZeroUsize::MIN).ok()?))
}

/// Says what an operator has to know.
struct Console;

impl Observer for Console {
    fn progress(&mut self, _: Progress) -> Flow {
        Flow::Continue
    }
}

impl Listener for Console {
    fn hear(&mut self, news: &News<'_>) {
        match news {
            News::Repaired(_) => host::say("a copy of the table was repaired\n"),
            News::Warning(_) => host::say("the backup table needs repair\n"),
            _ => {}
        }
    }
}
