//! libupdate for C: its example, compiled with the header and the archive that `libupdate/c/build install` puts into a folder, lives
//! a device's life under valgrind, on a disk that the program provisioned; the program says what became of it.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tests::answer::Exit;
use tests::cli::Cli;
use tests::{tool, tree};

/// What valgrind gives where it found an access that is wrong, or memory that was lost.
const VALGRIND: i32 = 9;

/// A folder with the example, keys, bundles and a disk whose slot a is good.
struct Life {
    folder: tempfile::TempDir,
}

impl Life {
    fn new() -> Self {
        Self::with_index("1")
    }

    /// Every release has this rollback index, and the same key signs it in each life.
    fn with_index(index: &str) -> Self {
        let life = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["maker.key", "maker.pub"] {
            std::fs::copy(keys().join(name), life.path(name)).unwrap();
        }
        for (version, salt) in [("1.0", 1), ("2.0", 2), ("3.0", 3)] {
            let image: Vec<u8> = (0..700_000_u32).map(|at| u8::try_from((at / 97 + salt) % 251).unwrap()).collect();
            std::fs::write(life.path("image"), image).unwrap();
            let output = life.text(version);
            Cli::new(&["bundle", "create", "--quiet", "--image", &life.text("image"), "--version", version])
                .and(&["--compatible", "qemu-x86_64", "--key", &life.text("maker.key"), "--compression", "none"])
                .and(&["--rollback-index", index])
                .and(&["-o", &output])
                .run()
                .exits(Exit::Done);
        }
        life.updater(&["provision", "--size", "2G", &life.text("1.0")]);
        let key = ["pkey", "-pubin", "-in", &life.text("maker.pub"), "-outform", "DER", "-out", &life.text("key.der")];
        tool::run("openssl", &key);
        life
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs the program on the disk.
    fn updater(&self, arguments: &[&str]) -> tests::answer::Answer {
        let common = ["--profile", "qemu-x86_64", "--trust", &self.text("maker.pub"), "--disk", &self.text("disk")];
        Cli::new(&[&common[..], arguments].concat()).run().exits(Exit::Done)
    }

    /// State, priority and tries of a slot, as the program sees them.
    fn slot(&self, slot: usize) -> (String, u64, u64) {
        let status = self.updater(&["--json", "status"]).json();
        let slot = &status["slots"][slot];
        let number = |what: &str| slot[what].as_u64().unwrap();
        (slot["state"].as_str().unwrap().to_owned(), number("priority"), number("tries_left"))
    }

    /// Runs the example; what it said, and whether it did what it was asked.
    fn example(&self, words: &[&str]) -> (String, bool) {
        self.run(built(), words)
    }

    fn run(&self, program: &Path, words: &[&str]) -> (String, bool) {
        let words = words.iter().map(|word| if self.path(word).exists() { self.text(word) } else { (*word).into() });
        let output = Command::new("valgrind")
            .args(["-q", &format!("--error-exitcode={VALGRIND}"), "--leak-check=full", "--show-leak-kinds=all"])
            .arg(program)
            .args([self.text("disk"), self.text("key.der")])
            .args(words)
            .output()
            .expect("valgrind is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{code:?}: {said}");
        (said, code == Some(0))
    }

    /// Runs the example, which must do what it is asked, and say this.
    fn does(&self, words: &[&str], says: &str) {
        let (said, done) = self.example(words);
        assert!(done && said.contains(says), "{words:?}: {said}");
    }

    /// Runs the example, which must refuse, and say this.
    fn refuses(&self, words: &[&str], says: &str) {
        let (said, done) = self.example(words);
        assert!(!done && said.contains(says), "{words:?}: {said}");
    }

    /// Where a partition of the disk begins.
    fn first_byte(&self, partition: u32, disk: &str) -> u64 {
        let table = tool::run("sgdisk", &["-i", &partition.to_string(), &self.text(disk)]);
        let first = table.lines().find_map(|line| line.strip_prefix("First sector: ")).expect("sgdisk says where");
        first.split(' ').next().unwrap().parse::<u64>().unwrap() * 512
    }

    fn flip(&self, file: &str, at: u64) {
        let mut bytes = std::fs::read(self.path(file)).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        std::fs::write(self.path(file), bytes).unwrap();
    }
}

/// The folder with the maker's keys.
fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        Cli::new(&["keygen", "--out", out, "--name", "maker"]).run().exits(Exit::Done);
        folder
    })
    .path()
}

