//! A device that gets a bad update comes back by itself: each way in which a slot can be bad, on a real kernel.

use tests::answer::Exit;
use tests::cli::Cli;
use tests::guest::{Machine, boots};
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Cargo, Flaw, Kernel, Kit, Release};
use tests::guest_medium::Medium;

const ONE: Release = Release::of("1.0");
const TWO: Release = Release::of("2.0");

/// A device with 1.0 good on slot a, and a release on trial on slot b.
fn with_trial(board: Board, release: &Release) -> GuestDisk {
    let disk = GuestDisk::provisioned(board, &ONE.acts("json,off"));
    disk.install(release);
    disk
}

/// The slot fell back at once, for this reason, which stands on the console, in the report, and in `status`.
fn falls_back_at_once(disk: &GuestDisk, word: &str, reason: &str) -> String {
    let said = Machine::default().run(disk);
    assert!(said.contains(&format!("updater: slot b is passed over: {reason}")), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert!(said.contains(&format!(r#""passed_over":[{{"slot":"b","reason":"{word}""#)), "{said}");
    assert_eq!(disk.bits('b'), [0, 0, 0], "{said}");
    let status = disk.status();
    assert_eq!(status["last_fallback"]["slot"], "b", "{status}");
    assert_eq!(status["last_fallback"]["reason"], reason, "{status}");
    assert_eq!(status["next"], "a");
    said
}

/// The slot is booted until its tries are gone, then the other one.
fn falls_back_after_its_tries(disk: &GuestDisk) -> String {
    let said = Machine::default().run(disk);
    for left in ["2", "1", "0"] {
        assert!(said.contains(&format!("updater: slot b boots: version 2.0, trial, {left} tries left")), "{said}");
    }
    assert!(said.contains("updater: slot b is passed over: its tries ran out without a good boot"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert!(said.contains(r#""passed_over":[{"slot":"b","reason":"exhausted""#), "{said}");
    assert_eq!(disk.bits('b'), [2, 0, 0]);
    assert_eq!(disk.status()["last_fallback"]["reason"], "tries ran out");
    said
}

/// The same from its last try on: each of these kinds of failure spends one and restarts the machine by itself, once, and the old slot
/// boots. That there are three is seen above.
fn falls_back_after_its_last_try(disk: &GuestDisk) -> String {
    disk.set_bits('b', [2, 1, 0]);
    let said = Machine::default().run(disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 0 tries left"), "{said}");
    assert_eq!(said.matches("updater: slot b boots: ").count(), 1, "{said}");
    assert_eq!(boots(&said), 2, "the trial and the old slot, with one restart between them:\n{said}");
    assert!(said.contains("updater: slot b is passed over: its tries ran out without a good boot"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert_eq!(disk.bits('b'), [2, 0, 0]);
    said
}

#[test]
fn a_tampered_trailer() {
    let disk = with_trial(Board::default(), &TWO);
    // Inside the manifest: 60 bytes into the region that is the last 64 KiB.
    disk.damage('b', 16 + 60 - 65536);
    falls_back_at_once(&disk, "trailer", "its trailer is missing, damaged or not authentic");
}

#[test]
fn a_tampered_hash_tree() {
    let disk = with_trial(Board::default(), &TWO);
    let blocks = std::fs::metadata(disk.bundle(&TWO).replace(".bundle", ".image")).unwrap().len().div_ceil(4096);
    // Behind the data and the superblock.
    disk.damage('b', i64::try_from((blocks + 1) * 4096 + 5).unwrap());
    falls_back_at_once(&disk, "root-hash", "its hash tree does not have the signed root hash");
}

#[test]
fn a_tampered_superblock_of_the_file_system() {
    let disk = with_trial(Board::default(), &TWO);
    disk.damage('b', 1024);
    falls_back_at_once(&disk, "corruption", "a block does not match the hash tree");
}

#[test]
fn no_file_system() {
    let disk = with_trial(Board::default(), &TWO.flaw(Flaw::NoFileSystem));
    falls_back_at_once(&disk, "mount", "its root file system cannot be mounted");
}

#[test]
fn no_init() {
    let disk = with_trial(Board::default(), &TWO.flaw(Flaw::NoInit));
    falls_back_at_once(&disk, "no-init", "its root file system has no init");
}

#[test]
fn a_rollback_index_below_every_good_slot() {
    let one = ONE.acts("json,off").with(&["--rollback-index", "5"]);
    let disk = GuestDisk::provisioned(Board::default(), &one);
    let two = TWO.with(&["--rollback-index", "4"]);
    // Installing it is refused; whoever writes to the disk directly asks nobody.
    disk.set_bits('a', [0, 0, 0]);
    disk.cli(&["--booted", "none", "install", "--slot", "b", &disk.bundle(&two)]).exits(Exit::Done);
    disk.set_bits('a', [1, 3, 1]);
    disk.set_bits('b', [2, 3, 0]);
    falls_back_at_once(&disk, "rollback", "its rollback index is lower than that of every good slot");
}

#[test]
fn an_init_that_cannot_run() {
    let disk = with_trial(Board::default(), &TWO.flaw(Flaw::BadInit));
    let said = Machine::default().run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("updater: slot b: its root file system has no init ("), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert_eq!(disk.bits('b'), [0, 0, 0]);
}

#[test]
fn an_init_that_ends() {
    let said = falls_back_after_its_last_try(&with_trial(Board::default(), &TWO.acts("end")));
    assert!(said.contains("Attempted to kill init"), "{said}");
}

#[test]
fn a_kernel_panic() {
    let said = falls_back_after_its_last_try(&with_trial(Board::default(), &TWO.acts("panic")));
    assert!(said.contains("guest: panics"), "{said}");
}

#[test]
fn a_reboot_before_it_is_marked_good() {
    falls_back_after_its_tries(&with_trial(Board::default(), &TWO.acts("reboot")));
}

/// A file that is read as a whole only later is damaged.
fn rots(board: Board) -> String {
    let release = TWO.acts("read,hang");
    let disk = with_trial(board, &release);
    let bytes = std::fs::metadata(disk.bundle(&release).replace(".bundle", ".image")).unwrap().len();
    disk.damage('b', i64::try_from(bytes / 2).unwrap());
    falls_back_after_its_last_try(&disk)
}

#[test]
fn a_block_that_is_damaged_later_restarts_the_machine() {
    let said = rots(Board::default());
    assert!(said.contains("is corrupted") && !said.contains("Kernel panic"), "{said}");
}

#[test]
fn a_block_that_is_damaged_later_panics_where_the_profile_says_so() {
    let said = rots(Board { boot: "on-corruption = \"panic\"\n", ..Board::default() });
    assert!(said.contains("is corrupted"), "{said}");
    assert_eq!(said.matches("Kernel panic - not syncing: dm-verity").count(), 1, "{said}");
}

#[test]
fn a_system_that_hangs_is_reset_by_the_watchdog() {
    let watched = Board { more: "[boot.watchdog]\ntimeout-seconds = 4\n", ..Board::default() };
    falls_back_after_its_last_try(&with_trial(watched, &TWO.acts("hang")));
}

#[test]
fn a_watchdog_that_nobody_feeds_is_told_and_one_that_is_fed_lets_the_system_run() {
    let watched = Board { more: "[boot.watchdog]\ntimeout-seconds = 20\n", ..Board::default() };
    // More than twice as long as it waits; what comes before `feed` has to be done by then, on a machine with other work, too.
    let disk = with_trial(watched, &TWO.acts("mark-good,json,doctor,feed,status,json,doctor,idle-50,off"));
    let said = Machine::default().run(&disk);
    let warning = "warning: nobody feeds the watchdog /dev/watchdog0: it resets this machine 20 s after it was armed";
    assert_eq!(said.matches(warning).count(), 2, "{said}");
    let row =
        |state: &str| format!(r#""watchdog":{{"device":"/dev/watchdog0","state":"{state}","timeout_seconds":20}}"#);
    assert!(said.contains(&row("unfed")) && said.contains(&row("fed")), "{said}");
    let checked = |detail: &str| said.contains(&format!(r#"{{"name":"watchdog",{detail}"#));
    assert!(checked(r#""state":"error","detail":"/dev/watchdog0 runs, and nobody feeds it"#), "{said}");
    assert!(checked(r#""state":"ok","detail":"/dev/watchdog0 runs, and is fed""#), "{said}");
    assert!(said.contains("guest: doctor ended with 12") && said.contains("guest: doctor ended with 0"), "{said}");
    assert!(said.contains("guest: idle-50 ended"), "{said}");
    assert_eq!(said.matches(" boots: version ").count(), 1, "{said}");
}

#[test]
fn a_system_that_hangs_is_reset_by_the_watchdog_of_the_machine() {
    let more = "[boot.watchdog]\ndevice = \"/dev/watchdog0\"\ntimeout-seconds = 4\n";
    let disk = with_trial(Board { more, ..Board::with(Kernel::Full) }, &TWO.acts("watchdog,hang"));
    // Its last try.
    disk.set_bits('b', [2, 1, 0]);
    let said =
        Machine { devices: &["-device", "i6300esb", "-action", "watchdog=reset"], ..Machine::default() }.run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 0 tries left"), "{said}");
    assert!(said.contains("guest: watchdog i6300ESB timer") && said.contains("guest: hangs"), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted"), "{said}");
    assert_eq!(disk.bits('b'), [2, 0, 0]);
}

#[test]
fn a_kernel_that_stumbles() {
    let said = falls_back_after_its_last_try(&with_trial(Board::default(), &TWO.with_cargo(Cargo::Oops).acts("oops")));
    assert!(said.contains("invalid opcode") && said.contains("Kernel panic - not syncing: Fatal exception"), "{said}");
    assert!(!said.contains("guest: insmod ended"), "{said}");
}

#[test]
fn a_try_that_cannot_be_written() {
    let disk = with_trial(Board::default(), &TWO);
    let said = Machine { medium: Medium::FailsHeader, ..Machine::default() }.run(&disk);
    assert!(
        said.contains("updater: slot b is passed over: the try could not be spent (write at LBA 1 failed"),
        "{said}"
    );
    assert!(said.contains(r#""passed_over":[{"slot":"b","reason":"try-not-spent""#), "{said}");
    assert!(said.contains("updater: the try of slot a could not be spent: "), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted, 3 tries left"), "{said}");
    // The disk works again, and the trial has lost nothing.
    assert_eq!(disk.bits('b'), [2, 3, 0]);
    let said = Machine::does("off").run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
}

#[test]
fn a_disk_that_cannot_be_written() {
    let disk = with_trial(Board::default(), &TWO);
    let said = Machine { medium: Medium::ReadOnly, ..Machine::default() }.run(&disk);
    assert!(
        said.contains("updater: slot b is passed over: the try could not be spent (write at LBA 1 failed"),
        "{said}"
    );
    assert!(said.contains(r#""passed_over":[{"slot":"b","reason":"try-not-spent""#), "{said}");
    assert!(said.contains("updater: the try of slot a could not be spent: "), "{said}");
    assert!(said.contains("updater: slot a boots: version 1.0, counted, 3 tries left"), "{said}");
    assert_eq!((disk.bits('a'), disk.bits('b')), ([1, 3, 1], [2, 3, 0]));
}

/// A boot loader that knows nothing but its store names it again in each boot.
#[test]
fn a_good_slot_that_a_boot_loader_insists_on() {
    let boot = "spends-try = \"boot-loader\"\nloader = \"u-boot-env\"\n";
    let disk = with_trial(Board { boot, ..Board::default() }, &TWO);
    disk.set_bits('b', [2, 3, 1]);
    disk.damage('b', 16 + 60 - 65536);
    let said = Machine { words: "updater.slot=b", ..Machine::default() }.run(&disk);
    assert!(
        said.contains("updater: slot b is passed over: its trailer is missing, damaged or not authentic"),
        "{said}"
    );
    assert!(said.contains("updater: slot a boots: version 1.0, last-resort"), "{said}");
    assert_eq!((boots(&said), disk.bits('a'), disk.bits('b')), (1, [1, 3, 1], [2, 3, 1]), "{said}");
    // The command line still names b; the program knows what runs.
    assert!(said.contains(r#""booted":"a""#) && said.contains(r#""last_fallback":{"slot":"b""#), "{said}");
}

#[test]
fn a_bundle_of_another_board() {
    // A profile for boards of two kinds lets it in; this board's hook does not.
    let disk = GuestDisk::provisioned(Board::default(), &ONE.acts("json,off").with(&["--compatible", "other"]));
    let [other, bundle, key] = ["other.toml", "other.bundle", "maker.key"].map(|name| text(&Kit::shared().path(name)));
    let profile = std::fs::read_to_string(Kit::shared().profile(disk.board())).unwrap();
    std::fs::write(&other, profile.replace("compatible = \"guest\"", "compatible = \"other\"")).unwrap();
    let image = disk.bundle(&TWO).replace(".bundle", ".image");
    Cli::new(&["bundle", "create", "--quiet", "--image", &image, "--version", "2.0", "--compatible", "other"])
        .and(&["--key", &key, "-o", &bundle])
        .run()
        .exits(Exit::Done);
    disk.cli(&["install", &bundle]).exits(Exit::Refused);
    Cli::new(&["--quiet", "--profile", &other, "--disk", &text(&disk.path()), "install", &bundle])
        .run()
        .exits(Exit::Done);
    let said = falls_back_at_once(&disk, "trailer", "its trailer is missing, damaged or not authentic");
    assert!(said.contains("(the slot holds a bundle for another compatible than this device's)"), "{said}");
}

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}
