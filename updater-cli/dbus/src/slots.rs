//! RAUC's slots: each partition is one. `root` of slot a is `root.0`, of slot b `root.1`. Pure.
//!
//! ```text
//!  status --json                      GetSlotStatus
//!  slot a, booted: root, boot   ──►   root.0  bootname a  state booted     boot-status good
//!                                     boot.0  parent root.0  state active
//!  slot b:         root, boot   ──►   root.1  bootname b  state inactive   boot-status bad
//!                                     boot.1  parent root.1  state inactive
//! ```
//! The slot that has the name for the boot loader is `root` or `rootfs`, or else the first partition.

use std::collections::HashMap;

use zbus::zvariant::{OwnedValue, Str};

use crate::document::{Partition, Slot, Status};
use crate::fault::Fault;

/// A slot as RAUC's clients know it: its name, and what is known of it.
pub type Row = (String, HashMap<String, OwnedValue>);

/// What `Mark` is to do, as a verb of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    Good,
    Bad,
    Active,
}

impl Mark {
    /// RAUC's word.
    ///
    /// # Errors
    /// Another word.
    pub fn of(state: &str) -> Result<Self, Fault> {
        match state {
            "good" => Ok(Self::Good),
            "bad" => Ok(Self::Bad),
            "active" => Ok(Self::Active),
            _ => Err(Fault::argument("a slot is marked good, bad or active, and nothing else".to_owned())),
        }
    }

    /// The words of the program. Active is what leads there: a staged slot is armed, any other one is rolled back to.
    pub fn words(self, slot: &Slot) -> Vec<String> {
        let verb = match self {
            Self::Good => "mark-good",
            Self::Bad => "mark-bad",
            Self::Active if slot.state == "staged" => "activate",
            Self::Active => "rollback",
        };
        vec![verb.to_owned(), format!("--slot={}", slot.name)]
    }

    /// What was done, in RAUC's words.
    pub fn done(self, name: &str) -> String {
        match self {
            Self::Good => format!("marked slot {name} as good"),
            Self::Bad => format!("marked slot {name} as bad"),
            Self::Active => format!("activated slot {name}"),
        }
    }
}

impl Status {
    /// All of RAUC's slots.
    pub fn rows(&self) -> Vec<Row> {
        let of = |(index, slot): (usize, &Slot)| -> Vec<Row> {
            slot.partitions.iter().map(|one| (name(one, index), self.facts(slot, one, index))).collect()
        };
        self.slots.iter().enumerate().flat_map(of).collect()
    }

    /// The name of the slot that has this letter.
    pub fn name_of(&self, letter: &str) -> Option<String> {
        let index = self.slots.iter().position(|slot| slot.name == letter)?;
        Some(name(self.slots.get(index)?.boots()?, index))
    }

    /// The slot that a caller means by `booted`, `other`, or a name.
    ///
    /// # Errors
    /// None, or more than one.
    pub fn meant(&self, identifier: &str) -> Result<&Slot, Fault> {
        let booted = |slot: &&Slot| self.booted.as_ref() == Some(&slot.name);
        let named = |slot: &Slot, index| slot.partitions.iter().any(|one| name(one, index) == identifier);
        let fits: Vec<&Slot> = match identifier {
            "booted" => self.slots.iter().filter(booted).collect(),
            "other" if self.booted.is_some() => self.slots.iter().filter(|slot| !booted(slot)).collect(),
            "other" => vec![],
            _ => self
                .slots
                .iter()
                .enumerate()
                .filter(|(index, slot)| named(slot, *index))
                .map(|(_, slot)| slot)
                .collect(),
        };
        match fits.as_slice() {
            [one] => Ok(one),
            fits => {
                let identifier: String = identifier.chars().take(64).collect();
                let names: Vec<String> = self.rows().into_iter().map(|(name, _)| name).collect();
                Err(Fault::argument(format!(
                    "{identifier:?} means {} slots; next: name one of {}",
                    fits.len(),
                    names.join(", ")
                )))
            }
        }
    }

    /// What the system is compatible with: what the booted slot's bundle was for, or any slot's.
    pub fn compatible(&self) -> Option<&str> {
        let booted = self.slots.iter().filter(|slot| self.booted.as_ref() == Some(&slot.name));
        booted.chain(&self.slots).find_map(|slot| slot.compatible.as_deref())
    }

