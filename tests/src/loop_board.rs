//! A device whose disk is a block device: a loop device over a file. `/run` and `/var/lib` are its own, so that nothing is left on the
//! machine that runs the test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use libupdate::BlockSize;
use libupdate::gpt::Guid;
use tempfile::TempDir;

use crate::answer::Answer;
use crate::cli::binary;
use crate::device::Device;
use crate::loop_device::LoopDevice;
use crate::superuser;

/// A device whose disk is a block device.
#[derive(Debug)]
pub struct Board {
    /// The disk's file, its releases and their keys.
    pub device: Device,
    /// The disk.
    pub node: LoopDevice,
    /// What stands for `/run` (`run`), `/var/lib` (`lib`), and perhaps `/sys/block` (`block`) and `/proc/cmdline` (`cmdline`).
    pub system: TempDir,
    /// The profile, by its name in the workshop.
    pub profile: &'static str,
}

impl Board {
    /// A device with release 1.0 booted from slot a, and its disk as a block device.
    ///
    /// # Panics
    /// Where there is no loop device, or no right to make one.
    #[must_use]
    pub fn new(sectors: BlockSize) -> Self {
        let device = Device::with_sectors(sectors);
        let node = LoopDevice::over(device.disk(), sectors);
        let system = tempfile::tempdir().expect("the temporary folder can be written");
        for folder in ["run", "lib"] {
            fs::create_dir(system.path().join(folder)).expect("the temporary folder can be written");
        }
        Self { device, node, system, profile: "profile.toml" }
    }

    /// Runs the program as root, with a `/run` and a `/var/lib` of its own.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_as("umask 022", arguments)
    }

    /// The same after a line of shell.
    #[must_use]
    pub fn run_as(&self, before: &str, arguments: &[&str]) -> Answer {
        self.run_on(&["--disk", self.node.text()], before, arguments)
    }

    /// The same, on a disk that it finds by itself: the kernel's list of disks is the test's own too, where it made one.
    #[must_use]
    pub fn finds(&self, arguments: &[&str]) -> Answer {
        self.run_on(&[], "umask 022", arguments)
    }

    /// The same with these words of a disk.
    ///
    /// # Panics
    /// Where `unshare` cannot be run.
    #[must_use]
    pub fn run_on(&self, disk: &[&str], before: &str, arguments: &[&str]) -> Answer {
        let mounts = "mount --bind \"$1/run\" /run && mount --bind \"$1/lib\" /var/lib";
        let disks = "{ [ ! -e \"$1/block\" ] || mount --bind \"$1/block\" /sys/block; }";
        let line = "{ [ ! -e \"$1/cmdline\" ] || mount --bind \"$1/cmdline\" /proc/cmdline; }";
        let script = &format!("{mounts} && {disks} && {line} && shift && {before} && exec \"$@\"");
        let text = |path: &Path| path.to_str().expect("paths of tests are UTF-8").to_owned();
        let mut line = ["--mount", "sh", "-c", script, "sh"].map(str::to_owned).to_vec();
        line.extend([text(self.system.path()), text(binary())]);
        line.extend(["--profile".to_owned(), self.device.workshop.text(self.profile)]);
        line.extend(disk.iter().chain(arguments).map(|argument| (*argument).to_owned()));
        let done = superuser::output("unshare", &line);
        Answer::new(format!("{line:?}"), done.status, done.stdout, done.stderr)
    }

    /// What this boot says: the hook's report, if any, and the kernel's command line.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn boots(&self, report: &str, command_line: &str) {
        let write = "rm -rf \"$1/run/updater\"; printf %s \"$3\" >\"$1/cmdline\" && { [ -z \"$2\" ] || \
            { mkdir -p \"$1/run/updater\" && printf %s \"$2\" >\"$1/run/updater/boot.json\"; }; }";
        superuser::run(
            "sh",
            &["-c", write, "sh", self.system.path().to_str().expect("paths of tests are UTF-8"), report, command_line],
        );
    }

    /// The GUID of its partition table.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn guid(&self) -> String {
        let bytes = self.device.range(512 + 56, 16);
        Guid::new(bytes.try_into().expect("16 bytes were read")).to_string()
    }

    /// Every byte of its disk.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.node.text()).expect("the disk can be read")
    }

    /// Puts a drive on the kernel's list of disks.
    ///
    /// # Panics
    /// Where that fails.
    pub fn lists(&self, name: &str, node: &str) {
        let (folder, block) = (self.system.path().join("devices").join(name), self.system.path().join("block"));
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        fs::create_dir_all(&block).expect("the temporary folder can be written");
        fs::write(folder.join("size"), "8192\n").expect("the temporary folder can be written");
        fs::write(folder.join("uevent"), format!("MAJOR=8\nDEVNAME={node}\nDEVTYPE=disk\n"))
            .expect("the temporary folder can be written");
        symlink(&folder, block.join(name)).expect("the temporary folder can be written");
    }
}
