//! Stores of boot loaders that choose by themselves, as the boot loaders' own programs read and write them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use libupdate::BlockSize;
use tempfile::TempDir;
use tests::answer::{Answer, Exit};
use tests::cli::Cli;
use tests::tool;
use tests::workshop::Workshop;

/// A disk with release 1.0 on slot a, good, and a boot loader that chooses by itself.
struct Device {
    workshop: Arc<Workshop>,
    folder: TempDir,
    profile: PathBuf,
    store: String,
}

impl Device {
    fn with(loader: &str, store: &str) -> Self {
        let workshop = Workshop::shared();
        let usual = fs::read_to_string(workshop.path("profile.toml")).expect("it was made");
        let boot = format!("{usual}\n[boot]\nspends-try = \"boot-loader\"\nloader = \"{loader}\"\n");
        let profile = workshop.put_new("toml", boot.as_bytes());
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        fs::copy(workshop.provisioned(BlockSize::B512), folder.path().join("disk")).expect("the folder can be written");
        let store = folder.path().join(store).display().to_string();
        Self { workshop, folder, profile, store }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn cli(&self, arguments: &[&str]) -> Answer {
        let (profile, disk) = (self.profile.display().to_string(), self.path("disk"));
        let device = ["--quiet", "--profile", &profile, "--disk", &disk, "--loader-store", &self.store];
        Cli::new(&device).and(arguments).run()
    }

    /// State of the store, and the tries that slot b has left.
    fn status(&self) -> (String, u64) {
        let status = self.cli(&["--json", "status"]).exits(Exit::Done).json();
        let state = status["boot_loader"]["state"].as_str().expect("status has the store").to_owned();
        let bits = tool::run("cgpt", &["show", "-i", "2", "-T", &self.path("disk")]);
        (state, bits.trim().parse().expect("cgpt shows a number"))
    }

    fn install(&self) {
        self.cli(&["install", &self.workshop.bundle_text(2)]).exits(Exit::Done);
    }
}

fn state(state: &str, tries: u64) -> (String, u64) {
    (state.to_owned(), tries)
}

#[test]
fn u_boots_programs_read_the_environment_and_write_it() {
    let device = Device::with("u-boot-env", "fw_env.config");
    let [text, image, first, second] = ["env.txt", "env.image", "first", "second"].map(|name| device.path(name));
    fs::write(&text, "bootcmd=run it\nempty=\nlong=a b=c\n").expect("the folder can be written");
    tool::run("mkenvimage", &["-r", "-s", "0x2000", "-o", &image, &text]);
    for copy in [&first, &second] {
        fs::copy(&image, copy).expect("the folder can be written");
    }
    fs::write(&device.store, format!("{first} 0x0 0x2000\n{second} 0x0 0x2000\n")).expect("the folder can be written");
    let variable = |name: &str| tool::run("fw_printenv", &["-c", &device.store, "-n", name]).trim().to_owned();
    assert_eq!(device.status(), state("was-behind", 0));
    device.install();
    let names = ["BOOT_ORDER", "BOOT_A_LEFT", "BOOT_B_LEFT", "BOOT_GOOD", "bootcmd", "long"];
    assert_eq!(names.map(variable), ["B A", "3", "3", "A", "run it", "a b=c"]);
    assert_eq!(device.status(), state("agrees", 3));
    // What a boot script takes comes into the bits, whichever copy it was written to.
    for left in [2, 1] {
        tool::run("fw_setenv", &["-c", &device.store, "BOOT_B_LEFT", &left.to_string()]);
        assert_eq!(device.status(), state("agrees", left));
    }
    // Both copies are U-Boot's, whichever is damaged: the other one counts, and the next `status` makes it whole.
    for copy in [&first, &second] {
        let mut bytes = fs::read(copy).expect("it was made");
        bytes[100] ^= 1;
        fs::write(copy, bytes).expect("the folder can be written");
        assert_eq!(variable("BOOT_ORDER"), "B A");
        device.status();
        assert_eq!(device.status(), state("agrees", 1));
        assert_eq!(names.map(variable), ["B A", "3", "1", "A", "run it", "a b=c"]);
    }
}

#[test]
fn grubs_program_reads_the_environment_block_and_writes_it() {
    let device = Device::with("grub-env", "grubenv");
    let [first, second] = ["grubenv", "grubenv.2"].map(|name| device.path(name));
    for copy in [&first, &second] {
        tool::run("grub-editenv", &[copy.as_str(), "create"]);
    }
    let list = |copy: &str| tool::run("grub-editenv", &[copy, "list"]);
    tool::run("grub-editenv", &[first.as_str(), "set", "saved_entry=a\\b"]);
    assert_eq!(device.status(), state("was-behind", 0));
    device.install();
    let ours = "ORDER=B A\nA_LEFT=3\nA_OK=1\nB_LEFT=3\nB_OK=0\nSEAL=B A:13:03::::::\n";
    assert_eq!([list(&first), list(&second)], [const { "saved_entry=a\\b\n" }; 2].map(|kept| format!("{kept}{ours}")));
    assert_eq!(device.status(), state("agrees", 3));
    // A count, as GRUB's save_env writes it, into one file only: the power went between the two.
    tool::run("grub-editenv", &[first.as_str(), "set", "B_LEFT=1", "SEAL=B A:13:01::::::"]);
    assert_eq!(device.status(), state("was-behind", 1));
    assert_eq!(list(&first), list(&second));
    // Another program sets a variable of its own, and makes the file empty in the middle of it.
    tool::run("grub-editenv", &[first.as_str(), "set", "more=1"]);
    assert_eq!(device.status(), state("was-behind", 1));
    assert!(list(&second).contains("saved_entry=a\\b\nmore=1\nORDER=B A\n"), "{}", list(&second));
    fs::write(&first, "").expect("the folder can be written");
    assert_eq!(device.status(), state("was-behind", 1));
    assert_eq!((list(&first), device.status()), (list(&second), state("agrees", 1)));
    // Both: nothing is written, and an update that the boot loader would not know of does not begin.
    for copy in [&first, &second] {
        fs::write(copy, [0; 1024]).expect("the folder can be written");
    }
    assert_eq!(device.status().0, "unknown");
    device.cli(&["--json", "install", &device.workshop.bundle_text(2)]).fails(Exit::Disk, "grub-editenv FILE create");
    assert_eq!([&first, &second].map(|copy| fs::read(copy).expect("it was made")), [vec![0; 1024], vec![0; 1024]]);
}
