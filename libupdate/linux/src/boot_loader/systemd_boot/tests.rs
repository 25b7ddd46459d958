use std::os::unix::fs::{FileExt as _, symlink};

use libupdate::manifest::{Encoding, Name, Payload};
use libupdate::units::digest::BLOCK_BYTES;
use libupdate::verity::{Geometry, TreeBuilder};
use libupdate::{ByteLen, Extent, Lba, RootHash, Salt, SoftHasher};
use tempfile::TempDir;

use super::*;
use crate::boot_loader::fixture::ranking;
use crate::boot_loader::image::Image;
use crate::{Disk, OpenHow};

const TRIES: TriesLeft = TriesLeft::NINE;
/// Slot bits: a is good, b is on trial; both good; b is off.
const TRIAL: [(u8, u8, bool); 2] = [(1, 3, true), (2, 3, false)];
const GOOD: [(u8, u8, bool); 2] = [(1, 3, true), (2, 3, true)];
const OFF: [(u8, u8, bool); 2] = [(1, 3, true), (0, 1, false)];

/// The headers of a kernel with this section `.osrel`, and the section.
pub(super) fn uki(os_release: &str) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[60..64].copy_from_slice(&128_u32.to_le_bytes());
    bytes[128..132].copy_from_slice(b"PE\0\0");
    bytes[134] = 1;
    bytes[152..158].copy_from_slice(b".osrel");
    let len = u32::try_from(os_release.len()).unwrap();
    for (at, value) in [(160, len), (168, len.next_multiple_of(512)), (172, 600)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes.resize(600, 0);
    bytes.extend_from_slice(os_release.as_bytes());
    bytes
}

struct Store {
    partition: TempDir,
    store: SystemdBoot,
    disk: Disk,
}

