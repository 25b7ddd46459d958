//! `reset`: asks the hook to make `/var` anew in the next boot, as the image brings it. Here nothing is removed.

use std::path::Path;

use libupdate_linux::var::{self, VAR};
use libupdate_linux::{Mode, program};
use rustix::fs::statvfs;
use serde::Serialize;

use crate::cli::reset::Reset;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::var::Var;

const WHAT: &str = "cannot reset";
/// After a write that failed, the medium may have the request or not.
const UNSURE: &str = "see the kernel log (dmesg); before the restart `status` says whether a reset waits, and `reset --cancel` takes it back";

/// Asks, or takes the request back. The lock of acts is held: an installation that runs is not restarted under.
pub fn run(session: &Session, args: &Reset) -> Result<(), Failure> {
    let (setup, mut opened, _) = OpenDevice::begin(session, Mode::ReadWrite)?;
    if opened.is_file() {
        let next = "run it on the device, in the system that runs there";
        return Err(Failure::new(Exit::Usage, WHAT, "no system runs from a disk image file", next));
    }
    let at = Path::new(VAR);
    let asked = var::is_asked(at);
    let used =
        statvfs(at).map_or(0, |facts| facts.f_frsize.saturating_mul(facts.f_blocks.saturating_sub(facts.f_bfree)));
    let label = judge(Var::of(setup.profile, &mut opened), asked, args, used)?;
    session.record.begins();
    let done = if args.cancel { var::take_back(at) } else { var::ask(at) };
    done.map_err(|error| Failure::new(Exit::Io, WHAT, format!("{VAR}/{}: {error}", var::REQUEST), UNSURE))?;
    session.output.done(&Answer { waits: !args.cancel, partition: label, used_bytes: used });
    if args.reboot { reboot() } else { Ok(()) }
}

/// The label of the partition, if the act has something to do.
fn judge(var: Var, asked: bool, args: &Reset, used: u64) -> Result<String, Failure> {
    let label = match var {
        Var::Mounted(label) => label,
        Var::NotGiven => {
            let next = "name the partition in the profile: `var` in [boot]";
            return Err(Failure::new(Exit::Refused, WHAT, "the profile gives the system no /var of its own", next));
        }
        Var::Other(label, what) => {
            let why = format!("{VAR} is not the partition {label}: {what}");
            let next = "a partition that cannot be mounted is made blank by `blkdiscard --zeroout`: the next boot makes it anew";
            return Err(Failure::new(Exit::Refused, WHAT, why, next));
        }
    };
    match (asked, args) {
        (true, Reset { cancel: false, .. }) => {
            let why = "it is asked for already";
            Err(Failure::new(Exit::Nothing, "nothing to do", why, "reboot, or take it back with `reset --cancel`"))
        }
        (false, Reset { cancel: true, .. }) => {
            Err(Failure::new(Exit::Nothing, "nothing to cancel", "no reset was asked for", "`reset --yes` asks"))
        }
        (_, Reset { cancel: false, yes: false, .. }) => {
            let why = format!("everything in {VAR} would be lost: {} on the partition {label}", Size(used));
            Err(Failure::new(
                Exit::Usage,
                WHAT,
                why,
                "give --yes if that is wanted; until the restart `reset --cancel` takes it back",
            ))
        }
        _ => Ok(label),
    }
}

/// A trial that waits is not meant: a boot loader that is told of it by an argument starts it at another time.
fn reboot() -> Result<(), Failure> {
    let what = "the reset is asked for, but the system does not reboot";
    program::reboot(None).map_err(|error| Failure::new(Exit::Io, what, error, "reboot by hand"))
}

#[derive(Serialize)]
struct Answer {
    /// Whether the next boot empties the partition.
    waits: bool,
    partition: String,
    used_bytes: u64,
}

impl Report for Answer {
    fn human(&self) -> String {
        let Self { waits, partition, used_bytes } = self;
        let label = Printable(partition);
        if *waits {
            let size = Size(*used_bytes);
            format!(
                "the next boot removes everything in {VAR} ({size} on {label}) and puts the image's own files there\n"
            )
        } else {
            format!("{VAR} stays as it is ({label})\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Reset = Reset { yes: true, reboot: false, cancel: false };
    const CANCEL: Reset = Reset { yes: false, reboot: false, cancel: true };

    fn data() -> Var {
        Var::Mounted("data".to_owned())
    }

    #[test]
    fn nothing_is_lost_without_a_word_for_it() {
        assert_eq!(judge(data(), false, &ASKED, 0).unwrap(), "data");
        let refused = judge(data(), false, &Reset { yes: false, ..ASKED }, 5 << 20).unwrap_err();
        assert_eq!(refused.code, Exit::Usage);
        assert!(refused.why.contains("5.0 MiB on the partition data"), "{refused}");
    }

    #[test]
    fn what_waits_is_asked_for_once_and_taken_back_once() {
        let code = |asked, args| judge(data(), asked, args, 0).map_err(|failure| failure.code);
        assert_eq!(code(true, &ASKED), Err(Exit::Nothing));
        assert_eq!(code(true, &CANCEL), Ok("data".to_owned()));
        assert_eq!(code(false, &CANCEL), Err(Exit::Nothing));
    }

    #[test]
    fn only_the_profiles_partition_is_reset() {
        let code = |var| judge(var, false, &ASKED, 0).unwrap_err().code;
        assert_eq!(code(Var::NotGiven), Exit::Refused);
        assert_eq!(code(Var::Other("data".into(), "tmpfs is mounted there".into())), Exit::Refused);
    }
}
