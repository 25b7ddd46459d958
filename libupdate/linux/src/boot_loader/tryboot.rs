//! The Raspberry Pi's `autoboot.txt` and its tryboot flag.
//!
//! ```text
//!  autoboot.txt, on the first FAT partition of the card             flag, in the firmware
//!  | [all]                                          |               | set: the next start is under [tryboot],
//!  | tryboot_a_b=1                                  |               | and the firmware clears it before that
//!  | boot_partition=2     GPT entry of the good slot|               | start
//!  | [tryboot]                                      |
//!  | boot_partition=5     GPT entry of the trial    |
//!  | newlines, up to the length that it has         |
//! ```
//! 1. `boot_partition` is the number of a partition's entry in the GPT: that of the slot's `loader-payload`, a FAT image with `config.txt`
//!    and kernel. The numbers are read from the table in each act.
//! 2. `[all]` names the first good slot. `[tryboot]` names the slot on trial that is next; without one the next good slot, so that
//!    `mark-good` swaps the numbers; without that the first again. A flag that somebody else sets never starts a slot that is off.
//! 3. The flag is set last, and only for a trial that does not run; it is cleared first.
//! 4. Comments and settings that are not ours stay, after ours of their section. A filter other than `[all]` and `[tryboot]` is refused.
//!
//! # Durability
//! The file is at most 512 bytes long and begins a cluster, so it is one sector. It is written in place, as long as it was: one write of
//! one sector, and no entry of the folder nor of the FAT says anything new. A cut leaves the old text or the new one, as far as the card
//! writes a sector whole. A new file and a rename would change two entries of a folder, perhaps in two sectors: a cut between them leaves
//! two names with one cluster, which the next removal frees. A text that grew is made longer first, by newlines that mean nothing. The
//! flag is volatile: a cut loses it, and then the good slot starts. The bits still say that a trial is armed, so the next boot and the
//! next `status` find that it did not happen.
//!
//! Sources: `config_txt/autoboot.adoc` and `config_txt/conditional.adoc` of the Raspberry Pi documentation; `fs/fat/file.c` of Linux.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use libupdate::error::Medium;
use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking, Standing};
use libupdate::{BlockIo, Error, SlotId, inspect};
use rustix::fs::{Advice, OFlags};

use super::refused;
use crate::error::OsError;
use crate::file;
use crate::profile::SlotPartition;

mod autoboot;
mod flag;

pub use autoboot::{AUTOBOOT_BYTES, Autoboot};
pub use flag::{Flag, FlagStore, Mailbox, REBOOT_ARGUMENT, Remembered, of_this_machine, reboot_argument};

/// The file's name.
const NAME: &str = "autoboot.txt";
/// Bytes by which a text that grew makes the file longer.
const STEP: usize = 128;
/// Memory for pieces of the table.
const SCRATCH: usize = 64 << 10;

/// The store of a Raspberry Pi.
#[derive(Debug)]
pub struct Tryboot {
    path: PathBuf,
    role: String,
    partitions: Vec<SlotPartition>,
    /// `None`: the store is another machine's, whose flag is not here.
    flag: Option<Box<dyn FlagStore>>,
}

impl Tryboot {
    /// The `autoboot.txt` in `folder`. `role`: the payload that the firmware starts; `partitions`: those of the profile.
    ///
    /// # Errors
    /// There is no such file: the partition is not mounted, or the card was never set up. It is something else than a file.
    pub fn open(
        folder: &Path,
        role: &str,
        partitions: &[SlotPartition],
        flag: Option<Box<dyn FlagStore>>,
    ) -> Result<Self, OsError> {
        let path = folder.join(NAME);
        let facts = std::fs::metadata(&path).map_err(|error| OsError::io(&path, "open", &error))?;
        if !facts.is_file() {
            return Err(refused(&path, "it is not a regular file".to_owned()));
        }
        Ok(Self { path, role: role.to_owned(), partitions: partitions.to_vec(), flag })
    }

    /// Number of the partition that the firmware starts, for each slot.
    fn numbers<D: BlockIo<Error = OsError>>(&self, disk: &mut D) -> Result<Vec<(SlotId, u32)>, OsError> {
        let specs: Vec<_> = self.partitions.iter().map(SlotPartition::spec).collect();
        let found = inspect::find(disk, &specs, &mut [0; SCRATCH]);
        let (_, table) = found.map_err(|error| self.of_table(error))?;
        let number = |slot: &libupdate::slot::Slot<'_>| Some((slot.id, slot.partition(&self.role)?.entry.get()));
        Ok(table.slots().iter().filter_map(number).collect())
    }

    fn of_table(&self, error: Error<OsError>) -> OsError {
        match error {
            Error::Medium(Medium::Failed(failed)) => failed.cause,
            other => refused(&self.path, format!("the numbers of its partitions are unknown: {other}")),
        }
    }

