//! systemd-boot: the kernel of each slot is a file in `EFI/Linux` of the EFI system partition, and the file's name is the store.
//!
//! ```text
//!  EFI/Linux/updater-1-a.efi           slot a: good
//!  EFI/Linux/updater-2-b+3-0.efi       slot b: on trial, 3 boots left; systemd-boot makes it +2-1 as it starts it
//!            ^rank                     the greatest boots first, as long as boots are left
//!
//!  prepare   copy to updater-b.part ── flush ── read back, compare with the root hash ── rename to updater-b.new
//!  put       rename updater-b.new to updater-2-b+3-0.efi ── remove what is off          one write of the folder each
//!  good      rename updater-2-b+2-1.efi to updater-2-b.efi
//! ```
//! What the names mean is in [`name`], which of them change in [`plan`], what else systemd-boot orders by in [`os_release`]. Neither
//! `loader.conf` nor a variable is written: `default` would start a slot whose tries ran out.
//!
//! # Durability
//! A rename or a removal on FAT is one write if the folder's entries are in one sector: 512 bytes are 16 records, and a name of ours takes
//! 3. So three entries and the one that is being renamed fit, if nothing else is in the folder. Two things would break that, and are seen
//! to:
//!
//! - Linux puts the new record into the folder before it knows where the file is, so that this sector, written in between, would have a
//!   file of 0 bytes. So everything is written before the rename, which gives the kernel no reason to write it by itself, and after it
//!   the file is flushed first of all: that writes the sector with everything in it.
//! - Clusters that are free, and a record that still names them, would be given away twice. So a file is held open while its record goes,
//!   and its clusters are freed once that is durable.
//!
//! A cut may leave clusters that belong to nothing. `fsck.vfat -a`, which systemd runs before it mounts the partition, gives them back.
//!
//! Sources: `src/boot/boot.c` and `src/shared/bootspec.c` of systemd, `fs/fat/namei_vfat.c` and `fs/fat/inode.c` of Linux.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking};
use libupdate::transition::Staged;
use libupdate::{BlockIo, SlotId};
use rustix::fs::{OFlags, RenameFlags};

use self::name::{Counter, Ours};
use self::os_release::Order;
use self::plan::{Hindrance, Step};
use super::image::Image;
use super::refused;
use crate::error::OsError;
use crate::file;

pub mod copy;
pub mod name;
pub mod os_release;
pub mod plan;

/// Where systemd-boot looks for kernels.
const FOLDER: &str = "EFI/Linux";
/// Files of the folder that are looked at: it has to be small, and a hostile one must not take the memory.
const MOST_FILES: usize = 256;

/// The folder with the kernels.
#[derive(Debug)]
pub struct SystemdBoot {
    folder: PathBuf,
    /// Role of the payload that is a slot's kernel.
    role: String,
    /// Tries of a slot that is armed.
    tries: TriesLeft,
}

