//! What `sgdisk`, `sfdisk` and `cgpt` say of a device's partition table.
//!
//! `sgdisk -v` and `sfdisk --verify` end with 0 on a damaged disk too, so their words count. On a file they assume sectors of 512
//! bytes: a disk of 4096 is shown to them as a loop device.

use std::collections::BTreeMap;

use libupdate::BlockSize;
use serde_json::Value;

use crate::device::Device;
use crate::loop_device::LoopDevice;
use crate::tool;

/// The slots' partitions, by the letter of the slot: `provision` numbers them in the profile's order.
pub const ENTRIES: [(&str, u32); 2] = [("a", 1), ("b", 2)];

/// Attribute bits that belong to slots, as `sfdisk` names them.
const SLOT_BITS: std::ops::RangeInclusive<u64> = 48..=56;

/// A device as foreign tools see it. To be dropped before the program is run again.
#[derive(Debug)]
pub struct TableOracle {
    node: String,
    _loop: Option<LoopDevice>,
}

/// One partition as `sfdisk` reads it: every field, the slot bits apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Start, size, type, UUID and name.
    pub fields: BTreeMap<String, String>,
    /// Attributes that are not slot bits.
    pub attributes: Vec<String>,
}

impl TableOracle {
    /// Looks at a device.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        let over = match device.sectors() {
            BlockSize::B512 => None,
            BlockSize::B4096 => Some(LoopDevice::over(device.disk(), BlockSize::B4096)),
        };
        let file = device.disk().to_str().expect("paths of tests are UTF-8");
        Self { node: over.as_ref().map_or(file, LoopDevice::text).to_owned(), _loop: over }
    }

    /// None of the three has anything to complain about.
    ///
    /// # Panics
    /// Where one does.
    pub fn finds_no_problem(&self) {
        self.finds_no_problem_but_the_mbr();
        let words = tool::run_silent("sfdisk", &["--verify", &self.node]);
        assert!(words.contains("No errors detected"), "sfdisk: {words}");
    }

    /// The same on a disk that grew, where `sfdisk` finds that the protective MBR still covers the smaller one.
    ///
    /// # Panics
    /// Where one of the other two has something to complain about.
    pub fn finds_no_problem_but_the_mbr(&self) {
        // Of a damaged copy it says "No problems found" on stdout all the same, and the truth on stderr.
        let words = tool::run_silent("sgdisk", &["-v", &self.node]);
        assert!(words.trim_start().starts_with("No problems found"), "sgdisk: {words}");
        let words = tool::run_silent("cgpt", &["show", &self.node]);
        for copy in ["Pri GPT header", "Pri GPT table", "Sec GPT header", "Sec GPT table"] {
            assert!(words.contains(copy) && !words.contains("INVALID"), "cgpt: {words}");
        }
    }

    /// Every partition but for its slot bits, by number.
    ///
    /// # Panics
    /// Where `sfdisk` cannot read the table.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<String, Partition> {
        let words = tool::run("sfdisk", &["--json", &self.node]);
        let table: Value = serde_json::from_str(&words).expect("sfdisk writes JSON");
        let list = table["partitiontable"]["partitions"].as_array().expect("a table has a list of partitions");
        let number = |row: &Value| {
            row["node"].as_str()?.strip_prefix(&self.node).map(|end| end.trim_start_matches('p').to_owned())
        };
        list.iter().map(|row| (number(row).expect("a node"), Partition::of(row))).collect()
    }

    /// Priority, tries left and successful of an entry, as `cgpt` reads them.
    ///
    /// # Panics
    /// Where `cgpt` cannot read the table.
    #[must_use]
    pub fn bits(&self, entry: u32) -> [u64; 3] {
        let entry = entry.to_string();
        ["-P", "-T", "-S"].map(|field| {
            let words = tool::run_silent("cgpt", &["show", "-i", &entry, field, &self.node]);
            words.trim().parse().unwrap_or_else(|_| panic!("cgpt show {field}: {words}"))
        })
    }

    /// Has `cgpt` write these bits.
    pub fn set_bits(&self, entry: u32, [priority, tries, successful]: [u64; 3]) {
        let fields = [("-i", u64::from(entry)), ("-P", priority), ("-T", tries), ("-S", successful)];
        let mut arguments = vec!["add".to_owned()];
        arguments.extend(fields.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]));
        arguments.push(self.node.clone());
        tool::run("cgpt", &arguments);
    }

    /// Runs `sgdisk` with these options, which change the table.
    pub fn sgdisk(&self, options: &[&str]) {
        tool::run("sgdisk", &[options, &[&self.node]].concat());
    }
}

impl Partition {
    fn of(row: &Value) -> Self {
        let fields = row.as_object().expect("a partition is an object");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let attributes = fields.get("attrs").map(text).unwrap_or_default();
        Self {
            fields: fields
                .iter()
                .filter(|(name, _)| *name != "attrs" && *name != "node")
                .map(|(n, v)| (n.clone(), text(v)))
                .collect(),
            attributes: foreign(&attributes),
        }
    }
}

/// The attributes that are not slot bits, out of `sfdisk`'s list: "RequiredPartition GUID:48,52,63".
fn foreign(attributes: &str) -> Vec<String> {
    let words = attributes.split([' ', ',']).filter(|word| !word.is_empty());
    let bit = |word: &str| word.trim_start_matches("GUID:").parse::<u64>().ok();
    words
        .filter(|word| !bit(word).is_some_and(|bit| SLOT_BITS.contains(&bit)))
        .map(|word| word.trim_start_matches("GUID:").to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_bits_are_taken_out_of_the_attributes() {
        assert_eq!(foreign("RequiredPartition GUID:48,52,56,57,63"), ["RequiredPartition", "57", "63"]);
        assert_eq!(foreign("GUID:48"), [""; 0]);
        assert_eq!(foreign(""), [""; 0]);
    }
}
