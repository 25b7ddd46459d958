//! A profile as a boot reads it: judged already, the keys in it, and small to decode. `initramfs-hook` finds it in its initramfs, the UEFI
//! application in its own image.
//!
//! ```text
//!  0   magic "LUHOOK01"   8
//!  8   CRC-32 of the rest 4
//!  12  postcard of the fields, in their order here
//! ```
//! TOML and PEM would be two thirds of the hook (235 KB of 600, measured), and a mistake in them would be found at boot. So
//! `updater-cli hook-config` reads both where the initramfs is made. Whoever can write this file owns the device, as with every
//! other file of the initramfs: it is not signed.

use core::fmt;
use core::num::NonZeroUsize;

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::boot::Guard;
use crate::bundle::{Anchors, PublicKey};
use crate::gpt::{Guid, TriesLeft};
use crate::slot::{Duty, PartitionSpec};
use crate::units::crc::crc32;
use crate::units::limits::{ANCHORS, PAYLOADS, SLOTS};
use crate::units::slot_id::SlotId;

mod boot;
mod selection;

pub use boot::{Boot, Exhausted, Marker, Naming, OnCorruption, Overlay, SlotKernel, Spender, Start, Voice, Watchdog};
pub use selection::Selection;

const MAGIC: [u8; 8] = *b"LUHOOK01";
const HEAD: usize = 12;
/// Partitions of all slots.
const PARTITIONS: usize = SLOTS * PAYLOADS;

/// What a boot knows of its device. `T` is a text and `P` a path: borrowed from the file, or the caller's own.
#[derive(Clone, Debug)]
pub struct HookConfig<'c, T, P> {
    /// What a slot's manifest must be made for.
    pub compatible: &'c str,
    /// Which disk it is.
    pub disk: Selection<T, P>,
    /// Whether boots of a good slot are counted.
    pub guard: Guard,
    /// The slots' partitions.
    pub specs: Vec<PartitionSpec<'c>, PARTITIONS>,
    /// The keys to trust.
    pub anchors: Anchors,
    /// What happens at boot.
    pub boot: Boot<T, P>,
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
struct Wire<'w, T, P> {
    compatible: &'w str,
    disk: Selection<T, P>,
    guard: u8,
    #[serde(borrow)]
    partitions: Vec<WirePartition<'w>, PARTITIONS>,
    threshold: u8,
    #[serde(borrow)]
    keys: Vec<&'w [u8], ANCHORS>,
    boot: Boot<T, P>,
}

#[derive(Serialize, Deserialize)]
struct WirePartition<'w> {
    slot: u8,
    role: &'w str,
    label: &'w str,
    type_guid: [u8; 16],
    control: bool,
}

impl<'c, T: Deserialize<'c>, P: Deserialize<'c>> HookConfig<'c, T, P> {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// In the order of [`BadConfig`].
    pub fn decode(bytes: &'c [u8]) -> Result<Self, BadConfig> {
        let (head, body) = bytes.split_at_checked(HEAD).ok_or(BadConfig::Magic)?;
        let (magic, checksum) = head.split_at_checked(MAGIC.len()).ok_or(BadConfig::Magic)?;
        if magic != MAGIC {
            return Err(BadConfig::Magic);
        }
        if checksum != crc32(body).to_le_bytes() {
            return Err(BadConfig::Checksum);
        }
        let (wire, rest) = postcard::take_from_bytes::<Wire<'c, T, P>>(body).map_err(|_| BadConfig::Fields)?;
        if !rest.is_empty() {
            return Err(BadConfig::Fields);
        }
        let guard = TriesLeft::new(wire.guard).ok_or(BadConfig::Fields)?;
        Ok(Self {
            compatible: wire.compatible,
            disk: wire.disk,
            guard: Guard::new(guard),
            specs: wire.partitions.iter().map(spec).collect::<Option<_>>().ok_or(BadConfig::Fields)?,
            anchors: anchors(&wire.keys, wire.threshold).ok_or(BadConfig::Keys)?,
            boot: wire.boot,
        })
    }
}

