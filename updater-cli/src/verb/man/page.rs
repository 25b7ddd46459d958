//! One manual page: what `--help` says, in sections, and what a page has besides.
//!
//! ```text
//!  NAME, SYNOPSIS, DESCRIPTION, OPTIONS, SUBCOMMANDS      from the command line
//!  STATES (status), EXIT STATUS, FILES, EXAMPLES          from the tables that the program itself reads
//! ```

use std::io::{self, Write};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::examples;
use crate::exit::Exit;
use crate::states::STATES;

/// Files of a device, and what they are for.
const FILES: [(&str, &str); 12] = [
    ("/etc/updater/profile.toml", "the board: disk, slots, keys, boot"),
    ("/etc/updater/profiles/, /usr/share/updater/profiles/", "profiles that --profile takes by name"),
    ("/etc/updater/trust/*.pub", "public keys that this device trusts"),
    ("/etc/updater/hook.config", "in the initramfs: profile and keys as the boot hook reads them"),
    ("/etc/updater/health.d/", "programs that must succeed before a trial is marked good"),
    ("/run/updater/boot.json", "the boot hook's report: which slot runs, and why others were passed over"),
    ("/run/updater/lock", "held while an act works on this device's disk"),
    ("/usr/lib/updater/initramfs-hook", "the boot hook, from where makers of initramfs take it"),
    (
        "/var/lib/updater/packs/",
        "packs that are stored: a set of signed heads, and their images; removed, there are none",
    ),
    ("/var/lib/updater/overlays/", "overlays that are kept, and what they hold; removed, there are none"),
    ("/run/updater/overlays/", "overlays that are gone with this boot"),
    ("/var/lib/updater/", "what earlier acts left to be shown; only a cache: table and slots are the truth"),
];

/// Writes the page of a command. `verb` is what is typed after the program's name: "", "install", "bundle create".
pub fn write(command: &clap::Command, verb: &str, to: &mut dyn Write) -> io::Result<()> {
    let page = Man::new(command.clone());
    page.render_title(to)?;
    page.render_name_section(to)?;
    page.render_synopsis_section(to)?;
    page.render_description_section(to)?;
    page.render_options_section(to)?;
    if command.has_subcommands() {
        page.render_subcommands_section(to)?;
    }
    let mut more = Roff::new();
    if matches!(verb, "" | "status") {
        section(&mut more, "STATES", STATES.iter().map(|state| (state.word.to_owned(), told(state.means, state.next))));
    }
    let codes = Exit::ALL.map(|exit| (exit.code().to_string(), exit.meaning().to_owned()));
    section(&mut more, "EXIT STATUS", codes.into_iter());
    section(&mut more, "FILES", FILES.iter().map(|(name, holds)| ((*name).to_owned(), (*holds).to_owned())));
    if let Some(examples) = examples::of(verb) {
        section(&mut more, "EXAMPLES", examples.iter().map(|(typed, does)| ((*typed).to_owned(), (*does).to_owned())));
    }
    if !verb.is_empty() {
        more.control("SH", ["SEE ALSO"]).text([bold("updater-cli"), roman("(1)")]);
    }
    more.to_writer(to)
}

fn told(means: &str, next: &str) -> String {
    if next.is_empty() { means.to_owned() } else { format!("{means}. {next}") }
}

/// A section of terms, each with a line about it.
fn section(page: &mut Roff, title: &str, rows: impl Iterator<Item = (String, String)>) {
    page.control("SH", [title]);
    for (term, about) in rows {
        page.control("TP", []).text([bold(term)]).text([roman(about)]);
    }
}
