//! The flag by which the firmware of a Raspberry Pi starts under `[tryboot]` once, and clears before it does.
//!
//! ```text
//!  message to /dev/vcio, u32 each        0x00038064 SET_REBOOT_FLAGS, 0x00030064 GET_REBOOT_FLAGS
//!  | 28 bytes | 0 = request   | tag | 4 bytes | 0          | value | 0 = end |
//!             | 0x80000000 ok |               | 0x80000004 |
//! ```
//! A kernel without `/dev/vcio` leaves the argument of the reboot, `reboot "0 tryboot"`: [`REBOOT_ARGUMENT`]. Then [`Remembered`] keeps in
//! `/run`, which no reboot survives either, that the next one has to have it.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::refused;
use crate::error::OsError;
use crate::file;
use crate::ioctl::boot_loader as ioctl;
use crate::profile::{LoaderKind, Profile};

/// What the kernel's reboot takes to set the flag: 0 is the usual partition.
pub const REBOOT_ARGUMENT: &str = "0 tryboot";

/// The kernel's way to the firmware.
const MAILBOX: &str = "/dev/vcio";
/// Where the flag is remembered that the next reboot has to set.
const REMEMBERED: &str = "/run/updater/tryboot";
/// Properties of `include/soc/bcm2835/raspberrypi-firmware.h`, in Raspberry Pi's kernel.
const GET_REBOOT_FLAGS: u32 = 0x0003_0064;
const SET_REBOOT_FLAGS: u32 = 0x0003_8064;
/// Bytes of the value.
const VALUE_BYTES: u32 = 4;
/// An answer, and one that is good.
const ANSWERED: u32 = 0x8000_0000;
/// The flag among the reboot flags.
const TRYBOOT: u32 = 1;

/// Whether the next start is under `[tryboot]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flag {
    /// It is a usual one.
    Clear,
    /// It is.
    Set,
}

/// Where the flag is. It does not outlive a start, nor a cut.
pub trait FlagStore: fmt::Debug {
    /// What it says.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self) -> Result<Flag, OsError>;

    /// Sets or clears it.
    ///
    /// # Errors
    /// The system's: what it says is unknown.
    fn write(&mut self, flag: Flag) -> Result<(), OsError>;
}

/// The firmware's own.
#[derive(Debug)]
pub struct Mailbox {
    path: PathBuf,
}

/// That the next reboot has to have an argument, in a file that no reboot survives.
#[derive(Debug)]
pub struct Remembered {
    path: PathBuf,
}

/// The flag of the machine that this runs on.
#[must_use]
pub fn of_this_machine() -> Box<dyn FlagStore> {
    match Path::new(MAILBOX).exists() {
        true => Box::new(Mailbox { path: PathBuf::from(MAILBOX) }),
        false => Box::new(Remembered::at(Path::new(REMEMBERED))),
    }
}

/// What the next reboot of this machine has to be given, if its boot loader needs it.
#[must_use]
pub fn reboot_argument(profile: &Profile) -> Option<&'static str> {
    let tryboot = profile.loader.as_ref().is_some_and(|loader| loader.kind == LoaderKind::Tryboot);
    (tryboot && Path::new(REMEMBERED).exists()).then_some(REBOOT_ARGUMENT)
}

impl Remembered {
    /// Remembered in this file.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl FlagStore for Remembered {
    fn read(&mut self) -> Result<Flag, OsError> {
        match fs::symlink_metadata(&self.path) {
            Ok(_) => Ok(Flag::Set),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Flag::Clear),
            Err(error) => Err(OsError::io(&self.path, "read", &error)),
        }
    }

    fn write(&mut self, flag: Flag) -> Result<(), OsError> {
        let done = match flag {
            Flag::Set => file::write_state(&self.path, REBOOT_ARGUMENT.as_bytes()),
            Flag::Clear => fs::remove_file(&self.path).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
        };
        done.map_err(|error| OsError::io(&self.path, "write", &error))
    }
}