    fn read_from(&self, file: &File) -> Result<Vec<u8>, OsError> {
        // What is in the page cache says nothing of the medium.
        rustix::fs::fadvise(file, 0, None, Advice::DontNeed)
            .map_err(|errno| OsError::call(&self.path, "read", errno))?;
        let mut bytes = vec![0; AUTOBOOT_BYTES + 1];
        let mut len = 0;
        while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
            let at = u64::try_from(len).unwrap_or(u64::MAX);
            match file.read_at(rest, at).map_err(|error| OsError::io(&self.path, "read", &error))? {
                0 => break,
                more => len += more,
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn open_file(&self, flags: OFlags, act: &'static str) -> Result<File, OsError> {
        file::open(&self.path, flags).map_err(|error| OsError::io(&self.path, act, &error))
    }

    /// The file's text, judged, and its bytes.
    fn now(&self) -> Result<(Autoboot, usize), OsError> {
        let bytes = self.read_from(&self.open_file(OFlags::RDONLY, "open")?)?;
        let text = Autoboot::parse(&bytes).map_err(|why| {
            let next = "nothing is written to it. Put it right, or empty it, then run `updater-cli status`";
            refused(&self.path, format!("{why}; {next}"))
        })?;
        Ok((text, bytes.len()))
    }

    /// Writes the text over the one that is there, has it durable, and reads it back.
    fn write(&self, text: &Autoboot, len: usize) -> Result<(), OsError> {
        let failed = |act| move |error| OsError::io(&self.path, act, &error);
        let mut bytes = text.encode();
        let longer = if bytes.len() > len { bytes.len().next_multiple_of(STEP).min(AUTOBOOT_BYTES) } else { len };
        if bytes.len() > longer {
            let why = format!("it would have {} bytes, and the firmware reads {AUTOBOOT_BYTES}", bytes.len());
            return Err(refused(&self.path, why));
        }
        bytes.resize(longer, b'\n');
        let file = self.open_file(OFlags::RDWR, "open for writing")?;
        if longer > len {
            let end = u64::try_from(len).unwrap_or(u64::MAX);
            file.write_all_at(&vec![b'\n'; longer - len], end).map_err(failed("write"))?;
            file.sync_all().map_err(failed("flush"))?;
        }
        file.write_all_at(&bytes, 0).map_err(failed("write"))?;
        file.sync_all().map_err(failed("flush"))?;
        if self.read_from(&file)? == bytes {
            return Ok(());
        }
        Err(refused(&self.path, "what was written to it reads back different: the medium is failing".to_owned()))
    }

    /// Gives the firmware's flag a value, if it has another one.
    fn have(&mut self, wanted: Flag) -> Result<Put, OsError> {
        let Some(flag) = &mut self.flag else { return Ok(Put::Unchanged) };
        if flag.read()? == wanted {
            return Ok(Put::Unchanged);
        }
        flag.write(wanted).map(|()| Put::Written)
    }

    /// The file alone: what the firmware starts without the flag, and with it.
    fn say(&self, numbers: &[(SlotId, u32)], ranking: &Ranking) -> Result<Put, OsError> {
        let number = |slot: SlotId| numbers.iter().find(|(id, _)| *id == slot).map(|(_, number)| *number);
        let (now, len) = self.now()?;
        let mut good = ranking.rows().iter().filter(|(_, standing)| *standing == Standing::Good).map(|(slot, _)| *slot);
        let kept = now.usual.filter(|usual| ranking.bootable().any(|(slot, _)| number(slot) == Some(*usual)));
        let any = || ranking.bootable().next().and_then(|(slot, _)| number(slot));
        let Some(usual) = good.next().and_then(number).or(kept).or_else(any) else { return Ok(Put::Unchanged) };
        let trial = ranking.trial().or_else(|| good.next()).and_then(number).unwrap_or(usual);
        let mut wanted = now.clone();
        wanted.name(usual, trial);
        if wanted == now {
            // An earlier act may have been killed before its flush.
            let file = self.open_file(OFlags::RDONLY, "open")?;
            file.sync_all().map_err(|error| OsError::io(&self.path, "flush", &error))?;
            return Ok(Put::Unchanged);
        }
        self.write(&wanted, len).map(|()| Put::Written)
    }
}

impl<D: BlockIo<Error = OsError>> Loader<D> for Tryboot {
    fn counting(&self) -> Counting {
        Counting::Once
    }

    fn read(&mut self, disk: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        let set = match &mut self.flag {
            // Nobody here knows: as if it were set, so that no try is taken.
            None => return Ok(Some(TriesLeft::ONE)),
            Some(flag) => flag.read()? == Flag::Set,
        };
        let number = self.numbers(disk)?.into_iter().find(|(id, _)| *id == slot).map(|(_, number)| number);
        Ok((set && number.is_some() && self.now()?.0.trial == number).then_some(TriesLeft::ONE))
    }

    fn put(&mut self, disk: &mut D, ranking: &Ranking) -> Result<Put, OsError> {
        let wanted = if ranking.next_trial().is_some() { Flag::Set } else { Flag::Clear };
        let cleared = if wanted == Flag::Clear { self.have(Flag::Clear)? } else { Put::Unchanged };
        let said = self.say(&self.numbers(disk)?, ranking)?;
        let set = self.have(wanted)?;
        let unchanged = [cleared, said, set].iter().all(|put| *put == Put::Unchanged);
        Ok(if unchanged { Put::Unchanged } else { Put::Written })
    }
}

#[cfg(test)]
mod tests;
