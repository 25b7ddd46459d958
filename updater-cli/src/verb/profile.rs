//! `profile import`: a profile of another updater's configuration.
//!
//! ```text
//!  system.conf ──► what it says (rauc) ──► the board (board) ──► profile.toml, read again by the reader of profiles
//!                                               └──► remarks: what it does not say, and what has no counterpart here
//! ```

use std::io::Write;
use std::path::Path;

use libupdate_linux::file;
use libupdate_linux::profile::Profile;
use serde::Serialize;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::new_file::{Existing, NewFile, unwritable};
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::source::unreadable;

mod board;
mod rauc;

use board::Board;
use rauc::Rauc;

/// Bytes of a configuration that is read: stops a file that is none from filling the memory.
const MOST: u64 = 256 << 10;

/// Writes the profile; a file that is there stays.
pub fn run(session: &Session, verb: &cli::profile::Profile) -> Result<(), Failure> {
    let cli::profile::Profile::Import(args) = verb;
    let text = file::read_text(&args.rauc, MOST).map_err(|error| unreadable(&args.rauc, &error))?;
    let board = imported(&text).map_err(|why| unusable(&args.rauc, &why))?;
    let text = board.to_string();
    // What the reader of profiles refuses is not written.
    let read = Profile::from_text(&text, &args.output.display().to_string(), Path::new(""));
    read.map_err(|error| unusable(&args.rauc, &format!("it makes no profile: {error}")))?;
    let mut new = NewFile::begin(&args.output, Existing::Stays, &session.interrupt)?;
    new.file().write_all(text.as_bytes()).map_err(|error| unwritable(&args.output, &error))?;
    let went = new.commit()?;
    session.output.done_after(went, &Imported { file: args.output.display().to_string(), remarks: board.remarks });
    Ok(())
}

fn imported(text: &str) -> Result<Board, String> {
    Board::of(&Rauc::read(text)?)
}

fn unusable(path: &Path, why: &str) -> Failure {
    let next =
        "see docs/MIGRATING.md for what is read of it, or write the profile by hand: hardware-profiles/README.md";
    Failure::new(Exit::Usage, format!("cannot import {}", path.display()), why, next)
}

#[derive(Serialize)]
struct Imported {
    file: String,
    remarks: Vec<String>,
}

impl Report for Imported {
    fn human(&self) -> String {
        let remarks: String = self.remarks.iter().map(|remark| format!("  {}\n", Printable(remark))).collect();
        format!(
            "{}: a profile, with these remarks in it, which somebody has to judge:\n{remarks}",
            Printable(&self.file)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "\
[system]
compatible=Acme Widget 3
bootloader=uboot
bundle-formats=verity
boot-attempts=4

[keyring]
path=/etc/rauc/keyring.pem

[slot.rootfs.0]
device=/dev/disk/by-partlabel/system-a
type=ext4
bootname=A

[slot.rootfs.1]
device=/dev/disk/by-partlabel/system-b
type=ext4
bootname=B

[slot.appfs.0]
device=/dev/mmcblk0p4
parent=rootfs.0

[slot.appfs.1]
device=/dev/mmcblk0p5
parent=rootfs.1

[slot.rescue.0]
device=/dev/mmcblk0p1
";

    fn profile(text: &str) -> (Profile, Vec<String>) {
        let board = imported(text).unwrap();
        let text = board.to_string();
        (Profile::from_text(&text, "x", Path::new("")).unwrap_or_else(|error| panic!("{error}\n{text}")), board.remarks)
    }

    #[test]
    fn a_usual_configuration_becomes_a_profile() {
        let (profile, remarks) = profile(USUAL);
        assert_eq!((profile.name.as_str(), profile.compatible.as_str()), ("Acme-Widget-3", "Acme-Widget-3"));
        assert_eq!(profile.roles().collect::<Vec<_>>(), ["rootfs", "appfs"]);
        let text = imported(USUAL).unwrap().to_string();
        for line in ["label = \"system-{slot}\"", "label = \"appfs-{slot}\"", "loader = \"u-boot-env\"", "tries = 4"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        for remark in ["/dev/mmcblk0p4", "slots of rescue", "keyring", "Acme Widget 3"] {
            assert!(remarks.iter().any(|said| said.contains(remark)), "{remark}: {remarks:?}");
        }
    }

    #[test]
    fn every_boot_loader_has_its_counterpart_or_a_remark() {
        for (theirs, ours) in [("grub", "grub-env"), ("efi", "efi-boot-next"), ("uboot", "u-boot-env")] {
            let text = imported(&USUAL.replace("uboot", theirs)).unwrap().to_string();
            assert!(text.contains(&format!("loader = \"{ours}\"")), "{theirs}: {text}");
            profile(&USUAL.replace("uboot", theirs));
        }
        for theirs in ["barebox", "custom", "noop", "raspberrypi"] {
            let (_, remarks) = profile(&USUAL.replace("uboot", theirs));
            assert!(remarks.iter().any(|said| said.contains(theirs)), "{theirs}: {remarks:?}");
        }
    }

    #[test]
    fn what_is_no_configuration_of_two_slots_is_refused_with_the_rule() {
        let one = USUAL.replace("[slot.rootfs.1]", "[slot.other.1]");
        for (text, why) in [
            ("", "no [system]"),
            ("[system]\ncompatible=x\n", "no slot has a bootname"),
            (one.as_str(), "rootfs and other"),
            ("[system]\ncompatible=x\n[slot.r.0]\ndevice=/dev/a\nbootname=A\n", "1 slot"),
            ("[system]\n[slot.r.0]\nbootname=A\n", "compatible"),
            ("[slot.r.x]\n", "slot.r.x"),
            ("[system\n", "not read"),
            ("[system]\ncompatible=\u{1b}\n", "compatible"),
        ] {
            let said = imported(text).map(drop).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
