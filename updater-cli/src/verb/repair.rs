//! `repair`: both copies of the partition table valid and equal, the backup at the disk's end.

use libupdate::gpt::write::{self, BackupPlace, Relocate, Repair};
use libupdate::gpt::{CopyId, Table};
use libupdate_linux::{Disk, Lock, Mode, OpenHow};
use serde::Serialize;

use crate::exit::Failure;
use crate::output::Report;
use crate::session::Session;
use crate::unusable;

/// Repairs what is damaged; says so where nothing is.
pub fn run(session: &Session) -> Result<(), Failure> {
    let path = match session.disk() {
        Some(path) => path.clone(),
        None => session.disk_path(&session.profile()?)?,
    };
    let how = OpenHow { sector_size: session.sector_size()?, mode: Mode::ReadWrite, ..OpenHow::read_only() };
    let what = |failure: Failure| failure.doing(format!("cannot repair {}", path.display()));
    let mut disk = Disk::open(&path, how).map_err(|error| what(error.into()))?;
    let _lock = Lock::act(&disk)?;
    let _table = Lock::table(&disk)?;
    let _shield = session.interrupt.shield();
    let mut scratch = vec![0; 64 << 10];
    let read = Table::read(&mut disk, &mut scratch);
    let repaired = read.and_then(|table| write::repair(&mut disk, &table, Relocate::Yes, &mut scratch));
    let repair = repaired.map_err(|error| what(unusable::explained(&mut disk, &[], error)))?;
    session.output.done(&Repaired::of(&repair));
    Ok(())
}

#[derive(Serialize)]
struct Repaired {
    repaired: Option<&'static str>,
    backup: &'static str,
}

impl Repaired {
    fn of(repair: &Repair) -> Self {
        let copy = |copy| if copy == CopyId::Primary { "primary" } else { "backup" };
        let backup = match repair.backup {
            BackupPlace::Kept => "kept",
            BackupPlace::MovedFrom(_) => "moved",
            BackupPlace::Nowhere(_) => "nowhere",
        };
        Self { repaired: repair.repaired.map(copy), backup }
    }
}

impl Report for Repaired {
    fn human(&self) -> String {
        let copy = self.repaired.map_or("both copies of the table were valid and equal".to_owned(), |copy| {
            format!("rewrote the {copy} copy of the table from the other")
        });
        let backup = match self.backup {
            "moved" => "; moved the backup to the disk's end",
            "nowhere" => "; the backup has no place: the disk is smaller than the table says",
            _ => "",
        };
        format!("{copy}{backup}\n")
    }
}
