//! GRUB for the guests: a program of UEFI made with `grub-mkstandalone`, and the partition that it starts from.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::guest_disk::GuestDisk;
use crate::{tool, tree};

/// What the program itself has: where the script is.
const EMBEDDED: &str = "search --no-floppy --set=root --file /boot/grub/updater-board.cfg\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n";
/// The script's modules, and those of the board's functions.
const MODULES: &str =
    "part_gpt fat search search_fs_file configfile echo eval loadenv normal reboot sleep test linux squash4 gzio";
/// In a folder with `embedded.cfg` and the files of the partition: the script, what the board adds, a partition of 4 MiB.
const MAKE: &str = r#"
cd "$1"
grub-mkstandalone -O x86_64-efi --install-modules= --fonts= --locales= --themes= --modules="$2" -o BOOTX64.EFI boot/grub/grub.cfg=embedded.cfg
for copy in grubenv grubenv.2; do grub-editenv "$copy" create; done
truncate -s 4M esp
mkfs.vfat esp
mmd -i esp ::/EFI ::/EFI/BOOT ::/boot ::/boot/grub
mcopy -i esp BOOTX64.EFI ::/EFI/BOOT/
mcopy -i esp grub.cfg updater-board.cfg grubenv grubenv.2 ::/boot/grub/
"#;

/// GRUB's partition on a disk, and a folder in which its two environment blocks are for as long as the program works on them.
#[derive(Debug)]
pub struct Grub<'d> {
    disk: &'d GuestDisk,
    folder: TempDir,
}

impl<'d> Grub<'d> {
    /// Puts GRUB on the partition "esp", with these functions of the board, and two blocks that say nothing.
    ///
    /// # Panics
    /// Where a tool fails.
    #[must_use]
    pub fn on(disk: &'d GuestDisk, board: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let script = tree::text(Path::new("hardware-profiles/boot-loaders/grub.cfg"));
        for (name, text) in [("embedded.cfg", EMBEDDED), ("grub.cfg", &script), ("updater-board.cfg", board)] {
            std::fs::write(folder.path().join(name), text).expect("the folder can be written");
        }
        tool::run("sh", &["-e", "-c", MAKE, "make", utf8(folder.path()), MODULES]);
        disk.fill("esp", &std::fs::read(folder.path().join("esp")).expect("it was made"));
        Self { disk, folder }
    }

    /// Where the first block is on this side.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("grubenv")
    }

    fn partition(&self) -> String {
        format!("{}@@{}", self.disk.path().display(), self.disk.start_of("esp"))
    }

    /// Takes both blocks from the disk.
    pub fn take(&self) {
        for name in ["grubenv", "grubenv.2"] {
            let from = format!("::/boot/grub/{name}");
            tool::run("mcopy", &["-n", "-o", "-i", &self.partition(), &from, utf8(&self.folder.path().join(name))]);
        }
    }

    /// Gives them back.
    pub fn give(&self) {
        for name in ["grubenv", "grubenv.2"] {
            let path = self.folder.path().join(name);
            tool::run("mcopy", &["-o", "-i", &self.partition(), utf8(&path), "::/boot/grub/"]);
        }
    }

    /// The variables of both, as `grub-editenv` lists them, which have to be the same.
    ///
    /// # Panics
    /// Where they differ.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let [first, second] = ["grubenv", "grubenv.2"]
            .map(|name| tool::run("grub-editenv", &[utf8(&self.folder.path().join(name)), "list"]));
        assert_eq!(first, second, "grubenv and grubenv.2");
        first.lines().map(str::to_owned).collect()
    }
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
