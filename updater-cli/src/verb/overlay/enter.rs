//! `overlay enter`: a command that sees an overlay of the scope `user`, in mounts of its own.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use libupdate_linux::file;
use rustix::fs::FlockOperation;
use rustix::io::FdFlags;

use super::change;
use super::store::{self, Overlay, Overlays};
use crate::cli::overlay::{Enter, Scope};
use crate::exit::{Exit, Failure};
use crate::verb::live::{self, Live};

/// Locked by who is in it.
const LOCK: &str = "entered";

/// Runs the command in the place of this process. It returns only if that cannot be.
pub fn run(args: &Enter) -> Result<(), Failure> {
    let what = format!("cannot enter the overlay {}", args.name);
    let all = Overlays::read()?;
    let overlay = all.named(&args.name).map_err(|failure| failure.doing(&*what))?;
    if overlay.scope != Scope::User {
        let why = format!("its scope is {}: everything sees it", overlay.scope.name());
        return Err(Failure::new(Exit::Refused, what, why, "make one with --scope user"));
    }
    overlay.make().map_err(|failure| failure.doing(&*what))?;
    let entered = only(overlay).map_err(|failure| failure.doing(&*what))?;
    let before = Live::read();
    let overlays = [overlay.live()].into_iter().chain(before.overlays.iter().cloned()).collect();
    let laid = live::lay_apart(Live { overlays, ..before });
    laid.map_err(|trouble| change::not_laid(&trouble, "").doing(&*what))?;
    let Some((program, arguments)) = args.command.split_first() else { return Ok(()) };
    let error = Command::new(program).args(arguments).exec();
    drop(entered);
    let why = format!("{}: {error}", program.display());
    Err(Failure::new(Exit::Usage, what, why, "give a command that is there"))
}

/// Keeps others out as long as an act changes the layer; of the other scopes, and where there is no layer, nobody has to be.
pub fn nobody_in(overlay: &Overlay) -> Result<Option<File>, Failure> {
    (overlay.scope == Scope::User && overlay.data().is_dir()).then(|| only(overlay)).transpose()
}

/// Keeps others out, who would write to the same layer by another overlay, until the command and all that it has started have ended: they have the lock from
/// this process.
fn only(overlay: &Overlay) -> Result<File, Failure> {
    let path = overlay.data().join(LOCK);
    let lock = file::lock(&path).map_err(|error| store::failed(&path, &error))?;
    let taken = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
    taken.map_err(|_| Failure::new(Exit::Busy, "", "somebody is in it", "end what `overlay enter` has started"))?;
    let stays = rustix::io::fcntl_setfd(&lock, FdFlags::empty());
    stays.map_err(|error| store::failed(&path, &error.into()))?;
    Ok(lock)
}
