//! What each exit code means, for `--help` and the manual pages.

use super::Exit;

impl Exit {
    /// What it says of the run, as one line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Usage => "usage: the command line, the profile or a key file is wrong",
            Self::Refused => {
                "refused by policy: another board, an older version, the booted or the last good slot, a pack that does not fit"
            }
            Self::NotAuthentic => "bundle not authentic or corrupt",
            Self::NoSpace => "no space",
            Self::Busy => "busy: somebody else works on the disk",
            Self::Nothing => "nothing to do: it is so already",
            Self::Io => "I/O error",
            Self::Interrupted => "interrupted: run it again, an installation resumes",
            Self::Network => "network: the server, or the way to it",
            Self::Disk => "disk or partition table not usable",
            Self::Unfit => "`doctor` found an error",
        }
    }
}

const PROGRAMS: &str = "For programs: --json, and docs/schema.json of the project, the JSON Schema of what it prints.";

/// All of them in a paragraph.
pub fn all_in_short() -> String {
    let each = Exit::ALL.map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}\n\n{PROGRAMS}", each.join("\n"))
}
