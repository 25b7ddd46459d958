//! The command line of qemu for the demo's machine.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::guest::Patience;
use super::pieces::QEMU;
use crate::verb::demo::ending::quoted;
use crate::verb::demo::story::DISK;

/// The guest's initramfs.
pub const INITRAMFS: &str = "initramfs.cpio";
/// What the kernel is told: the serial console, which it leaves to the others, since its words would come in the middle of theirs; and
/// that the timer of an emulator with other work is not broken but late. Its tests of its own ciphers would be a tenth of a boot.
const WORDS: &str = "console=ttyS0 quiet no_timer_check cryptomgr.notests";
/// The machine without its kernel and its processor.
const MACHINE: &str = "-m 256 -nodefaults -no-user-config -display none -monitor none -serial stdio";
/// The device of KVM.
const KVM: &str = "/dev/kvm";
/// A guest that says nothing new for so long hangs. A boot takes a few seconds, and many times that on a machine with other work.
const LONG: Duration = Duration::from_secs(300);

/// What runs the guest's instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accelerator {
    /// The processor, by the kernel's help.
    Kvm,
    /// qemu alone: ten times slower, and everywhere.
    Tcg,
}

impl Accelerator {
    /// Those to try, in this order: whether KVM's device may be opened does not say that a guest starts, inside another machine for one.
    pub fn to_try() -> Vec<Self> {
        let kvm = std::fs::File::options().read(true).write(true).open(KVM).is_ok();
        kvm.then_some(Self::Kvm).into_iter().chain([Self::Tcg]).collect()
    }

    /// What qemu calls it.
    const fn option(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi",
        }
    }

    /// Many times what a boot takes, but not where there is another one to try.
    pub const fn patience(self) -> Patience {
        let first = match self {
            Self::Kvm => Duration::from_secs(10),
            Self::Tcg => LONG,
        };
        Patience { first, then: LONG }
    }
}

/// The words of the command, the program first.
pub fn words(accelerator: Accelerator, kernel: &Path) -> Vec<String> {
    let mut words = vec![QEMU.to_owned(), "-accel".to_owned(), accelerator.option().to_owned()];
    words.extend(["-cpu", "max"].map(str::to_owned));
    words.extend(MACHINE.split(' ').map(str::to_owned));
    let kernel = kernel.display().to_string();
    let drive = format!("file={DISK},format=raw,if=virtio");
    words.extend(["-kernel", &kernel, "-initrd", INITRAMFS, "-append", WORDS, "-drive", &drive].map(str::to_owned));
    words
}

/// The same, for a shell.
pub fn line(accelerator: Accelerator, kernel: &Path) -> String {
    words(accelerator, kernel).iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// The command.
pub fn command(accelerator: Accelerator, kernel: &Path) -> Command {
    let mut command = Command::new(QEMU);
    command.args(words(accelerator, kernel).iter().skip(1));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_the_kernel_are_one_of_the_commands() {
        let words = words(Accelerator::Tcg, Path::new("/boot/vmlinuz 6.1"));
        assert_eq!(words[..5], [QEMU, "-accel", "tcg,thread=multi", "-cpu", "max"]);
        let after = |option: &str| &words[words.iter().position(|word| word == option).unwrap() + 1];
        assert_eq!((after("-kernel").as_str(), after("-append").as_str()), ("/boot/vmlinuz 6.1", WORDS));
        assert_eq!(after("-drive"), "file=disk.img,format=raw,if=virtio");
    }

    #[test]
    fn the_last_to_try_runs_everywhere() {
        assert_eq!(Accelerator::to_try().last(), Some(&Accelerator::Tcg));
    }
}
