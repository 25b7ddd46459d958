//! `bundle create --delta-from`: from any form of an older release the same bundle, on any machine; and what is no older release is refused.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::bundle::Unverified;
use libupdate::bundle::delta::{FULL_BUNDLE, OLD_IMAGES};
use libupdate::manifest::{ExtensionId, Manifest};
use rustix::process::Signal;
use tests::answer::{Answer, Exit};
use tests::cli::Cli;
use tests::packed_bundle::{PackedBundle, ROW, ROWS_AT};
use tests::root_image::noise;
use tests::strace;
use tests::workshop::{COMPATIBLE, Workshop};

const CHUNK: usize = 512 << 10;

/// Two releases: the new one is the old one moved by a block, with a patched chunk, a new piece, and zeros.
struct Releases {
    folder: tempfile::TempDir,
}

impl Releases {
    fn new() -> Self {
        let releases = Self { folder: tempfile::tempdir().unwrap() };
        let old = noise("old", 2 * CHUNK + 70_077);
        let mut patched = old[CHUNK..].to_vec();
        patched.iter_mut().step_by(300).for_each(|byte| *byte ^= 4);
        let new = [&noise("b", 4096), &old[..CHUNK], &patched, &noise("new", 90_000), &vec![0; 2 * CHUNK]];
        fs::write(releases.path("old.img"), &old).unwrap();
        fs::write(releases.path("new.img"), new.concat()).unwrap();
        releases
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn create(&self, image: &str, more: &[&str]) -> Cli {
        Cli::new(&["bundle", "create", "--compatible", COMPATIBLE, "--version", "1.4", "--json", "--quiet"])
            .and(&["--image", &self.text(image)])
            .and(more)
    }

    fn made(&self, image: &str, out: &str, more: &[&str]) -> PathBuf {
        self.create(image, more).and(&["-o", &self.text(out)]).run().exits(Exit::Done);
        self.path(out)
    }

    fn delta(&self, old: &str, out: &str) -> PathBuf {
        self.made("new.img", out, &["--delta-from", &self.text(old)])
    }

    fn refused(&self, old: &str, more: &[&str], exit: Exit, why: &str) {
        let answer = self.create("new.img", more).and(&["--delta-from", &self.text(old), "-o", &self.text("refused")]);
        let answer = answer.run().exits(exit);
        let error = answer.json()["error"].clone();
        assert!(error["why"].as_str().unwrap().contains(why), "wanted: {why}\n{answer}");
        assert!(!error["next"].as_str().unwrap().is_empty() && !error["what"].as_str().unwrap().is_empty(), "{answer}");
        assert!(!self.path("refused").exists());
    }
}

fn with_manifest<T>(bundle: &Path, see: impl FnOnce(&Manifest<'_>, u64) -> T) -> T {
    let bytes = fs::read(bundle).unwrap();
    let mut buf = [0; 8192];
    let read = Unverified::read(&mut bytes.as_slice(), &mut buf).unwrap();
    see(&read.danger_manifest().unwrap(), read.prefix().features().get())
}

fn extension(bundle: &Path, id: ExtensionId) -> Option<Vec<u8>> {
    with_manifest(bundle, |manifest, _| {
        manifest.extensions().iter().find(|one| one.id() == id).map(|one| one.bytes().to_vec())
    })
}

fn root_hash(bundle: &Path) -> Vec<u8> {
    with_manifest(bundle, |manifest, _| manifest.payloads().first().unwrap().root_hash().digest().as_bytes().to_vec())
}

fn codecs(bundle: &Path) -> Vec<u8> {
    let packed = PackedBundle::of(bundle);
    packed.page[ROWS_AT..].chunks(ROW).take(packed.carried.len()).map(|row| row[0]).collect()
}

#[test]
fn every_form_of_an_older_release_gives_the_same_delta() {
    let releases = Releases::new();
    let delta = releases.delta("old.img", "delta");
    let raw = releases.made("old.img", "raw.bundle", &[]);
    let full = releases.made("new.img", "full.bundle", &["--compression", "zstd"]);
    releases.made("old.img", "zstd.bundle", &["--compression", "zstd"]);
    let expected = fs::read(&delta).unwrap();
    for old in ["raw.bundle", "zstd.bundle"] {
        assert!(fs::read(releases.delta(old, &format!("from-{old}"))).unwrap() == expected, "{old}");
    }
    releases.create("old.img", &["--detached"]).run().exits(Exit::Done);
    assert!(fs::read(releases.delta("old.img", "from-detached")).unwrap() == expected);
    let piped = releases.create("new.img", &["--delta-from", "-", "-o", &releases.text("piped")]);
    piped.run_with_input(&fs::read(&raw).unwrap(), &[65536]).exits(Exit::Done);
    assert!(fs::read(releases.path("piped")).unwrap() == expected);

    assert_eq!(extension(&delta, OLD_IMAGES), Some(root_hash(&raw)));
    assert_eq!(with_manifest(&delta, |_, features| features), 3);
    assert_eq!(root_hash(&delta), root_hash(&full), "it is the same image");
    assert_eq!(extension(&full, OLD_IMAGES), None);
    assert_eq!(codecs(&delta), [4, 4, 4, 0, 0]);
    let (delta, full) = (delta.metadata().unwrap().len(), full.metadata().unwrap().len());
    assert!(delta < full / 8, "{delta} of {full} bytes");
}

/// Or nobody could make a bundle again.
#[test]
fn it_does_not_depend_on_the_cores() {
    let releases = Releases::new();
    let expected = fs::read(releases.delta("old.img", "delta")).unwrap();
    for cores in [1, 3, 8] {
        let out = releases.text("again");
        let create = releases.create("new.img", &["--force", "--delta-from", &releases.text("old.img"), "-o", &out]);
        strace::with_cores(create, cores).run().exits(Exit::Done);
        assert!(fs::read(&out).unwrap() == expected, "{cores} cores");
    }
}

#[test]
fn several_older_releases_have_a_bundle_each() {
    let releases = Releases::new();
    releases.made("old.img", "1.3.bundle", &[]);
    let olds = ["--delta-from", &releases.text("1.3.bundle"), "--delta-from", &releases.text("old.img")];
    let out = releases.text("out");
    let create =
        |more: &[&str]| releases.create("new.img", &olds).and(&["-o", &out, "--full", "1.4.bundle"]).and(more).run();
    assert!(create(&[]).exits(Exit::Usage).says("is no folder").stdout().contains("mkdir"));
    fs::create_dir(&out).unwrap();
    let answer = create(&[]).exits(Exit::Done);
    let names: Vec<_> =
        answer.stdout().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    let expected = ["1.4-from-1.3.bundle", "1.4-from-old.img.bundle"];
    let [first, second] = expected.map(|name| releases.path("out").join(name));
    assert_eq!(
        names.iter().map(|one| one["file"].as_str().unwrap()).collect::<Vec<_>>(),
        [&first, &second].map(|path| path.to_str().unwrap())
    );
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap());
    assert_eq!(extension(&first, FULL_BUNDLE), Some(b"1.4.bundle".to_vec()));
    create(&[]).exits(Exit::Usage);
    create(&["--force"]).exits(Exit::Done);
}

#[test]
fn a_payload_that_the_older_release_does_not_have_is_carried_without_it() {
    let releases = Releases::new();
    releases.made("old.img", "old.bundle", &[]);
    fs::write(releases.path("boot.img"), noise("boot", 9000)).unwrap();
    let boot = format!("boot={}", releases.text("boot.img"));
    let both = releases.made("new.img", "both", &["--payload", &boot, "--delta-from", &releases.text("old.bundle")]);
    let old = root_hash(&releases.path("old.bundle"));
    assert_eq!(extension(&both, OLD_IMAGES), Some([old.as_slice(), &[0; 32]].concat()));
    let roles = with_manifest(&both, |manifest, _| manifest.payloads().len());
    assert_eq!(roles, 2);
}

#[test]
fn what_is_no_older_release_is_refused() {
    let releases = Releases::new();
    fs::write(releases.path("empty"), []).unwrap();
    releases.refused("empty", &[], Exit::Usage, "0 bytes");
    releases.refused("missing", &[], Exit::Usage, "No such file");
    releases.refused(".", &[], Exit::Usage, "it is no file");
    let other = format!("data={}", releases.text("old.img"));
    let create =
        Cli::new(&["bundle", "create", "--compatible", COMPATIBLE, "--version", "1"]).and(&["--payload", &other]);
    create.and(&["-o", &releases.text("other.bundle")]).run().exits(Exit::Done);
    releases.refused("other.bundle", &[], Exit::Usage, "no image of any role of this bundle, but for data");
    releases.made("old.img", "salted.bundle", &["--salt", "abcd"]);
    releases.refused("salted.bundle", &[], Exit::Usage, "another salt");
    let bundle = releases.made("old.img", "old.bundle", &[]);
    let len = bundle.metadata().unwrap().len();
    File::options().write(true).open(&bundle).unwrap().write_all_at(b"x", len - 5000).unwrap();
    releases.refused("old.bundle", &[], Exit::NotAuthentic, "chunk");
    File::options().write(true).open(&bundle).unwrap().set_len(len - 1).unwrap();
    releases.refused("old.bundle", &[], Exit::NotAuthentic, "");
    releases.delta("old.img", "delta");
    releases.refused("delta", &[], Exit::Usage, "a delta itself");
    releases.refused("old.img", &["--compression", "none"], Exit::Usage, "always compressed");
}

#[test]
fn a_detached_head_is_believed_where_it_is_the_images() {
    let releases = Releases::new();
    releases.create("old.img", &["--detached"]).run().exits(Exit::Done);
    let image = File::options().write(true).open(releases.path("old.img")).unwrap();
    image.write_all_at(b"x", 5000).unwrap();
    releases.refused("old.img", &[], Exit::NotAuthentic, "root hash of its manifest");
    image.set_len(5000).unwrap();
    releases.refused("old.img", &[], Exit::NotAuthentic, "the lengths differ");
}

/// Names in the way of the command line: they are said, and nothing is written.
#[test]
fn options_that_do_not_go_together_are_refused() {
    let releases = Releases::new();
    let old = releases.text("old.img");
    let run = |more: &[&str]| -> Answer { releases.create("new.img", more).run().exits(Exit::Usage) };
    run(&["--detached", "--delta-from", &old]);
    run(&["--full", "x", "-o", "/dev/null"]);
    run(&["--delta-from", &old, "--full", "a/b", "-o", "/dev/null"]);
    let twice = run(&["--delta-from", &old, "--delta-from", &old, "-o", releases.folder.path().to_str().unwrap()]);
    assert!(twice.json()["error"]["why"].as_str().unwrap().contains("the same name"), "{twice}");
}

/// A chunk takes long, and no more than one is waited for.
#[test]
fn a_signal_ends_it_and_nothing_is_left() {
    let releases = Releases::new();
    let old = fs::read(releases.path("old.img")).unwrap();
    let other = old.iter().cycle().take(32 << 20).enumerate().map(|(at, byte)| byte ^ u8::from(at % 40 == 0));
    fs::write(releases.path("new.img"), other.collect::<Vec<u8>>()).unwrap();
    let out = releases.text("out.bundle");
    let running = releases.create("new.img", &["--delta-from", &releases.text("old.img"), "-o", &out]).start();
    let unfinished = releases.path(&format!("out.bundle.{}.tmp", running.pid()));
    let until = Instant::now() + Duration::from_secs(60);
    while fs::metadata(&unfinished).map_or(0, |metadata| metadata.len()) == 0 {
        assert!(Instant::now() < until, "{} is not begun", unfinished.display());
        sleep(Duration::from_millis(5));
    }
    running.signal(Signal::INT);
    running.wait_with_stdin_open().exits(Exit::Interrupted).says("interrupted");
    let mut names: Vec<_> =
        fs::read_dir(releases.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["new.img", "old.img"]);
}

/// Real images: an erofs and a squashfs of other files, from one to the other.
#[test]
fn images_of_tools_will_do() {
    let workshop = Workshop::shared();
    for (old, new) in [(1, 2), (2, 1), (3, 3)] {
        let delta = workshop.release(new).with(&["--delta-from", &workshop.bundle_text(old)]).create();
        assert_eq!(extension(&delta, OLD_IMAGES), Some(root_hash(workshop.bundle(old))));
        assert_eq!(root_hash(&delta), root_hash(workshop.bundle(new)));
    }
}
