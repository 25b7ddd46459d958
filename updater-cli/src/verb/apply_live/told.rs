//! What `apply-live` says of what it does, and of what it would do.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::difference::How;
use super::services::Service;
use crate::output::{Printable, Report, Size};
use crate::verb::live::Applied;
use crate::verb::live::layer::Change;

/// The document of `apply-live --json`.
#[derive(Serialize)]
pub struct Told {
    pub dry_run: bool,
    pub slot: String,
    pub version: String,
    pub root_hash: String,
    /// How it is laid; null: nothing differs, or it was taken back.
    pub how: Option<How>,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    /// Of a `--dry-run`, and of what was refused: what differs.
    pub files: Vec<FileRow>,
    pub guarded: Vec<String>,
    pub kernel_changed: bool,
    /// Whether only a reboot brings all of it.
    pub reboot_needed: bool,
    /// Files below /etc.
    pub defaults: Vec<String>,
    /// Of those, what was edited since, and stays after a reset.
    pub edited: Vec<String>,
    pub services: Vec<Service>,
    pub memory_bytes: u64,
    /// Whether health checks were run, and are good.
    pub healthy: Option<bool>,
}

#[derive(Serialize)]
pub struct FileRow {
    pub path: String,
    pub change: Change,
}

impl Told {
    /// What was applied is taken back.
    pub fn reset(applied: &Applied, edited: &[PathBuf], services: Vec<Service>) -> Self {
        Self {
            dry_run: false,
            slot: applied.slot.clone(),
            version: applied.version.clone(),
            root_hash: applied.root_hash.clone(),
            how: None,
            added: 0,
            changed: 0,
            removed: 0,
            files: Vec::new(),
            guarded: Vec::new(),
            kernel_changed: false,
            reboot_needed: false,
            defaults: Vec::new(),
            edited: edited.iter().map(|path| Path::new("/etc").join(path).display().to_string()).collect(),
            services,
            memory_bytes: 0,
            healthy: None,
        }
    }
}

impl Report for Told {
    fn human(&self) -> String {
        let (version, slot) = (Printable(&self.version), &self.slot);
        let mut text = match (self.how, self.dry_run) {
            (None, _) => format!("version {version} of slot {slot} is taken back\n"),
            (Some(_), true) => format!("version {version} of slot {slot} would be applied\n"),
            (Some(_), false) => format!("version {version} of slot {slot} is applied until the next boot\n"),
        };
        if self.how.is_some() {
            let Self { added, changed, removed, .. } = self;
            text += &format!(
                "{added} files added, {changed} changed, {removed} removed, {} of memory\n",
                Size(self.memory_bytes)
            );
        }
        for (sign, paths) in [('+', &self.defaults), ('=', &self.edited)] {
            paths.iter().for_each(|path| text += &format!("  {sign} {}\n", Printable(path)));
        }
        for Service { unit, why, done } in &self.services {
            let done = done.as_ref().map_or("is not restarted: --restart-services does it", |done| done.as_str());
            text += &format!("{} {}: {}\n", Printable(unit), Printable(done), Printable(why));
        }
        if self.kernel_changed {
            text += "the kernel is another one: a reboot, or kexec, brings it\n";
        } else if self.reboot_needed {
            text += "some of it only a reboot brings\n";
        }
        text
    }
}
