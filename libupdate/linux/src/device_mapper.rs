//! One image behind dm-verity: a device whose every read is checked against the signed root hash.
//!
//! ```text
//!  create ─► load the table ─► resume ─► /dev/dm-N ─► status V? ─► .. ─► remove, where the slot does not hold
//! ```
//! Through `/dev/mapper/control`, without libdevmapper. The table comes from the signed manifest, never from the superblock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use libupdate::verity::Tree;

use crate::error::{OsError, OsErrorKind};
use crate::ioctl::{self, DmAct};
use crate::node::device_node;

mod line;
mod message;

use message::Message;

pub use libupdate::hook_config::OnCorruption;

const CONTROL: &str = "/dev/mapper/control";

/// A verity device. It stays when this is dropped: the system runs on it.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    node: PathBuf,
}

impl Mapping {
    /// Makes the device `name` over the partition with the number `device` ("254:1").
    ///
    /// # Errors
    /// What the kernel says. Nothing is left behind.
    pub fn make(name: &str, device: &str, tree: &Tree<'_>, damage: OnCorruption) -> Result<Self, OsError> {
        let control = control()?;
        let mut message = Message::named(name);
        call(&control, DmAct::Create, &mut message)?;
        let number = message.device();
        let made = || {
            let mut message = Message::named(name);
            message
                .load(line::sectors(tree), &line::of(device, tree, damage))
                .ok_or_else(|| unexpected("a short table"))?;
            call(&control, DmAct::Load, &mut message)?;
            call(&control, DmAct::Resume, &mut Message::named(name))?;
            node(number)
        };
        match made() {
            Ok(node) => Ok(Self { name: name.to_owned(), node }),
            Err(error) => {
                // The error that led here is the one to be told.
                call(&control, DmAct::Remove, &mut Message::named(name)).unwrap_or_default();
                Err(error)
            }
        }
    }

    /// Its node.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// Whether every block that was read until now was right.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn is_intact(&self) -> Result<bool, OsError> {
        let mut message = Message::named(&self.name);
        call(&control()?, DmAct::Status, &mut message)?;
        Ok(message.status().is_some_and(|status| status.trim() == "V"))
    }

    /// Has the kernel take the device away as soon as nobody uses it any more: with the last mount of it.
    ///
    /// # Errors
    /// What the kernel says.
    #[cfg(feature = "live")]
    pub fn goes_with_its_last_user(self) -> Result<(), OsError> {
        let mut message = Message::named(&self.name);
        message.defer();
        call(&control()?, DmAct::Remove, &mut message)
    }

    /// Takes the device away.
    ///
    /// # Errors
    /// What the kernel says: somebody uses it.
    pub fn remove(self) -> Result<(), OsError> {
        call(&control()?, DmAct::Remove, &mut Message::named(&self.name))
    }
}

/// Whether every block of the mapped device `name` that was read until now was right.
///
/// # Errors
/// What the kernel says.
#[cfg(feature = "live")]
pub fn is_intact(name: &str) -> Result<bool, OsError> {
    Mapping { name: name.to_owned(), node: PathBuf::new() }.is_intact()
}

fn control() -> Result<File, OsError> {
    let path = Path::new(CONTROL);
    let opened = File::options().read(true).write(true).open(path);
    opened.map_err(|error| OsError::io(path, "open", &error))
}

fn call(control: &File, act: DmAct, message: &mut Message) -> Result<(), OsError> {
    let what = match act {
        DmAct::Create => "create a device with",
        DmAct::Remove => "remove a device with",
        DmAct::Resume => "start a device with",
        DmAct::Load => "load a table with",
        DmAct::Status => "ask for a status with",
    };
    ioctl::device_mapper(control, act, message.bytes()).map_err(|errno| OsError::call(Path::new(CONTROL), what, errno))
}

/// The node in `/dev` of a device number, as devtmpfs names it.
fn node((major, minor): (u64, u64)) -> Result<PathBuf, OsError> {
    let link = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let folder = fs::canonicalize(&link).map_err(|error| OsError::io(&link, "open", &error))?;
    device_node(&folder)
}

fn unexpected(wanted: &'static str) -> OsError {
    OsError::new(Path::new(CONTROL), OsErrorKind::Unexpected { wanted })
}
