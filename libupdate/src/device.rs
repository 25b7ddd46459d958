//! Every act on a disk with A/B slots, each in its one order. What has to be in which order, so that no cut costs a device, is written
//! here and nowhere else: programs, the boot hook, firmware, and the laboratory that cuts the power call the same functions.
//!
//! ```text
//!  install      inspect ─ head, signatures ─ admit ─┬─ the slot holds it: read back ────────┬─ ask ─ arm, or keep
//!                                                   └─ disarm ─ stage: write, flush, read back, seal ─┘
//!  activate     inspect ─ read back ─ arm                      provision   [clear] ─ table ─ clear ─ admit ─ stage ─ good
//!  mark_good    inspect ─ commit                               rollback, withdraw   inspect ─ commit
//!  mark_bad     inspect ─ commit ─ note                        cancel      inspect ─ commit ─ marks
//!  boot         table ─ repair ─ for each slot of the order: [may it start] ─ spend ─ authenticate ─ floor ─ blocks ─ start
//!                                                                             └ did not start: commit what becomes of it ─ note ─ the next
//!  load         table ─ authenticate ─ floor ─ read ─ check in memory       choose   table ─ authenticate ─ floor ─ spend
//!  with a boot loader that chooses by itself:  inspect  tries that it took ─ inspect      commit  [prepare] ─ commit ─ its store
//! ```
//! What differs between callers is in four traits: [`BlockIo`] (the disk, and who is kept away from it meanwhile), [`Listener`] (who
//! hears what happens), [`Starter`] (how a slot is started), [`Loader`] (the store of a boot loader that chooses by itself, if there is one).
//!
//! No allocator: [`Room`] is the memory of the acts, [`Work`] that of the long ones. Each step is a function of its own, so that the stack
//! holds the largest of them and not their sum.

use crate::boot::Guard;
use crate::bundle::Verified;
use crate::error::{Access, Error, Medium};
use crate::gpt::TriesLeft;
use crate::gpt::write::{self, Outcome, ToTheEnd};
use crate::inspect::{self, Inspection, Memory, View};
use crate::install::progress::Observer;
use crate::install::reuse;
use crate::install::{self, Buffers, Decompressor, Tools};
use crate::io::{self, BlockIo, Section};
use crate::loader::Loader;
use crate::policy::Facts;
use crate::region::Block;
use crate::region::trailer::TRAILER_BYTES;
use crate::slot::{PartitionSpec, Slot, SlotTable};
use crate::transition::{self, Staged};
use crate::units::block::Extent;
use crate::units::digest::{BLOCK_BYTES, BlockHasher};
use crate::units::limits::ENVELOPE_BYTES;
use crate::units::slot_id::SlotId;

mod boot;
mod choose;
mod follow;
mod installation;
mod load;
mod marking;
mod news;
mod provision;
mod starter;
mod stock;

pub use choose::{Chosen, Next, choose_and_spend, choose_only};
pub use installation::{Ending, Installed, Reach, Request, Then};
pub use marking::{Claim, Note, mark_bad_by_bits, mark_good_by_bits, repair};
pub use news::{Boots, Listener, News};
pub use starter::{BootRules, Booted, Marker, Sound, Spender, Start, Starter};

/// What the acts know of the board.
#[derive(Clone, Copy, Debug)]
pub struct Board<'p> {
    /// How the device looks at its disk.
    pub view: View<'p>,
    /// Tries of a slot that is armed.
    pub tries: TriesLeft,
    /// Whether boots of a good slot are counted.
    pub guard: Guard,
    /// What becomes of the backup copy of the table on a disk that grew.
    pub backup: OnGrown,
}

/// What an act does with the backup copy of the table on a disk that grew, before it changes anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnGrown {
    /// It stays where it is: a boot writes no more than it must.
    #[default]
    Stays,
    /// It moves to the disk's end, if nothing is there.
    Moves,
}

/// Memory of the acts: the caller's, in a box, or `static`.
#[derive(Debug)]
pub struct Room<'p> {
    pub(crate) slots: SlotTable<'p>,
    pub(crate) facts: Facts<'p>,
    pub(crate) envelope: [u8; ENVELOPE_BYTES],
    pub(crate) trailer: [u8; TRAILER_BYTES],
    pub(crate) leaf: Block,
    pub(crate) block: Block,
    pub(crate) page: Block,
}

