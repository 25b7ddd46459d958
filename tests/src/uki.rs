//! Unified kernel images, made with systemd's stub and `objcopy` as a distribution makes them.

use std::fs;
use std::path::Path;

use crate::tool;

/// systemd's stub of x86-64.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// Makes one.
///
/// # Panics
/// Where a tool fails.
pub fn make(kernel: &Path, initramfs: &Path, command_line: &str, to: &Path) {
    let line = to.with_extension("cmdline");
    fs::write(&line, command_line).expect("the folder can be written");
    let release = to.with_extension("osrel");
    fs::write(&release, "ID=updater\n").expect("the folder can be written");
    // The places that systemd-stub(7) gives them.
    let places = [
        (".osrel", release.as_path(), "0x20000"),
        (".cmdline", line.as_path(), "0x30000"),
        (".linux", kernel, "0x2000000"),
        (".initrd", initramfs, "0x4000000"),
    ];
    let mut arguments = Vec::new();
    for (section, file, address) in places {
        arguments.extend(["--add-section".to_owned(), format!("{section}={}", file.display())]);
        arguments.extend(["--change-section-vma".to_owned(), format!("{section}={address}")]);
    }
    arguments.extend([STUB.to_owned(), to.display().to_string()]);
    tool::run("objcopy", &arguments);
}
