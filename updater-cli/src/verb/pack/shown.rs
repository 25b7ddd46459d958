//! What is shown of packs: `pack list`, and the part of `status`.

use serde::Serialize;

use super::change;
use super::mounted;
use super::store::{Set, Store, Stored};
use crate::exit::Failure;
use crate::output::{Printable, Report};
use crate::session::Session;
use crate::verb::live::{Live, System};

/// The document of `pack list --json`, and what `status` has of it.
#[derive(Serialize)]
pub struct Packs {
    /// Version of the slot that runs.
    pub version: String,
    /// The highest level of a pack that is merged; 0 without any.
    pub update_level: u32,
    /// Why packs are off; null: they are on.
    pub off: Option<String>,
    /// Who merged: `own` or `systemd-sysext`; null where nothing is merged.
    pub merged_by: Option<String>,
    pub packs: Vec<Row>,
}

/// A pack.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    /// Null where the head does not count.
    pub level: Option<u32>,
    pub fits: Option<u32>,
    pub version: Option<String>,
    pub manifest_digest: String,
    pub state: State,
    /// Why it is not merged.
    pub why: Option<String>,
    pub parts: Vec<String>,
    pub supersedes: Vec<String>,
    pub stored_bytes: u64,
}

/// What becomes of a pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is live.
    Merged,
    /// The next boot merges it.
    Waits,
    /// It is for another version.
    Inactive,
    /// Packs are off.
    Off,
    /// It is not what was signed, or cannot be merged.
    Broken,
}

/// Shows them.
pub fn run(session: &Session) -> Result<(), Failure> {
    let system = System::of(session).map_err(|failure| failure.doing("cannot show packs"))?;
    session.output.result(&Packs::of(&Store::usual(), &system)?)
}

impl Packs {
    /// What is stored, and what of it is live.
    pub fn of(store: &Store, system: &System) -> Result<Self, Failure> {
        let set = store.set()?;
        let (stored, live) = (store.stored(&set, system), Live::read());
        let rows: Vec<Row> = stored.iter().map(|pack| Row::of(pack, &set, system, &live)).collect();
        let merged = rows.iter().filter(|row| row.state == State::Merged);
        let level = merged.filter_map(|row| row.level).max();
        let by = level.map(|_| live.by).filter(|by| !by.is_empty());
        let mut packs = Self {
            version: system.version.clone(),
            update_level: level.unwrap_or(0),
            off: set.off,
            merged_by: by,
            packs: rows,
        };
        packs.packs.sort_by(|one, other| one.level.cmp(&other.level).then_with(|| one.name.cmp(&other.name)));
        Ok(packs)
    }

    /// The same for `status`: nothing where no pack is stored, or what is stored cannot be read.
    pub fn in_status(session: &Session) -> Option<Self> {
        let store = Store::usual();
        if store.set().is_ok_and(|set| set.packs.is_empty()) {
            return None;
        }
        let packs = System::of(session).and_then(|system| Self::of(&store, &system));
        packs.inspect_err(|failure| session.output.warn(&format!("packs cannot be shown: {}", failure.why))).ok()
    }

    /// Version and level, and a line for each pack that is not merged.
    pub fn in_words(&self) -> String {
        let merged = self.packs.iter().filter(|row| row.state == State::Merged);
        let names: Vec<&str> = merged.map(|row| row.name.as_str()).collect();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", Printable(&names.join(", "))) };
        let mut text = format!("Version: {}\nUpdate level: {}{names}\n", Printable(&self.version), self.update_level);
        if let Some(why) = &self.off {
            text += &format!("packs are off until `pack enable`: {}\n", Printable(why));
        }
        for row in self.packs.iter().filter(|row| !matches!(row.state, State::Merged | State::Off)) {
            let why = row.why.as_ref().map(|why| format!(": {}", Printable(why))).unwrap_or_default();
            text += &format!("pack {} {}{why}\n", Printable(&row.name), row.state.in_words());
        }
        text
    }
}

impl State {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Merged => "is merged",
            Self::Waits => "is merged by the next boot",
            Self::Inactive => "is inactive",
            Self::Off => "is off",
            Self::Broken => "is broken",
        }
    }
}

impl Row {
    fn of(pack: &Stored, set: &Set, system: &System, live: &Live) -> Self {
        let (state, why) = state(pack, set, system, live);
        let known = pack.known.as_ref().ok();
        Self {
            name: known.map_or(&pack.listed.name, |known| &known.name).clone(),
            level: known.map(|known| known.level),
            fits: known.map(|known| known.fits),
            version: known.map(|known| known.version.clone()),
            manifest_digest: pack.listed.digest.clone(),
            state,
            why,
            parts: known.map(|known| known.parts.iter().map(|part| part.name.clone()).collect()).unwrap_or_default(),
            supersedes: known.map(|known| known.supersedes.clone()).unwrap_or_default(),
            stored_bytes: known.map_or(0, |known| known.parts.iter().map(|part| part.stored_bytes).sum()),
        }
    }
}

/// What becomes of a pack, and why it is not merged.
fn state(pack: &Stored, set: &Set, system: &System, live: &Live) -> (State, Option<String>) {
    let known = match &pack.known {
        Ok(known) => known,
        Err(why) => return (State::Broken, Some(why.clone())),
    };
    if let Some(part) = mounted::damaged(known) {
        return (State::Broken, Some(format!("a block of {part} is wrong, as dm-verity found")));
    }
    if mounted::is_live(live, known) {
        return (State::Merged, None);
    }
    if change::fitting(std::slice::from_ref(pack), system).is_empty() {
        return (State::Inactive, Some(format!("it fits version {}, and {} runs", known.fits, system.version)));
    }
    if let Some(why) = &set.off {
        return (State::Off, Some(why.clone()));
    }
    match live.broken.iter().find(|broken| broken.name == known.name) {
        Some(broken) => (State::Broken, Some(broken.why.clone())),
        None => (State::Waits, None),
    }
}

impl Report for Packs {
    fn human(&self) -> String {
        let mut text = self.in_words();
        if self.packs.is_empty() {
            text += "no pack is stored\n";
        }
        for row in &self.packs {
            let level = row.level.map_or("-".to_owned(), |level| level.to_string());
            let state = row.state.in_words();
            text += &format!("{:<24} level {level:<4} {state}\n", Printable(&row.name).to_string());
        }
        text
    }
}
