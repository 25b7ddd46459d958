use tempfile::TempDir;

use super::*;
use crate::boot_loader::fixture::ranking;
use crate::{Disk, OpenHow};

/// Slot bits: a is good, and b on trial, good, off, exhausted.
const TRIAL: [(u8, u8, bool); 2] = [(1, 3, true), (2, 3, false)];
const GOOD: [(u8, u8, bool); 2] = [(1, 3, true), (2, 3, true)];
const OFF: [(u8, u8, bool); 2] = [(1, 3, true), (0, 1, false)];
const EXHAUSTED: [(u8, u8, bool); 2] = [(1, 3, true), (2, 0, false)];

struct Firmware {
    folder: TempDir,
    store: EfiBootNext,
    disk: Disk,
}

fn entry(active: bool, description: &str) -> Vec<u8> {
    let text = description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
    [u8::from(active), 0, 0, 0, 4, 0].into_iter().chain(text).chain([0x7f, 0xff, 4, 0]).collect()
}

impl Firmware {
    /// Firmware with entries 1 for a shell, 6 and 7 for slots a and b.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        fs::write(&image, vec![0; 1 << 20]).unwrap();
        let disk = Disk::open(&image, OpenHow::read_only()).unwrap();
        let made = Self { store: EfiBootNext::open(folder.path()).unwrap(), folder, disk };
        for (number, name) in [(1, "UEFI Shell"), (6, "updater-a"), (7, "updater-b")] {
            made.set(&format!("Boot{number:04X}"), &entry(true, name));
        }
        made.set(ORDER, &[1, 0, 6, 0]);
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        variable::path(self.folder.path(), name)
    }

    fn set(&self, name: &str, data: &[u8]) {
        fs::write(self.path(name), [&[7, 0, 0, 0], data].concat()).unwrap();
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok().map(|bytes| bytes[4..].to_vec())
    }

    fn put(&mut self, bits: &[(u8, u8, bool)]) -> Result<Put, OsError> {
        Loader::put(&mut self.store, &mut self.disk, &ranking(bits, None))
    }

    fn flag(&mut self, slot: SlotId) -> Option<u8> {
        Loader::read(&mut self.store, &mut self.disk, slot).unwrap().map(TriesLeft::get)
    }

    /// What is refused changes nothing.
    fn refuses(&mut self, why: &str) {
        let before = [NEXT, ORDER].map(|name| fs::read(self.path(name)).ok());
        let error = self.put(&TRIAL).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!([NEXT, ORDER].map(|name| fs::read(self.path(name)).ok()), before);
    }
}

#[test]
fn the_life_of_an_update() {
    let mut firmware = Firmware::new();
    let entries = [1, 6, 7].map(|number| firmware.get(&format!("Boot{number:04X}")));
    assert_eq!(firmware.put(&TRIAL), Ok(Put::Written));
    assert_eq!((firmware.get(NEXT), firmware.get(ORDER)), (Some(vec![7, 0]), Some(vec![6, 0, 1, 0])));
    assert_eq!((firmware.flag(SlotId::B), firmware.flag(SlotId::A)), (Some(1), None));
    assert_eq!(firmware.put(&TRIAL), Ok(Put::Unchanged));
    // Firmware starts the trial.
    fs::remove_file(firmware.path(NEXT)).unwrap();
    firmware.set(CURRENT, &[7, 0]);
    assert_eq!(firmware.flag(SlotId::B), None);
    assert_eq!(firmware.put(&TRIAL), Ok(Put::Unchanged), "it would boot for ever");
    assert_eq!(firmware.put(&GOOD), Ok(Put::Written));
    assert_eq!((firmware.get(NEXT), firmware.get(ORDER)), (None, Some(vec![7, 0, 6, 0, 1, 0])));
    assert_eq!(firmware.put(&OFF), Ok(Put::Written));
    assert_eq!((firmware.get(NEXT), firmware.get(ORDER)), (None, Some(vec![6, 0, 1, 0])));
    assert_eq!([1, 6, 7].map(|number| firmware.get(&format!("Boot{number:04X}"))), entries, "they are never written");
}

#[test]
fn a_flag_of_a_slot_that_must_not_boot_goes_and_those_of_others_stay() {
    let mut firmware = Firmware::new();
    for bits in [OFF, EXHAUSTED, GOOD] {
        firmware.set(NEXT, &[7, 0]);
        assert_eq!(firmware.put(&bits), Ok(Put::Written));
        assert_eq!(firmware.get(NEXT), None, "{bits:?}");
    }
    firmware.set(NEXT, &[1, 0]);
    assert_eq!(firmware.put(&GOOD), Ok(Put::Unchanged));
    assert_eq!(firmware.put(&TRIAL), Ok(Put::Written));
    assert_eq!(firmware.get(NEXT), Some(vec![7, 0]));
}

