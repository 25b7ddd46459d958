//! Both copies of the partition table, as `status` shows them.

use libupdate::ByteLen;
use libupdate::error::TableFault;
use libupdate::gpt::write;
use libupdate::gpt::{CopyState, Table};
use serde::Serialize;

use crate::output::Size;

#[derive(Serialize)]
pub struct Copies {
    primary: &'static str,
    backup: &'static str,
    /// 0 where it stands where it belongs; null where there is no whole one.
    backup_bytes_before_end: Option<u64>,
}

impl Copies {
    /// Of this table.
    pub fn of(table: &Table) -> Self {
        Self {
            primary: copy(table.primary().state()),
            backup: copy(table.backup().state()),
            backup_bytes_before_end: write::bytes_before_end(table).map(ByteLen::get),
        }
    }

    /// What the disk's line says of them.
    pub fn in_words(&self) -> String {
        let place = match self.backup_bytes_before_end {
            None | Some(0) => String::new(),
            Some(bytes) => {
                format!(
                    ", but {} before the disk's end: `repair` moves it there, and so does the next act",
                    Size(bytes)
                )
            }
        };
        format!("primary {}, backup {}{place}", self.primary, self.backup)
    }
}

/// A copy in the word of the contract.
const fn copy(state: CopyState) -> &'static str {
    match state {
        CopyState::Valid => "valid",
        CopyState::Faulty(TableFault::Signature) => "missing",
        CopyState::Differs => "differs",
        CopyState::Ignored => "ignored",
        CopyState::Faulty(_) => "corrupt",
    }
}
