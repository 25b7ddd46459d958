//! The build machine of the tests: keys, a board's profile, images of three releases, and their bundles.
//!
//! | release | image | |
//! |---|---|---|
//! | 1.0 | erofs, about 1.2 MiB | on slot a of every [`Device`](crate::device::Device) |
//! | 2.0 | squashfs, about 2 MiB: five chunks, two levels | what is installed |
//! | 3.0 | erofs, about 0.4 MiB: one level, nothing of the tree is shipped | |

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use libupdate::BlockSize;
use libupdate::bundle::writer::LocalKey;
use tempfile::TempDir;

use crate::answer::Exit;
use crate::bundle_parts::BundleParts;
use crate::cli::Cli;
use crate::raw_manifest::RawManifest;
use crate::root_image::{FileSystem, RootImage};
use crate::tool;

/// What the profile and the bundles are for.
pub const COMPATIBLE: &str = "test-box";
/// What the profile `other-box.toml` is for.
pub const OTHER_COMPATIBLE: &str = "other-box";
/// Key that the profile trusts.
pub const MAKER: &str = "maker";
/// Key that only the profiles with two keys trust.
pub const SECOND: &str = "second";
/// Key that nobody trusts.
pub const STRANGER: &str = "stranger";
/// Bytes of a slot's partition.
pub const SLOT_BYTES: u64 = 6 << 20;
/// Bytes of a disk.
pub const DISK_BYTES: u64 = 20 << 20;

/// A folder with everything that exists before a device does.
#[derive(Debug)]
pub struct Workshop {
    folder: TempDir,
    images: [RootImage; 3],
    made: [OnceLock<PathBuf>; 3],
    provisioned: [OnceLock<PathBuf>; 2],
    maker: OnceLock<LocalKey>,
    files: AtomicU32,
}

impl Workshop {
    /// The one that running tests of this program share; it goes away with the last of them.
    ///
    /// # Panics
    /// Where a tool is missing.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Workshop>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(workshop) = shared.upgrade() {
            return workshop;
        }
        let workshop = Arc::new(Self::new());
        *shared = Arc::downgrade(&workshop);
        workshop
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let image = |name, kind, kib| RootImage::make(folder.path(), name, kind, kib);
        let images = [
            image("1.0", FileSystem::Erofs, 1200),
            image("2.0", FileSystem::Squashfs, 2090),
            image("3.0", FileSystem::Erofs, 400),
        ];
        for name in [MAKER, SECOND, STRANGER] {
            let out = folder.path().to_str().expect("paths of tests are UTF-8");
            Cli::new(&["keygen", "--out", out, "--name", name]).run().exits(Exit::Done);
        }
        let workshop = Self {
            folder,
            images,
            made: [const { OnceLock::new() }; 3],
            provisioned: [const { OnceLock::new() }; 2],
            maker: OnceLock::new(),
            files: AtomicU32::new(0),
        };
        let usual = profile(&[MAKER], 1, "");
        workshop.put("profile.toml", usual.as_bytes());
        workshop.put("other-box.toml", usual.replace(COMPATIBLE, OTHER_COMPATIBLE).as_bytes());
        workshop.put("both.toml", profile(&[MAKER, SECOND], 2, "").as_bytes());
        workshop.put("either.toml", profile(&[MAKER, SECOND], 1, "").as_bytes());
        workshop.put("loader.toml", (usual.clone() + LOADER).as_bytes());
        let two = profile(&[MAKER], 1, BOOT_PARTITION);
        workshop.put("two-partitions.toml", two.as_bytes());
        let loader = "\n[boot]\nspends-try = \"boot-loader\"\nloader = ";
        let counts = format!("{two}{loader}\"systemd-boot\"\nloader-payload = \"boot\"\n");
        workshop.put("systemd-boot.toml", counts.as_bytes());
        workshop.put("efi-boot-next.toml", format!("{usual}{loader}\"efi-boot-next\"\n").as_bytes());
        workshop
    }

    /// A place in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        text(&self.path(name))
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    /// Where that fails.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }

    /// Writes a file under a name that no other test has.
    pub fn put_new(&self, ending: &str, bytes: &[u8]) -> PathBuf {
        self.put(&self.new_name(ending), bytes)
    }

    fn new_name(&self, ending: &str) -> String {
        format!("{}.{ending}", self.files.fetch_add(1, Ordering::Relaxed))
    }

    /// The image of release 1.0, 2.0 or 3.0.
    #[must_use]
    pub fn image(&self, release: usize) -> &RootImage {
        &self.images[release - 1]
    }

    /// The bundle of release 1.0, 2.0 or 3.0, as a plain `bundle create` makes it.
    #[must_use]
    pub fn bundle(&self, release: usize) -> &Path {
        self.made[release - 1].get_or_init(|| self.release(release).create())
    }

    /// The same as text.
    #[must_use]
    pub fn bundle_text(&self, release: usize) -> String {
        text(self.bundle(release))
    }

    /// A bundle of a release, to be made in another way.
    #[must_use]
    pub fn release(&self, release: usize) -> Recipe<'_> {
        let image = text(&self.image(release).path);
        let version = format!("{release}.0");
        Recipe { workshop: self, image, version, compatible: COMPATIBLE, keys: vec![MAKER], more: vec![] }
    }

    /// A disk image file with release 1.0 on its first slot, good. Made once for each sector size, to be copied.
    ///
    /// # Panics
    /// Where `provision` fails.
    #[must_use]
    pub fn provisioned(&self, sectors: BlockSize) -> &Path {
        let bytes = sectors.bytes().to_string();
        let made = usize::from(sectors == BlockSize::B4096);
        self.provisioned[made].get_or_init(|| {
            let disk = self.path(&format!("{bytes}.disk"));
            let size = DISK_BYTES.to_string();
            Cli::new(&["--profile", &self.text("profile.toml"), "--disk", &text(&disk), "--sector-size", &bytes])
                .and(&["provision", "--size", &size, &self.bundle_text(1)])
                .run()
                .exits(Exit::Done);
            disk
        })
    }

    /// The bundle of release 2.0 with other bytes, as text.
    #[must_use]
    pub fn altered(&self, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = fs::read(self.bundle(2)).expect("the bundle was made");
        change(&mut bytes);
        text(&self.put_new("bundle", &bytes))
    }

    /// The bundle of release 2.0 with other parts, signed by the trusted key as if all were well.
    #[must_use]
    pub fn forged(&self, change: impl FnOnce(&mut BundleParts)) -> String {
        self.forged_from(self.bundle(2), change)
    }

    /// Any bundle, forged in the same way.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn forged_from(&self, bundle: &Path, change: impl FnOnce(&mut BundleParts)) -> String {
        let mut parts = BundleParts::of(&fs::read(bundle).expect("the bundle was made"));
        change(&mut parts);
        text(&self.put_new("bundle", &parts.signed(&[self.maker()]).joined()))
    }

    /// The bundle of release 2.0 with another manifest, signed by the trusted key as if all were well.
    #[must_use]
    pub fn restated(&self, change: impl FnOnce(&mut RawManifest)) -> String {
        self.forged(|parts| {
            let mut manifest = RawManifest::of(&parts.manifest);
            change(&mut manifest);
            parts.manifest = manifest.encode();
        })
    }

    /// The private key that the profile trusts.
    #[must_use]
    pub fn maker(&self) -> &LocalKey {
        self.maker.get_or_init(|| self.key(MAKER))
    }

    /// A private key, out of its file by way of openssl.
    ///
    /// # Panics
    /// Where openssl does not read the file.
    #[must_use]
    pub fn key(&self, name: &str) -> LocalKey {
        let words = tool::run("openssl", &["pkey", "-noout", "-text", "-in", &self.text(&format!("{name}.key"))]);
        let hex = words.split("priv:").nth(1).and_then(|rest| rest.split("pub:").next()).expect("openssl shows it");
        let hex: String = hex.chars().filter(char::is_ascii_hexdigit).collect();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let mut scalar = [0; 32];
        scalar[32 - bytes.len()..].copy_from_slice(&bytes);
        LocalKey::from_scalar(&scalar).expect("keygen makes P-256 keys")
    }
}

