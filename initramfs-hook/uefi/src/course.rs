//! The boot from the application's configuration to the slot's kernel, or to a restart. The order of the acts is the core's.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use libupdate::SoftHasher;
use libupdate::boot::{Reason, Setback};
use libupdate::device::{
    Board, BootRules, Booted, Boots, Device, Marker, OnGrown, Room, Spender, Start as Started, Work,
};
use libupdate::gpt::TriesLeft;
use libupdate::hook_config::{self, Exhausted, HookConfig, SlotKernel, Start, Voice};
use libupdate::inspect::View;
use libupdate::install::NoDecompressor;
use libupdate::policy::Compression;
use libupdate::uki::Headers;
use libupdate::verity::CHUNK_BYTES;
use uefi::runtime::{self, ResetType};
use uefi::{Status, boot};

use crate::Config;
use crate::find;
use crate::firmware;
use crate::memory::Aligned;
use crate::phases::Phases;
use crate::say::{self, say};
use crate::starter::{Ready, SlotStarter};
use crate::told;
use crate::watchdog;

/// The section of this application's image with its configuration.
const SECTION: &[u8; 8] = b".updater";
/// A whole usual table and its header: one write for the primary.
const SCRATCH: usize = 64 << 10;

/// Boots. Returns only where the firmware's next boot entry is to have its turn.
pub fn run() -> Status {
    watchdog::feed();
    let config = match configuration() {
        Ok(config) => config,
        Err(why) => return pass_on(&why),
    };
    let Start::Kexec(SlotKernel { payload: Some(role), .. }) = config.boot.hand_over else {
        return pass_on(
            "the profile names no payload with the slot's kernel: set hand-over = \"kexec\" and payload = \"boot\" in [boot]",
        );
    };
    match try_slots(&config, role) {
        Ok(()) => {}
        Err(why) => say!("{why}"),
    }
    match config.boot.on_exhausted {
        Exhausted::Recovery { .. } => pass_on("no slot boots; the firmware's next boot entry takes over"),
        _ => {
            say!("nothing can be booted; restart in {} s", config.boot.panic.as_secs());
            boot::stall(config.boot.panic);
            runtime::reset(ResetType::COLD, Status::LOAD_ERROR, None)
        }
    }
}

/// Nothing that this application could do: another boot entry may.
fn pass_on(why: &str) -> Status {
    say!("{why}");
    Status::LOAD_ERROR
}

/// What `updater-cli hook-config` wrote, out of the image that the firmware has authenticated.
fn configuration() -> Result<Config<'static>, String> {
    let image = firmware::own_image().map_err(|error| {
        format!("the firmware does not show this application to itself ({}): start it as a boot entry", error.status())
    })?;
    let section = Headers::parse(image).and_then(|headers| headers.section(SECTION));
    let bytes = section.and_then(|section| {
        let [start, len] = [section.address, section.memory_bytes].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        image.get(start..)?.get(..len)
    });
    let bytes = bytes.ok_or(
        "there is no section .updater: add the file of `updater-cli hook-config` with initramfs-hook/uefi/build",
    )?;
    HookConfig::decode(bytes).map_err(|error| format!("the section .updater: {error}: make it anew"))
}

/// Returns only where no slot took the machine.
fn try_slots(config: &Config<'_>, role: &str) -> Result<(), String> {
    let mut phases = Phases::start();
    let no_memory = || String::from("there is no memory for a boot: give the machine more");
    let mut scratch = Aligned::new(SCRATCH).ok_or_else(no_memory)?;
    let mut data = Aligned::new(CHUNK_BYTES).ok_or_else(no_memory)?;
    let mut disk = find::disk(config, &mut scratch)?;
    phases.end("disk");
    let view = View {
        compatible: config.compatible,
        specs: &config.specs,
        anchors: &config.anchors,
        booted: None,
        compression: Compression::default(),
    };
    // A boot arms nothing.
    let board = Board { view, tries: TriesLeft::ZERO, guard: config.guard, backup: OnGrown::Stays };
    let rules = BootRules {
        spender: Spender::ThisBoot,
        marker: if config.boot.mark_good == hook_config::Marker::Hook { Marker::ThisBoot } else { Marker::System },
        named: None,
        insists: false,
        last_resort: config.boot.on_exhausted == Exhausted::LastResort,
        // The starter reads it, and starts it from where it was checked.
        whole: None,
    };
    let mut room = Box::new(Room::new());
    let mut starter = SlotStarter { role, secure_boot: told::secure_boot(), phases: &mut phases };
    let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
    let mut work = Work::new(&mut data, hasher, decompressor);
    let mut device = Device::new(&mut disk, board, &mut scratch);
    let booted = device.boot(&rules, &mut room, &mut work, &mut starter).map_err(|error| format!("{error}"))?;
    let Some(booted) = booted else { return Ok(()) };
    let setback = hand_over(config, &booted, starter.phases);
    say!("slot {}: {setback}", booted.step.slot());
    device.came_back(&booted, &setback, &mut room, &mut starter);
    Ok(())
}

/// Starts the slot's kernel. Returns only where it came back.
fn hand_over(config: &Config<'_>, booted: &Booted<Ready>, phases: &Phases) -> Setback {
    let (Started::System(ready) | Started::Kernel(ready)) = &booted.started;
    let boots = Boots {
        slot: ready.slot,
        version: &ready.version,
        kind: booted.step.word(),
        tries_left: ready.tries_left,
        confirm_within: ready.confirm_within,
        earlier: ready.earlier.as_ref(),
    };
    boots.say(say::line);
    if config.boot.voice == Voice::Verbose {
        say!("{phases}");
    }
    watchdog::feed();
    match boot::start_image(ready.kernel) {
        Ok(()) => Setback::new(Reason::KERNEL, "it came back"),
        Err(error) => Setback::new(Reason::KERNEL, format_args!("it came back: {}", error.status())),
    }
}
