//! What follows a boot: the health checks, the mark, the fall back, and systemd's units for them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::{tool, tree};

const GOOD: &str = "#!/bin/sh\necho looked >&2\n";
const BAD: &str = "#!/bin/sh\nexit 3\n";
const UNITS: [&str; 3] = ["updater-mark-good.service", "updater-trial.service", "updater-fall-back.service"];
const HANGS: &str = "#!/bin/sh\ntrap '' TERM\nsleep 60\n";

/// A device's folders, and what is called there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("the temporary folder can be written"));
        for folder in ["etc", "usr", "bin"] {
            fs::create_dir(place.path(folder)).expect("the temporary folder can be written");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a program.
    fn with(self, name: &str, text: &str) -> Self {
        write(&self.path(name), text, 0o755);
        self
    }

    /// Runs `updater-health`: its lines, and whether it found the system healthy.
    fn health(&self, seconds: &str) -> (Vec<String>, bool) {
        let mut command = Command::new(shipped("updater-health"));
        command.args([self.path("etc"), self.path("usr")]).env("UPDATER_HEALTH_TIMEOUT", seconds);
        said(&mut command)
    }

    /// Runs `mark-good.sh`, where health is `health` and the boot was what `report` says.
    fn mark_good(self, health: &str, cli: &str, report: &str) -> (Vec<String>, bool) {
        let place = self
            .with("bin/updater-health", health)
            .with("bin/updater-cli", cli)
            .with("bin/reboot", "#!/bin/sh\necho rebooted\n");
        symlink(shipped("updater-fall-back"), place.path("bin/updater-fall-back")).expect("it is new");
        fs::write(place.path("boot.json"), report).expect("the temporary folder can be written");
        place.run(&shipped("mark-good.sh"))
    }

    /// Runs a script where the device's programs are those of `bin`, and its `/run/updater` is this folder.
    fn run(&self, script: &Path) -> (Vec<String>, bool) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        said(Command::new(script).env("PATH", path).env("UPDATER_RUN", self.0.path()))
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("the temporary folder can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it was written");
}

fn shipped(name: &str) -> PathBuf {
    tree::root().join("initramfs-hook/health").join(name)
}

fn said(command: &mut Command) -> (Vec<String>, bool) {
    let output = command.output().expect("the script can be run");
    (String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(), output.status.success())
}

#[test]
fn without_checks_a_system_is_healthy() {
    assert_eq!(Place::new().health("5"), (vec!["healthy: 0 checks".into()], true));
    let (lines, healthy) = said(Command::new(shipped("updater-health")).arg("/nowhere"));
    assert_eq!((lines, healthy), (vec!["healthy: 0 checks".into()], true));
}

#[test]
fn checks_of_both_folders_run_in_the_order_of_their_names() {
    let place = Place::new().with("usr/10 net", GOOD).with("etc/20-app", GOOD).with("usr/30-disk", GOOD);
    let lines = ["health: 10 net: good", "health: 20-app: good", "health: 30-disk: good", "healthy: 3 checks"];
    assert_eq!(place.health("5"), (lines.map(str::to_owned).to_vec(), true));
}

#[test]
fn the_first_folder_replaces_a_check_or_takes_it_away() {
    let place = Place::new().with("usr/1", BAD).with("etc/1", GOOD).with("usr/2", BAD);
    symlink("/dev/null", place.path("etc/2")).expect("it is new");
    let lines = ["health: 1: good", "healthy: 1 checks"];
    assert_eq!(place.health("5"), (lines.map(str::to_owned).to_vec(), true));
}

#[test]
fn every_check_runs_and_the_first_that_failed_is_named_last() {
    let place = Place::new().with("etc/1", GOOD).with("etc/2", BAD).with("etc/3", BAD).with("etc/4", GOOD);
    let lines =
        ["health: 1: good", "health: 2: failed", "health: 3: failed", "health: 4: good", "not healthy: 2: failed"];
    assert_eq!(place.health("5"), (lines.map(str::to_owned).to_vec(), false));
}

