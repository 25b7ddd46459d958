//! `man`: the manual pages, made from the same words as `--help`.

use std::fs;

use clap::CommandFactory;
use serde::Serialize;

use crate::cli::{self, Cli};
use crate::exit::Failure;
use crate::new_file::unwritable;
use crate::output::{Printable, Report};
use crate::session::Session;

/// Writes one page a verb into a folder, for a package to ship.
pub fn run(session: &Session, args: &cli::man::Man) -> Result<(), Failure> {
    let made = fs::create_dir_all(&args.dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir));
    made.map_err(|error| unwritable(&args.dir, &error))?;
    session.output.done(&Made { folder: args.dir.display().to_string() });
    Ok(())
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
