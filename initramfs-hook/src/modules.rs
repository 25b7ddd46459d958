//! Kernel modules of the initramfs, loaded in the order of a list.
//!
//! `/etc/updater/modules`: one module a line, its path and then its parameters; `#` begins a comment. No dependency is worked out
//! here: whoever makes the initramfs knows it. Compressed ones are the kernel's to decompress (Linux 5.17 with
//! `CONFIG_MODULE_DECOMPRESS`).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;

use libupdate::limits::MODULE_LIST_BYTES;
use rustix::io::Errno;
use updater_cli::os::file;

/// The list.
const LIST: &str = "/etc/updater/modules";
/// `MODULE_INIT_COMPRESSED_FILE` of linux/module.h.
const COMPRESSED: i32 = 4;

/// Loads what the list names. What cannot be loaded is told: the boot shows whether it was needed.
pub fn load() {
    let text = match file::read_text(Path::new(LIST), MODULE_LIST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return eprintln!("updater: cannot read {LIST}: {error}"),
    };
    for (path, parameters) in listed(&text) {
        if let Err(error) = insert(Path::new(path), parameters) {
            eprintln!("updater: the module {path} cannot be loaded: {error}");
        }
    }
}

/// Path and parameters of each line.
fn listed(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| {
        let (path, parameters) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        (path, parameters.trim())
    })
}

fn insert(path: &Path, parameters: &str) -> io::Result<()> {
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
    }
}
