//! UEFI firmware without a boot loader: each slot has a boot entry `updater-<slot>`, and firmware chooses by two variables.
//!
//! ```text
//!  BootNext    0007         for one boot: the slot on trial; firmware removes it before it starts the entry
//!  BootOrder   0006 0003    the entries that are tried one after the other: slots that are good, then those of others
//!  Boot0006    updater-a    made once, when the device is set up: never written here
//!  Boot0007    updater-b
//! ```
//! 1. A slot on trial is in no order: it boots by `BootNext` alone, once for each try. A slot that is off is in neither. The entries
//!    themselves stay as they are: that an entry is in no order is one write for all slots, and nothing that firmware parses is touched.
//! 2. Is no slot good, all that may boot are in the order: a device has to start something.
//! 3. Entries that are not ours keep their order, after ours. A `BootNext` that is not ours stays, unless a trial needs it.
//! 4. While the trial runs, its flag is not set anew: so a restart without `mark-good` leads to the good slot, whose `mark-good` or
//!    `status` sees that the flag is gone, counts the try, and sets the flag for the next one.
//!
//! # Durability
//! Each variable is one write, which firmware makes whole or not at all. They are written in this order, so that each cut leaves a device
//! that boots, and no flag for a slot that is about to be written:
//!
//! 1. A `BootNext` that names a slot of ours, and a wrong one, goes. Cut here: the order says what boots, as before.
//! 2. `BootOrder`. Cut here: a good slot boots; a trial that misses its flag has lost a try, and is tried again.
//! 3. `BootNext` of the trial.
//!
//! What is said already is not written: the memory of firmware wears.
//!
//! Sources: UEFI 2.10, 3.1; `fs/efivarfs/vars.c` of Linux.

use std::fs;
use std::path::{Path, PathBuf};

use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking, Standing};
use libupdate::transition::Staged;
use libupdate::{BlockIo, SlotId};

use self::variable::BootEntry;
use super::refused;
use crate::entry_name::PREFIX;
use crate::error::OsError;

pub mod variable;

const NEXT: &str = "BootNext";
const ORDER: &str = "BootOrder";
const CURRENT: &str = "BootCurrent";
/// Boot entries that are looked at: firmware has a few dozen.
const MOST_ENTRIES: usize = 1024;

/// The variables of a machine's firmware.
#[derive(Debug)]
pub struct EfiBootNext {
    folder: PathBuf,
}

/// What the variables shall say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The slot for one boot.
    pub next: Option<u16>,
    /// What is tried one after the other.
    pub order: Vec<u16>,
}

/// What the variables say. `ours`: number and slot of each of our entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Our entries.
    pub ours: Vec<(u16, SlotId)>,
    /// `BootNext`.
    pub next: Option<u16>,
    /// `BootOrder`.
    pub order: Vec<u16>,
    /// `BootCurrent`: the entry that this boot came from.
    pub current: Option<u16>,
}

impl Said {
    fn is_ours(&self, number: u16) -> bool {
        self.ours.iter().any(|(ours, _)| *ours == number)
    }

    fn number(&self, slot: SlotId) -> Option<u16> {
        self.ours.iter().find(|(_, ours)| *ours == slot).map(|(number, _)| *number)
    }

    /// What they shall say instead. Pure.
    ///
    /// # Errors
    /// A slot that may boot has no entry.
    pub fn wanted(&self, ranking: &Ranking) -> Result<Wanted, SlotId> {
        let mut good = Vec::new();
        let mut all = Vec::new();
        for (slot, standing) in ranking.bootable() {
            let number = self.number(slot).ok_or(slot)?;
            all.push(number);
            if standing == Standing::Good {
                good.push(number);
            }
        }
        let trial =
            ranking.next_trial().and_then(|slot| self.number(slot)).filter(|number| self.current != Some(*number));
        let mut order = if good.is_empty() { all } else { good };
        order.extend(self.order.iter().filter(|number| !self.is_ours(**number)));
        let others = self.next.filter(|number| !self.is_ours(*number));
        Ok(Wanted { next: trial.or(others), order })
    }
}

