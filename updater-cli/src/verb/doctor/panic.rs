//! What a panic of the kernel does: without a restart a trial that panics stops for ever.

use std::path::Path;
use std::time::Duration;

use libupdate::units::limits::SYSTEM_BYTES;
use libupdate_linux::file;
use libupdate_linux::profile::Profile;

use super::Machine;
use super::row::Row;

const NAME: &str = "kernel-panic";

/// The check.
pub fn row(profile: &Profile, machine: Machine) -> Row {
    if machine == Machine::Elsewhere {
        return Row::skipped(NAME, "the system does not run from this disk");
    }
    let number = |name| {
        let text = file::read_text(&Path::new("/proc/sys/kernel").join(name), SYSTEM_BYTES).ok()?;
        text.trim().parse::<i64>().ok()
    };
    judge(number("panic"), number("panic_on_oops"), profile.boot.panic)
}

/// A negative `panic` restarts at once.
fn judge(panic: Option<i64>, on_oops: Option<i64>, wanted: Duration) -> Row {
    let (Some(panic), Some(on_oops)) = (panic, on_oops) else {
        return Row::skipped(NAME, "the kernel does not say what a panic does");
    };
    let wanted = wanted.as_secs();
    let found = format!("kernel.panic = {panic}, kernel.panic_on_oops = {on_oops}; the profile has {wanted} and 1");
    let next = "take them out of sysctl.d and of the kernel's command line: the hook sets them";
    if panic == 0 {
        return Row::error(NAME, format!("{found}: a system that panics stops for ever"), next);
    }
    if on_oops == 0 || u64::try_from(panic) != Ok(wanted) {
        return Row::warning(NAME, found, next);
    }
    Row::ok(NAME, format!("restarts the machine after {wanted} s, and so does an oops"))
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn a_panic_restarts_as_the_profile_says() {
        let state = |panic, on_oops| judge(Some(panic), Some(on_oops), Duration::from_secs(10)).state;
        assert_eq!(state(10, 1), State::Ok);
        assert_eq!(state(0, 1), State::Error);
        assert_eq!([state(5, 1), state(-1, 1), state(10, 0)], [State::Warning; 3]);
        assert_eq!(judge(None, Some(1), Duration::ZERO).state, State::Skipped);
    }
}
