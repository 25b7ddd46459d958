//! Trials that a person confirms, trials that are taken back, and the words on a slot, as the program is run.

use serde_json::Value;
use tests::answer::Exit;
use tests::device::Device;

/// A device with release 0 good on a, and release 1 on b, on trial, a person asked or not.
fn on_trial(options: &[&str]) -> Device {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(1);
    device.does(&[&["install"], options, &[bundle.as_str()]].concat());
    assert_eq!(device.state("b"), "trial");
    device.booted("b")
}

fn asked(device: &Device) -> Value {
    device.status()["slots"][1]["confirm_seconds"].clone()
}

#[test]
fn the_question_is_on_the_slot_until_the_next_install_takes_it_back() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(1);
    let document = device.does(&["install", "--no-activate", "--trial", "manual", "--within", "90", &bundle]);
    assert_eq!((&document["result"], &document["confirm_seconds"]), (&"staged".into(), &90.into()));
    assert_eq!(asked(&device), 90);
    device.does(&["activate"]);
    assert_eq!((device.state("b").as_str(), asked(&device)), ("trial", 90.into()));
    // Marked good, nobody is asked any more; written anew, nobody is asked.
    device.does(&["mark-good", "--slot", "b", "--danger-untried"]);
    assert_eq!(asked(&device), Value::Null);
    let staged = Device::new();
    staged.does(&["install", "--no-activate", "--trial", "manual", &bundle]);
    assert_eq!(asked(&staged), 600);
    staged.does(&["install", &bundle]);
    assert_eq!((staged.state("b").as_str(), asked(&staged)), ("trial", Value::Null));
}

#[test]
fn a_word_on_the_slot_does_not_take_the_question_away() {
    let device = on_trial(&["--trial", "manual", "--within", "1"]);
    device.does(&["note", "restarted"]);
    assert_eq!(asked(&device), 1);
    device.run(&["mark-good", "--unattended"]).exits(Exit::Refused);
    assert_eq!(device.state("b"), "failed");
}

#[test]
fn who_confirms_can_be_changed_while_the_slot_is_armed() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(1);
    device.does(&["install", &bundle]);
    let document = device.does(&["install", "--trial", "manual", &bundle]);
    assert_eq!((&document["result"], &document["confirm_seconds"]), (&"armed".into(), &600.into()));
    assert_eq!((device.state("b").as_str(), asked(&device)), ("trial", 600.into()));
    device.run(&["install", "--trial", "manual", &bundle]).exits(Exit::Nothing);
    device.does(&["install", &bundle]);
    assert_eq!(asked(&device), Value::Null);
    device.run(&["install", &bundle]).exits(Exit::Nothing);
}

#[test]
fn the_time_that_a_person_has_is_between_a_second_and_a_week() {
    let device = Device::new();
    let bundle = device.workshop.bundle_text(1);
    for seconds in ["0", "604801", "-1", "soon"] {
        device.run(&["install", "--trial", "manual", &format!("--within={seconds}"), &bundle]).exits(Exit::Usage);
    }
    assert_eq!(device.state("b"), "empty");
}

#[test]
fn unattended_marks_at_once_where_nobody_is_asked() {
    let device = on_trial(&[]);
    device.does(&["mark-good", "--unattended"]);
    assert_eq!(device.state("b"), "good");
}

#[test]
fn unattended_takes_the_slot_out_where_nobody_answers() {
    let device = on_trial(&["--trial", "manual", "--within", "1"]);
    let answer = device.cli(&["mark-good", "--unattended", "--json"]).run().exits(Exit::Refused);
    let answer = answer.says("nobody confirmed it within 1 s").says("slot b waits for a person");
    // It was not left alone: it is out of the boot order.
    assert!(!answer.stderr().contains("untouched"), "{answer}");
    assert_eq!(device.state("b"), "failed");
    let fallback = &device.status()["last_fallback"];
    assert_eq!(
        (&fallback["reason"], &fallback["detail"]),
        (&"nobody confirmed it in time".into(), &"within 1 s".into())
    );
}

