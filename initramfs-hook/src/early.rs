//! What a first process finds undone: the kernel's file systems, a console, and what a panic does.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::mount::MountFlags;

use crate::say::say;

/// The kernel's file systems: what, where, flags.
const MOUNTS: [(&str, &str); 4] = [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")];

/// Takes a umask of its own: what is made in `/run` must not be everybody's to write, or nobody's to read, by that of a caller.
pub fn set_umask() {
    // What it was is nobody's business.
    let _before: Mode = rustix::process::umask(Mode::WGRP | Mode::WOTH);
}

/// Mounts what the kernel offers, and takes its console for stdin, stdout and stderr.
pub fn prepare() {
    for (kind, at) in MOUNTS {
        // An error is told once there is a console; the next step that needs it says what is missing.
        if let Err(error) = mount(kind, Path::new(at)) {
            say!("cannot mount {at}: {error}");
        }
    }
    if let Err(error) = take_console() {
        say!("no console: {error}");
    }
}

fn mount(kind: &str, at: &Path) -> io::Result<()> {
    fs::create_dir_all(at)?;
    let mut flags = MountFlags::NOSUID;
    if kind != "devtmpfs" {
        flags |= MountFlags::NODEV;
    }
    let options = (kind == "tmpfs").then_some(c"mode=0755");
    match rustix::mount::mount(kind, at, kind, flags, options) {
        // Mounted already, as devtmpfs is where the kernel does it.
        Err(rustix::io::Errno::BUSY) => Ok(()),
        answer => Ok(answer?),
    }
}

fn take_console() -> io::Result<()> {
    let console = File::options().read(true).write(true).open("/dev/console")?;
    rustix::stdio::dup2_stdin(&console)?;
    rustix::stdio::dup2_stdout(&console)?;
    Ok(rustix::stdio::dup2_stderr(&console)?)
}

/// Makes a panic, and what the kernel calls an oops, a reboot: without it a slot that panics would never fall back.
pub fn reboot_on_panic(after: Duration) {
    let seconds = after.as_secs().to_string();
    for (file, value) in [("/proc/sys/kernel/panic", seconds.as_str()), ("/proc/sys/kernel/panic_on_oops", "1")] {
        if let Err(error) = fs::write(file, value) {
            say!("cannot write {file}: {error}");
        }
    }
}
