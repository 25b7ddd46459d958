//! `man`: the manual pages, made from the same words as `--help`.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::cli;
use crate::exit::Failure;
use crate::new_file::unwritable;
use crate::output::{Printable, Report};
use crate::session::Session;

mod page;

/// Writes one page a verb into a folder, for a package to ship.
pub fn run(session: &Session, args: &cli::man::Man) -> Result<(), Failure> {
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    let made = fs::create_dir_all(&args.dir).and_then(|()| pages(&command, "", &args.dir));
    made.map_err(|error| unwritable(&args.dir, &error))?;
    session.output.done(&Made { folder: args.dir.display().to_string() });
    Ok(())
}

/// The page of a command, and those of the verbs below it.
fn pages(command: &clap::Command, verb: &str, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        let name = below.get_name();
        let named = if verb.is_empty() { name.to_owned() } else { format!("{verb} {name}") };
        pages(below, &named, folder)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    page::write(command, verb, &mut File::create(folder.join(format!("{name}.1")))?)
}

#[derive(Serialize)]
struct Made {
    folder: String,
}

impl Report for Made {
    fn human(&self) -> String {
        let folder = Printable(&self.folder);
        format!("the manual pages are in {folder}; read one: man -l {folder}/updater-cli.1\n")
    }
}
