//! U-Boot for the guests, and its images: a kernel and an initramfs in one file, a FIT, made with U-Boot's own `mkimage`.

use std::path::Path;

use crate::tool;

/// Where the kernel is unpacked to: aligned to 2 MiB, as that of ARMv8 wants it, and far below the payload.
const KERNEL: &str = "0x40400000";
/// `mkimage` has U-Boot's own compiler of device trees make the FIT. The kernel is compressed, as on a device: reading costs more.
const MAKE: &str = r#"
gzip -1 -n -c "$2" >"$5.gz"
PATH=$1/scripts/dtc:$PATH
"$1/tools/mkimage" -f auto -A arm64 -O linux -T kernel -C gzip -a "$4" -e "$4" -n updater -d "$5.gz" -i "$3" "$5"
rm "$5.gz"
"#;

/// Makes one, with the tools of a U-Boot that was built.
///
/// # Panics
/// Where a tool fails.
pub fn make(built: &Path, kernel: &Path, initramfs: &Path, to: &Path) {
    let paths =
        [built, kernel, initramfs, Path::new(KERNEL), to].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    tool::run("sh", &[&["-e", "-c", MAKE, "make"], &paths[..]].concat());
}
