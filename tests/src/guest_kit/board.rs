//! Boards: the kernel they start, and their profile.

use super::Kernel;
use crate::rules::Tries;

/// What the boards and the releases are for.
pub const COMPATIBLE: &str = "guest";
/// Bytes of a slot's partition.
pub const SLOT_MIB: u32 = 32;
/// Its type: a root file system of x86-64.
pub const SLOT_TYPE: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
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
}

impl Board {
    /// One with Debian's cloud kernel and nothing else to say.
    pub const CLOUD: Self = Self { boot: "", more: "", kernel: Kernel::Cloud };

    /// One of which nothing else is said.
    pub const PLAIN: Self = Self { boot: "", more: "", kernel: Kernel::Cloud };

    /// One with this kernel.
    #[must_use]
    pub fn with(kernel: Kernel) -> Self {
        Self { kernel, ..Self::default() }
    }

    /// Memory of its machine: a kernel that is loaded beside the running one needs more.
    #[must_use]
    pub fn memory_mib(&self) -> &'static str {
        if self.boot.contains("kexec") { "768" } else { "256" }
    }

    /// Whether its slots have a second partition, for the role "app".
    #[must_use]
    pub fn has_app(&self) -> bool {
        self.more.contains(APP)
    }

    /// Whether its slots have a partition for the role "boot".
    #[must_use]
    pub fn has_boot(&self) -> bool {
        self.more.contains(BOOT)
    }

    pub(super) fn profile(&self) -> String {
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