impl Store {
    /// A partition with these files in its folder; each holds its own name.
    fn with(files: &[&str]) -> Self {
        let partition = tempfile::tempdir().unwrap();
        fs::create_dir_all(partition.path().join(FOLDER)).unwrap();
        let image = partition.path().join("disk");
        fs::write(&image, vec![0; 1 << 20]).unwrap();
        let store = SystemdBoot::open(partition.path(), "boot", TRIES).unwrap();
        let disk = Disk::open(&image, OpenHow::read_only()).unwrap();
        let made = Self { partition, store, disk };
        for name in files {
            fs::write(made.path(name), name).unwrap();
        }
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.partition.path().join(FOLDER).join(name)
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn put(&mut self, bits: &[(u8, u8, bool)]) -> Result<Put, OsError> {
        Loader::put(&mut self.store, &mut self.disk, &ranking(bits, None))
    }

    fn left(&mut self, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        Loader::read(&mut self.store, &mut self.disk, slot)
    }

    fn refuses(&mut self, bits: &[(u8, u8, bool)], why: &str) {
        let before = self.names();
        let error = self.put(bits).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(self.names(), before);
    }
}

#[test]
fn the_life_of_an_update_is_one_change_of_a_name_each() {
    let mut store = Store::with(&["updater-1-a.efi", "updater-b.new", "debian.efi"]);
    let of_others = "debian.efi";
    assert_eq!(store.put(&TRIAL), Ok(Put::Written));
    assert_eq!(store.names(), [of_others, "updater-1-a.efi", "updater-2-b+3-6.efi"]);
    assert_eq!(store.put(&TRIAL), Ok(Put::Unchanged));
    // systemd-boot counts.
    fs::rename(store.path("updater-2-b+3-6.efi"), store.path("updater-2-b+2-7.efi")).unwrap();
    assert_eq!((store.left(SlotId::B), store.left(SlotId::A)), (Ok(TriesLeft::new(2)), Ok(None)));
    assert_eq!(store.put(&[(1, 3, true), (2, 2, false)]), Ok(Put::Unchanged));
    assert_eq!(store.put(&GOOD), Ok(Put::Written));
    assert_eq!(store.names(), [of_others, "updater-1-a.efi", "updater-2-b.efi"]);
    assert_eq!(store.left(SlotId::B), Ok(None));
    // Back to the older one, which is then above.
    assert_eq!(store.put(&[(3, 3, true), (2, 3, true)]), Ok(Put::Written));
    assert_eq!(store.names(), [of_others, "updater-2-b.efi", "updater-3-a.efi"]);
    assert_eq!(store.put(&OFF), Ok(Put::Written));
    assert_eq!(store.names(), [of_others, "updater-3-a.efi"]);
    assert_eq!(fs::read(store.path("updater-3-a.efi")).unwrap(), b"updater-1-a.efi", "the file is the one it was");
}

#[test]
fn an_exhausted_trial_is_marked_so_and_a_lost_one_is_not_missed() {
    let exhausted = [(1, 3, true), (2, 0, false)];
    let mut store = Store::with(&["updater-1-a.efi", "updater-2-b+1-2.efi"]);
    assert_eq!(store.put(&exhausted), Ok(Put::Written));
    assert_eq!(store.names(), ["updater-1-a.efi", "updater-2-b+0-9.efi"]);
    assert_eq!(store.left(SlotId::B), Ok(Some(TriesLeft::ZERO)));
    fs::remove_file(store.path("updater-2-b+0-9.efi")).unwrap();
    assert_eq!(store.put(&exhausted), Ok(Put::Unchanged));
}

#[test]
fn ranks_stay_small_and_each_change_leaves_every_slot_that_boots() {
    let mut store = Store::with(&["updater-9-a.efi", "updater-8-b.efi"]);
    assert_eq!(store.put(&GOOD), Ok(Put::Written));
    assert_eq!(store.names(), ["updater-1-a.efi", "updater-2-b.efi"]);
    let files = ["updater-18446744073709551615-a.efi", "updater-5-b.efi", "updater-6-c+2-1.efi", "updater-d.part"];
    let files: Vec<plan::File> = files.map(|name| (Ours::of(name).unwrap(), name.to_owned())).into();
    let bits = [(4, 0, true), (0, 1, false), (9, 2, false), (3, 1, true)];
    let files = [&files[..], &[(Ours::of("updater-7-d.efi").unwrap(), "updater-7-d.efi".to_owned())]].concat();
    let steps = plan::plan(&files, &ranking(&bits, None), TRIES).unwrap();
    let rename = |from: &str, to: &str| Step::Rename { from: from.to_owned(), to: to.to_owned() };
    let wanted = [
        rename("updater-7-d.efi", "updater-1-d.efi"),
        rename("updater-18446744073709551615-a.efi", "updater-2-a.efi"),
        rename("updater-6-c+2-1.efi", "updater-3-c+2-1.efi"),
        Step::Remove("updater-5-b.efi".to_owned()),
        Step::Remove("updater-d.part".to_owned()),
    ];
    assert_eq!(steps, wanted);
}

/// What systemd-boot would start, by its own order: bad ones last, then the greatest name.
fn first(names: &[String]) -> Option<SlotId> {
    let entries = names.iter().filter_map(|name| match Ours::of(name) {
        Some(Ours::Entry(name)) => Some(name),
        _ => None,
    });
    entries.max_by_key(|name| (!matches!(name.counter, Counter::Of { left: 0, .. }), name.rank)).map(|name| name.slot)
}

/// Every ranking after every other one, cut after each change: what boots is a slot that may boot by the old or by the new bits.
#[test]
fn each_cut_leaves_a_store_from_which_the_device_boots() {
    let states = [(0, 1, false), (1, 3, true), (2, 3, true), (3, 2, false), (3, 0, false)];
    let pairs = || states.iter().flat_map(|a| states.iter().map(move |b| [*a, *b]));
    let boots =
        |bits: &[(u8, u8, bool)]| bits.iter().any(|(priority, tries, good)| *priority > 0 && (*good || *tries > 0));
    let mut cuts = 0;
    for (old, new) in pairs().flat_map(|old| pairs().map(move |new| (old, new))) {
        if !boots(&old) || !boots(&new) {
            continue;
        }
        let mut names = vec!["updater-a.new".to_owned(), "updater-b.new".to_owned()];
        for bits in [old, new] {
            // A slot that comes back has been prepared.
            for slot in [SlotId::A, SlotId::B] {
                if bits[slot.index()].0 > 0 && !names.iter().any(|name| name.contains(&format!("-{slot}"))) {
                    names.push(name::new(slot));
                }
            }
            let files: Vec<plan::File> = names.iter().map(|name| (Ours::of(name).unwrap(), name.clone())).collect();
            let had = first(&names).is_some();
            for step in plan::plan(&files, &ranking(&bits, None), TRIES).unwrap() {
                match step {
                    Step::Remove(gone) => names.retain(|name| *name != gone),
                    Step::Rename { from, to } => *names.iter_mut().find(|name| **name == from).unwrap() = to,
                }
                let boots = first(&names).filter(|slot| old[slot.index()].0 > 0 || new[slot.index()].0 > 0);
                assert!(!had || boots.is_some(), "{old:?} {new:?} {names:?}");
                cuts += 1;
            }
            let wanted = ranking(&bits, None)
                .bootable()
                .find(|(_, standing)| !matches!(standing, libupdate::loader::Standing::Trial(TriesLeft::ZERO)));
            assert_eq!(first(&names), wanted.map(|(slot, _)| slot), "{bits:?} {names:?}");
        }
    }
    assert!(cuts > 500, "{cuts}");
}

#[test]
fn a_folder_that_is_not_as_it_must_be_is_refused_and_nothing_changes() {
    let mut store = Store::with(&["updater-2-b.efi"]);
    store.refuses(&GOOD, "slot a boots, and there is no updater-RANK-a.efi");
    let mut store = Store::with(&["updater-1-a.efi", "updater-1-b.efi", "updater-2-b+3-0.efi"]);
    store.refuses(&TRIAL, "updater-1-b.efi and updater-2-b+3-0.efi are of one slot");
    assert!(store.left(SlotId::B).unwrap_err().to_string().contains("are of one slot"));
    // With nothing that boots the last kernels stay.
    let mut store = Store::with(&["updater-1-a.efi", "updater-2-b.efi"]);
    assert_eq!(store.put(&[(0, 0, false), (0, 0, false)]), Ok(Put::Unchanged));
    assert_eq!(store.names().len(), 2);
    let error = SystemdBoot::open(Path::new("/nowhere"), "boot", TRIES).unwrap_err().to_string();
    assert!(error.contains("is the EFI system partition mounted there?"), "{error}");
    for number in 0..=MOST_FILES {
        fs::write(store.path(&format!("{number}")), "").unwrap();
    }
    store.refuses(&GOOD, "more than 256 files");
}

#[test]
fn hostile_names_are_put_right_or_are_somebody_elses() {
    let odd = format!("updater-2-b+{}-0.efi", "9".repeat(40));
    let mut store = Store::with(&["updater-1-a+0-3.efi", &odd, "updater-1-z.efi", "updater-1-b.efi.bak"]);
    assert_eq!((store.left(SlotId::B), store.left(SlotId::A)), (Ok(None), Ok(Some(TriesLeft::ZERO))));
    symlink("/etc/passwd", store.path("updater-3-b.efi")).unwrap();
    fs::create_dir(store.path("updater-4-b.efi")).unwrap();
    fs::write(store.partition.path().join(FOLDER).join(std::ffi::OsStr::new("x")), "").unwrap();
    let strange = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"updater-5-b\xff.efi");
    fs::write(store.partition.path().join(FOLDER).join(strange), "").unwrap();
    assert_eq!(store.put(&TRIAL), Ok(Put::Written));
    let names = store.names();
    for name in ["updater-1-a.efi", "updater-2-b+3-6.efi", "updater-3-b.efi", "updater-4-b.efi", "updater-1-z.efi", "x"]
    {
        assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
    }
    // A name that is taken is not written over.
    fs::remove_file(store.path("updater-2-b+3-6.efi")).unwrap();
    fs::write(store.path("updater-b.new"), "").unwrap();
    fs::create_dir(store.path("updater-2-b+3-6.efi")).unwrap();
    let error = store.put(&TRIAL).unwrap_err().to_string();
    assert!(error.contains("cannot rename") && error.contains("File exists"), "{error}");
    assert_eq!(store.left(SlotId::B), Ok(None), "a counter beyond what the slot bits can say");
}