/// One of everything that cannot be run, and the reason that is told for it.
fn cannot_be_run(place: &Place) -> Vec<(&'static str, &'static str)> {
    let scripts = [
        ("bom", "\u{feff}#!/bin/sh\n", "it is no program, and a script begins with #!"),
        (
            "crlf",
            "#!/bin/sh\r\nexit 0\r\n",
            "its lines end in CR LF, so its interpreter would be /bin/sh with a CR behind it",
        ),
        (
            "crlf-env",
            "#!/usr/bin/env sh\r\n",
            "its lines end in CR LF, so its interpreter would be /usr/bin/env sh with a CR behind it",
        ),
        ("empty", "", "it is empty"),
        ("env", "#!/usr/bin/env -S X=1 nonesuch -u\n", "its interpreter nonesuch is not there"),
        ("interpreter", "#! /nowhere/python3 -u\n", "its interpreter /nowhere/python3 is not there"),
        ("nobody", "#!\nexit 0\n", "it names no interpreter behind #!"),
        ("text", "exit 0\n", "it is no program, and a script begins with #!"),
    ];
    for (name, text, _) in scripts {
        write(&place.path(&format!("etc/{name}")), text, 0o755);
    }
    write(&place.path("etc/closed"), GOOD, 0o644);
    fs::create_dir(place.path("etc/folder")).expect("it is new");
    tool::run("mkfifo", &["-m", "755", place.path("etc/pipe").to_str().expect("paths of tests are UTF-8")]);
    symlink("/nowhere", place.path("etc/dangling")).expect("it is new");
    symlink("empty", place.path("etc/to-empty")).expect("it is new");
    let mut all: Vec<_> = scripts.map(|(name, _, why)| (name, why)).to_vec();
    all.extend([
        ("closed", "it is not executable"),
        ("folder", "it is a folder"),
        ("pipe", "it is no file"),
        ("dangling", "it is a link to /nowhere, which is not there"),
        ("to-empty", "it is empty"),
    ]);
    all.sort_unstable();
    all
}

#[test]
fn a_check_that_cannot_be_run_has_failed_and_the_reason_is_told() {
    let shells: [&[&str]; 2] = [&["/bin/sh"], &["/bin/busybox", "sh"]];
    for shell in shells {
        let place = Place::new();
        let mut lines: Vec<String> =
            cannot_be_run(&place).iter().map(|(name, why)| format!("health: {name}: failed: {why}")).collect();
        lines.push(lines[0].replace("health: ", "not healthy: "));
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(shipped("updater-health")).arg(place.path("etc"));
        assert_eq!(said(&mut command), (lines, false), "{shell:?}");
    }
}

#[test]
fn each_check_that_cannot_be_run_makes_the_system_not_healthy_by_itself() {
    let all = Place::new();
    for (name, _) in cannot_be_run(&all) {
        let place = Place::new();
        let [from, to] = [&all, &place].map(|place| place.path("etc"));
        // "empty" is what a link leads to.
        let names = if name == "to-empty" { vec![name, "empty"] } else { vec![name] };
        for name in names {
            tool::run("cp", &["-a", from.join(name).to_str().expect("UTF-8"), to.to_str().expect("UTF-8")]);
        }
        let (lines, healthy) = place.health("5");
        assert!(!healthy, "{name}: {lines:?}");
    }
}

#[test]
fn what_editors_and_packagers_leave_behind_is_skipped_and_named() {
    let left =
        ["#1#", ".1.swp", "1.bak", "1.disabled", "1.dpkg-old", "1.orig", "1.pacsave", "1.rpmnew", "1.ucf-dist", "1~"];
    let place =
        left.iter().fold(Place::new().with("etc/1", GOOD), |place, name| place.with(&format!("etc/{name}"), BAD));
    let mut lines: Vec<_> =
        left.iter().map(|name| format!("health: {name}: skipped: a leftover by its name")).collect();
    lines.insert(2, "health: 1: good".into());
    lines.push("healthy: 1 checks".into());
    assert_eq!(place.health("5"), (lines, true));
}

