//! Which whole disk is the profile's, where `--disk` is not given. Never the first one found.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::drive::{Drive, is_member_of, is_on_bus};
use crate::error::{OsError, OsErrorKind};
use crate::node::{device_node, names_in};

/// Where the kernel lists whole disks.
pub const SYS_BLOCK: &str = "/sys/block";

/// How the profile tells its disk from others.
pub type Selection = libupdate::hook_config::Selection<String, PathBuf>;

/// What a look at a disk's table said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Match {
    /// All slots of the profile are there.
    Yes,
    /// They are not: why, in words.
    No(String),
}

/// The profile's disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its node.
    pub disk: PathBuf,
    /// Why other drives could not be judged: no medium, sectors of another size, a read error. None of them keeps a device from its disk.
    pub passed_over: Vec<OsError>,
}

impl Found {
    /// A disk that was not searched for.
    pub const fn named(disk: PathBuf) -> Self {
        Self { disk, passed_over: Vec::new() }
    }
}

/// The node of the profile's disk. `look` reads the partition table of a candidate.
///
/// # Errors
/// [`OsErrorKind::NoDisk`], with what was found instead; [`OsErrorKind::SeveralDisks`]; or what the kernel says about its list of disks.
pub fn whole_disk(selection: &Selection, look: impl FnMut(&Path) -> Result<Match, OsError>) -> Result<Found, OsError> {
    whole_disk_under(Path::new(SYS_BLOCK), selection, look)
}

fn whole_disk_under(
    sys: &Path,
    selection: &Selection,
    mut look: impl FnMut(&Path) -> Result<Match, OsError>,
) -> Result<Found, OsError> {
    if let Selection::Node(node) = selection {
        return Ok(Found::named(node.clone()));
    }
    let mut names = names_in(sys)?;
    names.sort();
    let (mut found, mut others, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let judged = match candidate(&sys.join(&name), selection) {
            Ok(Candidate::Gone) => continue,
            Ok(Candidate::No(why)) => {
                others.push(format!("{name}: {why}"));
                continue;
            }
            Ok(Candidate::Disk { folder, node }) => look(&node).map(|said| (folder, node, said)),
            Err(error) => Err(error),
        };
        match judged {
            Ok((folder, node, Match::Yes)) => found.push((folder, node)),
            Ok((_, node, Match::No(why))) => others.push(format!("{}: {why}", node.display())),
            Err(error) => passed_over.push(error),
        }
    }
    match without_members(&found).as_slice() {
        [] => {
            others.extend(passed_over.iter().map(OsError::to_string));
            Err(OsError::new(sys, OsErrorKind::NoDisk { others }))
        }
        [one] => Ok(Found { disk: one.clone(), passed_over }),
        several => Err(OsError::new(sys, OsErrorKind::SeveralDisks { found: several.to_vec() })),
    }
}

/// The nodes, without those of disks that another of them is made of: a mirror's halves look like the mirror.
fn without_members(found: &[(PathBuf, PathBuf)]) -> Vec<PathBuf> {
    let stands_alone = |(folder, _): &&(PathBuf, PathBuf)| !found.iter().any(|(other, _)| is_member_of(folder, other));
    found.iter().filter(stands_alone).map(|(_, node)| node.clone()).collect()
}

/// What a name in the kernel's list stands for.
enum Candidate {
    /// A disk that could be the machine's, and is where the profile says.
    Disk { folder: PathBuf, node: PathBuf },
    /// Not the profile's disk: why, in words.
    No(String),
    /// Nothing is there, or not any more.
    Gone,
}

