//! The firmware's own watchdog: what hangs before the kernel runs is a restart, and the try is spent. The firmware arms it when it starts a
//! boot entry, and stops it when the kernel takes the machine.

use uefi::boot;

/// Seconds, as the specification has them for a boot entry.
const SECONDS: usize = 5 * 60;
/// Codes below are the firmware's own.
const CODE: u64 = 0x1_0000;

/// Has it wait anew.
pub fn feed() {
    // A machine that has none boots all the same.
    boot::set_watchdog_timer(SECONDS, CODE, None).unwrap_or_default();
}
