//! The program from its command line to its exit code.

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::Session;
use crate::verb;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { common, verb } = match Cli::try_parse() {
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
    let text = error.render().to_string();
    Output::usual().line(&text);
    let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    document(&Failure::new(Exit::Usage, "cannot read the command line", why, "see --help"));
    Exit::Usage.into()
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
