//! A/B image updates on a device and in the workshop: the core of `libupdate`, an operating system below it, and people and
//! scripts above.

mod bench;
mod cli;
mod exit;
mod hasher;
mod keys;
mod last_result;
mod new_table;
mod os;
mod output;
mod profile;
mod scratch_disk;
mod session;
mod source;
mod time;
mod verb;
mod zstd;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::session::Session;

fn main() -> ExitCode {
    let Cli { common, verb } = Cli::parse();
    let session = match Session::start(common) {
        Ok(session) => session,
        Err(failure) => return early(&failure),
    };
    match verb::run(&session, verb) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            session.output.failure(&failure);
            failure.code.into()
        }
    }
}

/// A failure before there is an output to tell it with.
fn early(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    failure.code.into()
}
