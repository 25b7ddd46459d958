//! What is to be done, before anything is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use libupdate_linux::filesystem;
use rustix::fs::{CWD, FileType, Mode};
use rustix::mount::MountFlags;

use super::difference::{self, Difference, How};
use super::next::{self, Next};
use super::services::{self, Service};
use super::told::{FileRow, Told};
use super::{LAYER, defaults, failed};
use crate::cli::apply_live::ApplyLive;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::verb::live::layer::{self, Change};
use crate::verb::live::{self, Applied, System};

/// Marks and folders.
const SMALL: u64 = 4 << 20;
/// Files that are told by name.
const TOLD: usize = 10;

/// What is to be done. All of it is known before anything is.
pub struct Plan {
    pub next: Next,
    pub difference: Difference,
    pub how: How,
    pub guarded: Vec<difference::Guarded>,
    pub defaults: Vec<PathBuf>,
    pub services: Vec<Service>,
    pub memory_bytes: u64,
}

/// Compares, and says what would be done. Reads only.
pub fn of(session: &Session, system: &System, args: &ApplyLive, at: &Path) -> Result<Plan, Failure> {
    let next = next::mount(session, &system.setup, at)?;
    if next.version == system.version && next.root_hash == system.root_hash {
        return Err(Failure::new(
            Exit::Nothing,
            "nothing to apply",
            "the other slot holds what runs",
            "install another version",
        ));
    }
    let new = next.folder("usr");
    let base = live::place("usr").map(|place| place.base()).unwrap_or_default();
    let unreadable = |error: io::Error| failed("/usr cannot be compared", &error);
    let mut difference = difference::between(&base, &new).map_err(unreadable)?;
    let only = wanted(&args.only)?;
    if !only.is_empty() {
        difference = difference.only(&only, &new);
    }
    if difference.is_empty() {
        let why = format!("/usr of version {} is what runs", next.version);
        return Err(Failure::new(Exit::Nothing, "nothing to apply", why, "a reboot brings all else"));
    }
    let how = difference.how(!only.is_empty());
    let memory_bytes = match how {
        How::Below => 0,
        How::Above => SMALL,
        How::Copied => difference.bytes.saturating_add(SMALL),
    };
    live::memory::room_for(memory_bytes)?;
    let defaults = if only.is_empty() {
        defaults::missing(&next.folder("etc")).map_err(|error| failed("/etc cannot be compared", &error))?
    } else {
        Vec::new()
    };
    let services = services::affected(&difference, args.restart_services);
    let guarded = difference.guarded(&base, &new).map_err(unreadable)?;
    Ok(Plan { guarded, next, how, defaults, services, memory_bytes, difference })
}

/// Paths below `/usr`.
fn wanted(only: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let inside = |path: &PathBuf| match path.strip_prefix("/usr") {
        Ok(inside) if !inside.as_os_str().is_empty() => Ok(inside.to_owned()),
        _ => {
            let why = format!("{} is not below /usr", path.display());
            Err(Failure::new(Exit::Usage, "", why, "give whole paths of files or folders there"))
        }
    };
    only.iter().map(inside).collect()
}

/// Whether a running system may take it.
pub fn may_be(plan: &Plan, force: bool) -> Result<(), Failure> {
    let Difference { changed, removed, .. } = &plan.difference;
    if force || (changed.is_empty() && removed.is_empty() && plan.guarded.is_empty()) {
        return Ok(());
    }
    let why = if plan.guarded.is_empty() {
        format!("what runs may not take it well: changed {}, removed {}", changed.len(), removed.len())
    } else {
        format!("a running system does not take {} of its files well", plan.guarded.len())
    };
    let guarded = plan.guarded.iter().map(|(path, what)| format!("{path}: {what}"));
    let others = plan.difference.each().filter(|(change, _)| *change != Change::Added);
    let others = others.map(|(_, path)| format!("/usr/{}", path.display()));
    let details = guarded.chain(others).take(TOLD).collect();
    let next = match plan.kernel_changed() {
        true => "reboot, which tries the version; or kexec its kernel",
        false => "reboot, which tries the version; --only takes a part of it, --force all of it",
    };
    Err(Failure { details, ..Failure::new(Exit::Refused, "", why, next) })
}

impl Plan {
    fn kernel_changed(&self) -> bool {
        self.guarded.iter().any(|(_, what)| *what == live::guard::KERNEL)
    }

    /// Makes what it needs in memory.
    pub fn laid(&self) -> io::Result<Applied> {
        let (new, layer) = (self.next.folder("usr"), Path::new(LAYER));
        let mut above = Vec::new();
        if self.how != How::Below {
            filesystem::unmount(layer);
            fs::create_dir_all(layer)?;
            let options =
                std::ffi::CString::new(format!("size={},mode=0755", self.memory_bytes.next_multiple_of(4096)))?;
            rustix::mount::mount("updater-next", layer, "tmpfs", MountFlags::empty(), Some(options.as_c_str()))?;
            let base = live::place("usr").map(|place| place.base()).unwrap_or_default();
            for (change, path) in self.difference.each() {
                let at = layer.join(path);
                if change == Change::Removed {
                    layer::folders_above((layer, &base), path)?;
                    rustix::fs::mknodat(CWD, &at, FileType::CharacterDevice, Mode::empty(), 0)?;
                } else if self.how == How::Copied {
                    if fs::symlink_metadata(new.join(path))?.is_dir() {
                        layer::folders_above((layer, &new), &path.join("x"))?;
                    } else {
                        layer::put(&new.join(path), (layer, &new), path)?;
                    }
                }
            }
            above.push(layer.to_owned());
        }
        if self.how == How::Above {
            above.push(new.clone());
        }
        let below = if self.how == How::Below { vec![new] } else { Vec::new() };
        let Next { slot, version, root_hash, .. } = self.next.clone();
        Ok(Applied { slot: slot.to_string(), version, root_hash, above, below, defaults: Vec::new() })
    }

    /// What is said of it.
    pub fn report(self, dry_run: bool, healthy: Option<bool>) -> Told {
        let row = |(change, path): (Change, &PathBuf)| FileRow {
            path: Path::new("/usr").join(path).display().to_string(),
            change,
        };
        Told {
            dry_run,
            slot: self.next.slot.to_string(),
            how: Some(self.how),
            added: self.difference.added.len(),
            changed: self.difference.changed.len(),
            removed: self.difference.removed.len(),
            files: self.difference.each().map(row).collect(),
            kernel_changed: self.kernel_changed(),
            reboot_needed: !self.guarded.is_empty(),
            guarded: self.guarded.into_iter().map(|(path, _)| path).collect(),
            defaults: self.defaults.iter().map(|path| Path::new("/etc").join(path).display().to_string()).collect(),
            edited: Vec::new(),
            services: self.services,
            memory_bytes: self.memory_bytes,
            healthy,
            version: self.next.version,
            root_hash: self.next.root_hash,
        }
    }
}
