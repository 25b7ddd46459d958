//! The board that a configuration of RAUC describes, as a profile with remarks.
//!
//! RAUC has a slot for each partition; here a slot is a letter that has a partition for each role. The slots with a boot name become
//! the letters, their class the control role; the classes whose slots have those as parents become the other roles.

use std::fmt;

use libupdate::units::limits::SLOTS;

use super::rauc::{Rauc, Slot};

/// The place where labels are found.
const BY_LABEL: &str = "/dev/disk/by-partlabel/";
/// Boots that a new slot gets where nothing is said.
const TRIES: u8 = 3;
/// Tries that the stores of boot loaders can count.
const MOST_TRIES: u8 = 9;

/// A profile in the making: names are valid, the rest is judged by the reader of profiles.
pub struct Board {
    name: String,
    letters: Vec<char>,
    partitions: Vec<Partition>,
    tries: u8,
    loader: Option<Loader>,
    /// What somebody has to judge, a sentence each.
    pub remarks: Vec<String>,
}

struct Partition {
    role: String,
    label: String,
    devices: Vec<String>,
}

struct Loader {
    kind: &'static str,
    store: Option<String>,
}

impl Board {
    /// The board of a configuration.
    ///
    /// # Errors
    /// The rule that it breaks, in words.
    pub fn of(rauc: &Rauc) -> Result<Self, String> {
        let mut remarks = Vec::new();
        let name = name(&rauc.compatible).ok_or("[system] has a compatible without a letter or a digit")?;
        if name != rauc.compatible {
            remarks.push(format!("compatible {:?} has characters that a name has not here: {name}", rauc.compatible));
        }
        let booted = booted(rauc)?;
        let letters: Vec<char> = ('a'..='h').take(booted.len()).collect();
        let mut partitions = vec![partition(&booted, &letters, &mut remarks)?];
        for class in other_classes(rauc, &booted) {
            match of_class(rauc, &class, &booted) {
                Some(slots) => partitions.push(partition(&slots, &letters, &mut remarks)?),
                None => {
                    remarks.push(format!("slots of {class} belong to no slot that boots: they are not updated here"))
                }
            }
        }
        if rauc.has_keyring {
            remarks.push(KEYRING.to_owned());
        }
        let loader = loader(rauc, &mut remarks);
        let tries = rauc.attempts.filter(|tries| (1..=MOST_TRIES).contains(tries)).unwrap_or(TRIES);
        remarks.push("sizes of partitions are not in system.conf: only `provision` needs them".to_owned());
        Ok(Self { name, letters, partitions, tries, loader, remarks })
    }
}

const KEYRING: &str = "RAUC's keyring has X.509 certificates; here a key is a P-256 public key: put it into trust/, as `updater-cli keygen` \
makes it, or as `openssl x509 -pubkey -noout` takes it out of a certificate with such a key";

/// A name as profiles have it: other characters become dashes.
fn name(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '-');
    let name: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).take(64).collect();
    name.chars().any(|c| c.is_ascii_alphanumeric()).then_some(name)
}

/// The slots that boot, in the order of their numbers.
fn booted(rauc: &Rauc) -> Result<Vec<Slot>, String> {
    let mut booted: Vec<Slot> = rauc.slots.iter().filter(|slot| slot.bootname.is_some()).cloned().collect();
    booted.sort_by_key(|slot| slot.index);
    let first = booted.first().ok_or("no slot has a bootname")?;
    if let Some(other) = booted.iter().find(|slot| slot.class != first.class) {
        return Err(format!("slots that boot are of two classes: {} and {}", first.class, other.class));
    }
    match booted.len() {
        1 => Err(format!("{} is 1 slot that boots, and an update needs another", first.name())),
        len if len > SLOTS => Err(format!("{len} slots boot; a profile has {SLOTS} at most")),
        _ => Ok(booted),
    }
}

/// The classes of slots that do not boot by themselves, each once, in their order.
fn other_classes(rauc: &Rauc, booted: &[Slot]) -> Vec<String> {
    let mut classes = Vec::new();
    for slot in rauc.slots.iter().filter(|slot| !booted.contains(slot)) {
        if !classes.contains(&slot.class) {
            classes.push(slot.class.clone());
        }
    }
    classes
}

/// A class with one slot for each that boots, in the same order.
fn of_class(rauc: &Rauc, class: &str, booted: &[Slot]) -> Option<Vec<Slot>> {
    let child = |parent: &Slot| {
        let name = parent.name();
        rauc.slots.iter().find(|slot| slot.class == class && slot.parent.as_ref() == Some(&name)).cloned()
    };
    booted.iter().map(child).collect()
}

