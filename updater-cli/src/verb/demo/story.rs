//! The story: two slots, a bad update, a good one, and two that are not authentic.

use std::fs;
use std::path::Path;

use libupdate::Digest;
use serde_json::Value;

use super::ending::Leaves;
use super::image::{self, Init};
use super::stage::Stage;
use super::tamper;
use crate::exit::{Exit, Failure};
use crate::new_file::unwritable;
use crate::output::Size;
use crate::source::unreadable;

/// How somebody in the folder calls the program on the demo's device.
const DEVICE: &str = "updater-cli --profile demo.toml --disk disk.img";
/// The device's disk.
pub const DISK: &str = "disk.img";

/// Its board.
pub const PROFILE: &str = include_str!("demo.toml");
/// The files, for people.
const LEFT: &str = "  \
  disk.img                          the device's disk; other tools read it too: sgdisk -p disk.img, cgpt show -i 2 -P disk.img
  demo.toml, vendor.pub             what the device knows: its board, and the key to trust
  vendor.key                        what only the vendor has
  root-*.squashfs, update-*.bundle  images and bundles of 1.0 to 4.0; look into one with unsquashfs -l root-3.0.squashfs
  forged.bundle, tampered.bundle    what the device refused
";
const VERSIONS: [(&str, Init); 4] =
    [("1.0", Init::Works), ("2.0", Init::Hangs), ("3.0", Init::Works), ("4.0", Init::Works)];
/// Of what a boot script reads: slot, kind of boot, tries left.
const CHOSEN_LINES: usize = 3;

