//! `completions`: what a shell needs to complete command lines, made from the same words as `--help`.

use clap_complete::Shell;
use serde::Serialize;

use crate::cli::completions::{Completions, ShellOption};
use crate::exit::Failure;
use crate::output::Report;
use crate::session::Session;

/// Prints the script, for the file that the shell looks for.
pub fn run(session: &Session, args: &Completions) -> Result<(), Failure> {
    let shell = match args.shell {
        ShellOption::Bash => Shell::Bash,
        ShellOption::Zsh => Shell::Zsh,
        ShellOption::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "updater-cli", &mut script);
    // clap_complete 4.6.12 has two spellings of a program's name with a dash in what it writes for bash: verbs would get no options.
    let script = String::from_utf8_lossy(&script).replace("updater__subcmd__cli", "updater__cli");
    session.output.result(&Script { script })
}

#[derive(Serialize)]
struct Script {
    script: String,
}

impl Report for Script {
    fn human(&self) -> String {
        self.script.clone()
    }
}
