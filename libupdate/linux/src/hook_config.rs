//! A profile as the boot hook reads it: judged already, the keys in it, and small to decode.
//!
//! ```text
//!  0   magic "LUHOOK01"   8
//!  8   CRC-32 of the rest 4
//!  12  postcard of the fields, in their order here
//! ```
//! TOML and PEM would be two thirds of the hook (235 KB of 600, measured), and a mistake in them would be found at boot. So
//! `updater-cli hook-config` reads both where the initramfs is made. Whoever can write this file owns the device, as with every
//! other file of the initramfs: it is not signed.

use std::fmt;
use std::num::NonZeroUsize;

use libupdate::SlotId;
use libupdate::boot::Guard;
use libupdate::bundle::{Anchors, PublicKey};
use libupdate::gpt::{Guid, TriesLeft};
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::units::crc::crc32;
use libupdate::units::limits::HOOK_CONFIG_BYTES;
use serde::{Deserialize, Serialize};

use crate::find::Selection;
use crate::profile::{Boot, Profile, SlotPartition};

/// Where the hook finds it.
pub const PATH: &str = "/etc/updater/hook.config";

const MAGIC: [u8; 8] = *b"LUHOOK01";
const HEAD: usize = 12;

/// What the hook knows of its device.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// What a slot's manifest must be made for.
    pub compatible: String,
    /// Which disk it is.
    pub disk: Selection,
    /// Whether boots of a good slot are counted.
    pub guard: Guard,
    /// The slots' partitions.
    pub partitions: Vec<SlotPartition>,
    /// The keys to trust.
    pub anchors: Anchors,
    /// What happens at boot.
    pub boot: Boot,
}

/// A file that is not the hook's configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadConfig {
    /// It begins with something else.
    Magic,
    /// It is damaged.
    Checksum,
    /// Its fields are those of another version.
    Fields,
    /// Its keys are none, or cannot reach the threshold.
    Keys,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    compatible: String,
    disk: Selection,
    guard: u8,
    partitions: Vec<WirePartition>,
    threshold: u8,
    keys: Vec<Vec<u8>>,
    boot: Boot,
}

#[derive(Serialize, Deserialize)]
struct WirePartition {
    slot: u8,
    role: String,
    label: String,
    type_guid: [u8; 16],
    control: bool,
}

impl HookConfig {
    /// The configuration of a board with these keys.
    #[must_use]
    pub fn of(profile: &Profile, anchors: &Anchors) -> Self {
        Self {
            compatible: profile.compatible.clone(),
            disk: profile.disk.clone(),
            guard: profile.guard,
            partitions: profile.partitions.clone(),
            anchors: anchors.clone(),
            boot: profile.boot.clone(),
        }
    }

    /// The slots' partitions, as the core looks for them.
    pub fn specs(&self) -> Vec<PartitionSpec<'_>> {
        self.partitions.iter().map(SlotPartition::spec).collect()
    }

    /// The file's bytes; `None` for more than the hook reads.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let partition = |one: &SlotPartition| {
            Some(WirePartition {
                slot: u8::try_from(one.slot.index()).ok()?,
                role: one.role.clone(),
                label: one.label.clone(),
                type_guid: *one.type_guid.as_bytes(),
                control: one.duty == Duty::Control,
            })
        };
        let wire = Wire {
            compatible: self.compatible.clone(),
            disk: self.disk.clone(),
            guard: self.guard.tries().get(),
            partitions: self.partitions.iter().map(partition).collect::<Option<_>>()?,
            threshold: u8::try_from(self.anchors.threshold().get()).ok()?,
            keys: self.anchors.keys().iter().map(|key| key.to_spki().to_vec()).collect(),
            boot: self.boot.clone(),
        };
        let mut room = vec![0; usize::try_from(HOOK_CONFIG_BYTES).ok()?.checked_sub(HEAD)?];
        let body = postcard::to_slice(&wire, &mut room).ok()?;
        Some([&MAGIC[..], &crc32(body).to_le_bytes(), body].concat())
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// In the order of [`BadConfig`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadConfig> {
        let (head, body) = bytes.split_at_checked(HEAD).ok_or(BadConfig::Magic)?;
        let (magic, checksum) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(BadConfig::Magic);
        }
        if checksum != crc32(body).to_le_bytes() {
            return Err(BadConfig::Checksum);
        }
        let (wire, rest) = postcard::take_from_bytes::<Wire>(body).map_err(|_| BadConfig::Fields)?;
        if !rest.is_empty() {
            return Err(BadConfig::Fields);
        }
        let guard = TriesLeft::new(wire.guard).ok_or(BadConfig::Fields)?;
        Ok(Self {
            compatible: wire.compatible,
            disk: wire.disk,
            guard: Guard::new(guard),
            partitions: wire.partitions.into_iter().map(partition).collect::<Option<_>>().ok_or(BadConfig::Fields)?,
            anchors: anchors(&wire.keys, wire.threshold).ok_or(BadConfig::Keys)?,
            boot: wire.boot,
        })
    }
}

