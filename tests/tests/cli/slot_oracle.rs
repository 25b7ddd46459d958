//! What stands on an installed slot, and the signatures that it rests on, against `veritysetup`, `openssl`, the tools of the image's
//! file system and the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::Exit;
use tests::cli::Cli;
use tests::device::Device;
use tests::mounted::Mounted;
use tests::root_image::FileSystem;
use tests::tool;
use tests::workshop::{MAKER, STRANGER, Workshop};

/// The dm-verity parameters of a slot, as `choose` gives them to a boot script.
struct Verity {
    root_hash: String,
    salt: String,
    data_blocks: u64,
    hash_offset: String,
}

impl Verity {
    /// Of the slot that boots next.
    fn of(device: &Device) -> Self {
        let chosen = device.does(&["choose"]);
        let verity = &chosen["partitions"][0]["verity"];
        let text = |field: &str| verity[field].as_str().unwrap().to_owned();
        let number = |field: &str| verity[field].as_u64().unwrap();
        Self {
            root_hash: text("root_hash"),
            salt: text("salt"),
            data_blocks: number("data_blocks"),
            hash_offset: number("hash_offset_bytes").to_string(),
        }
    }

    /// Whether `veritysetup` accepts the partition.
    fn accepts(&self, partition: &Path) -> bool {
        let file = text(partition);
        let offset = format!("--hash-offset={}", self.hash_offset);
        tool::output("veritysetup", &["verify", &file, &file, &self.root_hash, &offset]).status.success()
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A device with this release installed in slot b.
fn installed(sectors: BlockSize, release: usize) -> (Device, PathBuf) {
    let device = Device::with_sectors(sectors);
    let workshop = &device.workshop;
    let bundle =
        if release == 1 { workshop.release(1).version("1.1").create() } else { workshop.bundle(release).into() };
    device.does(&["install", &text(&bundle)]);
    let partition = device.put_file("partition", &device.partition("b"));
    (device, partition)
}

fn table() -> impl Iterator<Item = (BlockSize, usize)> {
    [BlockSize::B512, BlockSize::B4096].into_iter().flat_map(|sectors| [1, 2, 3].map(|release| (sectors, release)))
}

#[test]
fn veritysetup_accepts_the_installed_slot_and_no_flipped_bit() {
    for (sectors, release) in table() {
        let (device, partition) = installed(sectors, release);
        let verity = Verity::of(&device);
        assert!(verity.accepts(&partition), "{sectors:?}, release {release}");
        let good = fs::read(&partition).unwrap();
        let data = usize::try_from(verity.data_blocks).unwrap() * 4096;
        // The first and the last byte of the image, the first and a later hash block; the superblock stands between them.
        for at in [0, data - 1, data + 4096, data + 4096 + 32] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&partition, &bad).unwrap();
            assert!(!verity.accepts(&partition), "{sectors:?}, release {release}, byte {at}");
        }
    }
}

#[test]
fn veritysetup_makes_the_same_root_hash_and_reads_the_same_superblock() {
    for (sectors, release) in table() {
        let (device, partition) = installed(sectors, release);
        let verity = Verity::of(&device);
        assert_eq!(device.slot("b").root_hash.as_ref(), Some(&verity.root_hash));
        let image = device.put_file("image", &device.workshop.image(release).padded());
        let tree = device.put_file("tree", &[]);
        let words =
            tool::run("veritysetup", &["format", &text(&image), &text(&tree), &format!("--salt={}", verity.salt)]);
        assert_eq!(field(&words, "Root hash:"), verity.root_hash);
        let words =
            tool::run("veritysetup", &["dump", &text(&partition), &format!("--hash-offset={}", verity.hash_offset)]);
        let expected = [
            ("Hash type:", "1".to_owned()),
            ("Data blocks:", verity.data_blocks.to_string()),
            ("Data block size:", "4096".to_owned()),
            ("Hash block size:", "4096".to_owned()),
            ("Hash algorithm:", "sha256".to_owned()),
            ("Salt:", verity.salt.clone()),
        ];
        for (name, value) in expected {
            assert_eq!(field(&words, name), value, "{name}");
        }
        // The first bytes of the root hash, made a UUID of version 8.
        assert_eq!(field(&words, "UUID:")[..8], verity.root_hash[..8]);
    }
}

/// The first word behind `name` in a tool's table.
fn field<'w>(words: &'w str, name: &str) -> &'w str {
    let line = words.lines().find_map(|line| line.trim().strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("no {name} in {words}"))
}

#[test]
fn the_slot_holds_the_image_and_the_file_systems_tools_find_its_files() {
    for (sectors, release) in table() {
        let (device, partition) = installed(sectors, release);
        let image = device.workshop.image(release);
        let bytes = fs::read(&partition).unwrap();
        assert!(bytes.starts_with(&image.padded()), "{sectors:?}, release {release}");
        let out = device.put_file("image", &image.padded()).with_file_name("extracted");
        match image.kind {
            FileSystem::Erofs => {
                fs::create_dir(&out).unwrap();
                tool::run("fsck.erofs", &[&format!("--extract={}", text(&out)), "--overwrite", &text(&partition)]);
            }
            FileSystem::Squashfs => {
                tool::run("unsquashfs", &["-no-progress", "-quiet", "-dest", &text(&out), &text(&partition)]);
            }
        }
        tool::run("diff", &["--recursive", "--no-dereference", &text(&image.tree), &text(&out)]);
    }
}

