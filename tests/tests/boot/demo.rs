//! `updater-cli demo --boot`, as somebody runs it who has qemu, a kernel and the hook: what it shows, what it leaves, and what it says of a guest
//! that does not fall back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::answer::Exit;
use tests::guest;
use tests::guest_kit::{Kernel, Kit};
use tests::schema::Cases;
use tests::{cli, tool};

/// Of each step, the lines that matter, in this order.
const STORY: [&str; 20] = [
    "== 1. In the workshop: a key, and bundles of three versions ==",
    "== 2. In the factory: a disk with 1.0 in its first slot, and an initramfs with the hook ==",
    "== 3. The machine boots: the hook chooses slot a, and 1.0 works ==",
    "$ qemu-system-x86_64 -accel ",
    "  updater: slot a boots: version 1.0, counted, 2 tries left",
    "  Demo OS 1.0: works, and powers off",
    "== 4. 2.0 is installed into slot b, on trial ==",
    "== 5. 2.0 panics three times, and the hook falls back to 1.0 ==",
    "  updater: slot b boots: version 2.0, trial, 2 tries left",
    "  Demo OS 2.0: has a bug, its init ends",
    "Kernel panic - not syncing: Attempted to kill init!",
    "Rebooting in 1 seconds",
    "  updater: slot b boots: version 2.0, trial, 1 tries left",
    "  updater: slot b boots: version 2.0, trial, 0 tries left",
    "  updater: slot b is passed over: its tries ran out without a good boot",
    "  updater: slot a boots: version 1.0, counted, 2 tries left",
    "  Demo OS 1.0: works, and powers off",
    "== 6. Why: it is on the disk ==",
    "  last fallback  from slot b, version 2.0: tries ran out",
    "Remove the folder when you have seen enough.",
];

/// The command line of a demo in this folder, with its hook, and an unpacked kernel beside its modules.
fn command(folder: &Path, hook: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(cli::binary());
    command.args(["demo", "--boot"]).args(arguments).arg(folder).arg("--kernel").arg(Kernel::Cloud.image());
    command.arg("--hook").arg(hook);
    command
}

fn demo(folder: &Path, hook: &Path, arguments: &[&str]) -> Output {
    let output = command(folder, hook, arguments).output().expect("the program can be run");
    guest::count(guest::boots(&String::from_utf8_lossy(&output.stdout)));
    output
}

fn hook() -> PathBuf {
    Kit::shared().program("initramfs-hook")
}

/// Priority, tries left and success of a slot, as cgpt reads them.
fn bits(disk: &Path, partition: &str) -> [u8; 3] {
    let disk = disk.to_str().expect("paths of tests are UTF-8");
    ["-P", "-T", "-S"]
        .map(|flag| tool::run("cgpt", &["show", "-i", partition, flag, disk]).trim().parse().expect("a number"))
}

#[test]
fn the_guest_falls_back_and_one_that_does_not_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("it's a demo");
    let output = demo(&folder, &hook(), &[]);
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{stdout}");
    guest::in_order(&stdout, &STORY);
    assert!(!stdout.contains("RIP: "), "registers are for the log:\n{stdout}");
    assert!(fs::read_to_string(folder.join("console.log")).unwrap().contains("Attempted to kill init! exitcode="));
    let disk = folder.join("disk.img");
    assert_eq!([bits(&disk, "1"), bits(&disk, "2")], [[1, 2, 1], [2, 0, 0]]);
    assert!(tool::run("sgdisk", &["-v", disk.to_str().unwrap()]).contains("No problems found"));

    // In the place of the hook a program that powers off: no slot boots, and that is not taken for anything else.
    let strange = parent.path().join("strange");
    let image = folder.join("root-1.0.squashfs");
    let init = tool::output("unsquashfs", &["-cat", image.to_str().unwrap(), "sbin/init"]).stdout;
    fs::write(&strange, init).unwrap();
    let output = demo(&parent.path().join("other"), &strange, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(Exit::Io.code()), "{stderr}");
    let words = [
        "error: the demo stopped: the console never said \"updater: slot a boots",
        "Demo OS 1.0: works",
        "console.log",
    ];
    guest::in_order(&stderr, &words);
}

#[test]
fn programs_get_one_document_and_the_commands_that_it_ends_with_work() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("demo");
    let output = demo(&folder, &hook(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let mut cases = Cases::default();
    cases.add("demo", document.clone());
    assert_eq!(cases.faults(), "");
    let events = document["steps"].as_array().unwrap().iter().flat_map(|step| step["events"].as_array().unwrap());
    let consoles: Vec<String> = events.filter_map(|event| event.get("console")).map(Value::to_string).collect();
    let boots: Vec<usize> = consoles.iter().map(|console| console.matches(" boots: version ").count()).collect();
    assert!(boots.ends_with(&[1, 4]), "{boots:?}");

    let next = document["next"].as_array().unwrap();
    let commands: Vec<&str> = next.iter().map(|next| next["command"].as_str().unwrap()).collect();
    let said = tool::run("sh", &["-eu", "-c", &commands.join("\n")]).replace('\r', "");
    guest::count(guest::boots(&said));
    let words = [
        "slot b boots next, on trial",
        "updater: slot b boots: version 3.0, trial, 2 tries left",
        "Demo OS 3.0: works, and powers off",
        "updater: slot b boots: version 3.0, counted, 2 tries left",
        "Demo OS 3.0: works, and powers off",
        "\"next\":\"b\"",
    ];
    guest::in_order(&said, &words);
}

#[test]
fn who_interrupts_it_finds_the_folder_and_no_qemu() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("demo");
    let child = command(&folder, &hook(), &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    let qemu = loop {
        if let Some(pid) = machine_in(&folder) {
            break pid;
        }
        assert!(Instant::now() < until, "qemu never starts");
        std::thread::sleep(Duration::from_millis(20));
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
    kill_process(pid, Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(Exit::Interrupted.code()));
    let stderr = String::from_utf8_lossy(&ended.stderr);
    guest::in_order(&stderr, &["interrupted; qemu is ended\nnext: look at what is in ", folder.to_str().unwrap()]);
    assert!(!fs::exists(&qemu).unwrap(), "{} still runs", qemu.display());
    assert!(folder.join("disk.img").exists() && folder.join("console.log").exists());
}

/// The process of qemu that works in a folder.
fn machine_in(folder: &Path) -> Option<PathBuf> {
    let mut processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok).map(|entry| entry.path());
    processes.find(|process| {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        name.starts_with("qemu-system") && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder)
    })
}
