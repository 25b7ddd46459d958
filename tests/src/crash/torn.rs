//! Sectors torn inside, and sectors lost.

use super::dirty::Dirty;
use super::{Cut, Effort, Grain, Tears, Window};
use crate::chance::Chance;
use crate::medium::Sector;

impl Window {
    /// One sector, or all of few, torn inside or lost.
    pub(super) fn torn(&mut self, effort: Effort, chance: &mut Chance, each: &mut dyn FnMut(&Cut<'_>)) {
        let few = self.dirty.len() <= 12;
        let places: Vec<usize> = if few {
            (0..self.dirty.len()).collect()
        } else {
            (0..effort.samples.min(32)).map(|_| chance.below(self.dirty.len())).collect()
        };
        let tears = match (self.dirty.len(), effort.grain) {
            (1, Grain::Fine) => 63,
            (2, Grain::Fine) => 15,
            (1, Grain::Coarse) => 7,
            (3, Grain::Fine) => 6,
            (2, Grain::Coarse) => 3,
            (4..=12, Grain::Fine) => 3,
            _ => 1,
        };
        for place in &places {
            self.dirty[*place].tear(tears, effort.tears);
        }
        if self.dirty.len() <= 3 {
            self.product(&places, |dirty| dirty.options.len(), each);
        } else {
            for place in places {
                self.torn_one(place, few, chance, each);
            }
        }
        if few && effort.tears == Tears::Lost {
            self.lost_blocks(each);
        }
    }

    /// A physical block that the drive was writing is lost as a whole, with every sector in it that was written, changed or not.
    fn lost_blocks(&mut self, each: &mut dyn FnMut(&Cut<'_>)) {
        let mut full = vec![0; self.dirty.len()];
        self.replay(&mut full, self.steps.len());
        for lba in std::mem::take(&mut self.rewritten) {
            let Some(old) = self.durable.sector(lba) else { continue };
            let mut dirty = Dirty::new(lba, self.durable.zone_of(lba), old);
            dirty.add(&Sector::lost());
            self.dirty.push(dirty);
            full.push(0);
        }
        let sectors = self.durable.physical().bytes_u64() / self.durable.block_size().bytes_u64();
        for block in 0..=self.dirty.iter().map(|dirty| dirty.lba / sectors).max().unwrap_or(0) {
            for mut choices in [vec![0; full.len()], full.clone()] {
                for (choice, dirty) in
                    choices.iter_mut().zip(&self.dirty).filter(|(_, dirty)| dirty.lba / sectors == block)
                {
                    *choice = dirty.options.len() - 1;
                }
                each(&self.cut(&choices));
            }
        }
    }

    /// One torn sector among others that are old, new, new up to it, and, where they are few, any.
    fn torn_one(&self, place: usize, few: bool, chance: &mut Chance, each: &mut dyn FnMut(&Cut<'_>)) {
        let mut full = vec![0; self.dirty.len()];
        self.replay(&mut full, self.steps.len());
        let mut prefix = vec![0; self.dirty.len()];
        self.replay(&mut prefix, self.steps.iter().position(|step| step.0 == place).unwrap_or(0));
        let mut rests = vec![vec![0; self.dirty.len()], full, prefix];
        let random = if few { 8 } else { 1 };
        rests.extend((0..random).map(|_| self.random_subset(self.dirty.len(), chance)));
        for mut rest in rests {
            for option in self.dirty[place].whole..self.dirty[place].options.len() {
                rest[place] = option;
                each(&self.cut(&rest));
            }
        }
    }
}
