//! The store of a boot loader that chooses by itself, on the disk of the laboratory, and what such a loader does with it at power-on.
//!
//! ```text
//!  counts   U-Boot's environment, by the very code of `libupdate-linux`     esp: copy 0      data: copy 1
//!  flag     the slot that boots, and a flag for one boot (EFI, Raspberry)   esp: the slot    data: the flag
//! ```
//! The two blocks are in foreign partitions, since the device itself writes nothing there.

use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking};
use libupdate::{BlockIo, Lba, SlotId};
use libupdate_linux::boot_loader::u_boot_env::Env;

use crate::board::Board;

/// Tries of a good slot, in the environment.
pub const GOOD_TRIES: TriesLeft = TriesLeft::ONE;

/// What kind of loader it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It counts in its store.
    Counts,
    /// Its firmware clears a flag.
    Flag,
}

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    kind: Kind,
    /// First sectors of the two blocks.
    places: [u64; 2],
    /// Bytes of a block.
    len: usize,
}

impl Store {
    /// The store of a board.
    ///
    /// # Panics
    /// Where the board has no foreign partitions.
    #[must_use]
    pub fn of(board: &Board, kind: Kind) -> Self {
        let partitions = &board.table.partitions;
        let [Some(esp), Some(data)] = [partitions.first(), partitions.last()] else { panic!("a board has partitions") };
        // Two sectors: a copy can be torn between them.
        Self { kind, places: [esp.first, data.first], len: 2 * board.model.block_size.bytes() }
    }

    /// Whether it is of this kind.
    #[must_use]
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// A block, unless it cannot be read.
    fn block<D: BlockIo>(&self, disk: &mut D, place: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        disk.read(Lba::new(self.places[place]), &mut bytes).ok()?;
        Some(bytes)
    }

    /// Writes a block and has it durable.
    fn write<D: BlockIo>(&self, disk: &mut D, place: usize, bytes: &[u8]) -> Result<(), D::Error> {
        disk.write(Lba::new(self.places[place]), bytes)?;
        disk.flush()
    }

    fn env<D: BlockIo>(&self, disk: &mut D) -> Option<Env> {
        let copies = [0, 1].map(|place| self.block(disk, place));
        Env::of(copies.each_ref().map(Option::as_deref), self.len)
    }

    fn save<D: BlockIo>(&self, disk: &mut D, env: &Env) -> Result<(), D::Error> {
        let (copy, bytes) = env.next().expect("two variables fit");
        self.write(disk, copy, &bytes)
    }

    /// The slot of a block of the flag's kind: a letter, or nothing.
    fn named<D: BlockIo>(&self, disk: &mut D, place: usize) -> Option<SlotId> {
        let letter = *self.block(disk, place)?.first()?;
        SlotId::from_name(&char::from(letter).to_string())
    }

    fn name<D: BlockIo>(&self, disk: &mut D, place: usize, slot: Option<SlotId>) -> Result<Put, D::Error> {
        if self.named(disk, place) == slot {
            return disk.flush().map(|()| Put::Unchanged);
        }
        let mut bytes = vec![0; self.len];
        bytes[0] = slot.map_or(0, |slot| u8::try_from(slot.letter()).unwrap_or(0));
        self.write(disk, place, &bytes).map(|()| Put::Written)
    }

    /// Puts a whole store on a new disk: what a factory does.
    ///
    /// # Errors
    /// The disk's.
    pub fn make<D: BlockIo>(&self, disk: &mut D) -> Result<(), D::Error> {
        let mut bytes = vec![0; self.len];
        if self.kind == Kind::Counts {
            let variables = b"bootcmd=run it\0\0";
            bytes[5..5 + variables.len()].copy_from_slice(variables);
            let crc = crc32fast::hash(&bytes[5..]);
            bytes[..4].copy_from_slice(&crc.to_ne_bytes());
        }
        (0..2).try_for_each(|place| self.write(disk, place, &bytes))
    }

    /// What the loader does when the power comes: which slot it starts; `None` if it does not know what to start.
    ///
    /// # Errors
    /// The disk's.
    pub fn power_on<D: BlockIo>(&self, disk: &mut D) -> Result<Option<SlotId>, D::Error> {
        if self.kind == Kind::Flag {
            let flagged = self.named(disk, 1);
            self.name(disk, 1, None)?;
            return Ok(flagged.or(self.named(disk, 0)));
        }
        let Some(mut env) = self.env(disk) else { return Ok(None) };
        let list = |name: &str| -> Vec<SlotId> {
            let text = env.get(name).unwrap_or_default();
            text.split(|byte| *byte == b' ').filter_map(slot_of).collect()
        };
        let good = list("BOOT_GOOD");
        // What hardware-profiles/boot-loaders/u-boot.cmd does: the first slot that is good, or has a boot left, which is taken.
        for slot in list("BOOT_ORDER") {
            if good.contains(&slot) {
                return Ok(Some(slot));
            }
            if let Some(left) = env.left(slot).and_then(TriesLeft::spent) {
                env.set(&format!("BOOT_{}_LEFT", slot.letter().to_ascii_uppercase()), &left.get().to_string());
                self.save(disk, &env)?;
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Whether the store has `name=value` still, which none of the acts is about.
    pub fn keeps_the_rest<D: BlockIo>(&self, disk: &mut D) -> bool {
        self.kind == Kind::Flag || self.env(disk).is_some_and(|env| env.get("bootcmd") == Some(b"run it"))
    }

    /// Sectors that are the store's.
    pub fn sectors(&self, sector: usize) -> impl Iterator<Item = u64> {
        let len = u64::try_from(self.len / sector).unwrap_or(0);
        self.places.into_iter().flat_map(move |place| place..place + len)
    }
}

fn slot_of(name: &[u8]) -> Option<SlotId> {
    SlotId::from_name(&str::from_utf8(name).ok()?.to_ascii_lowercase())
}

impl<D: BlockIo> Loader<D> for Store {
    fn counting(&self) -> Counting {
        if self.kind == Kind::Counts { Counting::Down } else { Counting::Once }
    }

    fn read(&mut self, disk: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, D::Error> {
        Ok(match self.kind {
            Kind::Counts => self.env(disk).and_then(|env| env.left(slot)),
            Kind::Flag => (self.named(disk, 1) == Some(slot)).then_some(TriesLeft::ONE),
        })
    }

    fn put(&mut self, disk: &mut D, ranking: &Ranking) -> Result<Put, D::Error> {
        if self.kind == Kind::Flag {
            let wanted = [ranking.first_good(), ranking.next_trial()];
            let mut put = Put::Unchanged;
            for place in [0, 1] {
                if self.name(disk, place, wanted[place])? == Put::Written {
                    put = Put::Written;
                }
            }
            return Ok(put);
        }
        let now = self.env(disk).expect("one copy is always valid");
        let mut wanted = now.clone();
        wanted.rank(ranking, GOOD_TRIES);
        // The copy that counts may be in the cache alone: it is durable before the other one is written.
        disk.flush()?;
        if wanted == now && !now.one_is_lost() {
            return Ok(Put::Unchanged);
        }
        self.save(disk, &wanted).map(|()| Put::Written)
    }
}
