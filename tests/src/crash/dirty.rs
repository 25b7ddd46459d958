//! One sector with unflushed content, and all that it may hold after a cut.

use super::Tears;
use crate::medium::{Change, Sector, Zone};

/// A sector with unflushed content.
#[derive(Debug)]
pub(super) struct Dirty {
    pub(super) lba: u64,
    zone: Zone,
    /// Old, each content written in turn, then torn ones.
    pub(super) options: Vec<Sector>,
    /// How each option changes the identity against the old one.
    pub(super) changes: Vec<Change>,
    /// Options that are not torn.
    pub(super) whole: usize,
}

impl Dirty {
    pub(super) fn new(lba: u64, zone: Zone, old: &Sector) -> Self {
        Self { lba, zone, changes: vec![Change::of(zone, lba, old, old)], options: vec![old.clone()], whole: 1 }
    }

    /// Number of the option with this content.
    pub(super) fn add(&mut self, sector: &Sector) -> usize {
        let known = self.options.iter().position(|option| option.same(sector));
        known.unwrap_or_else(|| {
            self.changes.push(Change::of(self.zone, self.lba, &self.options[0], sector));
            self.options.push(sector.clone());
            self.options.len() - 1
        })
    }

    /// Adds the torn contents, at `places` places inside the sector, and the lost one.
    pub(super) fn tear(&mut self, places: usize, tears: Tears) {
        let Some(old) = self.options[0].bytes().map(<[u8]>::to_vec) else { return };
        for written in 1..self.whole {
            let Some(new) = self.options[written].bytes().map(<[u8]>::to_vec) else { continue };
            for at in (1..=places).map(|place| place * old.len() / (places + 1)) {
                self.add(&Sector::new(&[&new[..at], &old[at..]].concat()));
                self.add(&Sector::new(&[&old[..at], &new[at..]].concat()));
            }
        }
        if tears == Tears::Lost {
            self.add(&Sector::lost());
        }
    }
}
