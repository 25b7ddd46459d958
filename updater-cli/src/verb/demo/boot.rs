//! The fallback on a real kernel: the hook chooses, spends and falls back in a machine of qemu, and this program makes all that it needs.
//!
//! ```text
//!  kernel of this machine ┐
//!  hook, modules, key ────┴► initramfs.cpio ┐
//!  three versions ─► bundles ─► disk.img ───┴► qemu: 1.0 works
//!                    2.0 installed            qemu: 2.0 panics, again, again; the hook falls back; 1.0 works
//!                                             status: why
//! ```

use std::path::Path;

mod console;
mod guest;
mod init;
mod initramfs;
mod kernel;
mod modules;
mod pieces;
mod program;
mod qemu;
mod watch;

pub use pieces::{Pieces, Places};
pub use watch::Watched;

use self::init::Then;
use self::qemu::{Accelerator, INITRAMFS};
use super::ending::Leaves;
use super::image;
use super::stage::Stage;
use super::story::{PROFILE, bundles, device, write};
use crate::exit::{Exit, Failure};
use crate::output::Size;

/// How every line of the roots' init begins.
const SAYS: &str = "Demo OS ";
/// What the machine does with a panic is the profile's to say.
const BOOT: &str = "\n[boot]\npanic-seconds = 1\n";
/// What the hook says of a slot whose tries are gone.
const EXHAUSTED: &str = "updater: slot b is passed over: its tries ran out without a good boot";
/// And `status`, of the same.
const REASON: &str = "tries ran out";
const CONFIG: &str = "hook.config";
const VERSIONS: [(&str, Then); 3] = [("1.0", Then::PowersOff), ("2.0", Then::Ends), ("3.0", Then::PowersOff)];
const FAULT: &str = "report this: it is a fault of the program";
/// The files, for people.
const LEFT: &str = "  \
  disk.img                          the machine's disk; other tools read it too: sgdisk -p disk.img, cgpt show -i 2 -P disk.img
  initramfs.cpio                    the hook, its configuration, modules: cpio -tv <initramfs.cpio
  boot.sh                           starts the machine once more
  console.log                       all that the machine said, the kernel's own lines too
  demo.toml, vendor.pub             what the device knows: its board, and the key to trust; hook.config is both, for the hook
  vendor.key                        what only the vendor has
  root-*.squashfs, update-*.bundle  images and bundles of 1.0 to 3.0
";

/// Plays all of it in the working folder.
pub fn play(stage: &mut Stage<'_>, pieces: &Pieces) -> Result<Leaves, Failure> {
    workshop(stage)?;
    factory(stage, pieces)?;
    let accelerator = first_boot(stage, pieces)?;
    bad_update(stage)?;
    trials(stage, pieces, accelerator)?;
    why(stage)?;
    Ok(leaves())
}

fn workshop(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("In the workshop: a key, and bundles of three versions")?;
    for (version, then) in VERSIONS {
        let name = format!("root-{version}.squashfs");
        let failed = |why: String| Failure::new(Exit::Io, format!("cannot make {name}"), why, FAULT);
        let said = format!("{}\n", words(version, then));
        let init = init::program(&said, then).ok_or_else(|| failed("its words are too long".into()))?;
        let bytes = image::squashfs(version, &init).map_err(|error| failed(error.to_string()))?;
        write(&name, &bytes)?;
    }
    write("demo.toml", format!("{PROFILE}{BOOT}").as_bytes())?;
    stage.say(
        "Each version is a small root file system. Its init is a program of some 200 bytes: that of 1.0 and of 3.0 says so and\n\
         powers the machine off; that of 2.0 has a bug, it ends, and without a first process the kernel panics.",
    )?;
    bundles(stage, VERSIONS.map(|(version, _)| version))
}

/// What the init of a version says.
fn words(version: &str, then: Then) -> String {
    match then {
        Then::PowersOff => format!("{SAYS}{version}: works, and powers off"),
        Then::Ends => format!("{SAYS}{version}: has a bug, its init ends"),
    }
}

