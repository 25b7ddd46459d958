//! How many devices take a release by themselves: a fraction that its signed head names. Which ones these are follows from each device's own name and the version,
//! without a clock and without a server that keeps count; each release begins with others.
//!
//! ```text
//!  SHA-256( "libupdate rollout v1" NUL | name of the device | NUL | version )  first 8 bytes, a fraction of 2^64
//! ```

use crate::error::{Corrupt, Rule};
use crate::manifest::{ExtensionId, Manifest};
use crate::units::digest::Digest;

/// The extension that names the fraction: 2 bytes, little-endian, thousandths.
pub const ROLLOUT: ExtensionId = ExtensionId(3);
/// All devices.
const ALL: u16 = 1000;
const DOMAIN: &[u8] = b"libupdate rollout v1\0";

/// A fraction of all devices, in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rollout(u16);

impl Rollout {
    /// So many thousandths. `None` over 1000.
    #[must_use]
    pub const fn new(thousandths: u16) -> Option<Self> {
        if thousandths > ALL { None } else { Some(Self(thousandths)) }
    }

    /// That of a release: all devices if it names none.
    ///
    /// # Errors
    /// `ManifestExtension`.
    pub fn of(manifest: &Manifest<'_>) -> Result<Self, Corrupt> {
        let Some(extension) = manifest.extensions().iter().find(|one| one.id() == ROLLOUT) else {
            return Ok(Self(ALL));
        };
        let thousandths = extension.bytes().try_into().ok().map(u16::from_le_bytes);
        thousandths.and_then(Self::new).ok_or(Corrupt(Rule::ManifestExtension))
    }

    /// The thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// Whether it is every device.
    #[must_use]
    pub const fn is_everybody(self) -> bool {
        self.0 >= ALL
    }

    /// Whether the device with this name is among them.
    #[must_use]
    pub fn includes(self, device: &[u8], version: &str) -> bool {
        let digest = Digest::of(&[DOMAIN, device, &[0], version.as_bytes()]);
        let place = digest.as_bytes().first_chunk().map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes));
        u128::from(place).saturating_mul(ALL.into()) >> 64 < u128::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(thousandths: u16, version: &str) -> usize {
        let rollout = Rollout::new(thousandths).unwrap();
        (0..10_000_u32).filter(|number| rollout.includes(&number.to_le_bytes(), version)).count()
    }

    #[test]
    fn a_fraction_of_devices_is_that_fraction() {
        assert_eq!((share(0, "1.0"), share(1000, "1.0")), (0, 10_000));
        for (thousandths, about) in [(10, 70..130), (100, 900..1100), (500, 4800..5200)] {
            assert!(about.contains(&share(thousandths, "1.0")), "{thousandths}: {}", share(thousandths, "1.0"));
        }
        assert_eq!(Rollout::new(1001), None);
    }

    #[test]
    fn a_wider_one_has_all_of_the_narrower_and_another_version_other_devices() {
        let [narrow, wide] = [100, 200].map(|thousandths| Rollout::new(thousandths).unwrap());
        let of = |rollout: Rollout, version: &'static str| {
            (0..1000_u32).filter(move |number| rollout.includes(&number.to_le_bytes(), version))
        };
        assert!(of(narrow, "1.0").all(|number| wide.includes(&number.to_le_bytes(), "1.0")));
        assert_ne!(of(narrow, "1.0").collect::<std::vec::Vec<_>>(), of(narrow, "1.1").collect::<std::vec::Vec<_>>());
    }
}