const SALT: &[u8] = b"salt";

/// A payload of these bytes, at the third megabyte of a disk.
fn on_disk(folder: &Path, bytes: &[u8]) -> (Disk, Image<'static>) {
    let path = folder.join("slot");
    let file = File::create(&path).unwrap();
    file.set_len(8 << 20).unwrap();
    file.write_all_at(bytes, 2 << 20).unwrap();
    let image_len = ByteLen::new(u64::try_from(bytes.len()).unwrap());
    let geometry = Geometry::from_image_len(image_len).unwrap();
    let mut open = [[0; BLOCK_BYTES]; libupdate::units::limits::LEVELS];
    let salt = Salt::new(SALT).unwrap();
    let mut tree = TreeBuilder::new(geometry, salt, &mut open).unwrap();
    let mut whole = bytes.to_vec();
    whole.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    tree.push_blocks(&whole, &mut SoftHasher, |_, _, _| Ok::<(), OsError>(())).unwrap();
    let payload =
        Payload::new(Name::new("boot").unwrap(), image_len, salt, tree.finish().unwrap(), Encoding::Raw).unwrap();
    let extent = Extent::new(Lba::new(4096), Lba::new(4096 + 8191), libupdate::BlockSize::B512).unwrap();
    (Disk::open(&path, OpenHow::read_only()).unwrap(), Image { payload, from: extent })
}

