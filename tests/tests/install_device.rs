//! The same program on block devices: loop devices here, of 512 and of 4096-byte sectors. `/run` and `/var/lib` are the test's own, so
//! that nothing is left on the machine that runs it.

use std::fs;
use std::path::Path;

use libupdate::BlockSize;
use tempfile::TempDir;
use tests::answer::{Answer, Exit};
use tests::cli::binary;
use tests::device::Device;
use tests::loop_device::LoopDevice;
use tests::superuser;
use tests::table_oracle::TableOracle;

/// A device whose disk is a block device.
struct Board {
    device: Device,
    node: LoopDevice,
    system: TempDir,
}

impl Board {
    fn new(sectors: BlockSize) -> Self {
        let device = Device::with_sectors(sectors);
        let node = LoopDevice::over(device.disk(), sectors);
        let system = tempfile::tempdir().unwrap();
        for folder in ["run", "lib"] {
            fs::create_dir(system.path().join(folder)).unwrap();
        }
        Self { device, node, system }
    }

    /// Runs the program as root, with a `/run` and a `/var/lib` of its own.
    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_as("umask 022", arguments)
    }

    /// The same after a line of shell.
    fn run_as(&self, before: &str, arguments: &[&str]) -> Answer {
        let mounts = "mount --bind \"$1/run\" /run && mount --bind \"$1/lib\" /var/lib && shift";
        let script = &format!("{mounts} && {before} && exec \"$@\"");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut line = ["--mount", "sh", "-c", script, "sh"].map(str::to_owned).to_vec();
        line.extend([text(self.system.path()), text(binary())]);
        line.extend(["--profile".to_owned(), self.device.workshop.text("profile.toml")]);
        line.extend(["--disk".to_owned(), self.node.text().to_owned()]);
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let done = superuser::output("unshare", &line);
        Answer::new(format!("{line:?}"), done.status, done.stdout, done.stderr)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.node.text()).unwrap()
    }
}

const SECTORS: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];

#[test]
fn a_release_is_installed_on_a_block_device() {
    for sectors in SECTORS {
        let board = Board::new(sectors);
        let bundle = board.device.workshop.bundle_text(2);
        board.run(&["--booted", "a", "install", &bundle]).exits(Exit::Done);
        let status = board.run(&["--booted", "a", "--json", "status"]).exits(Exit::Done).json();
        assert_eq!((&status["booted"], &status["next"]), (&"a".into(), &"b".into()));
        assert_eq!(status["last_result"]["class"], "done", "{status}");
        board.run(&["--booted", "a", "verify", "--slot", "b"]).exits(Exit::Done);
        board.run(&["choose", "--spend", "--booted", "none"]).exits(Exit::Done);
        board.run(&["--booted", "b", "mark-good"]).exits(Exit::Done);
        board.run(&["--booted", "b", "install", &bundle]).exits(Exit::Done);
        let Board { device, node, .. } = board;
        drop(node);
        TableOracle::of(&device).finds_no_problem();
        assert_eq!([device.slot("a").bits, device.slot("b").bits], [[3, 3, 0], [2, 3, 1]]);
        for slot in ["a", "b"] {
            assert!(device.partition(slot).starts_with(&device.workshop.image(2).padded()), "slot {slot}");
        }
    }
}

/// Which slot runs is not guessed where it could be overwritten.
#[test]
fn an_unknown_booted_slot_is_asked_for() {
    let board = Board::new(BlockSize::B512);
    let before = board.bytes();
    let bundle = board.device.workshop.bundle_text(2);
    for line in [&["install", bundle.as_str()][..], &["mark-good"], &["rollback"]] {
        board.run(line).exits(Exit::Usage).says("--booted");
    }
    board.run(&["status"]).exits(Exit::Done);
    assert!(before == board.bytes());
    // The hook's report says it.
    let report = board.system.path().join("run/updater/boot.json");
    let write = "mkdir -p \"${1%/*}\" && printf %s '{\"schema\":1,\"slot\":\"a\"}' >\"$1\"";
    superuser::run("sh", &["-c", write, "sh", report.to_str().unwrap()]);
    board.run(&["install", "--slot", "a", &bundle]).exits(Exit::Refused).says("slot a is the booted one");
    board.run(&["install", &bundle]).exits(Exit::Done);
}

