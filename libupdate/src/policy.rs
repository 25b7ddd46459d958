//! May this bundle be installed, and where. Pure: no IO, no clock.
//!
//! Judged in this order, and nothing is written before the last:
//!
//! 0. The bundle is a release, and no pack (without the feature `packs` a pack is refused by its bit).
//! 1. One of the manifest's compatibles equals the profile's, and the device can decompress what it carries.
//! 2. The manifest's roles are exactly the roles of the profile's slots.
//! 3. The booted slot is not on trial: the only good slot would be overwritten.
//! 4. The target: not booted; the worst state first, then the lowest priority, then the lowest entry.
//! 5. Where the target is in the boot order, another slot is good.
//! 6. Every image fits its partition.
//! 7. The version is not lower than the booted one, unless allowed.
//! 8. The rollback index is not below the highest of a good slot.
//! 9. No slot remembers that these images failed, unless a retry is asked for.

use heapless::Vec;

use crate::bundle::delta::OldImages;
#[cfg(any(test, feature = "packs"))]
use crate::bundle::pack::{self, Pack};
use crate::bundle::{Features, Verified};
use crate::error::{Corrupt, Error, Incompatible, Needed, NoSpace, Rejected, Rule};
use crate::gpt::{EntryNumber, SlotBits};
use crate::manifest::{Encoding, Manifest};
use crate::region::trailer::trailer_offset;
use crate::slot::{Slot, SlotState, SlotTable, out_of_order};
use crate::units::block::Extent;
use crate::units::digest::Digest;
use crate::units::limits::PAYLOADS;
use crate::units::slot_id::SlotId;
use crate::units::version;
use crate::verity::Geometry;

mod facts;
mod stock;

pub use facts::{Compression, Facts, Installed, SlotFacts};
pub(crate) use stock::no_old_image;
pub use stock::{Old, OldImage, Olds, SPARES, Spare, Stock, elsewhere};

/// What to do about a version lower than the booted one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Downgrade {
    /// Refuse it.
    #[default]
    Refuse,
    /// The operator wants it.
    Allow,
}

/// What to do about images that failed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailedBefore {
    /// Refuse them.
    #[default]
    Refuse,
    /// The operator wants another try.
    Retry,
}

/// What the operator asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wishes {
    /// A target other than the one policy would choose.
    pub slot: Option<SlotId>,
    /// Lower versions.
    pub downgrade: Downgrade,
    /// Failed versions.
    pub failed_before: FailedBefore,
}

/// A bundle that is authentic and that policy allows to be installed in its target slot.
///
/// Made only by [`admit`], and by `admit_first` for a device without slots that hold anything.
#[derive(Debug)]
#[must_use = "an admitted bundle is not yet installed"]
pub struct Admitted<'a> {
    verified: Verified<'a>,
    slot: SlotId,
    entry: EntryNumber,
    bits: SlotBits,
    extents: Vec<Extent, PAYLOADS>,
}

impl<'a> Admitted<'a> {
    /// The verified bundle.
    pub const fn verified(&self) -> &Verified<'a> {
        &self.verified
    }

    pub(crate) fn into_verified(self) -> Verified<'a> {
        self.verified
    }

    /// The target slot.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.slot
    }

    /// The entry that carries the target's bits.
    #[must_use]
    pub const fn entry(&self) -> EntryNumber {
        self.entry
    }

    /// The target's bits when it was admitted.
    #[must_use]
    pub const fn bits(&self) -> SlotBits {
        self.bits
    }

    /// Where each payload goes, in the manifest's order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }
}

