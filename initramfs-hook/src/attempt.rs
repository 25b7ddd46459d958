//! One try of one slot, from its try to its mounted root.
//!
//! ```text
//!  spend ─► trailer, signature ─► rollback floor ─► every block, or the first ones ─► nodes ─► dm-verity ─► mount ─► init there?
//! ```
//! What fails is undone: nothing of the slot stays mounted or mapped.

use std::path::Path;

use libupdate::boot::Reason;
use libupdate::boot::unfit;
use libupdate::bundle::Verified;
use libupdate::error::Corrupt;
use libupdate::gpt::TriesLeft;
use libupdate::install::Buffers;
use libupdate::install::read_back;
use libupdate::install::{self, NoDecompressor, Tools};
use libupdate::slot::{Slot, SlotTable};
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::verity::{CHUNK_BYTES, Tree, digest_at};
use libupdate::{BlockHasher as _, ByteOffset, Digest, Error, Extent, SoftHasher, Window};
use libupdate_linux::profile::boot::Spender;
use libupdate_linux::device_mapper::Mapping;
use libupdate_linux::{AlignedBuf, OsError};

use crate::decide::{Depth, Step};
use crate::filesystem;
use crate::hand_over::{self, Next};
use crate::machine::{Machine, Trailer};
use crate::nodes;
use crate::phases::Phases;
use crate::report::{Report, Trial};
use crate::say::say;
use crate::setback::Setback;
use crate::slot_kernel::{self, Loadable, Payload};
use crate::watchdog::Watchdog;

/// Blocks at the start of an image that are checked before the kernel reads them: every superblock is among them, so that a
/// damaged one is found here and does not restart the machine.
const FIRST_BLOCKS: usize = 16;

/// What a try has to do with besides the slot.
pub struct Surroundings<'s> {
    /// Where the root is mounted.
    pub root: &'s Path,
    /// What runs there.
    pub next: &'s Next,
    /// To be fed.
    pub watchdog: &'s mut Watchdog,
    /// Times.
    pub phases: &'s mut Phases,
}

/// A slot that did not hold, and what it held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Why.
    pub setback: Setback,
    /// Digest of its manifest, zeros where there is no authentic one.
    pub manifest: Digest,
}

/// A slot that holds: its root is mounted.
#[derive(Debug)]
pub struct Ready {
    /// What is known of the boot.
    pub report: Report,
    /// The slot's own kernel, where that is what runs.
    pub kernel: Option<Loadable>,
    /// Digest of its manifest.
    pub manifest: Digest,
}

/// Tries a slot.
pub fn run<'c>(
    machine: &mut Machine<'c>,
    slots: &SlotTable<'c>,
    step: &Step,
    around: &mut Surroundings<'_>,
) -> Result<Ready, Refused> {
    let unknown = |setback| Refused { setback, manifest: Digest::new([0; 32]) };
    let tries_left = spend(machine, step).map_err(unknown)?.get();
    around.phases.end("try");
    let missing = |_| unknown(Setback::new(Reason::UNREADABLE, "no such slot"));
    let slot = slots.get(step.slot()).map_err(missing)?;
    let mut memory: Box<Trailer> = Box::new([0; size_of::<Trailer>()]);
    let (verified, extents) = authentic(machine, slot, &mut memory).map_err(unknown)?;
    around.phases.end("signature");
    let manifest = verified.digest();
    let refused = |setback| Refused { setback, manifest };
    if step.is_trial() {
        above_floor(machine, slots, step, &verified).map_err(refused)?;
        around.phases.end("floor");
    }
    let word = step.is_trial().then(|| machine.word(slot)).flatten().filter(|word| word.manifest == manifest);
    let confirm_seconds = step.is_trial().then(|| machine.asked(slot, manifest)).flatten();
    let earlier = word.as_ref().map(Setback::earlier);
    match step.depth() {
        Depth::Everything => everything(machine, slot, &verified, &extents, around.watchdog).map_err(refused)?,
        Depth::AsRead => first_blocks(machine, &verified, &extents, around).map_err(refused)?,
    }
    around.phases.end("blocks");
    let mut mappings = Vec::new();
    match start(machine, slot, &verified, around, &mut mappings) {
        Ok(kernel) => {
            let report = report(machine, step, &verified, &mappings);
            let report = Report { tries_left, confirm_seconds, earlier, ..report };
            Ok(Ready { report, kernel, manifest })
        }
        Err(setback) => {
            filesystem::unmount(around.root);
            for (_, mapping) in mappings {
                if let Err(error) = mapping.remove() {
                    say!("{error}");
                }
            }
            Err(refused(setback))
        }
    }
}

