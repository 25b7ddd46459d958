//! How the program ends: a code for scripts, and for people what failed, why, and what to do next.

use std::fmt;
use std::io::{self, ErrorKind};

use libupdate::error::{Corrupt, Medium, NoSpace, Rejected, TableFault};
use libupdate_linux::OsError;
use libupdate_linux::printable::Printable;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

mod of_keys;
mod of_system;
pub mod words;

/// The exit codes of the command line's contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Done,
    /// The command line or the profile is wrong.
    Usage,
    /// Policy refuses.
    Refused,
    /// The bundle is not authentic or damaged.
    NotAuthentic,
    /// It does not fit.
    NoSpace,
    /// Somebody else works on the disk.
    Busy,
    /// Nothing to do.
    Nothing,
    /// A device or a file system failed.
    Io,
    /// Asked to stop; a later run resumes.
    Interrupted,
    /// The bundle's server or the way to it failed.
    Network,
    /// The disk, or its partition table, cannot be used.
    Disk,
    /// A check of `doctor` is an error: the device may not update, or not fall back.
    Unfit,
}

impl Exit {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Usage,
        Self::Refused,
        Self::NotAuthentic,
        Self::NoSpace,
        Self::Busy,
        Self::Nothing,
        Self::Io,
        Self::Interrupted,
        Self::Network,
        Self::Disk,
        Self::Unfit,
    ];

    /// The number for the shell. 1 is nobody's: it is what a crash of something else looks like.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotAuthentic => 4,
            Self::NoSpace => 5,
            Self::Busy => 6,
            Self::Nothing => 7,
            Self::Io => 8,
            Self::Interrupted => 9,
            Self::Network => 10,
            Self::Disk => 11,
            Self::Unfit => 12,
        }
    }

    /// The word for it in JSON.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotAuthentic => "not-authentic",
            Self::NoSpace => "no-space",
            Self::Busy => "busy",
            Self::Nothing => "nothing-to-do",
            Self::Io => "io",
            Self::Interrupted => "interrupted",
            Self::Network => "network",
            Self::Disk => "disk",
            Self::Unfit => "unfit",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What is known about the slot the system runs from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootedSlot {
    /// Not a byte of it changed.
    Untouched,
    /// The act has nothing to do with it.
    NotConcerned,
}

/// An act that did not succeed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// For scripts.
    pub code: Exit,
    /// The act: "cannot install update.bundle".
    pub what: String,
    /// The rule or the fault.
    pub why: String,
    /// What was found, a line each, where one line is not enough.
    pub details: Vec<String>,
    /// What helps; may be empty.
    pub next: String,
    /// What is known about the slot the system runs from.
    pub booted_slot: BootedSlot,
}

impl Failure {
    /// A failure before anything was written.
    pub fn new(code: Exit, what: impl Into<String>, why: impl fmt::Display, next: impl Into<String>) -> Self {
        let (what, why, next) = (what.into(), why.to_string(), next.into());
        Self { code, what, why, details: Vec::new(), next, booted_slot: BootedSlot::NotConcerned }
    }

    /// The same failure of this act, where it does not say already what could not be done.
    #[must_use]
    pub fn doing(self, what: impl Into<String>) -> Self {
        if self.what.is_empty() { Self { what: what.into(), ..self } } else { self }
    }

    /// The same failure with one more way out.
    #[must_use]
    pub fn or(self, next: &str) -> Self {
        Self { next: format!("{}, {next}", self.next), ..self }
    }

    /// The same failure of an act on a disk with slots, none of which writes to the booted one.
    #[must_use]
    pub fn on_slots(self) -> Self {
        Self { booted_slot: BootedSlot::Untouched, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if !self.what.is_empty() {
            write!(f, "{}: ", Printable(&self.what))?;
        }
        write!(f, "{}", Printable(&self.why))?;
        self.details.iter().try_for_each(|line| write!(f, "\n  {}", Printable(line)))?;
        if !self.next.is_empty() {
            write!(f, "\nnext: {}", Printable(&self.next))?;
        }
        match self.booted_slot {
            BootedSlot::Untouched if self.code != Exit::Usage => f.write_str("\nThe booted slot is untouched."),
            BootedSlot::Untouched | BootedSlot::NotConcerned => Ok(()),
        }
    }
}

impl core::error::Error for Failure {}

impl Serialize for Failure {
    /// `{"code":4,"class":..,"what":..,"why":..,"details":[],"next":..,"booted_slot_untouched":true}`; null where no slot is concerned.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("error", 7)?;
        error.serialize_field("code", &self.code.code())?;
        error.serialize_field("class", self.code.class())?;
        error.serialize_field("what", &self.what)?;
        error.serialize_field("why", &self.why)?;
        error.serialize_field("details", &self.details)?;
        error.serialize_field("next", &self.next)?;
        let untouched = (self.booted_slot == BootedSlot::Untouched).then_some(true);
        error.serialize_field("booted_slot_untouched", &untouched)?;
        error.end()
    }
}

