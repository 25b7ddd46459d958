//! The kernel's command line: what it asks of the hook, and what the next kernel gets.

use libupdate::SlotId;
use libupdate::slot::PartitionSpec;

/// Where the kernel shows it.
pub const PATH: &str = "/proc/cmdline";

const SLOT: &str = "updater.slot=";
/// Words that are another kernel's business, or said anew.
const NOT_HANDED_ON: [&str; 4] = [SLOT, "panic=", "BOOT_IMAGE=", "initrd="];

/// Which slot the command line names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// None: the hook chooses.
    No,
    /// This one: a boot loader or an earlier kernel has chosen it and spent its try.
    Slot(SlotId),
    /// Something that is no slot of the profile. The hook chooses, as if nothing stood there: a device whose boot loader has a wrong word
    /// must boot.
    Nonsense,
}

/// A kernel's command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandLine(String);

impl CommandLine {
    /// The text of `/proc/cmdline`.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The kernel's words: those after `--` belong to init.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace().take_while(|word| *word != "--")
    }

    /// The last `updater.slot=`, with what it names.
    pub fn slot_word(&self) -> Option<&str> {
        self.words().filter(|word| word.starts_with(SLOT)).last()
    }

    /// The slot of the last `updater.slot=`, if the profile has it.
    pub fn slot(&self, profile: &[PartitionSpec<'_>]) -> Named {
        let Some(name) = self.slot_word().and_then(|word| word.strip_prefix(SLOT)) else { return Named::No };
        let known = SlotId::from_name(name).filter(|slot| profile.iter().any(|spec| spec.slot == *slot));
        known.map_or(Named::Nonsense, Named::Slot)
    }

    /// The init that was asked for.
    pub fn init(&self) -> Option<&str> {
        self.words().filter_map(|word| word.strip_prefix("init=")).last()
    }

    /// The command line of the slot's own kernel.
    pub fn for_slot(&self, slot: SlotId, panic_seconds: u64) -> String {
        let kept =
            self.0.split_ascii_whitespace().filter(|word| !NOT_HANDED_ON.iter().any(|one| word.starts_with(one)));
        // Before what belongs to init.
        let (mut ours, mut rest) = (Vec::new(), Vec::new());
        for word in kept {
            if word == "--" || !rest.is_empty() { rest.push(word) } else { ours.push(word) }
        }
        let (slot, panic) = (format!("{SLOT}{slot}"), format!("panic={panic_seconds}"));
        ours.extend([slot.as_str(), panic.as_str()]);
        ours.append(&mut rest);
        ours.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slot_counts_and_inits_words_do_not() {
        let type_guid = libupdate::gpt::Guid::ZERO;
        let duty = libupdate::slot::Duty::Control;
        let spec = |slot| PartitionSpec { slot, role: "root", label: "root", type_guid, duty };
        let slot = |text: &str| CommandLine::new(text).slot(&[spec(SlotId::A), spec(SlotId::B)]);
        assert_eq!(slot("quiet updater.slot=b\n"), Named::Slot(SlotId::B));
        assert_eq!(slot("updater.slot=a updater.slot=b"), Named::Slot(SlotId::B));
        assert_eq!(slot("quiet xupdater.slot=b -- updater.slot=a"), Named::No);
        assert_eq!(slot("updater.slot="), Named::Nonsense);
        assert_eq!(slot("updater.slot=B"), Named::Nonsense);
        assert_eq!(slot("updater.slot=h"), Named::Nonsense, "the profile has no slot h");
        assert_eq!(CommandLine::new("x updater.slot=h y").slot_word(), Some("updater.slot=h"));
        assert_eq!(CommandLine::new("init=/x init=/bin/sh -- init=/y").init(), Some("/bin/sh"));
    }

    #[test]
    fn the_slots_kernel_gets_the_same_words_with_its_slot_and_a_panic_that_reboots() {
        let line =
            CommandLine::new("BOOT_IMAGE=/vmlinuz console=ttyS0 panic=0 updater.slot=a initrd=x quiet -- single\n");
        assert_eq!(line.for_slot(SlotId::B, 5), "console=ttyS0 quiet updater.slot=b panic=5 -- single");
        assert_eq!(CommandLine::new("").for_slot(SlotId::A, 10), "updater.slot=a panic=10");
    }
}
