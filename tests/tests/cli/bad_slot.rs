//! Slots whose trailer, superblock, tree or data were damaged after they were written: `docs/FORMAT.md`, sections 2 and 3. Slot b
//! is the damaged one; nothing here touches the booted slot a.

use crate::words::Corrupt;
use libupdate::error::SuperblockFault;
use libupdate::verity::Geometry;
use libupdate::{ByteLen, ByteOffset};
use tests::answer::Exit;
use tests::bundle_parts::BundleParts;
use tests::device::Device;
use tests::workshop::{SECOND, SLOT_BYTES, STRANGER};

/// Bytes of the trailer region, and where the boot note stands in it.
const REGION: u64 = 65536;
const BOOT_NOTE: u64 = 32768;
/// Where the envelope stands in a trailer.
const ENVELOPE: u64 = 16;

/// A device with release 2.0 in slot b, on trial.
fn device() -> Device {
    let device = Device::new();
    device.installs(2);
    device
}

fn trailer(device: &Device) -> u64 {
    device.slot("b").start + SLOT_BYTES - REGION
}

fn geometry(device: &Device) -> Geometry {
    let len = device.workshop.image(2).padded().len();
    Geometry::from_image_len(ByteLen::new(u64::try_from(len).unwrap())).unwrap()
}

/// `verify --slot b` finds this fault. With what the slot holds in doubt, `install` writes it again, and it is right.
fn refused(device: &Device, why: &str) {
    device.refuses_untouched(&["verify", "--slot", "b"], Exit::NotAuthentic, why);
    assert_eq!(device.installs(2)["result"], "armed");
    device.does(&["verify", "--slot", "b"]);
    assert_eq!(device.state("b"), "trial");
}

/// The slot's trailer is not believed.
fn unverified(device: &Device, kind: Corrupt) {
    assert_eq!(device.state("b"), "unverified", "{kind:?}");
    assert_eq!(device.slot("b").version, None);
    device.refuses_untouched(&["activate", "--slot", "b"], Exit::Refused, "slot b is not");
    refused(device, &kind.to_string());
}

fn envelope_len(device: &Device) -> u64 {
    let bundle = std::fs::read(device.workshop.bundle(2)).unwrap();
    u64::try_from(BundleParts::of(&bundle).payload_at()).unwrap()
}

#[test]
fn trailer_missing() {
    let device = device();
    device.put(trailer(&device), &[0; 4096]);
    assert_eq!(device.state("b"), "unverified");
    refused(&device, "nothing is installed there");
}

#[test]
fn trailer_length() {
    for claimed in [8193, u32::MAX] {
        let device = device();
        device.put(trailer(&device) + 8, &claimed.to_le_bytes());
        unverified(&device, Corrupt::TrailerLength { claimed });
    }
}

#[test]
fn trailer_crc() {
    let at = [12, ENVELOPE, ENVELOPE + 50];
    for at in at.into_iter().chain([ENVELOPE + envelope_len(&device()) - 1]) {
        let device = device();
        device.flip(trailer(&device) + at);
        unverified(&device, Corrupt::TrailerCrc);
    }
}

#[test]
fn trailer_padding() {
    for at in [ENVELOPE + envelope_len(&device()), 12287] {
        let device = device();
        device.flip(trailer(&device) + at);
        unverified(&device, Corrupt::TrailerPadding);
    }
}

/// Whoever can write to the disk can make a trailer with a right checksum; what they cannot make is a signature.
#[test]
fn not_enough_signatures_on_a_trailer() {
    let device = device();
    let stranger = device.workshop.key(STRANGER);
    let bundle = std::fs::read(device.workshop.bundle(2)).unwrap();
    let forged = BundleParts { payload: vec![], ..BundleParts::of(&bundle) }.signed(&[&stranger]).joined();
    let len = u32::try_from(forged.len()).unwrap().to_le_bytes();
    let sum = crc32fast::hash(&forged).to_le_bytes();
    device.put(trailer(&device), &[b"LUTRAIL1", &len[..], &sum, &forged].concat());
    unverified(&device, Corrupt::NotEnoughSignatures { valid: 0, threshold: 1 });
}

/// The trailer of a good bundle, on a slot that holds the image of another.
#[test]
fn superblock_of_another_image_under_a_good_trailer() {
    let device = device();
    let row = device.slot("a");
    device.put(trailer(&device), &device.range(row.start + SLOT_BYTES - REGION, 12288));
    assert_eq!((device.state("b").as_str(), device.slot("b").version.as_deref()), ("trial", Some("1.0")));
    refused(&device, "verity");
}

