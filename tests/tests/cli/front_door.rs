//! What a newcomer meets first: help in two parts, verbs of other tools, completions, manual pages, and why a bundle was refused.

use std::fs;
use std::process::Command;

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::cli::Cli;
use tests::device::Device;
use tests::mounted::Mounted;
use tests::workshop::{MAKER, SECOND, STRANGER};

const COMMON: &str = "Options of every verb:";

#[test]
fn the_options_of_a_verb_come_before_the_common_ones() {
    let help = Cli::new(&["install", "--help"]).run().exits(Exit::Done);
    let (own, common) = help.stdout().split_once(COMMON).expect("both parts are there");
    let (common, examples) = common.split_once("Examples:").expect("examples follow");
    for option in ["--dry-run", "--no-activate", "--slot", "--timeout"] {
        assert!(own.contains(option) && !common.contains(option), "{option}: {}", help.stdout());
    }
    for option in ["--profile", "--disk", "--json", "--progress-fd"] {
        assert!(!own.contains(&format!("{option} ")) && common.contains(option), "{option}: {}", help.stdout());
    }
    assert!(examples.contains("updater-cli install --dry-run"), "{examples}");
    let whole = Cli::new(&["--help"]).run().exits(Exit::Done);
    assert!(whole.stdout().contains("   4  bundle not authentic or corrupt"), "{}", whole.stdout());
}

#[test]
fn verbs_of_other_tools_lead_to_ours() {
    for (theirs, ours) in [("flash", "`install FILE`"), ("mark", "`mark-good`"), ("set-primary", "`activate`")] {
        let answer = Cli::new(&["--json", theirs]).run().exits(Exit::Usage).says(ours);
        let error = &answer.json()["error"];
        assert_eq!(error["why"], format!("there is no verb '{theirs}'"));
        assert!(error["next"].as_str().unwrap().contains(ours), "{error}");
    }
    Cli::new(&["mark", "good"]).run().exits(Exit::Usage).says("`mark-good`");
    Cli::new(&["frobnicate"]).run().exits(Exit::Usage).says("unrecognized subcommand");
    let device = Device::new();
    assert_eq!(device.does(&["list"]), device.does(&["status"]));
    device.installs(2);
    let trial = device.booted("b");
    trial.does(&["confirm"]);
    assert_eq!(trial.state("b"), "good");
    let version = Cli::new(&["version"]).run().exits(Exit::Done);
    assert_eq!(version.stdout(), Cli::new(&["--version"]).run().exits(Exit::Done).stdout());
}

/// The shell itself reads the script, and completes with it.
#[test]
fn bash_completes_verbs_and_options() {
    let script = Cli::new(&["completions", "bash"]).run().exits(Exit::Done);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("updater-cli");
    fs::write(&file, script.stdout()).unwrap();
    let completed = |words: &str| {
        let ask = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             $(complete -p updater-cli | sed 's/.* -F //; s/ .*//') updater-cli \"${{COMP_WORDS[COMP_CWORD]}}\" \
             \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display()
        );
        let done = Command::new("bash").args(["-c", &ask]).output().expect("bash can be run");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("updater-cli inst"), ["install"]);
    assert_eq!(completed("updater-cli install --dry"), ["--dry-run"]);
    assert_eq!(completed("updater-cli install --trial m"), ["manual"]);
    for shell in ["zsh", "fish"] {
        let script = Cli::new(&["completions", shell]).run().exits(Exit::Done);
        assert!(script.stdout().contains("mark-good") && !script.stdout().contains("\\u{"), "{shell}");
    }
}

