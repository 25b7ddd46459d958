//! For tests: what a process started by another test's thread can hold for a moment, between its fork and its exec.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The success of `act`, which may first fail for up to ten seconds.
pub fn eventually<T, E: Debug>(mut act: impl FnMut() -> Result<T, E>) -> T {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match act() {
            Ok(value) => return value,
            Err(error) if Instant::now() > until => panic!("{error:?}"),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}
