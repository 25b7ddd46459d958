//! One run of the program: the command line, the profile, and where results go.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libupdate::BlockSize;
use libupdate::bundle::Anchors;
use libupdate::slot::PartitionSpec;
use libupdate_linux::keys;
use libupdate_linux::profile::{Profile, TrustFiles};
use libupdate_linux::running::{Claim, Said, Weight};
use libupdate_linux::{Interrupt, Lending};

use crate::cli::{BootedOption, Common, ProgressOption};
use crate::exit::{Exit, Failure};
use crate::history::Record;
use crate::output::{Loudness, Output, ProgressForm, ResultForm, Settings};

#[cfg(feature = "demo")]
mod inside;

/// What every verb has.
pub struct Session {
    pub output: Output,
    pub interrupt: Interrupt,
    /// What a source lends the disk.
    pub lending: Lending,
    /// What the history will say of this run.
    pub record: Record,
    common: Common,
    /// Warnings that are not repeated.
    told: Mutex<Vec<String>>,
}

/// How this run looks at a board. It stays for the life of the process: what is found on the disk refers to it.
#[derive(Clone, Copy)]
pub struct Setup {
    pub profile: &'static Profile,
    pub specs: &'static [PartitionSpec<'static>],
    pub anchors: &'static Anchors,
}

impl Session {
    /// Starts listening to signals and opens the output.
    pub fn start(common: Common) -> Result<Self, Failure> {
        let settings = settings(&common);
        let next = "allow it a thread: raise ulimit -u, or TasksMax where systemd runs it";
        let interrupt = Interrupt::listen(Exit::Interrupted.code())
            .map_err(|error| Failure::new(Exit::Io, "cannot listen to signals", error, next))?;
        let output = Output::new(settings, common.disk.as_deref())?;
        Ok(Self::of(output, interrupt, common))
    }

    fn of(output: Output, interrupt: Interrupt, common: Common) -> Self {
        let (lending, record) = (Lending::default(), Record::default());
        Self { output, interrupt, lending, record, common, told: Mutex::default() }
    }

    /// The board's profile.
    pub fn profile(&self) -> Result<Profile, Failure> {
        Ok(Profile::load(self.common.profile.as_deref())?)
    }

    /// `--booted`, and what it counts.
    pub fn booted(&self) -> Claim {
        let weight = if self.common.danger_booted { Weight::Danger } else { Weight::Usual };
        let said = self.common.booted.map(|option| match option {
            BootedOption::Slot(slot) => Said::Slot(slot),
            BootedOption::None => Said::Elsewhere,
        });
        Claim { said, weight }
    }

    /// `--disk`, as it was given.
    pub fn disk(&self) -> Option<&PathBuf> {
        self.common.disk.as_ref()
    }

    /// `--loader-store`.
    pub fn loader_store(&self) -> Option<&Path> {
        self.common.loader_store.as_deref()
    }

    /// The disk: `--disk`, or the one that matches the profile.
    pub fn disk_path(&self, profile: &Profile) -> Result<PathBuf, Failure> {
        match &self.common.disk {
            Some(path) => Ok(path.clone()),
            None => {
                let found = profile.find_disk()?;
                for why in &found.passed_over {
                    self.warn_once(format!("a drive was passed over: {why}"));
                }
                Ok(found.disk)
            }
        }
    }

    /// Says what somebody should look at, but not again where a verb looks again and again.
    pub fn warn_once(&self, text: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&text) {
            self.output.warn(&text);
            told.push(text);
        }
    }

    /// Says that an act leaves a boot loader's store as it is.
    pub fn warn_of_store_elsewhere(&self, kind: &str) {
        self.warn_once(format!(
            "the store of its boot loader ({kind}) is not here and stays as it is; --loader-store names one"
        ));
    }

    /// `--sector-size`.
    pub fn sector_size(&self) -> Result<Option<BlockSize>, Failure> {
        let Some(bytes) = self.common.sector_size else { return Ok(None) };
        let why = format!("{bytes} is no sector size that a GPT has here");
        let wrong = || Failure::new(Exit::Usage, "cannot use --sector-size", why, "give 512 or 4096");
        BlockSize::new(bytes).map(Some).ok_or_else(wrong)
    }

    /// The board's profile, its partitions, and the keys to trust.
    pub fn setup(&self) -> Result<Setup, Failure> {
        let profile: &'static Profile = Box::leak(Box::new(self.profile()?));
        let anchors = Box::leak(Box::new(self.anchors(profile)?));
        Ok(Setup { profile, specs: profile.specs().leak(), anchors })
    }

    /// The keys to trust: `--trust`, else the profile's.
    pub fn anchors(&self, profile: &Profile) -> Result<Anchors, Failure> {
        let files = if self.common.trust.is_empty() { profile.trust.files()? } else { self.trusted_by_name() };
        self.anchors_of(&files, profile.trust.threshold)
    }

    /// The keys to check a bundle with, for verbs that need no device: `--trust`, else those of the profile.
    pub fn anchors_without_profile(&self) -> Result<Anchors, Failure> {
        match (self.common.trust.is_empty(), &self.common.profile) {
            (false, None) => self.anchors_of(&self.trusted_by_name(), NonZeroUsize::MIN),
            (true, None) => {
                let profile = self.profile().map_err(|failure| failure.or("or give the keys with --trust PUB"))?;
                self.anchors(&profile)
            }
            _ => self.anchors(&self.profile()?),
        }
    }

    /// The same keys, and what lies beside them and is none.
    #[cfg(feature = "doctor")]
    pub fn trust(&self, profile: &Profile) -> Result<(Anchors, Vec<keys::Skipped>), Failure> {
        let files = if self.common.trust.is_empty() { profile.trust.files()? } else { self.trusted_by_name() };
        Ok(keys::anchors(&files, profile.trust.threshold)?)
    }

    fn trusted_by_name(&self) -> TrustFiles {
        TrustFiles { named: self.common.trust.clone(), gathered: Vec::new() }
    }

    /// What lies in the trust folder and is no key is skipped, and told.
    fn anchors_of(&self, files: &TrustFiles, threshold: NonZeroUsize) -> Result<Anchors, Failure> {
        let (anchors, skipped) = keys::anchors(files, threshold)?;
        skipped.iter().for_each(|spare| self.output.warn(&format!("in the trust folder, {spare} is skipped")));
        Ok(anchors)
    }

    /// The same, or `None` where the command line names neither keys nor a profile.
    pub fn anchors_if_any(&self) -> Result<Option<Anchors>, Failure> {
        if self.common.trust.is_empty() && self.common.profile.is_none() {
            return Ok(None);
        }
        self.anchors_without_profile().map(Some)
    }
}

fn settings(common: &Common) -> Settings {
    Settings {
        results: if common.json { ResultForm::Json } else { ResultForm::Human },
        loudness: if common.quiet { Loudness::Quiet } else { Loudness::Normal },
        progress: match common.progress {
            ProgressOption::Auto => ProgressForm::Auto,
            ProgressOption::Plain => ProgressForm::Plain,
            ProgressOption::Json => ProgressForm::Json,
            ProgressOption::None => ProgressForm::None,
        },
        progress_fd: common.progress_fd,
    }
}
