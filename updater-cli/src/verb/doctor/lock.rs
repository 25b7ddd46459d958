//! The lock of acts: who works on the device now.

use libupdate_linux::Lock;

use super::row::Row;

const NAME: &str = "lock";

/// The check.
pub fn row() -> Row {
    judge(Lock::holder_on_device().as_deref())
}

fn judge(holder: Option<&str>) -> Row {
    match holder {
        None => Row::ok(NAME, "nobody works on the device"),
        Some(holder) => Row::warning(NAME, format!("{holder} works on the device"), "wait until it has ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn who_holds_the_lock_is_named() {
        assert_eq!(judge(None).state, State::Ok);
        let row = judge(Some("process 7 (updater-cli)"));
        assert_eq!(row.told(), (State::Warning, "process 7 (updater-cli) works on the device"));
    }
}
