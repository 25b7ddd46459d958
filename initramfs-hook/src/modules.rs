//! Kernel modules of the initramfs, loaded in the order of a list.
//!
//! `/etc/updater/modules`: one module a line, its path and then its parameters; `#` begins a comment. No dependency is worked out
//! here: whoever makes the initramfs knows it. Compressed ones are the kernel's to decompress (Linux 5.17 with
//! `CONFIG_MODULE_DECOMPRESS`).
//!
//! The kernel's command line is heard as by modprobe: `NAME.PARAMETER=VALUE` comes after the list's own parameters, so that it counts;
//! what `modprobe.blacklist=` names is not loaded.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;

use libupdate::units::limits::MODULE_LIST_BYTES;
use libupdate_linux::file;
use rustix::io::Errno;

use crate::command_line::CommandLine;
use crate::say::say;

/// The list.
const LIST: &str = "/etc/updater/modules";
/// `MODULE_INIT_COMPRESSED_FILE` of linux/module.h.
const COMPRESSED: i32 = 4;

/// Loads what the list names. What cannot be loaded is told: the boot shows whether it was needed.
pub fn load(line: &CommandLine) {
    let text = match file::read(Path::new(LIST), MODULE_LIST_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return say!("cannot read {LIST}: {error}"),
    };
    for (path, parameters) in listed(&text) {
        let name = name_of(Path::new(path));
        if line.forbids(name) {
            say!("the module {path} is not loaded: the kernel's command line says so");
        } else if let Err(error) = one(Path::new(path), parameters.as_bytes(), &line.parameters(name)) {
            say!("the module {path} cannot be loaded: {error}");
        }
    }
}

/// Loads a module with its own parameters and those that were said to it. A mistake in the latter does not keep it from being loaded: the disk
/// may hang on it.
fn one(path: &Path, own: &[u8], said: &[u8]) -> io::Result<()> {
    match insert(path, &[own, said].join(&b' ')) {
        Err(error) if !said.is_empty() && is_about_parameters(&error) => {
            let said = String::from_utf8_lossy(said);
            say!("the module {} does not take {said} of the kernel's command line: {error}", path.display());
            insert(path, own)
        }
        answer => answer,
    }
}

/// What a kernel answers to a value that it does not understand.
fn is_about_parameters(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::RANGE | Errno::NOSPC))
}

/// Its name, by its file's: `/modules/nvme-core.ko.xz`.
fn name_of(path: &Path) -> &[u8] {
    let file = path.file_name().unwrap_or_default().as_encoded_bytes();
    file.split(|byte| *byte == b'.').next().unwrap_or_default()
}

/// Path and parameters of each line.
fn listed(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| {
        let (path, parameters) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        (path, parameters.trim())
    })
}

fn insert(path: &Path, parameters: &[u8]) -> io::Result<()> {
    let file = File::open(path)?;
    let flags = if path.extension().is_some_and(|end| end == "ko") { 0 } else { COMPRESSED };
    match rustix::system::finit_module(&file, &CString::new(parameters)?, flags) {
        // Built in, or loaded by somebody else.
        Err(Errno::EXIST) => Ok(()),
        Err(Errno::OPNOTSUPP) if flags == COMPRESSED => {
            Err(io::Error::other("this kernel decompresses no modules: put it there as .ko"))
        }
        answer => Ok(answer?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_path_and_parameters() {
        let text = "# first\n/m/virtio.ko\n\n /m/i6300esb.ko.xz  heartbeat=5 nowayout=1 # why\n";
        let lines: Vec<_> = listed(text).collect();
        assert_eq!(lines, [("/m/virtio.ko", ""), ("/m/i6300esb.ko.xz", "heartbeat=5 nowayout=1")]);
        let names = lines.iter().map(|(path, _)| name_of(Path::new(path)));
        assert_eq!(names.collect::<Vec<_>>(), [&b"virtio"[..], b"i6300esb"]);
    }
}
