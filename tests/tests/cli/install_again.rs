//! The same bundle once more, a slot that is armed later, an act that only says what it would do, and what the program tells of it.

use serde_json::Value;
use tests::answer::Exit;
use tests::device::Device;
use tests::strace::{WRITES, counted};

const CHUNK: u64 = 512 << 10;
const CHUNK_BYTES: usize = 512 << 10;

/// Nothing to do: the disk is as it was, and somebody is told why.
fn nothing_to_do(device: &Device, arguments: &[&str], why: &str) {
    let before = device.bytes();
    let answer = device.cli(arguments).and(&["--json"]).run().fails(Exit::Nothing, why);
    assert!(before == device.bytes(), "the disk was written\n{answer}");
}

#[test]
fn what_is_there_already_is_not_installed_again() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    device.does(&["install", &bundle]);
    nothing_to_do(&device, &["install", &bundle], "every block of it is right and it is trial");
    nothing_to_do(&device, &["install", "--slot", "b", &bundle], "it is trial");
    let device = device.boots();
    device.does(&["mark-good"]);
    device.does(&["rollback"]);
    let device = device.booted("a");
    nothing_to_do(&device, &["install", "--allow-downgrade", &bundle], "it is good");
}

/// The same images under other manifest bytes are another bundle.
#[test]
fn another_manifest_of_the_same_image_is_installed() {
    let device = Device::new();
    device.installs(2);
    let renamed = device.workshop.release(2).version("2.0.1").create();
    device.does(&["install", renamed.to_str().unwrap()]);
    assert_eq!(device.slot("b").version.as_deref(), Some("2.0.1"));
    // The booted version goes into the other slot like any.
    device.installs(1);
    assert_eq!(device.slot("b").version.as_deref(), Some("1.0"));
    assert_eq!(device.slot("b").root_hash, device.slot("a").root_hash);
}

/// What stands in the slot already is not written, be the bundle another one and compressed or not.
#[test]
fn chunks_that_the_last_version_had_in_the_same_place_are_not_written() {
    let device = Device::new();
    let image: Vec<u8> = (0..8 * CHUNK / 8).flat_map(|at: u64| (at / 3 + 1).to_le_bytes()).collect();
    let mut changed = image.clone();
    changed[5 * CHUNK_BYTES + 100] ^= 1;
    let install = |version: &str, image: &[u8], codec: &str| {
        let path = device.workshop.put_new("image", image);
        let recipe = device.workshop.release(2).image(&path).version(version).with(&["--compression", codec]);
        let bundle = recipe.create();
        let cli = device.cli(&["--json", "install", bundle.to_str().unwrap()]);
        let (answer, written) = counted(cli, device.disk(), &[WRITES[1]]);
        let done = answer.exits(Exit::Done).json();
        assert!(device.partition("b").starts_with(image), "{version}");
        device.does(&["verify", "--slot", "b"]);
        let chunks = written.iter().filter(|bytes| **bytes == CHUNK).count();
        (done["kept_bytes"].as_u64().unwrap() / CHUNK, chunks)
    };
    assert_eq!(install("2", &image, "none"), (0, 8));
    assert_eq!(install("2.1", &image, "none"), (8, 0));
    // The one behind the chunk that changed is not looked at.
    assert_eq!(install("2.2", &changed, "zstd"), (6, 2));
    assert_eq!(install("2.3", &changed, "zstd"), (8, 0));
}

/// With nothing booted the only good slot is not the target because it holds the bundle: the other one gets it too.
#[test]
fn from_a_recovery_system_the_spare_slot_gets_what_the_good_one_holds() {
    let device = Device::new();
    device.does(&["--booted", "none", "install", &device.workshop.bundle_text(1)]);
    assert_eq!((device.state("a"), device.state("b")), ("good".into(), "trial".into()));
    assert_eq!(device.slot("a").root_hash, device.slot("b").root_hash);
}

#[test]
fn a_slot_is_armed_later() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    assert_eq!(device.does(&["install", "--no-activate", &bundle])["result"], "staged");
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("staged", "a"));
    nothing_to_do(&device, &["install", "--no-activate", &bundle], "it is staged");
    device.does(&["activate"]);
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("trial", "b"));
    nothing_to_do(&device, &["activate"], "it is armed already");
    nothing_to_do(&device, &["install", &bundle], "it is trial");
}