    fn facts(&self, slot: &Slot, partition: &Partition, index: usize) -> HashMap<String, OwnedValue> {
        let boots = slot.boots() == Some(partition);
        let booted = self.booted.as_ref() == Some(&slot.name);
        let state = match (booted, boots) {
            (true, true) => "booted",
            (true, false) => "active",
            (false, _) => "inactive",
        };
        let mut facts = HashMap::new();
        let mut say = |key: &str, value: &str| {
            facts.insert(key.to_owned(), OwnedValue::from(Str::from(value.to_owned())));
        };
        say("class", &partition.role);
        say("device", &format!("/dev/disk/by-partlabel/{}", partition.label));
        say("type", "raw");
        say("state", state);
        match slot.boots() {
            Some(_) if boots => {
                say("bootname", &slot.name);
                say("boot-status", if slot.bootable { "good" } else { "bad" });
            }
            Some(parent) => say("parent", &name(parent, index)),
            None => {}
        }
        if let Some(version) = &slot.version {
            say("bundle.version", version);
            say("status", if slot.state == "failed" { "failed" } else { "ok" });
        }
        if let Some(compatible) = &slot.compatible {
            say("bundle.compatible", compatible);
        }
        facts
    }
}

impl Slot {
    /// The partition that stands for the slot.
    fn boots(&self) -> Option<&Partition> {
        self.partitions.iter().find(|one| ["root", "rootfs"].contains(&one.role.as_str())).or(self.partitions.first())
    }
}

fn name(partition: &Partition, index: usize) -> String {
    format!("{}.{index}", partition.role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(booted: Option<&str>) -> Status {
        let partition = |role: &str, slot: &str| Partition { role: role.to_owned(), label: format!("{role}-{slot}") };
        let slot = |name: &str, bootable, state: &str| Slot {
            name: name.to_owned(),
            bootable,
            state: state.to_owned(),
            version: Some("1.0".to_owned()),
            compatible: Some("box".to_owned()),
            partitions: vec![partition("boot", name), partition("rootfs", name)],
        };
        let slots = vec![slot("a", true, "good"), slot("b", false, "staged")];
        Status { booted: booted.map(str::to_owned), next: Some("a".to_owned()), slots }
    }

    fn said(row: &Row) -> Vec<String> {
        let text = |(key, value): (&String, &OwnedValue)| format!("{key}={}", <&str>::try_from(value).expect("text"));
        let mut said: Vec<String> = row.1.iter().map(text).collect();
        said.sort();
        said
    }

    #[test]
    fn each_partition_is_a_slot_and_one_of_them_boots() {
        let rows = status(Some("a")).rows();
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["boot.0", "rootfs.0", "boot.1", "rootfs.1"]);
        let version = ["bundle.compatible=box", "bundle.version=1.0"];
        let device = ["device=/dev/disk/by-partlabel/rootfs-b", "state=inactive", "status=ok", "type=raw"];
        assert_eq!(
            said(&rows[3]),
            [&["boot-status=bad", "bootname=b"][..], &version, &["class=rootfs"], &device].concat()
        );
        let device =
            ["device=/dev/disk/by-partlabel/boot-a", "parent=rootfs.0", "state=active", "status=ok", "type=raw"];
        assert_eq!(said(&rows[0]), [&version[..], &["class=boot"], &device].concat());
    }

    #[test]
    fn a_caller_names_a_slot_in_three_ways() {
        let on_a = status(Some("a"));
        let letter = |identifier: &str| on_a.meant(identifier).map(|slot| slot.name.as_str());
        assert_eq!(["booted", "other", "rootfs.1", "boot.0"].map(letter), [Ok("a"), Ok("b"), Ok("b"), Ok("a")]);
        let text = letter("rootfs.7").expect_err("there is none").to_string();
        assert_eq!(text, "\"rootfs.7\" means 0 slots; next: name one of boot.0, rootfs.0, boot.1, rootfs.1");
        assert!(status(None).meant("booted").is_err() && status(None).meant("other").is_err());
        assert_eq!(on_a.name_of("b").as_deref(), Some("rootfs.1"));
        assert_eq!(on_a.name_of("c"), None);
    }

    #[test]
    fn active_is_the_verb_that_leads_there() {
        let on_a = status(Some("a"));
        let verb = |mark: Mark, slot: &str| mark.words(on_a.meant(slot).expect("it is there")).join(" ");
        assert_eq!(verb(Mark::Active, "other"), "activate --slot=b");
        assert_eq!(verb(Mark::Active, "booted"), "rollback --slot=a");
        assert_eq!(verb(Mark::Good, "booted"), "mark-good --slot=a");
        assert!(Mark::of("ugly").is_err());
    }
}
