//! Names that would act upon a terminal: in paths, in bundles, in tables, in reasons. [`tests::answer::Answer::new`] holds every run of
//! every test to the rule that nothing of the kind comes out; here such names are what goes in.

use std::fs;

use tests::answer::Exit;
use tests::cli::Cli;
use tests::device::Device;
use tests::table_oracle::TableOracle;
use tests::tool;
use tests::workshop::{MAKER, Workshop};

/// Clears the screen, sets a title, rings, overwrites the line, and turns the direction of writing.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;mine\u{7}\r\u{9b}31m\u{202e}txt\u{2066}\u{200b}\n";
const ESCAPED: &str = "\\u{1b}[2J\\u{1b}]0;mine\\u{7}\\r\\u{9b}31m\\u{202e}txt";

#[test]
fn paths_are_escaped() {
    let device = Device::new();
    let path = device.put_file(HOSTILE, b"not a bundle");
    let path = path.to_str().unwrap();
    device.run(&["install", path]).exits(Exit::NotAuthentic).says(ESCAPED);
    device.run(&["install", &format!("/nowhere/{HOSTILE}")]).exits(Exit::Usage).says(ESCAPED);
    device.run(&["install", &format!("https://{HOSTILE}")]).exits(Exit::Usage).says(ESCAPED);
    device.run(&["verify", path]).exits(Exit::NotAuthentic).says(ESCAPED);
    device.run(&["--trust", path, "install", path]).exits(Exit::Usage).says(ESCAPED);
    Cli::new(&["info", path]).run().exits(Exit::NotAuthentic).says(ESCAPED);
    for line in [&["--profile", path, "status"][..], &["--profile", path, "--json", "status"]] {
        Cli::new(line).run().exits(Exit::Usage).says(ESCAPED);
    }
    let disk = device.on(device.put_file(&format!("disk{HOSTILE}"), &device.bytes()).as_path());
    for line in [&["status"][..], &["status", "--json"], &["repair"]] {
        disk.run(line).exits(Exit::Done);
    }
    disk.run(&["install", path]).exits(Exit::NotAuthentic);
    assert!(disk.run(&["status"]).stdout().contains(ESCAPED));
}

#[test]
fn arguments_are_escaped() {
    let device = Device::new();
    for line in [
        &[HOSTILE][..],
        &["install", "--slot", HOSTILE, "x"],
        &["--booted", HOSTILE, "status"],
        &["--sector-size", HOSTILE, "status"],
        &["--progress", HOSTILE, "status"],
        &["status", HOSTILE],
        &["status", &format!("--{HOSTILE}")],
    ] {
        device.run(line).exits(Exit::Usage);
        let told = device.cli(&["--json"]).and(line).run().exits(Exit::Usage).json();
        assert_eq!(told["error"]["class"], "usage", "{told}");
    }
    let workshop = Workshop::shared();
    let image = workshop.image(3).path.to_str().unwrap().to_owned();
    let out = workshop.text("never.bundle");
    for (version, compatible) in [(HOSTILE, "x"), ("1", HOSTILE)] {
        let line =
            ["bundle", "create", "--image", &image, "--version", version, "--compatible", compatible, "-o", &out];
        Cli::new(&line).run().exits(Exit::Usage);
        assert!(!workshop.path("never.bundle").exists());
    }
    Cli::new(&["keygen", "--out", &workshop.text("."), "--name", HOSTILE]).run().exits(Exit::Usage);
}

/// A name that the format does not allow never gets as far as a terminal, not even by way of `info` without a key.
#[test]
fn names_in_a_bundle_are_refused() {
    let device = Device::new();
    for (field, change) in [("version", 0), ("compatible", 1), ("role", 2)] {
        let bundle = device.workshop.restated(|manifest| match change {
            0 => manifest.version = HOSTILE.into(),
            1 => manifest.compatible[0] = HOSTILE.into(),
            _ => manifest.payloads[0].role = HOSTILE.into(),
        });
        Cli::new(&["info", &bundle]).run().exits(Exit::NotAuthentic).says("outside [A-Za-z0-9._+~-]");
        let answer = device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, "outside [A-Za-z0-9._+~-]");
        assert!(!answer.stderr().contains("mine"), "{field}\n{answer}");
    }
}

/// A profile of the workshop with another label for the slots, as TOML writes it.
fn labelled(device: &Device, toml: &str) -> String {
    let profile = fs::read_to_string(device.workshop.path("profile.toml")).unwrap();
    let key = format!("{:?}", device.workshop.text(&format!("{MAKER}.pub")));
    let profile = profile.replace("root-{slot}", toml).replace(&format!("\"{MAKER}.pub\""), &key);
    device.put_file("labelled.toml", profile.as_bytes()).to_str().unwrap().to_owned()
}

#[test]
fn labels_with_control_characters_are_refused_in_the_profile() {
    let device = Device::new();
    for label in ["ro\\u001bot-{slot}", "root\\nUPDATER_SLOT=c-{slot}", "\\u009b{slot}"] {
        let profile = labelled(&device, label);
        Cli::new(&["--profile", &profile, "status"]).run().exits(Exit::Usage).says("without control characters");
    }
}

/// A boot script evaluates what `choose` prints: whatever stands in a label, it is one word of it.
#[test]
fn a_shell_can_evaluate_what_choose_prints() {
    let device = Device::new();
    let label = "it's; $(touch x) `id` &\"{slot}";
    let profile = labelled(&device, &label.replace('"', "\\\""));
    let disk = device.put_file("labelled.img", &[]);
    fs::remove_file(&disk).unwrap();
    let size = device.bytes().len().to_string();
    let cli = || Cli::new(&["--profile", &profile, "--disk", disk.to_str().unwrap()]);
    cli().and(&["provision", "--size", &size, &device.workshop.bundle_text(1)]).run().exits(Exit::Done);
    let lines = cli().and(&["choose"]).run().exits(Exit::Done);
    let script = "eval \"$1\"; printf '%s|%s|%s' \"$UPDATER_SLOT\" \"$UPDATER_ROOT_LABEL\" \"$UPDATER_ROOT_NUMBER\"";
    let told = tool::run_silent("sh", &["-c", script, "sh", lines.stdout()]);
    assert_eq!(told, format!("a|{}|1", label.replace("{slot}", "a")));
}

/// What an operator gives as a reason ends on the disk, and comes back in `status`.
#[test]
fn reasons_are_made_printable() {
    let device = Device::new();
    device.installs(2);
    device.does(&["mark-bad", "--slot", "b", "--reason", HOSTILE]);
    let status = device.status();
    let detail = status["last_fallback"]["detail"].as_str().unwrap();
    assert!(detail.contains("[2J") && detail.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{detail:?}");
    assert!(device.run(&["status"]).exits(Exit::Done).stdout().contains(detail));
}

/// Labels in the table that are none of the profile's are nobody's business.
#[test]
fn foreign_labels_in_the_table_are_not_shown() {
    let device = Device::new();
    TableOracle::of(&device).sgdisk(&["--change-name=3:\u{1b}[2Jmine"]);
    for line in [&["status"][..], &["repair"], &["choose"]] {
        let answer = device.run(line).exits(Exit::Done);
        assert!(!answer.stdout().contains("mine") && !answer.stderr().contains("mine"), "{answer}");
    }
}
