//! A list of the manifest, decoded item by item whenever it is asked for.

use core::fmt;
use core::marker::PhantomData;

use crate::manifest::wire::{self, Item};

/// Names, payloads or extensions of a manifest, at most eight.
///
/// It holds the signed bytes and no item: eight decoded payloads are more than a small stack should carry about.
///
/// # Invariants
/// Every item was decoded and judged once, when the manifest was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct List<'a, T> {
    encoded: &'a [u8],
    len: usize,
    of: PhantomData<T>,
}

/// The items of a [`List`], in the manifest's order.
#[derive(Clone, Debug)]
pub struct Items<'a, T> {
    rest: &'a [u8],
    left: usize,
    of: PhantomData<T>,
}

impl<'a, T: Item<'a>> List<'a, T> {
    pub(super) const fn new(encoded: &'a [u8], len: usize) -> Self {
        Self { encoded, len, of: PhantomData }
    }

    pub(super) const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items, in the manifest's order.
    #[must_use]
    pub const fn iter(&self) -> Items<'a, T> {
        Items { rest: self.encoded, left: self.len, of: PhantomData }
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// The one at `place`, from 0.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<T> {
        self.iter().nth(place)
    }
}

impl<'a, T: Item<'a>> Iterator for Items<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        // By the list's invariant this is never an error.
        let (item, rest) = wire::item(self.rest).ok()?;
        self.rest = rest;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Item<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
