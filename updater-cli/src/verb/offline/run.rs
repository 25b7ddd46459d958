//! `offline run`: what updater-offline.service does in a boot that was asked for an update. systemd.offline-updates(7), "Implementation".
//!
//! 1. A request that is another program's, or none: nothing is done, and that is success.
//! 2. The first act is that ours is removed, durably. Whatever happens after, the next boot is as usual.
//! 3. The result says that it was cut short until it says how it ended.
//! 4. The update is `install` and nothing else. The machine reboots or powers off by `updater-offline-ends`, which the unit runs however this
//!    ends.

use std::path::Path;

use libupdate_linux::file;

use super::folder::{Ended, Folder};
use super::links::Links;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::verb::install::{self, Aim};

/// Says to `updater-offline-ends` that this boot was for our update.
const BEGAN: &str = "/run/updater/offline-began";

/// Does it, if this boot was asked to.
pub fn run(session: &Session) -> Result<(), Failure> {
    let links = Links::usual();
    let failed = |error: std::io::Error| {
        let next = "the system goes on as it is; see the kernel log (dmesg) for why it cannot be written";
        Failure::new(
            Exit::Io,
            "the request for an offline update cannot be removed, and nothing is installed",
            error,
            next,
        )
    };
    if let Some((link, target)) = links.foreign().map_err(failed)? {
        session.output.note(&format!(
            "{} leads to {}: another program updates in this boot",
            link.display(),
            target.display()
        ));
        return Ok(());
    }
    if links.ours().map_err(failed)?.is_empty() {
        session.output.note("no offline update was asked for");
        return Ok(());
    }
    file::write_state(Path::new(BEGAN), b"").map_err(failed)?;
    links.remove_ours().map_err(failed)?;
    let folder = Folder::usual();
    let Some(request) = folder.request()? else {
        let why = "an offline update was asked for, and none is prepared";
        return Err(Failure::new(Exit::Refused, "cannot update", why, "`offline prepare` prepares one"));
    };
    let ended = Ended::cut_short(&request);
    folder.say(&ended)?;
    let aim =
        Aim { source: folder.bundle(), allow_downgrade: request.allow_downgrade, retry_failed: request.retry_failed };
    let answer = install::aimed(session, &aim);
    folder.say(&ended.with(answer.as_ref().err()))?;
    if answer.is_ok() {
        // Which way the machine goes is still asked for.
        folder.done()?;
    }
    answer
}
