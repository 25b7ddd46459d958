//! The hook as a step of another initramfs. Debian's `mkinitramfs` makes one with the glue files of `initramfs-hook/`, in a mount
//! namespace where the guests' kernel looks installed; a guest boots it.

use std::fs;
use std::path::PathBuf;

use tests::answer::Exit;
use tests::cli::Cli;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Kit, Release};
use tests::{superuser, tree};

/// As small as it gets, with what a disk in qemu needs.
const CONFIG: &str = "MODULES=list\nBUSYBOX=auto\nCOMPRESS=gzip\nFSTYPE=auto\nRUNSIZE=10%\n";
const MODULES: &str = "virtio_pci\nvirtio_blk\n";
/// KERNEL's folder, its version, the configuration, the image.
const MAKE: &str = r#"
mount -t overlay -o "lowerdir=$1/lib:/usr/lib" overlay /usr/lib
mount --bind "$1/boot" /boot
mkinitramfs -d "$3" -o "$4" "$2"
chmod 0644 "$4"
"#;

fn made_by_initramfs_tools(board: &Board) -> PathBuf {
    let (kit, glue) = (Kit::shared(), tree::root().join("initramfs-hook/initramfs-tools"));
    let [folder, config, image] = ["conf", "hook.config", "initramfs-tools"].map(|name| kit.path(name));
    for (name, from) in [("hooks", glue.join("hooks/updater")), ("scripts", glue.join("scripts/updater"))] {
        fs::create_dir_all(folder.join(name)).expect("the folder can be written");
        fs::copy(from, folder.join(name).join("updater")).expect("the folder can be written");
    }
    fs::write(folder.join("initramfs.conf"), CONFIG).expect("the folder can be written");
    fs::write(folder.join("modules"), MODULES).expect("the folder can be written");
    let [folder, config, image_name] = [&folder, &config, &image].map(|path| path.to_str().expect("it is UTF-8"));
    let profile = kit.profile(board);
    Cli::new(&["--profile", profile.to_str().expect("it is UTF-8"), "hook-config", "-o", config])
        .run()
        .exits(Exit::Done);
    let kernel = kit.kernel();
    let (package, version) = kernel.to_str().and_then(|path| path.split_once("/boot/vmlinuz-")).expect("see kernel()");
    let hook = format!("UPDATER_HOOK={}", kit.program("initramfs-hook").display());
    let config = format!("UPDATER_HOOK_CONFIG={config}");
    let make = ["-m", "env", &hook, &config, "sh", "-e", "-c", MAKE, "make", package, version, folder, image_name];
    superuser::run("unshare", &make);
    image
}

#[test]
fn initramfs_tools_boots_a_slot_and_falls_back() {
    let disk = GuestDisk::provisioned(Board::default(), &Release::of("1.0"));
    disk.install(&Release::of("2.0"));
    let machine = Machine { initramfs: Some(made_by_initramfs_tools(disk.board())), ..Machine::does("json,off") };
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("guest: release 2.0 runs"), "{said}");
    assert!(said.contains(r#""booted":"b""#), "{said}");
    // Its trailer.
    disk.damage('b', 16 + 60 - 65536);
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot b is passed over: its trailer"), "{said}");
    assert!(said.contains("guest: release 1.0 runs"), "{said}");
}