impl EfiBootNext {
    /// The variables in a folder, usually `/sys/firmware/efi/efivars`.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn open(folder: &Path) -> Result<Self, OsError> {
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => Ok(Self { folder: folder.to_owned() }),
            _ => {
                let why = "there is no such folder: was this boot by UEFI firmware, and is efivarfs mounted there?";
                Err(refused(folder, why.to_owned()))
            }
        }
    }

    fn said(&self) -> Result<Said, OsError> {
        let single = |name: &str| -> Result<Option<u16>, OsError> {
            let path = variable::path(&self.folder, name);
            let Some(data) = variable::read(&path)? else { return Ok(None) };
            match variable::numbers(&data).as_deref() {
                Some([number]) => Ok(Some(*number)),
                _ => {
                    Err(refused(&path, format!("it has {} bytes of data, and not the number of an entry", data.len())))
                }
            }
        };
        let path = variable::path(&self.folder, ORDER);
        let data = variable::read(&path)?.unwrap_or_default();
        let order = variable::numbers(&data).ok_or_else(|| {
            refused(&path, format!("it has {} bytes of data, which are no whole numbers", data.len()))
        })?;
        Ok(Said { ours: self.entries()?, next: single(NEXT)?, order, current: single(CURRENT)? })
    }

    /// Our entries. What is no boot entry is somebody else's.
    fn entries(&self) -> Result<Vec<(u16, SlotId)>, OsError> {
        let failed = |error| OsError::io(&self.folder, "read", &error);
        let mut ours: Vec<(u16, SlotId)> = Vec::new();
        let mut count = 0;
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(number) = name.to_str().and_then(variable::entry_number) else { continue };
            count += 1;
            if count > MOST_ENTRIES {
                return Err(refused(&self.folder, format!("it has more than {MOST_ENTRIES} boot entries")));
            }
            let path = self.folder.join(&name);
            // Somebody else's that cannot be read hinders nobody; ours would be missing then.
            let Ok(Some(entry)) = variable::read(&path) else { continue };
            let Some(entry) = BootEntry::parse(&entry) else { continue };
            let Some(slot) = slot(&entry) else { continue };
            if let Some((twin, _)) = ours.iter().find(|(_, known)| *known == slot) {
                let why = format!(
                    "the entries {twin:04X} and {number:04X} are both called {PREFIX}{slot}, and nobody knows which is right: remove \
                     one with `efibootmgr -B -b NUMBER`"
                );
                return Err(refused(&path, why));
            }
            if !entry.active {
                let why = format!("{PREFIX}{slot} is not active: make it so with `efibootmgr -a -b {number:04X}`");
                return Err(refused(&path, why));
            }
            ours.push((number, slot));
        }
        Ok(ours)
    }

    fn missing(&self, slot: SlotId) -> OsError {
        let why = format!(
            "slot {slot} has no boot entry. Nothing was written. Make it with `efibootmgr --create-only --disk DISK --part NUMBER --label \
             {PREFIX}{slot} --loader PATH`, with the partition and the file that the slot's kernel is in"
        );
        refused(&self.folder, why)
    }
}

/// The slot of an entry, by its description.
fn slot(entry: &BootEntry) -> Option<SlotId> {
    let name = entry.description.strip_prefix(PREFIX.as_bytes())?;
    str::from_utf8(name).ok().and_then(SlotId::from_name)
}

impl<D: BlockIo<Error = OsError>> Loader<D> for EfiBootNext {
    fn counting(&self) -> Counting {
        Counting::Once
    }

    fn read(&mut self, _: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        let said = self.said()?;
        Ok(said.number(slot).filter(|number| said.next == Some(*number)).map(|_| TriesLeft::ONE))
    }

    fn prepare(&mut self, _: &mut D, staged: &Staged<'_>) -> Result<(), OsError> {
        match self.said()?.number(staged.slot()) {
            Some(_) => Ok(()),
            None => Err(self.missing(staged.slot())),
        }
    }

    fn put(&mut self, _: &mut D, ranking: &Ranking) -> Result<Put, OsError> {
        let said = self.said()?;
        let Wanted { next, order } = said.wanted(ranking).map_err(|slot| self.missing(slot))?;
        if (next, &order) == (said.next, &said.order) {
            return Ok(Put::Unchanged);
        }
        let flag = variable::path(&self.folder, NEXT);
        if said.next != next && said.next.is_some_and(|number| said.is_ours(number)) {
            variable::remove(&flag)?;
        }
        if said.order != order {
            let data: Vec<u8> = order.iter().flat_map(|number| number.to_le_bytes()).collect();
            variable::write(&variable::path(&self.folder, ORDER), &data)?;
        }
        if let Some(next) = next
            && said.next != Some(next)
        {
            variable::write(&flag, &next.to_le_bytes())?;
        }
        Ok(Put::Written)
    }
}

#[cfg(test)]
mod tests;
