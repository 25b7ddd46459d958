//! Every document that the program prints for programs is as `docs/schema.json` says, key by key.

use std::collections::BTreeSet;
use std::fs;

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::{Answer, Exit};
use tests::cli::Cli;
use tests::device::Device;
use tests::loop_board::Board;
use tests::schema::{self, Cases};
use tests::tree;

/// Verbs whose document is another one's.
const AS_OTHERS: [&str; 7] = ["activate", "cancel", "mark-bad", "mark-good", "provision", "rollback", "update"];

/// Runs a verb with `--json` and takes its document, which is the error's where it fails.
fn run(cases: &mut Cases, name: &str, cli: Cli) -> Answer {
    let answer = cli.and(&["--json"]).run();
    let name = if answer.code() == Some(Exit::Done.code()) { name } else { "error" };
    cases.add(name, answer.json());
    answer
}

/// The verbs on disks.
fn of_slots(cases: &mut Cases) {
    let device = Device::new();
    let bundles = [1, 2, 3].map(|release| device.workshop.bundle_text(release));
    let cut = device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    let lines: [(&str, &[&str]); 26] = [
        ("check", &["check", &bundles[1]]),
        ("install", &["update", "--dry-run", &bundles[1]]),
        ("status", &["status"]),
        ("install", &["install", "--dry-run", &bundles[1]]),
        ("install", &["install", &cut]),
        ("install", &["install", "--no-activate", &bundles[1]]),
        ("verify", &["verify", "--slot", "b"]),
        ("status", &["activate"]),
        ("choose", &["choose"]),
        ("install", &["install", &bundles[1]]),
        ("status", &["cancel"]),
        ("install", &["install", "--trial", "manual", &bundles[1]]),
        ("choose", &["choose", "--spend"]),
        ("note", &["note", "restarted", "--booted", "b"]),
        ("note", &["note", "restarted", "--booted", "a"]),
        ("status", &["status", "--booted", "b"]),
        ("status", &["mark-good", "--booted", "b"]),
        ("status", &["rollback", "--booted", "b"]),
        ("status", &["mark-bad", "--booted", "b", "--slot", "a"]),
        ("status", &["mark-bad", "--booted", "b"]),
        ("status", &["status", "--booted", "b"]),
        ("repair", &["repair"]),
        ("log", &["log"]),
        ("verify", &["verify", "--slot", "z"]),
        ("status", &["provision", "--danger-overwrite", &bundles[0]]),
        ("verify", &["verify", "--slot", "b"]),
    ];
    for (name, line) in lines {
        run(cases, name, device.cli(line));
    }
    device.flip(512 + 16);
    run(cases, "status", device.cli(&["status"]));
    run(cases, "repair", device.cli(&["repair"]));
    fs::write(device.disk(), vec![0; 1 << 20]).unwrap();
    for verb in ["status", "repair", "choose", "mark-good"] {
        run(cases, verb, device.cli(&[verb]));
    }
    run(cases, "repair", Cli::new(&["repair", "--disk", "/nowhere"]));
}

