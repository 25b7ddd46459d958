//! The verbs, one file each.

#[cfg(feature = "live")]
use crate::cli;
use crate::cli::Verb;
use crate::exit::{Exit, Failure};
use crate::history;
use crate::session::Session;

mod activate;
#[cfg(feature = "live")]
mod apply_live;
#[cfg(feature = "live")]
mod at_boot;
mod cancel;
mod choose;
#[cfg(feature = "completions")]
mod completions;
#[cfg(feature = "create")]
mod create;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "doctor")]
mod doctor;
mod hook_config;
mod info;
mod install;
#[cfg(feature = "live")]
mod laid;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "history")]
mod log;
#[cfg(feature = "man")]
mod man;
mod mark;
mod note;
#[cfg(feature = "live")]
mod offline;
#[cfg(feature = "live")]
mod overlay;
#[cfg(feature = "live")]
mod pack;
#[cfg(feature = "import")]
mod profile;
#[cfg(feature = "provision")]
mod provision;
mod repair;
#[cfg(feature = "reset")]
mod reset;
mod rollback;
mod status;
#[cfg(feature = "update")]
mod update;
mod verify;
mod version;

/// Runs one verb, and says how the program ends.
pub fn run(session: &Session, verb: Verb) -> Result<Exit, Failure> {
    #[cfg(feature = "doctor")]
    if let Verb::Doctor = verb {
        return doctor::run(session);
    }
    let (on_slots, recorded) = (verb.works_on_slots(), verb.recorded());
    if let Some(word) = recorded {
        session.record.of(word);
    }
    let answer = act(session, verb).map_err(|failure| if on_slots { failure.on_slots() } else { failure });
    if let Some(word) = recorded {
        history::keep(session, word, &answer);
    }
    answer.map(|()| Exit::Done)
}

fn act(session: &Session, verb: Verb) -> Result<(), Failure> {
    match verb {
        #[cfg(feature = "create")]
        Verb::Create(verb) => create::run(session, verb),
        Verb::Info(args) => info::run(session, &args),
        Verb::Verify(args) => verify::run(session, &args),
        #[cfg(feature = "provision")]
        Verb::Provision(args) => provision::run(session, &args),
        Verb::Install(args) => install::run(session, &args),
        #[cfg(feature = "update")]
        Verb::Check(args) => update::check(session, &args),
        #[cfg(feature = "update")]
        Verb::Update(args) => update::update(session, &args),
        Verb::Activate(args) => activate::run(session, &args),
        Verb::Rollback(args) => rollback::run(session, &args),
        Verb::Cancel(args) => cancel::run(session, &args),
        Verb::MarkGood(args) => mark::good(session, &args),
        Verb::MarkBad(args) => mark::bad(session, &args),
        Verb::Note(args) => note::run(session, &args),
        Verb::Repair => repair::run(session),
        #[cfg(feature = "reset")]
        Verb::Reset(args) => reset::run(session, &args),
        Verb::Choose(args) => choose::run(session, &args),
        Verb::Status => status::run(session),
        #[cfg(feature = "history")]
        Verb::Log(args) => log::run(session, &args),
        #[cfg(feature = "live")]
        Verb::Offline(verb) => offline::run(session, verb),
        #[cfg(feature = "live")]
        Verb::Pack(verb) => pack::run(session, verb),
        #[cfg(feature = "live")]
        Verb::ApplyLive(args) => apply_live::run(session, &args),
        #[cfg(feature = "live")]
        Verb::Overlay(verb) => overlay::run(session, verb),
        #[cfg(feature = "live")]
        Verb::Live(cli::live::Live::Boot) => at_boot::boot(session),
        #[cfg(feature = "live")]
        Verb::Live(cli::live::Live::Shutdown) => at_boot::shutdown(session),
        Verb::HookConfig(args) => hook_config::run(session, &args),
        // `run` has seen to it.
        #[cfg(feature = "doctor")]
        Verb::Doctor => Ok(()),
        #[cfg(feature = "import")]
        Verb::Profile(verb) => profile::run(session, &verb),
        #[cfg(feature = "demo")]
        Verb::Demo(args) => demo::run(session, &args),
        #[cfg(feature = "man")]
        Verb::Man(args) => man::run(session, &args),
        #[cfg(feature = "completions")]
        Verb::Completions(args) => completions::run(session, &args),
        Verb::Version => version::run(session),
    }
}