fn candidate(link: &Path, selection: &Selection) -> Result<Candidate, OsError> {
    let folder = match fs::canonicalize(link) {
        Ok(folder) => folder,
        // Unplugged since the list was read.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Candidate::Gone),
        Err(error) => return Err(OsError::io(link, "open", &error)),
    };
    match Drive::of(&folder)? {
        Drive::Vacant => return Ok(Candidate::Gone),
        Drive::No(why) => return Ok(Candidate::No(why.to_owned())),
        Drive::Disk => {}
    }
    match selection {
        Selection::Bus(path) if !is_on_bus(&folder, path) => {
            Ok(Candidate::No(format!("it is not on the profile's bus {path}")))
        }
        _ => Ok(Candidate::Disk { node: device_node(&folder)?, folder }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs of three disks and a loop device, all of 8 sectors but one without a medium.
    fn sysfs(root: &Path) -> PathBuf {
        let block = root.join("block");
        fs::create_dir(&block).unwrap();
        let disks = [
            ("sda", "devices/pci0000:00/0000:00:04.0/ata1/block/sda", "8"),
            ("sdb", "devices/pci0000:00/0000:00:05.0/usb1/block/sdb", "8"),
            ("sdc", "devices/pci0000:00/0000:00:06.0/usb2/block/sdc", "0"),
            ("loop0", "devices/virtual/block/loop0", "8"),
        ];
        for (name, folder, size) in disks {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("size"), format!("{size}\n")).unwrap();
            fs::write(folder.join("uevent"), format!("MAJOR=8\nDEVNAME={name}\n")).unwrap();
            symlink(&folder, block.join(name)).unwrap();
        }
        block
    }

    const LOOP: &str = "loop0: this system has made it of something else";
    const EMPTY: &str = "sdc: there is no medium in it";

    fn no() -> Match {
        Match::No("no table".to_owned())
    }

    /// A disk more.
    fn with(root: &Path, sys: &Path, folder: &str, uevent: &str) -> PathBuf {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("size"), "8\n").unwrap();
        fs::write(folder.join("uevent"), uevent).unwrap();
        symlink(&folder, sys.join(folder.file_name().unwrap())).unwrap();
        folder
    }

    fn only(wanted: &'static [&str]) -> impl FnMut(&Path) -> Result<Match, OsError> {
        move |node| Ok(if wanted.iter().any(|name| node == Path::new(name)) { Match::Yes } else { no() })
    }

    #[test]
    fn one_match_is_the_disk_none_and_two_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let found = |wanted| whole_disk_under(&sys, &Selection::ByTable, only(wanted));
        assert_eq!(found(&["/dev/sdb"]).unwrap(), Found::named("/dev/sdb".into()));
        let none = OsErrorKind::NoDisk {
            others: vec![LOOP.into(), "/dev/sda: no table".into(), "/dev/sdb: no table".into(), EMPTY.into()],
        };
        assert_eq!(*found(&[]).unwrap_err().kind(), none);
        let several = OsErrorKind::SeveralDisks { found: vec!["/dev/sda".into(), "/dev/sdb".into()] };
        assert_eq!(*found(&["/dev/sdb", "/dev/sda"]).unwrap_err().kind(), several);
    }

    #[test]
    fn virtual_and_empty_disks_are_not_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        let look = |node: &Path| {
            seen.push(node.to_owned());
            Ok(no())
        };
        let error = whole_disk_under(&sysfs(root.path()), &Selection::ByTable, look).unwrap_err();
        assert!(matches!(error.kind(), OsErrorKind::NoDisk { .. }), "{error}");
        seen.sort();
        assert_eq!(seen, [Path::new("/dev/sda"), Path::new("/dev/sdb")]);
    }

    #[test]
    fn an_nvme_drive_with_several_paths_is_found_and_its_paths_are_not_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let drive = "devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1";
        with(root.path(), &sys, drive, "DEVNAME=nvme0n1\n");
        let path = with(root.path(), &sys, "devices/pci0000:00/0000:00:07.0/nvme/nvme0/nvme0c0n1", "DEVTYPE=disk\n");
        fs::write(path.join("hidden"), "1\n").unwrap();
        let found = whole_disk_under(&sys, &Selection::ByTable, only(&["/dev/nvme0n1"]));
        assert_eq!(found, Ok(Found::named("/dev/nvme0n1".into())));
    }

    #[test]
    fn a_mirror_is_one_disk_and_not_three() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let mirror = with(root.path(), &sys, "devices/virtual/block/md0", "DEVNAME=md0\n");
        let found = || whole_disk_under(&sys, &Selection::ByTable, only(&["/dev/sda", "/dev/sdb", "/dev/md0"]));
        assert!(
            matches!(found().unwrap_err().kind(), OsErrorKind::SeveralDisks { .. }),
            "they have nothing to do with each other"
        );
        fs::create_dir(mirror.join("slaves")).unwrap();
        for name in ["sda", "sdb"] {
            symlink(sys.join(name), mirror.join("slaves").join(name)).unwrap();
        }
        assert_eq!(found(), Ok(Found::named("/dev/md0".into())));
    }

    #[test]
    fn the_bus_path_decides_between_two() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let on = |path: &str| whole_disk_under(&sys, &Selection::Bus(path.into()), only(&["/dev/sda", "/dev/sdb"]));
        assert_eq!(on("0000:00:05.0/usb1").unwrap(), Found::named("/dev/sdb".into()));
        let off = |name| format!("{name}: it is not on the profile's bus 0000:00:05");
        let none = OsErrorKind::NoDisk { others: vec![LOOP.into(), off("sda"), off("sdb"), EMPTY.into()] };
        assert_eq!(*on("0000:00:05").unwrap_err().kind(), none);
        assert!(matches!(on("pci0000:00").unwrap_err().kind(), OsErrorKind::SeveralDisks { .. }));
    }

    #[test]
    fn a_disk_that_cannot_be_judged_is_passed_over_and_named() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        let broken = OsError::new(Path::new("/dev/sda"), OsErrorKind::Ended);
        let look = |wanted: &'static str| {
            let broken = broken.clone();
            move |node: &Path| match node.to_str() {
                Some("/dev/sda") => Err(broken.clone()),
                Some(node) if node == wanted => Ok(Match::Yes),
                _ => Ok(no()),
            }
        };
        let found = whole_disk_under(&sys, &Selection::ByTable, look("/dev/sdb"));
        assert_eq!(found, Ok(Found { disk: "/dev/sdb".into(), passed_over: vec![broken.clone()] }));
        let error = whole_disk_under(&sys, &Selection::ByTable, look("/dev/sdz")).unwrap_err();
        assert_eq!(
            *error.kind(),
            OsErrorKind::NoDisk {
                others: vec![LOOP.into(), "/dev/sdb: no table".into(), EMPTY.into(), broken.to_string()]
            },
            "{error}"
        );
    }

    /// A drive that is unplugged while the list is read, and one whose directory does not say what it must.
    #[test]
    fn a_drive_that_sysfs_says_nothing_of_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let sys = sysfs(root.path());
        symlink(root.path().join("gone"), sys.join("sdd")).unwrap();
        fs::write(root.path().join("devices/pci0000:00/0000:00:04.0/ata1/block/sda/uevent"), "MAJOR=8\n").unwrap();
        let found = whole_disk_under(&sys, &Selection::ByTable, only(&["/dev/sdb"])).unwrap();
        assert_eq!((found.disk.as_path(), found.passed_over.len()), (Path::new("/dev/sdb"), 1), "{found:?}");
    }

    #[test]
    fn a_named_disk_is_taken_at_its_word() {
        let node = Selection::Node("/dev/loop7".into());
        assert_eq!(whole_disk(&node, |_| Ok(no())).unwrap(), Found::named("/dev/loop7".into()));
    }
}
