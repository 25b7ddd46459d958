//! The hash tree against `veritysetup`: its bytes are ours, and what we write it accepts.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use libupdate::units::digest::hash_block;
use libupdate::verity::{CHUNK_BYTES, Geometry, Superblock, Tree, TreeBuilder, Uuid};
use libupdate::{BlockSize, ByteLen, Digest, Extent, Lba, RootHash, Salt, SoftHasher, Window};
use tempfile::TempDir;
use tests::file_disk::FileDisk;
use tests::tool;

const BLOCK: u64 = 4096;
/// Vectors of the unit tests, which cannot run a tool.
const GOLDEN: &str = include_str!("../../../libupdate/src/verity/golden.txt");

/// Memory where there is some: `veritysetup` takes four times longer to read a hole of a disk's file system.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// `yes libupdate | head -c $((blocks * 4096)) > image`
fn image(dir: &TempDir, name: &str, blocks: u64) -> PathBuf {
    let path = dir.path().join(name);
    let text = b"libupdate\n".repeat(4096);
    let mut file = BufWriter::new(File::create(&path).unwrap());
    let mut left = usize::try_from(blocks * BLOCK).unwrap();
    while left > 0 {
        let piece = &text[..left.min(text.len())];
        file.write_all(piece).unwrap();
        left -= piece.len();
    }
    file.flush().unwrap();
    path
}

fn geometry(blocks: u64) -> Geometry {
    Geometry::from_data_blocks(blocks).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A salt as `veritysetup` takes it.
fn salt_argument(salt: &[u8]) -> String {
    if salt.is_empty() { "-".into() } else { hex(salt) }
}

/// A field of what `veritysetup` prints.
fn field<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("veritysetup does not print `{name}`:\n{text}")).trim()
}

/// Builds the tree of the image in `path` with `veritysetup`, behind the data in the same file. Gives the root hash.
fn theirs(path: &Path, geometry: Geometry, salt: &[u8], uuid: &str) -> String {
    let path_text = path.to_str().unwrap();
    let blocks = geometry.data_blocks().to_string();
    let offset = geometry.hash_offset().get().to_string();
    let salt = salt_argument(salt);
    let options = ["--data-blocks", &blocks, "--hash-offset", &offset, "--salt", &salt, "--uuid", uuid];
    let printed = tool::run("veritysetup", &[&["format"], &options[..], &[path_text, path_text]].concat());
    // With one data block only the superblock's 512 bytes are written.
    OpenOptions::new().write(true).open(path).unwrap().set_len(geometry.end().get()).unwrap();
    field(&printed, "Root hash").into()
}

/// Builds the tree of the image in `path` with our builder, behind the data in the same file.
fn ours<'s>(path: &Path, geometry: Geometry, salt: &'s [u8]) -> Tree<'s> {
    let salt = Salt::new(salt).unwrap();
    let mut data = File::open(path).unwrap().take(geometry.image_blocks_bytes().get());
    OpenOptions::new().write(true).open(path).unwrap().set_len(geometry.end().get()).unwrap();
    let mut disk = FileDisk::open(path, BlockSize::B4096).unwrap();
    let last = Lba::new(geometry.end().get() / BLOCK - 1);
    let mut window = Window::new(&mut disk, Extent::new(Lba::new(0), last, BlockSize::B4096).unwrap());

    let mut open = vec![[0; 4096]; geometry.levels().into()];
    let mut builder = TreeBuilder::new(geometry, salt, &mut open).unwrap();
    let mut chunk = vec![0; CHUNK_BYTES];
    for number in 0..geometry.chunks() {
        let chunk = &mut chunk[..geometry.chunk_len(number)];
        data.read_exact(chunk).unwrap();
        let sink = |level, index, block: &[u8; 4096]| window.write(geometry.block_offset(level, index).unwrap(), block);
        builder.push_blocks(chunk, &mut SoftHasher, sink).unwrap();
    }
    let tree = Tree { geometry, salt, root: builder.finish().unwrap() };
    let mut block = [0xff; 4096];
    Superblock::of(&tree).encode(&mut block);
    window.write(geometry.hash_offset(), &block).unwrap();
    tree
}

