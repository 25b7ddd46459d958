//! How the bits of all slots change in one act. Pure.

use heapless::Vec;

use crate::error::{Needed, Rejected};
use crate::gpt::{Priority, SlotBits, Successful, TriesLeft};
use crate::units::limits::SLOTS;
use crate::units::slot_id::SlotId;

/// New bits for some slots: what one commit writes.
pub type BitEdits = Vec<(SlotId, SlotBits), SLOTS>;

/// Puts `slot` first with `tries` boots to prove itself. Every other slot keeps its order.
///
/// # Errors
/// [`Rejected::NoSuchSlot`].
pub fn arm(slots: &[(SlotId, SlotBits)], slot: SlotId, tries: TriesLeft) -> Result<BitEdits, Rejected> {
    raise_to(slots, slot, |priority| SlotBits { priority, tries_left: tries, successful: Successful::No })
}

/// Puts the good slot `slot` first and leaves its tries and success alone.
///
/// # Errors
/// [`Rejected::NoSuchSlot`].
pub fn raise(slots: &[(SlotId, SlotBits)], slot: SlotId) -> Result<BitEdits, Rejected> {
    let bits = bits_of(slots, slot)?;
    raise_to(slots, slot, |priority| SlotBits { priority, ..bits })
}

/// Bits of a slot that is complete but not armed: tries, and no priority.
#[must_use]
pub const fn stage(tries: TriesLeft) -> SlotBits {
    SlotBits { priority: Priority::ZERO, tries_left: tries, successful: Successful::No }
}

/// Bits of a slot that is about to be written, or whose trial is cancelled: out of the boot order. The one try says that what it holds never failed, so that
/// an installation that is cut between the trailer and `arm` leaves a staged slot and not a failed one.
#[must_use]
pub const fn disarm() -> SlotBits {
    stage(TriesLeft::ONE)
}

/// Whether a slot has these bits because of [`disarm`], [`stage`] or [`mark_bad`]: nothing is lost when it is written.
#[must_use]
pub fn out_of_order(bits: SlotBits) -> bool {
    bits == stage(bits.tries_left)
}

/// Whether a slot with these bits has no try left and never completed a boot: what it holds failed, or it holds nothing.
#[must_use]
pub fn spent(bits: SlotBits) -> bool {
    bits.tries_left == TriesLeft::ZERO && bits.successful == Successful::No
}

/// Bits of a slot that has completed a boot: its priority stays.
///
/// # Errors
/// [`Rejected::SlotState`] at priority 0: a slot that was taken out is not good because something still runs from it.
pub fn mark_good(slot: SlotId, bits: SlotBits, guard: TriesLeft) -> Result<SlotBits, Rejected> {
    if bits.priority == Priority::ZERO {
        return Err(Rejected::SlotState { slot, needed: Needed::InBootOrder });
    }
    Ok(SlotBits { priority: bits.priority, tries_left: guard, successful: Successful::Yes })
}

/// Bits of a slot that must not boot again.
#[must_use]
pub const fn mark_bad() -> SlotBits {
    SlotBits { priority: Priority::ZERO, tries_left: TriesLeft::ZERO, successful: Successful::No }
}

/// Bits of a good slot that turned out damaged: its success is gone, its place in the order stays.
#[must_use]
pub const fn withdraw(bits: SlotBits) -> SlotBits {
    SlotBits { successful: Successful::No, ..bits }
}

fn bits_of(slots: &[(SlotId, SlotBits)], slot: SlotId) -> Result<SlotBits, Rejected> {
    let found = slots.iter().find(|(id, _)| *id == slot);
    found.map(|(_, bits)| *bits).ok_or(Rejected::NoSuchSlot { slot })
}

/// One above the highest other slot; where that is past 15, the others move down in order and none to 0.
fn raise_to(
    slots: &[(SlotId, SlotBits)],
    slot: SlotId,
    bits: impl Fn(Priority) -> SlotBits,
) -> Result<BitEdits, Rejected> {
    bits_of(slots, slot)?;
    let others = || slots.iter().filter(|(id, _)| *id != slot);
    let highest = others().map(|(_, bits)| bits.priority.get()).max().unwrap_or(0);
    let mut edits = BitEdits::new();
    let mut add = |id, bits| edits.push((id, bits)).map_err(|_| Rejected::NoSuchSlot { slot: id });
    if let Some(above) = Priority::new(highest.saturating_add(1)) {
        add(slot, bits(above))?;
        return Ok(edits);
    }
    let rank = |of: Priority| rank_from_below(slots, slot, of);
    for (id, other) in others().filter(|(_, bits)| bits.priority > Priority::ZERO) {
        add(*id, SlotBits { priority: rank(other.priority), ..*other })?;
    }
    let top = Priority::new(rank(Priority::MAX).get().saturating_add(1)).unwrap_or(Priority::MAX);
    add(slot, bits(top))?;
    Ok(edits)
}

/// 1 for the lowest priority above 0 among the others, 2 for the next different one, and so on. At most [`SLOTS`].
fn rank_from_below(slots: &[(SlotId, SlotBits)], but: SlotId, of: Priority) -> Priority {
    let present = |value: u8| slots.iter().any(|(id, bits)| *id != but && bits.priority.get() == value);
    let rank = (1..=of.get()).filter(|value| present(*value)).count();
    u8::try_from(rank).ok().and_then(Priority::new).unwrap_or(Priority::MAX)
}
