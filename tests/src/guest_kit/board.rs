//! Boards: the kernel they start, and their profile.

use std::path::Path;

use super::Kernel;
use crate::rules::Tries;

/// What the boards and the releases are for.
pub const COMPATIBLE: &str = "guest";
/// Bytes of a slot's partition.
pub const SLOT_MIB: u32 = 32;
/// MiB of a root with a kernel of its own beside Debian.
const ROOT_MIB: u32 = 48;
/// Its type: a root file system of x86-64.
pub const SLOT_TYPE: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
/// That of partitions with other content, in [`BOOT`] too.
pub const DATA_TYPE: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
/// Tries of a board.
pub const TRIES: Tries = Tries { trial: 3, guard: 3 };

/// What a board's profile says of its boot, and its kernel; the rest is the same for all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Board {
    /// More lines of `[boot]`.
    pub boot: &'static str,
    /// More tables.
    pub more: &'static str,
    /// Its kernel.
    pub kernel: Kernel,
    /// A profile of `hardware-profiles`, which says everything instead; its partitions are made as small as the guests' disk.
    pub shipped: &'static str,
}

impl Board {
    /// One with Debian's cloud kernel and nothing else to say.
    pub const CLOUD: Self = Self { boot: "", more: "", kernel: Kernel::Cloud, shipped: "" };

    /// One of which nothing else is said.
    pub const PLAIN: Self = Self { boot: "", more: "", kernel: Kernel::Cloud, shipped: "" };

    /// One with this kernel.
    #[must_use]
    pub fn with(kernel: Kernel) -> Self {
        Self { kernel, ..Self::default() }
    }

    /// Memory of its machine: a kernel that is loaded beside the running one needs more.
    #[must_use]
    pub fn memory_mib(&self) -> &'static str {
        match self.profile() {
            profile if profile.contains("kexec") => "768",
            // Firmware loads the whole UKI, and its stub the parts of it again.
            profile if profile.contains("\nloader = ") => "512",
            _ => "256",
        }
    }

    /// Size of its disk: a power of two, as an SD card has it.
    pub(crate) fn disk_mib(&self) -> u64 {
        if self.more.contains("\"40M\"") { 256 } else { 128 }
    }

    /// Modules that its machine needs besides.
    pub(super) fn modules(&self) -> &'static [&'static str] {
        match self.boot {
            boot if boot.contains("loader = \"systemd-boot\"") => &["efivarfs", "vfat", "nls_cp437", "nls_ascii"],
            boot if boot.contains("loader = \"efi-boot-next\"") => &["efivarfs"],
            boot if boot.contains("loader = \"grub-env\"") => &["vfat", "nls_cp437", "nls_ascii"],
            _ if self.more.contains("label = \"esp\"") => &["efivarfs"],
            _ if self.more.contains("[packs]") => &["loop"],
            _ => &[],
        }
    }

    /// Whether its slots have a second partition, for the role "app".
    #[must_use]
    pub fn has_app(&self) -> bool {
        self.more.contains(APP)
    }

    /// Whether its slots have a partition for the role "boot".
    #[must_use]
    pub fn has_boot(&self) -> bool {
        self.more.contains("role = \"boot\"")
    }

    /// Whether the slot's own kernel is a file of its root.
    pub(super) fn kernel_in_root(&self) -> bool {
        self.profile().contains("\nkernel = ") && !self.has_boot()
    }

    /// The role of a partition of each slot that comes before the root's, where a shipped profile has one.
    pub(super) fn first_role(&self) -> Option<&'static str> {
        (self.shipped == "chromebook").then_some("kernel")
    }

    /// Whether it gives the system a `/var` that can be written.
    pub(super) fn gives_var(&self) -> bool {
        ["\nvar = ", "\noverlay = true"].iter().any(|key| self.profile().contains(key))
    }

    /// A profile of `hardware-profiles` with the guests' name, key and sizes; the rest as it is.
    fn as_shipped(&self) -> String {
        let text = crate::tree::text(&Path::new("hardware-profiles").join(self.shipped).with_extension("toml"));
        let (mut of_root, mut made) = (false, String::new());
        for line in text.lines() {
            match line.split_once(" = ").unwrap_or((line, "")) {
                ("compatible", _) => made += &format!("compatible = \"{COMPATIBLE}\""),
                ("folder", _) => made += "keys = [\"maker.pub\"]",
                ("size", size) if size != "\"rest\"" => {
                    made += &format!("size = \"{}M\"", if of_root { ROOT_MIB } else { 1 });
                }
                (key, value) => {
                    of_root = if key == "role" { value == "\"root\"" } else { of_root && key != "[[partition]]" };
                    made += line;
                }
            }
            made.push('\n');
        }
        made
    }

    pub(super) fn profile(&self) -> String {
        if !self.shipped.is_empty() {
            return self.as_shipped();
        }
        let (Self { boot, more, .. }, Tries { trial, guard }) = (self, TRIES);
        format!(
            r#"name = "guest"
compatible = "{COMPATIBLE}"

[slots]
names = ["a", "b"]
control = "root"
tries = {trial}
guard = {guard}

[[partition]]
role = "root"
label = "root-{{slot}}"
type = "{SLOT_TYPE}"
size = "{SLOT_MIB}M"
attributes = ["no-auto"]

{more}
[[partition]]
label = "data"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "rest"

[trust]
keys = ["maker.pub"]

[boot]
panic-seconds = 1
verbose = true
{boot}
"#
        )
    }
}

/// A second partition of each slot. The roots stay the first two of the table.
pub const APP: &str = r#"
[[partition]]
role = "app"
label = "app-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "4M"
"#;

/// A partition of each slot for its own kernel.
pub const BOOT: &str = r#"
[[partition]]
role = "boot"
label = "boot-{slot}"
type = "0fc63daf-8483-4772-8e79-3d69d8477de4"
size = "24M"
"#;
