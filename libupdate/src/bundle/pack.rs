//! Packs: extension images that are merged over `/usr` and `/opt` of a running system, without a reboot. What one is, its signed head says.
//!
//! ```text
//!   0  level             4   1 or more: what it adds to the version that runs
//!   4  fits              4   major version of the systems that it is for
//!   8  steps             1   bit 0: sysusers, bit 1: tmpfiles; all others zero
//!   9  names that it supersedes, units to reload, units to restart     3 x 1   at most 16, 8, 8
//!  12  name; names that it supersedes; units to reload; units to restart: of each the length (1), then the bytes
//! ```
//! 1. The extension and the feature bit are both there or neither is. Payloads of a pack are not made from old images.
//! 2. A name has 1 to 64 characters of `[A-Za-z0-9._-]`, the first one a letter or a digit, and no `..`. The roles of the payloads are names, too: each is
//!    an extension image, whose `extension-release` has that name.
//! 3. A unit has a kind of systemd's after its last dot, and no `/`.
//! 4. A pack supersedes neither itself nor anything twice.
//! 5. Judged in this order: layout, names, units, what is superseded, roles.
//!
//! Nothing in it is a program: the steps are all that is done, and the system's own programs do them.

use core::fmt;

use crate::bundle::{Features, Verified};
use crate::error::{Corrupt, Rule};
use crate::manifest::{ExtensionId, Manifest};
use crate::units::bytes;
use crate::units::limits::{EXTENSION_BYTES, NAME_BYTES, PACK_SUPERSEDES, PACK_UNITS};

/// The extension of a pack.
pub const PACK: ExtensionId = ExtensionId(5);
const HEAD_BYTES: usize = 12;
const SYSUSERS: u8 = 1;
const TMPFILES: u8 = 2;
/// Kinds of units that are reloaded or restarted.
const KINDS: [&str; 6] = ["service", "socket", "timer", "path", "target", "mount"];

/// What a pack is, borrowed from the signed head.
///
/// # Invariants
/// A value keeps every rule of the [module](self).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pack<'a> {
    name: PackName<'a>,
    level: u32,
    fits: u32,
    steps: u8,
    supersedes: Texts<'a>,
    reload: Texts<'a>,
    restart: Texts<'a>,
}

/// The name of a pack, or of one of its parts: safe as the name of a folder, of a device and of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PackName<'a>(&'a str);

/// Texts of an extension, one after another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Texts<'a> {
    rest: &'a [u8],
    left: u8,
}

/// Whether a bundle is a pack, by bit and extension alone.
///
/// # Errors
/// `ManifestFeatures` if one of them is there without the other.
pub fn is_one(verified: &Verified<'_>) -> Result<bool, Corrupt> {
    let named = extension(verified.manifest()).is_some();
    if named == verified.features().has(Features::PACK) { Ok(named) } else { Err(Corrupt(Rule::ManifestFeatures)) }
}

impl<'a> Pack<'a> {
    /// What a bundle says of itself, if it is a pack.
    ///
    /// # Errors
    /// `ManifestFeatures`, `PackForm`, `PackName`, `PackUnit`, `PackSupersedes`.
    pub fn of(verified: &Verified<'a>) -> Result<Option<Self>, Corrupt> {
        let (one, delta) = (is_one(verified)?, verified.features().has(Features::DELTA));
        match extension(verified.manifest()) {
            Some(_) if one && delta => Err(Corrupt(Rule::ManifestFeatures)),
            Some(bytes) if one => Self::judged(bytes, verified.manifest()).map(Some),
            _ => Ok(None),
        }
    }

    /// The same **before anything is verified**: to be shown to a person, never to be acted on.
    #[must_use]
    pub fn danger_of(manifest: &Manifest<'a>) -> Option<Self> {
        extension(manifest).and_then(|bytes| Self::judged(bytes, manifest).ok())
    }

    fn judged(bytes: &'a [u8], manifest: &Manifest<'_>) -> Result<Self, Corrupt> {
        let pack = Self::parse(bytes)?;
        manifest.payloads().iter().try_for_each(|payload| PackName::new(payload.role().as_str()).map(|_| ()))?;
        Ok(pack)
    }