impl<T: Serialize + Clone, P: Serialize + Clone> HookConfig<'_, T, P> {
    /// Writes the file's bytes to `room`, and gives them; `None` if they are more.
    pub fn encode<'r>(&self, room: &'r mut [u8]) -> Option<&'r [u8]> {
        let keys: Vec<_, ANCHORS> = self.anchors.keys().iter().map(PublicKey::to_spki).collect();
        let wire = Wire {
            compatible: self.compatible,
            disk: self.disk.clone(),
            guard: self.guard.tries().get(),
            partitions: self.specs.iter().map(partition).collect::<Option<_>>()?,
            threshold: u8::try_from(self.anchors.threshold().get()).ok()?,
            keys: keys.iter().map(|key| &key[..]).collect(),
            boot: self.boot.clone(),
        };
        let (head, body) = room.split_at_mut_checked(HEAD)?;
        let body = postcard::to_slice(&wire, body).ok()?;
        let (magic, checksum) = head.split_at_mut_checked(MAGIC.len())?;
        magic.copy_from_slice(&MAGIC);
        checksum.copy_from_slice(&crc32(body).to_le_bytes());
        let len = HEAD.checked_add(body.len())?;
        room.get(..len)
    }
}

fn partition<'c>(spec: &PartitionSpec<'c>) -> Option<WirePartition<'c>> {
    Some(WirePartition {
        slot: u8::try_from(spec.slot.index()).ok()?,
        role: spec.role,
        label: spec.label,
        type_guid: *spec.type_guid.as_bytes(),
        control: spec.duty == Duty::Control,
    })
}

fn spec<'c>(wire: &WirePartition<'c>) -> Option<PartitionSpec<'c>> {
    let WirePartition { slot, role, label, type_guid, control } = *wire;
    let slot = SlotId::from_index(usize::from(slot))?;
    let duty = if control { Duty::Control } else { Duty::Member };
    Some(PartitionSpec { slot, role, label, type_guid: Guid::new(type_guid), duty })
}

fn anchors(keys: &[&[u8]], threshold: u8) -> Option<Anchors> {
    let keys: Vec<PublicKey, ANCHORS> = keys.iter().map(|key| PublicKey::from_spki(key).ok()).collect::<Option<_>>()?;
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

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::bundle::fixture;

    fn sample() -> HookConfig<'static, &'static str, &'static str> {
        let spec = |slot, label| PartitionSpec {
            slot,
            role: "boot",
            label,
            type_guid: Guid::new([7; 16]),
            duty: Duty::Control,
        };
        let kernel = SlotKernel { payload: Some("boot"), kernel: None, initrd: None, command_line: None };
        HookConfig {
            compatible: "box",
            disk: Selection::Node("/dev/sda"),
            guard: Guard::new(TriesLeft::MAX),
            specs: Vec::from_slice(&[spec(SlotId::A, "boot-a"), spec(SlotId::B, "boot-b")]).unwrap(),
            anchors: fixture::anchors(&[1, 2], 2),
            boot: Boot {
                spends_try: Spender::Hook,
                naming: Naming::PassesOver,
                root: "root",
                hand_over: Start::Kexec(kernel),
                on_corruption: OnCorruption::Panic,
                on_exhausted: Exhausted::LastResort,
                panic: Duration::from_secs(10),
                mark_good: Marker::System,
                var: Some("data"),
                overlay: Overlay::None,
                watchdog: Some(Watchdog { device: "/dev/watchdog0", timeout: Duration::from_secs(60) }),
                disk_wait: Duration::from_secs(30),
                voice: Voice::Normal,
            },
        }
    }

    fn refused(bytes: &[u8]) -> BadConfig {
        HookConfig::<&str, &str>::decode(bytes).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (config, mut room) = (sample(), [0; 1024]);
        let bytes = config.encode(&mut room).unwrap();
        let read = HookConfig::<&str, &str>::decode(bytes).unwrap();
        assert_eq!((read.compatible, &read.disk, read.guard), (config.compatible, &config.disk, config.guard));
        assert_eq!((&read.specs, &read.boot), (&config.specs, &config.boot));
        assert_eq!((read.anchors.keys(), read.anchors.threshold().get()), (config.anchors.keys(), 2));
        assert_eq!(config.encode(&mut [0; 64]), None);
    }

    #[test]
    fn what_is_not_the_file_is_refused_by_its_first_broken_rule() {
        let mut room = [0; 1024];
        let bytes = sample().encode(&mut room).unwrap().to_vec();
        let with = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            refused(&bytes)
        };
        assert_eq!(refused(b""), BadConfig::Magic);
        assert_eq!(with(7), BadConfig::Magic);
        assert_eq!(with(8), BadConfig::Checksum);
        assert_eq!(with(bytes.len() - 1), BadConfig::Checksum);
        let longer = [&bytes[HEAD..], &[0]].concat();
        let longer = [&MAGIC[..], &crc32(&longer).to_le_bytes(), &longer].concat();
        assert_eq!(refused(&longer), BadConfig::Fields);
        assert_eq!(anchors(&[&[0; 91]], 1), None);
        assert_eq!(anchors(&[], 1), None);
    }
}
