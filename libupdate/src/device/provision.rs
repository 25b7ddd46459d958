//! A new disk: its table, and the first image in its first slot, good.

use super::{Device, Listener, Room, Work};
use crate::bundle::Verified;
use crate::error::{Error, Rejected};
use crate::gpt::Table;
use crate::gpt::write::{self, FreshTable, Outcome};
use crate::install::{Decompressor, Source};
use crate::io::{self, BlockIo};
use crate::policy::{self, Stock};
use crate::region;
use crate::slot::{SlotFinder, SlotTable};
use crate::transition;
use crate::units::digest::BlockHasher;

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// Writes a new table, with no slot armed, and the first image into its first slot, which becomes good last of all.
    ///
    /// Old records, which an earlier table's slots left where the new ones end, are erased: a new device has neither failed nor fallen
    /// back. On a disk without a table they go before the new one is written, too, so that a cut leaves none in a table that looks used.
    ///
    /// # Durability
    /// Until the last commit nothing on the disk boots, and running again starts over; what an older table held is gone, as was asked.
    /// # Errors
    /// Every class, those of the bundle and of the table before the first write.
    pub fn provision<R: Source, H: BlockHasher, Z: Decompressor, L: Listener>(
        &mut self,
        fresh: &FreshTable<'_>,
        (verified, source): (Verified<'_>, &mut R),
        room: &mut Room<'p>,
        work: &mut Work<'_, H, Z>,
        listener: &mut L,
    ) -> Result<Outcome, Error<D::Error>> {
        self.planned(fresh, &mut room.slots)?;
        let first = room.slots.slots().first().ok_or(Rejected::NoTarget)?;
        #[cfg(any(test, feature = "packs"))]
        policy::a_release(&verified)?;
        policy::compatible(&verified, self.board.view.compatible)?;
        policy::whole(&verified)?;
        policy::extents(verified.manifest(), first)?;
        if Table::read(self.disk, self.scratch).is_err() {
            io::flush(self.disk)?;
            self.clear(&verified, room)?;
        }
        self.alone(|disk, _, scratch| write::create(disk, fresh, scratch))?;
        self.clear(&verified, room)?;
        self.look(room)?;
        let Room { slots, facts, leaf, block, page, .. } = room;
        let admitted = policy::admit_first(verified, facts, slots)?;
        let disarmed = self.disarm(admitted, listener)?;
        let staged = self.stage(disarmed, source, (work, &Stock::default()), &mut [leaf, block, page], listener)?;
        self.prepare(&staged)?;
        let guard = self.board.guard;
        self.commit(listener, |disk, specs, scratch| transition::first_good(disk, specs, &staged, guard, scratch))
    }

    /// The slots of a table that is yet to be written.
    #[inline(never)]
    fn planned(&self, fresh: &FreshTable<'_>, slots: &mut SlotTable<'p>) -> Result<(), Error<D::Error>> {
        let mut finder = SlotFinder::new(self.board.view.specs);
        fresh.entries(self.disk.block_count(), self.disk.block_size(), |entry| finder.see(entry))?;
        Ok(finder.fill(slots)?)
    }

    fn clear(&mut self, coming: &Verified<'_>, room: &mut Room<'p>) -> Result<(), Error<D::Error>> {
        let Room { slots, block, page, .. } = room;
        region::clear(self.disk, slots, coming, [block, page])
    }
}
