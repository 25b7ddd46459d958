//! Releases: what a guest's root file system holds, how it is packed, and what is wrong with it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::debian::{self, Suite};
use super::{Board, Kit};
use crate::firmware::Keys;
use crate::root_image::noise;
use crate::{tool, tree, u_boot, uki};

/// What the guest's init calls.
const APPLETS: [&str; 14] =
    ["sh", "ls", "cat", "tr", "sed", "tail", "head", "echo", "sleep", "reboot", "poweroff", "dd", "mount", "insmod"];
/// Copies a program and what it is linked with.
const MAKER: &str = r#"
mkdir -p "$1/etc"
cp /etc/mke2fs.conf "$1/etc/"
for file in /sbin/mkfs.ext4 $(ldd /sbin/mkfs.ext4 | grep -o '/[^ ]*'); do
  mkdir -p "$1$(dirname "$file")"
  cp -L "$file" "$1$file"
done
"#;
/// Puts systemd's program that marks boots good into a root, with the libraries of this machine.
const BLESSER: &str = r#"
mkdir -p "$1/usr/lib" "$1/lib64"
cp "$2/lib/systemd/systemd-bless-boot" "$1/bin/"
cp "$3"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-*.so "$1/usr/lib/"
for file in $(LD_LIBRARY_PATH="$1/usr/lib" ldd "$1/bin/systemd-bless-boot" | grep -o '/[^ ]*'); do
  case $file in
    "$1"*) ;;
    /lib64/*) cp -L "$file" "$1/lib64/" ;;
    *) cp -L "$file" "$1/usr/lib/" ;;
  esac
done
"#;
/// A FAT file system with a file.
const FAT: &str = r#"
truncate -s 20M "$2"
mkfs.vfat "$2"
mcopy -i "$2" "$1" ::/updater.efi
"#;
/// Folders of a root, mount points among them.
const FOLDERS: [&str; 11] =
    ["bin", "sbin", "usr/share", "etc/updater", "dev", "proc", "sys", "run", "var/lib", "tmp", "mnt"];

/// A release: its version, and what its init does of itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Release {
    /// The version.
    pub version: &'static str,
    /// Words of the guest's init; without, the kernel's command line has them.
    pub acts: Option<&'static str>,
    /// What is done to the root before it is packed.
    pub flaw: Flaw,
    /// What it brings besides its programs.
    pub cargo: Cargo,
    /// The file system of its root.
    pub root: Root,
    /// More options of `bundle create`.
    pub options: &'static [&'static str],
}

/// What a release brings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cargo {
    /// Programs only: the running kernel goes on.
    Programs,
    /// A kernel and an initramfs with the hook, in /boot.
    Kernel,
    /// A kernel and an initramfs as a payload of their own, which is a UKI.
    Uki,
    /// The same, signed for firmware with Secure Boot.
    SignedUki,
    /// The same, signed with a key that no firmware knows.
    StrangeUki,
    /// The same, with a kernel that its stub does not start.
    BadUki,
    /// The same, of 30 MB, as a distribution's are.
    LargeUki,
    /// The same, and in its root systemd's own view of the files that systemd-boot counts in.
    BlessedUki,
    /// The same as a file of a FAT partition, which firmware starts by itself.
    FatUki,
    /// The same as files of a payload that is a file system.
    BootTree,
    /// The same as a payload for U-Boot.
    Fit,
    /// A module that makes the kernel stumble, /oops.ko.
    Oops,
    /// This machine's mkfs.ext4, with its libraries.
    Maker,
    /// Files below the root, each with its text.
    Files(&'static [(&'static str, &'static str)]),
    /// Debian with systemd and our units. What it does are health checks.
    Debian(Suite),
}

/// A file system of roots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Root {
    /// `mkfs.erofs`.
    Erofs,
    /// `mksquashfs`.
    Squashfs,
    /// `mkfs.ext4`, with its journal.
    Ext4,
}

/// What is wrong with a release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Flaw {
    /// Nothing.
    None,
    /// There is no init.
    NoInit,
    /// Its init is no program.
    BadInit,
    /// Its init may not be run, and there is no shell that could be taken instead.
    ClosedInit,
    /// The image is no file system.
    NoFileSystem,
}

impl Release {
    /// A release that does what the command line says.
    #[must_use]
    pub const fn of(version: &'static str) -> Self {
        Self { version, acts: None, flaw: Flaw::None, cargo: Cargo::Programs, root: Root::Erofs, options: &[] }
    }

    /// One that does something of itself.
    #[must_use]
    pub const fn acts(self, acts: &'static str) -> Self {
        Self { acts: Some(acts), ..self }
    }

    /// One with something wrong.
    #[must_use]
    pub const fn flaw(self, flaw: Flaw) -> Self {
        Self { flaw, ..self }
    }

    /// One with a kernel of its own.
    #[must_use]
    pub const fn with_kernel(self) -> Self {
        self.with_cargo(Cargo::Kernel)
    }

    /// The same as another version.
    #[must_use]
    pub const fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// One that brings something.
    #[must_use]
    pub const fn with_cargo(self, cargo: Cargo) -> Self {
        Self { cargo, ..self }
    }

    /// One with a root of another file system.
    #[must_use]
    pub const fn on(self, root: Root) -> Self {
        Self { root, ..self }
    }

    /// One made with more options.
    #[must_use]
    pub const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    /// Makes the image of its root.
    pub(super) fn image(&self, kit: &Kit, board: &Board, image: &Path) {
        if self.flaw == Flaw::NoFileSystem {
            fs::write(image, noise("no file system", 1 << 20)).expect("the folder can be written");
            return;
        }
        let root = image.with_extension("root");
        if let Cargo::Debian(suite) = self.cargo {
            return debian::pack(kit, board, self, suite, (&root, image));
        }
        self.plant(kit, board, &root).expect("the folder can be written");
        pack(self.root, &root, image);
    }

    /// Makes the image of its second partition: a file with its version.
    pub(super) fn app(&self, image: &Path) {
        let root = image.with_extension("app-root");
        fs::create_dir_all(&root).expect("the folder can be written");
        fs::write(root.join("app"), self.version).expect("the folder can be written");
        fs::write(root.join("noise"), noise("app", 1 << 20)).expect("the folder can be written");
        pack(Root::Squashfs, &root, image);
    }

    /// Makes the image of the payload with its kernel. What that kernel is told says where it came from.
    pub(super) fn boot(&self, kit: &Kit, board: &Board, image: &Path) {
        if self.cargo == Cargo::Fit {
            fs::copy(kit.fit(board), image).expect("the folder can be written");
            return;
        }
        let (mut kernel, mut initramfs) = (board.kernel.image(), kit.initramfs(board));
        if self.cargo == Cargo::BadUki {
            kernel = image.with_extension("junk");
            fs::write(&kernel, noise("no kernel", 1 << 20)).expect("the folder can be written");
        }
        if self.cargo == Cargo::LargeUki {
            initramfs = larger(&initramfs, image);
        }
        // On a machine with other work the emulated timer is too late for the kernel, which takes it for broken.
        let line = |from: &str| format!("console=ttyS0 quiet no_timer_check from={from} guest.do=line,mark-good,off\n");
        if self.has_uki() {
            uki::make(&kernel, &initramfs, &line("uki"), image);
            match self.cargo {
                Cargo::FatUki => in_fat(image),
                Cargo::SignedUki => kit.secure_boot().sign(image),
                Cargo::StrangeUki => Keys::make(&image.with_extension("key")).sign(image),
                _ => {}
            }
            return;
        }
        let root = image.with_extension("boot-root");
        fs::create_dir_all(&root).expect("the folder can be written");
        for (from, to) in [(&kernel, "vmlinuz"), (&initramfs, "initramfs")] {
            fs::copy(from, root.join(to)).expect("the folder can be written");
        }
        fs::write(root.join("cmdline"), line("tree")).expect("the folder can be written");
        pack(Root::Squashfs, &root, image);
    }

    const fn has_uki(&self) -> bool {
        use Cargo::{BadUki, BlessedUki, FatUki, LargeUki, SignedUki, StrangeUki, Uki};
        matches!(self.cargo, Uki | SignedUki | StrangeUki | BadUki | LargeUki | BlessedUki | FatUki)
    }

    fn plant(&self, kit: &Kit, board: &Board, root: &Path) -> std::io::Result<()> {
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy(kit.busybox(board), root.join("bin/busybox"))?;
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet))?;
        }
        fs::copy(kit.program_of(board, "updater-cli"), root.join("bin/updater-cli"))?;
        fs::copy(kit.profile(board), root.join("etc/updater/profile.toml"))?;
        fs::copy(kit.path("maker.pub"), root.join("etc/updater/maker.pub"))?;
        fs::copy(tree::root().join("initramfs-hook/health/updater-watchdog"), root.join("bin/updater-watchdog"))?;
        fs::write(root.join("etc/release"), self.version)?;
        fs::write(root.join("var/lib/image"), "of the image")?;
        // What a pack replaces, and what it leaves.
        files(root, &[("usr/share/hotfix", "the image's"), ("usr/share/other", "the image's")])?;
        // systemd in an initramfs hands over to nothing without it.
        fs::write(root.join("etc/os-release"), "ID=guest\n")?;
        fs::write(root.join("noise"), noise(self.version, 512 << 10))?;
        if board.boot.contains("loader = \"u-boot-env\"") {
            fs::write(root.join("etc/fw_env.config"), u_boot::config(Path::new("/dev/vda")))?;
        }
        if let Some(acts) = self.acts {
            fs::write(root.join("etc/do"), acts)?;
        }
        match self.cargo {
            Cargo::Kernel => {
                fs::create_dir(root.join("boot"))?;
                fs::copy(board.kernel.image(), root.join("boot/vmlinuz"))?;
                fs::copy(kit.initramfs(board), root.join("boot/initramfs"))?;
            }
            Cargo::Maker => {
                tool::run("sh", &["-e", "-c", MAKER, "maker", root.to_str().expect("paths of tests are UTF-8")]);
            }
            Cargo::BlessedUki => blesser(root),
            Cargo::Files(list) => files(root, list)?,
            Cargo::Oops => stumbling_module(board, &root.join("oops.ko")),
            // What they bring is not in the root, or more than a file of it.
            _ => {}
        }
        let init = root.join("sbin/init");
        match self.flaw {
            Flaw::NoInit => fs::remove_file(root.join("bin/sh")),
            Flaw::BadInit => {
                fs::write(&init, "no program")?;
                fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
            }
            Flaw::ClosedInit => {
                fs::remove_file(root.join("bin/sh"))?;
                fs::write(&init, "")?;
                fs::set_permissions(&init, fs::Permissions::from_mode(0o644))
            }
            Flaw::None | Flaw::NoFileSystem => fs::copy(tree::root().join("tests/guest/root/init"), &init).map(|_| ()),
        }
    }
}

fn files(root: &Path, list: &[(&str, &str)]) -> std::io::Result<()> {
    list.iter().try_for_each(|(path, text)| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder"))?;
        fs::write(path, text)
    })
}

/// An initramfs with another one behind it, which has nothing to run.
fn larger(initramfs: &Path, image: &Path) -> PathBuf {
    let (tree, more, both) =
        (image.with_extension("more-root"), image.with_extension("more"), image.with_extension("both"));
    fs::create_dir_all(&tree).expect("the folder can be written");
    fs::write(tree.join("firmware"), noise("firmware", 14 << 20)).expect("the folder can be written");
    super::pack(&tree, &more);
    let parts = [initramfs, &more].map(|part| fs::read(part).expect("it was made"));
    fs::write(&both, parts.concat()).expect("the folder can be written");
    both
}

fn blesser(root: &Path) {
    let [boot, shared] = ["systemd-boot", "libsystemd-shared"].map(|package| super::unpacked(&[package]));
    let [root, boot, shared] = [root, &boot, &shared].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    tool::run("sh", &["-e", "-c", BLESSER, "blesser", root, boot, shared]);
}

/// Makes a file the only one of a FAT file system.
fn in_fat(image: &Path) {
    let file = image.with_extension("efi");
    fs::rename(image, &file).expect("the folder can be written");
    let [file, image] = [&file, image].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    tool::run("sh", &["-e", "-c", FAT, "fat", file, image]);
}

/// Packs a folder.
fn pack(kind: Root, root: &Path, image: &Path) {
    let [root, image] = [root, image].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    match kind {
        Root::Erofs => tool::run("mkfs.erofs", &["--quiet", "-T0", "--all-root", image, root]),
        Root::Squashfs => {
            tool::run("mksquashfs", &[root, image, "-noappend", "-no-progress", "-quiet", "-all-root", "-comp", "gzip"])
        }
        Root::Ext4 => tool::run("mkfs.ext4", &["-q", "-b", "4096", "-E", "root_owner=0:0", "-d", root, image, "16M"]),
    };
}

/// A module of the kernel whose beginning is an instruction that does not exist. Everything that refers into that section goes.
fn stumbling_module(board: &Board, to: &Path) {
    let files = board.kernel.module_files(&["loop"]);
    let module = files.last().expect("it is a module").to_str().expect("paths of tests are UTF-8");
    let code = to.with_extension("code");
    fs::write(&code, [0x0f, 0x0b].repeat(32)).expect("the folder can be written");
    let update = format!(".init.text={}", code.display());
    let gone = ["__mcount_loc", ".return_sites", ".retpoline_sites", ".call_sites", ".altinstructions", ".orc_unwind*"];
    let mut arguments = vec!["--remove-relocations=.init.text", "--update-section", &update];
    arguments.extend(gone.iter().flat_map(|section| ["--remove-section", *section]));
    arguments.extend([module, to.to_str().expect("paths of tests are UTF-8")]);
    tool::run("objcopy", &arguments);
    fs::remove_file(code).expect("the folder can be written");
}