impl From<libupdate::Error<OsError>> for Failure {
    fn from(error: libupdate::Error<OsError>) -> Self {
        use libupdate::Error;
        let why = error.to_string();
        let (code, next) = match error {
            Error::Bundle(rule) => (Exit::NotAuthentic, next_for_bundle(rule)),
            Error::Slot(rule) => (Exit::NotAuthentic, next_for_slot(rule)),
            // The core's words name the place on the disk, the system's error the way out.
            Error::Medium(Medium::Failed(error)) => return Self { why, ..Self::from(error.cause) },
            Error::Medium(_) => (Exit::Io, "the medium does not keep what is written to it: replace it"),
            Error::Rejected(kind) => (Exit::Refused, next_for_rejected(kind)),
            Error::NoSpace(kind) => (Exit::NoSpace, next_for_space(kind)),
            Error::Misuse(_) => (Exit::NoSpace, "report this: it is a fault of the program"),
            Error::Source(kind) => (source_code(kind), "run the same command again, it resumes"),
            Error::Table(kind) => (Exit::Disk, next_for_table(kind)),
            Error::Interrupted => (Exit::Interrupted, "run the same command again, it resumes"),
            _ => (Exit::Io, "run the same command again"),
        };
        Self::new(code, "", why, next)
    }
}

/// Code and way out where a write failed because there is no room for more: on the medium, or by a limit of who writes.
pub fn no_room(error: &io::Error) -> Option<(Exit, &'static str)> {
    match error.kind() {
        ErrorKind::StorageFull => Some((Exit::NoSpace, "make room, then run the same command again")),
        ErrorKind::QuotaExceeded => {
            Some((Exit::NoSpace, "make room within the quota, then run the same command again"))
        }
        ErrorKind::FileTooLarge => Some((Exit::NoSpace, LARGER_FILES)),
        _ => None,
    }
}

/// Where a limit of who writes keeps a file small.
const LARGER_FILES: &str = "allow larger files (ulimit -f, LimitFSIZE of systemd), or use a file system that takes them, then run the same command again";

fn source_code(kind: embedded_io::ErrorKind) -> Exit {
    use embedded_io::ErrorKind as K;
    match kind {
        K::Interrupted => Exit::Interrupted,
        K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted | K::NotConnected | K::TimedOut => {
            Exit::Network
        }
        _ => Exit::Io,
    }
}

const UNTRUSTED: &str = "sign the bundle with keys this device trusts, or give the right key with --trust";

fn next_for_bundle(broken: Corrupt) -> &'static str {
    match broken.rule() {
        "EnvelopeMagic" => "check that the file is a bundle made by `bundle create`",
        "NotEnoughSignatures" => UNTRUSTED,
        "Roles" => "make the bundle with one payload for each partition role of the profile",
        _ => "fetch the bundle again; if it fails again, make it again",
    }
}

fn next_for_slot(broken: Corrupt) -> &'static str {
    match broken.rule() {
        "NotEnoughSignatures" => UNTRUSTED,
        _ => "install into that slot again",
    }
}