#[test]
fn a_check_that_is_ended_by_a_signal_is_no_late_one() {
    let place = Place::new().with("etc/1", "#!/bin/sh\nkill -KILL $$\n").with("etc/2", "#!/bin/sh\nkill -SEGV $$\n");
    let place = place.with("etc/3", "#!/bin/sh\nnonesuch\n");
    let lines = [
        "health: 1: failed: signal 9",
        "health: 2: failed: signal 11",
        "health: 3: failed: it, or a program that it calls, cannot be run (127)",
        "not healthy: 1: failed: signal 9",
    ];
    assert_eq!(place.health("20"), (lines.map(str::to_owned).to_vec(), false));
}

#[test]
fn names_are_taken_as_they_are_and_shown_without_control_characters() {
    let place = Place::new().with("etc/ 1\\n", GOOD).with("etc/2\u{1b}[2J", BAD).with("etc/3\nline", GOOD);
    let lines = [
        "health:  1\\n: good",
        "health: 2?[2J: failed",
        "health: 3: failed: it is no file",
        "health: line: failed: it is no file",
        "not healthy: 2?[2J: failed",
    ];
    assert_eq!(place.health("5"), (lines.map(str::to_owned).to_vec(), false));
}

#[test]
fn a_folder_of_checks_that_is_none_fails() {
    let place = Place::new().with("etc/1", GOOD);
    let file = place.path("etc/1").display().to_string();
    let line = format!("{file}: failed: it is no folder");
    let mut command = Command::new(shipped("updater-health"));
    assert_eq!(said(command.arg(&file)), (vec![format!("health: {line}"), format!("not healthy: {line}")], false));
}

