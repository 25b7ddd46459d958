//! What must hold after whatever went wrong: the booted slot is bit for bit what it was, and a boot still finds a slot.

use crate::answer::Exit;
use crate::device::Device;

/// The booted slot before an act.
#[derive(Debug)]
pub struct Witness {
    place: Option<(u64, u64)>,
    bytes: Vec<u8>,
}

impl Witness {
    /// Looks at the device. Where its table cannot be read, all of the disk but the first and last MiB counts as the booted slot.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        if device.run(&["status"]).code() != Some(Exit::Done.code()) {
            return Self { place: None, bytes: middle(device) };
        }
        let row = device.slot(device.booted_slot());
        Self { place: Some((row.start, row.size)), bytes: device.range(row.start, row.size) }
    }

    /// Looks again.
    ///
    /// # Panics
    /// Where a byte of the booted slot differs, or no slot is bootable any more.
    pub fn testifies(&self, device: &Device) {
        let Some((start, size)) = self.place else {
            assert!(self.bytes == middle(device), "a disk without a table was written");
            return;
        };
        assert!(self.bytes == device.range(start, size), "slot {} was written", device.booted_slot());
        let chosen = device.does(&["choose"]);
        let next = chosen["slot"].as_str().expect("choose names a slot");
        let [priority, tries, successful] = device.slot(next).bits;
        assert!(priority > 0 && (tries > 0 || successful > 0), "slot {next} was chosen and is not bootable");
        let [priority, tries, successful] = device.slot(device.booted_slot()).bits;
        assert!(priority > 0 && (tries > 0 || successful > 0), "the booted slot is not bootable any more");
    }
}

fn middle(device: &Device) -> Vec<u8> {
    let mut bytes = device.bytes();
    let edge = bytes.len().min(1 << 20);
    bytes.drain(..edge);
    bytes.truncate(bytes.len().saturating_sub(edge));
    bytes
}