impl Mailbox {
    fn ask(&self, tag: u32, value: u32) -> Result<u32, OsError> {
        let file = file::open(&self.path, OFlags::RDWR).map_err(|error| OsError::io(&self.path, "open", &error))?;
        let mut message = request(tag, value);
        ioctl::firmware_property(&file, &mut message).map_err(|errno| OsError::call(&self.path, "ask", errno))?;
        answer(&message).ok_or_else(|| {
            let why = "its firmware knows no tryboot flag: update the boot loader in the EEPROM";
            refused(&self.path, why.to_owned())
        })
    }
}

impl FlagStore for Mailbox {
    fn read(&mut self) -> Result<Flag, OsError> {
        Ok(if self.ask(GET_REBOOT_FLAGS, 0)? & TRYBOOT == 0 { Flag::Clear } else { Flag::Set })
    }

    fn write(&mut self, flag: Flag) -> Result<(), OsError> {
        let others = self.ask(GET_REBOOT_FLAGS, 0)? & !TRYBOOT;
        let value = match flag {
            Flag::Clear => others,
            Flag::Set => others | TRYBOOT,
        };
        self.ask(SET_REBOOT_FLAGS, value)?;
        if self.read()? == flag {
            return Ok(());
        }
        Err(refused(&self.path, "the firmware did not take the tryboot flag".to_owned()))
    }
}

const fn request(tag: u32, value: u32) -> [u32; ioctl::PROPERTY_WORDS] {
    [ioctl::PROPERTY_BYTES, 0, tag, VALUE_BYTES, 0, value, 0]
}

/// The value, if the firmware knows the property.
const fn answer(message: &[u32; ioctl::PROPERTY_WORDS]) -> Option<u32> {
    let [_, code, _, _, len, value, _] = *message;
    if code == ANSWERED && len == ANSWERED | VALUE_BYTES { Some(value) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_documents_one() {
        assert_eq!(request(SET_REBOOT_FLAGS, 1), [28, 0, 0x38064, 4, 0, 1, 0]);
        assert_eq!(request(GET_REBOOT_FLAGS, 0), [28, 0, 0x30064, 4, 0, 0, 0]);
    }

    #[test]
    fn only_an_answered_property_has_a_value() {
        let answered = [28, 0x8000_0000, 0x30064, 4, 0x8000_0004, 1, 0];
        assert_eq!(answer(&answered), Some(1));
        assert_eq!(answer(&request(GET_REBOOT_FLAGS, 0)), None, "nobody answered");
        let unknown = [28, 0x8000_0000, 0x30064, 4, 0, 0, 0];
        assert_eq!(answer(&unknown), None, "the firmware does not know the tag");
        let refused = [28, 0x8000_0001, 0x30064, 4, 0x8000_0004, 1, 0];
        assert_eq!(answer(&refused), None);
    }

    #[test]
    fn a_remembered_flag_is_a_file_that_a_reboot_takes_along() {
        let folder = tempfile::tempdir().unwrap();
        let mut flag = Remembered::at(&folder.path().join("updater/tryboot"));
        assert_eq!(flag.read().unwrap(), Flag::Clear);
        flag.write(Flag::Clear).unwrap();
        flag.write(Flag::Set).unwrap();
        assert_eq!(flag.read().unwrap(), Flag::Set);
        flag.write(Flag::Clear).unwrap();
        assert_eq!(flag.read().unwrap(), Flag::Clear);
    }

    #[test]
    fn a_mailbox_that_is_none_is_refused() {
        let error = Mailbox { path: PathBuf::from("/dev/null") }.read().unwrap_err();
        assert_eq!(error.to_string(), "cannot ask /dev/null: Inappropriate ioctl for device (os error 25)");
        assert!(Mailbox { path: PathBuf::from("/nonexistent/vcio") }.read().is_err());
    }
}