#[test]
fn superblock() {
    use SuperblockFault as F;
    let cases: [(u64, &[u8], F); 13] = [
        (0, b"X", F::Magic),
        (8, &[2], F::Version { found: 2 }),
        (12, &[0], F::HashType { found: 0 }),
        (32, b"sha512", F::Algorithm),
        (65, &[0x20], F::DataBlockSize { found: 8192 }),
        (69, &[0x02], F::HashBlockSize { found: 512 }),
        (72, &[0; 8], F::DataBlocks { found: 0 }),
        (80, &[1, 1], F::SaltLength { found: 257 }),
        (82, &[1], F::Padding),
        (344, &[1], F::Padding),
        (16, &[0xee], F::OtherTree),
        (72, &[1, 0, 0], F::OtherTree),
        (512, &[1], F::Tail),
    ];
    let device = device();
    let at = device.slot("b").start + geometry(&device).hash_offset().get();
    for (field, bytes, fault) in cases {
        device.put(at + field, bytes);
        refused(&device, &Corrupt::Superblock(fault).to_string());
    }
}

#[test]
fn chunk_on_the_slot() {
    let device = device();
    let start = device.slot("b").start;
    let last = geometry(&device).image_blocks_bytes().get() - 1;
    for (at, chunk) in [(0, 0), (524_287, 0), (524_288, 1), (last, 4)] {
        device.flip(start + at);
        refused(&device, &Corrupt::Chunk { chunk }.to_string());
    }
}

#[test]
fn hash_block_on_the_slot() {
    let device = device();
    let start = device.slot("b").start;
    let offset = |level, index| geometry(&device).block_offset(level, index).map(ByteOffset::get).unwrap();
    for (level, index, within) in [(1, 0, 0), (1, 0, 4095), (0, 0, 0), (0, 4, 4095)] {
        device.flip(start + offset(level, index) + within);
        refused(&device, &Corrupt::HashBlock { level, index }.to_string());
    }
}

/// A slot whose installation was not finished, with a mark.
fn marked() -> Device {
    let device = Device::new();
    let cut = device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    device.refuses(&["install", &cut], Exit::NotAuthentic, &Corrupt::Truncated.to_string());
    assert_eq!(device.state("b"), "disarmed");
    device.refuses_untouched(&["verify", "--slot", "b"], Exit::NotAuthentic, "was not finished");
    device
}

fn refused_mark(device: &Device, kind: Corrupt) {
    device.refuses_untouched(&["verify", "--slot", "b"], Exit::NotAuthentic, &kind.to_string());
    assert_eq!(device.state("b"), "unverified");
    // Without a mark nothing says that re-hashing is worth while: all is fetched, and compared with what stands there.
    device.installs(2);
    device.does(&["verify", "--slot", "b"]);
}

#[test]
fn mark_crc() {
    for at in [8, 39, 40] {
        let device = marked();
        device.flip(trailer(&device) + at);
        refused_mark(&device, Corrupt::MarkCrc);
    }
}

#[test]
fn mark_padding() {
    for at in [44, 4095] {
        let device = marked();
        device.flip(trailer(&device) + at);
        refused_mark(&device, Corrupt::MarkPadding);
    }
}

/// A boot note is advice: with a damaged one the slot is as failed as before, and only the words are lost.
fn boot_note(expected: (&str, &str), change: impl FnOnce(&mut Vec<u8>)) {
    let device = device();
    device.does(&["mark-bad", "--slot", "b", "--reason", "smoke came out"]);
    let at = trailer(&device) + BOOT_NOTE;
    let mut bytes = device.range(at, 4096);
    change(&mut bytes);
    device.put(at, &bytes);
    let fallback = &device.status()["last_fallback"];
    assert_eq!((&fallback["reason"], &fallback["detail"]), (&expected.0.into(), &expected.1.into()));
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("failed", "a"));
}

const WORDLESS: (&str, &str) = ("marked bad", "");

fn summed(bytes: &mut [u8]) {
    let sum = crc32fast::hash(&bytes[..252]).to_le_bytes();
    bytes[252..256].copy_from_slice(&sum);
}

#[test]
fn a_boot_note_is_shown() {
    boot_note(("marked bad by an operator", "smoke came out"), |_| ());
}

#[test]
fn boot_note_missing() {
    boot_note(WORDLESS, |bytes| bytes[0] = 0);
}