/// Judges an installation by the rules above. Pure.
///
/// # Errors
/// [`Error::Rejected`], [`Error::Bundle`] where the roles are not the profile's, [`Error::NoSpace`].
pub fn admit<'a, E>(
    verified: Verified<'a>,
    facts: &Facts<'_>,
    table: &SlotTable<'_>,
    wishes: Wishes,
) -> Result<Admitted<'a>, Error<E>> {
    #[cfg(any(test, feature = "packs"))]
    a_release(&verified)?;
    compatible(&verified, facts.compatible)?;
    readable(&verified, facts)?;
    let slot = target(facts, wishes, verified.digest())?;
    let admitted = fit(verified, table, slot)?;
    if !out_of_order(admitted.bits) {
        facts.another_is_good(slot)?;
    }
    let installed = Installed::of(&admitted.verified).ok_or(Error::Bundle(Corrupt(Rule::ManifestName)))?;
    let lower = |reference: &Installed| version::compare(&installed.version, &reference.version).is_lt();
    if wishes.downgrade == Downgrade::Refuse && facts.reference().is_some_and(lower) {
        return Err(Rejected::Downgrade.into());
    }
    if installed.rollback_index < facts.floor() {
        return Err(Rejected::RollbackIndex { found: installed.rollback_index, floor: facts.floor() }.into());
    }
    match failed_before(facts, &installed) {
        Some(slot) if wishes.failed_before == FailedBefore::Refuse => Err(Rejected::FailedBefore { slot }.into()),
        _ => Ok(admitted),
    }
}

/// Judges the first installation on a fresh table: nothing may be armed, the target is the first slot of the profile.
///
/// # Errors
/// As [`admit`]; [`Rejected::SlotState`] where any slot has bits.
pub(crate) fn admit_first<'a, E>(
    verified: Verified<'a>,
    facts: &Facts<'_>,
    table: &SlotTable<'_>,
) -> Result<Admitted<'a>, Error<E>> {
    #[cfg(any(test, feature = "packs"))]
    a_release(&verified)?;
    compatible(&verified, facts.compatible)?;
    readable(&verified, facts)?;
    if let Some(armed) = facts.slots.iter().find(|facts| facts.bits != SlotBits::default()) {
        return Err(Rejected::SlotState { slot: armed.slot, needed: Needed::Empty }.into());
    }
    let first = table.slots().first().ok_or(Rejected::NoTarget)?.id;
    fit(verified, table, first)
}

/// Whether the bundle is one for a slot.
///
/// # Errors
/// [`Rejected::Pack`]; `ManifestFeatures`.
#[cfg(any(test, feature = "packs"))]
pub fn a_release<E>(verified: &Verified<'_>) -> Result<(), Error<E>> {
    if pack::is_one(verified).map_err(Error::Bundle)? { Err(Rejected::Pack.into()) } else { Ok(()) }
}

/// What the bundle says of itself, if it is a pack for a device of this compatible.
///
/// # Errors
/// [`Rejected::NoPack`], [`Rejected::Compatible`]; [`Error::Bundle`].
#[cfg(any(test, feature = "packs"))]
pub fn a_pack<'a, E>(verified: &Verified<'a>, device: &str) -> Result<Pack<'a>, Error<E>> {
    let pack = Pack::of(verified).map_err(Error::Bundle)?.ok_or(Rejected::NoPack)?;
    compatible(verified, device)?;
    Ok(pack)
}

/// Whether the bundle is for a device of this compatible.
///
/// # Errors
/// [`Rejected::Compatible`].
pub fn compatible(verified: &Verified<'_>, device: &str) -> Result<(), Rejected> {
    let matches = verified.manifest().compatibles().iter().any(|name| name.as_str() == device);
    if matches { Ok(()) } else { Err(Rejected::Compatible) }
}

/// Whether the bundle carries whole images: a disk that is provisioned has no other.
///
/// # Errors
/// [`Rejected::NoOldImage`]; `DeltaBases`.
pub(crate) fn whole<E>(verified: &Verified<'_>) -> Result<(), Error<E>> {
    match OldImages::of(verified).map_err(Error::Bundle)?.roots().flatten().next() {
        Some(root) => Err(no_old_image(root).into()),
        None => Ok(()),
    }
}

fn readable(verified: &Verified<'_>, facts: &Facts<'_>) -> Result<(), Incompatible> {
    let compressed = verified.manifest().payloads().iter().any(|payload| payload.encoding() != Encoding::Raw);
    if compressed && facts.compression == Compression::None {
        return Err(Incompatible::RequiredFeatures { unknown: Features::ZSTD.get() });
    }
    let delta = OldImages::named(verified.manifest()).is_ok_and(|old| !old.is_empty());
    if delta && facts.compression != Compression::Delta {
        return Err(Incompatible::RequiredFeatures { unknown: Features::DELTA.get() });
    }
    Ok(())
}