/// Where header, archives and the file of pkg-config are.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<tempfile::TempDir> = OnceLock::new();
    PREFIX
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let script = tree::root().join("libupdate/c/build");
            tool::run(script.to_str().unwrap(), &["install", folder.path().to_str().unwrap()]);
            folder
        })
        .path()
}

/// The example, compiled by the command that its first lines give.
fn built() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = prefix().join("device");
        let text = tree::text(Path::new("libupdate/c/examples/device.c"));
        let command = text.lines().find_map(|line| line.strip_prefix(" *   cc ")).expect("the example says how");
        let script =
            format!("cd \"$1/libupdate/c/examples\" && cc -Wextra -Werror -std=gnu11 {command} && mv device \"$2\"");
        let [root, to] = [tree::root(), &program].map(|path| path.to_str().unwrap());
        let done = Command::new("sh")
            .args(["-e", "-c", &script, "build", root, to])
            .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        program
    })
}

#[test]
fn a_device_lives_its_life_in_c() {
    let life = Life::new();
    life.does(&["choose"], "slot a, kind 2, 2 tries left");
    assert_eq!(life.slot(0), ("good".into(), 1, 3));
    life.does(&["install", "2.0", "a"], "2.0 is in slot b");
    assert_eq!(life.slot(1), ("trial".into(), 2, 3));
    // Again: it is there, and read back.
    life.does(&["install", "2.0", "a"], "phase 4");
    life.does(&["boot"], "slot b: 700000 bytes are checked, in memory");
    assert_eq!(life.slot(1), ("trial".into(), 2, 2));
    life.does(&["verify", "b"], "700000 bytes are authentic");
    life.refuses(&["verify", "c"], "-11: ");
    life.does(&["good", "b"], "");
    assert_eq!(life.slot(1), ("good".into(), 2, 3));
    life.updater(&["verify", "--slot", "b"]);
    life.does(&["status"], "slot b: state 8, version 2.0");
    life.refuses(&["install", "1.0", "b"], "-7: policy refuses: ");
}

#[test]
fn a_trial_falls_back_in_c() {
    let life = Life::new();
    life.does(&["install", "2.0", "a"], "2.0 is in slot b");
    for left in [2, 1, 0] {
        life.does(&["spend"], &format!("slot b, kind 1, {left} tries left"));
    }
    life.does(&["boot"], "slot a starts, 2 tries left");
    life.refuses(&["bad", "a"], "-7: policy refuses: no slot beside a is good");
    // A new one whose image is damaged after it was read back: it never starts, and is failed at once.
    life.does(&["install", "3.0", "a"], "3.0 is in slot b");
    life.flip("disk", life.first_byte(2, "disk") + 600_000);
    life.refuses(&["verify", "b"], "-6: ");
    life.does(&["boot"], "slot a starts");
    assert_eq!(life.slot(1).0, "failed");
}

/// An attacker with the disk puts an older release, signed as it is, where a newer one is on trial.
#[test]
fn an_older_release_on_trial_is_refused_in_c() {
    let (old, life) = (Life::with_index("0"), Life::with_index("9"));
    life.does(&["install", "2.0", "a"], "2.0 is in slot b");
    let pieces = [(0, 2 << 20), ((512 << 20) - (1 << 20), 1 << 20)];
    let [from, to] = [old.first_byte(1, "disk"), life.first_byte(2, "disk")];
    let source = std::fs::File::open(old.path("disk")).unwrap();
    let disk = std::fs::File::options().write(true).open(life.path("disk")).unwrap();
    for (at, len) in pieces {
        let mut bytes = vec![0; len];
        source.read_exact_at(&mut bytes, from + at).unwrap();
        disk.write_all_at(&bytes, to + at).unwrap();
    }
    life.refuses(&["verify", "b"], "-7: policy refuses: rollback index 0 is below the floor 9");
    life.does(&["boot"], "slot a starts");
    assert_eq!(life.slot(1).0, "failed");
}

