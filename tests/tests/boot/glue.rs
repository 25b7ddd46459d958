//! The hook as a step of another initramfs. Debian's makers build one with the glue files of `initramfs-hook/`, in a mount
//! namespace where these and the guests' kernel look installed; or busybox's shell runs a script. A guest boots it.

use std::fs;
use std::path::PathBuf;

use tests::answer::Exit;
use tests::cli::Cli;
use tests::guest::Machine;
use tests::guest_disk::GuestDisk;
use tests::guest_kit::{Board, Flaw, Kit, Release, pack};
use tests::{superuser, tool, tree};

/// Inside the manifest of a slot's trailer.
const TRAILER: i64 = 16 + 60 - 65536;
/// The kernel's package, its version, a folder with our files under `lib` and `etc`, the image.
const MOUNTS: &str = r#"
mount -t overlay -o "lowerdir=$3/lib:$1/lib:/usr/lib" overlay /usr/lib
mount -t overlay -o "lowerdir=$3/etc:/etc" overlay /etc
mount --bind "$1/boot" /boot
"#;
/// Who makes an initramfs, how, and where it wants which files of `initramfs-hook/`.
struct Maker {
    name: &'static str,
    script: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// As small as it gets, with what a disk in qemu needs.
const INITRAMFS_TOOLS: Maker = Maker {
    name: "initramfs-tools",
    script: r#"
cd "$3/etc/initramfs-tools"
printf 'MODULES=list\nBUSYBOX=auto\nCOMPRESS=gzip\nFSTYPE=auto\nRUNSIZE=10%%\n' >initramfs.conf
printf 'virtio_pci\nvirtio_blk\n' >modules
mkinitramfs -d "$PWD" -o "$4" "$2"
"#,
    files: &[
        ("initramfs-tools/hooks/updater", "etc/initramfs-tools/hooks/updater"),
        ("initramfs-tools/scripts/updater", "etc/initramfs-tools/scripts/updater"),
    ],
};
const DRACUT: Maker = Maker {
    name: "dracut",
    script: r#"
dracut -f --no-hostonly --tmpdir /var/tmp --kver "$2" -m "base updater udev-rules kernel-modules" --drivers "virtio_pci virtio_blk" "$4"
"#,
    files: &[
        ("dracut/module-setup.sh", "lib/dracut/modules.d/95updater/module-setup.sh"),
        ("dracut/updater-root.sh", "lib/dracut/modules.d/95updater/updater-root.sh"),
        ("dracut/updater-mount.sh", "lib/dracut/modules.d/95updater/updater-mount.sh"),
        ("dracut/updater-restart.sh", "lib/dracut/modules.d/95updater/updater-restart.sh"),
    ],
};
/// As it comes where systemd is installed.
const DRACUT_WITH_SYSTEMD: Maker = Maker {
    name: "dracut-systemd",
    script: r#"
dracut -f --no-hostonly --tmpdir /var/tmp --kver "$2" -m "base systemd systemd-initrd dracut-systemd updater udev-rules kernel-modules" --drivers "virtio_pci virtio_blk" "$4"
"#,
    ..DRACUT
};

/// An initramfs of this maker, with the files at their places.
fn made(maker: &Maker, board: &Board) -> PathBuf {
    let kit = Kit::shared();
    let [folder, image] = ["files", "image"].map(|what| kit.path(&format!("{}.{what}", maker.name)));
    let glue = maker.files.iter().map(|(from, to)| (tree::root().join("initramfs-hook").join(from), *to));
    let hook = [
        (kit.program("initramfs-hook"), "lib/updater/initramfs-hook"),
        (tree::root().join("initramfs-hook/updater-hook-config"), "lib/updater/updater-hook-config"),
    ];
    for (from, to) in glue.chain(hook) {
        let to = folder.join(to);
        fs::create_dir_all(to.parent().expect("it is in the folder")).expect("the folder can be written");
        fs::copy(from, to).expect("the folder can be written");
    }
    let config = folder.join("etc/updater/hook.config");
    fs::create_dir_all(folder.join("etc/updater")).expect("the folder can be written");
    let (profile, kernel) = (kit.profile(board), board.kernel.image());
    let [folder, image_name, config, profile, kernel] =
        [&folder, &image, &config, &profile, &kernel].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    Cli::new(&["--profile", profile, "hook-config", "-o", config]).run().exits(Exit::Done);
    let (package, version) = kernel.split_once("/boot/vmlinuz-").expect("a kernel's name has its version");
    let script = format!("{MOUNTS}{}chmod 0644 \"$4\"\n", maker.script);
    superuser::run("unshare", &["-m", "sh", "-e", "-c", &script, "make", package, version, folder, image_name]);
    image
}

/// The first process is the shell script that is shown as an example; the rest is as in an initramfs of the hook alone.
fn of_busybox(board: &Board) -> PathBuf {
    let kit = Kit::shared();
    let (folder, image) = (kit.path("busybox.files"), kit.path("busybox.image"));
    let [from, to, script] = [kit.initramfs(board).with_extension("tree"), folder.clone(), tree::root().into()]
        .map(|path| path.to_str().expect("paths of tests are UTF-8").to_owned());
    let make = r#"
cp -R "$1" "$2"
mkdir "$2/bin"
mv "$2/init" "$2/bin/initramfs-hook"
cp /bin/busybox "$2/bin/busybox"
cp "$3/initramfs-hook/busybox/init" "$2/init"
"#;
    tool::run("sh", &["-e", "-c", make, "make", &from, &to, &script]);
    pack(&folder, &image);
    image
}

/// A trial boots with it, and the other slot after one whose init cannot be run.
fn boots_and_falls_back(made: impl Fn(&Board) -> PathBuf) -> (GuestDisk, Machine) {
    let disk = GuestDisk::provisioned(Board::default(), &Release::of("1.0"));
    disk.install(&Release::of("2.0"));
    // An empty `panic=`, as where nobody says anything of it.
    let machine = Machine { initramfs: Some(made(disk.board())), words: "panic=", ..Machine::does("json,off") };
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot b boots: version 2.0, trial, 2 tries left"), "{said}");
    assert!(said.contains("guest: release 2.0 runs"), "{said}");
    assert!(said.contains(r#""booted":"b""#), "{said}");
    disk.install(&Release::of("3.0").flaw(Flaw::ClosedInit));
    disk.set_bits('b', [2, 1, 0]);
    let said = machine.run(&disk);
    assert!(said.contains("updater: slot b boots: version 3.0, trial, 0 tries left"), "{said}");
    assert!(said.contains("updater: slot b is passed over: its tries ran out without a good boot"), "{said}");
    assert!(said.contains("guest: release 1.0 runs"), "{said}");
    (disk, machine)
}

#[test]
fn initramfs_tools_boots_a_slot_and_falls_back() {
    boots_and_falls_back(|board| made(&INITRAMFS_TOOLS, board));
}

#[test]
fn dracut_boots_a_slot_and_falls_back() {
    boots_and_falls_back(|board| made(&DRACUT, board));
}

#[test]
fn dracut_with_systemd_boots_a_slot_and_falls_back() {
    boots_and_falls_back(|board| made(&DRACUT_WITH_SYSTEMD, board));
}

#[test]
fn a_shell_script_of_busybox_boots_a_slot_falls_back_and_starts_over() {
    let (disk, machine) = boots_and_falls_back(of_busybox);
    for slot in ['a', 'b'] {
        disk.damage(slot, TRAILER);
    }
    let guest = machine.start(&disk);
    guest.says("updater: nothing can be booted; restart in 1 s", 2);
    assert!(guest.cut().contains("updater: slot a is passed over: its trailer"), "it gave up for another reason");
}
