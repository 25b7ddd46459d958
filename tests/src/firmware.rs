//! UEFI firmware of a guest, of the package `ovmf`, and its memory, in which the keys of Secure Boot are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian has it.
const FOLDER: &str = "/usr/share/OVMF";

/// Firmware.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Firmware {
    /// It starts what it finds. Its memory.
    Plain(PathBuf),
    /// It starts what is signed. Its memory, with keys.
    SecureBoot(PathBuf),
}

impl Firmware {
    /// As it is delivered, with a memory of its own at `path`.
    ///
    /// # Panics
    /// Where the package is missing.
    #[must_use]
    pub fn plain(path: &Path) -> Self {
        fs::copy(Path::new(FOLDER).join("OVMF_VARS_4M.fd"), path).expect("the package ovmf is installed");
        Self::Plain(path.to_owned())
    }

    /// Adds it to a machine.
    pub fn plug_in(&self, qemu: &mut Command) {
        let (code, memory) = match self {
            Self::Plain(memory) => ("OVMF_CODE_4M.fd", memory),
            Self::SecureBoot(memory) => ("OVMF_CODE_4M.secboot.fd", memory),
        };
        if matches!(self, Self::SecureBoot(_)) {
            qemu.args(["-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        let part = "if=pflash,format=raw,unit";
        qemu.arg("-drive").arg(format!("{part}=0,readonly=on,file={FOLDER}/{code}"));
        qemu.arg("-drive").arg(format!("{part}=1,file={}", memory.display()));
    }
}
