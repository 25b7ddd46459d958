//! What must hold after whatever went wrong: the booted slot is bit for bit what it was, and a boot still finds a slot.

use serde_json::Value;

use crate::answer::Exit;
use crate::device::Device;

/// The booted slot before an act: the place and the bytes of each of its partitions.
#[derive(Debug)]
pub struct Witness {
    partitions: Option<Vec<(u64, Vec<u8>)>>,
    middle: Vec<u8>,
}

impl Witness {
    /// Looks at the device. Where its table cannot be read, all of the disk but the first and last MiB counts as the booted slot.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        let answer = device.cli(&["status", "--json"]).run();
        if answer.code() != Some(Exit::Done.code()) {
            return Self { partitions: None, middle: middle(device) };
        }
        let document = answer.json();
        let slots = document["slots"].as_array().expect("slots is a list");
        let row = slots.iter().find(|row| row["name"] == device.booted_slot()).expect("the booted slot has a row");
        let places = row["partitions"].as_array().expect("partitions is a list");
        let number = |place: &Value, field: &str| place[field].as_u64().expect("a number");
        let bytes = |place: &Value| {
            let start = number(place, "start_bytes");
            (start, device.range(start, number(place, "size_bytes")))
        };
        Self { partitions: Some(places.iter().map(bytes).collect()), middle: Vec::new() }
    }

    /// Looks again.
    ///
    /// # Panics
    /// Where a byte of the booted slot differs, or no slot is bootable any more.
    pub fn testifies(&self, device: &Device) {
        let Some(partitions) = &self.partitions else {
            assert!(self.middle == middle(device), "a disk without a table was written");
            return;
        };
        for (start, bytes) in partitions {
            let now = device.range(*start, u64::try_from(bytes.len()).expect("a length fits 64 bits"));
            assert!(*bytes == now, "slot {} was written", device.booted_slot());
        }
        let chosen = device.does(&["choose"]);
        let next = chosen["slot"].as_str().expect("choose names a slot");
        for slot in [next, device.booted_slot()] {
            let [priority, tries, successful] = device.slot(slot).bits;
            assert!(priority > 0 && (tries > 0 || successful > 0), "slot {slot} is not bootable any more");
        }
    }
}

fn middle(device: &Device) -> Vec<u8> {
    let mut bytes = device.bytes();
    let edge = bytes.len().min(1 << 20);
    bytes.drain(..edge);
    bytes.truncate(bytes.len().saturating_sub(edge));
    bytes
}