#[test]
fn without_a_good_slot_all_that_may_boot_are_in_the_order() {
    let mut firmware = Firmware::new();
    assert_eq!(firmware.put(&[(1, 1, false), (2, 2, false)]), Ok(Put::Written));
    assert_eq!((firmware.get(NEXT), firmware.get(ORDER)), (Some(vec![7, 0]), Some(vec![7, 0, 6, 0, 1, 0])));
}

/// Cut after each write, the next boot is of a slot that may boot by the old or by the new bits, and no flag names one that is off.
#[test]
fn each_cut_leaves_variables_from_which_the_device_boots() {
    let all = [TRIAL, GOOD, OFF, EXHAUSTED, [(3, 3, true), (2, 3, true)], [(0, 1, false), (2, 3, true)]];
    for (old, new) in all.iter().flat_map(|old| all.iter().map(move |new| (*old, *new))) {
        let before = Said { ours: vec![(6, SlotId::A), (7, SlotId::B)], next: None, order: vec![1], current: None };
        let first = before.wanted(&ranking(&old, None)).unwrap();
        let said = Said { next: first.next, order: first.order, ..before };
        let wanted = said.wanted(&ranking(&new, None)).unwrap();
        // The order of the three writes in `put`.
        let without = said.next.filter(|next| wanted.next == Some(*next));
        let cuts = [(without, &said.order), (without, &wanted.order), (wanted.next, &wanted.order)];
        for (next, order) in cuts {
            let boots = next.or(order.first().copied()).unwrap();
            let slot = usize::from(boots - 6);
            let may = |bits: &[(u8, u8, bool); 2]| bits[slot].0 > 0 && (bits[slot].2 || bits[slot].1 > 0);
            assert!(may(&old) || may(&new), "{old:?} {new:?}: {boots}");
            assert!(next.is_none_or(|next| new[usize::from(next - 6)].0 > 0), "{old:?} {new:?}");
        }
    }
}

#[test]
fn variables_that_are_not_as_they_must_be_are_refused_and_nothing_is_written() {
    let mut firmware = Firmware::new();
    for (name, data, why) in [
        (ORDER, &[1, 0, 6][..], "3 bytes of data, which are no whole numbers"),
        (NEXT, &[1], "1 bytes of data, and not the number of an entry"),
        (NEXT, &[1, 0, 2, 0], "4 bytes of data"),
        (CURRENT, &[], "0 bytes of data"),
    ] {
        let before = fs::read(firmware.path(name)).ok();
        firmware.set(name, data);
        firmware.refuses(why);
        fs::remove_file(firmware.path(name)).unwrap();
        if let Some(bytes) = before {
            fs::write(firmware.path(name), bytes).unwrap();
        }
    }
    firmware.set("Boot0009", &entry(true, "updater-b"));
    firmware.refuses("are both called updater-b");
    firmware.set("Boot0009", &entry(true, "updater-bb")[..9]);
    firmware.set("Boot0007", &entry(false, "updater-b"));
    firmware.refuses("is not active: make it so with `efibootmgr -a -b 0007`");
    firmware.set("Boot0007", &entry(true, "Updater-b"));
    firmware.refuses("slot b has no boot entry");
    let error = firmware.put(&TRIAL).unwrap_err().to_string();
    assert!(
        error.contains("efibootmgr --create-only --disk DISK --part NUMBER --label updater-b --loader PATH"),
        "{error}"
    );
    // An entry that cannot be read is nobody's, and hinders only whose it was.
    fs::write(firmware.path("Boot0007"), [1, 2]).unwrap();
    firmware.refuses("slot b has no boot entry");
    firmware.set("Boot0009", &entry(true, "updater-b"));
    fs::write(firmware.path(ORDER), [1, 2]).unwrap();
    firmware.refuses("it has no attributes");
    // One that was created, and never written.
    fs::write(firmware.path(ORDER), []).unwrap();
    assert_eq!(firmware.put(&TRIAL).unwrap(), Put::Written);
    let error = EfiBootNext::open(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(error.contains("is efivarfs mounted there?"), "{error}");
}

#[test]
fn a_variable_that_cannot_be_written_is_an_error_and_the_flag_is_written_last() {
    let mut firmware = Firmware::new();
    fs::remove_file(firmware.path(ORDER)).unwrap();
    std::os::unix::fs::symlink("/dev/full", firmware.path(ORDER)).unwrap();
    let error = firmware.put(&TRIAL).unwrap_err().to_string();
    assert!(error.contains("cannot"), "{error}");
    assert_eq!(firmware.get(NEXT), None);
}
