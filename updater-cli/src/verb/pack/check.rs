//! `pack check`: whether a pack is newer than what is stored, from its head alone.

use libupdate::Error;
use libupdate::bundle::Unverified;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate_linux::OsError;
use serde::Serialize;

use super::change;
use super::known::Known;
use super::mounted;
use super::plan::{self, Verdict};
use super::store::{Store, Stored};
use crate::cli::pack::Check;
use crate::exit::{Exit, Failure};
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::source::{BundleSource, shown};
use crate::verb::live::{Live, System};

/// The document of `pack check --json`.
#[derive(Serialize)]
struct News {
    result: &'static str,
    name: String,
    level: u32,
    version: String,
    fits: u32,
    /// The version that runs.
    running_version: String,
    /// Packs that it takes the place of.
    replaces: Vec<String>,
    stored_bytes: u64,
    fetched_bytes: Option<u64>,
}

impl Report for News {
    fn human(&self) -> String {
        let Self { level, fits, .. } = self;
        let (name, size) = (Printable(&self.name), Size(self.stored_bytes));
        let mut text = format!("{name} of level {level} ({size}) is newer, and fits version {fits}\n");
        if !self.replaces.is_empty() {
            text += &format!("it takes the place of {}\n", Printable(&self.replaces.join(", ")));
        }
        text
    }
}

/// Says whether it is newer.
pub fn run(session: &Session, args: &Check) -> Result<(), Failure> {
    let what = format!("cannot use the pack {}", shown(&args.source));
    let named = |failure: Failure| if failure.code == Exit::Nothing { failure } else { failure.doing(&what) };
    let system = System::of(session).map_err(named)?;
    let store = Store::usual();
    let stored = store.stored(&store.set()?, &system);
    let mut source = BundleSource::open(&args.source, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head).map_err(Error::<OsError>::from);
    let verified = read.and_then(|head| head.verify(system.setup.anchors).map_err(Error::Bundle));
    let known = verified.and_then(|verified| Known::of(&verified, &system.setup.profile.compatible));
    let known = known.map_err(|error| named(source.explained_to(&system.setup, Failure::from(error))))?;
    let replaces = judged(&known, &stored, &system, false).map_err(named)?;
    session.output.result(&News {
        result: "newer",
        stored_bytes: known.parts.iter().map(|part| part.stored_bytes).sum(),
        name: known.name,
        level: known.level,
        version: known.version,
        fits: known.fits,
        running_version: system.version,
        replaces,
        fetched_bytes: source.fetched(),
    })
}

/// Names of the packs that a new one takes the place of, if it may.
pub fn judged(known: &Known, stored: &[Stored], system: &System, force: bool) -> Result<Vec<String>, Failure> {
    let (mut others, live) = (change::known(stored), Live::read());
    // The same once more mends what has rotted.
    others.retain(|here| here.digest != known.digest || mounted::is_sound(&live, here));
    let judge = if force { plan::judge_forced } else { plan::judge };
    match judge(known, &others, (&system.version, system.major)) {
        Verdict::Newer(names) => Ok(names),
        Verdict::Held(why) => {
            let next = "nothing has to be done; `pack install --force` takes it all the same";
            Err(Failure::new(Exit::Nothing, format!("{} is not newer", known.name), why, next))
        }
        Verdict::Refused(why, next) => Err(Failure::new(Exit::Refused, "", why, next)),
    }
}
