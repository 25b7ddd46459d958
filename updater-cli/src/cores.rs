//! Who computes: every core of the machine.

use rayon::prelude::*;

pub use libupdate_linux::cores::count;
pub use libupdate_linux::hasher::Hasher;

/// Hashes on all of them.
pub fn hasher() -> Hasher {
    Hasher::default()
}

/// Does `act` to every item, shared among as many threads as there are tools, and gives the answers in the order of the items.
pub fn share<I: Send, T: Send, A: Send>(
    items: &mut [I],
    tools: &mut [T],
    act: impl Fn(&mut T, &mut I) -> A + Sync,
) -> Vec<A> {
    // Where the system gives no thread, there is one tool, and nothing may be shared.
    if let [tool] = tools {
        return items.iter_mut().map(|item| act(tool, item)).collect();
    }
    let share = items.len().div_ceil(tools.len().max(1)).max(1);
    let shares = items.par_chunks_mut(share).zip(tools.par_iter_mut());
    shares.flat_map_iter(|(items, tool)| items.iter_mut().map(|item| act(tool, item))).collect()
}
