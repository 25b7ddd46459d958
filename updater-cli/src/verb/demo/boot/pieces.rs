//! What a guest is made of, found on this machine; or, of each piece that is missing, what gives it.
//!
//! ```text
//!  --kernel   else the newest of /boot ──► its release ──► --modules, else lib/modules/RELEASE ──► what the guest loads
//!                                                             beside the kernel's folder, else /lib/modules/RELEASE
//!  --hook     else beside a build of this program, else the package's
//!  qemu       in PATH
//! ```

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::kernel;
use super::modules::Modules;
use super::program::{self, Unfit};
use crate::cli::demo::Demo;
use crate::exit::{Exit, Failure};

/// The emulator.
pub const QEMU: &str = "qemu-system-x86_64";
/// Where `initramfs-hook/build` puts the hook, seen from where cargo puts this program.
const BUILT: &str = "../guest/x86_64-unknown-linux-musl/hook/initramfs-hook";
const PACKAGED: &str = "/usr/lib/updater/initramfs-hook";
/// What gives a kernel.
const A_KERNEL: &str = "Debian: apt install linux-image-cloud-amd64; or unpack the package that it depends on (dpkg-deb -x) and name its kernel with --kernel";
/// What gives the hook.
const A_HOOK: &str = "install the package updater-initramfs, or run initramfs-hook/build in a clone of this project and name its file with --hook";

/// All of it, by names that are right wherever the program goes on working.
#[derive(Debug)]
pub struct Pieces {
    /// The kernel's file.
    pub kernel: PathBuf,
    /// Its release.
    pub release: String,
    /// The modules to load, in this order.
    pub modules: Vec<PathBuf>,
    /// The hook's file.
    pub hook: PathBuf,
}

/// Where to look for what nobody names.
#[derive(Debug)]
pub struct Places {
    path: OsString,
    kernels: PathBuf,
    modules: PathBuf,
    hooks: Vec<PathBuf>,
}

/// A piece that is missing: why, and what gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Missing {
    why: String,
    next: String,
}

impl Places {
    /// Those of this machine and of this program.
    pub fn usual() -> Self {
        let program = env::current_exe().unwrap_or_default();
        let home = program.parent().unwrap_or(Path::new("/"));
        Self {
            path: env::var_os("PATH").unwrap_or_default(),
            kernels: "/boot".into(),
            modules: "/lib/modules".into(),
            hooks: vec![home.join("initramfs-hook"), home.join(BUILT), PACKAGED.into()],
        }
    }
}

impl Pieces {
    /// What the command line names, and else what is found.
    ///
    /// # Errors
    /// [`Exit::Usage`] with every piece that is missing.
    pub fn find(args: &Demo, places: &Places) -> Result<Self, Failure> {
        let kernel = kernel(args.kernel.as_deref(), places);
        let modules = match &kernel {
            Ok((kernel, release)) => modules(args.modules.as_deref(), kernel, release, places),
            // Which modules is the kernel's to say.
            Err(_) => Ok(Vec::new()),
        };
        match (qemu(places), kernel, modules, hook(args.hook.as_deref(), places)) {
            (Ok(()), Ok((kernel, release)), Ok(modules), Ok(hook)) => Ok(Self { kernel, release, modules, hook }),
            (qemu, kernel, modules, hook) => {
                let missing = [qemu.err(), kernel.err(), modules.err(), hook.err()];
                Err(incomplete(&missing.into_iter().flatten().collect::<Vec<_>>()))
            }
        }
    }
}

fn incomplete(missing: &[Missing]) -> Failure {
    let what = "cannot boot the demo";
    match missing {
        [one] => Failure::new(Exit::Usage, what, &one.why, &one.next),
        several => {
            let why = format!("{} pieces are missing", several.len());
            let next = "get each of them, then run the same command again; `demo` without --boot needs none";
            let details = several.iter().map(|one| format!("{}; {}", one.why, one.next)).collect();
            Failure { details, ..Failure::new(Exit::Usage, what, why, next) }
        }
    }
}