/// The kernel reads the file system where it stands on the disk. A kernel without that file system says so in the test's output; the tools
/// above have judged it then.
#[test]
fn the_kernel_mounts_the_slot_where_it_stands() {
    for (sectors, release) in table() {
        let (device, _) = installed(sectors, release);
        let image = device.workshop.image(release);
        if !kernel_has(image.kind) {
            eprintln!("this kernel mounts no {}", image.kind.name());
            continue;
        }
        let row = device.slot("b");
        let mounted = Mounted::image(image.kind.name(), device.disk(), row.start, row.size);
        tool::run("diff", &["--recursive", "--no-dereference", &text(&image.tree), &text(mounted.path())]);
    }
}

fn kernel_has(kind: FileSystem) -> bool {
    let known = || fs::read_to_string("/proc/filesystems").unwrap().lines().any(|line| line.ends_with(kind.name()));
    // A module that is not loaded yet is not in the list.
    known() || tool::output("sh", &["-c", &format!("modprobe -q {}", kind.name())]).status.success() && known()
}

fn exported(workshop: &Workshop, bundle: &Path) -> PathBuf {
    let folder = workshop.put_new("folder", &[]).with_extension("signatures");
    Cli::new(&["info", &text(bundle), "--signatures", &text(&folder)]).run().exits(Exit::Done);
    folder
}

fn openssl_verifies(key: &Path, signature: &Path, message: &Path) -> bool {
    let arguments = ["dgst", "-sha256", "-verify", &text(key), "-signature", &text(signature), &text(message)];
    tool::output("openssl", &arguments).status.success()
}

#[test]
fn openssl_accepts_the_exported_signatures() {
    let workshop = Workshop::shared();
    let bundle = workshop.release(2).keys(&[MAKER, STRANGER]).create();
    let folder = exported(&workshop, &bundle);
    let message = folder.join("message");
    let signatures: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "der"))
        .collect();
    assert_eq!(signatures.len(), 2);
    for key in [MAKER, STRANGER] {
        let key = workshop.path(&format!("{key}.pub"));
        let holding = signatures.iter().filter(|signature| openssl_verifies(&key, signature, &message)).count();
        assert_eq!(holding, 1);
    }
    let mut bytes = fs::read(&message).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let other = workshop.put_new("message", &bytes);
    let key = workshop.path(&format!("{MAKER}.pub"));
    assert!(!signatures.iter().any(|signature| openssl_verifies(&key, signature, &other)));
}

#[test]
fn a_bundle_that_openssl_signed_is_installed() {
    let device = Device::new();
    let workshop = &device.workshop;
    let bundle = text(&workshop.release(2).keys(&[]).create());
    let why = "0 trusted signatures hold where 1 are needed";
    device.refuses_untouched(&["install", &bundle], Exit::NotAuthentic, why);
    let [message, signature] = ["message", "signature"].map(|name| workshop.put_new(name, &[]));
    let told = Cli::new(&["--json", "bundle", "digest", &bundle, "-o", &text(&message)]).run().exits(Exit::Done).json();
    let key = workshop.text(&format!("{MAKER}.key"));
    tool::run("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &text(&signature), &text(&message)]);
    let sum = tool::run("openssl", &["dgst", "-sha256", "-r", &text(&message)]);
    assert!(documents(&told).any(|value| *value == sum[..64]), "{told} and {sum}");
    let public = workshop.text(&format!("{MAKER}.pub"));
    let attach = ["bundle", "attach-signature", &bundle, "--signature", &text(&signature), "--public-key", &public];
    Cli::new(&attach).run().exits(Exit::Done);
    let done = device.does(&["install", &bundle]);
    assert_eq!(done["manifest_digest"], sum[..64]);
    assert_eq!(device.state("b"), "trial");
}

/// Every string of a document.
fn documents(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().unwrap().values().filter_map(Value::as_str)
}

#[test]
fn a_signature_of_another_message_is_not_attached() {
    let workshop = Workshop::shared();
    let bundle = workshop.release(2).keys(&[]).create();
    let before = fs::read(&bundle).unwrap();
    let other = workshop.put_new("message", b"another message");
    let signature = workshop.put_new("signature", &[]);
    let key = workshop.text(&format!("{MAKER}.key"));
    tool::run("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &text(&signature), &text(&other)]);
    let public = workshop.text(&format!("{MAKER}.pub"));
    let attach =
        ["bundle", "attach-signature", &text(&bundle), "--signature", &text(&signature), "--public-key", &public];
    Cli::new(&attach).run().exits(Exit::NotAuthentic);
    assert_eq!(fs::read(&bundle).unwrap(), before);
}
