//! `check` and `update`: whether a release is news for a device, from its head alone; a fraction of devices; the timer.

use std::fs;

use tests::answer::Exit;
use tests::device::Device;
use tests::nginx::Nginx;
use tests::tool;
use tests::tree;

fn serving(device: &Device, release: usize) -> (Nginx, String) {
    let server = Nginx::start("", &[]);
    server.put("stable.bundle", &fs::read(device.workshop.bundle(release)).unwrap());
    let url = server.url("stable.bundle");
    (server, url)
}

#[test]
fn news_is_known_from_the_head() {
    let device = Device::new();
    let (server, url) = serving(&device, 2);
    let before = device.bytes();
    let news = device.does(&["check", &url]);
    assert!(before == device.bytes(), "check wrote");
    let said = ["result", "version", "running_version"].map(|key| news[key].as_str().unwrap().to_owned());
    assert_eq!(said, ["newer", "2.0", "1.0"]);
    let asked = &server.asked(1)[0];
    assert_eq!((asked.range.as_str(), asked.bytes), ("bytes=0-65535", 65_536));
    let told = device.run(&["check", &url]).exits(Exit::Done);
    assert!(told.stdout().contains("2.0 (2.0 MiB) is newer: 1.0 runs"), "{told}");
}

#[test]
fn what_runs_or_waits_already_is_no_news() {
    let device = Device::new();
    let (_server, url) = serving(&device, 2);
    assert_eq!(device.does(&["update", &url])["result"], "armed");
    for verb in ["check", "update"] {
        device.run(&[verb, &url]).exits(Exit::Nothing).says("slot b holds 2.0, and is trial");
    }
    let device = device.booted("b");
    device.does(&["mark-good"]);
    for (bundle, runs) in [(url.as_str(), "2.0 runs"), (&device.workshop.bundle_text(1), "2.0 runs")] {
        device.run(&["update", bundle]).exits(Exit::Nothing).says(runs);
    }
    assert_eq!(device.next(), "b");
}

/// A run that was cut right before it armed the slot is gone on with; what is older than what waits is no news; and a pipe is read once.
#[test]
fn what_is_staged_is_armed_and_what_waits_is_not_replaced_by_less() {
    let device = Device::new();
    device.does(&["install", "--no-activate", &device.workshop.bundle_text(3)]);
    assert_eq!(device.state("b"), "staged");
    let two = device.workshop.bundle_text(2);
    device.run(&["update", &two]).exits(Exit::Nothing).says("slot b holds 3.0, and is staged");
    let three = fs::read(device.workshop.bundle(3)).unwrap();
    device.cli(&["update", "-", "--json"]).run_with_input(&three, &[4096]).exits(Exit::Done);
    assert_eq!((device.state("b").as_str(), device.next().as_str()), ("trial", "b"));
    device.run(&["update", &two]).exits(Exit::Nothing).says("slot b holds 3.0, and is trial");
}

/// A trial that runs has to be marked good first; and a person may want less than what runs.
#[test]
fn while_a_trial_runs_there_is_no_news_and_a_downgrade_is_one_if_it_is_wanted() {
    let device = Device::new();
    device.installs(2);
    let device = device.booted("b");
    for verb in ["check", "update"] {
        let answer = device.run(&[verb, &device.workshop.bundle_text(3)]);
        answer.exits(Exit::Nothing).says("slot b runs on trial, and is not marked good yet");
    }
    device.does(&["mark-good"]);
    let older = device.workshop.release(1).version("1.5").create();
    let older = older.to_str().unwrap();
    device.run(&["update", older]).exits(Exit::Nothing).says("2.0 runs");
    device.does(&["update", "--allow-downgrade", older]);
    assert_eq!(device.next(), "a");
}

/// What failed here is no news until a person says so; what is for others, or signed by nobody, is an error.
#[test]
fn what_cannot_be_installed() {
    let device = Device::new();
    let (_server, url) = serving(&device, 2);
    device.does(&["update", &url]);
    device.does(&["mark-bad", "--slot", "b"]);
    for verb in ["check", "update"] {
        device.run(&[verb, &url]).exits(Exit::Nothing).says("it failed here before, in slot b");
    }
    device.does(&["update", "--retry-failed", &url]);
    let device = Device::new();
    let other = device.workshop.release(2).compatible("another-box").create();
    device.refuses_untouched(&["check", other.to_str().unwrap()], Exit::Refused, "another-box");
    let forged = device.workshop.altered(|bytes| bytes[60] ^= 1);
    device.refuses_untouched(&["update", &forged], Exit::NotAuthentic, "signature");
    device.refuses_untouched(&["check", "/nowhere.bundle"], Exit::Usage, "No such file");
}

/// A machine is one of a fraction or not, by its own id; who asks for it by name gets it.
#[test]
fn a_release_for_some_devices() {
    let device = Device::new();
    let made = |percent: &str| device.workshop.release(2).with(&["--rollout", percent]).create();
    let [none, all] = ["0%", "100%"].map(|percent| made(percent).to_str().unwrap().to_owned());
    for verb in ["check", "update"] {
        device.run(&[verb, &none]).exits(Exit::Nothing).says("it is for 0.0 % of devices so far");
    }
    device.run(&["check", "--any-rollout", &none]).exits(Exit::Done);
    device.run(&["check", &all]).exits(Exit::Done);
    assert_eq!(device.does(&["info", &none])["rollout_thousandths"], 0);
    device.run(&["install", &none]).exits(Exit::Done);
    for wrong in ["101%", "x", "1.05%", "-1%"] {
        let recipe =
            ["bundle", "create", "--image", "x", "--version", "1", "--compatible", "x", "-o", "x", "--rollout"];
        let answer = tests::cli::Cli::new(&recipe).and(&[wrong]).run();
        answer.exits(Exit::Usage);
    }
    let more_than_all = |parts: &mut tests::bundle_parts::BundleParts| {
        let mut manifest = tests::raw_manifest::RawManifest::of(&parts.manifest);
        manifest.extensions = vec![(3, vec![0xe9, 3])];
        parts.manifest = manifest.encode();
    };
    let forged = device.workshop.forged(more_than_all);
    Device::new().refuses_untouched(&["check", &forged], Exit::NotAuthentic, "extension");
}

#[test]
fn the_units_are_as_systemd_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["updater-update.service", "updater-update.timer"] {
        let text = tree::text(std::path::Path::new("updater-cli/package/systemd").join(name).as_path());
        // The program is not installed here.
        fs::write(folder.path().join(name), text.replace("/usr/bin/updater-cli", "/bin/true")).unwrap();
    }
    let units =
        ["updater-update.service", "updater-update.timer"].map(|name| folder.path().join(name).display().to_string());
    tool::run("systemd-analyze", &[&["verify".to_owned(), "--man=no".to_owned()][..], &units].concat());
}

/// Head and image are two files on a server, and the head is judged before it is installed from.
#[test]
fn an_image_beside_its_head() {
    let device = Device::new();
    let bytes = tests::root_image::noise("raw", 1_000_001);
    let image = device.workshop.put_new("raw", &bytes);
    let head = device.workshop.release(2).image(&image).create_detached();
    let server = Nginx::start("", &[]);
    server.put("stable.raw", &bytes);
    server.put("stable.raw.manifest", &fs::read(head).unwrap());
    device.does(&["update", &server.url("stable.raw")]);
    assert!(device.partition("b").starts_with(&bytes));
    device.does(&["verify", "--slot", "b"]);
}