impl Room<'_> {
    /// Empty memory. About 40 KB.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: SlotTable::empty(),
            facts: Facts::nothing(),
            envelope: [0; ENVELOPE_BYTES],
            trailer: [0; TRAILER_BYTES],
            leaf: [0; BLOCK_BYTES],
            block: [0; BLOCK_BYTES],
            page: [0; BLOCK_BYTES],
        }
    }
}

impl Default for Room<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// What the long acts need besides [`Room`]: the caller's.
#[derive(Debug)]
pub struct Work<'w, H, Z> {
    /// Image data, see [`Buffers::data`].
    pub data: &'w mut [u8],
    /// Carried bytes of compressed chunks, see [`Buffers::carried`].
    pub carried: &'w mut [u8],
    /// Bytes of an old image, see [`Buffers::reference`].
    pub reference: &'w mut [u8],
    /// For finding blocks of the new images in other slots; its default is none, and nothing is reused.
    pub reuse: reuse::Memory<'w>,
    /// Hashes blocks.
    pub hasher: &'w mut H,
    /// Decompresses chunks.
    pub decompressor: &'w mut Z,
}

impl<'w, H, Z> Work<'w, H, Z> {
    /// With memory for image data and nothing else: for whole, uncompressed bundles.
    pub fn new(data: &'w mut [u8], hasher: &'w mut H, decompressor: &'w mut Z) -> Self {
        Self { data, carried: &mut [], reference: &mut [], reuse: reuse::Memory::default(), hasher, decompressor }
    }
}

/// A disk with A/B slots.
#[derive(Debug)]
pub struct Device<'d, 'p, D> {
    disk: &'d mut D,
    board: Board<'p>,
    scratch: &'d mut [u8],
    backup_seen: bool,
    loader: Option<&'d mut dyn Loader<D>>,
    confirmed: Option<SlotId>,
}

impl<'d, 'p, D: BlockIo> Device<'d, 'p, D> {
    /// Takes a disk for acts. `scratch` holds pieces of the table: at least 4096 bytes; with a whole usual table, 64 KiB, the primary is
    /// one write.
    pub const fn new(disk: &'d mut D, board: Board<'p>, scratch: &'d mut [u8]) -> Self {
        Self { disk, board, scratch, backup_seen: false, loader: None, confirmed: None }
    }

    /// A device whose boot loader chooses by itself: its store follows each commit.
    #[must_use]
    pub fn with_loader(self, loader: Option<&'d mut dyn Loader<D>>) -> Self {
        Self { loader, ..self }
    }

    /// Reads table, slots and trailers. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Table`], [`Error::Medium`] for the table. A slot whose region cannot be read is unverified, not an error.
    pub fn inspect(&mut self, room: &mut Room<'p>) -> Result<Inspection<'p>, Error<D::Error>> {
        let table = inspect::find_into(self.disk, self.board.view.specs, &mut room.slots, self.scratch)?;
        self.look_at_trailers(room)?;
        Ok(Inspection { table, slots: room.slots.clone(), facts: room.facts.clone() })
    }

    /// [`Device::inspect`] for small stacks: what is known of the slots, in `room`.
    ///
    /// # Errors
    /// Those of [`Device::inspect`].
    pub fn facts<'r>(&mut self, room: &'r mut Room<'p>) -> Result<&'r Facts<'p>, Error<D::Error>> {
        self.look(room)?;
        Ok(&room.facts)
    }

    /// [`Device::inspect`] into `room`.
    fn look(&mut self, room: &mut Room<'p>) -> Result<(), Error<D::Error>> {
        self.find_again(&mut room.slots)?;
        self.look_at_trailers(room)
    }

    /// What an act that changes something looks at: bits and the boot loader's store say the same, even if the act is refused then.
    fn look_to_act<L: Listener>(&mut self, room: &mut Room<'p>, listener: &mut L) -> Result<(), Error<D::Error>> {
        self.reconcile(listener)?;
        self.look(room)
    }

    #[inline(never)]
    fn look_at_trailers(&mut self, room: &mut Room<'p>) -> Result<(), Error<D::Error>> {
        let Room { slots, facts, trailer, block, page, .. } = room;
        let mut memory = Memory { trailer, block, other: page };
        inspect::facts_into(self.disk, &self.board.view, slots, facts, &mut memory)
    }

    /// Finds the slots again: somebody may have moved them since.
    fn find_again(&mut self, slots: &mut SlotTable<'p>) -> Result<(), Error<D::Error>> {
        inspect::find_into(self.disk, self.board.view.specs, slots, self.scratch).map(|_| ())
    }

