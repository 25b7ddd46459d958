//! `overlay add`: a file into an overlay.
//!
//! ```text
//!  laid and written    put into the folder itself: the kernel has the layer take it
//!  laid, not written   taken away ─► put into the layer ─► laid again
//!  not laid            put into the layer
//! ```

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::change;
use super::enter;
use super::shown::Done;
use super::store::{self, Overlay, Overlays};
use crate::cli::overlay::Add;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::verb::live::layer;
use crate::verb::live::{self, Live, System};

/// Adds it.
pub fn run(session: &Session, args: &Add) -> Result<(), Failure> {
    let (path, source) = named(&args.file);
    let what = format!("cannot add {}", path.display());
    let done = add(session, args, &path, source.as_deref()).map_err(|failure| failure.doing(what))?;
    session.output.done(&done);
    Ok(())
}

/// `PATH` or `PATH=SOURCE`.
fn named(file: &OsStr) -> (PathBuf, Option<PathBuf>) {
    let bytes = file.as_bytes();
    match bytes
        .iter()
        .position(|byte| *byte == b'=')
        .and_then(|at| Some((bytes.get(..at)?, bytes.get(at.checked_add(1)?..)?)))
    {
        Some((path, source)) => {
            (PathBuf::from(OsStr::from_bytes(path)), Some(PathBuf::from(OsStr::from_bytes(source))))
        }
        None => (PathBuf::from(file), None),
    }
}

fn add(session: &Session, args: &Add, path: &Path, source: Option<&Path>) -> Result<Done, Failure> {
    let system = System::of(session)?;
    let _lock = live::lock()?;
    let all = Overlays::read()?;
    let overlay = meant(&all, args.name.as_deref(), path)?.clone();
    let place = overlay.scope.place();
    let inside = path.strip_prefix(place.at()).map_err(|_| elsewhere(&overlay, path))?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_))) && inside.file_name().is_some();
    if !plain {
        return Err(elsewhere(&overlay, path));
    }
    let base = place.base();
    let source = source.map_or_else(|| base.join(inside), Path::to_owned);
    fit(&source, args.force)?;
    session.record.names(&overlay.name);
    session.record.begins();
    let put = |root: &Path| {
        let put = layer::put(&source, (root, &base), inside);
        put.map_err(|error| store::failed(&root.join(inside), &error))
    };
    let live = Live::read();
    match live.overlay(&overlay.name) {
        Some(laid) if live.is_written(laid) => put(place.at())?,
        Some(_) => {
            // A layer is not to change while it is laid.
            away_for(&system, &all, &overlay.name, || put(&overlay.upper()))?;
        }
        None => {
            overlay.make()?;
            let _apart = enter::nobody_in(&overlay)?;
            put(&overlay.upper())?;
        }
    }
    Ok(Done::of(&all, &overlay.name, "has it"))
}

/// Takes an overlay away for as long as `act` takes, and lays it again, whatever came of it.
pub fn away_for<T>(
    system: &System,
    all: &Overlays,
    name: &str,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    change::lay(system, &all.without(name), None).map_err(|trouble| change::not_laid(&trouble, ""))?;
    let done = act();
    let again = change::lay(system, all, Some(name)).map_err(|trouble| change::not_laid(&trouble, ""));
    done.and_then(|done| again.map(|()| done))
}

/// The overlay of that name, or the only one of that folder.
fn meant<'a>(all: &'a Overlays, name: Option<&str>, path: &Path) -> Result<&'a Overlay, Failure> {
    if let Some(name) = name {
        return all.named(name);
    }
    let there: Vec<&Overlay> =
        all.all().into_iter().filter(|overlay| path.starts_with(overlay.scope.place().at())).collect();
    match there.as_slice() {
        [one] => Ok(one),
        [] => {
            let why = format!("no overlay is for the folder of {}", path.display());
            Err(Failure::new(Exit::Usage, "", why, "make one with `overlay create`, and give the whole path"))
        }
        _ => Err(Failure::new(Exit::Usage, "", "several overlays are for that folder", "name one with --name")),
    }
}

fn elsewhere(overlay: &Overlay, path: &Path) -> Failure {
    let place = overlay.scope.place();
    let why = format!("{} is no path in {}", path.display(), place.at().display());
    Failure::new(Exit::Usage, "", why, "give the whole path of a file there, without . and ..")
}

fn fit(source: &Path, force: bool) -> Result<(), Failure> {
    let facts = fs::symlink_metadata(source).map_err(|error| {
        let why = format!("{}: {error}", source.display());
        Failure::new(Exit::Usage, "", why, "give the file to be copied, as in PATH=SOURCE")
    })?;
    if !facts.is_file() && !facts.is_symlink() {
        let why = format!("{} is neither a file nor a link", source.display());
        return Err(Failure::new(Exit::Refused, "", why, "add the files of a folder one by one"));
    }
    match layer::unsafe_in(source, &facts).filter(|_| !force) {
        Some(what) => Err(Failure::new(
            Exit::Refused,
            "",
            format!("{} {what}", source.display()),
            "--force takes it all the same",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_have_a_source() {
        let path = |text: &str| named(OsStr::new(text));
        assert_eq!(path("/usr/a"), (PathBuf::from("/usr/a"), None));
        assert_eq!(path("/usr/a=b=c"), (PathBuf::from("/usr/a"), Some(PathBuf::from("b=c"))));
    }
}
