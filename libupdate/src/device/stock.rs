//! The images in other slots that an installation uses: those that a delta bundle is made from, judged with the memory for them before
//! anything of it is fetched or written, and those that may have blocks of the new ones.

use super::{Device, Work};
use crate::bundle::Features;
use crate::bundle::delta::{MEMORY_BYTES, OldImages};
use crate::bundle::frame::Frames;
use crate::error::{Corrupt, Error, Misuse, Rule};
use crate::inspect::{self, Memory};
use crate::io::BlockIo;
use crate::policy::{Admitted, Old, Stock};
use crate::slot::SlotTable;
use crate::units::digest::RootHash;
use crate::units::slot_id::SlotId;
use crate::verity::CHUNK_BYTES;

impl<'p, D: BlockIo> Device<'_, 'p, D> {
    /// Puts into `stock`, which is empty, where each of them is.
    ///
    /// # Errors
    /// `DeltaBases`; those of [`Frames::of`]; [`Rejected::NoOldImage`](crate::error::Rejected::NoOldImage); [`Misuse::Buffer`].
    #[inline(never)]
    pub(super) fn look_around<H, Z>(
        &mut self,
        admitted: &Admitted<'_>,
        (slots, stock): (&SlotTable<'p>, &mut Stock),
        work: &Work<'_, H, Z>,
        memory: &mut Memory<'_>,
    ) -> Result<(), Error<D::Error>> {
        stock.frames = Frames::of(admitted.verified()).map_err(Error::Bundle)?;
        for root in OldImages::of(admitted.verified()).map_err(Error::Bundle)?.roots() {
            let old = self.old_image((slots, admitted.slot()), root, memory)?;
            stock.olds.push(old).map_err(|_| Error::Bundle(Corrupt(Rule::DeltaBases)))?;
        }
        if admitted.verified().features().has(Features::HINTS) && !work.reuse.index.is_empty() {
            let spares =
                inspect::spares(self.disk, (slots, admitted.slot()), &self.board.view, admitted.verified(), memory);
            stock.spares = spares?;
        }
        Ok(has_room(stock, work)?)
    }

    fn old_image(
        &mut self,
        slots: (&SlotTable<'p>, SlotId),
        root: Option<RootHash>,
        memory: &mut Memory<'_>,
    ) -> Result<Old, Error<D::Error>> {
        let Some(root) = root else { return Ok(Old::None) };
        inspect::old_image(self.disk, slots, &self.board.view, root, memory).map(Old::Here)
    }
}

/// Whether the caller's memory is enough for chunks that are made from an old image, or of several frames.
fn has_room<H, Z>(stock: &Stock, work: &Work<'_, H, Z>) -> Result<(), Misuse> {
    let made = stock.olds.iter().any(|old| *old != Old::None);
    let gathered = made || !stock.frames.are_chunks();
    let needs = [(&work.data, gathered), (&work.carried, gathered), (&work.reference, made)];
    for ((memory, is_needed), needed) in needs.into_iter().zip([CHUNK_BYTES, CHUNK_BYTES, MEMORY_BYTES]) {
        if is_needed && memory.len() < needed {
            return Err(Misuse::Buffer { needed, got: memory.len() });
        }
    }
    Ok(())
}