#[test]
fn boot_note_crc() {
    boot_note(WORDLESS, |bytes| bytes[60] ^= 1);
}

#[test]
fn boot_note_reserved() {
    for at in [10, 120, 187] {
        boot_note(WORDLESS, |bytes| {
            bytes[at] = 1;
            summed(bytes);
        });
    }
    boot_note(WORDLESS, |bytes| bytes[4095] = 1);
}

#[test]
fn boot_note_detail() {
    for byte in [0x1b, 0x9b, 0x7f] {
        boot_note(WORDLESS, |bytes| {
            bytes[58] = byte;
            summed(bytes);
        });
    }
    boot_note(WORDLESS, |bytes| {
        bytes[58..186].fill(b'x');
        bytes[56] = 129;
        summed(bytes);
    });
}

/// The boot note on what the slot held before is not one on what it holds now.
#[test]
fn a_boot_note_on_another_bundle_is_passed_over() {
    boot_note(WORDLESS, |bytes| {
        bytes[16] ^= 1;
        summed(bytes);
    });
}

#[test]
fn other_compatible() {
    let device = Device::new().profile("other-box.toml");
    device.run(&["verify", "--slot", "a"]).exits(Exit::NotAuthentic).says(&Corrupt::OtherCompatible.to_string());
    let status = device.status();
    assert_eq!((&status["slots"][0]["state"], &status["booted"]), (&"unverified".into(), &serde_json::Value::Null));
    // A foreign system is no slot to fall back to: an install over it, or beside it, is for `provision`.
    let why = Corrupt::NotEnoughSignatures { valid: 0, threshold: 1 };
    let stranger = device.workshop.release(2).keys(&[SECOND]).create();
    device.cli(&["install", "--json"]).and(&[stranger]).run().fails(Exit::NotAuthentic, &why.to_string());
}

/// What is done to slot b, and the word for it.
type Damage<'d> = (&'d dyn Fn(&Device), &'d str);

/// `choose` and `status` pass over what the boot hook would pass over, and no try of it is spent.
#[test]
fn an_armed_slot_that_the_hook_passes_over_is_not_chosen() {
    let index = |index| ["--rollback-index", index];
    let damages: [Damage<'_>; 4] = [
        (&|device| device.put(trailer(device), &[0; 4096]), "trailer"),
        (&|device| device.flip(trailer(device) + ENVELOPE + 50), "trailer"),
        (&|device| device.put(trailer(device), &device.range(trailer(device) + 4096, 4096)), "trailer"),
        (
            &|device| {
                let older = device.workshop.release(3).with(&index("1")).create();
                device.does(&["install", "--slot", "b", older.to_str().unwrap()]);
                let a = device.workshop.release(1).with(&index("2")).create();
                let other = Device::new();
                other.does(&["provision", "--danger-overwrite", a.to_str().unwrap()]);
                let slot = other.slot("a");
                device.put(device.slot("a").start, &other.range(slot.start, slot.size));
            },
            "rollback",
        ),
    ];
    for (damage, reason) in damages {
        let device = device();
        damage(&device);
        let bits = device.slot("b").bits;
        for line in [&["choose"][..], &["choose", "--spend"]] {
            let answer = device.cli(line).and(&["--json"]).run().exits(Exit::Done).says("slot b is passed over");
            let chosen = answer.json();
            assert_eq!((&chosen["slot"], &chosen["passed_over"][0]["slot"]), (&"a".into(), &"b".into()), "{reason}");
            assert_eq!(chosen["passed_over"][0]["reason"], reason);
            assert!(chosen["partitions"][0]["verity"]["root_hash"].is_string(), "{chosen}");
            assert_eq!((device.slot("b").bits, device.next().as_str()), (bits, "a"));
            let status = device.run(&["status"]).exits(Exit::Done);
            assert!(
                status.stdout().contains("next    slot a") && status.stdout().contains("slot b is passed over"),
                "{status}"
            );
        }
        assert_eq!(device.slot("a").bits[1], 2, "one try of the good slot is spent, once");
    }
    // With nothing that could boot, that is said, and nothing is spent.
    let device = device();
    for slot in ["a", "b"] {
        let row = device.slot(slot);
        device.put(row.start + SLOT_BYTES - REGION, &[0; 4096]);
    }
    let before = device.bytes();
    let answer = device.run(&["choose", "--spend"]).exits(Exit::Disk).says("slot b is passed over");
    assert!(answer.stderr().contains("slot a is passed over") && before == device.bytes(), "{answer}");
}