fn partition(slots: &[Slot], letters: &[char], remarks: &mut Vec<String>) -> Result<Partition, String> {
    let class = slots.first().map(|slot| slot.class.clone()).unwrap_or_default();
    let role = name(&class).ok_or_else(|| format!("a slot's class {class:?} has no letter and no digit"))?;
    let devices: Vec<String> = slots.iter().map(|slot| slot.device.clone()).collect();
    let label = label(&devices, letters).unwrap_or_else(|| {
        let label = format!("{role}-{{slot}}");
        let each = devices.iter().zip(letters).map(|(device, letter)| format!("{device} {role}-{letter}"));
        let each = each.collect::<Vec<_>>().join(", ");
        remarks.push(format!("a partition is found by its GPT name here: name them (sgdisk -c NUMBER:NAME): {each}"));
        label
    });
    Ok(Partition { role, label, devices })
}

/// The pattern of labels that differ in their slot's letter only.
fn label(devices: &[String], letters: &[char]) -> Option<String> {
    let labels: Vec<&str> = devices.iter().map(|device| device.strip_prefix(BY_LABEL)).collect::<Option<_>>()?;
    let (first, letter) = (labels.first()?, letters.first()?);
    let patterns = first.match_indices(*letter).map(|(at, _)| {
        let (before, after) = first.split_at(at);
        format!("{before}{{slot}}{}", after.get(letter.len_utf8()..).unwrap_or_default())
    });
    let names_all = |pattern: &String| {
        let named = letters.iter().map(|letter| pattern.replace("{slot}", &letter.to_string()));
        named.eq(labels.iter().map(|label| (*label).to_owned()))
    };
    let quoted = |c: char| matches!(c, '"' | '\\') || c.is_control();
    patterns.into_iter().find(names_all).filter(|pattern| !pattern.contains(quoted))
}

fn loader(rauc: &Rauc, remarks: &mut Vec<String>) -> Option<Loader> {
    let quoted = |c: char| matches!(c, '"' | '\\') || c.is_control();
    let store = rauc.grubenv.clone().filter(|path| !path.contains(quoted));
    let (kind, store, script) = match rauc.bootloader.as_str() {
        "uboot" => ("u-boot-env", None, "hardware-profiles/boot-loaders/u-boot.cmd"),
        "grub" => ("grub-env", store, "hardware-profiles/boot-loaders/grub.cfg"),
        "efi" => ("efi-boot-next", None, ""),
        "raspberrypi" => {
            remarks.push("bootloader=raspberrypi: see `loader = \"tryboot\"` in raspberrypi4.toml, which needs a role for the firmware's files".to_owned());
            return None;
        }
        other => {
            let other = if other.is_empty() { "none" } else { other };
            remarks.push(format!(
                "bootloader={other} has no counterpart: the boot hook in the initramfs chooses the slot"
            ));
            return None;
        }
    };
    if !script.is_empty() {
        remarks.push(format!("the boot loader's script is another one here: {script}"));
    }
    Some(Loader { kind, store })
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Made of RAUC's system.conf by `updater-cli profile import`. To be judged by who knows the board:"
        )?;
        for remark in &self.remarks {
            writeln!(f, "#  - {}", remark.replace(char::is_control, " "))?;
        }
        let names: Vec<String> = self.letters.iter().map(|letter| format!("\"{letter}\"")).collect();
        writeln!(f, "name = \"{0}\"\ncompatible = \"{0}\"\n\n[slots]\nnames = [{1}]", self.name, names.join(", "))?;
        if let Some(control) = self.partitions.first() {
            writeln!(f, "control = \"{}\"", control.role)?;
        }
        writeln!(f, "tries = {}", self.tries)?;
        for Partition { role, label, devices } in &self.partitions {
            let devices: Vec<String> = devices.iter().map(|device| device.replace(char::is_control, " ")).collect();
            writeln!(f, "\n# {}\n[[partition]]\nrole = \"{role}\"\nlabel = \"{label}\"", devices.join(", "))?;
            writeln!(f, "# Linux data. `sgdisk -i NUMBER DISK` shows what the partitions have.")?;
            writeln!(f, "type = \"0fc63daf-8483-4772-8e79-3d69d8477de4\"\nsize = \"512M\"")?;
        }
        writeln!(f, "\n[trust]\nfolder = \"trust\"\n\n[boot]")?;
        if let Some(Loader { kind, store }) = &self.loader {
            writeln!(f, "loader = \"{kind}\"\nspends-try = \"boot-loader\"\nmark-good = \"system\"")?;
            if let Some(path) = store {
                writeln!(f, "loader-store = \"{path}\"")?;
            }
        }
        writeln!(f, "panic-seconds = 10")
    }
}
