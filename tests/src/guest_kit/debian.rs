//! Debian with systemd as the root of a release: the archive of `tests/guest/debian/build`, with our units, programs and health
//! checks at the places that `docs/BOOT.md` names, as a squashfs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Board, Kit, Release, Root, printed_by};
use crate::{tool, tree};

/// Files of this tree and their places.
const FILES: [(&str, &str); 13] = [
    ("initramfs-hook/health/updater-health", "usr/lib/updater/updater-health"),
    ("initramfs-hook/health/updater-fall-back", "usr/lib/updater/updater-fall-back"),
    ("initramfs-hook/health/updater-trial-ends", "usr/lib/updater/updater-trial-ends"),
    ("initramfs-hook/systemd/updater-trial.service", "usr/lib/systemd/system/updater-trial.service"),
    ("initramfs-hook/systemd/updater-mark-good.service", "usr/lib/systemd/system/updater-mark-good.service"),
    ("initramfs-hook/systemd/updater-fall-back.service", "usr/lib/systemd/system/updater-fall-back.service"),
    ("initramfs-hook/systemd/system.conf.d/updater.conf", "usr/lib/systemd/system.conf.d/updater.conf"),
    (
        "initramfs-hook/systemd/emergency.target.d/updater.conf",
        "usr/lib/systemd/system/emergency.target.d/updater.conf",
    ),
    ("initramfs-hook/health/updater-until", "usr/lib/updater/updater-until"),
    ("tests/guest/debian/fstab", "etc/fstab"),
    ("tests/guest/debian/late.service", "usr/lib/systemd/system/late.service"),
    ("tests/guest/debian/guest.service", "usr/lib/systemd/system/guest.service"),
    ("tests/guest/debian/guest", "usr/lib/guest"),
];
/// What is enabled, as `systemctl enable` does it.
const ENABLED: [&str; 3] = ["updater-mark-good.service", "updater-trial.service", "guest.service"];
/// A service that takes its time, of releases that act so.
const LATE: &str = "late.service";
/// Where health checks of the tests, and the samples, are.
const CHECKS: [&str; 2] = ["tests/guest/debian/health.d", "initramfs-hook/health/samples"];
/// Of releases with offline updates: files and their places, and which of them `system-update.target` wants.
const OFFLINE: [(&str, &str); 8] = [
    ("updater-cli/package/updater-offline-ends", "usr/lib/updater/updater-offline-ends"),
    ("updater-cli/package/updater-offline-generator", "usr/lib/systemd/system-generators/updater-offline-generator"),
    ("updater-cli/package/systemd/updater-offline.service", "usr/lib/systemd/system/updater-offline.service"),
    (
        "updater-cli/package/systemd/updater-offline-cleanup.service",
        "usr/lib/systemd/system/updater-offline-cleanup.service",
    ),
    ("tests/guest/debian/offline/early.service", "usr/lib/systemd/system/early.service"),
    ("tests/guest/debian/offline/life.service", "usr/lib/systemd/system/life.service"),
    ("tests/guest/debian/offline/life", "usr/lib/guest-life"),
    ("tests/guest/debian/offline/program", "usr/lib/guest-program"),
];
/// Of releases with packs.
const PACKS: [(&str, &str); 5] = [
    ("updater-cli/package/systemd/updater-live.service", "usr/lib/systemd/system/updater-live.service"),
    ("tests/guest/debian/packs/hotfixed.service", "usr/lib/systemd/system/hotfixed.service"),
    ("tests/guest/debian/packs/hotfixed", "usr/lib/hotfixed"),
    ("tests/guest/debian/packs/life.service", "usr/lib/systemd/system/life.service"),
    ("tests/guest/debian/packs/life", "usr/lib/guest-life"),
];
const WANTED: [&str; 3] = ["updater-offline.service", "updater-offline-cleanup.service", "early.service"];
/// A release of Debian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Suite {
    /// Debian 12, with systemd 252.
    Bookworm,
    /// Debian 13, with systemd 257.
    Trixie,
}

/// Adds the files of a folder to a copy of an archive, and makes a file system of it.
const PACK: &str = r#"
cp "$1" "$2.tar"
cd "$3"
find . ! -type d | tar -rf "$2.tar" --owner=0 --group=0 --no-recursion -T -
if [ "$4" = ext4 ]; then
  mkdir "$2.tree"
  tar -xpf "$2.tar" -C "$2.tree" --numeric-owner
  mkfs.ext4 -q -d "$2.tree" "$2" 512M
  rm -r "$2.tree"
else
  mksquashfs - "$2" -tar -quiet -no-progress -comp zstd -Xcompression-level 6 -e var/lib/dpkg -e var/lib/apt <"$2.tar"
fi
rm "$2.tar"
"#;

/// Makes the image of a release. `acts` names its health checks, files of `tests/guest/debian/health.d`.
pub(super) fn pack(kit: &Kit, board: &Board, release: &Release, suite: Suite, (files, image): (&Path, &Path)) {
    plant(kit, board, release, files).expect("the folder can be written");
    let [archive, image, files] =
        [archive(suite), image, files].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    let kind = if release.root == Root::Ext4 { "ext4" } else { "squashfs" };
    tool::run("sh", &["-e", "-c", PACK, "pack", archive, image, files, kind]);
}

fn archive(suite: Suite) -> &'static Path {
    static ARCHIVES: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    let (archive, name) = match suite {
        Suite::Bookworm => (&ARCHIVES[0], "bookworm"),
        Suite::Trixie => (&ARCHIVES[1], "trixie"),
    };
    archive.get_or_init(|| printed_by("tests/guest/debian/build", &[name]))
}