#[test]
fn manual_pages_have_their_sections() {
    let folder = tempfile::tempdir().unwrap();
    Cli::new(&["man", folder.path().to_str().unwrap()]).run().exits(Exit::Done);
    let page = |name: &str| {
        let shown = Command::new("groff").args(["-man", "-Tascii", "-ww"]).arg(folder.path().join(name)).output();
        let shown = shown.expect("groff is installed");
        assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{name}");
        let text = String::from_utf8(shown.stdout).unwrap();
        // groff shows bold by overstriking.
        text.split('\u{8}').enumerate().map(|(at, piece)| if at == 0 { piece } else { &piece[1..] }).collect::<String>()
    };
    let status = page("updater-cli-status.1");
    for section in ["STATES", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"] {
        assert!(status.lines().any(|line| line.contains(section)), "{section}: {status}");
    }
    assert!(status.contains("disarmed") && status.contains("/run/updater/boot.json"), "{status}");
    let install = page("updater-cli-install.1");
    assert!(!install.contains("STATES") && install.contains("resumes"), "{install}");
}

#[test]
fn a_server_without_its_scheme() {
    let device = Device::new();
    for name in ["updates.example:80/x.bundle", "updates.example/x.bundle"] {
        device.run(&["install", name]).exits(Exit::Usage).says("http://, https:// or oci:// before it");
    }
    let told = device.run(&["install", "missing.bundle"]).exits(Exit::Usage).says("check the path");
    assert!(!told.stderr().contains("http://"), "{}", told.stderr());
}

/// Unsigned, signed by others, signed by too few, and changed after it was signed: four texts.
#[test]
fn why_signatures_are_not_enough() {
    let device = Device::new();
    let workshop = device.workshop.clone();
    let signed_by = |keys: &[&'static str]| workshop.release(2).keys(keys).create().to_str().unwrap().to_owned();
    let why = |bundle: &str| {
        let answer = device.run(&["--json", "install", bundle]).exits(Exit::NotAuthentic);
        let error = answer.json()["error"].clone();
        let details: Vec<_> = error["details"].as_array().unwrap().iter().map(ToString::to_string).collect();
        (error["why"].as_str().unwrap().to_owned(), details)
    };
    let (none, details) = why(&signed_by(&[]));
    assert!(none.ends_with("it is not signed at all") && details.is_empty(), "{none}");
    let (other, details) = why(&signed_by(&[STRANGER]));
    assert!(other.contains("signed by another key"), "{other}");
    let stranger = workshop.key(STRANGER);
    let id = libupdate::bundle::writer::Signer::public_key(&stranger).id().to_string();
    assert!(details[0].contains("signed by") && details[0].contains(&id), "{details:?}");
    assert!(details[1].contains("trusted key"), "{details:?}");
    let changed = workshop.altered(|bytes| {
        let at = bytes.windows(3).position(|window| window == b"2.0").expect("the version is in the manifest");
        bytes[at] = b'3';
    });
    assert!(why(&changed).0.contains("changed after they signed it"), "{}", why(&changed).0);
    // The same of `verify`, of `provision`, and of two keys where one signed.
    let unsigned = signed_by(&[]);
    device.run(&["verify", &unsigned]).exits(Exit::NotAuthentic).says("not signed at all");
    device.run(&["provision", "--danger-overwrite", &unsigned]).exits(Exit::NotAuthentic).says("not signed at all");
    let one = signed_by(&[MAKER]);
    let both = Device::new().profile("both.toml");
    let said = both.run(&["verify", &one]).exits(Exit::NotAuthentic);
    said.says("1 of its 1 signatures names a trusted key");
    both.run(&["verify", &signed_by(&[SECOND, STRANGER])]).exits(Exit::NotAuthentic).says("1 of its 2 signatures");
}

#[test]
fn another_compatible_names_both() {
    let device = Device::new();
    let other = device.workshop.release(2).compatible("coffee-maker").create();
    let other = other.to_str().unwrap();
    for line in [["install", "--slot", "b", other], ["provision", "--size", "1M", other]] {
        let told = device.run(&line).exits(Exit::Refused).says("it is for coffee-maker, this device is ");
        assert!(told.stderr().contains("another compatible"), "{}", told.stderr());
    }
}

/// A new disk image on a full file system: said so, and nothing is left; the same disk where there is room.
#[test]
fn a_provision_that_fails_leaves_no_file() {
    let mounted = Mounted::tmpfs(600);
    let device = Device::new();
    let path = mounted.path().join("new.img");
    let new = device.on(&path);
    let size = tests::workshop::DISK_BYTES.to_string();
    let line = ["provision", "--size", &size, &device.workshop.bundle_text(1)];
    new.run(&line).exits(Exit::NoSpace).says("No space left on device").says("make room");
    assert!(!path.exists());
    mounted.grow(60_000);
    // Damaged in its middle: found when the disk is begun.
    let damaged = device.workshop.altered(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    new.run(&["provision", "--size", &size, &damaged]).exits(Exit::NotAuthentic);
    assert!(!path.exists());
    new.run(&line).exits(Exit::Done);
    assert_eq!(new.state("a"), "good");
}

/// What an operator meets in each state that wants something of them.
#[test]
fn status_explains_a_state_in_a_sentence() {
    let device = Device::with_sectors(BlockSize::B512);
    let told = |device: &Device| device.run(&["status"]).exits(Exit::Done).stdout().to_owned();
    assert!(!told(&device).contains(" is "), "{}", told(&device));
    let cut = device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    device.run(&["install", &cut]).exits(Exit::NotAuthentic);
    assert!(told(&device).contains("slot b is disarmed: an installation began there and did not end"));
    assert!(told(&device).contains("run `install` with the same bundle again"));
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(2)]);
    assert!(told(&device).contains("slot b is staged: ") && told(&device).contains("`activate` lets it boot next"));
    device.does(&["activate"]);
    assert!(told(&device).contains("slot b is trial: it boots as often as it has tries"));
    device.does(&["mark-bad", "--slot", "b"]);
    assert!(told(&device).contains("slot b is failed: a check or `mark-bad` found it bad"));
}

