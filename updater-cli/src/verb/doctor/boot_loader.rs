//! The store of a boot loader that chooses by itself. Whether it says the same as the slot bits `status` finds out, which writes.

use libupdate_linux::profile::Profile;

use super::Machine;
use super::row::Row;
use crate::open_device::OpenDevice;

const NAME: &str = "boot-loader";

/// The check.
pub fn row(profile: &Profile, opened: &OpenDevice, machine: Machine) -> Row {
    let loader = profile.loader.as_ref().map(|loader| format!("{}: {}", loader.kind.word(), loader.store.display()));
    judge(loader.as_deref(), machine, opened.has_store())
}

fn judge(loader: Option<&str>, machine: Machine, opens: bool) -> Row {
    match (loader, machine, opens) {
        (None, ..) => Row::ok(NAME, "none chooses the slot by itself"),
        (Some(loader), _, true) => Row::ok(NAME, format!("{loader} can be read; `status` brings it up to date")),
        (Some(loader), Machine::Elsewhere, false) => Row::skipped(NAME, format!("{loader} is not here")),
        (Some(loader), Machine::Here, false) => Row::error(
            NAME,
            format!("{loader} cannot be read: no act can change which slot boots"),
            "put the store right; docs/BOOT.md has each boot loader's",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    #[test]
    fn a_store_that_cannot_be_read_is_an_error_where_the_system_runs() {
        assert_eq!(judge(None, Machine::Here, false).state, State::Ok);
        assert_eq!(judge(Some("grub-env: /x"), Machine::Here, true).state, State::Ok);
        assert_eq!(judge(Some("grub-env: /x"), Machine::Here, false).state, State::Error);
        assert_eq!(judge(Some("grub-env: /x"), Machine::Elsewhere, false).state, State::Skipped);
    }
}
