//! One run of the program: the command line, the profile, and where results go.

use std::path::PathBuf;

use libupdate::bundle::Anchors;
use libupdate::slot::PartitionSpec;
use libupdate::BlockSize;

use crate::cli::{BootedOption, Common, ProgressOption};
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::os::find::{self, Match};
use crate::os::{Disk, Interrupt, OpenHow};
use crate::output::{Loudness, Output, ProgressForm, ResultForm, Settings};
use crate::profile::Profile;

/// What every verb has.
pub struct Session {
    pub output: Output,
    pub interrupt: Interrupt,
    common: Common,
}

impl Session {
    /// Starts listening to signals and opens the output.
    pub fn start(common: Common) -> Result<Self, Failure> {
        let settings = Settings {
            results: if common.json { ResultForm::Json } else { ResultForm::Human },
            loudness: if common.quiet { Loudness::Quiet } else { Loudness::Normal },
            progress: match common.progress {
                ProgressOption::Auto => ProgressForm::Auto,
                ProgressOption::Plain => ProgressForm::Plain,
                ProgressOption::Json => ProgressForm::Json,
                ProgressOption::None => ProgressForm::None,
            },
            progress_fd: common.progress_fd,
        };
        let next = "report this with the system's version";
        let interrupt = Interrupt::listen().map_err(|error| Failure::new(Exit::Io, "cannot listen to signals", error, next))?;
        Ok(Self { output: Output::new(settings)?, interrupt, common })
    }

    /// The board's profile.
    pub fn profile(&self) -> Result<Profile, Failure> {
        Profile::load(self.common.profile.as_deref())
    }

    /// `--booted`.
    pub fn booted(&self) -> Option<BootedOption> {
        self.common.booted
    }

    /// `--disk`, as it was given.
    pub fn disk(&self) -> Option<&PathBuf> {
        self.common.disk.as_ref()
    }

    /// The disk: `--disk`, or the one that matches the profile.
    pub fn disk_path(&self, specs: &[PartitionSpec<'_>]) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.common.disk {
            return Ok(path.clone());
        }
        let profile = self.profile()?;
        let look = |path: &std::path::Path| {
            let found = Disk::open(path, OpenHow::read_only())
                .ok()
                .and_then(|mut disk| libupdate::survey::find(&mut disk, specs, &mut vec![0; 64 << 10]).ok());
            if found.is_some() { Match::Yes } else { Match::No }
        };
        Ok(find::whole_disk(profile.disk(), look)?)
    }

    /// `--sector-size`.
    pub fn sector_size(&self) -> Result<Option<BlockSize>, Failure> {
        let Some(bytes) = self.common.sector_size else { return Ok(None) };
        let why = format!("{bytes} is no sector size that a GPT has here");
        let wrong = || Failure::new(Exit::Usage, "cannot use --sector-size", why, "give 512 or 4096");
        BlockSize::new(bytes).map(Some).ok_or_else(wrong)
    }

    /// The keys to trust: `--trust`, else the profile's.
    pub fn anchors(&self, profile: &Profile) -> Result<Anchors, Failure> {
        if self.common.trust.is_empty() {
            profile.anchors()
        } else {
            keys::anchors(&self.common.trust, profile.threshold())
        }
    }
}
