//! A boot loader's store that follows the slot bits.

use heapless::Vec;

use super::{Device, Listener, News, tell};
use crate::boot::{self, Candidate};
use crate::error::{Access, Error, IoError, Medium};
use crate::io::BlockIo;
use crate::loader::{self, Counting, Put, Ranking};
use crate::slot::SlotTable;
use crate::transition::{self, Staged};
use crate::units::block::Lba;
use crate::units::limits::SLOTS;

impl<D: BlockIo> Device<'_, '_, D> {
    /// Makes the slot bits and the boot loader's store say the same: tries that the loader took come into the bits, and the store says what
    /// the bits say. For every boot and every `status`: the power may have gone between an act's commit and the store. Without a loader
    /// nothing is read.
    ///
    /// # Durability
    /// One commit for each slot of which the loader took tries; then one step of the store. A cut leaves a store that is behind, as before.
    /// # Errors
    /// [`Error::Medium`] with [`Access::BootLoader`] for the store; [`Error::Table`].
    pub fn reconcile<L: Listener>(&mut self, listener: &mut L) -> Result<Put, Error<D::Error>> {
        self.catch_up(listener)?;
        self.tell_loader()
    }

    /// Tries that the loader took, into the bits: before each act, whose commit would give them back to the store else.
    pub(super) fn catch_up<L: Listener>(&mut self, listener: &mut L) -> Result<(), Error<D::Error>> {
        if self.loader.is_none() {
            return Ok(());
        }
        let candidates = self.candidates()?;
        // A flag can only have been used by the slot that it was set for.
        let flagged = Ranking::of(&candidates, None, None).trial();
        let once = self.loader.as_ref().is_some_and(|loader| loader.counting() == Counting::Once);
        for seen in candidates.iter().filter(|seen| !once || flagged == Some(seen.slot)) {
            self.catch_up_with(seen, listener)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn catch_up_with<L: Listener>(&mut self, seen: &Candidate, listener: &mut L) -> Result<(), Error<D::Error>> {
        let Some(loader) = &mut self.loader else { return Ok(()) };
        let stored = loader.read(self.disk, seen.slot).map_err(failed)?;
        let counting = loader.counting();
        let left = loader::taken(seen, stored, counting, self.board.view.booted);
        let Some(left) = left else { return Ok(()) };
        let outcome = self.alone(|disk, specs, scratch| transition::lower_tries(disk, specs, seen, left, scratch))?;
        tell(listener, &outcome);
        listener.hear(&News::TriesTaken(seen.slot, left, counting));
        Ok(())
    }

    /// What the bits say, into the store: after each commit.
    pub(super) fn tell_loader(&mut self) -> Result<Put, Error<D::Error>> {
        if self.loader.is_none() {
            return Ok(Put::Unchanged);
        }
        let ranking = Ranking::of(&self.candidates()?, self.confirmed, self.board.view.booted);
        let Some(loader) = &mut self.loader else { return Ok(Put::Unchanged) };
        loader.put(self.disk, &ranking).map_err(failed)
    }

    /// What the loader needs of a slot that is about to be armed.
    pub(super) fn prepare(&mut self, staged: &Staged<'_>) -> Result<(), Error<D::Error>> {
        match &mut self.loader {
            Some(loader) => loader.prepare(self.disk, staged).map_err(failed),
            None => Ok(()),
        }
    }

    // Not inlined: the slots are gone before the next step.
    #[inline(never)]
    fn candidates(&mut self) -> Result<Vec<Candidate, SLOTS>, Error<D::Error>> {
        let mut slots = SlotTable::empty();
        self.find_again(&mut slots)?;
        Ok(boot::candidates(&slots))
    }
}

const fn failed<E>(cause: E) -> Error<E> {
    Error::Medium(Medium::Failed(IoError { access: Access::BootLoader, at: Lba::new(0), cause }))
}
