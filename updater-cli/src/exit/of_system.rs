//! What the system's side and the device's files object to, as the exit code and the words of this program.

use libupdate_linux::profile::{ProfileError, ProfileErrorKind, TrustError, built_in_names};
use libupdate_linux::running::Doubt;
use libupdate_linux::{Class, OsError, OsErrorKind};
use rustix::io::Errno;

use super::{Exit, Failure, LARGER_FILES};

impl From<OsError> for Failure {
    fn from(error: OsError) -> Self {
        let code = match error.class() {
            Class::Io | Class::Denied => Exit::Io,
            Class::NoSpace => Exit::NoSpace,
            Class::Busy => Exit::Busy,
            Class::Disk => Exit::Disk,
            Class::Booted => Exit::Refused,
        };
        Self::new(code, "", &error, next_for_os(&error))
    }
}

fn next_for_os(error: &OsError) -> &'static str {
    match (error.kind(), error.class()) {
        (OsErrorKind::NotAWholeDisk, _) => "give the whole disk with --disk, not one of its partitions",
        (OsErrorKind::SectorSizeAmbiguous, _) => "say with --sector-size 512 or --sector-size 4096 which one counts",
        (OsErrorKind::SectorSizeDiffers { .. }, _) => "leave --sector-size out, a device knows its own",
        (OsErrorKind::NodeDiffers { .. }, _) => "have the kernel read the table again (partprobe, or a reboot)",
        (OsErrorKind::InUse { .. }, _) => "unmount it, or stop who holds it",
        (OsErrorKind::Locked { .. }, _) => "wait until the other program has ended; nothing needs to be cleaned up",
        (OsErrorKind::NoDisk { .. }, _) => "name the disk with --disk, or check that the profile is this board's",
        (OsErrorKind::SeveralDisks { .. }, _) => "name the disk with --disk, or its bus path in the profile",
        (OsErrorKind::BootedSlot { .. }, _) => "choose the other slot",
        (OsErrorKind::LoaderStore { .. }, _) => {
            "put the store right, then run `updater-cli status`: it brings the store up to date; docs/BOOT.md has each boot loader's"
        }
        (OsErrorKind::EmmcBoot { .. }, _) => {
            "nothing is armed; one of the two boot partitions is whole and enabled, and docs/BOOT.md says what it needs"
        }
        (_, Class::NoSpace) if error.errno() == Some(Errno::FBIG) => LARGER_FILES,
        (_, Class::NoSpace) => "make room, then run the same command again",
        (_, Class::Denied) => next_for_denied(error.errno()),
        (_, Class::Disk) => "check the path",
        (_, Class::Busy) => "stop who uses it, then run the same command again",
        (_, Class::Io | Class::Booted) => "see the kernel log (dmesg); if it happens again, the medium is failing",
    }
}

/// Root is refused as well: by a flag of the file, a mount, or a switch of the device.
fn next_for_denied(errno: Option<Errno>) -> &'static str {
    match errno {
        Some(Errno::ROFS) => {
            "make it writable: remount the file system, or see `blockdev --getro` and the medium's switch"
        }
        Some(Errno::PERM) if rustix::process::geteuid().is_root() => {
            "see `lsattr`: a file that is immutable (i) or append-only (a) is written by nobody until `chattr -i -a`"
        }
        _ if rustix::process::geteuid().is_root() => {
            "find out what denies it to root: a container's rights, a security module, a server of files (NFS)"
        }
        _ => "run it as root, or make the file writable",
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        use ProfileErrorKind as Kind;
        let built_in = || built_in_names().collect::<Vec<_>>().join(", ");
        let (origin, mut why) = (error.origin(), error.kind().to_string());
        let (what, next) = match error.kind() {
            Kind::NoneOfDevice => {
                why = format!("there is no {origin}");
                let next = format!("give --profile with a file or one of {}, or install {origin}", built_in());
                ("no profile".to_owned(), next)
            }
            Kind::NoSuchFile | Kind::NoSuchName => (
                format!("cannot find the profile {origin}"),
                format!("give a file, or one of the built-in profiles: {}", built_in()),
            ),
            Kind::Empty => (format!("cannot read the profile {origin}"), "put the profile there again".to_owned()),
            Kind::Unreadable(_) => {
                (format!("cannot read the profile {origin}"), "check the file and its rights".to_owned())
            }
            _ => (
                format!("cannot use the profile {origin}"),
                "see hardware-profiles/README.md for every key and its rule".to_owned(),
            ),
        };
        Self::new(Exit::Usage, what, why, next)
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Unreadable { folder, error } => {
                let what = format!("cannot read the trust folder {}", folder.display());
                Self::new(Exit::Usage, what, error, "put the public keys there, or give them with --trust")
            }
            other => {
                Self::new(Exit::Usage, "no key is trusted", other, "put public keys there, or give them with --trust")
            }
        }
    }
}

impl From<Doubt> for Failure {
    fn from(doubt: Doubt) -> Self {
        let code = match &doubt {
            Doubt::Unreadable(error) if !matches!(error.kind(), OsErrorKind::Unexpected { .. }) => Exit::Io,
            _ => Exit::Refused,
        };
        let why = match &doubt {
            Doubt::Overruled { source, slot } => {
                format!("{source} says that slot {slot} is booted, and --booted says something else")
            }
            other => other.to_string(),
        };
        Self::new(code, "", why, next_for_doubt(&doubt))
    }
}

const fn next_for_doubt(doubt: &Doubt) -> &'static str {
    match doubt {
        Doubt::NoSuchSlot { .. } | Doubt::OtherCompatible { .. } => {
            "check that --profile is this device's, or say with --booted which slot runs"
        }
        Doubt::OtherDisk { .. } => {
            "name the disk that the system runs from with --disk, or say --booted none where it runs from another one"
        }
        Doubt::Overruled { .. } => {
            "leave --booted out; only where the system is wrong about itself, --danger-booted has --booted believed"
        }
        Doubt::Rejected(_) => "see `status` for the slots this profile has",
        _ => "say with --booted which slot runs",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use libupdate_linux::profile::Profile;

    #[test]
    fn who_has_no_profile_hears_which_there_are() {
        let missing = Failure::from(Profile::load(Some("nothing")).unwrap_err());
        assert_eq!((missing.code, missing.what.as_str()), (Exit::Usage, "cannot find the profile nothing"));
        assert!(missing.next.contains("qemu-x86_64, generic-x86_64-uefi"), "{missing}");
        let text = Failure::from(Profile::from_text("x", "x.toml", Path::new("")).unwrap_err());
        assert!(text.what == "cannot use the profile x.toml" && text.why.starts_with("line 1: "), "{text}");
    }

    /// Who is root already is not told to be root.
    #[test]
    fn a_denial_has_its_cause_named() {
        let next = |errno| Failure::from(OsError::call(Path::new("/x"), "open", errno)).next;
        assert!(next(Errno::ROFS).contains("remount"));
        if rustix::process::geteuid().is_root() {
            assert!(next(Errno::PERM).contains("immutable"));
            assert!(
                [Errno::PERM, Errno::ACCESS, Errno::ROFS].map(next).iter().all(|next| !next.contains("run it as root"))
            );
        } else {
            assert!(next(Errno::PERM).contains("run it as root"));
        }
    }
}
