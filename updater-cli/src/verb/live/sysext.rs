//! Images of packs handed to systemd-sysext, which merges by its own rules: in the order of their names.
//!
//! ```text
//!  /run/updater/packs/ROOT-HASH ─► bound to /run/extensions/NAME ─► systemd-sysext refresh ─► is its extension-release seen?
//! ```

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use libupdate_linux::filesystem;

use super::{LivePart, Trouble, mounted};

const EXTENSIONS: &str = "/run/extensions";
const PROGRAMS: [&str; 2] = ["/usr/bin/systemd-sysext", "/bin/systemd-sysext"];

/// Where it is.
pub fn program() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| Path::new(program).exists())
}

/// Has it merge these images, and none of those that it had before.
///
/// # Errors
/// Why not, and the image that is at fault, if one is. None of these is merged then.
pub fn refresh(program: &str, parts: &[LivePart], before: &[LivePart]) -> Result<(), Trouble> {
    before.iter().for_each(|part| take_back(&part.name));
    let merged = handed_over(parts).and_then(|()| refreshed(program)).map_err(Trouble::of);
    let merged = merged.and_then(|()| parts.iter().try_for_each(taken));
    merged.inspect_err(|_| {
        // What stays there the next one who refreshes would merge.
        parts.iter().for_each(|part| take_back(&part.name));
        drop(refreshed(program));
    })
}

fn refreshed(program: &str) -> Result<(), String> {
    match Command::new(program).arg("refresh").output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("`systemd-sysext refresh`: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => Err(format!("`systemd-sysext refresh`: {error}")),
    }
}

fn handed_over(parts: &[LivePart]) -> Result<(), String> {
    parts.iter().try_for_each(|part| {
        let place = Path::new(EXTENSIONS).join(&part.name);
        let bound = fs::create_dir_all(&place)
            .and_then(|()| rustix::mount::mount_bind(mounted(&part.root_hash), &place).map_err(io::Error::from));
        bound.map_err(|error| format!("{}: {error}", place.display()))
    })
}

/// It passes over, without a failure, what it takes for another system's.
fn taken(part: &LivePart) -> Result<(), Trouble> {
    let release = format!("/usr/lib/extension-release.d/extension-release.{}", part.name);
    match Path::new(&release).exists() {
        true => Ok(()),
        false => {
            let why = format!("systemd-sysext has not merged {}: see what its extension-release says", part.name);
            Err(Trouble { part: Some(part.name.clone()), ..Trouble::of(why) })
        }
    }
}

fn take_back(part: &str) {
    let place = Path::new(EXTENSIONS).join(part);
    filesystem::unmount(&place);
    drop(fs::remove_dir(place));
}
