//! How the program was started.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where the new root is mounted by the first process.
const SYSROOT: &str = "/sysroot";

/// As what it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Called {
    /// As the first process: it mounts what it needs and hands over itself. The arguments are the kernel's, for the next init.
    Init {
        /// What the kernel passes on.
        arguments: Vec<OsString>,
    },
    /// As a step of another initramfs, which has mounted `/proc`, `/sys`, `/dev` and `/run` and switches the root itself.
    Step {
        /// Where that one expects the new root.
        root: PathBuf,
    },
}

impl Called {
    /// By the process id and the arguments behind the program's name.
    pub fn of(process: u32, arguments: Vec<OsString>) -> Option<Self> {
        if process == 1 {
            return Some(Self::Init { arguments });
        }
        match arguments.as_slice() {
            [option, root] if option == "--root" => Some(Self::Step { root: root.into() }),
            _ => None,
        }
    }

    /// Where the new root is mounted.
    pub fn root(&self) -> PathBuf {
        match self {
            Self::Init { .. } => SYSROOT.into(),
            Self::Step { root } => root.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_is_init_whatever_its_arguments() {
        let arguments = vec!["quiet".into(), "--root".into()];
        assert_eq!(Called::of(1, arguments.clone()), Some(Called::Init { arguments: arguments.clone() }));
        assert_eq!(Called::of(2, arguments), None);
        assert_eq!(Called::of(2, vec!["--root".into(), "/r".into()]), Some(Called::Step { root: "/r".into() }));
        assert_eq!(Called::of(2, vec![]), None);
    }
}