#[test]
fn a_copy_is_what_was_signed_or_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for len in [1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (2 << 20) + 5] {
        let bytes: Vec<u8> = (0..len).map(|at: u32| u8::try_from(at % 251).unwrap()).collect();
        let (mut disk, image) = on_disk(folder.path(), &bytes);
        let to = folder.path().join("copy");
        copy::copy(&mut disk, &image, &to).unwrap();
        assert!(fs::read(&to).unwrap() == bytes, "{len}");
        // It is never written over.
        let error = copy::copy(&mut disk, &image, &to).unwrap_err().to_string();
        assert!(error.contains("cannot create"), "{error}");
        fs::remove_file(&to).unwrap();
        let other = RootHash::new(libupdate::Digest::of(&[b"other"]));
        let payload = &image.payload;
        let wrong = Payload::new(payload.role(), payload.image_len(), payload.salt(), other, Encoding::Raw).unwrap();
        let wrong = Image { payload: wrong, from: image.from };
        let error = copy::copy(&mut disk, &wrong, &to).unwrap_err().to_string();
        assert!(error.contains("its root hash is") && error.contains("not what was signed"), "{error}");
        assert!(!to.exists());
    }
}

#[test]
fn a_full_partition_leaves_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (mut disk, image) = on_disk(folder.path(), &[7; 5000]);
    let error = copy::copy(&mut disk, &image, Path::new("/dev/full")).unwrap_err();
    assert!(error.to_string().contains("cannot create"), "{error}");
    // What a file system without room says, and what becomes of the file.
    let mut limit = std::process::Command::new("sh");
    let this = std::env::current_exe().unwrap();
    limit.args(["-c", "ulimit -f 1; trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"]).arg(this);
    limit.arg("boot_loader::systemd_boot::tests::inside_a_limit").env("SYSTEMD_BOOT_LIMIT", folder.path());
    // Not into a file that is longer than that.
    let ended = limit.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!folder.path().join("limited").exists());
}

/// Run by the test above, where no file may be larger than 512 or 1024 bytes.
#[test]
fn inside_a_limit() {
    let Some(folder) = std::env::var_os("SYSTEMD_BOOT_LIMIT") else { return };
    let folder = Path::new(&folder);
    let bytes = [7; 5000];
    let path = folder.join("slot");
    let mut disk = Disk::open(&path, OpenHow::read_only()).unwrap();
    let image_len = ByteLen::new(5000);
    let root = RootHash::new(libupdate::Digest::of(&[&bytes]));
    let payload =
        Payload::new(Name::new("boot").unwrap(), image_len, Salt::new(SALT).unwrap(), root, Encoding::Raw).unwrap();
    let extent = Extent::new(Lba::new(4096), Lba::new(4096 + 8191), libupdate::BlockSize::B512).unwrap();
    let error = copy::copy(&mut disk, &Image { payload, from: extent }, &folder.join("limited")).unwrap_err();
    assert_eq!(error.class(), crate::Class::NoSpace, "{error}");
}

#[test]
fn a_kernel_that_systemd_boot_would_not_order_by_its_name_is_refused() {
    let store = Store::with(&["updater-b.part", "updater-1-b.efi", "debian.efi"]);
    let judge = |new: &str, old: &str| {
        fs::write(store.path("updater-b.part"), uki(new)).unwrap();
        fs::write(store.path("updater-1-a.efi"), uki(old)).unwrap();
        store.store.same_order("updater-b.part", SlotId::B).map_err(|error| error.to_string())
    };
    for same in ["NAME=x\n", "ID=x\n", "ID=x\nVERSION_ID=12\n"] {
        assert_eq!(judge(same, same), Ok(()));
    }
    assert_eq!(judge("NAME=x\nPRETTY_NAME=2\n", "NAME=x\nPRETTY_NAME=1\n"), Ok(()), "what is shown does not order");
    let error = judge("ID=x\nIMAGE_VERSION=2\n", "ID=x\nIMAGE_VERSION=1\n").unwrap_err();
    let wanted = "it has sort key \"x\", version \"2\", and updater-1-a.efi has sort key \"x\", version \"1\"";
    assert!(error.contains(wanted), "{error}");
    assert!(judge("ID=x\n", "NAME=x\n").is_err());
    assert_eq!(judge("ID=x\n", "VERSION=1\n"), Ok(()), "one that is not listed is not ordered");
    let error = judge("VERSION=1\n", "ID=x\n").unwrap_err();
    assert!(error.contains("no kernel that systemd-boot lists"), "{error}");
}
