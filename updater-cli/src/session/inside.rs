//! A run of the program inside another one.

use super::{Session, settings};
use crate::cli::Common;
use crate::output::{Captured, Output, ProgressForm, ResultForm, Settings};

impl Session {
    /// Another command line inside this run: what it says is kept, without progress, and signals are this run's.
    pub fn inside(&self, common: Common) -> (Self, [Captured; 2]) {
        let settings = Settings { progress: ProgressForm::None, progress_fd: None, ..settings(&common) };
        let (output, kept) = Output::captured(settings);
        (Self::of(output, self.interrupt.clone(), common), kept)
    }

    /// Whether the command line says anything of a board or a disk.
    pub fn names_a_device(&self) -> bool {
        let Common { profile, disk, sector_size, trust, booted, .. } = &self.common;
        profile.is_some() || disk.is_some() || sector_size.is_some() || booted.is_some() || !trust.is_empty()
    }

    /// Whether results are for people or for programs.
    pub const fn form(&self) -> ResultForm {
        if self.common.json { ResultForm::Json } else { ResultForm::Human }
    }
}

#[cfg(test)]
impl Session {
    /// A session of a test: nothing is written to the process's own streams, and no signal is waited for.
    pub fn unheard() -> Self {
        use clap::Parser;
        let common = crate::cli::Cli::parse_from(["updater-cli", "status"]).common;
        let (output, _) = Output::captured(settings(&common));
        Self::of(output, libupdate_linux::Interrupt::default(), common)
    }
}
