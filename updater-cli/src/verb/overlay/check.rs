//! `overlay check` and `overlay optimize`: a layer is looked through, and rid of what does nothing.

use serde::Serialize;

use super::add::away_for;
use super::enter;
use super::store::{self, Overlay, Overlays};
use crate::cli::overlay::Check;
use crate::exit::{Exit, Failure};
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::verb::live::layer::{self, Problem};
use crate::verb::live::{self, Live, System};

/// The document of `overlay check --json`.
#[derive(Serialize)]
struct Checked {
    problems: Vec<ProblemRow>,
    repaired: usize,
}

#[derive(Serialize)]
struct ProblemRow {
    overlay: String,
    path: String,
    what: String,
    repaired: bool,
}

/// The document of `overlay optimize --json`.
#[derive(Serialize)]
struct Optimized {
    name: String,
    dropped: Vec<String>,
    freed_bytes: u64,
}

/// Looks through them. Exit code 12 where something is wrong and stays so.
pub fn run(session: &Session, args: &Check) -> Result<(), Failure> {
    let what = "cannot check overlays";
    let system = System::of(session).map_err(|failure| failure.doing(what))?;
    let _lock = live::lock()?;
    let all = Overlays::read()?;
    let meant = match &args.name {
        Some(name) => vec![all.named(name).map_err(|failure| failure.doing(what))?],
        None => all.all(),
    };
    let mut rows = Vec::new();
    for overlay in meant {
        rows.extend(checked(&system, &all, overlay, args.repair).map_err(|failure| failure.doing(what))?);
    }
    let left = rows.iter().filter(|row| !row.repaired).count();
    let checked = Checked { repaired: rows.iter().filter(|row| row.repaired).count(), problems: rows };
    if left == 0 {
        session.output.done(&checked);
        return Ok(());
    }
    session.output.result(&checked)?;
    let next = if args.repair { "remove these files, or the overlay" } else { "see what --repair leaves" };
    Err(Failure::new(Exit::Unfit, "overlays are not as they should be", format!("{left} problems"), next))
}

fn checked(system: &System, all: &Overlays, overlay: &Overlay, repair: bool) -> Result<Vec<ProblemRow>, Failure> {
    let (place, upper) = (overlay.scope.place(), overlay.upper());
    let row = |path: String, what: &str, repaired| ProblemRow {
        overlay: overlay.name.clone(),
        path,
        what: what.to_owned(),
        repaired,
    };
    let mut rows = Vec::new();
    for folder in ["upper", "work"] {
        let path = overlay.data().join(folder);
        if !path.is_dir() {
            rows.push(row(path.display().to_string(), "is missing", repair));
        }
    }
    if repair {
        overlay.make()?;
    }
    let problems = match layer::problems(&upper, &place.base()) {
        Ok(problems) => problems,
        Err(error) => {
            rows.push(row(upper.display().to_string(), &format!("cannot be read: {error}"), false));
            return Ok(rows);
        }
    };
    let idle: Vec<&Problem> = problems.iter().filter(|problem| problem.is_idle).collect();
    if repair && !idle.is_empty() {
        let dropped = || {
            let removed = idle.iter().try_for_each(|problem| std::fs::remove_file(upper.join(&problem.path)));
            removed.and_then(|()| layer::flush(&upper)).map_err(|error| store::failed(&upper, &error))
        };
        away(system, all, overlay, dropped)?;
    }
    rows.extend(problems.iter().map(|problem| {
        row(place.at().join(&problem.path).display().to_string(), problem.what, repair && problem.is_idle)
    }));
    Ok(rows)
}

/// A layer does not change while it is laid.
fn away<T>(
    system: &System,
    all: &Overlays,
    overlay: &Overlay,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let _apart = enter::nobody_in(overlay)?;
    match Live::read().overlay(&overlay.name) {
        Some(_) => away_for(system, all, &overlay.name, act),
        None => act(),
    }
}

/// Drops what equals the image.
pub fn optimize(session: &Session, name: &str) -> Result<(), Failure> {
    let what = format!("cannot optimize the overlay {name}");
    let act = || {
        let system = System::of(session)?;
        let _lock = live::lock()?;
        let all = Overlays::read()?;
        let overlay = all.named(name)?;
        let (place, upper) = (overlay.scope.place(), overlay.upper());
        session.record.names(name);
        session.record.begins();
        let (dropped, freed_bytes) = away(&system, &all, overlay, || {
            layer::drop_equal(&upper, &place.base()).map_err(|error| store::failed(&upper, &error))
        })?;
        let dropped = dropped.iter().map(|path| place.at().join(path).display().to_string()).collect();
        Ok(Optimized { name: name.to_owned(), dropped, freed_bytes })
    };
    let done = act().map_err(|failure: Failure| failure.doing(what))?;
    session.output.done(&done);
    Ok(())
}

impl Report for Checked {
    fn human(&self) -> String {
        if self.problems.is_empty() {
            return "overlays are as they should be\n".to_owned();
        }
        let line = |row: &ProblemRow| {
            let done = if row.repaired { ", repaired" } else { "" };
            format!("overlay {}: {} {}{done}\n", Printable(&row.overlay), Printable(&row.path), Printable(&row.what))
        };
        self.problems.iter().map(line).collect()
    }
}

impl Report for Optimized {
    fn human(&self) -> String {
        let mut text = format!(
            "{}: {} files equal the image's, {} freed\n",
            Printable(&self.name),
            self.dropped.len(),
            Size(self.freed_bytes)
        );
        for path in &self.dropped {
            text += &format!("  {}\n", Printable(path));
        }
        text
    }
}