const fn next_for_rejected(kind: Rejected) -> &'static str {
    match kind {
        Rejected::Incompatible(_) => "update the updater first: this bundle needs a newer one",
        Rejected::Compatible => "use a bundle made for this device's `compatible`, or the right --profile",
        Rejected::Pack => "install it with `pack install`",
        Rejected::NoPack => "install it with `install`",
        Rejected::Downgrade => "give --allow-downgrade where an older version is really wanted",
        Rejected::RollbackIndex { .. } => "use a bundle with the same or a higher rollback index",
        Rejected::FailedBefore { .. } => "use a newer version, or give --retry-failed to try the same one again",
        Rejected::BootedSlot { .. } => "choose the other slot, or boot it first",
        Rejected::TrialRunning { .. } => "run mark-good (or mark-bad and reboot) first",
        Rejected::LastGoodSlot { .. } => "get another slot to good first: boot it, and run mark-good from it",
        Rejected::SlotState { .. } => "see `status` for the state of each slot",
        Rejected::NeverBooted { .. } => "boot it and run mark-good from it; --danger-untried marks it all the same",
        Rejected::NoTarget => "see `status` for the state of each slot",
        Rejected::NoOldImage { .. } => "take the bundle of whole images of that release",
        Rejected::NoSuchSlot { .. } => "see `status` for the slots this profile has",
        _ => "see `status`",
    }
}

const fn next_for_space(kind: NoSpace) -> &'static str {
    match kind {
        NoSpace::Image { .. } => "make the image smaller, or the partition larger",
        _ => "make the partition larger",
    }
}

const fn next_for_table(kind: TableFault) -> &'static str {
    match kind {
        TableFault::NoValidCopy => "check that it is the right disk (--disk)",
        TableFault::AmbiguousSectorSize => "say with --sector-size 512 or --sector-size 4096 which one counts",
        TableFault::DiskTooSmall => "use a larger disk",
        TableFault::PartitionMissing { .. } | TableFault::PartitionAmbiguous { .. } => {
            "check that --profile and --disk belong together"
        }
        TableFault::ChangedUnderUs => "find out who changes the partition table, then run the same command again",
        TableFault::ReadBack => "see the kernel log (dmesg): the medium does not keep what is written to it",
        _ => "see `status` for both copies, then run `repair`",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use libupdate::error::{Access, Incompatible, IoError, Misuse};
    use libupdate::manifest::Name;
    use libupdate::{ByteLen, Error, Lba, SlotId};
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn every_code_is_the_contracts() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn every_class_of_the_core_has_its_code_and_a_way_out() {
        let io = |errno| {
            Error::from(IoError {
                access: Access::Write,
                at: Lba::new(7),
                cause: OsError::call(Path::new("/x"), "write", errno),
            })
        };
        let broken = Name::new("").unwrap_err();
        let space = NoSpace::NoTrailerRegion { size: ByteLen::new(1) };
        let cases = [
            (io(Errno::IO), Exit::Io),
            (io(Errno::NOSPC), Exit::NoSpace),
            (io(Errno::BUSY), Exit::Busy),
            (Error::Source(embedded_io::ErrorKind::Other), Exit::Io),
            (Error::Source(embedded_io::ErrorKind::TimedOut), Exit::Network),
            (Error::Bundle(broken), Exit::NotAuthentic),
            (Error::Slot(broken), Exit::NotAuthentic),
            (Error::Medium(Medium::NotKept(broken)), Exit::Io),
            (Incompatible::FormatVersion { found: 2 }.into(), Exit::Refused),
            (Error::Rejected(Rejected::LastGoodSlot { slot: SlotId::A }), Exit::Refused),
            (Error::NoSpace(space), Exit::NoSpace),
            (Error::Misuse(Misuse::TooManyEdits), Exit::NoSpace),
            (Error::Table(TableFault::NoValidCopy), Exit::Disk),
            (Error::Interrupted, Exit::Interrupted),
        ];
        for (error, code) in cases {
            let why = error.to_string();
            let failure = Failure::from(error);
            assert_eq!(failure.code, code, "{why}");
            assert_eq!(failure.why, why);
            assert!(!failure.next.is_empty(), "{why}");
        }
    }

    #[test]
    fn people_read_what_why_and_next() {
        let failure = Failure::from(Error::Rejected(Rejected::Downgrade)).doing("cannot install x.bundle\n");
        assert_eq!(
            failure.to_string(),
            "error: cannot install x.bundle\\n: the bundle's version is lower than the booted one\n\
             next: give --allow-downgrade where an older version is really wanted"
        );
        let failure = failure.on_slots();
        assert!(failure.to_string().ends_with("really wanted\nThe booted slot is untouched."));
        let json = serde_json::to_value(failure).unwrap();
        assert_eq!(json["class"], "refused");
        assert_eq!(json["code"], 3);
        assert_eq!(json["booted_slot_untouched"], true);
    }
}
