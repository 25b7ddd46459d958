//! The boot loader itself, in the boot partitions of an eMMC: a payload with `kind = "emmc-boot"`.
//!
//! ```text
//!  slot b: role "loader"          boot0  enabled, the loader that runs
//!    staged, read back   ──copy─► boot1  ─ flush ─ read back ─► PARTITION_CONFIG: boot1 ─ read back ─► slot b is armed
//!  [`Loader::prepare`]: 1  2                 3       4                5                    6              Device
//! ```
//! 1. The payload is one of the slot's: signed, staged in its partition and read back as every other, before this begins.
//! 2. If the enabled boot partition holds these very bytes, nothing is written. If the other one does, nothing is copied.
//! 3. Only the boot partition that is not enabled is ever written, from its first byte on; what is after the image stays.
//! 4. It is read back from the medium against the root hash that was signed.
//! 5. One byte of EXT_CSD makes it the enabled one.
//!
//! # Durability
//! A cut before the switch starts the old boot loader, which was not touched; after it the new one, which is whole. The slot is armed
//! after that, so a cut between the two starts the new boot loader with the old slot: each boot loader has to start both slots, as it has
//! to when a trial falls back. For the same reason a rollback, a fallback and `cancel` leave the boot loader as it is: the one that was
//! brought last is right for both, and to change it once more would be a risk without a use. Until the next restart it has not started
//! this device yet: `cancel` does not take it back.
//!
//! Nothing counts the starts of a boot loader. One that is whole and does not work bricks the device: no signature helps against that.

use std::fmt;
use std::path::{Path, PathBuf};

use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking};
use libupdate::manifest::Payload;
use libupdate::transition::Staged;
use libupdate::{BlockIo, SlotId};

use super::image::Image;
use crate::emmc::{Area, BootSource, Chip, ExtCsd};
use crate::error::{OsError, OsErrorKind};

/// Brings the boot loader, before the loader's store inside does its part.
pub struct EmmcBoot<D> {
    disk: PathBuf,
    role: String,
    chip: Box<dyn Chip>,
    inner: Option<Box<dyn Loader<D>>>,
}

impl<D> fmt::Debug for EmmcBoot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { disk, role, chip, inner: _ } = self;
        f.debug_struct("EmmcBoot").field("disk", disk).field("role", role).field("chip", chip).finish_non_exhaustive()
    }
}

impl<D: BlockIo<Error = OsError>> EmmcBoot<D> {
    /// Brings the payload `role` to `chip`. `disk`: its name in messages. `inner`: the store of the boot loader, if it chooses by itself.
    #[must_use]
    pub fn new(disk: &Path, role: &str, chip: Box<dyn Chip>, inner: Option<Box<dyn Loader<D>>>) -> Self {
        Self { disk: disk.to_owned(), role: role.to_owned(), chip, inner }
    }

    /// The six steps of the picture.
    fn bring(&mut self, disk: &mut D, image: &Image<'_>) -> Result<(), OsError> {
        let register = self.chip.ext_csd()?;
        let enabled = self.enabled(&register, &image.payload)?;
        // What cannot be read is not the boot loader that is wanted.
        if self.holds(enabled, image).unwrap_or(Holds::Other) == Holds::It {
            return Ok(());
        }
        let target = enabled.other();
        if self.holds(target, image).unwrap_or(Holds::Other) == Holds::Other {
            if register.is_protected(target) {
                let why = format!("its boot partition {} is write-protected (BOOT_WP)", target.suffix());
                return Err(self.refused(why));
            }
            self.chip.unlock(target)?;
            let copied = self.copy(disk, image, target);
            let locked = self.chip.lock(target);
            copied.and(locked)?;
        }
        // Of an earlier run, too, that was killed before its own.
        self.chip.flush(target)?;
        if self.holds(target, image)? == Holds::Other {
            let why = "what was written to it reads back different: the medium is failing";
            return Err(self.refused(format!("its boot partition {}: {why}", target.suffix())));
        }
        self.chip.switch(register.enabling(target))?;
        match self.chip.ext_csd()?.boot_source() {
            BootSource::Area(now) if now == target => Ok(()),
            now => Err(self.refused(format!("it did not take the switch to {}: {now:?}", target.suffix()))),
        }
    }

    /// The boot partition that is enabled, if the payload fits and the switch is safe.
    fn enabled(&self, register: &ExtCsd, payload: &Payload<'_>) -> Result<Area, OsError> {
        let enabled = match register.boot_source() {
            BootSource::Area(area) => area,
            BootSource::UserArea => {
                let why = "it starts from its user area (BOOT_PARTITION_ENABLE is 7), which has no second place";
                return Err(self.refused(why.to_owned()));
            }
            BootSource::None => {
                let why = "none of its boot partitions is enabled (BOOT_PARTITION_ENABLE is 0): enable the one that the processor starts, \
                           `mmc bootpart enable`";
                return Err(self.refused(why.to_owned()));
            }
            BootSource::Reserved(value) => {
                return Err(self.refused(format!("BOOT_PARTITION_ENABLE is {value}, which has no meaning")));
            }
        };
        let (image, room) = (payload.geometry().image_blocks_bytes().get(), register.area_bytes());
        if image > room {
            return Err(self.refused(format!("the image has {image} bytes, its boot partitions have {room}")));
        }
        Ok(enabled)
    }

    fn copy(&mut self, disk: &mut D, image: &Image<'_>, to: Area) -> Result<(), OsError> {
        image.copy(disk, |at, piece| self.chip.write(to, at, piece))
    }

    /// Whether a boot partition begins with the image, by its root hash.
    fn holds(&mut self, area: Area, image: &Image<'_>) -> Result<Holds, OsError> {
        let Self { disk, chip, .. } = self;
        let wrong = |why: &dyn fmt::Display| OsError::new(disk, OsErrorKind::EmmcBoot { why: why.to_string() });
        let root = image.root_hash(|at, piece| chip.read(area, at, piece), wrong)?;
        Ok(if root == image.payload.root_hash() { Holds::It } else { Holds::Other })
    }

    fn refused(&self, why: String) -> OsError {
        OsError::new(&self.disk, OsErrorKind::EmmcBoot { why })
    }
}

/// What a boot partition holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    /// The image.
    It,
    /// Something else.
    Other,
}

impl<D: BlockIo<Error = OsError>> Loader<D> for EmmcBoot<D> {
    fn counting(&self) -> Counting {
        self.inner.as_ref().map_or(Counting::Down, |inner| inner.counting())
    }

    fn read(&mut self, disk: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        self.inner.as_mut().map_or(Ok(None), |inner| inner.read(disk, slot))
    }

    fn prepare(&mut self, disk: &mut D, staged: &Staged<'_>) -> Result<(), OsError> {
        if let Some(inner) = &mut self.inner {
            inner.prepare(disk, staged)?;
        }
        let Some(image) = Image::of(staged, &self.role) else {
            return Err(self.refused(format!("the bundle has no payload `{}`", self.role)));
        };
        self.bring(disk, &image)
    }

    fn put(&mut self, disk: &mut D, ranking: &Ranking) -> Result<Put, OsError> {
        self.inner.as_mut().map_or(Ok(Put::Unchanged), |inner| inner.put(disk, ranking))
    }
}