fn partition(wire: WirePartition) -> Option<SlotPartition> {
    let WirePartition { slot, role, label, type_guid, control } = wire;
    let slot = SlotId::from_index(usize::from(slot))?;
    let duty = if control { Duty::Control } else { Duty::Member };
    Some(SlotPartition { slot, role, label, type_guid: Guid::new(type_guid), duty })
}

fn anchors(keys: &[Vec<u8>], threshold: u8) -> Option<Anchors> {
    let keys: Vec<PublicKey> = keys.iter().map(|key| PublicKey::from_spki(key).ok()).collect::<Option<_>>()?;
    Anchors::new(&keys, NonZeroUsize::new(usize::from(threshold))?).ok()
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "not a file of `updater-cli hook-config`",
            Self::Checksum => "damaged: its checksum does not hold",
            Self::Fields => "made by another version of `updater-cli hook-config`",
            Self::Keys => "its keys are no keys, or cannot reach the threshold",
        })
    }
}

impl core::error::Error for BadConfig {}

#[cfg(all(test, feature = "keys", feature = "profile"))]
mod tests {
    use super::*;

    fn sample() -> HookConfig {
        let folder = tempfile::tempdir().unwrap();
        let files = crate::keys::generate(folder.path(), "k").unwrap();
        let anchors = Anchors::new(&[crate::keys::public(&files.public).unwrap()], NonZeroUsize::MIN).unwrap();
        HookConfig::of(&Profile::load(Some("generic-x86_64-uefi")).unwrap(), &anchors)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = sample();
        let bytes = config.encode().unwrap();
        let read = HookConfig::decode(&bytes).unwrap();
        assert_eq!((&read.compatible, &read.disk, read.guard), (&config.compatible, &config.disk, config.guard));
        assert_eq!((&read.partitions, &read.boot), (&config.partitions, &config.boot));
        assert_eq!(read.anchors.keys(), config.anchors.keys());
        assert!(bytes.len() < 512, "{} bytes", bytes.len());
    }

    #[test]
    fn what_is_not_the_file_is_refused_by_its_first_broken_rule() {
        let bytes = sample().encode().unwrap();
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] ^= byte;
            HookConfig::decode(&bytes).unwrap_err()
        };
        assert_eq!(HookConfig::decode(b"").unwrap_err(), BadConfig::Magic);
        assert_eq!(with(7, 1), BadConfig::Magic);
        assert_eq!(with(8, 1), BadConfig::Checksum);
        assert_eq!(with(bytes.len() - 1, 1), BadConfig::Checksum);
        let longer = [&bytes[HEAD..], &[0]].concat();
        let longer = [&MAGIC[..], &crc32(&longer).to_le_bytes(), &longer].concat();
        assert_eq!(HookConfig::decode(&longer).unwrap_err(), BadConfig::Fields);
        assert_eq!(anchors(&[vec![0; 91]], 1), None);
        assert_eq!(anchors(&[], 1), None);
    }
}
