//! What a long act tells its caller, and how the caller stops it.

use crate::transition::Sizes;
use crate::units::block::ByteLen;

/// The part of an act that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Chunks are compared with the target and written where they differ.
    Write,
    /// A bundle is checked, nothing is written.
    Check,
    /// Everything written is made durable.
    Flush,
    /// The target is read and checked against the root hash.
    ReadBack,
}

/// How far an act has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of images handled in this phase.
    pub done: ByteLen,
    /// Bytes of images that this phase will handle.
    pub total: ByteLen,
    /// Bytes, of those done, that were in the target already and were not written.
    pub kept: ByteLen,
    /// Bytes, of those done, that came from other slots and not from the source.
    pub reused: ByteLen,
}

/// Bytes that did not have to be written, or did not come from the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Saved {
    pub(crate) kept: u64,
    pub(crate) reused: u64,
}

impl Saved {
    pub(crate) const NOTHING: Self = Self { kept: 0, reused: 0 };
}

/// Whether an act goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop at once, with [`Error::Interrupted`](crate::Error::Interrupted). A later run resumes.
    Stop,
}

/// Told after every chunk.
pub trait Observer {
    /// Looks at the progress and says whether to go on.
    fn progress(&mut self, progress: Progress) -> Flow;
}

/// Says nothing and never stops.
#[derive(Clone, Copy, Default, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _: Progress) -> Flow {
        Flow::Continue
    }
}

/// Bytes counted over all payloads of an act.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    progress: Progress,
}

impl Meter {
    pub(crate) const fn new(phase: Phase, total: ByteLen) -> Self {
        let none = ByteLen::new(0);
        Self { progress: Progress { phase, done: none, total, kept: none, reused: none } }
    }

    pub(crate) fn done<O: Observer, E>(
        &mut self,
        observer: &mut O,
        bytes: u64,
        saved: Saved,
    ) -> Result<(), crate::Error<E>> {
        let plus = |sum: ByteLen, more: u64| ByteLen::new(sum.get().saturating_add(more));
        self.progress.done = plus(self.progress.done, bytes);
        self.progress.kept = plus(self.progress.kept, saved.kept);
        self.progress.reused = plus(self.progress.reused, saved.reused);
        match observer.progress(self.progress) {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(crate::Error::Interrupted),
        }
    }

    pub(crate) const fn sizes(&self) -> Sizes {
        let Progress { total, kept, reused, .. } = self.progress;
        Sizes { total, kept, reused }
    }
}