fn qemu(places: &Places) -> Result<(), Missing> {
    match env::split_paths(&places.path).any(|folder| folder.join(QEMU).is_file()) {
        true => Ok(()),
        false => Err(Missing {
            why: format!("{QEMU} is not in PATH"),
            next: "Debian: apt install qemu-system-x86".to_owned(),
        }),
    }
}

/// The kernel's file and its release.
fn kernel(named: Option<&Path>, places: &Places) -> Result<(PathBuf, String), Missing> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => match kernel::newest(&places.kernels) {
            Ok(Some(path)) => path,
            Ok(None) => {
                return Err(Missing {
                    why: format!("there is no kernel in {}", places.kernels.display()),
                    next: A_KERNEL.to_owned(),
                });
            }
            Err(error) => return Err(unreadable(&places.kernels, &error, A_KERNEL)),
        },
    };
    let mut head = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(kernel::HEAD_BYTES).read_to_end(&mut head));
    if let Err(error) = read {
        let copy = format!(
            "copy it as root (install -m 644 {} vmlinuz) and name the copy with --kernel vmlinuz",
            path.display()
        );
        let next = if error.kind() == ErrorKind::PermissionDenied { &copy } else { A_KERNEL };
        return Err(unreadable(&path, &error, next));
    }
    let release = kernel::release(&head).ok_or_else(|| Missing {
        why: format!("{} is no Linux kernel for x86 (a bzImage)", path.display()),
        next: format!("name one with --kernel. {A_KERNEL}"),
    })?;
    Ok((absolute(&path)?, release))
}

/// The modules that the guest loads.
fn modules(named: Option<&Path>, kernel: &Path, release: &str, places: &Places) -> Result<Vec<PathBuf>, Missing> {
    // A package that was only unpacked has both; a kernel that was copied is one that is installed.
    let unpacked = kernel.parent().and_then(Path::parent).map(|root| root.join("lib/modules").join(release));
    let found = || unpacked.filter(|folder| folder.is_dir()).unwrap_or_else(|| places.modules.join(release));
    let folder = named.map_or_else(found, Path::to_owned);
    let next = format!(
        "install the package of the kernel, or name the folder of its modules with --modules; `depmod -b ROOT {release}` \
         writes modules.dep for a package that was only unpacked into ROOT"
    );
    let list = Modules::read(&folder).map_err(|error| unreadable(&folder.join("modules.dep"), &error, &next))?;
    let files = list.for_the_guest().map_err(|names| Missing {
        why: format!("the kernel {release} has no module {} in {}", names.join(", "), folder.display()),
        next: format!("use a kernel for virtual machines. {A_KERNEL}"),
    })?;
    files.iter().map(|file| absolute(file)).collect()
}

fn hook(named: Option<&Path>, places: &Places) -> Result<PathBuf, Missing> {
    let judged = |path: &Path| fs::read(path).map(|bytes| program::judge(&bytes));
    if let Some(path) = named {
        return match judged(path) {
            Ok(Ok(())) => absolute(path),
            Ok(Err(unfit)) => Err(unfit_hook(path, unfit)),
            Err(error) => Err(unreadable(path, &error, A_HOOK)),
        };
    }
    match places.hooks.iter().find(|path| matches!(judged(path), Ok(Ok(())))) {
        Some(path) => absolute(path),
        None => {
            let unfit = places.hooks.iter().find_map(|path| Some(unfit_hook(path, judged(path).ok()?.err()?)));
            let nowhere = || Missing { why: "there is no initramfs-hook".to_owned(), next: A_HOOK.to_owned() };
            Err(unfit.unwrap_or_else(nowhere))
        }
    }
}

