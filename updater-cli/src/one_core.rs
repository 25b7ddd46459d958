//! Who computes, where the program is built without the feature `parallel`: one core.

pub use libupdate::SoftHasher as Hasher;

/// How many cores work.
pub const fn count() -> usize {
    1
}

/// Hashes on it.
pub const fn hasher() -> Hasher {
    Hasher
}

/// Does `act` to every item with the first tool, and gives the answers in the order of the items.
pub fn share<I, T, A>(items: &mut [I], tools: &mut [T], act: impl Fn(&mut T, &mut I) -> A) -> Vec<A> {
    let Some(tool) = tools.first_mut() else { return Vec::new() };
    items.iter_mut().map(|item| act(tool, item)).collect()
}
