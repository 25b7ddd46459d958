//! Catalogue of cases, letter C: cuts of power. The states of the table come from [`tests::cut_states`] and are read by
//! us and by the models of other readers (real programs: `foreign_readers.rs`); cuts of whole installations at every write are
//! `tests/tests/power`, here the real program is killed.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tests::answer::Exit;
use tests::cut_states::{Act, Atomicity, DRIVES, Group, acts};
use tests::device::Device;
use tests::gpt_disk::{SLOTS, bits_of};
use tests::gpt_readers::{Reader, Seen, ours};

/// Every state of every act is the old table or the new one, for us and these readers. Returns the number of states.
fn old_or_new(readers: &[Reader], atomicity: Atomicity, is_asked: impl Fn(&str, &Act) -> bool) -> usize {
    let mut states = 0;
    for (drive, sizes) in DRIVES {
        for act in acts(sizes).iter().filter(|act| is_asked(drive, act)) {
            for image in act.states(atomicity) {
                states += 1;
                let judge = |who: &str, seen: Seen| {
                    assert!(
                        seen == act.old || seen == act.new,
                        "{who} after a cut of {} on {drive}: {seen:?}",
                        act.name
                    );
                };
                judge("libupdate", ours(&image, act.block_size()));
                readers.iter().for_each(|reader| judge(reader.name(), reader.read(&image, act.block_size())));
            }
        }
    }
    states
}

const OF_BOTH_COPIES: [Reader; 2] = [Reader::Vboot, Reader::LinuxGpt];

/// C1: every write, every subset inside a flush window. All readers where small writes arrive whole, those of both copies always.
#[test]
fn c1_every_subset_is_old_or_new() {
    let bits = |drive: &str, act: &Act| act.group == Group::Bits && drive != "4Kn";
    let whole = old_or_new(&Reader::ALL, Atomicity::Writes, bits);
    let any = old_or_new(&OF_BOTH_COPIES, Atomicity::Sectors, |_, _| true);
    // U-Boot asks for the protective MBR too, which `create` writes.
    let u_boot = old_or_new(&[Reader::UBoot], Atomicity::Sectors, |_, act| act.group != Group::Create);
    eprintln!("result: C1: {whole} states read by all, {any} by all readers of both copies, {u_boot} by U-Boot");
}

/// GRUB's hole (`foreign_readers.rs`): never where the sectors of a write keep their order, on no drive.
#[test]
fn c1_grub_gptprio_reads_where_sectors_keep_their_order() {
    assert!(old_or_new(&[Reader::GrubGptprio], Atomicity::Prefixes, |_, act| act.group == Group::Bits) > 100);
}

/// C2: the same with any sector torn or lost.
#[test]
fn c2_torn_sectors_are_old_or_new() {
    let torn = old_or_new(&OF_BOTH_COPIES, Atomicity::Nothing, |_, _| true);
    eprintln!("result: C2: {torn} states with torn sectors read by all readers of both copies");
}

/// C3: a try is spent: T is old or old - 1, on this slot only, and no other bit of any entry changes.
#[test]
fn c3_a_cut_of_a_decrement_changes_one_slots_tries_by_one() {
    for (_, sizes) in DRIVES {
        for act in acts(sizes).iter().filter(|act| act.name == "spend") {
            let old = act.old.clone().unwrap();
            let mut seen_tries = std::collections::BTreeSet::new();
            for image in act.states(Atomicity::Nothing) {
                let mut seen = ours(&image, act.block_size()).unwrap();
                let (p, t, s) = bits_of(seen[&SLOTS[1]][2]);
                assert_eq!((p, s), (3, 0));
                seen_tries.insert(t);
                seen.get_mut(&SLOTS[1]).unwrap()[2] = old[&SLOTS[1]][2];
                assert_eq!(seen, old);
            }
            assert_eq!(seen_tries.into_iter().collect::<Vec<_>>(), [2, 3]);
        }
    }
}

/// An installation from a pipe that gets only the first bytes of its bundle and is then killed.
fn killed_after(device: &Device, bytes: usize) {
    let bundle = fs::read(device.workshop.bundle(2)).unwrap();
    let mut running = device.cli(&["install", "-"]).start();
    running.feed(&bundle[..bytes.min(bundle.len())]);
    // Until it waits for more. Where it is slower the cut is earlier: any is as good.
    thread::sleep(Duration::from_millis(300));
    running.signal(Signal::KILL);
    drop(running.wait_with_stdin_open().killed_by(9));
}

/// What holds after every cut before the flip: the booted slot is next, the target cannot be chosen, a second run finishes.
fn recovers(device: &Device) {
    assert_eq!(device.next(), "a");
    let [priority, ..] = device.slot("b").bits;
    assert_eq!(priority, 0, "{:?}", device.slot("b"));
    drop(device.run(&["verify", "--slot", "a"]).exits(Exit::Done));
    device.installs(2);
    assert_eq!((device.next().as_str(), device.state("b").as_str()), ("b", "trial"));
}

/// C4: the power goes while the slot is written, over an older release that was good.
#[test]
fn c4_a_cut_while_the_slot_is_written() {
    for bytes in [200_000, 900_000, 1_700_000] {
        let device = Device::new();
        killed_after(&device, bytes);
        recovers(&device);
    }
}

/// C5: the power goes between disarming and the first byte of data: the bundle's head has come and nothing more. An armed trial
/// is what is disarmed.
#[test]
fn c5_a_cut_between_disarming_and_the_first_byte() {
    let device = Device::new();
    device.installs(3);
    assert_eq!(device.next(), "b");
    killed_after(&device, 16 << 10);
    recovers(&device);
}

/// C6: the power goes between the last flush of data and the flip: what `install --no-activate` leaves. The slot is complete
/// and cannot be chosen; `activate` flips.
#[test]
fn c6_a_cut_between_data_and_flip() {
    let device = Device::new();
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    assert_eq!((device.next().as_str(), device.state("b").as_str()), ("a", "staged"));
    device.does(&["activate"]);
    assert_eq!(device.next(), "b");
}