fn factory(stage: &mut Stage<'_>, pieces: &Pieces) -> Result<(), Failure> {
    stage.act("In the factory: a disk with 1.0 in its first slot, and an initramfs with the hook")?;
    stage.run(&device("provision --size 64M update-1.0.bundle"))?;
    stage.run(&format!("updater-cli --profile demo.toml hook-config -o {CONFIG}"))?;
    let archive = initramfs::of(&pieces.hook, Path::new(CONFIG), &pieces.modules)?;
    write(INITRAMFS, &archive)?;
    let names = pieces.modules.iter().filter_map(|file| file.file_stem()).map(|name| name.display().to_string());
    stage.say(format!(
        "Made here: {INITRAMFS} ({}), of\n  the hook as /init    {}\n  its configuration    {CONFIG}: demo.toml and vendor.pub\n  \
         modules              {}: {}",
        Size(libupdate::units::bytes::len_u64(&archive)),
        pieces.hook.display(),
        pieces.release,
        names.collect::<Vec<_>>().join(" "),
    ))
}

fn first_boot(stage: &mut Stage<'_>, pieces: &Pieces) -> Result<Accelerator, Failure> {
    stage.act("The machine boots: the hook chooses slot a, and 1.0 works")?;
    stage.say(
        "qemu starts that kernel with that initramfs. The hook spends a try, checks the slot's signature, maps it with dm-verity,\n\
         mounts it and hands over. Of the console you see the lines that tell of it; all of them go to console.log.",
    )?;
    let wanted = [boots("a", "1.0", "counted, 2"), words("1.0", Then::PowersOff)];
    let accelerator = watch::first(stage, &pieces.kernel, &wanted)?;
    stage.say(
        "Its init is too small to say that the system is healthy, as a service of a real one does. It is said from here, with\n\
         the machine off; slot a has all its tries back.",
    )?;
    stage.run(&device("--booted a mark-good"))?;
    Ok(accelerator)
}

fn bad_update(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("2.0 is installed into slot b, on trial")?;
    stage.say("On a device the same command runs in 1.0.")?;
    stage.run(&device("install update-2.0.bundle"))
}

fn trials(stage: &mut Stage<'_>, pieces: &Pieces, accelerator: Accelerator) -> Result<(), Failure> {
    stage.act("2.0 panics three times, and the hook falls back to 1.0")?;
    stage.say(
        "Nobody touches the machine now. Before each trial boot the hook takes one of three tries from the partition table. The kernel\n\
         panics, and restarts the machine after panic-seconds of demo.toml. When no try is left, the hook passes slot b over.",
    )?;
    let mut wanted = Vec::new();
    for left in ["2", "1", "0"] {
        let panic = "Kernel panic - not syncing: Attempted to kill init!".to_owned();
        wanted.extend([boots("b", "2.0", &format!("trial, {left}")), words("2.0", Then::Ends), panic]);
    }
    wanted.extend([EXHAUSTED.to_owned(), boots("a", "1.0", "counted, 2"), words("1.0", Then::PowersOff)]);
    watch::again(stage, accelerator, &pieces.kernel, &wanted)
}

/// What the hook says as it hands over to a slot.
fn boots(slot: &str, version: &str, kind_and_tries: &str) -> String {
    format!("updater: slot {slot}{}{version}, {kind_and_tries} tries left", console::BOOTS)
}

/// The console has told it; the disk must say the same.
fn why(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.act("Why: it is on the disk")?;
    stage.run(&device("status"))?;
    let status = stage.ask(&device("status"))?;
    let fallback = &status["last_fallback"];
    let slots = status["slots"].as_array().map(Vec::as_slice).unwrap_or_default();
    let state = |name: &str| slots.iter().find(|slot| slot["name"] == name).map(|slot| &slot["state"]);
    let fell_back = status["next"] == "a" && fallback["slot"] == "b" && fallback["reason"] == REASON;
    if fell_back && state("b").is_some_and(|state| state == "exhausted") {
        return Ok(());
    }
    let why = format!("the guest has fallen back, and `status` does not say so: {status}");
    Err(Failure::new(Exit::Io, "the demo stopped", why, FAULT))
}

/// What is left, and what can be done with it.
fn leaves() -> Leaves {
    let qemu = format!("sh {}", watch::SCRIPT);
    let row = |command: String, does| (command, does);
    let next = vec![
        row(device("install update-3.0.bundle"), "the version with the fix"),
        row(qemu.clone(), "its trial boot"),
        row(device("status"), "one try is spent"),
        row(device("--booted b mark-good"), "it works"),
        row(qemu, "3.0 again, no longer on trial"),
        row(device("status --json"), "for scripts"),
    ];
    Leaves { files: LEFT, next }
}