/// The verbs on bundles and keys, and the rest.
fn of_files(cases: &mut Cases) {
    let device = Device::new();
    let workshop = &device.workshop;
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (out, key, public) = (place("out"), place("new.key"), place("new.pub"));
    let (bundle, image) = (workshop.bundle_text(2), workshop.image(2).path.to_str().unwrap().to_owned());
    let (trusted, strange) = (workshop.text("maker.pub"), workshop.text("stranger.pub"));
    let (config, demo, pages, message) = (place("hook.config"), place("demo"), place("man"), place("message"));
    let (signature, rauc, imported) = (place("signature"), place("system.conf"), place("profile.toml"));
    fs::write(&rauc, "[system]\ncompatible=x\n[slot.r.0]\nbootname=A\n[slot.r.1]\nbootname=B\n").unwrap();
    let create = ["bundle", "create", "--image", &image, "--version", "9", "--compatible", "x", "-o", &out];
    let packed = place("packed");
    let pack = [&create[..8], &["-o", &packed, "--pack", "p", "--level", "1", "--fits", "9", "--restart", "x.service"]]
        .concat();
    let lines: [(&str, &[&str]); 22] = [
        ("keygen", &["keygen", "--out", &place(""), "--name", "new"]),
        ("keygen", &["keygen", "--out", &place(""), "--name", "new"]),
        ("bundle-create", &create),
        ("bundle-create", &create),
        ("bundle-digest", &["bundle", "digest", &out, "-o", &message]),
        ("bundle-digest", &["bundle", "digest", "/nowhere"]),
        ("info", &["info", &bundle]),
        ("info", &["info", &bundle, "--trust", &trusted]),
        ("info", &["info", &bundle, "--trust", &strange]),
        ("info", &["info", "/nowhere"]),
        ("bundle-create", &pack),
        ("info", &["info", &packed]),
        ("verify", &["verify", &bundle, "--trust", &trusted]),
        ("verify", &["verify", &bundle, "--trust", &strange]),
        ("hook-config", &["hook-config", "--profile", &workshop.text("profile.toml"), "-o", &config]),
        ("hook-config", &["hook-config", "--profile", "/nowhere", "-o", &config]),
        ("man", &["man", &pages]),
        ("completions", &["completions", "fish"]),
        ("version", &["version"]),
        ("profile-import", &["profile", "import", "--rauc", &rauc, "-o", &imported]),
        ("demo", &["demo", &demo]),
        ("error", &["no-such-verb"]),
    ];
    for (name, line) in lines {
        run(cases, name, Cli::new(line));
    }
    let registry = tests::registry::Registry::start();
    run(cases, "bundle-push", Cli::new(&["bundle", "push", &bundle, &registry.reference("x:2")]));
    run(cases, "bundle-push", Cli::new(&["bundle", "push", "/nowhere", "oci://localhost/x"]));
    tests::tool::run("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &signature, &message]);
    let attach = ["bundle", "attach-signature", &out, "--signature", &signature, "--public-key"];
    run(cases, "bundle-attach-signature", Cli::new(&attach).and(&[&public]));
    run(cases, "bundle-attach-signature", Cli::new(&attach).and(&[&strange]));
}

/// What only a device has: its history, its last result, its hook's report.
fn of_a_device(cases: &mut Cases) {
    let board = Board::new(BlockSize::B512);
    let bundle = board.device.workshop.bundle_text(2);
    let mut take = |name: &str, line: &[&str]| {
        let answer = board.run(&[line, &["--json"]].concat());
        // `doctor` says of a device that is not in order what it says of every other.
        let told = answer.code() == Some(0) || answer.code() == Some(Exit::Unfit.code());
        cases.add(if told { name } else { "error" }, answer.json());
    };
    take("install", &["install", &bundle, "--booted", "a"]);
    take("install", &["install", "/nowhere", "--booted", "a"]);
    take("install", &["install", &bundle]);
    for line in [&["log"][..], &["log", "--all-disks"]] {
        take("log", line);
    }
    take("log-verify", &["log", "--verify"]);
    for line in [&["offline", "status"][..], &["offline", "cancel"], &["offline", "prepare", &bundle, "--booted", "a"]]
    {
        take("offline", line);
    }
    take("offline", &["offline", "trigger", "--booted", "a"]);
    take("offline", &["offline", "cancel"]);
    take("log", &["offline", "log"]);
    let pack = tests::pack::Pack::named("hotfix", 1).make(&board.device.workshop);
    for line in [&["pack", "list"][..], &["pack", "check", &pack], &["pack", "install", "--no-merge", &pack]] {
        let name = if line[1] == "list" { "pack".to_owned() } else { format!("pack-{}", line[1]) };
        take(&name, &[line, &["--booted", "a"]].concat());
    }
    take("pack", &["pack", "list", "--booted", "a"]);
    take("status", &["status", "--booted", "a"]);
    take("pack", &["pack", "remove", "hotfix", "--booted", "a"]);
    take("pack", &["pack", "purge", "--booted", "a"]);
    take("overlay-act", &["overlay", "create", "--keep", "boot", "--name", "one", "--booted", "a"]);
    take("overlay-act", &["overlay", "add", "/usr/share/updater-schema=/proc/version", "--booted", "a"]);
    let archive = board.system.path().join("run/archive");
    fs::remove_file(&archive).unwrap_or_default();
    take("overlay-backup", &["overlay", "backup", "one", "-o", "/run/archive", "--booted", "a"]);
    for line in [&["list"][..], &["list", "one"]] {
        take("overlay", &[&["overlay"], line].concat());
    }
    take("status", &["status", "--booted", "a"]);
    take("overlay-check", &["overlay", "check", "--booted", "a"]);
    take("overlay-optimize", &["overlay", "optimize", "one", "--booted", "a"]);
    take("overlay-act", &["overlay", "remove", "one", "--booted", "a"]);
    take("doctor", &["doctor"]);
    for line in fs::read_to_string(board.system.path().join("lib/updater/history.jsonl")).unwrap().lines() {
        cases.add("entry", serde_json::from_str(line).unwrap());
    }
}

/// The lines of `--progress json`.
fn of_progress(cases: &mut Cases) {
    let device = Device::new();
    let answer = device.run(&["install", &device.workshop.bundle_text(2), "--progress", "json"]).exits(Exit::Done);
    let lines = answer.stderr().lines().filter(|line| line.starts_with('{'));
    lines.for_each(|line| cases.add("progress", serde_json::from_str(line).unwrap()));
}

/// The example of the hook's report in `docs/FORMAT.md`. Its own test has all keys.
fn of_the_hook(cases: &mut Cases) {
    let text = fs::read_to_string(tree::root().join("docs/FORMAT.md")).unwrap();
    let (_, rest) = text.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    cases.add("boot-report", serde_json::from_str(&whole(example)).unwrap());
}

/// The example with digests as long as they are.
fn whole(example: &str) -> String {
    example.replace("5bc482d8..", &"5b".repeat(32)).replace("9f86d081..", &"9f".repeat(32))
}

/// The words that `--help` lists as verbs.
fn verbs(line: &[&str]) -> BTreeSet<String> {
    let help = Cli::new(line).and(&["--help"]).run().exits(Exit::Done);
    let list = help.stdout().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let verb = |line: &str| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned);
    list.lines().filter_map(verb).filter(|word| !word.is_empty() && word != "help").collect()
}