#[test]
fn install_arms_a_staged_slot_without_writing_it_again() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    device.does(&["install", "--no-activate", &bundle]);
    let before = device.partition("b");
    let done = device.does(&["install", &bundle]);
    assert_eq!((&done["result"], &done["kept_bytes"]), (&"armed".into(), &done["total_bytes"]));
    assert!(before == device.partition("b"));
    assert_eq!(device.next(), "b");
}

/// What turned bad while the slot waited is found before it is armed.
#[test]
fn activate_reads_every_block_first() {
    let device = Device::new();
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    device.flip(device.slot("b").start + 1_000_000);
    device.refuses_untouched(&["activate"], Exit::NotAuthentic, "chunk 1 does not match the hash tree");
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("staged", "a"));
    // The same bundle heals it: one chunk is written.
    let done = device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    let [total, kept] = ["total_bytes", "kept_bytes"].map(|field| done[field].as_u64().unwrap());
    assert_eq!(total - kept, 524_288);
    device.does(&["activate"]);
}

#[test]
fn a_dry_run_of_what_is_there_has_nothing_to_do() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    device.does(&["install", "--no-activate", &bundle]);
    let arms = device.does(&["install", "--dry-run", &bundle]);
    assert_eq!((&arms["result"], &arms["kept_bytes"]), (&"would-install".into(), &arms["total_bytes"]));
    nothing_to_do(&device, &["install", "--dry-run", "--no-activate", &bundle], "it is staged");
    device.does(&["install", &bundle]);
    nothing_to_do(&device, &["install", "--dry-run", &bundle], "it is trial");
    device.does(&["install", "--dry-run", "--trial", "manual", &bundle]);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let device = Device::new();
    let before = device.bytes();
    let told = device.does(&["install", "--dry-run", &device.workshop.bundle_text(2)]);
    let fields = ["result", "slot", "version", "total_bytes"].map(|field| told[field].clone());
    assert_eq!(fields, [Value::from("would-install"), "b".into(), "2.0".into(), 2_142_208.into()]);
    assert!(before == device.bytes());
    // It refuses what an install refuses, the damage apart that only shows in the payload.
    let low = device.workshop.release(2).version("0.1").create();
    device.refuses_untouched(&["install", "--dry-run", low.to_str().unwrap()], Exit::Refused, "version is lower");
    let cut = device.workshop.altered(|bytes| bytes.truncate(100));
    device.refuses_untouched(&["install", "--dry-run", &cut], Exit::NotAuthentic, "ends too early");
}

#[test]
fn progress_is_told_in_lines_that_programs_read() {
    let device = Device::new();
    let answer = device.run(&["--progress", "json", "install", &device.workshop.bundle_text(2)]).exits(Exit::Done);
    let lines: Vec<Value> = answer
        .stderr()
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for phase in ["write", "read back"] {
        let last = lines.iter().rfind(|line| line["phase"] == phase).unwrap_or_else(|| panic!("no {phase}\n{answer}"));
        assert_eq!((&last["done_bytes"], &last["total_bytes"]), (&2_142_208.into(), &2_142_208.into()), "{answer}");
    }
}

#[test]
fn quiet_is_quiet_and_errors_are_not() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(2);
    assert_eq!(device.run(&["--quiet", "install", &bundle]).exits(Exit::Done).stderr(), "");
    let answer = device.run(&["--quiet", "install", &bundle]).exits(Exit::Nothing);
    assert!(answer.stderr().starts_with("error: "), "{answer}");
}

/// Three releases one after the other, each booted and marked good; the booted slot is never the target.
#[test]
fn releases_take_turns_in_the_slots() {
    let mut device = Device::new();
    for (release, slot) in [(2, "b"), (3, "a")] {
        let running = device.partition(device.booted_slot());
        let done = device.installs(release);
        assert_eq!(done["slot"], slot);
        assert!(running == device.partition(device.booted_slot()));
        device = device.boots();
        assert_eq!(device.booted_slot(), slot);
        device.does(&["mark-good"]);
    }
    let status = device.status();
    assert_eq!((&status["booted"], &status["next"]), (&"a".into(), &"a".into()));
    assert_eq!([device.slot("a").version, device.slot("b").version], [Some("3.0".into()), Some("2.0".into())]);
}
