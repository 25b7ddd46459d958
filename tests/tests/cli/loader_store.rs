//! A boot loader that chooses by itself, as the program is run: U-Boot's environment, made by `mkenvimage`, read and changed by
//! `fw_printenv` and `fw_setenv`.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use tempfile::TempDir;
use tests::answer::Exit;
use tests::device::Device;
use tests::tool;

const COPY: u64 = 0x2000;

/// A device with an environment beside its disk.
struct Board {
    device: Device,
    folder: TempDir,
}

impl Board {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let device = Device::new().profile("loader.toml");
        let board = Self { device, folder };
        fs::write(board.path("env.txt"), "bootcmd=run it\nserial=42\n").expect("a file of the test");
        board.make_env(&["-r"]);
        board.config(&format!("{0} 0x0 {COPY:#x}\n{0} {COPY:#x} {COPY:#x}\n", board.text("env")));
        board
    }

    /// Two copies of the environment, as a factory makes them.
    fn make_env(&self, options: &[&str]) {
        let (from, to, size) = (self.text("env.txt"), self.text("copy"), COPY.to_string());
        drop(tool::run_silent("mkenvimage", &[options, &["-s", &size, "-o", &to, &from]].concat()));
        let copy = fs::read(self.path("copy")).expect("mkenvimage has made it");
        fs::write(self.path("env"), [copy.clone(), copy].concat()).expect("a file of the test");
    }

    fn config(&self, text: &str) {
        fs::write(self.path("fw_env.config"), text).expect("a file of the test");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("paths of tests are UTF-8").to_owned()
    }

    /// A command line with the store.
    fn line<'a>(&self, arguments: &[&'a str], store: &'a str) -> Vec<&'a str> {
        [&["--loader-store", store], arguments].concat()
    }

    fn does(&self, arguments: &[&str]) -> serde_json::Value {
        self.device.does(&self.line(arguments, &self.text("fw_env.config")))
    }

    fn refuses(&self, arguments: &[&str], exit: Exit, why: &str) {
        self.device.refuses_untouched(&self.line(arguments, &self.text("fw_env.config")), exit, why);
    }

    /// Every variable, as `fw_printenv` sees it, in its order.
    fn printed(&self) -> String {
        let mut lines: Vec<String> =
            tool::run("fw_printenv", &["-c", &self.text("fw_env.config")]).lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ")
    }

    fn set(&self, name: &str, value: &str) {
        drop(tool::run_silent("fw_setenv", &["-c", &self.text("fw_env.config"), name, value]));
    }

    fn damage(&self, copy: u64) {
        let file = fs::File::options().write(true).open(self.path("env")).expect("the environment is there");
        file.write_all_at(b"?", copy * COPY + 100).expect("the environment is written");
    }

    fn bundle(&self, release: usize) -> String {
        self.device.workshop.bundle_text(release)
    }
}

const AT_FIRST: &str = "BOOT_A_LEFT=3 BOOT_B_LEFT=0 BOOT_GOOD=A BOOT_ORDER=A bootcmd=run it serial=42";
const ON_TRIAL: &str = "BOOT_A_LEFT=3 BOOT_B_LEFT=3 BOOT_GOOD=A BOOT_ORDER=B A bootcmd=run it serial=42";

#[test]
fn the_environment_follows_each_act_and_keeps_what_else_it_holds() {
    let board = Board::new();
    let state = |board: &Board| board.does(&["status"])["boot_loader"]["state"].clone();
    assert_eq!((state(&board), board.printed().as_str()), ("was-behind".into(), AT_FIRST));
    assert_eq!(state(&board), "agrees");
    board.does(&["install", "--no-activate", &board.bundle(1)]);
    assert_eq!(board.printed(), AT_FIRST);
    board.does(&["activate"]);
    assert_eq!(board.printed(), ON_TRIAL);
    board.does(&["cancel"]);
    assert_eq!(board.printed(), AT_FIRST);
    board.does(&["install", &board.bundle(1)]);
    assert_eq!(board.printed(), ON_TRIAL);
    board.does(&["mark-good", "--slot", "b", "--danger-untried"]);
    assert_eq!(board.printed(), ON_TRIAL.replace("GOOD=A", "GOOD=B A"));
    board.does(&["rollback", "--slot", "a"]);
    assert_eq!(board.printed(), ON_TRIAL.replace("GOOD=A", "GOOD=A B").replace("ORDER=B A", "ORDER=A B"));
    board.does(&["mark-bad", "--slot", "b"]);
    assert_eq!(board.printed(), AT_FIRST);
}