#[test]
fn a_note_is_left_on_a_trial_and_on_nothing_else() {
    let device = on_trial(&[]);
    let slot = |device: &Device| device.partition("b");
    let before = slot(&device);
    let document = device.does(&["note", "health-check", "20-app: \u{1b}[2J failed"]);
    assert_eq!((&document["reason"], &document["tries_left"]), (&"health-check".into(), &3.into()));
    // One block of the running slot, in its trailer region, and no other.
    let after = slot(&device);
    let changed: Vec<usize> =
        (0..before.len() / 4096).filter(|n| before[n * 4096..][..4096] != after[n * 4096..][..4096]).collect();
    assert_eq!(changed, [before.len() / 4096 - 8]);
    assert_eq!(device.state("b"), "trial");
    device.does(&["mark-good"]);
    device.cli(&["note", "restarted", "--json"]).run().fails(Exit::Nothing, "slot b is good, not on trial");
    device.run(&["note", "bored"]).exits(Exit::Usage);
    device.does(&["mark-bad", "--reason", "smoke"]);
    let fallback = &device.status()["last_fallback"];
    assert_eq!((&fallback["reason"], &fallback["detail"]), (&"marked bad by an operator".into(), &"smoke".into()));
}

/// Nothing is left of a trial that was taken back but its blocks: it is no failure, nothing arms it, and the same bundle is installed again
/// without a chunk written.
#[test]
fn a_cancelled_trial_is_installed_again_as_if_it_had_never_been() {
    for options in [&[][..], &["--no-activate"], &["--trial", "manual"]] {
        let device = Device::new();
        let bundle = device.workshop.bundle_text(2);
        let before = device.slot("a");
        device.does(&[&["install"], options, &[bundle.as_str()]].concat());
        let status = device.does(&["cancel"]);
        assert_eq!((&status["booted"], &status["next"]), (&"a".into(), &"a".into()));
        let row = device.slot("b");
        assert_eq!((row.state.as_str(), row.bits, row.version), ("disarmed", [0, 1, 0], None));
        assert_eq!((device.slot("a"), &device.status()["last_fallback"]), (before, &Value::Null));
        device.refuses_untouched(&["activate"], Exit::Refused, "no slot is staged");
        device.refuses_untouched(&["verify", "--slot", "b"], Exit::NotAuthentic, "was not finished");
        device.refuses_untouched(&["cancel"], Exit::Nothing, "no slot is armed or staged");
        let done = device.does(&["install", &bundle]);
        assert_eq!((&done["result"], &done["kept_bytes"]), (&"armed".into(), &done["total_bytes"]));
        assert_eq!((device.state("b").as_str(), asked(&device)), ("trial", Value::Null));
    }
}

#[test]
fn what_cannot_be_cancelled_says_why() {
    let device = Device::new();
    for (slot, state) in [("a", "good"), ("b", "empty")] {
        device.refuses_untouched(&["cancel", "--slot", slot], Exit::Nothing, &format!("slot {slot} is {state}"));
    }
    device.refuses_untouched(&["cancel", "--slot", "c"], Exit::Refused, "the profile has no slot c");
    device.installs(2);
    device.does(&["mark-bad", "--slot", "b"]);
    device.refuses_untouched(&["cancel", "--slot", "b"], Exit::Nothing, "slot b is failed");
    // What runs is judged, not taken back; also with its last try spent.
    let device = on_trial(&[]);
    for spent in 0..=3 {
        let fails = |line: &[&str], exit, why| device.cli(line).and(&["--json"]).run().fails(exit, why);
        fails(&["cancel"], Exit::Nothing, "slot b is on trial and runs already");
        fails(&["cancel", "--slot", "b"], Exit::Refused, "slot b is the booted one");
        if spent < 3 {
            device.does(&["choose", "--spend"]);
        }
    }
    // Without another good slot nothing is taken away.
    let device = Device::new();
    device.installs(2);
    let trailer = device.slot("a").start + device.slot("a").size - 65536;
    device.flip(trailer);
    let why = "no slot beside b is good";
    device.cli(&["--booted", "a", "cancel", "--json"]).run().fails(Exit::Refused, why);
}

/// An armed slot whose trailer is gone holds nothing to be marked; it is disarmed all the same.
#[test]
fn an_armed_slot_without_a_trailer_is_disarmed() {
    let device = Device::new();
    device.installs(2);
    let row = device.slot("b");
    device.flip(row.start + row.size - 65536 + 20);
    assert_eq!((device.state("b").as_str(), device.slot("b").bits), ("unverified", [2, 3, 0]));
    device.does(&["cancel"]);
    assert_eq!(device.slot("b").bits, [0, 1, 0]);
    device.refuses_untouched(&["cancel"], Exit::Nothing, "no slot is armed or staged");
    device.installs(2);
    assert_eq!(device.state("b"), "trial");
}