/// The configuration in docs/MIGRATING.md becomes what stands below it there, and a hook's configuration after that.
#[test]
fn the_configuration_of_rauc_in_the_documents_becomes_a_profile() {
    let document = fs::read_to_string(tests::tree::root().join("docs/MIGRATING.md")).unwrap();
    let block = document.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (rauc, profile, config) = (place("system.conf"), place("profile.toml"), place("hook.config"));
    fs::write(&rauc, block).unwrap();
    let import = ["profile", "import", "--rauc", &rauc, "-o", &profile];
    let told = Cli::new(&import).and(&["--json"]).run().exits(Exit::Done);
    let remarks = told.json()["remarks"].to_string();
    assert!(remarks.contains("/dev/mmcblk0p4 appfs-a, /dev/mmcblk0p5 appfs-b"), "{remarks}");
    let made = fs::read_to_string(&profile).unwrap();
    let told = document.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let words = told.lines().flat_map(|line| line.split("  ")).map(str::trim);
    let words = words.map(|word| word.trim_start_matches("rootfs: ").trim_start_matches("appfs: "));
    let settings: Vec<&str> = words.filter(|word| word.contains(" = ")).collect();
    assert_eq!(settings.len(), 6, "{settings:?}");
    for setting in settings {
        assert!(made.contains(setting), "{setting}: {made}");
    }
    // It is there: it is not replaced. With a key it is whole.
    Cli::new(&import).run().exits(Exit::Usage).says("it exists");
    fs::create_dir(folder.path().join("trust")).unwrap();
    Cli::new(&["keygen", "--out", &place("trust"), "--name", "release"]).run().exits(Exit::Done);
    Cli::new(&["--profile", &profile, "hook-config", "-o", &config]).run().exits(Exit::Done);
    fs::write(&rauc, "[system]\ncompatible=x\n").unwrap();
    Cli::new(&["profile", "import", "--rauc", &rauc]).run().exits(Exit::Usage).says("no slot has a bootname");
}
