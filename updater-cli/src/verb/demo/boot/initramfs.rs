//! The guest's initramfs: a cpio archive that the kernel unpacks.
//!
//! ```text
//!  init                      the hook
//!  etc/updater/hook.config   the demo's profile and key
//!  etc/updater/modules       /modules/virtio.ko, ..: a line each, in the order in which they are loaded
//!  modules/*.ko              and compressed ones as they are: the kernel's to decompress
//! ```

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use cpio::NewcBuilder;

use crate::exit::{Exit, Failure};
use crate::source::unreadable;

const FOLDERS: [&str; 3] = ["etc", "etc/updater", "modules"];
const FOLDER_MODE: u32 = 0o040_755;
const PROGRAM_MODE: u32 = 0o100_755;
const FILE_MODE: u32 = 0o100_644;

/// The archive, of files of this machine.
pub fn of(hook: &Path, config: &Path, modules: &[PathBuf]) -> Result<Vec<u8>, Failure> {
    let read = |path: &Path| fs::read(path).map_err(|error| unreadable(path, &error));
    let name = |path: &Path| format!("modules/{}", path.file_name().unwrap_or_default().display());
    let list: String = modules.iter().map(|path| format!("/{}\n", name(path))).collect();
    let mut files = vec![
        ("init".to_owned(), PROGRAM_MODE, read(hook)?),
        ("etc/updater/hook.config".to_owned(), FILE_MODE, read(config)?),
        ("etc/updater/modules".to_owned(), FILE_MODE, list.into_bytes()),
    ];
    for module in modules {
        files.push((name(module), FILE_MODE, read(module)?));
    }
    archive(files).map_err(|error| {
        Failure::new(Exit::Io, "cannot make the initramfs", error, "report this: it is a fault of the program")
    })
}

fn archive(files: Vec<(String, u32, Vec<u8>)>) -> io::Result<Vec<u8>> {
    let folders = FOLDERS.map(|name| (NewcBuilder::new(name).mode(FOLDER_MODE).nlink(2), Cursor::new(Vec::new())));
    let files = files.into_iter().map(|(name, mode, bytes)| (NewcBuilder::new(&name).mode(mode), Cursor::new(bytes)));
    cpio::write_cpio(folders.into_iter().chain(files), Vec::new())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn cpio_unpacks_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let modules = [file("virtio.ko", "one"), file("dm-mod.ko.xz", "second")];
        let archive = of(&file("hook", "a hook"), &file("config", "c"), &modules).unwrap();

        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let mut child = Command::new("cpio")
            .args(["--extract", "--quiet", "--no-absolute-filenames"])
            .current_dir(&out)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the oracle `cpio` is installed");
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(child.wait().unwrap().success());
        let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!((text("init"), text("etc/updater/hook.config")), ("a hook".to_owned(), "c".to_owned()));
        assert_eq!(text("etc/updater/modules"), "/modules/virtio.ko\n/modules/dm-mod.ko.xz\n");
        assert_eq!((text("modules/virtio.ko"), text("modules/dm-mod.ko.xz")), ("one".to_owned(), "second".to_owned()));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(out.join("init")).unwrap().permissions().mode() & 0o777, 0o755);
        let missing = of(Path::new("/no/hook"), Path::new("/no/config"), &[]).unwrap_err();
        assert!(missing.what.contains("/no/hook"), "{missing}");
    }
}
