//! An installation that another verb asks for: by the same words as the verb `install`, so that there is one way to install.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use super::install;
use crate::cli::{Cli, Install, Verb};
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// What is to be installed, and how.
pub struct Aim {
    /// A bundle that is a file.
    pub source: PathBuf,
    pub allow_downgrade: bool,
    pub retry_failed: bool,
}

/// Installs it.
pub fn aimed(session: &Session, aim: &Aim) -> Result<(), Failure> {
    super::run(session, &aim.typed(&[])?)
}

/// Whether it would be installed: nothing is written, and nothing shown but why not.
pub fn judge(session: &Session, aim: &Aim) -> Result<(), Failure> {
    install(session, &aim.typed(&["--dry-run"])?, |_, _, _| Ok(())).map(|_| ())
}

impl Aim {
    /// As somebody would type it.
    fn typed(&self, more: &[&str]) -> Result<Install, Failure> {
        let options = [("--allow-downgrade", self.allow_downgrade), ("--retry-failed", self.retry_failed)];
        let options = options.into_iter().filter(|(_, given)| *given).map(|(option, _)| option);
        let words = ["updater-cli", "install"].into_iter().chain(options).chain(more.iter().copied());
        let words = words.map(OsString::from).chain([self.source.clone().into_os_string()]);
        match Cli::try_parse_from(words).map(|cli| cli.verb) {
            Ok(Verb::Install(args)) => Ok(args),
            _ => {
                let why = "its words are not those of `install`";
                Err(Failure::new(Exit::Usage, "cannot install", why, "report this: it is a fault of the program"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_what_the_verb_would_be_told() {
        for [allow_downgrade, retry_failed] in [[false, false], [true, false], [false, true], [true, true]] {
            let aim = Aim { source: "/x/a b".into(), allow_downgrade, retry_failed };
            let install = aim.typed(&["--dry-run"]).unwrap();
            assert_eq!(install.source, aim.source);
            assert_eq!([install.allow_downgrade, install.retry_failed], [allow_downgrade, retry_failed]);
            assert!(install.dry_run && !aim.typed(&[]).unwrap().dry_run && !install.reboot && install.slot.is_none());
        }
    }
}