    /// Makes durable what is there already, and both copies of the table equal. For an act that finds nothing to do: an earlier act may
    /// have been killed, or its flush may have failed, so that what reads as done is in the disk's cache alone.
    ///
    /// # Durability
    /// A flush; then at most one copy of the table is written anew from the other.
    /// # Errors
    /// [`Error::Medium`]: nothing is known to be durable. [`Error::Table`].
    pub fn settle<L: Listener>(&mut self, listener: &mut L) -> Result<Outcome, Error<D::Error>> {
        self.catch_up(listener)?;
        self.commit(listener, |disk, _, scratch| transition::settle(disk, scratch))
    }

    /// One change of the table, once its backup is where it belongs.
    fn commit<L: Listener>(
        &mut self,
        listener: &mut L,
        act: impl FnOnce(&mut D, &[PartitionSpec<'_>], &mut [u8]) -> Result<Outcome, Error<D::Error>>,
    ) -> Result<Outcome, Error<D::Error>> {
        if self.board.backup == OnGrown::Moves && !core::mem::replace(&mut self.backup_seen, true) {
            self.move_backup(listener)?;
        }
        self.commit_in_place(listener, act)
    }

    /// One change of the table, wherever its backup is: what a boot does.
    fn commit_in_place<L: Listener>(
        &mut self,
        listener: &mut L,
        act: impl FnOnce(&mut D, &[PartitionSpec<'_>], &mut [u8]) -> Result<Outcome, Error<D::Error>>,
    ) -> Result<Outcome, Error<D::Error>> {
        let outcome = self.alone(act)?;
        tell(listener, &outcome);
        self.tell_loader()?;
        Ok(outcome)
    }

    #[inline(never)]
    fn move_backup<L: Listener>(&mut self, listener: &mut L) -> Result<(), Error<D::Error>> {
        match self.alone(|disk, _, scratch| write::to_the_end(disk, scratch)) {
            Ok(ToTheEnd::NotNeeded) => {}
            Ok(moved) => listener.hear(&News::Backup(moved)),
            // The table is the one that was there: a trial must be confirmed also on a disk whose end is worn.
            Err(Error::Medium(Medium::Failed(error))) if error.access != Access::Flush => {
                listener.hear(&News::BackupNotMoved(&Error::Medium(Medium::Failed(error))));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// One change of the table, and nothing else.
    fn alone<T>(
        &mut self,
        act: impl FnOnce(&mut D, &[PartitionSpec<'_>], &mut [u8]) -> Result<T, Error<D::Error>>,
    ) -> Result<T, Error<D::Error>> {
        let Self { disk, board, scratch, .. } = self;
        io::section(*disk, Section::Table, |disk| act(disk, board.view.specs, scratch))
    }
}

/// What a commit has to say besides that it is done.
fn tell<L: Listener>(listener: &mut L, outcome: &Outcome) {
    if let Some(copy) = outcome.repaired {
        listener.hear(&News::Repaired(copy));
    }
    if let Some(warning) = outcome.warning {
        listener.hear(&News::Warning(warning));
    }
}

/// Blocks of the room that a long act uses.
type Blocks<'b> = [&'b mut Block; 3];

/// Reads every byte of a slot that claims to hold `verified`.
#[inline(never)]
fn read_back<'v, D: BlockIo, H: BlockHasher, Z: Decompressor, O: Observer>(
    disk: &mut D,
    verified: Verified<'v>,
    (slot, extents): (&Slot<'_>, &[Extent]),
    (work, blocks): (&mut Work<'_, H, Z>, &mut Blocks<'_>),
    observer: &mut O,
) -> Result<Staged<'v>, Error<D::Error>> {
    let Work { data, carried, reference, reuse, hasher, decompressor } = work;
    let [leaf, block, page] = blocks;
    let mut buffers = Buffers { data, carried, reference, reuse: reuse.again(), leaf, block, page };
    let mut tools = Tools { hasher: *hasher, decompressor: *decompressor, observer };
    let total = io::section(disk, Section::Images, |disk| {
        install::check_all(disk, (&verified, extents), &mut buffers, &mut tools)
    })?;
    install::held(verified, (slot.id, slot.control, extents), total)
}

/// Whether what a slot holds is wrong, or cannot be read: then it is written anew, which heals a bad sector.
const fn is_damage<E>(error: &Error<E>) -> bool {
    matches!(error, Error::Slot(_) | Error::Medium(_))
}
