//! The threads that share what is to be computed: one for each core, the calling one among them.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread;

/// Bytes of a thread's stack. Hashing and zstd keep what is large on the heap.
const STACK: usize = 256 << 10;

static COUNT: OnceLock<usize> = OnceLock::new();

/// How many there are. The first call starts them, and makes its own thread one of them, so that it works instead of waiting for the
/// others. 1 where the system gives no thread: then nothing may be shared.
pub fn count() -> usize {
    *COUNT.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).stack_size(STACK).use_current_thread();
        if cores > 1 && pool.build_global().is_ok() { cores } else { 1 }
    })
}
