//! What guests are made of: kernels, static programs, keys, boards with their initramfs, releases with their bundles.
//!
//! `GUEST_PROGRAMS=FOLDER` names other programs than those of `tests/guest/build`, which are taken as they are;
//! `GUEST_PROGRAMS_AARCH64=FOLDER` those for ARMv8.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use crate::answer::Exit;
use crate::cli::Cli;
use crate::firmware::Keys;
use crate::{fit, tool, tree};

mod board;
mod debian;
mod kernel;
mod release;

pub use board::{APP, BOOT, Board, COMPATIBLE, DATA_TYPE, SLOT_MIB, SLOT_TYPE, TRIES};
pub use debian::Suite;
pub use kernel::{Kernel, unpacked};
pub use release::{Cargo, Flaw, Release, Root};

/// The init of an initramfs without the hook.
const OTHER_INIT: &str = r#"#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs devtmpfs /dev
for module in MODULES; do $busybox insmod $module; done
while ! $busybox mount -t ext4 /dev/vdc /root 2>/dev/null; do $busybox sleep 0.1; done
$busybox umount /dev
exec $busybox switch_root /root /sbin/init
"#;

/// The folder of everything.
#[derive(Debug)]
pub struct Kit {
    folder: TempDir,
    made: Mutex<BTreeMap<String, PathBuf>>,
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
            Self { folder, made: Mutex::default() }
        })
    }

    /// A place in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A static program for this machine's processor.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.program_of(&Board::default(), name)
    }

    /// A static program for a board's processor.
    #[must_use]
    pub fn program_of(&self, board: &Board, name: &str) -> PathBuf {
        static PROGRAMS: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
        let (place, given, processor) = match board.kernel {
            Kernel::Arm64 => (1, "GUEST_PROGRAMS_AARCH64", "aarch64"),
            Kernel::Cloud | Kernel::Full | Kernel::Compressed => (0, "GUEST_PROGRAMS", "x86_64"),
        };
        let folder = || match std::env::var_os(given) {
            Some(folder) => PathBuf::from(folder),
            None => printed_by("tests/guest/build", &["programs", processor]),
        };
        PROGRAMS[place].get_or_init(folder).join(name)
    }

    /// A static busybox for a board's processor.
    fn busybox(&self, board: &Board) -> PathBuf {
        match board.kernel {
            Kernel::Arm64 => unpacked(&["busybox-static", "bookworm", "arm64"]).join("bin/busybox"),
            Kernel::Cloud | Kernel::Full | Kernel::Compressed => "/bin/busybox".into(),
        }
    }

    /// A kernel for qemu to start.
    #[must_use]
    pub fn kernel(&self, kernel: Kernel) -> PathBuf {
        self.once(&format!("{kernel:?}.kernel"), |path| kernel.unpack(path))
    }

    /// A board's profile.
    #[must_use]
    pub fn profile(&self, board: &Board) -> PathBuf {
        self.once(&format!("{board:?}.profile"), |path| {
            fs::write(path, board.profile()).expect("the folder can be written");
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
            fs::create_dir_all(&config).expect("the folder can be written");
            fs::copy(self.program_of(board, "initramfs-hook"), tree.join("init")).expect("the hook was built");
            let config_file = text(&config.join("hook.config"));
            Cli::new(&["--profile", &text(&self.profile(board)), "hook-config", "-o", &config_file])
                .run()
                .exits(Exit::Done);
            fs::write(config.join("modules"), board.kernel.plant(&tree, board.modules()))
                .expect("the folder can be written");
            pack(&tree, path);
        })
    }

    /// A disk that says what each release does in the next run: a line for each, its version and its words.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn asked(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.path(name);
        let mut disk = lines.as_bytes().to_vec();
        disk.resize(1 << 20, 0);
        std::fs::write(&path, disk).expect("the folder can be written");
        path
    }

    /// A root on a disk of its own, which can be written; made once, to be copied.
    #[must_use]
    pub fn root_disk(&self, board: &Board, release: &Release) -> PathBuf {
        self.once(&format!("{board:?}.{release:?}.disk"), |path| release.image(self, board, path))
    }

    /// An initramfs without the hook: a shell that goes on in the third disk, which it mounts so that it can be written.
    ///
    /// # Panics
    /// Where a tool fails.
    #[must_use]
    pub fn other_initramfs(&self, board: &Board) -> PathBuf {
        self.once(&format!("{board:?}.other"), |path| {
            let tree = path.with_extension("tree");
            let folders = ["bin", "dev", "proc", "root"].map(|folder| tree.join(folder));
            folders.iter().try_for_each(fs::create_dir_all).expect("the folder can be written");
            let list = board.kernel.plant(&tree, &["ext4"]);
            let init = tree.join("init");
            fs::write(&init, OTHER_INIT.replace("MODULES", &list.replace('\n', " ")))
                .expect("the folder can be written");
            fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).expect("it is ours");
            fs::copy(self.busybox(board), tree.join("bin/busybox")).expect("busybox is installed");
            pack(&tree, path);
        })
    }

    /// The boot application of UEFI for a board.
    ///
    /// # Panics
    /// Where a tool fails.
    #[must_use]
    pub fn boot_application(&self, board: &Board) -> PathBuf {
        self.once(&format!("{board:?}.efi"), |path| {
            let config = text(&path.with_extension("config"));
            Cli::new(&["--profile", &text(&self.profile(board)), "hook-config", "-o", &config]).run().exits(Exit::Done);
            run_script("initramfs-hook/uefi/build", &["with", &config, &text(path)]);
        })
    }

    /// The keys that firmware with Secure Boot trusts.
    pub fn secure_boot(&self) -> &Keys {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(|| Keys::make(&self.path("secure-boot.key")))
    }

    /// The folder of U-Boot for a board, with the command `updater`: `u-boot.bin`, and its tools. What it knows of the board is made from
    /// the board's profile; all tests have the same board.
    #[must_use]
    pub fn u_boot(&self, board: &Board) -> PathBuf {
        let header = self.once(&format!("{board:?}.h"), |path| {
            let arguments = ["hook-config", "--c-header", "-o", &text(path)];
            Cli::new(&["--profile", &text(&self.profile(board))]).and(&arguments).run().exits(Exit::Done);
        });
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        BUILT.get_or_init(|| printed_by("tests/guest/u-boot/build", &[&text(&header)])).clone()
    }

    /// The image that U-Boot starts on a board: its kernel and the hook.
    pub(crate) fn fit(&self, board: &Board) -> PathBuf {
        self.once(&format!("{board:?}.fit"), |path| {
            fit::make(&self.u_boot(board), &board.kernel.image(), &self.initramfs(board), path);
        })
    }

    /// A release's bundle for boards like `board`.
    ///
    /// # Panics
    /// Where a tool fails.
    #[must_use]
    pub fn bundle(&self, board: &Board, release: &Release) -> PathBuf {
        self.once(&format!("{board:?}.{release:?}.bundle"), |path| {
            let image = path.with_extension("image");
            release.image(self, board, &image);
            self.create((board, release), &image, &[], path);
        })
    }

    /// The same as a delta from another release.
    ///
    /// # Panics
    /// Where a tool fails, or it is not a fraction of the whole.
    #[must_use]
    pub fn delta(&self, board: &Board, release: &Release, old: &Release) -> PathBuf {
        let whole = self.bundle(board, release);
        let old_bundle = text(&self.bundle(board, old));
        let delta = self.once(&format!("{board:?}.{release:?}.from.{old:?}.bundle"), |path| {
            // Made once: another time its file system has another identity.
            let image = whole.with_extension("image");
            self.create((board, release), &image, &["--delta-from", &old_bundle], path);
        });
        let len = |path: &Path| fs::metadata(path).expect("it was made").len();
        assert!(len(&delta) * 4 < len(&whole), "{} of {} bytes", len(&delta), len(&whole));
        delta
    }

    fn create(&self, (board, release): (&Board, &Release), image: &Path, more: &[&str], path: &Path) {
        let [app, boot] = ["app", "boot"].map(|ending| path.with_extension(ending));
        let key = text(&self.path("maker.key"));
        let mut create =
            Cli::new(&["bundle", "create", "--quiet", "--image", &text(image), "--version", release.version])
                .and(&["--compatible", COMPATIBLE, "--key", &key, "-o", &text(path)])
                .and(release.options)
                .and(more);
        if board.has_app() {
            release.app(&app);
            create = create.and(&["--payload", &format!("app={}", app.display())]);
        }
        if board.has_boot() {
            release.boot(self, board, &boot);
            create = create.and(&["--payload", &format!("boot={}", boot.display())]);
        }
        if let Some(role) = board.first_role() {
            // Its firmware's own, which is not looked at here.
            fs::write(&boot, [0x5a; 4096]).expect("the folder can be written");
            create = create.and(&["--payload", &format!("{role}={}", boot.display())]);
        }
        create.run().exits(Exit::Done);
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

/// Runs a script of this project, and gives the folder it prints.
fn printed_by(script: &str, arguments: &[&str]) -> PathBuf {
    PathBuf::from(run_script(script, arguments).trim())
}

/// Runs a script of this project, and gives what it prints.
fn run_script(script: &str, arguments: &[&str]) -> String {
    let script = tree::root().join(script);
    let done = tool::outside_cargo(&script).args(arguments).output().expect("the script can be run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{} {arguments:?}: {}\n{said}", script.display(), done.status);
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A cpio archive of a folder, as the kernel unpacks it.
pub fn pack(tree: &Path, to: &Path) {
    let script = format!("cd '{}' && find . | cpio --quiet -o -H newc -R 0:0 >'{}'", tree.display(), to.display());
    tool::run("sh", &["-c", &script]);
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}
