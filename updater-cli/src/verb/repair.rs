//! `repair`: both copies of the partition table valid and equal, the backup at the disk's end.

use libupdate::device::repair;
use libupdate::gpt::CopyId;
use libupdate::gpt::write::{BackupPlace, Relocate, Repair};
use libupdate_linux::{AlignedBuf, Disk, GuardedDisk, Lock, Mode, OpenHow};
use serde::Serialize;

use crate::exit::Failure;
use crate::output::Report;
use crate::session::Session;
use crate::unusable;

/// A whole usual table.
const SCRATCH: usize = 64 << 10;

/// Repairs what is damaged; says so where nothing is.
pub fn run(session: &Session) -> Result<(), Failure> {
    let path = match session.disk() {
        Some(path) => path.clone(),
        None => session.disk_path(&session.profile()?)?,
    };
    session.record.on(&path);
    let how = OpenHow { sector_size: session.sector_size()?, mode: Mode::ReadWrite, ..OpenHow::read_only() };
    let what = |failure: Failure| failure.doing(format!("cannot repair {}", path.display()));
    let disk = Disk::open(&path, how).map_err(|error| what(error.into()))?;
    let _lock = Lock::act(&disk)?;
    session.record.begins();
    let mut disk = GuardedDisk::new(disk, session.interrupt.clone());
    let mut scratch = AlignedBuf::new(SCRATCH);
    let repaired = repair(&mut disk, Relocate::Yes, &mut scratch);
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
