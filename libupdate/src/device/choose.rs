//! The slot that boots next, for whoever boots it by other means: a boot script, a boot loader.

use heapless::Vec;

use super::{Device, Listener, News, Room, tell};
use crate::boot::{self, Boot, Choice, Guard, Unfit, unfit};
use crate::error::Error;
use crate::gpt::CopyState;
use crate::inspect;
use crate::io::BlockIo;
use crate::slot::{PartitionSpec, SlotTable};
use crate::transition::{self, Attempt, Spent};
use crate::units::limits::SLOTS;
use crate::units::slot_id::SlotId;

/// What boots next, and what would if its trailer were in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    /// The first slot that may boot.
    pub boot: Option<Boot>,
    /// Those before it, and why they do not boot.
    pub passed_over: Vec<(SlotId, Unfit), SLOTS>,
}

/// What [`choose_and_spend`] chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen<E> {
    /// The slot to boot, with its try spent; `None` if no slot is bootable.
    pub attempt: Option<Attempt<E>>,
    /// The first slot of the boot order, if its try could not be spent and another one boots.
    pub passed_over: Option<SlotId>,
    /// Whether a copy of the table is damaged: a repair mends it.
    pub needs_repair: bool,
}

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// The slot that boots next, by the rules of [`Device::boot`]: a slot is passed over if its trailer is not authentic, or, on trial, if
    /// its rollback index is below the floor. Reads only.
    ///
    /// # Errors
    /// [`Error::Table`], [`Error::Medium`] for the table.
    pub fn next(&mut self, room: &mut Room<'p>) -> Result<Next, Error<D::Error>> {
        self.first_fit(room, |_, _| Ok(()))
    }

    /// The first slot of the order that is fit and that `take` takes.
    fn first_fit(
        &mut self,
        room: &mut Room<'p>,
        mut take: impl FnMut(&mut Self, &Boot) -> Result<(), Unfit>,
    ) -> Result<Next, Error<D::Error>> {
        self.look(room)?;
        let mut next = Next { boot: None, passed_over: Vec::new() };
        for boot in boot::order(&boot::candidates(&room.slots), self.board.guard) {
            match self.judge(&boot, room).and_then(|()| take(self, &boot)) {
                Ok(()) => {
                    next.boot = Some(boot);
                    break;
                }
                // There are as many places as slots.
                Err(unfit) => next.passed_over.push((boot.candidate.slot, unfit)).unwrap_or_default(),
            }
        }
        Ok(next)
    }

    fn judge(&mut self, boot: &Boot, room: &mut Room<'p>) -> Result<(), Unfit> {
        let id = boot.candidate.slot;
        let Room { slots, facts, trailer, block, page, .. } = room;
        let slot = slots.get(id).map_err(|_| Unfit::Unreadable)?;
        let found = inspect::trailer(self.disk, slot, &self.board.view, trailer, [block, page]);
        let (verified, _) = found.map_err(|_| Unfit::Unreadable)?.fit()?;
        if !boot.kind.is_trial() {
            return Ok(());
        }
        unfit::above(verified.manifest().rollback_index(), facts.lowest_index_beside(id))
    }

    /// [`Device::next`], and the try of the slot is spent, as a boot does. Of a slot that is passed over nothing is spent, since
    /// only its trailer was read: nothing could hang on the way. A slot on trial whose try cannot be spent is passed over, too, as by
    /// [`choose_and_spend`].
    ///
    /// # Durability
    /// One commit: [`transition::spend_try`]; one more for each slot whose try could not be spent.
    /// # Errors
    /// Those of [`Device::next`]; if no slot is left, that of the first try that could not be spent.
    pub fn choose<L: Listener>(&mut self, room: &mut Room<'p>, listener: &mut L) -> Result<Next, Error<D::Error>> {
        let mut refused = None;
        let next = self.first_fit(room, |device, boot| match device.spend(boot, listener) {
            Ok(_) => Ok(()),
            Err(error) => {
                listener.hear(&News::TryNotSpent(boot.candidate.slot, &error));
                refused = refused.take().or(Some(error));
                Err(Unfit::TryNotSpent)
            }
        })?;
        match (next.boot, refused) {
            (None, Some(error)) => Err(error),
            _ => Ok(next),
        }
    }

    /// Spends the try of a boot, and hears what there is to say of it.
    pub(super) fn spend<L: Listener>(
        &mut self,
        boot: &Boot,
        listener: &mut L,
    ) -> Result<Attempt<D::Error>, Error<D::Error>> {
        let attempt = self.alone(|disk, specs, scratch| transition::spend_try(disk, specs, boot, scratch))?;
        match &attempt.spent {
            Spent::Yes(outcome) => tell(listener, outcome),
            Spent::NotNeeded => {}
            Spent::Failed(error) => listener.hear(&News::TryNotSpent(boot.candidate.slot, error)),
        }
        Ok(attempt)
    }
}

/// Which slot [`choose_and_spend`] would choose, and whether a copy of the table is damaged. Writes nothing.
///
/// # Errors
/// [`Error::Table`], [`Error::Medium`].
pub fn choose_only<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    guard: Guard,
    scratch: &mut [u8],
) -> Result<(Choice, bool), Error<D::Error>> {
    let (order, needs_repair) = order(disk, specs, guard, scratch)?;
    Ok((order.first().map_or(Choice::Nothing, |boot| Choice::Boot(*boot)), needs_repair))
}

/// The least a boot loader does, with no keys and 4 KiB of memory: read both copies of the table, choose the slot, spend its try. What it
/// starts then checks the slot. A slot on trial whose try cannot be spent does not boot, and the next one has its turn: a disk that takes no
/// writes any more still boots its good slot.
///
/// # Durability
/// One commit: [`transition::spend_try`]; one more for each slot that is passed over.
/// # Errors
/// [`Error::Table`], [`Error::Medium`]; if no slot is left, that of the first one's try.
pub fn choose_and_spend<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    guard: Guard,
    scratch: &mut [u8],
) -> Result<Chosen<D::Error>, Error<D::Error>> {
    let (order, needs_repair) = order(disk, specs, guard, scratch)?;
    let mut refused = None;
    for boot in &order {
        match transition::spend_try(disk, specs, boot, scratch) {
            Ok(attempt) => {
                let passed_over = refused.map(|(slot, _)| slot);
                return Ok(Chosen { attempt: Some(attempt), passed_over, needs_repair });
            }
            Err(error) => refused = refused.or(Some((boot.candidate.slot, error))),
        }
    }
    match refused {
        None => Ok(Chosen { attempt: None, passed_over: None, needs_repair }),
        Some((_, error)) => Err(error),
    }
}

// Not inlined: the slots are gone before the try is spent.
#[inline(never)]
fn order<D: BlockIo>(
    disk: &mut D,
    specs: &[PartitionSpec<'_>],
    guard: Guard,
    scratch: &mut [u8],
) -> Result<(Vec<Boot, SLOTS>, bool), Error<D::Error>> {
    let mut slots = SlotTable::empty();
    let table = inspect::find_into(disk, specs, &mut slots, scratch)?;
    let sound = |state| matches!(state, CopyState::Valid | CopyState::Ignored);
    let damaged = !(sound(table.primary().state()) && sound(table.backup().state()));
    Ok((boot::order(&boot::candidates(&slots), guard), damaged))
}