fn hash_area(path: &Path, geometry: Geometry) -> Vec<u8> {
    let mut file = File::open(path).unwrap();
    file.seek(SeekFrom::Start(geometry.hash_offset().get())).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// One image, its tree built by both.
fn compare(blocks: u64, salt: &[u8]) {
    let dir = scratch();
    let (mine, other) = (image(&dir, "mine", blocks), image(&dir, "other", blocks));
    let geometry = geometry(blocks);
    let tree = ours(&mine, geometry, salt);
    let root = theirs(&other, geometry, salt, &Uuid::from_root(&tree.root).to_string());
    assert_eq!(tree.root.to_string(), root, "{blocks} blocks, salt of {}", salt.len());
    assert!(fs::read(mine).unwrap() == fs::read(other).unwrap(), "{blocks} blocks, salt of {}", salt.len());
}

#[test]
fn image_superblock_and_every_level_are_the_bytes_of_veritysetup() {
    for blocks in [1, 2, 127, 128, 129, 255, 256, 257, 1000, 16383, 16384, 16385, 16512, 16513] {
        compare(blocks, &[0x5a; 32]);
    }
}

#[test]
fn every_length_of_salt_is_hashed_as_veritysetup_does() {
    for len in [0, 1, 31, 32, 33, 55, 56, 63, 64, 65, 255, 256] {
        let salt: Vec<u8> = (0..=255).take(len).collect();
        compare(1, &salt);
        compare(130, &salt);
    }
}

#[test]
fn an_image_over_4_gib_has_the_tree_of_veritysetup() {
    let dir = scratch();
    let geometry = geometry((1 << 20) + 1);
    let paths = ["mine", "other"].map(|name| dir.path().join(name));
    for path in &paths {
        let file = File::create(path).unwrap();
        file.set_len(geometry.hash_offset().get()).unwrap();
        // One byte in the first block over 4 GiB: an offset of 32 bits would miss it.
        file.write_all_at(b"x", (1 << 32) + 4095).unwrap();
    }
    let tree = ours(&paths[0], geometry, &[0xaa]);
    let root = theirs(&paths[1], geometry, &[0xaa], &Uuid::from_root(&tree.root).to_string());
    assert_eq!(tree.root.to_string(), root);
    assert!(hash_area(&paths[0], geometry) == hash_area(&paths[1], geometry));
}

#[test]
fn the_golden_vectors_can_be_made_again() {
    let mut lines = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let [blocks, salt, root, uuid, digest] = *line.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
        let geometry = geometry(blocks.parse().unwrap());
        let salt = if salt == "-" { Vec::new() } else { unhex(salt) };
        let dir = scratch();
        let path = image(&dir, "image", geometry.data_blocks());
        assert_eq!(theirs(&path, geometry, &salt, uuid), root, "{line}");
        assert_eq!(Digest::of(&[&hash_area(&path, geometry)]).to_string(), digest, "{line}");
        lines += 1;
    }
    assert_eq!(lines, 13);
}

/// The root in the unit test `an_image_over_4_gib_has_the_root_of_veritysetup`, and the one in the example of `verity`.
#[test]
fn the_roots_in_source_can_be_made_again() {
    let dir = scratch();
    let zeros = dir.path().join("zeros");
    File::create(&zeros).unwrap().set_len(4_294_971_392).unwrap();
    let uuid = "00000000-0000-8000-8000-000000000000";
    let root = theirs(&zeros, geometry((1 << 20) + 1), &[0xaa], uuid);
    assert!(include_str!("../../../libupdate/src/verity/builder.rs").contains(&root), "{root}");

    let sevens = dir.path().join("sevens");
    fs::write(&sevens, vec![7; 129 * 4096]).unwrap();
    let root = theirs(&sevens, geometry(129), &[0xaa], uuid);
    assert!(include_str!("../../../libupdate/src/verity.rs").contains(&root), "{root}");
}

