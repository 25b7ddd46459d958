//! Which modules of a kernel the guest needs, and in which order: by `modules.dep` and `modules.builtin`, as depmod writes them.
//!
//! ```text
//!  kernel/drivers/md/dm-verity.ko: kernel/drivers/md/dm-bufio.ko kernel/drivers/md/dm-mod.ko
//!                                  └──────── loaded from the last to the first, then the module itself
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The guest's disk, and what its roots are made of. A kernel that lacks one of them boots no slot here.
pub const NEEDED: [&str; 4] = ["virtio_pci", "virtio_blk", "dm-verity", "squashfs"];
/// dm-verity asks for it by itself, which needs a modprobe that the guest has not: loaded before, if the kernel has it as a module.
const WANTED: [&str; 2] = ["sha256_generic", "sha256"];

/// What a kernel has.
#[derive(Debug, Default)]
pub struct Modules {
    /// By name: its file, and those that it needs.
    files: BTreeMap<String, (PathBuf, Vec<PathBuf>)>,
    built_in: BTreeSet<String>,
}

impl Modules {
    /// Reads the lists in a kernel's folder of modules.
    ///
    /// # Errors
    /// What the system says of `modules.dep`. A kernel that has nothing built in need not say so.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let needs = fs::read_to_string(folder.join("modules.dep"))?;
        match fs::read_to_string(folder.join("modules.builtin")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::of(folder, &needs, "")),
            built_in => Ok(Self::of(folder, &needs, &built_in?)),
        }
    }

    fn of(folder: &Path, needs: &str, built_in: &str) -> Self {
        let row = |line: &str| {
            let (file, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(|file| folder.join(file)).collect();
            Some((name_of(file), (folder.join(file), needs)))
        };
        Self { files: needs.lines().filter_map(row).collect(), built_in: built_in.lines().map(name_of).collect() }
    }

    /// The files to load, in this order.
    ///
    /// # Errors
    /// The names of [`NEEDED`] that the kernel has not.
    pub fn for_the_guest(&self) -> Result<Vec<PathBuf>, Vec<&'static str>> {
        let has = |name: &str| self.files.contains_key(&name_of(name)) || self.built_in.contains(&name_of(name));
        let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !has(name)).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let mut order: Vec<PathBuf> = Vec::new();
        for (file, needs) in WANTED.iter().chain(&NEEDED).filter_map(|name| self.files.get(&name_of(name))) {
            for file in needs.iter().rev().chain([file]) {
                if !order.contains(file) {
                    order.push(file.clone());
                }
            }
        }
        Ok(order)
    }
}

/// A module's name, by its file's or as it was written: dashes and underscores are one.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A list as depmod writes it.
    pub const LIST: &str = "kernel/virtio/virtio.ko.xz:\n\
        kernel/virtio/virtio_ring.ko.xz:\n\
        kernel/virtio/virtio_pci.ko.xz: kernel/virtio/virtio_ring.ko.xz kernel/virtio/virtio.ko.xz\n\
        kernel/md/dm-verity.ko.xz: kernel/md/dm-bufio.ko.xz kernel/md/dm-mod.ko.xz\n\
        kernel/md/dm-bufio.ko.xz:\n\
        kernel/md/dm-mod.ko.xz:\n\
        kernel/block/virtio_blk.ko.xz: kernel/virtio/virtio_ring.ko.xz kernel/virtio/virtio.ko.xz\n";
    /// Another one.
    pub const BUILT_IN: &str = "kernel/fs/squashfs/squashfs.ko\nkernel/crypto/sha256_generic.ko\n";

    fn names(modules: &Modules) -> Vec<String> {
        let files = modules.for_the_guest().unwrap();
        files.iter().map(|file| name_of(file.to_str().unwrap())).collect()
    }

    #[test]
    fn each_comes_after_what_it_needs_and_once() {
        let modules = Modules::of(Path::new("/m"), LIST, BUILT_IN);
        let order = ["virtio", "virtio_ring", "virtio_pci", "virtio_blk", "dm_mod", "dm_bufio", "dm_verity"];
        assert_eq!(names(&modules), order);
        assert_eq!(modules.for_the_guest().unwrap()[0], Path::new("/m/kernel/virtio/virtio.ko.xz"));
        let with_sha = Modules::of(Path::new("/m"), &format!("{LIST}kernel/crypto/sha256.ko:\n"), "squashfs.ko\n");
        assert_eq!(names(&with_sha)[0], "sha256");
    }

    #[test]
    fn what_a_kernel_lacks_is_named_and_a_list_that_is_missing_is_an_error() {
        let modules = Modules::of(Path::new("/m"), LIST, "");
        assert_eq!(modules.for_the_guest(), Err(vec!["squashfs"]));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Modules::read(folder.path()).unwrap_err().kind(), ErrorKind::NotFound);
        fs::write(folder.path().join("modules.dep"), LIST).unwrap();
        assert_eq!(Modules::read(folder.path()).unwrap().for_the_guest(), Err(vec!["squashfs"]));
        fs::write(folder.path().join("modules.builtin"), BUILT_IN).unwrap();
        assert_eq!(Modules::read(folder.path()).unwrap().for_the_guest().unwrap().len(), 7);
    }
}
