//! What policy knows: of the device, of each slot, of what is installed.

use heapless::{String, Vec};

use crate::bundle::Verified;
use crate::error::{Needed, Rejected};
use crate::gpt::{EntryNumber, SlotBits, Successful};
use crate::manifest::Manifest;
use crate::slot::{Places, SlotState, bootable};
use crate::units::digest::{Digest, RootHash};
use crate::units::limits::{NAME_BYTES, SLOTS};
use crate::units::slot_id::SlotId;

/// What an authentic trailer says is installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Installed {
    /// The version.
    pub version: String<NAME_BYTES>,
    /// The rollback index.
    pub rollback_index: u64,
    /// Digest of the manifest: the identity of the bundle.
    pub digest: Digest,
    /// Root hash of the first payload.
    pub root_hash: RootHash,
    /// Digest over every role and root hash: the identity of the images, whoever signed them.
    pub images: Digest,
}

impl Installed {
    /// What `verified` would be, or is, once installed.
    #[must_use]
    pub fn of(verified: &Verified<'_>) -> Option<Self> {
        let manifest = verified.manifest();
        Some(Self {
            version: String::try_from(manifest.version().as_str()).ok()?,
            rollback_index: manifest.rollback_index(),
            digest: verified.digest(),
            root_hash: manifest.payloads().first()?.root_hash(),
            images: images(manifest),
        })
    }
}

fn images(manifest: &Manifest<'_>) -> Digest {
    manifest.payloads().iter().fold(Digest::new([0; 32]), |so_far, payload| {
        Digest::of(&[
            so_far.as_bytes(),
            payload.role().as_str().as_bytes(),
            &[0],
            payload.root_hash().digest().as_bytes(),
        ])
    })
}

/// What policy knows of one slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotFacts {
    /// The slot.
    pub slot: SlotId,
    /// The entry that carries its bits.
    pub entry: EntryNumber,
    /// Where its partitions are.
    pub places: Places,
    /// Its bits.
    pub bits: SlotBits,
    /// Its state.
    pub state: SlotState,
    /// What it holds, where its trailer is authentic.
    pub installed: Option<Installed>,
}

impl SlotFacts {
    /// Whether it boots, and never completed a boot.
    #[must_use]
    pub(crate) fn is_armed(&self) -> bool {
        bootable(self.bits) && self.bits.successful == Successful::No
    }
}

/// Whether a device can install compressed bundles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// It has no decompressor.
    #[default]
    None,
    /// It decompresses zstd.
    Zstd,
    /// The same, also with a prefix, and it has the memory for chunks that are made from an old image.
    Delta,
}

/// What policy knows of the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts<'a> {
    /// The profile's compatible.
    pub compatible: &'a str,
    /// What the device can decompress.
    pub compression: Compression,
    /// The booted slot, if the running system came from one.
    pub booted: Option<SlotId>,
    /// Every slot of the profile.
    pub slots: Vec<SlotFacts, SLOTS>,
}

