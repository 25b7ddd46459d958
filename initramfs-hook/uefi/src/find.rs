//! Which disk is the profile's. The one that the application was loaded from comes first, and if it has the slots no other is read. The
//! profile's `node` and `bus` are names of Linux, which firmware does not know: such a profile is held against the slots alone.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libupdate::hook_config::Selection;
use libupdate::inspect;
use uefi::Handle;
use uefi::boot;
use uefi::proto::device_path::{DevicePath, DeviceSubType, DeviceType};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::block::BlockIO;

use crate::Config;
use crate::disk::Disk;
use crate::firmware;

/// Finds the disk; with drivers started for every device, if it is not among those that the firmware has started so far.
///
/// # Errors
/// None has the slots, or several have: in words.
pub fn disk(config: &Config<'_>, scratch: &mut [u8]) -> Result<Disk, String> {
    among_known(config, scratch).or_else(|_| {
        connect_all();
        among_known(config, scratch)
    })
}

fn among_known(config: &Config<'_>, scratch: &mut [u8]) -> Result<Disk, String> {
    let handles = boot::find_handles::<BlockIO>().unwrap_or_default();
    let own = handles.iter().copied().find(|handle| is_own(*handle));
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for handle in own.into_iter().chain(handles.iter().copied().filter(|handle| Some(*handle) != own)) {
        let mut disk = match Disk::open(handle) {
            Ok(Some(disk)) => disk,
            Ok(None) => continue,
            Err(error) => {
                others.push(format!("a disk cannot be opened: {}", error.status()));
                continue;
            }
        };
        match holds_slots(&mut disk, config, scratch) {
            Ok(()) if Some(handle) == own => return Ok(disk),
            Ok(()) => found.push(disk),
            Err(why) => others.push(why),
        }
    }
    match found.len() {
        1 => found.pop().ok_or_else(String::new),
        0 => Err(format!(
            "no disk has the profile's slots ({}): provision the disk that the EFI system partition is on",
            others.join("; ")
        )),
        several => Err(format!(
            "{several} disks have the profile's slots: unplug all but one, or name its GUID in [disk] of the profile"
        )),
    }
}

fn holds_slots(disk: &mut Disk, config: &Config<'_>, scratch: &mut [u8]) -> Result<(), String> {
    let (table, _) = inspect::find(disk, &config.specs, scratch).map_err(|error| format!("{error}"))?;
    let guid = table.header().disk_guid();
    match config.disk {
        Selection::Guid(wanted) if wanted != *guid.as_bytes() => Err(format!("its GUID is {guid}")),
        _ => Ok(()),
    }
}

/// Whether the application was loaded from a partition of this disk: its path is the disk's, and then the partition.
fn is_own(disk: Handle) -> bool {
    let partition = firmware::open::<LoadedImage>(boot::image_handle()).ok().and_then(|image| image.device());
    let Some(partition) = partition.and_then(|handle| firmware::open::<DevicePath>(handle).ok()) else { return false };
    let Ok(disk) = firmware::open::<DevicePath>(disk) else { return false };
    let mut rest = partition.node_iter();
    let begins = disk.node_iter().all(|node| rest.next().is_some_and(|other| other == node));
    let last = rest.next().map(|node| node.full_type());
    begins && last == Some((DeviceType::MEDIA, DeviceSubType::MEDIA_HARD_DRIVE)) && rest.next().is_none()
}

/// Starts drivers: a firmware in a hurry starts those of the disk that it boots from alone.
fn connect_all() {
    for handle in boot::locate_handle_buffer(boot::SearchType::AllHandles).iter().flat_map(|handles| handles.iter()) {
        // Most handles are none of a device.
        boot::connect_controller(*handle, &[], None, true).unwrap_or_default();
    }
}
