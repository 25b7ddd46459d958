//! What guests are made of: a kernel, static programs, keys, boards with their initramfs, releases with their bundles.
//!
//! `GUEST_PROGRAMS=FOLDER` names other programs than those of `tests/guest/build`, which are taken as they are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use crate::answer::Exit;
use crate::cli::Cli;
use crate::root_image::noise;
use crate::{tool, tree};

/// What the boards and the releases are for.
pub const COMPATIBLE: &str = "guest";
/// Bytes of a slot's partition.
pub const SLOT_MIB: u32 = 32;

/// Modules of Debian's cloud kernel, in the order of their needs.
const MODULES: [&str; 7] = ["virtio_pci", "virtio_blk", "dm-verity", "erofs", "squashfs", "softdog", "nvme"];
/// What the guest's init calls.
const APPLETS: [&str; 11] = ["sh", "cat", "tr", "sed", "tail", "head", "echo", "sleep", "reboot", "poweroff", "dd"];

/// The folder of everything.
#[derive(Debug)]
pub struct Kit {
    folder: TempDir,
    programs: PathBuf,
    kernel: PathBuf,
    made: Mutex<BTreeMap<String, PathBuf>>,
}

/// What a board's profile says of its boot; the rest is the same for all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Board {
    /// More lines of `[boot]`.
    pub boot: &'static str,
    /// More tables.
    pub more: &'static str,
}

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
    /// The image is no file system.
    NoFileSystem,
}

impl Board {
    /// Memory of its machine: a kernel that is loaded beside the running one needs more.
    #[must_use]
    pub fn memory_mib(&self) -> &'static str {
        if self.boot.contains("kexec") { "768" } else { "256" }
    }
}

impl Release {
    /// A release that does what the command line says.
    #[must_use]
    pub const fn of(version: &'static str) -> Self {
        Self { version, acts: None, flaw: Flaw::None, cargo: Cargo::Programs, options: &[] }
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
        Self { cargo: Cargo::Kernel, ..self }
    }

    /// One made with more options.
    #[must_use]
    pub const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }
}

