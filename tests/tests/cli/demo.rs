//! `updater-cli demo`, the README's first command: the real program tells the story, foreign tools check what it left, and the
//! commands that it ends with are carried out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::{cli, tool};

/// Of each step, the line that matters, in this order.
const STORY: [&str; 39] = [
    "== 1. In the workshop: a key, and bundles of four versions ==",
    "$ updater-cli keygen --out . --name vendor",
    "  update-1.0.bundle  2.2 MiB",
    "  update-4.0.bundle  2.2 MiB",
    "== 2. In the factory: a disk with two slots, 1.0 in the first ==",
    "$ updater-cli --profile demo.toml --disk disk.img provision --size 64M update-1.0.bundle",
    "  a     good        1.0                      1      3  yes   root-a (8.0 MiB)",
    "== 3. The device boots 1.0 ==",
    "  UPDATER_KIND=counted",
    "  slot a: version 1.0, 2.2 MiB",
    "  slot a is good",
    "== 4. 2.0 is installed while 1.0 runs ==",
    "  installed 2.0 into slot b: 2.2 MiB read back and right",
    "  b     trial       2.0                      2      3  no    root-b (8.0 MiB)",
    "== 5. 2.0 boots on trial and hangs, three times ==",
    "  UPDATER_TRIES_LEFT=2",
    "  UPDATER_TRIES_LEFT=1",
    "  UPDATER_TRIES_LEFT=0",
    "== 6. The fourth boot: no try is left, the device falls back to 1.0 ==",
    "  UPDATER_SLOT=a",
    "  b     exhausted   2.0                      2      0  no    root-b (8.0 MiB)",
    "  last fallback  from slot b, version 2.0: tries ran out",
    "== 7. The server offers 2.0 once more ==",
    "  The booted slot is untouched.",
    "  (exit status 3: refused)",
    "== 8. 3.0 has the fix: trial boot, good ==",
    "  UPDATER_SLOT=b",
    "  slot b: version 3.0, 2.2 MiB",
    "  b     good        3.0                      2      3  yes   root-b (8.0 MiB)",
    "== 9. Two updates that somebody changed on the way ==",
    "  (exit status 4: not-authentic)",
    "Not one bit of the disk has changed.",
    "  installing 4.0 into slot a; slot b is booted and stays as it is",
    "  (exit status 4: not-authentic)",
    "Not one bit of slot b has changed, from which the device runs.",
    "  a     disarmed    -                        0      1  no    root-a (8.0 MiB)",
    "  b     good        3.0                      2      3  yes   root-b (8.0 MiB)",
    "== What to try next ==",
    "Remove the folder when you have seen enough.",
];

const FILES: [&str; 14] = [
    "demo.toml",
    "disk.img",
    "forged.bundle",
    "root-1.0.squashfs",
    "root-2.0.squashfs",
    "root-3.0.squashfs",
    "root-4.0.squashfs",
    "tampered.bundle",
    "update-1.0.bundle",
    "update-2.0.bundle",
    "update-3.0.bundle",
    "update-4.0.bundle",
    "vendor.key",
    "vendor.pub",
];

fn demo(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(cli::binary());
    command.arg("demo").args(arguments).arg(folder).output().expect("the program can be run")
}

/// What a demo that must end well printed.
fn played(arguments: &[&str], folder: &Path) -> String {
    let output = demo(arguments, folder);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""));
    String::from_utf8(output.stdout).expect("the story is UTF-8")
}

/// A shell in the folder, which stops at the first command that fails.
fn shell(folder: &Path, script: &str) -> String {
    let folder = folder.to_str().expect("the folder's name is UTF-8");
    tool::run("sh", &["-eu", "-c", &format!("cd \"$1\"; {script}"), "sh", folder])
}