/// The slot's tries as the disk has them then.
fn spend(machine: &mut Machine<'_>, step: &Step) -> Result<TriesLeft, Setback> {
    match (step, machine.config.boot.spends_try) {
        (Step::Chosen(boot), Spender::Hook) => {
            machine.spend(boot).map_err(|error| Setback::new(Reason::TRY_NOT_SPENT, error))
        }
        (Step::Chosen(boot), Spender::BootLoader) => Ok(boot.candidate.bits.tries_left),
        (Step::Named(_) | Step::LastResort(_), _) => Ok(step.tries_left()),
    }
}

fn authentic<'b>(
    machine: &mut Machine<'_>,
    slot: &Slot<'_>,
    memory: &'b mut Trailer,
) -> Result<(Verified<'b>, Vec<Extent>), Setback> {
    let found = machine.trailer(slot, memory).map_err(|error| Setback::new(Reason::UNREADABLE, error))?;
    let (verified, extents) = found.fit().map_err(|unfit| Setback::unfit(&unfit))?;
    Ok((verified, extents.to_vec()))
}

fn above_floor<'c>(
    machine: &mut Machine<'c>,
    slots: &SlotTable<'c>,
    step: &Step,
    verified: &Verified<'_>,
) -> Result<(), Setback> {
    let floor = machine.floor(slots, step.slot()).map_err(|error| Setback::new(Reason::UNREADABLE, error))?;
    unfit::above(verified.manifest().rollback_index(), floor).map_err(|unfit| Setback::unfit(&unfit))
}

/// Reads every block of the slot.
fn everything(
    machine: &mut Machine<'_>,
    slot: &Slot<'_>,
    verified: &Verified<'_>,
    extents: &[Extent],
    watchdog: &mut Watchdog,
) -> Result<(), Setback> {
    let mut tools = Tools { hasher: &mut SoftHasher, decompressor: &mut NoDecompressor, observer: watchdog };
    let place = (slot.id, slot.control, extents);
    with_buffers(|buffers| install::restage(&mut machine.disk, verified.clone(), place, buffers, &mut tools))
        .map(|_| ())
        .map_err(damage)
}

