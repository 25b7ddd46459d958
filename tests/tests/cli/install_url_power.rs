//! `install URL` while the power fails, and with it goes everything that the drive's cache had: what that makes be fetched again.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;

use tests::answer::Exit;
use tests::chance::Chance;
use tests::cli::Cli;
use tests::nginx::Nginx;
use tests::root_image::noise;
use tests::strace::{self, Killed};

/// Bytes of the image, which does not compress.
const IMAGE: usize = 60_000_000;
/// It goes out so fast that little of it is on its way.
const RATE: &str = "limit_rate 20m;";
/// Calls of one installation that write without waiting: one for each chunk, and more.
const WRITES: usize = IMAGE / 524_288;

fn updater(folder: &Path, disk: &Path, arguments: &[&str]) -> Cli {
    let trust = folder.join("power.pub");
    let [trust, disk] = [&trust, disk].map(|path| path.to_str().unwrap());
    Cli::new(&["--profile", "qemu-x86_64", "--trust", trust, "--disk", disk]).and(arguments)
}

/// Makes a key, a small release, and one with `image`.
fn releases(folder: &Path, image: &[u8]) {
    let text = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    Cli::new(&["keygen", "--out", &text(""), "--name", "power"]).run().exits(Exit::Done);
    for (version, bytes) in [("1", &image[..4096]), ("2", image)] {
        fs::write(text(version), bytes).unwrap();
        let made = ["bundle", "create", "--compatible", "qemu-x86_64", "--key", &text("power.key")];
        let out = ["--version", version, "--image", &text(version), "-o", &text(&format!("{version}.bundle"))];
        Cli::new(&made).and(&out).run().exits(Exit::Done);
    }
}

/// The drive as it was flushed last: what was written since is what it was before.
fn lose(disk: &Path, before: &Path, lost: &[Range<u64>]) {
    let [before, disk] = [File::open(before), File::options().write(true).open(disk)].map(Result::unwrap);
    for range in lost {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        before.read_exact_at(&mut bytes, range.start).unwrap();
        disk.write_all_at(&bytes, range.start).unwrap();
    }
}

#[test]
fn a_power_cut_has_at_most_a_twentieth_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let image = noise("power", IMAGE);
    releases(folder, &image);
    let bundle = fs::read(folder.join("2.bundle")).unwrap();
    let before = folder.join("before.img");
    let first = folder.join("1.bundle");
    updater(folder, &before, &["provision", "--size", "1100M", first.to_str().unwrap()]).run().exits(Exit::Done);
    let server = Nginx::start(RATE, &[]);
    let mut chance = Chance::new(0).named("power");
    let moments: Vec<usize> = (0..4).map(|cut| WRITES * (2 * cut + 1) / 10 + chance.below(WRITES / 10)).collect();
    let cut = |number: usize, nth: usize| {
        let name = format!("{number}.bundle");
        server.put(&name, &bundle);
        let (disk, url) = (folder.join(format!("{number}.img")), server.url(&name));
        tests::tool::run("cp", &["--sparse=always", before.to_str().unwrap(), disk.to_str().unwrap()]);
        let install = || updater(folder, &disk, &["install", &url]);
        let Killed { lost, flushes } = strace::killed(install(), &disk, "pwritev", nth);
        lose(&disk, &before, &lost);
        install().run().exits(Exit::Done);
        updater(folder, &disk, &["verify", "--slot", "b"]).run().exits(Exit::Done);
        let (sent, whole) = (server.sent_of(&name), u64::try_from(bundle.len()).unwrap());
        let lost: u64 = lost.iter().map(|range| range.end - range.start).sum();
        eprintln!(
            "result: killed at write {nth} after {flushes} flushes, {lost} bytes lost: {sent} of {whole} bytes sent"
        );
        assert!(flushes > 5 && lost > 500_000, "{flushes} flushes, {lost} bytes lost");
        assert!(sent * 100 <= whole * 105, "{sent} of {whole} bytes");
    };
    thread::scope(|scope| {
        for (number, nth) in moments.into_iter().enumerate() {
            let cut = &cut;
            scope.spawn(move || cut(number, nth));
        }
    });
}
