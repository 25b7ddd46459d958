//! `offline trigger`: the next boot is asked to install what is prepared.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use libupdate::Error;
use libupdate::policy;
use libupdate_linux::{Mode, OsError};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::folder::Folder;
use super::links::{self, Links};
use super::place::{self, Facts, Keeps, Place};
use super::{Status, Then};
use crate::cli::offline::Trigger;
use crate::exit::{Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::Session;
use crate::var::{self, Var};

const WHAT: &str = "cannot ask for an offline update";
/// Where systemd finds the link by which its target wants our service, and our generator.
const WANTED: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const LINK: &str = "system-update.target.wants/updater-offline.service";
const GENERATOR: [&str; 2] = [
    "/usr/lib/systemd/system-generators/updater-offline-generator",
    "/lib/systemd/system-generators/updater-offline-generator",
];
/// File systems whose files are gone with the power: an overlay of the hook, and the rest.
const OF_MEMORY: [&str; 4] = ["overlay", "tmpfs", "ramfs", "rootfs"];

/// Asks for it.
pub fn run(session: &Session, args: &Trigger) -> Result<(), Failure> {
    let folder = Folder::usual();
    let _lock = folder.lock()?;
    let size = |path: &Path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|facts| facts.len());
    let Some(request) = folder.request()?.filter(|request| size(&folder.bundle()) == Some(request.bundle_bytes)) else {
        let why = "no offline update is prepared";
        return Err(Failure::new(Exit::Refused, WHAT, why, "prepare one with `offline prepare FILE|URL`"));
    };
    let (setup, mut opened, inspection) = OpenDevice::begin(session, Mode::ReadWrite)?;
    policy::no_trial_runs(&inspection.facts).map_err(|kind| Failure::from(Error::<OsError>::from(kind)).doing(WHAT))?;
    let early_var = opened.runs_here && matches!(Var::of(setup.profile, &mut opened), Var::Mounted(_));
    let links = Links::usual();
    if let Some((link, target)) = links.foreign().map_err(|error| links::unusable(&error))? {
        let why = format!(
            "{} leads to {}: another program's update waits for the next boot",
            link.display(),
            target.display()
        );
        return Err(Failure::new(
            Exit::Busy,
            WHAT,
            why,
            "reboot, so that it is done, or take it back with that program",
        ));
    }
    let place = place(early_var)?;
    // Before there is a request: a machine that is to power off does.
    folder.set_then(if args.poweroff { Then::Poweroff } else { Then::Reboot })?;
    links.remove_ours().and_then(|_| links.make(place)).map_err(|error| links::unusable(&error))?;
    drop(opened);
    session.output.note(&format!("the next boot installs {} and nothing else", request.version));
    session.output.done(&Status::read()?);
    if args.now { super::restart() } else { Ok(()) }
}

/// Where the next boot finds the request, if it would act upon it.
fn place(early_var: bool) -> Result<Place, Failure> {
    let there = |path: &dyn AsRef<Path>| fs::symlink_metadata(path).is_ok();
    if !WANTED.iter().any(|folder| there(&Path::new(folder).join(LINK))) {
        let why = format!("no {LINK} is there: the next boot would do nothing");
        return Err(Failure::new(
            Exit::Refused,
            WHAT,
            why,
            "install the units of the package updater-cli (docs/LIVE.md), or use `install`",
        ));
    }
    let said = Command::new("systemctl").arg("--version").output();
    let said = said.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default();
    let of_root = same_device("/", "/etc");
    let facts = Facts {
        root: keeps("/"),
        etc: if of_root { keeps("/etc") } else { Keeps::ReadOnly },
        systemd: place::version(&said),
        early_var: early_var && GENERATOR.iter().any(|path| there(path)),
    };
    place::of(facts).ok_or_else(|| {
        let why = "the root keeps no file until the next boot, and the hook mounts no /var in which our generator would look";
        let next = "give the system a /var in the profile (`var` in [boot]), install the package's generator, or use `install`";
        Failure::new(Exit::Refused, WHAT, why, next)
    })
}

fn keeps(path: &str) -> Keeps {
    let read_only = statvfs(path).map_or(true, |facts| facts.f_flag.contains(StatVfsMountFlags::RDONLY));
    let memory = var::kind_of_root().is_none_or(|kind| OF_MEMORY.contains(&kind.as_str()));
    match (read_only, memory) {
        (true, _) => Keeps::ReadOnly,
        (false, true) => Keeps::Memory,
        (false, false) => Keeps::Disk,
    }
}

fn same_device(one: &str, other: &str) -> bool {
    let device = |path: &str| fs::metadata(path).ok().map(|facts| facts.dev());
    device(one).is_some() && device(one) == device(other)
}