fn with_buffers<T>(act: impl FnOnce(&mut Buffers<'_>) -> T) -> T {
    let [mut leaf, mut block, mut page] = [const { [0; BLOCK_BYTES] }; 3];
    let mut data = AlignedBuf::new(CHUNK_BYTES);
    act(&mut Buffers { data: &mut data, carried: &mut [], leaf: &mut leaf, block: &mut block, page: &mut page })
}

/// Reads the start of each image, and the hash blocks above it; all of the one with the kernel.
fn first_blocks(
    machine: &mut Machine<'_>,
    verified: &Verified<'_>,
    extents: &[Extent],
    around: &mut Surroundings<'_>,
) -> Result<(), Setback> {
    for (payload, extent) in verified.manifest().payloads().iter().zip(extents) {
        let (disk, scratch) = machine.disk_and_scratch();
        let mut window = Window::new(disk, *extent);
        let tree = payload.tree();
        let checked = if around.next.payload() == Some(payload.role().as_str()) {
            let watchdog = &mut *around.watchdog;
            with_buffers(|buffers| read_back::image(&mut window, &tree, buffers, &mut SoftHasher, watchdog))
        } else {
            first_of(&mut window, &tree, scratch)
        };
        checked.map_err(damage)?;
    }
    Ok(())
}

fn first_of(
    window: &mut Window<'_, libupdate_linux::Disk>,
    tree: &Tree<'_>,
    scratch: &mut [u8],
) -> Result<(), Error<OsError>> {
    let mut leaf = [0; BLOCK_BYTES];
    if tree.geometry.levels() == 0 {
        leaf[..32].copy_from_slice(tree.root.digest().as_bytes());
    } else {
        tree.load_block(window, 0, 0, &mut leaf, &mut SoftHasher)?;
    }
    let blocks = tree.geometry.chunk_blocks(0).min(FIRST_BLOCKS);
    let data = scratch.get_mut(..blocks * BLOCK_BYTES).unwrap_or_default();
    window.read(ByteOffset::new(0), data)?;
    let mut digests = [0; FIRST_BLOCKS * 32];
    SoftHasher.hash_blocks(tree.salt, data, &mut digests);
    for (place, digest) in digests.chunks_exact(32).take(blocks).enumerate() {
        if digest_at(&leaf, place).is_none_or(|wanted| wanted.as_bytes() != digest) {
            return Err(Corrupt::Chunk { chunk: 0 }.into());
        }
    }
    Ok(())
}

fn damage(error: Error<OsError>) -> Setback {
    let reason = match error {
        Error::Corrupt(Corrupt::HashBlock { .. } | Corrupt::Superblock(_)) => Reason::ROOT_HASH,
        Error::Corrupt(_) => Reason::CORRUPTION,
        _ => Reason::UNREADABLE,
    };
    Setback::new(reason, error)
}

/// Maps every partition of the slot, mounts the root, and looks for what runs there.
fn start(
    machine: &Machine<'_>,
    slot: &Slot<'_>,
    verified: &Verified<'_>,
    around: &mut Surroundings<'_>,
    mappings: &mut Vec<(String, Mapping)>,
) -> Result<Option<Loadable>, Setback> {
    let boot = &machine.config.boot;
    for payload in verified.manifest().payloads() {
        let role = payload.role().as_str();
        let partition = slot.partition(role).ok_or_else(|| Setback::new(Reason::TRAILER, Corrupt::Roles))?;
        let unreadable = |error| Setback::new(Reason::UNREADABLE, error);
        let node = nodes::of(&machine.node, partition).map_err(unreadable)?;
        let none = || Setback::new(Reason::UNREADABLE, format_args!("the kernel has no node for {}", partition.label));
        let node = node.ok_or_else(none)?;
        let name = format!("updater-{}-{role}", slot.id);
        let mapping = Mapping::make(&name, node.number(), &payload.tree(), boot.on_corruption).map_err(unreadable)?;
        mappings.push((role.to_owned(), mapping));
    }
    around.phases.end("dm-verity");
    let root = mappings.iter().find(|(role, _)| *role == boot.root).map(|(_, mapping)| mapping.node());
    let root = root.ok_or_else(|| Setback::new(Reason::TRAILER, Corrupt::Roles))?;
    filesystem::mount(root, around.root).map_err(|error| Setback::new(Reason::MOUNT, error))?;
    let kernel = what_runs(around, verified, mappings).map_err(|missing| Setback::new(Reason::NO_INIT, missing))?;
    for (role, mapping) in mappings.iter() {
        match mapping.is_intact() {
            Ok(true) => {}
            Ok(false) => return Err(Setback::new(Reason::CORRUPTION, format_args!("in {role}, as dm-verity says"))),
            Err(error) => return Err(Setback::new(Reason::UNREADABLE, error)),
        }
    }
    around.phases.end("mount");
    Ok(kernel)
}

/// Looks for the init, or opens the slot's own kernel.
fn what_runs(
    around: &Surroundings<'_>,
    verified: &Verified<'_>,
    mappings: &[(String, Mapping)],
) -> Result<Option<Loadable>, String> {
    let wanted = match around.next {
        Next::Init(inits) => return hand_over::has_init(around.root, inits).map(|()| None),
        Next::Kernel(wanted) => wanted,
    };
    let payload = wanted.payload.as_deref().map(|role| {
        let node = mappings.iter().find(|(mapped, _)| mapped == role).map(|(_, mapping)| mapping.node());
        let len = verified.manifest().payloads().iter().find(|payload| payload.role().as_str() == role);
        let found = node.zip(len).map(|(node, payload)| Payload { node, len: payload.image_len().get() });
        found.ok_or_else(|| format!("the bundle has no payload {role}"))
    });
    slot_kernel::open(wanted, around.root, payload.transpose()?).map(Some)
}

fn report(machine: &Machine<'_>, step: &Step, verified: &Verified<'_>, mappings: &[(String, Mapping)]) -> Report {
    let manifest = verified.manifest();
    let root_hash = manifest.payloads().first().map(|payload| payload.root_hash().to_string());
    let devices = mappings.iter().map(|(role, mapping)| (role.clone(), mapping.node().display().to_string()));
    Report {
        slot: step.slot(),
        disk: machine.disk_name().display().to_string(),
        disk_guid: machine.disk_guid.to_string(),
        compatible: machine.config.compatible.clone(),
        kind: step.word(),
        version: manifest.version().to_string(),
        root_hash: root_hash.unwrap_or_default(),
        tries_left: step.tries_left().get(),
        trial: if step.is_trial() { Trial::Yes } else { Trial::No },
        devices: devices.collect(),
        passed_over: Vec::new(),
        confirm_seconds: None,
        earlier: None,
    }
}