#[test]
fn tries_that_the_loader_took_come_into_the_bits_and_are_not_given_back() {
    let board = Board::new();
    board.does(&["install", &board.bundle(1)]);
    board.set("BOOT_B_LEFT", "1");
    // Any act would write the environment: the count goes first.
    board.does(&["mark-good", "--slot", "a"]);
    assert_eq!(board.device.slot("b").bits, [2, 1, 0]);
    assert_eq!(board.printed(), ON_TRIAL.replace("B_LEFT=3", "B_LEFT=1"));
    board.set("BOOT_B_LEFT", "0");
    let status = board.does(&["status"]);
    assert_eq!((&status["slots"][1]["state"], &status["next"]), (&"exhausted".into(), &"a".into()));
    // More than there were: nobody gets tries from a store. And what is no number says nothing.
    for wrong in ["7", "99", "x", "+1", ""] {
        board.set("BOOT_B_LEFT", wrong);
        board.does(&["status"]);
        assert_eq!(board.printed(), ON_TRIAL.replace("B_LEFT=3", "B_LEFT=0"), "{wrong}");
    }
}

#[test]
fn one_damaged_copy_is_healed_and_two_are_never_written() {
    let board = Board::new();
    board.does(&["status"]);
    for copy in [0, 1] {
        board.damage(copy);
        assert_eq!(board.does(&["status"])["boot_loader"]["state"], "was-behind");
        assert_eq!(board.printed(), AT_FIRST);
        // The other one alone is enough now.
        board.damage(1 - copy);
        assert_eq!(board.printed(), AT_FIRST);
        board.does(&["status"]);
    }
    board.damage(0);
    board.damage(1);
    let before = fs::read(board.path("env")).expect("the environment is there");
    let why = "neither copy of the environment is valid";
    for act in [vec!["install", &board.bundle(1)], vec!["mark-good", "--slot", "a"], vec!["cancel"]] {
        board.refuses(&act, Exit::Disk, why);
    }
    assert_eq!(board.does(&["status"])["boot_loader"]["state"], "unknown");
    assert!(before == fs::read(board.path("env")).expect("the environment is there"));
}

#[test]
fn a_store_that_is_none_is_refused_before_anything_is_written() {
    let board = Board::new();
    let install = ["install", &board.bundle(1)];
    let env = board.text("env");
    for (config, why) in [
        (String::new(), "it names 0 of the two copies that are needed"),
        (format!("{env} 0x0 {COPY:#x}\n"), "it names 1 of the two copies that are needed"),
        (format!("{env} 0x0 {COPY:#x}\n{env} 0x100 {COPY:#x}\n"), "its two copies differ in size, or overlap"),
        (format!("{env} 0x0 {COPY:#x}\n{env} {COPY:#x} 0x1000\n"), "its two copies differ in size, or overlap"),
        (format!("{env} 0x0\n"), "line 1: a device, an offset and a size are needed"),
        (format!("# two\n{env} here {COPY:#x}\n"), "line 2: the offset is no number"),
        (format!("{env} 0x0 0xffffffffff\n"), "line 1: the size is not 6 bytes to 1 MiB"),
        (format!("{env} -0x100000 {COPY:#x}\n"), "line 1: the offset is before the start of the device"),
    ] {
        board.config(&config);
        board.refuses(&install, Exit::Disk, why);
    }
    // A copy without the byte of flags, as a board with one copy has it.
    board.config(&format!("{env} 0x0 {COPY:#x}\n{env} {COPY:#x} {COPY:#x}\n"));
    board.make_env(&[]);
    board.refuses(&install, Exit::Disk, "neither copy of the environment is valid");
    let missing = board.text("nothing");
    board.device.refuses_untouched(&board.line(&install, &missing), Exit::Disk, "No such file");
}

#[test]
fn variables_that_do_not_fit_end_the_act_before_the_slot_is_written() {
    let board = Board::new();
    let long = format!("bootcmd={}\n", "x".repeat(usize::try_from(COPY).expect("a small number") - 40));
    fs::write(board.path("env.txt"), long).expect("a file of the test");
    board.make_env(&["-r"]);
    let image = board.device.partition("b");
    let line = board.line(&["install", &board.bundle(1)], &board.text("fw_env.config")).join("\n");
    let answer = board.device.run(&line.split('\n').collect::<Vec<_>>()).exits(Exit::Disk);
    answer.says("the variables do not fit into its 8192 bytes any more");
    assert!(image == board.device.partition("b"), "the slot was written");
    assert_eq!(board.device.next(), "a");
}

#[test]
fn a_disk_whose_store_is_elsewhere_is_changed_with_a_warning() {
    let board = Board::new();
    let before = fs::read(board.path("env")).expect("the environment is there");
    let answer = board.device.run(&["install", &board.bundle(1)]).exits(Exit::Done);
    answer.says("the store of its boot loader (u-boot-env) is not here and stays as it is; --loader-store names one");
    assert!(before == fs::read(board.path("env")).expect("the environment is there"));
    assert!(board.device.status()["boot_loader"].is_null());
    // Whoever names it later brings it up to date.
    board.does(&["status"]);
    assert_eq!(board.printed(), ON_TRIAL);
}
