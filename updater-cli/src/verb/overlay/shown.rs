//! What is shown of overlays: `overlay list`, the part of `status`, and how an act has ended.

use serde::Serialize;

use super::store::{Overlay, Overlays};
use crate::cli::overlay::{Keep, List, Scope};
use crate::exit::Failure;
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::verb::live::Live;
use crate::verb::live::layer::{self, Change};

/// An overlay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub scope: Scope,
    pub keep: Keep,
    pub priority: i32,
    pub enabled: bool,
    /// Whether it is laid now.
    pub live: bool,
    /// Whether what is written to its folder goes to it.
    pub written: bool,
    pub read_only: bool,
    pub size_bytes: Option<u64>,
    /// Root hash of the version that it changes.
    pub root_hash: Option<String>,
    /// Why it is not laid, or cannot be read.
    pub why: Option<String>,
    pub held_bytes: u64,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    /// Of one that was asked for: what it holds.
    pub entries: Option<Vec<EntryRow>>,
}

/// An entry of an overlay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EntryRow {
    pub path: String,
    pub change: Change,
    pub bytes: u64,
}

/// The document of `overlay list --json`.
#[derive(Serialize)]
struct Listed {
    overlays: Vec<Row>,
}

/// The document of an act on an overlay.
#[derive(Serialize)]
pub struct Done {
    pub name: String,
    #[serde(skip)]
    pub how: &'static str,
    /// Where what it held is, if it was put aside.
    pub aside: Option<String>,
    /// As it is now; null: it is gone.
    pub overlay: Option<Row>,
}

/// Shows them.
pub fn run(session: &Session, args: &List) -> Result<(), Failure> {
    let (all, live) = (Overlays::read()?, Live::read());
    let overlays = match &args.name {
        Some(name) => vec![Row::whole(all.named(name)?, &live)],
        None => all.all().into_iter().map(|overlay| Row::of(overlay, &live)).collect(),
    };
    session.output.result(&Listed { overlays })
}

/// Those of the system that runs, for `status`; none where they cannot be read.
pub fn rows(session: &Session) -> Vec<Row> {
    let live = Live::read();
    match Overlays::read() {
        Ok(all) => all.all().into_iter().map(|overlay| Row::of(overlay, &live)).collect(),
        Err(failure) => {
            session.output.warn(&format!("overlays cannot be shown: {}", failure.why));
            Vec::new()
        }
    }
}

impl Row {
    /// An overlay as it is.
    pub fn of(overlay: &Overlay, live: &Live) -> Self {
        Self { entries: None, ..Self::whole(overlay, live) }
    }

    fn whole(overlay: &Overlay, live: &Live) -> Self {
        let (place, laid) = (overlay.scope.place(), live.overlay(&overlay.name));
        let entries = layer::entries(&overlay.upper(), &place.base());
        let broken = entries.as_ref().err().map(|error| format!("what it holds cannot be read: {error}"));
        let told = live.left_out.iter().find(|left| left.name == overlay.name).map(|left| left.why.clone());
        let entries = entries.unwrap_or_default();
        let count = |change| entries.iter().filter(|entry| entry.change == change).count();
        let row = |entry: &layer::Entry| EntryRow {
            path: place.at().join(&entry.path).display().to_string(),
            change: entry.change,
            bytes: entry.bytes,
        };
        Self {
            name: overlay.name.clone(),
            scope: overlay.scope,
            keep: overlay.keep,
            priority: overlay.priority,
            enabled: overlay.enabled,
            live: laid.is_some(),
            written: laid.is_some_and(|laid| live.is_written(laid)),
            read_only: overlay.read_only,
            size_bytes: overlay.size_bytes,
            root_hash: overlay.root_hash.clone(),
            why: overlay.off.clone().or(broken).or(told.filter(|_| laid.is_none())),
            held_bytes: entries.iter().map(|entry| entry.bytes).sum(),
            added: count(Change::Added),
            changed: count(Change::Changed) + count(Change::Replaced),
            removed: count(Change::Removed),
            entries: Some(entries.iter().map(row).collect()),
        }
    }

    /// One line for people.
    pub fn in_words(&self) -> String {
        let state = match (self.live, self.written, self.scope) {
            (_, _, Scope::User) => "for `overlay enter`",
            (true, true, _) => "is on, and written",
            (true, false, _) => "is on",
            (false, _, _) if self.enabled => "waits",
            (false, _, _) => "is off",
        };
        let keep = match self.keep {
            Keep::None => "memory",
            Keep::Boot => "kept",
            Keep::Version => "kept for one version",
        };
        let why = self.why.as_ref().map(|why| format!(": {}", Printable(why))).unwrap_or_default();
        let Self { added, changed, removed, .. } = self;
        let place = self.scope.place();
        format!(
            "overlay {} over {} ({keep}, {}, {added} added, {changed} changed, {removed} removed) {state}{why}\n",
            Printable(&self.name),
            place.at().display(),
            Size(self.held_bytes),
        )
    }
}

impl Report for Listed {
    fn human(&self) -> String {
        if self.overlays.is_empty() {
            return "there is no overlay\n".to_owned();
        }
        let mut text = String::new();
        for row in &self.overlays {
            text += &row.in_words();
            for entry in row.entries.iter().flatten() {
                let sign = match entry.change {
                    Change::Added => '+',
                    Change::Changed => '~',
                    Change::Removed => '-',
                    Change::Replaced => '=',
                };
                text += &format!("  {sign} {}\n", Printable(&entry.path));
            }
        }
        text
    }
}

impl Report for Done {
    fn human(&self) -> String {
        let mut text = format!("the overlay {} {}\n", Printable(&self.name), self.how);
        if let Some(aside) = &self.aside {
            text += &format!("what it held is in {}\n", Printable(aside));
        }
        text
    }
}