/// Priority, tries left and success of a slot, as cgpt reads them.
fn bits(disk: &Path, partition: &str) -> [u8; 3] {
    let disk = disk.to_str().expect("the disk's name is UTF-8");
    let field = |flag| tool::run("cgpt", &["show", "-i", partition, flag, disk]).trim().parse().expect("a number");
    ["-P", "-T", "-S"].map(field)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read"));
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn the_story_is_told_and_foreign_tools_see_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("it's a demo");
    let text = played(&[], &folder);
    let mut lines = text.lines();
    for key in STORY {
        assert!(lines.any(|line| line == key), "missing, or not in its place: {key}\n{text}");
    }
    eprintln!("{}", text.lines().find(|line| line.starts_with("All of this took")).expect("it says how long it took"));
    assert_eq!(files(&folder).into_keys().collect::<Vec<_>>(), FILES);

    let disk = folder.join("disk.img");
    assert_eq!([bits(&disk, "1"), bits(&disk, "2")], [[0, 1, 0], [2, 3, 1]]);
    assert!(tool::run("sgdisk", &["-v", disk.to_str().unwrap()]).contains("No problems found"));
    for version in ["1.0", "2.0", "3.0", "4.0"] {
        let image = folder.join(format!("root-{version}.squashfs"));
        let image = image.to_str().unwrap();
        assert!(tool::run("unsquashfs", &["-l", image]).contains("squashfs-root/usr/share/demo/common.bin"));
        assert!(
            tool::run("unsquashfs", &["-cat", image, "etc/os-release"]).contains(&format!("VERSION_ID={version}\n"))
        );
    }
    digests_hold(&folder, &text);
}

/// The digests of the story are those that its own commands give. The whole disk has changed since its digest was told, and the
/// booted slot has not.
fn digests_hold(folder: &Path, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let told = |start: &str| {
        let at = lines.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}\n{text}"));
        (lines[at].split(", before").next().unwrap(), lines[at + 1].trim())
    };
    let (slot, digest) = told("tail -c ");
    assert_eq!(shell(folder, slot), format!("{digest}  -\n"));
    let (disk, digest) = told("sha256sum disk.img");
    assert_ne!(shell(folder, disk), format!("{digest}  disk.img\n"));
    assert_eq!(digest.len(), 64);
}

#[test]
fn programs_get_one_document_and_the_commands_that_it_ends_with_work() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a $demo");
    let document: Value = serde_json::from_str(&played(&["--json"], &folder)).expect("one document");
    assert_eq!((&document["schema"], document["steps"].as_array().unwrap().len()), (&1.into(), 9));
    let events = document["steps"].as_array().unwrap().iter().flat_map(|step| step["events"].as_array().unwrap());
    let ran: Vec<&Value> = events.filter(|event| event.get("command").is_some()).collect();
    let codes: Vec<u64> = ran.iter().map(|ran| ran["exit_code"].as_u64().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code != 0).collect::<Vec<_>>(), [&3, &4, &4]);
    assert!(ran.iter().all(|ran| ran["result"]["schema"] == 1), "each command has its own document");

    let next = document["next"].as_array().unwrap();
    let commands: Vec<&str> = next.iter().map(|next| next["command"].as_str().unwrap()).collect();
    let printed = tool::run("sh", &["-eu", "-c", &commands.join("\n")]);
    assert!(printed.contains("2.0 MiB of it was there already"), "{printed}");
    assert!(printed.contains("slot a boots next, on trial") && printed.contains("\"next\":\"b\""), "{printed}");
    let disk = folder.join("disk.img");
    assert_eq!([bits(&disk, "1"), bits(&disk, "2")], [[3, 3, 1], [4, 3, 1]]);
}

#[test]
fn a_folder_with_anything_in_it_is_refused_and_nothing_of_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    played(&["--quiet"], folder.path());
    let before = files(folder.path());
    let output = demo(&[], folder.path());
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the folder is not empty\nnext: name an empty or a new folder"), "{stderr}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn without_a_folder_it_makes_one_and_a_device_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(cli::binary());
        command.args(arguments).env("TMPDIR", temporary.path()).output().expect("the program can be run")
    };
    for number in [1, 2] {
        assert_eq!(run(&["demo"]).status.code(), Some(0));
        assert!(temporary.path().join(format!("updater-demo-{number}/disk.img")).exists());
    }
    assert_eq!(run(&["demo", "--disk", "/dev/null"]).status.code(), Some(2));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 2);
}
