//! The kernel's command line: what it asks of the hook, and what the next kernel gets.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libupdate::SlotId;
use libupdate::slot::PartitionSpec;
use libupdate_linux::kernel_words;

pub use libupdate_linux::kernel_words::PATH;

const SLOT: &str = "updater.slot";
/// Words that are another kernel's business, or said anew.
const NOT_HANDED_ON: [&str; 4] = [SLOT, "panic", "BOOT_IMAGE", "initrd"];

/// Which slot this boot was told.
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

impl Named {
    /// What a word names.
    pub fn of(word: &[u8], profile: &[PartitionSpec<'_>]) -> Self {
        let known = str::from_utf8(word).ok().and_then(SlotId::from_name);
        let known = known.filter(|slot| profile.iter().any(|spec| spec.slot == *slot));
        known.map_or(Self::Nonsense, Self::Slot)
    }
}

/// A kernel's command line: bytes, as the boot loader wrote them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandLine(Vec<u8>);

impl CommandLine {
    /// The bytes of `/proc/cmdline`.
    pub fn new(line: impl Into<Vec<u8>>) -> Self {
        Self(line.into())
    }

    /// What the last `updater.slot=` names, as it was written.
    pub fn slot_word(&self) -> Option<&[u8]> {
        kernel_words::value(&self.0, SLOT)
    }

    /// The init that was asked for; an empty word asks for none.
    pub fn init(&self) -> Option<&Path> {
        kernel_words::value(&self.0, "init")
            .filter(|path| !path.is_empty())
            .map(|path| Path::new(OsStr::from_bytes(path)))
    }

    /// What is said to a module by its name, `NAME.PARAMETER` or `NAME.PARAMETER=VALUE`, in the form in which the kernel takes it
    /// with the module.
    pub fn parameters(&self, module: &[u8]) -> Vec<u8> {
        let said = kernel_words::of_kernel(&self.0).filter_map(|word| {
            let (quote, word) = word.strip_prefix(b"\"").map_or((&b""[..], word), |inner| (&b"\""[..], inner));
            let dot = word.iter().position(|byte| matches!(byte, b'.' | b'='))?;
            let (name, parameter) = word.split_at_checked(dot)?;
            let parameter = parameter.strip_prefix(b".")?;
            kernel_words::same_name(name, module).then(|| [quote, parameter].concat())
        });
        said.collect::<Vec<_>>().join(&b' ')
    }

    /// Whether a module is not to be loaded: `modprobe.blacklist=NAME,..`, or the kernel's own `module_blacklist=`, which it keeps.
    pub fn forbids(&self, module: &[u8]) -> bool {
        let lists = ["modprobe.blacklist", "module_blacklist"].map(|key| kernel_words::values(&self.0, key));
        let mut names = lists.into_iter().flatten().flat_map(|list| list.split(|byte| *byte == b','));
        names.any(|name| kernel_words::same_name(name, module))
    }

    /// The command line of the slot's own kernel.
    pub fn for_slot(&self, slot: SlotId, panic_seconds: u64) -> Vec<u8> {
        let said_anew = |word: &&[u8]| match kernel_words::pair(word) {
            (key, Some(_)) => !NOT_HANDED_ON.iter().any(|one| one.as_bytes() == key),
            (_, None) => true,
        };
        let (slot, panic) = (format!("{SLOT}={slot}"), format!("panic={panic_seconds}"));
        // Before what belongs to init.
        let own = kernel_words::of_kernel(&self.0).filter(said_anew);
        let of_init = kernel_words::all(&self.0).skip_while(|word| *word != b"--");
        own.chain([slot.as_bytes(), panic.as_bytes()]).chain(of_init).collect::<Vec<_>>().join(&b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile with slots a and b.
    fn specs() -> [PartitionSpec<'static>; 2] {
        let type_guid = libupdate::gpt::Guid::ZERO;
        let duty = libupdate::slot::Duty::Control;
        [SlotId::A, SlotId::B].map(|slot| PartitionSpec { slot, role: "root", label: "root", type_guid, duty })
    }

    fn named(line: &[u8]) -> Named {
        CommandLine::new(line).slot_word().map_or(Named::No, |word| Named::of(word, &specs()))
    }

    #[test]
    fn the_last_slot_counts_and_inits_words_do_not() {
        let slot = |text: &str| named(text.as_bytes());
        assert_eq!(slot("quiet updater.slot=b\n"), Named::Slot(SlotId::B));
        assert_eq!(slot("updater.slot=a updater.slot=b"), Named::Slot(SlotId::B));
        assert_eq!(slot("quiet xupdater.slot=b -- updater.slot=a"), Named::No);
        assert_eq!(slot("updater.slot="), Named::Nonsense);
        assert_eq!(slot("updater.slot=B"), Named::Nonsense);
        assert_eq!(slot("updater.slot=h"), Named::Nonsense, "the profile has no slot h");
        assert_eq!(CommandLine::new("x updater.slot=h y").slot_word(), Some(&b"h"[..]));
        assert_eq!(CommandLine::new("init=/x init=/bin/sh -- init=/y").init(), Some(Path::new("/bin/sh")));
        assert_eq!(CommandLine::new("quiet init=").init(), None);
    }

    #[test]
    fn odd_words_hide_no_others_and_quoted_ones_are_none() {
        let slot = named;
        assert_eq!(slot(b"serial=\xff\xfe updater.slot=b"), Named::Slot(SlotId::B));
        assert_eq!(slot(b"updater.slot=\xff"), Named::Nonsense);
        assert_eq!(slot(b"note=\"take updater.slot=a or not\" updater.slot=\"b\""), Named::Slot(SlotId::B));
        let line = CommandLine::new(&b"x=\xff y=\"1  2\" panic"[..]);
        assert_eq!(line.for_slot(SlotId::B, 5), b"x=\xff y=\"1  2\" panic updater.slot=b panic=5");
    }

    #[test]
    fn modules_are_told_what_stands_before_init() {
        let line = CommandLine::new(
            "nvme_core.multipath=N a=nvme-core.x=1 nvme-core.io_timeout=\"30  x\" \"nvme-core.y=1 2\" nvme-core.flag \
             nvme.poll_queues=2 nvme_core -- nvme_core.z=1",
        );
        let told = |module: &str| String::from_utf8(line.parameters(module.as_bytes())).unwrap();
        assert_eq!(told("nvme-core"), "multipath=N io_timeout=\"30  x\" \"y=1 2\" flag");
        assert_eq!((told("nvme"), told("core")), ("poll_queues=2".to_owned(), String::new()));
    }

    #[test]
    fn forbidden_modules_are_those_of_every_list() {
        let line = CommandLine::new(
            "modprobe.blacklist=a,b-c module_blacklist=d modprobe.blacklist=\"e\" -- modprobe.blacklist=f",
        );
        let forbidden: String =
            ["a", "b_c", "b", "d", "e", "f", ""].into_iter().filter(|name| line.forbids(name.as_bytes())).collect();
        assert_eq!(forbidden, "ab_cde");
    }

    #[test]
    fn the_slots_kernel_gets_the_same_words_with_its_slot_and_a_panic_that_reboots() {
        let line =
            CommandLine::new("BOOT_IMAGE=/vmlinuz console=ttyS0 panic=0 updater.slot=a initrd=x quiet -- single\n");
        assert_eq!(line.for_slot(SlotId::B, 5), b"console=ttyS0 quiet updater.slot=b panic=5 -- single");
        assert_eq!(CommandLine::new("").for_slot(SlotId::A, 10), b"updater.slot=a panic=10");
    }
}