#[test]
fn a_check_may_wait_for_what_is_still_starting() {
    let tries = "#!/bin/sh\nexec updater-until grep -qs up \"$(dirname \"$0\")\"/../state\n";
    let place =
        Place::new().with("etc/1", tries).with("etc/2", "#!/bin/sh\n(sleep 2; echo up >$(dirname $0)/../state) &\n");
    symlink(place.path("etc/2"), place.path("etc/0")).expect("it is new");
    let run = |seconds: &str| {
        let path = format!("{}:{}", shipped("").display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(shipped("updater-health"));
        said(command.arg(place.path("etc")).env("PATH", path).env("UPDATER_HEALTH_TIMEOUT", seconds))
    };
    let good = ["health: 0: good", "health: 1: good", "health: 2: good", "healthy: 3 checks"];
    assert_eq!(run("20"), (good.map(str::to_owned).to_vec(), true));
    // Before its time is over it gives up by itself, and says what it waited for.
    for name in ["etc/0", "etc/2"] {
        fs::remove_file(place.path(name)).expect("it is there");
    }
    std::thread::sleep(Duration::from_secs(3));
    fs::remove_file(place.path("state")).expect("it was written");
    assert_eq!(run("3"), (vec!["health: 1: failed".to_owned(), "not healthy: 1: failed".to_owned()], false));
}

#[test]
fn a_check_that_hangs_and_ignores_signals_is_ended() {
    let place = Place::new().with("etc/1", HANGS).with("etc/2", GOOD);
    let begun = Instant::now();
    let lines = ["health: 1: no answer in 1 s", "health: 2: good", "not healthy: 1: no answer in 1 s"];
    assert_eq!(place.health("1"), (lines.map(str::to_owned).to_vec(), false));
    assert!(begun.elapsed() < Duration::from_secs(40), "it took {:?}", begun.elapsed());
}

#[test]
fn busyboxs_tools_are_enough() {
    let place = Place::new().with("etc/1", "#!/bin/sh\nexec sleep 20\n").with("etc/2", GOOD).with("etc/3", BAD);
    for applet in ["timeout", "sort"] {
        symlink("/bin/busybox", place.path("bin").join(applet)).expect("it is new");
    }
    let mut command = Command::new("/bin/busybox");
    command.arg("sh").arg(shipped("updater-health")).arg(place.path("etc"));
    // `/bin` has the checks' `sleep`; the two tools are found first.
    command.env("PATH", format!("{}:/bin", place.path("bin").display())).env("UPDATER_HEALTH_TIMEOUT", "1");
    let lines =
        ["health: 1: no answer in 1 s", "health: 2: good", "health: 3: failed", "not healthy: 1: no answer in 1 s"];
    assert_eq!(said(&mut command), (lines.map(str::to_owned).to_vec(), false));
}

#[test]
fn a_timeout_that_is_no_number_does_not_fail_a_healthy_system() {
    for seconds in ["", "0", "soon", "-1", "1h"] {
        let place = Place::new().with("etc/1", GOOD);
        assert_eq!(place.health(seconds).0, ["health: 1: good", "healthy: 1 checks"], "{seconds:?}");
    }
}

/// A journal that was restarted, a console that is not there: neither makes a healthy system a sick one, nor a good slot restart.
#[test]
fn a_verdict_that_nobody_takes_is_the_verdict() {
    for (check, healthy) in [(GOOD, true), (BAD, false)] {
        let place = Place::new().with("etc/1", check);
        fs::write(place.path("boot.json"), r#"{"trial":false}"#).expect("the temporary folder can be written");
        for streams in [">/dev/full", ">&-", "2>&-", ">&- 2>&-", ">&4", "2>&4", ">/dev/full 2>/dev/full"] {
            let done = |script: &str| {
                let line = format!("exec 4> >(:); sleep 0.1; exec \"$0\" \"$1\" {streams}");
                let mut command = Command::new("bash");
                command.args(["-c", &line]).arg(shipped(script)).arg(place.path("etc"));
                said(command.env("UPDATER_RUN", place.0.path())).1
            };
            assert_eq!(done("updater-health"), healthy, "{streams}");
            assert!(done("updater-fall-back"), "{streams}");
        }
    }
}

#[test]
fn a_boot_is_marked_only_where_it_is_healthy() {
    let marks = "#!/bin/sh\necho marked \"$@\"\n";
    let trial = r#"{"schema":1,"slot":"b","trial":true}"#;
    let good = r#"{"schema":1,"slot":"b","trial":false}"#;
    assert_eq!(
        Place::new().mark_good(GOOD, marks, trial),
        (vec!["marked --quiet mark-good --unattended".into()], true)
    );
    let restart = "updater: this slot is on trial and not healthy: restart".to_owned();
    assert_eq!(Place::new().mark_good(BAD, marks, trial), (vec![restart.clone(), "rebooted".into()], false));
    // Nor where the mark is refused.
    assert_eq!(Place::new().mark_good(GOOD, BAD, trial), (vec![restart, "rebooted".into()], false));
    let goes_on = "updater: not healthy, but not on trial: this boot goes on unmarked".to_owned();
    assert_eq!(Place::new().mark_good(BAD, marks, good), (vec![goes_on], false));
}

#[test]
fn nothing_is_marked_where_no_slot_was_booted() {
    let (lines, done) = said(Command::new(shipped("mark-good.sh")).env("UPDATER_RUN", "/nowhere"));
    assert_eq!((lines, done), (vec![], true));
}

#[test]
fn the_check_that_failed_is_left_on_the_slot() {
    let health = format!("#!/bin/sh\nexec {} {}\n", shipped("updater-health").display(), "\"$UPDATER_RUN/etc\"");
    let place = Place::new().with("etc/10-net", GOOD).with("etc/20-app", BAD);
    let cli = "#!/bin/sh\nfor word; do echo \"<$word>\"; done\n";
    let (lines, done) = place.mark_good(&health, cli, r#"{"slot":"b","trial":true}"#);
    let told = ["health: 10-net: good", "health: 20-app: failed", "not healthy: 20-app: failed"];
    let left = ["<--quiet>", "<note>", "<health-check>", "<20-app: failed>"];
    let restart = ["updater: this slot is on trial and not healthy: restart", "rebooted"];
    assert_eq!(
        (lines, done),
        ([&told[..], &left, &restart].concat().iter().map(|line| (*line).to_owned()).collect(), false)
    );
}

#[test]
fn a_restart_during_a_trial_is_told_and_left_on_the_slot() {
    let says = "#!/bin/sh\necho \"$@\"\n";
    let ends = |report: &str, flag: &str, cli: &str| {
        let place = Place::new().with("bin/updater-cli", cli);
        fs::write(place.path("boot.json"), report).expect("the temporary folder can be written");
        fs::write(place.path(flag), "").expect("the temporary folder can be written");
        place.run(&shipped("updater-trial-ends"))
    };
    let trial = r#"{"slot":"b","trial":true}"#;
    assert_eq!(ends(trial, "other", says), (vec!["--quiet note restarted".into()], true));
    // It is the fall back that restarts, the boot was no trial, or it was marked good meanwhile.
    assert_eq!(ends(trial, "falls-back", says), (vec![], true));
    assert_eq!(ends(r#"{"slot":"b","trial":false}"#, "other", says), (vec![], true));
    assert_eq!(ends(trial, "other", "#!/bin/sh\nexit 7\n"), (vec![], true));
    let (lines, done) = ends(trial, "other", "#!/bin/sh\nexit 8\n");
    assert!(done && lines[0].contains("costs one of its tries"), "{lines:?}");
}

/// Our units as they are enabled, and systemd's own check of failed units, which waits for multi-user.target.
fn units(alter: impl Fn(String) -> String) -> TempDir {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    for name in UNITS {
        let text = tree::text(&Path::new("initramfs-hook/systemd").join(name));
        // The scripts of this tree, so that a wrong name is found; any program for the one that is not built here.
        let scripts = format!("{}/", shipped("").display().to_string().trim_end_matches('/'));
        let text = text.replace("/usr/lib/updater/", &scripts).replace("/usr/bin/updater-cli", "/bin/true");
        fs::write(folder.path().join(name), alter(text)).expect("the temporary folder can be written");
    }
    let enabled = [
        ("multi-user.target.wants", UNITS[0], folder.path().to_owned()),
        ("multi-user.target.wants", UNITS[1], folder.path().to_owned()),
        (
            "boot-complete.target.requires",
            "systemd-boot-check-no-failures.service",
            PathBuf::from("/usr/lib/systemd/system"),
        ),
    ];
    for (target, name, from) in enabled {
        let target = folder.path().join(target);
        fs::create_dir_all(&target).expect("the temporary folder can be written");
        symlink(from.join(name), target.join(name)).expect("it is new");
    }
    folder
}

/// What `systemd-analyze verify` says of them, and of the target that wants them.
fn verified(units: &TempDir) -> String {
    let path = format!("SYSTEMD_UNIT_PATH={}:/usr/lib/systemd/system", units.path().display());
    let ours = [&UNITS[..], &["multi-user.target"]].concat();
    let output = tool::output("env", &[&[path.as_str(), "systemd-analyze", "--man=no", "verify"], &ours[..]].concat());
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    assert_eq!(verified(&units(|text| text)), "");
    let cycle =
        verified(&units(|text| text.replace("After=boot-complete", "Before=sysinit.target\nAfter=boot-complete")));
    assert!(cycle.contains("ordering cycle"), "{cycle}");
    let missing = verified(&units(|text| text.replace("/updater-fall-back", "/updater-falls-where")));
    assert!(missing.contains("updater-falls-where is not executable"), "{missing}");
}
