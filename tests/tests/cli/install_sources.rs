//! Where a bundle comes from: a file, a pipe that gives it in small pieces, a FIFO, a raw image with a detached head.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use libupdate::BlockSize;
use tests::answer::Exit;
use tests::cli::Cli;
use tests::device::Device;
use tests::loop_device::LoopDevice;
use tests::root_image::noise;
use tests::tool;
use tests::workshop::{COMPATIBLE, MAKER, Workshop};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Slot b holds the image, and all of it is right.
fn holds(device: &Device, image: &[u8]) {
    let mut padded = image.to_vec();
    padded.resize(image.len().next_multiple_of(4096), 0);
    assert!(device.partition("b").starts_with(&padded));
    device.does(&["verify", "--slot", "b"]);
    assert_eq!(device.next(), "b");
}

#[test]
fn a_pipe_in_pieces_of_any_length() {
    let workshop = Workshop::shared();
    let bundle = fs::read(workshop.bundle(2)).unwrap();
    let image = fs::read(&workshop.image(2).path).unwrap();
    for pieces in [&[bundle.len()][..], &[1, 4095, 3, 8192, 77], &[39, 1, 7, 65_536], &[511]] {
        let device = Device::new();
        device.cli(&["install", "-"]).run_with_input(&bundle, pieces).exits(Exit::Done);
        holds(&device, &image);
    }
}

#[test]
fn a_compressed_bundle_comes_through_a_pipe_too() {
    let device = Device::new();
    let bundle = device.workshop.release(2).with(&["--compression", "zstd"]).create();
    device.cli(&["install", "-"]).run_with_input(&fs::read(bundle).unwrap(), &[1000, 100_000]).exits(Exit::Done);
    holds(&device, &fs::read(&device.workshop.image(2).path).unwrap());
}

/// `install <(curl ..)`, and a FIFO in the file system: bytes that nobody can seek in.
#[test]
fn a_fifo_is_a_pipe_with_a_name() {
    let device = Device::new();
    let fifo = device.put_file("fifo", &[]);
    fs::remove_file(&fifo).unwrap();
    tool::run("mkfifo", &[&fifo]);
    let running = device.cli(&["install", text(&fifo)]).start();
    fs::write(&fifo, fs::read(device.workshop.bundle(2)).unwrap()).unwrap();
    running.wait().exits(Exit::Done);
    holds(&device, &fs::read(&device.workshop.image(2).path).unwrap());
    let running = device.cli(&["install", text(&fifo), "--json"]).start();
    fs::write(&fifo, b"not a bundle, and a good deal longer than the prefix of one").unwrap();
    running.wait().fails(Exit::NotAuthentic, "not a bundle");
}

#[test]
fn a_signal_ends_the_wait_for_the_writer_of_a_fifo() {
    let device = Device::new();
    let fifo = device.put_file("fifo", &[]);
    fs::remove_file(&fifo).unwrap();
    tool::run("mkfifo", &[&fifo]);
    let running = device.cli(&["install", text(&fifo), "--json"]).start();
    running.catches_signals();
    running.signal(rustix::process::Signal::TERM);
    running.wait_with_stdin_open().fails(Exit::Interrupted, "");
}

/// The image as it is, and its head beside it. Of a length that is a whole number of blocks, and of others.
#[test]
fn a_raw_image_with_a_detached_head() {
    for len in [4096, 4097, 524_288, 524_289, 1_000_001] {
        let device = Device::new();
        let workshop = &device.workshop;
        let bytes = noise("raw", len);
        let image = workshop.put_new("raw", &bytes);
        let head = workshop.release(2).image(&image).create_detached();
        assert_eq!(fs::read(&image).unwrap(), bytes, "the image was touched");
        device.does(&["install", text(&image)]);
        holds(&device, &bytes);
        // The head, the image, and zeros to a whole block are a bundle.
        let mut joined = [fs::read(&head).unwrap(), bytes].concat();
        joined.resize(joined.len() + (4096 - len % 4096) % 4096, 0);
        let other = Device::new();
        other.cli(&["install", "-"]).run_with_input(&joined, &[10_000]).exits(Exit::Done);
        assert_eq!(other.slot("b").root_hash, device.slot("b").root_hash);
        let key = workshop.text(&format!("{MAKER}.pub"));
        Cli::new(&["--trust", &key, "verify", text(&image)]).run().exits(Exit::Done);
    }
}

#[test]
fn a_detached_head_that_does_not_fit_its_image() {
    let device = Device::new();
    let workshop = &device.workshop;
    let bytes = noise("raw", 700_000);
    let image = workshop.put_new("raw", &bytes);
    let head = workshop.release(2).image(&image).create_detached();
    let refused = |device: &Device, why: &str| {
        device.refuses(&["install", text(&image)], Exit::NotAuthentic, why);
    };
    // Another image, a shorter one, a longer one.
    let mut other = bytes.clone();
    other[600_000] ^= 1;
    fs::write(&image, &other).unwrap();
    refused(&Device::new(), "chunk 1 does not match the hash tree");
    fs::write(&image, &bytes[..600_000]).unwrap();
    refused(&Device::new(), "the bundle ends too early");
    fs::write(&image, [&bytes[..], &[0; 4096]].concat()).unwrap();
    refused(&Device::new(), "bytes follow the end of the bundle");
    // A head that was cut, that is of another image, and none.
    fs::write(&image, &bytes).unwrap();
    let good = fs::read(&head).unwrap();
    fs::write(&head, &good[..good.len() - 1]).unwrap();
    refused(&Device::new(), "level 1");
    fs::write(&head, &good[..100]).unwrap();
    refused(&Device::new(), "");
    fs::remove_file(&head).unwrap();
    device.refuses_untouched(&["install", text(&image)], Exit::NotAuthentic, "there is no");
    fs::write(&head, &good).unwrap();
    device.does(&["install", text(&image)]);
    holds(&device, &bytes);
}

