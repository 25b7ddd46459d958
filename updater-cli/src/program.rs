//! The program from its command line to its exit code.

use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{self, Cli, other_tools};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::Session;
use crate::verb;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    let parsed = cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { common, verb } = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return misused(&error),
        // The help and the version, which the user asked for.
        Err(error) => return Output::help(&error).map_or_else(|failure| early(&failure), |()| Exit::Done.into()),
    };
    let session = match Session::start(common) {
        Ok(session) => session,
        Err(failure) => return early(&failure),
    };
    match verb::run(&session, verb) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            session.output.failure(&failure);
            failure.code.into()
        }
    }
}

/// A command line that is wrong. What stands on it may come from anywhere: a terminal gets it escaped.
fn misused(error: &clap::Error) -> ExitCode {
    if let Some(failure) = verb_of_another_tool(error) {
        return early(&failure);
    }
    let text = error.render().to_string();
    Output::usual().line(&text);
    let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    document(&Failure::new(Exit::Usage, "cannot read the command line", why, "see --help"));
    Exit::Usage.into()
}

/// A verb that other updaters have: what does the same here.
fn verb_of_another_tool(error: &clap::Error) -> Option<Failure> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let next = other_tools::here(word).filter(|_| error.kind() == ErrorKind::InvalidSubcommand)?;
    let why = format!("there is no verb '{word}'");
    Some(Failure::new(Exit::Usage, "cannot read the command line", why, next))
}

/// A failure before there is an output to tell it with.
fn early(failure: &Failure) -> ExitCode {
    Output::usual().failure(failure);
    document(failure);
    failure.code.into()
}

/// The failure for programs. They ask for it with `--json`, which may stand anywhere on a command line that was not understood.
fn document(failure: &Failure) {
    if std::env::args_os().any(|argument| argument == "--json") {
        Output::usual().failure_document(failure);
    }
}
