//! What is done besides merging: only what the signed heads declare, and only by the system's own programs.
//!
//! | declared | done |
//! |---|---|
//! | `sysusers` | `systemd-sysusers` |
//! | `tmpfiles` | `systemd-tmpfiles --create` |
//! | `reload U` | `systemctl reload U` |
//! | `restart U` | `systemctl restart U` |
//! | at a boot, of packs that declare users, or units | `systemd-sysusers`; `systemctl daemon-reload` |
//!
//! Before the units systemd reads its files again. Of packs that go, units are reloaded and restarted, too: they run what was there before.

use std::path::Path;

use serde::Serialize;

use super::known::Known;
use crate::verb::live::command;

/// A step, and how it went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// As it would be typed.
    pub command: String,
    /// Why it failed; `None`: it did not.
    pub failed: Option<String>,
}

/// What is to be run after these packs came, and those went. Pure.
fn commands(came: &[&Known], went: &[&Known]) -> Vec<Vec<String>> {
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut commands = Vec::new();
    if came.iter().any(|pack| pack.sysusers) {
        commands.push(line(&["systemd-sysusers"]));
    }
    if came.iter().any(|pack| pack.tmpfiles) {
        commands.push(line(&["systemd-tmpfiles", "--create"]));
    }
    let all = || came.iter().chain(went);
    let restart: Vec<&String> = all().flat_map(|pack| &pack.restart).collect();
    let reload = all().flat_map(|pack| &pack.reload).filter(|unit| !restart.contains(unit));
    let units = reload.map(|unit| ["reload", unit]).chain(restart.iter().map(|unit| ["restart", unit.as_str()]));
    let units: Vec<_> = units.map(|[act, unit]| line(&["systemctl", act, unit])).collect();
    if !units.is_empty() {
        commands.push(line(&["systemctl", "daemon-reload"]));
    }
    for unit in units {
        if !commands.contains(&unit) {
            commands.push(unit);
        }
    }
    commands
}

/// Runs them all, whatever becomes of one.
pub fn run(came: &[&Known], went: &[&Known]) -> Vec<Step> {
    let systemd = Path::new("/run/systemd/system").is_dir();
    let step = |words: Vec<String>| {
        let failed = match systemd {
            true => one(&words),
            false => Some("systemd does not run here: do the same in this system's own way".to_owned()),
        };
        Step { command: words.join(" "), failed }
    };
    commands(came, went).into_iter().map(step).collect()
}

/// After a boot has merged them, before the services start: what the system had read before it saw the packs.
pub fn at_boot(packs: &[&Known]) -> Vec<Step> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Vec::new();
    }
    let mut commands: Vec<&[&str]> = Vec::new();
    if packs.iter().any(|pack| pack.sysusers) {
        commands.push(&["systemd-sysusers"]);
    }
    if packs.iter().any(|pack| !pack.reload.is_empty() || !pack.restart.is_empty()) {
        commands.push(&["systemctl", "daemon-reload"]);
    }
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    commands.into_iter().map(|words| Step { command: words.join(" "), failed: one(&owned(words)) }).collect()
}

fn one(words: &[String]) -> Option<String> {
    command::run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_is_done_once_and_nothing_else() {
        let units = |units: &[&str]| units.iter().map(|unit| (*unit).to_owned()).collect();
        let one = Known { reload: units(&["a.service", "b.service"]), tmpfiles: true, ..Known::default() };
        let two = Known { restart: units(&["b.service", "c.service"]), ..Known::default() };
        let lines = |came: &[&Known], went: &[&Known]| {
            commands(came, went).iter().map(|words| words.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(&[&one], &[&two]),
            [
                "systemd-tmpfiles --create",
                "systemctl daemon-reload",
                "systemctl reload a.service",
                "systemctl restart b.service",
                "systemctl restart c.service",
            ]
        );
        assert_eq!(lines(&[&Known::default()], &[]), Vec::<String>::new());
    }
}