#[test]
fn every_document_is_as_the_schema_says() {
    let mut cases = Cases::default();
    for gather in [of_slots, of_files, of_a_device, of_progress, of_the_hook] {
        gather(&mut cases);
    }
    assert_eq!(cases.faults(), "");
    // Of each document that the schema describes there was one.
    let schema = schema::read();
    let named = |part: &Value| part["$ref"].as_str().unwrap().trim_start_matches("#/$defs/").to_owned();
    let described: BTreeSet<String> =
        schema["$defs"]["document"]["anyOf"].as_array().unwrap().iter().map(named).collect();
    let mut seen: BTreeSet<String> = cases.names().into_iter().map(str::to_owned).collect();
    seen.remove("entry");
    // Only a system that runs from a slot has these: tests/guest/root/init runs them.
    seen.extend(["apply-live", "reset"].map(str::to_owned));
    let verbs: BTreeSet<String> = verbs(&[]);
    assert_eq!(described, seen);
    // Each verb has its own, or another one's.
    let groups = ["bundle", "profile"];
    let below = groups
        .into_iter()
        .flat_map(|group| self::verbs(&[group]).into_iter().map(move |verb| format!("{group}-{verb}")));
    let alone = |verb: &String| !groups.contains(&verb.as_str()) && !AS_OTHERS.contains(&verb.as_str());
    let wanted = verbs.into_iter().filter(alone).chain(below);
    let missing: Vec<String> = wanted.filter(|verb| !described.contains(verb)).collect();
    assert!(missing.is_empty(), "{missing:?}: docs/schema.json describes no document of theirs");
}

/// The judge judges: a key more, a key less, and a value of another kind are faults.
#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let mut cases = Cases::default();
    run(&mut cases, "status", Device::new().cli(&["status"]));
    let right = cases.faults();
    assert_eq!(right, "");
    let status = Device::new().status();
    let changed = |key: &str, value: Value| {
        let mut other = status.clone();
        other["slots"][0][key] = value;
        let mut cases = Cases::default();
        cases.add("status", other);
        cases.faults()
    };
    assert!(changed("slot", "a".into()).contains("'slot' was unexpected"));
    assert!(changed("tries_left", 16.into()).contains("16 is greater than the maximum of 15"));
    assert!(changed("state", "splendid".into()).contains("'splendid' is not one of"));
    let mut cases = Cases::default();
    let mut less = status;
    less.as_object_mut().unwrap().remove("next");
    cases.add("status", less);
    assert!(cases.faults().contains("'next' is a required property"));
}

/// No object of the schema lets keys through that it does not name, but for the roles of the hook's devices.
#[test]
fn the_schema_is_closed() {
    fn open(part: &Value, path: &str, found: &mut Vec<String>) {
        let Some(object) = part.as_object() else {
            let list = part.as_array().into_iter().flatten();
            return list.for_each(|one| open(one, path, found));
        };
        if object.get("type") == Some(&"object".into()) && object.get("additionalProperties") != Some(&false.into()) {
            found.push(path.to_owned());
        }
        object.iter().for_each(|(name, below)| open(below, &format!("{path}/{name}"), found));
    }
    let mut found = Vec::new();
    open(&schema::read()["$defs"], "", &mut found);
    assert_eq!(found, ["/boot-report/properties/devices"]);
}