type Part = fn(&mut Stage<'_>) -> Result<(), Failure>;
const PARTS: [Part; 9] =
    [workshop, factory, first_boot, bad_update, three_hangs, fallback, refused_again, good_update, tampered];

/// Plays all of it in the working folder.
pub fn play(stage: &mut Stage<'_>) -> Result<Leaves, Failure> {
    PARTS.iter().try_for_each(|part| part(stage))?;
    Ok(Leaves { files: LEFT, next: next() })
}

/// What can be done with what is left.
fn next() -> Vec<(String, &'static str)> {
    let info = "updater-cli info update-4.0.bundle --trust vendor.pub".to_owned();
    vec![
        (info, "what is in a bundle, and who signed it"),
        (device("install update-4.0.bundle"), "the real 4.0; it takes up what the damaged one left"),
        (device("choose --spend"), "boot it"),
        (device("--booted a mark-good"), "it works"),
        (device("rollback"), "back to 3.0, on purpose"),
        (device("status --json"), "for scripts"),
    ]
}

fn workshop(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("In the workshop: a key, and bundles of four versions")?;
    let mut made = Vec::new();
    for (version, init) in VERSIONS {
        let name = format!("root-{version}.squashfs");
        let bytes = image::squashfs(version, image::script(version, init).as_bytes()).map_err(|error| {
            Failure::new(Exit::Io, format!("cannot make {name}"), error, "report this: it is a fault of the program")
        })?;
        write(&name, &bytes)?;
        made.push(format!("{name} ({})", Size(libupdate::units::bytes::len_u64(&bytes))));
    }
    write("demo.toml", PROFILE.as_bytes())?;
    stage.say(format!(
        "Made here: {}.\nEach is a small root file system; 2.0 has a bug, its init never starts.",
        made.join(", ")
    ))?;
    bundles(stage, VERSIONS.map(|(version, _)| version))
}

/// A key, and a bundle of each version's image.
pub fn bundles<const N: usize>(stage: &mut Stage<'_>, versions: [&str; N]) -> Result<(), Failure> {
    stage.run("updater-cli keygen --out . --name vendor")?;
    for version in versions {
        stage.run(&format!(
            "updater-cli bundle create --image root-{version}.squashfs --version {version} --compatible demo-board \
             --key vendor.key -o update-{version}.bundle"
        ))?;
    }
    Ok(())
}

fn factory(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("In the factory: a disk with two slots, 1.0 in the first")?;
    stage.say(
        "demo.toml describes the board: two slots of 8 MiB, three tries for a new version, vendor.pub as the key to trust.",
    )?;
    stage.run(&device("provision --size 64M update-1.0.bundle"))
}

fn first_boot(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("The device boots 1.0")?;
    stage.say(
        "The boot loader, or the hook in the initramfs, chooses a slot and spends one of its tries before it starts it.\n\
         These lines are for its script; dm-verity takes the root hash.",
    )?;
    stage.run(&device("choose --spend"))?;
    stage.say("What dm-verity checks whenever a block is read, checked at once:")?;
    stage.run(&device("verify --slot a"))?;
    stage.say("The system is up and healthy. It says so, and has all its tries back.")?;
    stage.run(&device("--booted a mark-good"))
}

fn bad_update(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("2.0 is installed while 1.0 runs")?;
    stage.say(
        "Each block is checked before it is written and read back after. Only then one write to the partition table makes\n\
         slot b the next to boot, on trial.",
    )?;
    stage.run(&device("install update-2.0.bundle"))?;
    stage.run(&device("status"))
}

fn three_hangs(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("2.0 boots on trial and hangs, three times")?;
    stage.say("Nobody marks it good, and the watchdog resets the device. Each boot spends a try before it starts.")?;
    for _ in 0..3 {
        stage.run_head(&device("choose --spend"), CHOSEN_LINES)?;
    }
    Ok(())
}

fn fallback(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("The fourth boot: no try is left, the device falls back to 1.0")?;
    stage.run_head(&device("choose --spend"), CHOSEN_LINES)?;
    stage.say("1.0 starts as before and says so.")?;
    stage.run(&device("--booted a mark-good"))
}

fn refused_again(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("The server offers 2.0 once more")?;
    stage.refused(&device("install update-2.0.bundle"), Exit::Refused)
}

fn good_update(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("3.0 has the fix: trial boot, good")?;
    stage.run(&device("install update-3.0.bundle"))?;
    stage.run_head(&device("choose --spend"), CHOSEN_LINES)?;
    stage.run(&device("verify --slot b"))?;
    stage.run(&device("--booted b mark-good"))
}

fn tampered(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("Two updates that somebody changed on the way")?;
    forged(stage)?;
    flipped(stage)?;
    stage.run(&device("status"))
}

/// Refused by its signature before anything is written: not one bit of the disk changes.
fn forged(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let name = "update-3.0.bundle";
    let forged = tamper::forged(&read(name)?, "3.0", "9.0").ok_or_else(|| changed(name))?;
    write("forged.bundle", &forged)?;
    let before = Digest::of(&[&read(DISK)?]);
    stage.say("forged.bundle is update-3.0.bundle, but its manifest says 9.0.")?;
    stage.refused(&device("install forged.bundle"), Exit::NotAuthentic)?;
    same(before, Digest::of(&[&read(DISK)?]), DISK)?;
    stage.say(format!("Not one bit of the disk has changed.\nsha256sum disk.img, before and after:\n  {before}"))
}

/// Refused at the damaged chunk: the slot that was to be written is lost, the booted one is not touched.
fn flipped(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let name = "update-4.0.bundle";
    let (at, flipped) = tamper::flipped(&read(name)?).ok_or_else(|| changed(name))?;
    write("tampered.bundle", &flipped)?;
    let (start, size) = place(&stage.ask(&device("status"))?, "b").ok_or_else(|| changed(DISK))?;
    let before = slot_digest(start, size)?;
    stage.say(format!(
        "tampered.bundle is update-4.0.bundle with one bit of its image flipped, at byte {at}. Its signature is right."
    ))?;
    stage.refused(&device("install tampered.bundle"), Exit::NotAuthentic)?;
    same(before, slot_digest(start, size)?, "the booted slot")?;
    stage.say(format!(
        "Not one bit of slot b has changed, from which the device runs.\n\
         tail -c +{} disk.img | head -c {size} | sha256sum, before and after:\n  {before}",
        start + 1
    ))
}

/// The command line of a verb on the demo's device.
pub fn device(verb: &str) -> String {
    format!("{DEVICE} {verb}")
}

/// Start and size in bytes of a slot's first partition, from the document of `status`.
fn place(status: &Value, name: &str) -> Option<(usize, usize)> {
    let slot = status["slots"].as_array()?.iter().find(|slot| slot["name"] == name)?;
    let bytes = |key: &str| slot["partitions"][0][key].as_u64().and_then(|bytes| usize::try_from(bytes).ok());
    Some((bytes("start_bytes")?, bytes("size_bytes")?))
}

fn slot_digest(start: usize, size: usize) -> Result<Digest, Failure> {
    let disk = read(DISK)?;
    let slot = disk.get(start..).and_then(|rest| rest.get(..size)).ok_or_else(|| changed(DISK))?;
    Ok(Digest::of(&[slot]))
}

fn same(before: Digest, after: Digest, what: &str) -> Result<(), Failure> {
    if before == after {
        return Ok(());
    }
    let why = format!("{what} has changed: it was {before} and is {after}");
    Err(Failure::new(Exit::Io, "the demo stopped", why, "report this: it is a fault of the program"))
}

fn changed(name: &str) -> Failure {
    Failure::new(Exit::Io, "the demo stopped", format!("{name} is not what the demo made"), "leave its folder alone")
}

fn read(name: &str) -> Result<Vec<u8>, Failure> {
    fs::read(name).map_err(|error| unreadable(Path::new(name), &error))
}

/// Makes a file in the working folder.
pub fn write(name: &str, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(name, bytes).map_err(|error| unwritable(Path::new(name), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_found_in_the_document_of_status() {
        let partitions = serde_json::json!([{"start_bytes": 1024, "size_bytes": 4096}]);
        let status = serde_json::json!({"slots": [{"name": "a"}, {"name": "b", "partitions": partitions}]});
        assert_eq!(place(&status, "b"), Some((1024, 4096)));
        assert_eq!(place(&status, "a"), None);
        assert_eq!(place(&Value::Null, "a"), None);
    }

    #[test]
    fn a_change_of_the_booted_slot_would_be_told() {
        let [one, other] = [Digest::of(&[b"1"]), Digest::of(&[b"2"])];
        assert_eq!(same(one, one, DISK), Ok(()));
        assert!(same(one, other, DISK).unwrap_err().why.starts_with("disk.img has changed"));
    }
}
