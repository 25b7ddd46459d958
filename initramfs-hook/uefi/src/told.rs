//! How the slot's kernel learns which slot it is: by a variable of the firmware that is gone with this boot, which Secure Boot does not
//! touch, and by `updater.slot=` on its command line where Secure Boot is off. systemd's stub takes a command line from outside only then.

use alloc::vec::Vec;

use libupdate::SlotId;
use uefi::runtime::{self, VariableAttributes, VariableVendor};
use uefi::{CStr16, Handle, Status, cstr16, guid};

use crate::firmware;

/// Name and owner of the variable. Its content is the slot's letter.
const NAME: &CStr16 = cstr16!("UpdaterSlot");
const OWNER: VariableVendor = VariableVendor(guid!("6d1f1b0e-8d54-4c0e-9b6e-0d8c1a2f3b44"));

/// Whether the firmware starts only what is signed.
pub fn secure_boot() -> bool {
    let mut value = [0; 1];
    let read = runtime::get_variable(cstr16!("SecureBoot"), &VariableVendor::GLOBAL_VARIABLE, &mut value);
    read.is_ok_and(|(value, _)| value == [1])
}

/// Sets the variable. One that outlives a boot is not ours: a system that ran has left it, and it would keep this one from being set.
///
/// # Errors
/// The firmware's.
pub fn by_variable(slot: SlotId) -> uefi::Result<()> {
    match runtime::delete_variable(NAME, &OWNER) {
        Err(error) if error.status() != Status::NOT_FOUND => return Err(error),
        _ => {}
    }
    let letter = u8::try_from(slot.letter()).map_err(|_| Status::INVALID_PARAMETER)?;
    let of_this_boot = VariableAttributes::BOOTSERVICE_ACCESS | VariableAttributes::RUNTIME_ACCESS;
    runtime::set_variable(NAME, &OWNER, of_this_boot, &[letter])
}

/// Gives the kernel its own command line, with the slot behind it.
///
/// # Errors
/// The firmware's.
pub fn by_command_line(kernel: Handle, own: &[u8], slot: SlotId) -> uefi::Result<()> {
    let own = own.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii_end();
    let line = alloc::format!("{} updater.slot={slot}", alloc::string::String::from_utf8_lossy(own));
    let text: Vec<u16> = line.trim_start().encode_utf16().chain([0]).collect();
    firmware::set_options(kernel, text)
}
