//! Debian with systemd as the root of a release: the archive of `tests/guest/debian/build`, with our units, programs and health
//! checks at the places that `docs/BOOT.md` names, as a squashfs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Board, Kit, Release, printed_by};
use crate::{tool, tree};

/// Files of this tree and their places.
const FILES: [(&str, &str); 9] = [
    ("initramfs-hook/health/updater-health", "usr/lib/updater/updater-health"),
    ("initramfs-hook/health/updater-fall-back", "usr/lib/updater/updater-fall-back"),
    ("initramfs-hook/health/updater-trial-ends", "usr/lib/updater/updater-trial-ends"),
    ("initramfs-hook/systemd/updater-trial.service", "usr/lib/systemd/system/updater-trial.service"),
    ("initramfs-hook/systemd/updater-mark-good.service", "usr/lib/systemd/system/updater-mark-good.service"),
    ("initramfs-hook/systemd/updater-fall-back.service", "usr/lib/systemd/system/updater-fall-back.service"),
    ("tests/guest/debian/fstab", "etc/fstab"),
    ("tests/guest/debian/guest.service", "usr/lib/systemd/system/guest.service"),
    ("tests/guest/debian/guest", "usr/lib/guest"),
];
/// What is enabled, as `systemctl enable` does it.
const ENABLED: [&str; 3] = ["updater-mark-good.service", "updater-trial.service", "guest.service"];
/// Adds the files of a folder to a copy of an archive, and makes a file system of it.
const PACK: &str = r#"
cp "$1" "$2.tar"
cd "$3"
find . ! -type d | tar -rf "$2.tar" --owner=0 --group=0 --no-recursion -T -
mksquashfs - "$2" -tar -quiet -no-progress -comp zstd -Xcompression-level 6 -e var/lib/dpkg -e var/lib/apt <"$2.tar"
rm "$2.tar"
"#;

/// Makes the image of a release. `acts` names its health checks, files of `tests/guest/debian/health.d`.
pub(super) fn pack(kit: &Kit, board: &Board, release: &Release, files: &Path, image: &Path) {
    plant(kit, board, release, files).expect("the folder can be written");
    let [archive, image, files] =
        [archive(), image, files].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    tool::run("sh", &["-e", "-c", PACK, "pack", archive, image, files]);
}

fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| printed_by("tests/guest/debian/build", &[]))
}

fn plant(kit: &Kit, board: &Board, release: &Release, files: &Path) -> std::io::Result<()> {
    let place = |from: &Path, to: &str| {
        let to = files.join(to);
        fs::create_dir_all(to.parent().expect("it is in the folder"))?;
        fs::copy(from, to).map(|_| ())
    };
    for (from, to) in FILES {
        place(&tree::root().join(from), to)?;
    }
    for check in release.acts.iter().flat_map(|acts| acts.split(',')) {
        let from = tree::root().join("tests/guest/debian/health.d").join(check);
        place(&from, &format!("etc/updater/health.d/{check}"))?;
    }
    let cli = "usr/bin/updater-cli";
    place(&kit.program("updater-cli"), cli)?;
    fs::set_permissions(files.join(cli), fs::Permissions::from_mode(0o755))?;
    place(&kit.profile(board), "etc/updater/profile.toml")?;
    place(&kit.path("maker.pub"), "etc/updater/maker.pub")?;
    fs::write(files.join("etc/release"), release.version)?;
    let wants = files.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    for unit in ENABLED {
        symlink(Path::new("/usr/lib/systemd/system").join(unit), wants.join(unit))?;
    }
    // A check that hangs is not waited for a minute.
    let drop_in = files.join("etc/systemd/system/updater-mark-good.service.d");
    fs::create_dir(&drop_in)?;
    fs::write(drop_in.join("timeout.conf"), "[Service]\nEnvironment=UPDATER_HEALTH_TIMEOUT=5\n")
}