impl Kit {
    /// The one of this test program. It stays until the program ends.
    ///
    /// # Panics
    /// Where a part cannot be made.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kit> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = tempfile::tempdir().expect("the temporary folder can be written");
            let out = text(folder.path());
            Cli::new(&["keygen", "--out", &out, "--name", "maker"]).run().exits(Exit::Done);
            let given = std::env::var_os("GUEST_PROGRAMS").map(PathBuf::from);
            let (programs, kernel) = (given.unwrap_or_else(|| built("programs")), built("kernel"));
            Self { folder, programs, kernel, made: Mutex::default() }
        })
    }

    /// A place in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A static program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Debian's kernel.
    ///
    /// # Panics
    /// Where the package has none.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        let folder = fs::read_dir(self.kernel.join("boot")).expect("the package was unpacked");
        let names = folder.map(|entry| entry.expect("it can be read").path());
        names.into_iter().find(|path| text(path).contains("/vmlinuz-")).expect("a kernel package has a kernel")
    }

    /// A board's profile.
    #[must_use]
    pub fn profile(&self, board: &Board) -> PathBuf {
        self.once(&format!("{board:?}.profile"), |path| {
            fs::write(path, profile(board)).expect("the folder can be written");
        })
    }

    /// A board's initramfs: the hook, its configuration, and modules.
    ///
    /// # Panics
    /// Where a tool fails.
    #[must_use]
    pub fn initramfs(&self, board: &Board) -> PathBuf {
        self.once(&format!("{board:?}.initramfs"), |path| {
            let tree = path.with_extension("tree");
            let config = tree.join("etc/updater");
            fs::create_dir_all(tree.join("modules")).expect("the folder can be written");
            fs::create_dir_all(&config).expect("the folder can be written");
            fs::copy(self.programs.join("initramfs-hook"), tree.join("init")).expect("the hook was built");
            let config_file = text(&config.join("hook.config"));
            Cli::new(&["--profile", &text(&self.profile(board)), "hook-config", "-o", &config_file])
                .run()
                .exits(Exit::Done);
            fs::write(config.join("modules"), self.modules(&tree)).expect("the folder can be written");
            pack(&tree, path);
        })
    }

    /// Copies the modules, and gives their list.
    fn modules(&self, tree: &Path) -> String {
        let version = text(self.kernel().as_path()).split_once("vmlinuz-").expect("see above").1.to_owned();
        let mut list = String::new();
        for name in MODULES {
            let arguments = ["-d", &text(&self.kernel), "-S", &version, "--show-depends", name];
            for path in tool::run("modprobe", &arguments).lines().filter_map(|line| line.strip_prefix("insmod ")) {
                let path = Path::new(path.trim());
                let to = Path::new("/modules").join(path.file_name().expect("a module has a name"));
                let line = format!("{}\n", to.display());
                if !list.contains(&line) {
                    let inside = tree.join(to.strip_prefix("/").expect("it begins with it"));
                    fs::copy(path, inside).expect("the package was unpacked");
                    list += &line;
                }
            }
        }
        list
    }

    /// A release's bundle for boards like `board`.
    ///
    /// # Panics
    /// Where a tool fails.
    #[must_use]
    pub fn bundle(&self, board: &Board, release: &Release) -> PathBuf {
        self.once(&format!("{board:?}.{release:?}.bundle"), |path| {
            let image = path.with_extension("image");
            self.image(board, release, &image);
            let key = text(&self.path("maker.key"));
            Cli::new(&["bundle", "create", "--quiet", "--image", &text(&image), "--version", release.version])
                .and(&["--compatible", COMPATIBLE, "--key", &key, "-o", &text(path)])
                .and(release.options)
                .run()
                .exits(Exit::Done);
        })
    }

    fn image(&self, board: &Board, release: &Release, image: &Path) {
        if release.flaw == Flaw::NoFileSystem {
            fs::write(image, noise("no file system", 1 << 20)).expect("the folder can be written");
            return;
        }
        let root = image.with_extension("root");
        self.plant(board, release, &root).expect("the folder can be written");
        let arguments = ["--quiet", "-T0", "--all-root", &text(image), &text(&root)].map(str::to_owned);
        tool::run("mkfs.erofs", &arguments);
    }

    fn plant(&self, board: &Board, release: &Release, root: &Path) -> std::io::Result<()> {
        for folder in ["bin", "sbin", "etc/updater", "dev", "proc", "sys", "run", "var/lib", "tmp"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy("/bin/busybox", root.join("bin/busybox"))?;
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet))?;
        }
        fs::copy(self.programs.join("updater-cli"), root.join("bin/updater-cli"))?;
        fs::copy(self.profile(board), root.join("etc/updater/profile.toml"))?;
        fs::copy(self.path("maker.pub"), root.join("etc/updater/maker.pub"))?;
        fs::write(root.join("etc/release"), release.version)?;
        fs::write(root.join("noise"), noise(release.version, 512 << 10))?;
        if let Some(acts) = release.acts {
            fs::write(root.join("etc/do"), acts)?;
        }
        if release.cargo == Cargo::Kernel {
            fs::create_dir(root.join("boot"))?;
            fs::copy(self.kernel(), root.join("boot/vmlinuz"))?;
            fs::copy(self.initramfs(board), root.join("boot/initramfs"))?;
        }
        let init = root.join("sbin/init");
        match release.flaw {
            Flaw::NoInit => fs::remove_file(root.join("bin/sh")),
            Flaw::BadInit => {
                fs::write(&init, "no program")?;
                fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
            }
            Flaw::None | Flaw::NoFileSystem => fs::copy(tree::root().join("tests/guest/root/init"), &init).map(|_| ()),
        }
    }

    /// The file of this name, made by the first who asks. Others wait.
    fn once(&self, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
        {
            let made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(path) = made.get(name) {
                return path.clone();
            }
        }
        // Two who ask at once make it twice, under different names: nothing is held while tools run.
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let ending = name.rsplit('.').next().unwrap_or_default();
        // The names of boards and releases are long; a number is a name, too.
        let ending = if ending == "profile" { "toml" } else { ending };
        let path = self.path(&format!("{number}.{ending}"));
        make(&path);
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        made.entry(name.to_owned()).or_insert(path).clone()
    }
}

/// Runs `tests/guest/build`, and gives the folder it names.
fn built(what: &str) -> PathBuf {
    let script = tree::root().join("tests/guest/build");
    let done = Command::new(&script).arg(what).output().expect("the script can be run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "tests/guest/build {what}: {}\n{said}", done.status);
    PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())
}

/// A cpio archive of a folder, as the kernel unpacks it.
fn pack(tree: &Path, to: &Path) {
    let script = format!("cd '{}' && find . | cpio --quiet -o -H newc -R 0:0 >'{}'", tree.display(), to.display());
    tool::run("sh", &["-c", &script]);
}

fn profile(board: &Board) -> String {
    let Board { boot, more } = board;
    format!(
        r#"name = "guest"
compatible = "{COMPATIBLE}"

[slots]
names = ["a", "b"]
control = "root"
tries = 3
guard = 3

[[partition]]
role = "root"
label = "root-{{slot}}"
type = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
size = "{SLOT_MIB}M"
attributes = ["no-auto"]

{more}
[[partition]]
label = "data"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "rest"

[trust]
keys = ["maker.pub"]

[boot]
panic-seconds = 1
verbose = true
{boot}
"#
    )
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}