impl SystemdBoot {
    /// The store of a partition that is mounted at `store`.
    ///
    /// # Errors
    /// It has no folder for kernels.
    pub fn open(store: &Path, role: &str, tries: TriesLeft) -> Result<Self, OsError> {
        let folder = store.join(FOLDER);
        match fs::metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(Self { folder, role: role.to_owned(), tries }),
            _ => {
                Err(refused(&folder, "there is no such folder: is the EFI system partition mounted there?".to_owned()))
            }
        }
    }

    /// The files that are ours. What is no regular file is somebody else's: systemd-boot starts none.
    fn files(&self) -> Result<Vec<plan::File>, OsError> {
        let failed = |error| OsError::io(&self.folder, "read", &error);
        let mut files = Vec::new();
        for (number, entry) in fs::read_dir(&self.folder).map_err(failed)?.enumerate() {
            let entry = entry.map_err(failed)?;
            if number >= MOST_FILES {
                let why = format!("it has more than {MOST_FILES} files; it is for the slots' kernels alone");
                return Err(refused(&self.folder, why));
            }
            let Ok(text) = entry.file_name().into_string() else { continue };
            if let Some(ours) = Ours::of(&text)
                && entry.file_type().map_err(failed)?.is_file()
            {
                files.push((ours, text));
            }
        }
        // Whatever order the file system has.
        files.sort_by(|(_, one), (_, other)| one.cmp(other));
        Ok(files)
    }

    fn open_file(&self, name: &str) -> Result<File, OsError> {
        let path = self.folder.join(name);
        file::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW).map_err(|error| OsError::io(&path, "open", &error))
    }

    /// Everything that was written to the partition is durable.
    fn sync(&self) -> Result<(), OsError> {
        let folder = file::open(&self.folder, OFlags::RDONLY | OFlags::DIRECTORY);
        let folder = folder.map_err(|error| OsError::io(&self.folder, "open", &error))?;
        folder.sync_all().map_err(|error| OsError::io(&self.folder, "flush", &error))?;
        rustix::fs::syncfs(&folder).map_err(|errno| OsError::call(&self.folder, "flush", errno))
    }

    /// Gives a file another name, and has that durable: see the module for the order.
    fn rename(&self, from: &str, to: &str) -> Result<(), OsError> {
        let held = self.open_file(from)?;
        let [old, new] = [from, to].map(|name| self.folder.join(name));
        self.sync()?;
        rustix::fs::renameat_with(rustix::fs::CWD, &old, rustix::fs::CWD, &new, RenameFlags::NOREPLACE)
            .map_err(|errno| OsError::call(&old, "rename", errno))?;
        held.sync_all().map_err(|error| OsError::io(&new, "flush", &error))?;
        self.sync()
    }

    /// Removes a file, and then frees its clusters.
    fn remove(&self, name: &str) -> Result<(), OsError> {
        let held = self.open_file(name)?;
        let path = self.folder.join(name);
        fs::remove_file(&path).map_err(|error| OsError::io(&path, "remove", &error))?;
        self.sync()?;
        drop(held);
        self.sync()
    }

    fn hindered(&self, hindrance: Hindrance) -> OsError {
        let why = match hindrance {
            Hindrance::Missing(slot) => format!(
                "slot {slot} boots, and there is no updater-RANK-{slot}.efi. Nothing was changed. Copy the slot's kernel there under the \
                 name updater-1-{slot}.efi, or take the slot out with `updater-cli mark-bad {slot}`"
            ),
            Hindrance::Twice([one, other]) => format!(
                "{one} and {other} are of one slot, and nobody knows which is right. Nothing was changed. Check the partition \
                 (fsck.vfat), then remove the one that is not the slot's kernel"
            ),
        };
        refused(&self.folder, why)
    }

    /// systemd-boot must order the new kernel by its name, and so by nothing that differs from the kernels of the other slots.
    fn same_order(&self, part: &str, slot: SlotId) -> Result<(), OsError> {
        let order = |name: &str| {
            let file = self.open_file(name)?;
            Order::of(&file).map_err(|error| OsError::io(&self.folder.join(name), "read", &error))
        };
        let Some(new) = order(part)? else {
            let why = format!(
                "the payload {} is no kernel that systemd-boot lists: it has no section .osrel with a NAME or an ID",
                self.role
            );
            return Err(refused(&self.folder.join(part), why));
        };
        for (ours, text) in self.files()? {
            let Ours::Entry(name) = ours else { continue };
            if name.slot != slot
                && let Some(other) = order(&text)?
                && other != new
            {
                let why = format!(
                    "systemd-boot would order it by its .osrel and not by its name: it has {}, and {text} has {}. Make the kernels of \
                     all releases with the same IMAGE_ID or ID, and without a version that differs",
                    new.in_words(),
                    other.in_words()
                );
                return Err(refused(&self.folder.join(part), why));
            }
        }
        Ok(())
    }
}

impl<D: BlockIo<Error = OsError>> Loader<D> for SystemdBoot {
    fn counting(&self) -> Counting {
        Counting::Down
    }

    fn read(&mut self, _: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        let files = self.files()?;
        let entry = plan::entry(&files, slot).map_err(|hindrance| self.hindered(hindrance))?;
        Ok(entry.and_then(|(name, _)| match name.counter {
            Counter::Of { left, .. } => u8::try_from(left).ok().and_then(TriesLeft::new),
            Counter::Absent | Counter::Odd => None,
        }))
    }

    fn prepare(&mut self, disk: &mut D, staged: &Staged<'_>) -> Result<(), OsError> {
        let Some(image) = Image::of(staged, &self.role) else {
            return Err(refused(&self.folder, format!("the bundle has no payload {}, the slot's kernel", self.role)));
        };
        let slot = staged.slot();
        for (ours, text) in self.files()? {
            // An entry of the slot that is there, since nothing boots yet, has another kernel.
            let old = matches!(ours, Ours::Entry(name) if name.slot == slot);
            if matches!(ours, Ours::Part(_)) || ours == Ours::New(slot) || old {
                self.remove(&text)?;
            }
        }
        let (part, new) = (name::part(slot), name::new(slot));
        copy::copy(disk, &image, &self.folder.join(&part))?;
        if let Err(error) = self.same_order(&part, slot) {
            self.remove(&part)?;
            return Err(error);
        }
        self.rename(&part, &new)
    }

    fn put(&mut self, _: &mut D, ranking: &Ranking) -> Result<Put, OsError> {
        let files = self.files()?;
        let steps = plan::plan(&files, ranking, self.tries).map_err(|hindrance| self.hindered(hindrance))?;
        if steps.is_empty() {
            // An earlier act may have been killed before its flush.
            self.sync()?;
            return Ok(Put::Unchanged);
        }
        for step in &steps {
            match step {
                Step::Remove(name) => self.remove(name)?,
                Step::Rename { from, to } => self.rename(from, to)?,
            }
        }
        Ok(Put::Written)
    }
}

#[cfg(test)]
mod tests;
