//! The memory of `bundle create` on machines that have more cores than this one.

use std::fs;
use std::path::Path;

use tests::answer::Exit;
use tests::cli::Cli;
use tests::root_image::noise;
use tests::strace;

/// A machine that compressed a chunk on each of its cores would have all of this in memory.
const IMAGE: usize = 16 << 20;
/// What one more context and one more frame take, and the stacks of the threads that hash.
const MORE_KIB: u64 = 4 << 10;

/// The most that was resident, in KiB.
fn peak(folder: &Path, cores: u32, more: &[&str]) -> u64 {
    let path = |name| folder.join(name).to_str().unwrap().to_owned();
    let create = Cli::new(&["bundle", "create", "--compatible", "acme-box", "--version", "1.0", "--force"]);
    let create = create.and(&["--image", &path("image"), "-o", &path("bundle")]).and(more);
    let timed = create.under(&["time", "--format=%M", "--output", &path("peak")]);
    strace::with_cores(timed, cores).run().exits(Exit::Done);
    fs::read_to_string(path("peak")).unwrap().trim().parse().unwrap()
}

fn does_not_grow(more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("image"), noise("memory", IMAGE)).unwrap();
    let two = peak(folder.path(), 2, more);
    for cores in [3, 8, 32] {
        let found = peak(folder.path(), cores, more);
        eprintln!("{more:?}: {two} KiB with 2 cores, {found} KiB with {cores}");
        assert!(found <= two + MORE_KIB, "{two} KiB with 2 cores, {found} KiB with {cores}");
    }
}

#[test]
fn it_does_not_grow_with_the_cores_where_chunks_are_compressed() {
    does_not_grow(&["--compression", "zstd"]);
}

#[test]
fn it_does_not_grow_with_the_cores_where_they_are_not() {
    does_not_grow(&[]);
}
