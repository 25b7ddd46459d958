//! The scalar values of a profile, each valid by construction. Their errors name the line, for serde places them.

use std::fmt;
use std::ops::Deref;

use libupdate::SlotId;
use libupdate::gpt::{Attributes, Guid, TriesLeft};
use libupdate::manifest::Name;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::Spanned;

/// UTF-16 units that a partition name of the GPT holds.
const LABEL_UNITS: usize = 36;
/// A compatible, a role or a profile's name.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct OwnedName(String);

/// A partition name of the GPT, which may hold `{slot}`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Label(String);

/// A word for an attribute bit of the GPT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeWord {
    /// The platform needs the partition.
    Required,
    /// A BIOS may boot it.
    LegacyBoot,
    /// systemd grows its file system at the first mount.
    GrowFs,
    /// It is mounted read-only.
    ReadOnly,
    /// It is not mounted by its type.
    NoAuto,
}

/// Where a payload takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionKind {
    /// In its partition.
    #[default]
    Partition,
    /// In the boot partitions of the eMMC, to which it is copied from its partition.
    EmmcBoot,
}

/// A whole number with bounds, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Within<const LEAST: u16, const MOST: u16>(u16);

/// Why a value is not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadValue {
    /// Not a name.
    Name,
    /// Not a partition name.
    Label,
}

impl Deref for OwnedName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OwnedName {
    type Error = BadValue;

    fn try_from(text: String) -> Result<Self, BadValue> {
        match Name::new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(BadValue::Name),
        }
    }
}

impl Label {
    const SLOT: &str = "{slot}";

    /// Whether it has a place for the slot's letter.
    pub fn names_the_slot(&self) -> bool {
        self.0.contains(Self::SLOT)
    }

    /// The partition name in a slot.
    pub fn of(&self, slot: SlotId) -> String {
        self.0.replace(Self::SLOT, &slot.to_string())
    }

    /// The partition name outside slots.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Label {
    type Error = BadValue;

    fn try_from(text: String) -> Result<Self, BadValue> {
        // A slot's name is one letter.
        let units = text.replace(Self::SLOT, "a").encode_utf16().count();
        let plain = text.chars().all(|c| !c.is_control());
        if plain && (1..=LABEL_UNITS).contains(&units) { Ok(Self(text)) } else { Err(BadValue::Label) }
    }
}

impl AttributeWord {
    const fn bit(self) -> u32 {
        match self {
            Self::Required => 0,
            Self::LegacyBoot => 2,
            Self::GrowFs => 59,
            Self::ReadOnly => 60,
            Self::NoAuto => 63,
        }
    }

    /// The attribute word with the bits of all these words.
    pub fn together(words: &[Self]) -> Attributes {
        Attributes::new(words.iter().fold(0, |all, word| all | 1 << word.bit()))
    }
}

impl<const LEAST: u16, const MOST: u16> Within<LEAST, MOST> {
    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// For a default in the source.
    pub const fn of(value: u16) -> Self {
        assert!(LEAST <= value && value <= MOST, "a default inside its bounds");
        Self(value)
    }
}

impl<const LEAST: u16> Within<LEAST, 15> {
    /// The number as tries, which have four bits.
    pub fn tries(self) -> TriesLeft {
        u8::try_from(self.0).ok().and_then(TriesLeft::new).unwrap_or(TriesLeft::MAX)
    }
}

impl<'de, const LEAST: u16, const MOST: u16> Deserialize<'de> for Within<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        match u16::try_from(value) {
            Ok(value) if (LEAST..=MOST).contains(&value) => Ok(Self(value)),
            _ => Err(D::Error::custom(format_args!("{value} is not {LEAST} to {MOST}"))),
        }
    }
}

/// Reads a GUID's text.
pub fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Guid, D::Error> {
    let text = String::deserialize(deserializer)?;
    let guid = Guid::parse(&text).filter(|guid| *guid != Guid::ZERO);
    guid.ok_or_else(|| D::Error::custom(format_args!("{text:?} is not a partition type (a GUID that is not zero)")))
}

/// Reads the text of a disk's GUID, and where it is.
pub fn some_guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Spanned<Guid>>, D::Error> {
    let text = Spanned::<String>::deserialize(deserializer)?;
    let guid = Guid::parse(text.get_ref()).filter(|guid| *guid != Guid::ZERO);
    let wrong = || D::Error::custom(format_args!("{:?} is not a disk's GUID that is not zero", text.get_ref()));
    Ok(Some(Spanned::new(text.span(), guid.ok_or_else(wrong)?)))
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not a name: 1 to 64 characters of A-Z a-z 0-9 . _ + ~ -",
            Self::Label => "not a partition name: 1 to 36 UTF-16 units without control characters",
        })
    }
}

impl core::error::Error for BadValue {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_fits_with_the_slots_letter_in_it() {
        let label = |text: String| Label::try_from(text);
        let longest = label(format!("{}{{slot}}", "x".repeat(35))).unwrap();
        assert_eq!(longest.of(SlotId::B), format!("{}b", "x".repeat(35)));
        assert_eq!(label(format!("{}{{slot}}", "x".repeat(36))), Err(BadValue::Label));
        assert_eq!(label("\u{1f600}".repeat(19)), Err(BadValue::Label));
        assert_eq!(label(String::new()), Err(BadValue::Label));
        assert_eq!(label("a\nb".to_owned()), Err(BadValue::Label));
    }

    #[test]
    fn attribute_words_are_the_specifications_bits() {
        use AttributeWord::{GrowFs, LegacyBoot, NoAuto, ReadOnly, Required};
        assert_eq!(AttributeWord::together(&[]).get(), 0);
        assert_eq!(AttributeWord::together(&[NoAuto]).get(), 1 << 63);
        let all = AttributeWord::together(&[Required, LegacyBoot, GrowFs, ReadOnly, NoAuto, NoAuto]);
        assert_eq!(all.get(), 1 | 4 | 1 << 59 | 1 << 60 | 1 << 63);
    }
}
