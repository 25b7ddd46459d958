//! Slots of two partitions, a root and a boot one: every partition of a slot carries the same manifest, and a bundle has exactly the
//! profile's roles.

use crate::words::Corrupt;
use serde_json::Value;
use tests::answer::Exit;
use tests::device::Device;
use tests::root_image::noise;
use tests::table_oracle::TableOracle;

/// Bytes of the trailer region, and of the trailer in it.
const REGION: u64 = 65536;
const TRAILER: u64 = 12288;

/// A bundle of two images; the boot image has this many bytes.
fn bundle(device: &Device, release: usize, boot_len: usize) -> String {
    let boot = device.workshop.put_new("boot", &noise(&format!("boot {release}"), boot_len));
    let payload = format!("boot={}", boot.to_str().unwrap());
    device.workshop.release(release).with(&["--payload", &payload]).create().to_str().unwrap().to_owned()
}

/// A device with two slots of two partitions each, release 1.0 in slot a.
fn device() -> Device {
    let device = Device::new().profile("two-partitions.toml");
    device.does(&["provision", "--danger-overwrite", &bundle(&device, 1, 300_000)]);
    TableOracle::of(&device).finds_no_problem();
    device
}

/// First byte and number of bytes of a slot's boot partition.
fn boot_partition(device: &Device, slot: &str) -> (u64, u64) {
    let status = device.status();
    let row = status["slots"].as_array().unwrap().iter().find(|row| row["name"] == slot).unwrap();
    let place = row["partitions"].as_array().unwrap().iter().find(|place| place["role"] == "boot").unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    (number(&place["start_bytes"]), number(&place["size_bytes"]))
}

fn boot_trailer(device: &Device, slot: &str) -> u64 {
    let (start, size) = boot_partition(device, slot);
    start + size - REGION
}

#[test]
fn both_partitions_are_written_and_one_carries_the_bits() {
    let device = device();
    let judge = TableOracle::of(&device).partitions();
    device.does(&["install", &bundle(&device, 2, 200_001)]);
    let (start, _) = boot_partition(&device, "b");
    assert!(device.range(start, 200_001) == noise("boot 2", 200_001));
    assert!(device.partition("b").starts_with(&device.workshop.image(2).padded()));
    device.does(&["verify", "--slot", "b"]);
    let oracle = TableOracle::of(&device);
    oracle.finds_no_problem();
    assert_eq!(oracle.partitions(), judge);
    // In the profile's order: root-a, root-b, boot-a, boot-b.
    assert_eq!([1, 2, 3, 4].map(|entry| oracle.bits(entry)), [[1, 3, 1], [2, 3, 0], [0; 3], [0; 3]]);
    let chosen = device.does(&["choose"]);
    assert_eq!(chosen["partitions"].as_array().unwrap().len(), 2);
}

#[test]
fn roles() {
    let kind = Corrupt::Roles.to_string();
    let two = device();
    two.refuses_untouched(&["install", &two.workshop.bundle_text(2)], Exit::NotAuthentic, &kind);
    let other = two.workshop.put_new("other", &noise("other", 5000));
    let payload = format!("efi={}", other.to_str().unwrap());
    let renamed = two.workshop.release(2).with(&["--payload", &payload]).create();
    two.refuses_untouched(&["install", renamed.to_str().unwrap()], Exit::NotAuthentic, &kind);
    let one = Device::new();
    one.refuses_untouched(&["install", &bundle(&one, 2, 5000)], Exit::NotAuthentic, &kind);
}

#[test]
fn no_space_in_the_second_partition() {
    let device = device();
    let large = bundle(&device, 2, 2 << 20);
    device.refuses_untouched(&["install", &large], Exit::NoSpace, "image and hash tree need");
}

/// The one partition has the new trailer, the other that of another bundle, or one byte less, or nothing.
#[test]
fn trailers_differ() {
    let device = device();
    let bundle = bundle(&device, 2, 200_000);
    device.does(&["install", &bundle]);
    let [a, b] = ["a", "b"].map(|slot| boot_trailer(&device, slot));
    let good = device.range(b, TRAILER);
    let mut cut = good.clone();
    cut[100] ^= 1;
    for bad in [device.range(a, TRAILER), cut, vec![0; 4096]] {
        device.put(b, &bad);
        assert_eq!(device.state("b"), "unverified");
        let why = Corrupt::TrailersDiffer.to_string();
        device.refuses_untouched(&["verify", "--slot", "b"], Exit::NotAuthentic, &why);
        device.refuses_untouched(&["activate", "--slot", "b"], Exit::Refused, "slot b is not");
        device.does(&["install", &bundle]);
        device.does(&["verify", "--slot", "b"]);
    }
}

#[test]
fn damage_in_the_second_partition_is_found() {
    let device = device();
    let bundle = bundle(&device, 2, 700_000);
    device.does(&["install", "--no-activate", &bundle]);
    let (start, _) = boot_partition(&device, "b");
    device.flip(start + 600_000);
    let why = Corrupt::Chunk { chunk: 1 }.to_string();
    device.refuses_untouched(&["verify", "--slot", "b"], Exit::NotAuthentic, &why);
    device.refuses_untouched(&["activate"], Exit::NotAuthentic, &why);
    device.does(&["install", &bundle]);
    assert_eq!(device.next(), "b");
}

/// A bundle that ends between its payloads, or in the second one.
#[test]
fn truncated_in_the_second_payload() {
    let device = device();
    let whole = std::fs::read(bundle(&device, 2, 700_000)).unwrap();
    for missing in [1, 100_000, 700_416, 704_512] {
        let cut = device.workshop.put_new("bundle", &whole[..whole.len() - missing]);
        let line = ["install", cut.to_str().unwrap()];
        device.refuses(&line, Exit::NotAuthentic, &Corrupt::Truncated.to_string());
        assert_eq!((device.state("b").as_str(), device.next().as_str()), ("disarmed", "a"));
    }
    let done = device.does(&["install", &bundle(&device, 2, 700_000)]);
    assert!(done["kept_bytes"].as_u64().unwrap() > 2 << 20, "{done}");
}
