//! The command line of `demo`.

use std::path::PathBuf;

use clap::Args;

/// `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Folder for keys, images, bundles and the disk file; made if it is not there [default: a new one under the temporary folder]
    pub dir: Option<PathBuf>,
    /// Show the fallback on a real kernel in qemu
    ///
    /// It needs qemu-system-x86_64, a kernel for x86-64 with its modules, and the boot hook; of what is missing it names the package. It
    /// downloads nothing, and needs no root.
    #[arg(long)]
    pub boot: bool,
    /// Kernel of the machine in qemu [default: the newest /boot/vmlinuz-*]
    #[arg(long, value_name = "FILE", requires = "boot")]
    pub kernel: Option<PathBuf>,
    /// Folder of that kernel's modules, with modules.dep [default: lib/modules/RELEASE beside the folder of the kernel, else /lib/modules/RELEASE]
    #[arg(long, value_name = "DIR", requires = "boot")]
    pub modules: Option<PathBuf>,
    /// The boot hook, static [default: beside a build of this program, else /usr/lib/updater/initramfs-hook]
    #[arg(long, value_name = "FILE", requires = "boot")]
    pub hook: Option<PathBuf>,
}
