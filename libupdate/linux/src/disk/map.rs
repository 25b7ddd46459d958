//! Which way an address of the disk goes, and what must not be written.
//!
//! ```text
//!  | GPT | slot a: its node ........ | note  | ... | slot b, booted: protected ..... | note  | ... | GPT |
//!    whole disk                                                                       whole disk
//! ```
//! The boot note of the booted slot is the one block of it that may be written. Nothing reads it at boot except words, its slot's image,
//! hash tree and trailer stand elsewhere, and a torn one is none. Its partition is in use, so it goes through the whole disk,
//! each way.

use libupdate::{Extent, Lba, SlotId};

use super::route::Route;

/// Ways and protected places.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) routes: Vec<Route>,
    protected: Vec<(Extent, SlotId)>,
    spared: Vec<Extent>,
}

impl Map {
    /// No write may touch the extent, except those inside `spared`.
    pub(super) fn protect(&mut self, extent: Extent, slot: SlotId, spared: Option<Extent>) {
        self.protected.push((extent, slot));
        self.spared.extend(spared);
    }

    /// The slot whose protection a write into `touched` would break; `None` for `touched` is a place that has no extent.
    pub(super) fn protects(&self, touched: Option<Extent>) -> Option<SlotId> {
        let inside = |spared: &Extent| {
            touched.is_some_and(|touched| spared.first() <= touched.first() && touched.last() <= spared.last())
        };
        if self.spared.iter().any(inside) {
            return None;
        }
        let broken = |(extent, _): &&(Extent, SlotId)| touched.is_none_or(|touched| touched.overlaps(extent));
        self.protected.iter().find(broken).map(|(_, slot)| *slot)
    }

    /// Blocks from `at` on that go one way, `len` at most, and that way's number in `routes`.
    pub(super) fn piece(&self, at: Lba, len: u64) -> (Option<usize>, u64) {
        let inside = |extent: &Extent| extent.first() <= at && at <= extent.last();
        let left = |extent: &Extent| extent.last().get().saturating_sub(at.get()).saturating_add(1);
        let gap = |extent: &Extent| extent.first().get().saturating_sub(at.get());
        if let Some(spared) = self.spared.iter().find(|extent| inside(extent)) {
            return (None, len.min(left(spared)));
        }
        let extents = || self.routes.iter().map(|route| &route.extent);
        let later = extents().chain(&self.spared).filter(|extent| at < extent.first());
        let len = later.map(gap).fold(len, u64::min);
        match extents().position(inside) {
            Some(index) => (Some(index), extents().nth(index).map_or(len, |extent| len.min(left(extent)))),
            None => (None, len),
        }
    }
}

#[cfg(test)]
mod tests {
    use libupdate::BlockSize;

    use super::*;

    fn extent(first: u64, last: u64) -> Extent {
        Extent::new(Lba::new(first), Lba::new(last), BlockSize::B512).unwrap()
    }

    fn map() -> Map {
        let route = |first, last| Route { extent: extent(first, last), node: Ok("/dev/null".into()), medium: None };
        let mut map = Map { routes: vec![route(300, 399), route(100, 199)], ..Map::default() };
        map.protect(extent(100, 199), SlotId::A, Some(extent(180, 187)));
        map
    }

    #[test]
    fn an_access_is_cut_where_its_way_ends() {
        let pieces = |mut at: u64, mut len: u64| {
            let mut pieces = Vec::new();
            while len > 0 {
                let (way, count) = map().piece(Lba::new(at), len);
                pieces.push((way, count));
                (at, len) = (at + count, len - count);
            }
            pieces
        };
        let [disk, a, b] = [None, Some(1), Some(0)];
        let whole = [(disk, 100), (a, 80), (disk, 8), (a, 12), (disk, 100), (b, 100), (disk, 100)];
        assert_eq!(pieces(0, 500), whole);
        assert_eq!(pieces(182, 4), [(disk, 4)]);
        assert_eq!(pieces(199, 1), [(a, 1)]);
    }

    #[test]
    fn of_a_protected_extent_only_the_spared_part_may_be_written() {
        let protects = |first, last| map().protects(Some(extent(first, last)));
        assert_eq!([protects(180, 187), protects(187, 187), protects(0, 99), protects(200, 299)], [None; 4]);
        for (first, last) in [(179, 187), (180, 188), (99, 100), (199, 200), (0, 500), (150, 150)] {
            assert_eq!(protects(first, last), Some(SlotId::A), "{first} to {last}");
        }
        assert_eq!(map().protects(None), Some(SlotId::A));
    }
}