/// A `bundle create` in the making.
#[derive(Clone, Debug)]
pub struct Recipe<'w> {
    workshop: &'w Workshop,
    image: String,
    version: String,
    compatible: &'w str,
    keys: Vec<&'w str>,
    more: Vec<String>,
}

impl<'w> Recipe<'w> {
    /// Another version.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    /// Another image.
    #[must_use]
    pub fn image(self, path: &Path) -> Self {
        Self { image: text(path), ..self }
    }

    /// For another board.
    #[must_use]
    pub fn compatible(self, compatible: &'w str) -> Self {
        Self { compatible, ..self }
    }

    /// Signed by these keys.
    #[must_use]
    pub fn keys(self, keys: &[&'w str]) -> Self {
        Self { keys: keys.to_vec(), ..self }
    }

    /// With more options.
    #[must_use]
    pub fn with(mut self, options: &[&str]) -> Self {
        self.more.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// The command line, without an output.
    fn cli(&self) -> Cli {
        let keys: Vec<String> =
            self.keys.iter().flat_map(|key| ["--key".to_owned(), self.workshop.text(&format!("{key}.key"))]).collect();
        Cli::new(&["bundle", "create", "--image", &self.image, "--version", &self.version])
            .and(&["--compatible", self.compatible, "--quiet"])
            .and(&keys)
            .and(&self.more)
    }

    /// Makes the bundle.
    ///
    /// # Panics
    /// Where `bundle create` fails.
    #[must_use]
    pub fn create(&self) -> PathBuf {
        let out = self.workshop.path(&self.workshop.new_name("bundle"));
        self.cli().and(&["-o", &text(&out)]).run().exits(Exit::Done);
        out
    }

    /// Makes a detached head beside the image.
    ///
    /// # Panics
    /// Where `bundle create` fails.
    #[must_use]
    pub fn create_detached(&self) -> PathBuf {
        self.cli().and(&["--detached", "--force"]).run().exits(Exit::Done);
        PathBuf::from(format!("{}.manifest", self.image))
    }
}

const BOOT_PARTITION: &str = r#"
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
size = "2M"
"#;

/// A boot loader that chooses by itself.
const LOADER: &str = "[boot]\nloader = \"u-boot-env\"\nspends-try = \"boot-loader\"\n";

fn profile(keys: &[&str], threshold: usize, more: &str) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}.pub\"")).collect();
    let keys = keys.join(", ");
    format!(
        r#"name = "test"
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
size = "{}K"
attributes = ["no-auto"]
{more}
[[partition]]
label = "data"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "rest"

[trust]
keys = [{keys}]
threshold = {threshold}
"#,
        SLOT_BYTES >> 10
    )
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are UTF-8").to_owned()
}