fn verify(path: &Path, tree: &Tree<'_>) -> bool {
    let path = path.to_str().unwrap();
    let offset = tree.geometry.hash_offset().get().to_string();
    let arguments = ["verify", "--hash-offset", &offset, path, path, &tree.root.to_string()];
    let output = tool::output("veritysetup", &arguments);
    // A wrong argument or an unreadable file ends with an error as well: only this message is a verdict.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => true,
        Some(_) if said.contains("Verification") => false,
        code => panic!("veritysetup verify ended with {code:?}: {said}"),
    }
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn veritysetup_accepts_what_we_build_and_rejects_a_flipped_bit() {
    for blocks in [1, 2, 128, 129, 16385] {
        let dir = scratch();
        let path = image(&dir, "image", blocks);
        let geometry = geometry(blocks);
        let tree = ours(&path, geometry, b"salt");
        assert!(verify(&path, &tree), "{blocks} blocks");

        let first_and_last = [0, geometry.hash_offset().get() - 1].into_iter();
        let levels = (0..geometry.levels()).map(|level| geometry.level_offset(level).get());
        for at in first_and_last.chain(levels) {
            flip(&path, at);
            assert!(!verify(&path, &tree), "{blocks} blocks, byte {at}");
            flip(&path, at);
        }
        assert!(verify(&path, &tree), "{blocks} blocks");
    }
}

#[test]
fn veritysetup_reads_our_superblock_at_every_size() {
    let dir = scratch();
    let path = dir.path().join("partition");
    for blocks in [1, 2, 129, 16385, (1 << 20) + 1, (1 << 21) + 1, (1 << 28) + 1, 1 << 31] {
        for salt in [&[][..], &[1], &[0xab; 32], &[0xcd; 256]] {
            let root = RootHash::new(hash_block(&mut SoftHasher, Salt::new(salt).unwrap(), &[3; 4096]));
            let tree = Tree { geometry: geometry(blocks), salt: Salt::new(salt).unwrap(), root };
            let mut block = [0; 4096];
            Superblock::of(&tree).encode(&mut block);
            let at = tree.geometry.hash_offset().get();
            let file = File::create(&path).unwrap();
            file.set_len(tree.geometry.end().get()).unwrap();
            file.write_all_at(&block, at).unwrap();

            let dump = tool::run("veritysetup", &["dump", "--hash-offset", &at.to_string(), path.to_str().unwrap()]);
            assert_eq!(field(&dump, "UUID"), Uuid::from_root(&root).to_string());
            assert_eq!(field(&dump, "Hash type"), "1");
            assert_eq!(field(&dump, "Data blocks"), blocks.to_string());
            assert_eq!(field(&dump, "Data block size"), "4096");
            let hash_blocks = (tree.geometry.end().get() - at) / BLOCK - 1;
            assert_eq!(field(&dump, "Hash blocks"), hash_blocks.to_string(), "{blocks} blocks");
            assert_eq!(field(&dump, "Hash block size"), "4096");
            assert_eq!(field(&dump, "Hash algorithm"), "sha256");
            assert_eq!(field(&dump, "Salt"), salt_argument(salt));
        }
    }
}

#[test]
fn we_read_the_superblock_of_veritysetup() {
    let dir = scratch();
    let path = image(&dir, "image", 129);
    let uuid = "6f0b7a3e-21c4-4f5e-9a8d-0123456789ab";
    theirs(&path, geometry(129), b"salt", uuid);
    let bytes = hash_area(&path, geometry(129));
    let found = Superblock::decode(&bytes).unwrap();
    assert_eq!(found.uuid.to_string(), uuid);
    assert_eq!(found.geometry, geometry(129));
    assert_eq!(found.salt.as_bytes(), b"salt");
}

/// The reason for a deviation that the documentation of `verity` names: a partial last block would not be protected.
#[test]
fn veritysetup_drops_a_partial_block_where_we_count_it() {
    let dir = scratch();
    let (path, tree) = (dir.path().join("image"), dir.path().join("tree"));
    fs::write(&path, [7; 4097]).unwrap();
    let printed = tool::run("veritysetup", &["format", path.to_str().unwrap(), tree.to_str().unwrap()]);
    assert_eq!(field(&printed, "Data blocks"), "1");
    assert_eq!(Geometry::from_image_len(ByteLen::new(4097)), Some(geometry(2)));
}
