//! `demo`: the whole life of a device on a disk file, without root and without any other program.
//!
//! Each step is a command line of this very program: it is parsed and run as `main` would, and what is shown is what it said.
//! What a device adds, a boot loader that chooses and a kernel that starts, is played by `choose --spend` and `verify --slot`; with
//! `--boot` a machine of qemu does it, and the story is a shorter one.

use std::env;

use crate::cli::demo::Demo;
use crate::exit::{Exit, Failure};
use crate::new_file::unwritable;
use crate::session::Session;

mod boot;
mod ending;
mod folder;
mod image;
mod stage;
mod story;
mod tamper;

use boot::{Pieces, Places};
use ending::Ending;
use stage::Stage;

/// Plays the story in a folder and says what to try next there.
pub fn run(session: &Session, args: &Demo) -> Result<(), Failure> {
    if session.names_a_device() {
        let why = "it makes its own board, keys and disk file";
        let next = "leave out --profile, --disk, --sector-size, --trust and --booted";
        return Err(Failure::new(Exit::Usage, "cannot run the demo on a device", why, next));
    }
    // Looked for first: if one is missing, nothing is made. What is named is named from here.
    let pieces = if args.boot { Some(Pieces::find(args, &Places::usual())?) } else { None };
    let folder = folder::empty(args.dir.as_deref())?;
    // The command lines name files as somebody would who works there; nothing of this process runs after the demo.
    env::set_current_dir(&folder).map_err(|error| unwritable(&folder, &error))?;
    let mut stage = Stage::new(session);
    let leaves = if let Some(pieces) = pieces {
        stage.open("The fallback of a device with two slots, on a real kernel in qemu,", &folder)?;
        boot::play(&mut stage, &pieces)?
    } else {
        stage.open("The life of a device with two slots, played on a disk file", &folder)?;
        story::play(&mut stage)?
    };
    session.output.result(&Ending::of(&stage, &folder, leaves)?)
}
