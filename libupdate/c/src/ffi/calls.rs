//! Calls of the caller's functions.

use core::ffi::c_void;

use crate::abi::{self, Flush, ReadBlocks, WriteBlocks};

/// The three callbacks of a disk.
#[derive(Debug)]
pub(crate) struct Disk<'c> {
    raw: &'c abi::Disk,
    read: ReadBlocks,
    write: WriteBlocks,
    flush: Flush,
}

impl<'c> Disk<'c> {
    /// `None` if one is missing: a disk without a flush would make nothing durable.
    pub(crate) fn of(raw: &'c abi::Disk) -> Option<Self> {
        Some(Self { raw, read: raw.read?, write: raw.write?, flush: raw.flush? })
    }

    const fn context(&self) -> *mut c_void {
        self.raw.context
    }

    /// Reads `blocks` blocks, which `to` has room for.
    pub(crate) fn read(&mut self, lba: u64, blocks: u32, to: &mut [u8]) -> i32 {
        // SAFETY: by the header's contract the callback writes `blocks` logical blocks from the pointer on; the caller of this function has
        // checked that these are exactly the bytes of `to`, which nobody else holds.
        unsafe { (self.read)(self.context(), lba, blocks, to.as_mut_ptr().cast()) }
    }

    /// Writes `blocks` blocks, which `from` holds.
    pub(crate) fn write(&mut self, lba: u64, blocks: u32, from: &[u8]) -> i32 {
        // SAFETY: as for `read`; the callback only reads the bytes of `from`.
        unsafe { (self.write)(self.context(), lba, blocks, from.as_ptr().cast()) }
    }

    /// Flushes.
    pub(crate) fn flush(&mut self) -> i32 {
        // SAFETY: the callback gets what the caller gave for it.
        unsafe { (self.flush)(self.context()) }
    }
}

#[cfg(feature = "full")]
pub(crate) use full::{Listener, Source, Starter};

#[cfg(feature = "full")]
mod full {
    use core::ffi::{CStr, c_void};

    use crate::abi::{self, ReadBytes};
    use crate::full::Loader;

    /// The callbacks of a bundle's source.
    #[derive(Debug)]
    pub(crate) struct Source<'c> {
        raw: &'c abi::Source,
        read: ReadBytes,
    }

    impl<'c> Source<'c> {
        /// `None` if it cannot be read.
        pub(crate) fn of(raw: &'c abi::Source) -> Option<Self> {
            Some(Self { raw, read: raw.read? })
        }

        /// Reads; how many bytes came, or a number that is not 0: also where more came than there was room for.
        pub(crate) fn read(&mut self, to: &mut [u8]) -> Result<usize, i32> {
            let mut got = 0;
            // SAFETY: by the header's contract the callback writes at most `to.len()` bytes from the pointer on, and their number.
            let answer = unsafe { (self.read)(self.raw.context, to.as_mut_ptr().cast(), to.len(), &raw mut got) };
            match answer {
                0 if got <= to.len() => Ok(got),
                0 => Err(i32::MIN),
                failed => Err(failed),
            }
        }

        /// Seeks forward; `None` if it cannot.
        pub(crate) fn skip(&mut self, bytes: u64) -> Option<i32> {
            // SAFETY: the callback gets what the caller gave for it.
            self.raw.skip.map(|skip| unsafe { skip(self.raw.context, bytes) })
        }
    }

    /// Whoever hears of an act, or nobody.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Listener<'c>(pub(crate) Option<&'c abi::Listener>);

    impl Listener<'_> {
        /// Whether the act goes on.
        pub(crate) fn progress(&self, phase: u32, done: u64, total: u64) -> bool {
            let Some((raw, progress)) = self.0.and_then(|raw| Some((raw, raw.progress?))) else { return true };
            // SAFETY: the callback gets what the caller gave for it.
            unsafe { progress(raw.context, phase, done, total) == 0 }
        }

        /// Says one thing.
        pub(crate) fn say(&self, news: u32, slot: u8, text: &CStr) {
            let Some((raw, say)) = self.0.and_then(|raw| Some((raw, raw.say?))) else { return };
            // SAFETY: the text ends with a zero and outlives the call.
            unsafe { say(raw.context, news, slot, text.as_ptr()) }
        }
    }

    /// The callback that starts slots.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Starter<'c> {
        raw: &'c abi::Starter,
        start: abi::Start,
    }

    impl<'c> Starter<'c> {
        /// `None` if there is none.
        pub(crate) fn of(raw: &'c abi::Starter) -> Option<Self> {
            Some(Self { raw, start: raw.start? })
        }

        /// Starts a slot.
        pub(crate) fn start(&self, loader: &mut Loader<'_>, boot: &abi::Boot) -> i32 {
            let sound = (&raw mut *loader).cast::<c_void>();
            // SAFETY: the callback may hand `sound` to `lu_load` while it runs, and to nobody afterwards: the header says so. `lu_load` makes
            // the only use of it then, as `loader` is borrowed here.
            unsafe { (self.start)(self.raw.context, sound, boot) }
        }
    }
}
