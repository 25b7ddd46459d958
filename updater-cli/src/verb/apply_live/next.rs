//! The version in the other slot, mounted behind dm-verity: what is applied is what was signed.

use std::path::{Path, PathBuf};

use libupdate::inspect;
use libupdate::policy::SlotFacts;
use libupdate::slot::SlotState;
use libupdate::{Error, SlotId};
use libupdate_linux::device_mapper::{Mapping, OnCorruption};
use libupdate_linux::filesystem::{self, Rights};
use libupdate_linux::node::Node;
use libupdate_linux::partitions::node_at;
use libupdate_linux::{Mode, OsError, verity_image};

use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::{Session, Setup};

/// Where one that is applied is mounted.
pub const NEXT: &str = "/run/updater/next";

/// The version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub slot: SlotId,
    pub version: String,
    pub root_hash: String,
    /// Where it is mounted.
    pub at: PathBuf,
}

impl Next {
    /// A folder of it.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }
}

/// Mounts the other slot's root. Its device goes with the mount, or with who uses a file of it last.
pub fn mount(session: &Session, setup: &Setup, at: &Path) -> Result<Next, Failure> {
    let mut opened = OpenDevice::open(session, setup, Mode::ReadOnly)?.for_an_act();
    let inspection = opened.inspect(session)?;
    let facts = other(&inspection.facts.slots, inspection.facts.booted)?;
    let slot = inspection.slots.get(facts.slot).map_err(Error::<OsError>::from)?.clone();
    let mut trailer = Box::new([0; libupdate::region::trailer::TRAILER_BYTES]);
    let (view, disk_path) = (opened.view, session.disk_path(setup.profile)?);
    let (disk, memory) = opened.disk_and_memory();
    let trailer = inspect::trailer(disk, &slot, &view, &mut trailer, [memory.block, memory.other])?;
    let (verified, _) = trailer.fit().map_err(|unfit| unusable(facts.slot, unfit))?;
    let role = setup.profile.boot.root.as_str();
    let payload = verified.manifest().payload(role).ok_or_else(|| unusable(facts.slot, format!("it has no {role}")))?;
    let next = Next {
        slot: facts.slot,
        version: verified.manifest().version().to_string(),
        root_hash: payload.root_hash().to_string(),
        at: at.to_owned(),
    };
    verity_image::load_modules();
    let partition = slot.partition(role).ok_or_else(|| unusable(facts.slot, format!("it has no {role}")))?;
    let whole = Node::of(&disk_path)?.ok_or_else(|| unusable(facts.slot, "its disk is no block device"))?;
    let node = node_at(&whole, partition.entry, partition.extent)?;
    let node = node.ok_or_else(|| unusable(facts.slot, format!("the kernel has no node for {}", partition.label)))?;
    let mapping =
        // One that was taken back may still have users.
        Mapping::make(&format!("updater-next-{}-{}", facts.slot, std::process::id()), node.number(), &payload.tree(), OnCorruption::IoError)?;
    let mounted = filesystem::mount(mapping.node(), at, Rights::Root);
    match mounted {
        Ok(_) => mapping.goes_with_its_last_user()?,
        Err(error) => {
            mapping.remove().unwrap_or_default();
            return Err(unusable(facts.slot, format!("it cannot be mounted: {error}")));
        }
    }
    Ok(next)
}

/// Takes the mount away.
pub fn unmount(at: &Path) {
    filesystem::unmount(at);
    std::fs::remove_dir(at).unwrap_or_default();
}

/// The slot that does not run and holds a version that is to run: a trial, else one that is staged. A good one was there before, and its floor is not looked at.
fn other(slots: &[SlotFacts], booted: Option<SlotId>) -> Result<&SlotFacts, Failure> {
    let rank = |slot: &&SlotFacts| match slot.state {
        SlotState::Trial => Some(0),
        SlotState::Staged => Some(1),
        _ => None,
    };
    let others = slots.iter().filter(|slot| Some(slot.slot) != booted && slot.installed.is_some());
    others.filter(|slot| rank(slot).is_some()).min_by_key(|slot| rank(slot)).ok_or_else(|| {
        let why = "no other slot holds a version that could be applied";
        Failure::new(Exit::Refused, "", why, "install one first: `install --no-activate FILE` leaves it staged")
    })
}

fn unusable(slot: SlotId, why: impl std::fmt::Display) -> Failure {
    let next = "install it again: what is right already is not written again";
    Failure::new(Exit::NotAuthentic, "", format!("slot {slot}: {why}"), next)
}