#[test]
fn a_bundle_whose_name_is_no_text() {
    let device = Device::new();
    let path = device.put_file("x", b"").with_file_name(OsStr::from_bytes(b"update-\xff\xfe.bundle"));
    fs::copy(device.workshop.bundle(2), &path).unwrap();
    device.cli(&["install"]).and(&[&path]).run().exits(Exit::Done);
    holds(&device, &device.workshop.image(2).padded());
    Cli::new(&["info"]).and(&[&path]).run().exits(Exit::Done);
}

/// The program before the pipe has failed, or a download has: nobody is sent to look at the bundle.
#[test]
fn nothing_at_all_is_called_nothing() {
    let device = Device::new();
    let workshop = &device.workshop;
    let says = |line: &[&str], exit: Exit, words: &str| {
        let before = device.bytes();
        device.run(line).exits(exit).says(words);
        assert!(before == device.bytes());
    };
    says(&["install", "-"], Exit::NotAuthentic, "no byte came from stdin");
    let empty = workshop.put_new("empty", b"");
    let [empty, key] = [text(&empty), &workshop.text(&format!("{MAKER}.pub"))];
    for line in [&["install", empty][..], &["verify", empty], &["info", empty], &["bundle", "digest", empty]] {
        says(line, Exit::NotAuthentic, "the file is empty");
    }
    let attach = ["bundle", "attach-signature", "--public-key", key, "--signature"];
    says(&[&attach[..], &[empty, &workshop.bundle_text(2)]].concat(), Exit::Usage, "the file is empty");
    says(&[&attach[..], &[key, empty]].concat(), Exit::NotAuthentic, "the file is empty");
    let create = ["bundle", "create", "--version", "1", "--compatible", "x", "-o", "/dev/null", "--image"];
    says(&[&create[..], &[empty]].concat(), Exit::Usage, "the file is empty");
    says(&[&create[..], &["-"]].concat(), Exit::Usage, "no byte came");
    says(&["--trust", empty, "verify", &workshop.bundle_text(2)], Exit::Usage, "the file is empty");
    says(&["--profile", empty, "status"], Exit::Usage, "");
}

/// An image of a partition, and of a program that makes it: the same bundle as of the file.
#[test]
fn an_image_comes_from_a_block_device_a_fifo_or_stdin() {
    let workshop = Workshop::shared();
    let bytes = noise("block", 1_048_576);
    let image = workshop.put_new("raw", &bytes);
    let wanted = fs::read(workshop.release(2).image(&image).create()).unwrap();
    let node = LoopDevice::over(&image, BlockSize::B512);
    assert!(fs::read(workshop.release(2).image(Path::new(node.text())).create()).unwrap() == wanted);
    let fifo = workshop.put_new("fifo", b"");
    fs::remove_file(&fifo).unwrap();
    tool::run("mkfifo", &[&fifo]);
    let writer = std::thread::spawn({
        let (fifo, bytes) = (fifo.clone(), bytes.clone());
        move || fs::write(fifo, bytes)
    });
    assert!(fs::read(workshop.release(2).image(&fifo).create()).unwrap() == wanted);
    writer.join().unwrap().unwrap();
    let (out, key) = (workshop.put_new("out", b""), workshop.text(&format!("{MAKER}.key")));
    let line = ["bundle", "create", "--version", "2.0", "--compatible", COMPATIBLE, "--image", "-", "--key", &key];
    let create = Cli::new(&line).and(&["--force", "-o", text(&out)]);
    create.run_with_input(&bytes, &[4097, 65_536]).exits(Exit::Done);
    assert!(fs::read(&out).unwrap() == wanted);
    // Nothing is written beside what is no file.
    Cli::new(&line).and(&["--detached"]).run().exits(Exit::Usage).says("a pipe is gone once it is read");
    Cli::new(&["bundle", "create", "--version", "2", "--compatible", "x", "--image", "/dev/zero", "-o", text(&out)])
        .and(&["--force"])
        .run()
        .exits(Exit::Usage)
        .says("no file, no block device and no pipe");
}

#[test]
fn a_socket_that_is_given_by_name_is_asked_for_as_stdin() {
    let device = Device::new();
    let socket = device.put_file("socket", b"");
    fs::remove_file(&socket).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answer = device.refuses_untouched(&["install", text(&socket)], Exit::Io, "a socket has no name to open it by");
    assert!(answer.stderr().contains("give - in its place"), "{answer}");
}