fn unfit_hook(path: &Path, unfit: Unfit) -> Missing {
    Missing {
        why: format!("{} {}", path.display(), unfit.why()),
        next: "initramfs-hook/build makes one that is static; name it with --hook".to_owned(),
    }
}

fn unreadable(path: &Path, error: &io::Error, next: &str) -> Missing {
    Missing { why: format!("cannot read {}: {error}", path.display()), next: next.to_owned() }
}

fn absolute(path: &Path) -> Result<PathBuf, Missing> {
    path.canonicalize().map_err(|error| unreadable(path, &error, "check the path and its permissions"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::init::{self, Then};
    use super::super::{kernel, modules};
    use super::*;
    use crate::cli::{Cli, Verb};

    const RELEASE: &str = "6.1.0-1-demo";

    fn arguments(words: &[&str]) -> Demo {
        let cli = Cli::try_parse_from(["updater-cli", "demo", "--boot"].iter().chain(words)).unwrap();
        let Verb::Demo(args) = cli.verb else { panic!("another verb") };
        args
    }

    /// A machine that has every piece.
    fn machine() -> (tempfile::TempDir, Places) {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let places = Places {
            path: env::join_paths([at("sbin"), at("bin")]).unwrap(),
            kernels: at("boot"),
            modules: at("modules"),
            hooks: vec![at("beside"), at("packaged")],
        };
        for folder in ["bin", "boot", "modules/6.1.0-1-demo"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("bin").join(QEMU), "").unwrap();
        fs::write(at("boot/vmlinuz-5.10"), "an older one").unwrap();
        fs::write(at("boot/vmlinuz-6.1"), kernel::tests::head(RELEASE)).unwrap();
        plant(&at("modules").join(RELEASE));
        fs::write(at("packaged"), init::program("hook", Then::Ends).unwrap()).unwrap();
        (root, places)
    }

    /// A kernel's modules.
    fn plant(folder: &Path) {
        fs::write(folder.join("modules.dep"), modules::tests::LIST).unwrap();
        fs::write(folder.join("modules.builtin"), modules::tests::BUILT_IN).unwrap();
        for line in modules::tests::LIST.lines() {
            let file = folder.join(line.split(':').next().unwrap());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
    }

    fn refused(places: &Places, words: &[&str]) -> Failure {
        let failure = Pieces::find(&arguments(words), places).unwrap_err();
        assert_eq!((failure.code, failure.what.as_str()), (Exit::Usage, "cannot boot the demo"));
        failure
    }

    #[test]
    fn a_machine_that_has_everything_needs_no_option() {
        let (root, places) = machine();
        let pieces = Pieces::find(&arguments(&[]), &places).unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!((pieces.kernel, pieces.release.as_str()), (root.join("boot/vmlinuz-6.1"), RELEASE));
        assert_eq!((pieces.hook, pieces.modules.len()), (root.join("packaged"), 7));
        // A build's own hook comes before the package's.
        fs::copy(root.join("packaged"), root.join("beside")).unwrap();
        assert_eq!(Pieces::find(&arguments(&[]), &places).unwrap().hook, root.join("beside"));
    }

    #[test]
    fn what_is_named_is_taken() {
        let (root, places) = machine();
        let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        fs::rename(at("boot"), at("elsewhere")).unwrap();
        fs::rename(at("modules"), at("more")).unwrap();
        fs::rename(at("packaged"), at("mine")).unwrap();
        let (kernel, modules, hook) = (at("elsewhere/vmlinuz-6.1"), at("more/6.1.0-1-demo"), at("mine"));
        let words = ["--kernel", &kernel, "--modules", &modules, "--hook", &hook];
        let pieces = Pieces::find(&arguments(&words), &places).unwrap();
        assert!(pieces.kernel.ends_with("elsewhere/vmlinuz-6.1") && pieces.hook.ends_with("mine"));
        assert!(pieces.modules.iter().all(|file| file.is_absolute()), "{pieces:?}");
    }

    #[test]
    fn an_unpacked_package_has_its_modules_beside_it() {
        let (root, places) = machine();
        let at = |name: &str| root.path().join("unpacked").join(name);
        let folder = at("lib/modules").join(RELEASE);
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(at("boot")).unwrap();
        fs::copy(root.path().join("boot/vmlinuz-6.1"), at("boot/vmlinuz")).unwrap();
        let kernel = at("boot/vmlinuz").to_str().unwrap().to_owned();
        let failure = refused(&places, &["--kernel", &kernel]);
        assert!(failure.next.contains(&format!("`depmod -b ROOT {RELEASE}` writes modules.dep")), "{failure}");
        plant(&folder);
        let pieces = Pieces::find(&arguments(&["--kernel", &kernel]), &places).unwrap();
        let root = root.path().canonicalize().unwrap();
        assert!(pieces.modules.iter().all(|file| file.starts_with(root.join("unpacked"))), "{pieces:?}");
    }

    #[test]
    fn each_piece_that_is_missing_says_what_gives_it() {
        let without = |name: &str, why: &str, next: &str| {
            let (root, places) = machine();
            fs::remove_file(root.path().join(name)).unwrap();
            let failure = refused(&places, &[]);
            assert!(failure.why.contains(why) && failure.next.contains(next), "{name}: {failure}");
        };
        without("bin/qemu-system-x86_64", "qemu-system-x86_64 is not in PATH", "apt install qemu-system-x86");
        without("packaged", "there is no initramfs-hook", "install the package updater-initramfs");
        without("modules/6.1.0-1-demo/modules.dep", "/modules/6.1.0-1-demo/modules.dep: No such", "--modules");
        without("modules/6.1.0-1-demo/modules.builtin", "has no module squashfs in ", "linux-image-cloud-amd64");
        // The older file in /boot is none.
        without("boot/vmlinuz-6.1", "/boot/vmlinuz-5.10 is no Linux kernel for x86", "linux-image-cloud-amd64");
        let (root, places) = machine();
        fs::remove_dir_all(root.path().join("boot")).unwrap();
        fs::create_dir(root.path().join("boot")).unwrap();
        let failure = refused(&places, &[]);
        assert!(failure.why.starts_with("there is no kernel in ") && failure.next.contains("linux-image-cloud-amd64"));
    }

    #[test]
    fn several_pieces_are_told_at_once() {
        let (root, places) = machine();
        fs::remove_dir_all(root.path().join("bin")).unwrap();
        fs::remove_dir_all(root.path().join("boot")).unwrap();
        let failure = refused(&places, &["--hook", "/no/hook"]);
        assert_eq!((failure.why.as_str(), failure.details.len()), ("3 pieces are missing", 3));
        let words = ["qemu-system-x86", "linux-image-cloud-amd64", "/no/hook: No such file"];
        for (detail, word) in failure.details.iter().zip(words) {
            assert!(detail.contains(word), "{failure}");
        }
    }

    #[test]
    fn a_hook_with_libraries_is_told_from_a_static_one() {
        let (root, places) = machine();
        let at = |name: &str| root.path().join(name);
        fs::copy(env::current_exe().unwrap(), at("beside")).unwrap();
        assert!(Pieces::find(&arguments(&[]), &places).unwrap().hook.ends_with("packaged"));
        let failure = refused(&places, &["--hook", at("beside").to_str().unwrap()]);
        assert!(failure.why.contains("needs libraries") && failure.next.contains("initramfs-hook/build"), "{failure}");
        fs::remove_file(at("packaged")).unwrap();
        assert_eq!(refused(&places, &[]).why, failure.why);
        fs::write(at("packaged"), "#!/bin/sh\n").unwrap();
        let failure = refused(&places, &["--hook", at("packaged").to_str().unwrap()]);
        assert!(failure.why.ends_with("packaged is no program for x86-64"), "{failure}");
    }
}