#[test]
fn what_is_wrong_has_its_number() {
    let life = Life::new();
    life.refuses(&["install", "image", "a"], "-5: the bundle is damaged or not authentic");
    life.refuses(&["install", "no such bundle", "a"], "-9: the bundle could not be read");
    std::fs::write(life.path("key.der"), [0; 91]).unwrap();
    life.refuses(&["status"], "-1: an argument is null, out of its range, or a struct has another size");
    std::fs::write(life.path("disk"), vec![0; 8 << 20]).unwrap();
    life.refuses(&["choose"], "-4: the partition table cannot be read, is not usable, or changed meanwhile");
}

#[test]
fn a_program_in_cpp_takes_the_header() {
    let source = prefix().join("program.cc");
    std::fs::write(
        &source,
        "#include <libupdate.h>\nint main() { return lu_abi() == LU_ABI ? 0 : 1; }\nvoid lu_panic() { for (;;); }\n",
    )
    .unwrap();
    let [program, include, chooser] = ["program", "include", "lib/libupdate-chooser.a"].map(|name| prefix().join(name));
    let paths = [&source, &include, &program, &chooser].map(|path| path.to_str().unwrap());
    let [source, include, program, chooser] = paths;
    tool::run("c++", &["-Wall", "-Wextra", "-Werror", "-pedantic", "-I", include, "-o", program, source, chooser]);
    tool::run(program, &[""; 0]);
}

/// The example with crypto of OpenSSL, and an archive that has none.
fn with_openssl() -> PathBuf {
    let build = tree::root().join("libupdate/c/build");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let archive = tool::run(build.to_str().unwrap(), &[&target, "full", "--host-crypto"]);
    let archive = archive.trim();
    let symbols = tool::run("nm", &["--print-armap", archive]);
    assert!(symbols.contains("lu_host_sha256") && symbols.contains("lu_install"), "{symbols}");
    for word in ["_4sha2", "_4p256", "_13crypto_bigint"] {
        assert!(!symbols.contains(word), "the archive has {word}, a crate of Rust");
    }
    let program = prefix().join("openssl");
    let [folder, include] = [tree::root().join("libupdate/c/examples"), prefix().join("include")];
    let sources = ["device.c", "openssl.c"].map(|name| folder.join(name));
    let paths = [&include, &program, &sources[0], &sources[1]].map(|path| path.to_str().unwrap());
    let [include, to, device, openssl] = paths;
    let options = ["-Wall", "-Wextra", "-Werror", "-std=gnu11", "-I", include, "-o", to];
    tool::run("cc", &[&options[..], &[device, openssl, archive, "-lcrypto"]].concat());
    program
}

#[test]
fn crypto_of_the_host_says_the_same() {
    let (life, program) = (Life::new(), with_openssl());
    let does = |words: &[&str], says: &str| {
        let (said, done) = life.run(&program, words);
        assert!(done && said.contains(says), "{words:?}: {said}");
    };
    does(&["install", "2.0", "a"], "2.0 is in slot b");
    does(&["boot"], "slot b: 700000 bytes are checked, in memory");
    does(&["good", "b"], "");
    does(&["status"], "slot b: state 8, version 2.0");
    assert_eq!(life.slot(1), ("good".into(), 2, 3));
    // One bit of the signature, which is the last of the head.
    let bytes = std::fs::read(life.path("3.0")).unwrap();
    let refused = (0..bytes.len().min(4096)).step_by(409).filter(|at| {
        let mut damaged = bytes.clone();
        damaged[*at] ^= 4;
        std::fs::write(life.path("damaged"), damaged).unwrap();
        let (said, done) = life.run(&program, &["install", "damaged", "b"]);
        assert!(!done, "byte {at}: {said}");
        said.contains("-5: ")
    });
    assert!(refused.count() > 0, "no damage of the head was found in its signature or manifest");
}
