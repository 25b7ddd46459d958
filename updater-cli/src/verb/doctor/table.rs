//! The two copies of the partition table.

use libupdate::gpt::{CopyState, Table, write};

use super::row::Row;
use crate::output::Size;

const NAME: &str = "table";

/// How the copies stand.
pub struct Seen {
    primary: CopyState,
    backup: CopyState,
    /// How far the backup is from where it belongs.
    before_end: u64,
}

impl Seen {
    pub fn of(table: &Table) -> Self {
        let before_end = write::bytes_before_end(table).map_or(0, |bytes| bytes.get());
        Self { primary: table.primary().state(), backup: table.backup().state(), before_end }
    }
}

/// One damaged copy keeps no device from booting; two do.
pub fn judge(seen: &Seen) -> Row {
    let Seen { primary, backup, before_end } = seen;
    let next = "run `updater-cli repair`";
    for (which, copy) in [("primary", primary), ("backup", backup)] {
        match copy {
            CopyState::Faulty(fault) => {
                return Row::error(NAME, format!("the {which} copy is not valid: {fault}"), next);
            }
            CopyState::Differs => {
                return Row::error(NAME, format!("the {which} copy differs from the other one"), next);
            }
            CopyState::Valid | CopyState::Ignored => {}
        }
    }
    if *before_end != 0 {
        let detail = format!("both copies are valid, the backup {} before the disk's end", Size(*before_end));
        return Row::warning(NAME, detail, next);
    }
    match backup {
        CopyState::Ignored => Row::ok(NAME, "the primary copy is valid; the backup is marked IGNOREME"),
        _ => Row::ok(NAME, "both copies are valid and equal, the backup at the disk's end"),
    }
}

#[cfg(test)]
mod tests {
    use libupdate::error::TableFault;

    use super::super::row::State;
    use super::*;

    #[test]
    fn each_copy_and_its_place_count() {
        use CopyState::{Differs, Faulty, Ignored, Valid};
        let state = |primary, backup, before_end| judge(&Seen { primary, backup, before_end }).state;
        assert_eq!(state(Valid, Valid, 0), State::Ok);
        assert_eq!(state(Valid, Ignored, 0), State::Ok);
        assert_eq!(state(Valid, Valid, 1 << 20), State::Warning);
        assert_eq!(state(Valid, Differs, 0), State::Error);
        assert_eq!(state(Faulty(TableFault::Signature), Valid, 0), State::Error);
        assert_eq!(state(Valid, Faulty(TableFault::Unreadable), 0), State::Error);
    }
}