    /// Takes the bytes of an extension.
    ///
    /// # Errors
    /// `PackForm`, `PackName`, `PackUnit`, `PackSupersedes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let form = Corrupt(Rule::PackForm);
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(form)?;
        let [.., steps, superseded, reload, restart] = *head;
        let level = bytes::u32_at(head, 0).ok_or(form)?;
        let fits = bytes::u32_at(head, 4).ok_or(form)?;
        let bounded = superseded <= PACK_SUPERSEDES && reload <= PACK_UNITS && restart <= PACK_UNITS;
        if level == 0 || steps & !(SYSUSERS | TMPFILES) != 0 || !bounded {
            return Err(form);
        }
        let (name, rest) = text(rest).ok_or(form)?;
        let (supersedes, rest) = Texts::taken(rest, superseded).ok_or(form)?;
        let (reload, rest) = Texts::taken(rest, reload).ok_or(form)?;
        let (restart, rest) = Texts::taken(rest, restart).ok_or(form)?;
        if !rest.is_empty() {
            return Err(form);
        }
        let name = PackName::new(name)?;
        supersedes.iter().try_for_each(|name| PackName::new(name).map(|_| ()))?;
        if !reload.iter().chain(restart.iter()).all(is_unit) {
            return Err(Corrupt(Rule::PackUnit));
        }
        if supersedes.iter().any(|other| other == name.as_str()) || supersedes.repeat() {
            return Err(Corrupt(Rule::PackSupersedes));
        }
        Ok(Self { name, level, fits, steps, supersedes, reload, restart })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> PackName<'a> {
        self.name
    }

    /// What it adds to the version that runs: 1 or more.
    #[must_use]
    pub const fn level(&self) -> u32 {
        self.level
    }

    /// Major version of the systems that it is for.
    #[must_use]
    pub const fn fits(&self) -> u32 {
        self.fits
    }

    /// Names of packs that it takes the place of.
    #[must_use]
    pub const fn supersedes(&self) -> Texts<'a> {
        self.supersedes
    }

    /// Units that are reloaded once it is merged.
    #[must_use]
    pub const fn reload(&self) -> Texts<'a> {
        self.reload
    }

    /// Units that are restarted once it is merged.
    #[must_use]
    pub const fn restart(&self) -> Texts<'a> {
        self.restart
    }

    /// Whether system users are made that its files declare.
    #[must_use]
    pub const fn sysusers(&self) -> bool {
        self.steps & SYSUSERS != 0
    }

    /// Whether files and folders are made that its files declare.
    #[must_use]
    pub const fn tmpfiles(&self) -> bool {
        self.steps & TMPFILES != 0
    }
}

/// The major version of a release: the digits that its version begins with.
///
/// ```
/// use libupdate::bundle::pack::major;
///
/// assert_eq!(major("2.0"), Some(2));
/// assert_eq!(major("12-rc1"), Some(12));
/// assert_eq!(major("v2"), None);
/// ```
#[must_use]
pub fn major(version: &str) -> Option<u32> {
    let end = version.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

impl<'a> PackName<'a> {
    /// Borrows the text.
    ///
    /// # Errors
    /// `PackName`.
    pub fn new(text: &'a str) -> Result<Self, Corrupt> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || text.len() > NAME_BYTES || !text.bytes().all(plain) || text.contains("..") {
            return Err(Corrupt(Rule::PackName));
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for PackName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for PackName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl<'a> Texts<'a> {
    /// So many texts from the front of `bytes`, and what follows them.
    fn taken(bytes: &'a [u8], count: u8) -> Option<(Self, &'a [u8])> {
        let mut rest = bytes;
        for _ in 0..count {
            (_, rest) = text(rest)?;
        }
        Some((Self { rest: bytes, left: count }, rest))
    }

    /// The texts, in their order.
    #[must_use]
    pub const fn iter(&self) -> Self {
        *self
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    fn repeat(&self) -> bool {
        let mut later = self.iter();
        while let Some(one) = later.next() {
            if later.iter().any(|other| other == one) {
                return true;
            }
        }
        false
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        let (one, rest) = text(self.rest)?;
        self.rest = rest;
        Some(one)
    }
}

fn extension<'a>(manifest: &Manifest<'a>) -> Option<&'a [u8]> {
    manifest.extensions().iter().find(|one| one.id() == PACK).map(|one| one.bytes())
}

/// The text that `bytes` begins with, and what follows it.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((str::from_utf8(text).ok()?, rest))
}

fn is_unit(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let kind = text.rsplit_once('.').map(|(_, kind)| kind);
    begins && text.len() <= NAME_BYTES && text.bytes().all(plain) && kind.is_some_and(|kind| KINDS.contains(&kind))
}

const _: () = assert!(EXTENSION_BYTES <= 1024, "a length of one byte counts each text");

#[cfg(test)]
mod tests;