/// Whether anything may be installed now, whatever the bundle: a slot on trial keeps the old one to fall back to.
///
/// # Errors
/// [`Rejected::TrialRunning`].
pub fn no_trial_runs(facts: &Facts<'_>) -> Result<(), Rejected> {
    let booted = facts.booted.and_then(|slot| facts.slot(slot).ok());
    match booted.filter(|booted| booted.state == SlotState::Trial) {
        Some(booted) => Err(Rejected::TrialRunning { slot: booted.slot }),
        None => Ok(()),
    }
}

fn target(facts: &Facts<'_>, wishes: Wishes, digest: Digest) -> Result<SlotId, Rejected> {
    no_trial_runs(facts)?;
    let holds = |facts: &&SlotFacts| facts.installed.as_ref().is_some_and(|installed| installed.digest == digest);
    let may_go = |one: &&SlotFacts| out_of_order(one.bits) || facts.another_is_good(one.slot).is_ok();
    let holder = facts.slots.iter().filter(|one| Some(one.slot) != facts.booted).filter(may_go).find(holds);
    let slot = match (wishes.slot, holder) {
        (Some(slot), _) => facts.slot(slot)?.slot,
        (None, Some(holder)) => holder.slot,
        (None, None) => facts.target()?,
    };
    if Some(slot) == facts.booted { Err(Rejected::BootedSlot { slot }) } else { Ok(slot) }
}

fn failed_before(facts: &Facts<'_>, new: &Installed) -> Option<SlotId> {
    let failed = |facts: &&SlotFacts| matches!(facts.state, SlotState::Failed | SlotState::Exhausted);
    let same = |facts: &&SlotFacts| facts.installed.as_ref().is_some_and(|installed| installed.images == new.images);
    facts.slots.iter().filter(failed).find(same).map(|facts| facts.slot)
}

/// Rule 6 of the slots (docs/DESIGN.md) and the space: one payload for each partition of the slot, and room for image, tree and trailer.
fn fit<'a, E>(verified: Verified<'a>, table: &SlotTable<'_>, slot: SlotId) -> Result<Admitted<'a>, Error<E>> {
    let target = table.get(slot)?;
    let extents = extents(verified.manifest(), target)?;
    Ok(Admitted { verified, slot, entry: target.control, bits: target.bits(), extents })
}

/// The partition of each payload, in the manifest's order.
///
/// # Errors
/// `Roles` where the roles are not exactly the slot's; [`NoSpace`] where an image does not fit.
pub fn extents(manifest: &Manifest<'_>, slot: &Slot<'_>) -> Result<Vec<Extent, PAYLOADS>, Refusal> {
    if manifest.payloads().len() != slot.partitions.len() {
        return Err(Corrupt(Rule::Roles).into());
    }
    let mut extents = Vec::new();
    for payload in manifest.payloads() {
        let partition = slot.partition(payload.role().as_str()).ok_or(Corrupt(Rule::Roles))?;
        room(payload.tree().geometry, partition.extent)?;
        extents.push(partition.extent).map_err(|_| Corrupt(Rule::Roles))?;
    }
    Ok(extents)
}

fn room(geometry: Geometry, extent: Extent) -> Result<(), NoSpace> {
    let end = trailer_offset(extent.len()).ok_or(NoSpace::NoTrailerRegion { size: extent.len() })?;
    if geometry.end() <= end {
        return Ok(());
    }
    let bytes = |offset: crate::units::block::ByteOffset| crate::units::block::ByteLen::new(offset.get());
    Err(NoSpace::Image { needed: bytes(geometry.end()), available: bytes(end) })
}

/// Why a manifest and a slot do not go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not the same roles.
    Corrupt(Corrupt),
    /// Too large.
    NoSpace(NoSpace),
}

impl From<Corrupt> for Refusal {
    fn from(kind: Corrupt) -> Self {
        Self::Corrupt(kind)
    }
}

impl From<NoSpace> for Refusal {
    fn from(kind: NoSpace) -> Self {
        Self::NoSpace(kind)
    }
}

impl<E> From<Refusal> for Error<E> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Corrupt(kind) => Self::Bundle(kind),
            Refusal::NoSpace(kind) => Self::NoSpace(kind),
        }
    }
}