impl Facts<'_> {
    /// A device without slots: memory for `inspect::facts_into`.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { compatible: "", compression: Compression::None, booted: None, slots: Vec::new() }
    }

    /// The facts of one slot.
    ///
    /// # Errors
    /// [`Rejected::NoSuchSlot`].
    pub fn slot(&self, slot: SlotId) -> Result<&SlotFacts, Rejected> {
        self.slots.iter().find(|facts| facts.slot == slot).ok_or(Rejected::NoSuchSlot { slot })
    }

    /// Rule 1 of the slots (docs/DESIGN.md): `slot` may lose its bits only while another slot is good.
    ///
    /// # Errors
    /// [`Rejected::LastGoodSlot`].
    pub fn another_is_good(&self, slot: SlotId) -> Result<(), Rejected> {
        let good = |facts: &SlotFacts| facts.slot != slot && facts.state == SlotState::Good;
        if self.slots.iter().any(good) { Ok(()) } else { Err(Rejected::LastGoodSlot { slot }) }
    }

    /// The slot that an installation would write, if none is asked for: not the booted one; the worst state, then the lowest
    /// priority, then the lowest entry.
    ///
    /// # Errors
    /// [`Rejected::NoTarget`].
    pub fn target(&self) -> Result<SlotId, Rejected> {
        let others = self.slots.iter().filter(|facts| Some(facts.slot) != self.booted);
        let worst = others.min_by_key(|facts| (rank(facts.state), facts.bits.priority, facts.entry));
        worst.map(|facts| facts.slot).ok_or(Rejected::NoTarget)
    }

    /// The slot that a rollback raises: good, not booted, the highest priority.
    ///
    /// # Errors
    /// [`Rejected::NoTarget`].
    pub fn rollback_target(&self) -> Result<SlotId, Rejected> {
        let good = self.slots.iter().filter(|facts| Some(facts.slot) != self.booted && facts.state == SlotState::Good);
        let best = good.max_by_key(|facts| (facts.bits.priority, core::cmp::Reverse(facts.entry)));
        best.map(|facts| facts.slot).ok_or(Rejected::NoTarget)
    }

    pub(super) fn floor(&self) -> u64 {
        let good = self.slots.iter().filter(|facts| facts.state == SlotState::Good);
        good.filter_map(|facts| facts.installed.as_ref()).map(|installed| installed.rollback_index).max().unwrap_or(0)
    }

    /// The lowest rollback index of a good slot but this one; 0 where there is none. What a trial must not be below.
    #[must_use]
    pub(crate) fn lowest_index_beside(&self, trial: SlotId) -> u64 {
        let others = self.slots.iter().filter(|facts| facts.slot != trial && facts.state == SlotState::Good);
        others.filter_map(|facts| facts.installed.as_ref()).map(|installed| installed.rollback_index).min().unwrap_or(0)
    }

    /// Whether a slot may be taken out of the boot order without a verdict: it is armed, or staged, and does not run; and another one is
    /// good, as rule 1 asks.
    ///
    /// # Errors
    /// [`Rejected::NoSuchSlot`], [`Rejected::BootedSlot`], [`Rejected::SlotState`], [`Rejected::LastGoodSlot`].
    pub fn cancellable(&self, slot: SlotId) -> Result<&SlotFacts, Rejected> {
        let facts = self.slot(slot)?;
        if Some(slot) == self.booted {
            return Err(Rejected::BootedSlot { slot });
        }
        if !facts.is_armed() && facts.state != SlotState::Staged {
            return Err(Rejected::SlotState { slot, needed: Needed::ArmedOrStaged });
        }
        self.another_is_good(slot)?;
        Ok(facts)
    }

    /// The slot that an activation arms: `wanted`, or the first one that is staged. `None` if it is armed already.
    ///
    /// # Errors
    /// [`Rejected::NoSuchSlot`], [`Rejected::SlotState`], [`Rejected::NothingStaged`].
    pub fn staged(&self, wanted: Option<SlotId>) -> Result<Option<SlotId>, Rejected> {
        let armed = |facts: &SlotFacts| facts.state == SlotState::Trial && self.booted != Some(facts.slot);
        let Some(slot) = wanted else {
            let staged = self.slots.iter().find(|facts| facts.state == SlotState::Staged);
            return match staged {
                Some(facts) => Ok(Some(facts.slot)),
                None if self.slots.iter().any(armed) => Ok(None),
                None => Err(Rejected::NothingStaged),
            };
        };
        match self.slot(slot)? {
            facts if facts.state == SlotState::Staged => Ok(Some(slot)),
            facts if armed(facts) => Ok(None),
            _ => Err(Rejected::SlotState { slot, needed: Needed::Staged }),
        }
    }

    /// The slot that a cancellation takes back: `wanted`, or an armed one, the next to boot first, or a staged one. `None` if there is
    /// nothing to take back. Whether it may be taken back is [`Facts::cancellable`]'s to say.
    ///
    /// # Errors
    /// [`Rejected::NoSuchSlot`].
    pub fn to_cancel(&self, wanted: Option<SlotId>) -> Result<Option<SlotId>, Rejected> {
        let cancels = |facts: &SlotFacts| facts.is_armed() || facts.state == SlotState::Staged;
        if let Some(slot) = wanted {
            let facts = self.slot(slot)?;
            return Ok((cancels(facts) || facts.state == SlotState::Trial).then_some(slot));
        }
        let others = self.slots.iter().filter(|one| Some(one.slot) != self.booted && cancels(one));
        Ok(others.max_by_key(|one| (one.bits.priority, core::cmp::Reverse(one.entry))).map(|one| one.slot))
    }

    /// Whether a slot may be marked good: it runs, or it was good already.
    ///
    /// # Errors
    /// [`Rejected::NoSuchSlot`], [`Rejected::NeverBooted`].
    pub fn has_booted(&self, slot: SlotId) -> Result<(), Rejected> {
        let good = self.slot(slot)?.bits.successful == Successful::Yes;
        if good || Some(slot) == self.booted { Ok(()) } else { Err(Rejected::NeverBooted { slot }) }
    }

    /// The slot whose version a new one is compared with: the booted one, else the best good one.
    pub(super) fn reference(&self) -> Option<&Installed> {
        let booted = self.booted.and_then(|slot| self.slot(slot).ok());
        let good =
            self.slots.iter().filter(|facts| facts.state == SlotState::Good).max_by_key(|facts| facts.bits.priority);
        booted.or(good)?.installed.as_ref()
    }
}

/// Worst first: what is lost least by being overwritten. Empty and disarmed hold nothing; an unverified slot holds nothing
/// that may boot.
const fn rank(state: SlotState) -> u8 {
    match state {
        SlotState::Empty | SlotState::Disarmed => 0,
        SlotState::Unverified => 1,
        SlotState::Failed => 2,
        SlotState::Exhausted => 3,
        SlotState::Staged => 4,
        SlotState::Trial => 5,
        SlotState::Good => 6,
    }
}
