//! The tables of a profile's file, one struct each. What crosses several keys is judged in [`super::judge`].

use std::path::PathBuf;

use libupdate::gpt::Guid;
use serde::Deserialize;
use toml::Spanned;

use super::board::Merge;
use super::boot::{HandOver, Marker, OnCorruption, OnExhausted, Spender};
use super::loader::LoaderKind;
use super::size::Size;
use super::value::{AttributeWord, Label, OwnedName, PartitionKind, Within, guid, some_guid};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    pub name: OwnedName,
    pub compatible: OwnedName,
    #[serde(default)]
    pub disk: Disk,
    pub slots: Slots,
    pub partition: Vec<Spanned<Partition>>,
    pub trust: Spanned<Trust>,
    #[serde(default)]
    pub boot: Option<Spanned<Boot>>,
    #[serde(default)]
    pub packs: Packs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Packs {
    #[serde(default)]
    pub merge: Merge,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Disk {
    pub node: Option<PathBuf>,
    pub bus: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "some_guid")]
    pub guid: Option<Spanned<Guid>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Slots {
    pub names: Option<Spanned<Vec<String>>>,
    pub control: Option<Spanned<OwnedName>>,
    #[serde(default = "three")]
    pub tries: Within<1, 15>,
    #[serde(default = "three")]
    pub guard: Within<0, 15>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Partition {
    pub role: Option<OwnedName>,
    pub label: Label,
    #[serde(rename = "type", deserialize_with = "guid")]
    pub type_guid: Guid,
    pub size: Size,
    #[serde(default)]
    pub attributes: Vec<AttributeWord>,
    #[serde(default)]
    pub kind: PartitionKind,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trust {
    #[serde(default)]
    pub keys: Vec<PathBuf>,
    pub folder: Option<PathBuf>,
    #[serde(default = "one")]
    pub threshold: Within<1, 16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Boot {
    #[serde(default)]
    pub spends_try: Spender,
    pub loader: Option<LoaderKind>,
    pub loader_store: Option<PathBuf>,
    pub loader_payload: Option<Spanned<OwnedName>>,
    pub root: Option<Spanned<OwnedName>>,
    #[serde(default)]
    pub hand_over: HandOver,
    pub payload: Option<Spanned<OwnedName>>,
    pub kernel: Option<PathBuf>,
    pub initrd: Option<PathBuf>,
    pub command_line: Option<PathBuf>,
    #[serde(default)]
    pub on_corruption: OnCorruption,
    #[serde(default)]
    pub on_exhausted: OnExhausted,
    pub recovery: Option<Spanned<Label>>,
    #[serde(default = "ten")]
    pub panic_seconds: Within<1, 3600>,
    #[serde(default)]
    pub mark_good: Marker,
    pub var: Option<Spanned<Label>>,
    #[serde(default)]
    pub overlay: bool,
    pub watchdog: Option<Watchdog>,
    #[serde(default = "half_a_minute")]
    pub disk_seconds: Within<1, 3600>,
    #[serde(default)]
    pub verbose: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Watchdog {
    #[serde(default = "first_watchdog")]
    pub device: PathBuf,
    #[serde(default = "minute")]
    pub timeout_seconds: Within<1, 65535>,
}

const fn one<const LEAST: u16, const MOST: u16>() -> Within<LEAST, MOST> {
    Within::of(1)
}

const fn three<const LEAST: u16, const MOST: u16>() -> Within<LEAST, MOST> {
    Within::of(3)
}

const fn ten<const LEAST: u16, const MOST: u16>() -> Within<LEAST, MOST> {
    Within::of(10)
}

const fn half_a_minute<const LEAST: u16, const MOST: u16>() -> Within<LEAST, MOST> {
    Within::of(30)
}

const fn minute<const LEAST: u16, const MOST: u16>() -> Within<LEAST, MOST> {
    Within::of(60)
}

fn first_watchdog() -> PathBuf {
    PathBuf::from("/dev/watchdog0")
}
