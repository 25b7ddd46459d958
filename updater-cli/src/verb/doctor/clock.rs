//! The clock: a server's certificate is valid from a moment on, and a clock that was never set is before it.

use libupdate::UnixSeconds;
use libupdate::inspect::{self, SlotTrailer};
use libupdate::region::trailer::TRAILER_BYTES;
use libupdate::slot::Slot;
use libupdate_linux::time::believed;

use super::row::Row;
use crate::open_device::OpenDevice;
use crate::time::rfc3339;

const NAME: &str = "clock";

/// When the release of a slot was built; unknown if it does not say.
pub fn built(opened: &mut OpenDevice, slot: &Slot<'_>) -> UnixSeconds {
    let mut trailer = Box::new([0; TRAILER_BYTES]);
    let view = opened.view;
    let (disk, memory) = opened.disk_and_memory();
    match inspect::trailer(disk, slot, &view, &mut trailer, [memory.block, memory.other]) {
        Ok(SlotTrailer::Valid(verified, _)) => verified.manifest().build_time(),
        _ => UnixSeconds::UNKNOWN,
    }
}

/// `built`: when the running release was built, if it says so.
pub fn judge(now: UnixSeconds, built: UnixSeconds) -> Row {
    let told = rfc3339(now).unwrap_or_else(|| "no time at all".to_owned());
    let next = "set the clock (NTP, or `date -s`): https refuses certificates that are not valid yet";
    if believed(now) == UnixSeconds::UNKNOWN {
        return Row::warning(NAME, format!("it says {told}: it was never set"), next);
    }
    if now < built {
        let built = rfc3339(built).unwrap_or_default();
        return Row::warning(NAME, format!("it says {told}, and the running release was built at {built}"), next);
    }
    Row::ok(NAME, format!("it says {told}"))
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn a_clock_before_the_release_is_wrong() {
        let state = |now, built| judge(UnixSeconds::new(now), UnixSeconds::new(built)).state;
        assert_eq!(state(1_800_000_000, 0), State::Ok);
        assert_eq!(state(1_800_000_000, 1_800_000_000), State::Ok);
        assert_eq!(state(1_800_000_000, 1_800_000_001), State::Warning);
        assert_eq!(state(5, 0), State::Warning);
    }
}