fn plant(kit: &Kit, board: &Board, release: &Release, files: &Path) -> std::io::Result<()> {
    for (from, to) in FILES {
        place(&tree::root().join(from), &files.join(to))?;
    }
    let cli = files.join("usr/bin/updater-cli");
    place(&kit.program("updater-cli"), &cli)?;
    fs::set_permissions(cli, fs::Permissions::from_mode(0o755))?;
    place(&kit.profile(board), &files.join("etc/updater/profile.toml"))?;
    place(&kit.path("maker.pub"), &files.join("etc/updater/maker.pub"))?;
    fs::write(files.join("etc/release"), release.version)?;
    if board.gives_var() || release.root == Root::Ext4 {
        let fstab = fs::read_to_string(files.join("etc/fstab"))?;
        let rest: Vec<&str> = fstab.lines().filter(|line| !line.contains("/var")).collect();
        fs::write(files.join("etc/fstab"), rest.join("\n") + "\n")?;
    }
    if board.kernel_in_root() {
        place(&board.kernel.image(), &files.join("boot/vmlinuz"))?;
        place(&kit.initramfs(board), &files.join("boot/initrd.img"))?;
    }
    // What the image brings in /var, and a disk does not.
    fs::create_dir_all(files.join("var/lib/image"))?;
    fs::write(files.join("var/lib/image/file"), "of the image\n")?;
    let acts: Vec<&str> = release.acts.iter().flat_map(|acts| acts.split(',')).collect();
    for act in &acts {
        plant_act(files, act)?;
    }
    // The guest's own part powers off; with offline updates and packs there is another.
    let own_part = acts.iter().any(|act| act.starts_with("offline") || ["applied", "packs"].contains(act));
    let enabled = if own_part { [ENABLED[0], ENABLED[1], "life.service"] } else { ENABLED };
    // What is on no slot is on no trial.
    let enabled = if release.root == Root::Ext4 { &enabled[2..] } else { &enabled[..] };
    enable(files, enabled)?;
    // A check that hangs is not waited for a minute. One that has to wait for what starts late has the usual time, as a device has it.
    let limits = "[Unit]\nJobTimeoutSec=40\n[Service]\nEnvironment=UPDATER_HEALTH_TIMEOUT=5\n";
    if acts.contains(&"late") { Ok(()) } else { drop_in(files, "updater-mark-good.service", limits) }
}

/// What a release has of itself: something that is wrong with it, or a health check.
fn plant_act(files: &Path, act: &str) -> std::io::Result<()> {
    match act {
        "late" => enable(files, &[LATE]),
        "unmountable" => append(&files.join("etc/fstab"), "LABEL=nowhere /srv ext4 x-systemd.device-timeout=1s 0 0\n"),
        "never-up" => {
            drop_in(files, LATE, "[Service]\nTimeoutStartSec=infinity\nExecStartPre=sleep infinity\n")?;
            enable(files, &[LATE])
        }
        "offline" => plant_offline(files),
        "packs" => plant_packs(files),
        "applied" => plant_packs(files).and_then(|()| {
            place(&tree::root().join("tests/guest/debian/packs/applied"), &files.join("usr/lib/guest-life"))
        }),
        // Its daemon is another one.
        "newer" => append(&files.join("usr/lib/hotfixed"), "# newer\n"),
        // Another program's request, and one of ours: neither can be removed.
        "offline-foreign" => {
            plant_offline(files).and_then(|()| symlink("/var/lib/PackageKit", files.join("system-update")))
        }
        "offline-stays" => {
            plant_offline(files).and_then(|()| symlink("/var/lib/updater/offline", files.join("system-update")))
        }
        check => {
            let from = CHECKS.map(|folder| tree::root().join(folder).join(check));
            let from = from.iter().find(|from| from.exists()).expect("a health check of the tests");
            place(from, &files.join("etc/updater/health.d").join(check))
        }
    }
}

fn plant_offline(files: &Path) -> std::io::Result<()> {
    for (from, to) in OFFLINE {
        place(&tree::root().join(from), &files.join(to))?;
    }
    let wants = files.join("usr/lib/systemd/system/system-update.target.wants");
    fs::create_dir_all(&wants)?;
    WANTED.iter().try_for_each(|unit| symlink(Path::new("..").join(unit), wants.join(unit)))?;
    // What a frozen program is given here.
    let limits = "[Service]\nExecStart=\nExecStart=/usr/lib/guest-program\nTimeoutStartSec=20\n";
    drop_in(files, "updater-offline.service", limits)
}

fn plant_packs(files: &Path) -> std::io::Result<()> {
    for (from, to) in PACKS {
        place(&tree::root().join(from), &files.join(to))?;
    }
    enable(files, &["hotfixed.service"])?;
    let wants = files.join("etc/systemd/system/sysinit.target.wants");
    fs::create_dir_all(&wants)?;
    symlink("/usr/lib/systemd/system/updater-live.service", wants.join("updater-live.service"))
}

fn place(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to.parent().expect("it is in the folder"))?;
    fs::copy(from, to).map(|_| ())
}

fn enable(files: &Path, units: &[&str]) -> std::io::Result<()> {
    let wants = files.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    units.iter().try_for_each(|unit| symlink(Path::new("/usr/lib/systemd/system").join(unit), wants.join(unit)))
}

fn drop_in(files: &Path, unit: &str, text: &str) -> std::io::Result<()> {
    let folder = files.join(format!("etc/systemd/system/{unit}.d"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("tests.conf"), text)
}

fn append(file: &Path, text: &str) -> std::io::Result<()> {
    fs::write(file, fs::read_to_string(file)? + text)
}