#[test]
fn a_failed_installation_is_remembered() {
    let board = Board::new(BlockSize::B512);
    let cut = board.device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    board.run(&["--booted", "a", "install", &cut]).exits(Exit::NotAuthentic).says("ends too early");
    let last = board.run(&["--json", "status"]).exits(Exit::Done).json()["last_result"].clone();
    assert_eq!((&last["code"], &last["class"]), (&4.into(), &"not-authentic".into()), "{last}");
    assert_eq!(last["why"], "the bundle ends too early");
}

#[test]
fn a_blank_device_is_provisioned() {
    for sectors in SECTORS {
        let board = Board::new(sectors);
        let bundle = board.device.workshop.bundle_text(1);
        board.run(&["provision", &bundle]).exits(Exit::Disk).says("not empty");
        fs::write(board.device.disk(), vec![0; board.bytes().len()]).unwrap();
        let Board { device, node, system } = board;
        drop(node);
        let node = LoopDevice::over(device.disk(), sectors);
        let board = Board { device, node, system };
        board.run(&["provision", &bundle]).exits(Exit::Done);
        let Board { device, node, .. } = board;
        drop(node);
        TableOracle::of(&device).finds_no_problem();
        assert_eq!((device.state("a").as_str(), device.slot("a").version.as_deref()), ("good", Some("1.0")));
    }
}

/// A device knows its own sector size.
#[test]
fn another_sector_size_than_the_devices_is_refused() {
    let board = Board::new(BlockSize::B4096);
    let answer = board.run(&["--sector-size", "512", "status"]);
    assert!(answer.code() == Some(Exit::Disk.code()) && answer.stderr().contains("--sector-size"), "{answer}");
}

/// What somebody has put where the program keeps its state is neither written through, nor waited for, nor believed; and what it makes is
/// nobody else's to write, whatever the umask.
#[test]
fn what_lies_in_the_folders_of_state_misleads_nobody() {
    let board = Board::new(BlockSize::B512);
    let bundle = board.device.workshop.bundle_text(2);
    let system = board.system.path().to_str().unwrap();
    let shell = |script: &str| superuser::run("sh", &["-ec", script, "sh", system]);
    let status = |more: &[&str]| board.run(&[&["--json", "status"], more].concat());
    shell(
        "mkdir -p $1/lib/updater $1/run/updater; echo precious >$1/victim; ln -s $1/victim $1/lib/updater/last-result.json.new",
    );
    shell("mkfifo $1/lib/updater/last-result.json");
    assert_eq!(status(&["--booted", "a"]).exits(Exit::Done).json()["last_result"], serde_json::Value::Null);
    board.run_as("umask 000", &["--booted", "a", "install", &bundle]).exits(Exit::Done);
    assert_eq!(shell("cat $1/victim"), "precious");
    assert_eq!(status(&["--booted", "a"]).exits(Exit::Done).json()["last_result"]["class"], "done");
    shell("truncate -s 1G $1/lib/updater/last-result.json");
    assert_eq!(status(&["--booted", "a"]).exits(Exit::Done).json()["last_result"], serde_json::Value::Null);
    shell("mkfifo $1/run/updater/boot.json");
    status(&[]).exits(Exit::Io).says("it is not a regular file");
    shell(
        "rm $1/run/updater/boot.json; echo '{\"schema\":1,\"slot\":\"a\"}' >$1/real; ln -s $1/real $1/run/updater/boot.json",
    );
    status(&[]).exits(Exit::Io).says("it is a symbolic link");
    shell("rm $1/run/updater/boot.json; truncate -s 1G $1/run/updater/boot.json");
    status(&[]).exits(Exit::Io).says("more than 65536 bytes");
    shell("rm $1/run/updater/*; mkfifo $1/run/updater/lock");
    board.run(&["--booted", "a", "mark-good"]).exits(Exit::Io).says("it is not a regular file");
    for umask in ["umask 000", "umask 077"] {
        shell("rm -r $1/run/updater $1/lib/updater");
        board.run_as(umask, &["--booted", "a", "install", "/nowhere"]).exits(Exit::Usage);
        let modes = shell("cd $1; stat -c %a run/updater lib/updater run/updater/lock lib/updater/last-result.json");
        assert_eq!(modes, "755\n755\n600\n644", "{umask}");
    }
}
