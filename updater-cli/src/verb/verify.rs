//! `verify`: a bundle against the keys, or every block of a slot against its trailer.

use std::path::Path;

use libupdate::bundle::delta::OldImages;
use libupdate::bundle::pack::Pack;
use libupdate::bundle::rollout::Rollout;
use libupdate::bundle::{Unverified, Verified};
use libupdate::inspect::{self, SlotTrailer};
use libupdate::install::{self, Source};
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{ByteLen, Error, SlotId};
use libupdate_linux::{Mode, OsError};
use serde::Serialize;

use crate::cli::Verify;
use crate::exit::{Exit, Failure};
use crate::open_device::{self, OpenDevice};
use crate::output::{Printable, Report, Size, Watch};
use crate::scratch_disk::ScratchDisk;
use crate::session::Session;
use crate::source::{BundleSource, shown};

/// Checks what was named.
pub fn run(session: &Session, args: &Verify) -> Result<(), Failure> {
    let verified = match (&args.file, args.slot) {
        (Some(file), _) => bundle(session, file, args).map_err(|failure| named(failure, &shown(file)))?,
        (None, Some(id)) => slot(session, id).map_err(|failure| named(failure, &format!("slot {id}")))?,
        (None, None) => return Err(open_device::no_slot("cannot verify")),
    };
    session.output.result(&verified)
}

fn named(failure: Failure, what: &str) -> Failure {
    if failure.code == Exit::Usage { failure } else { failure.doing(format!("{what} does not verify")) }
}

#[derive(Serialize)]
struct Checked {
    /// The bundle; `None` for a slot.
    file: Option<String>,
    slot: Option<String>,
    version: String,
    manifest_digest: String,
    signed_by: Vec<String>,
    checked_bytes: u64,
    /// Whether some chunks are made from an old image, and are checked when they are installed; of those, what is carried is right.
    delta: bool,
}

impl Report for Checked {
    fn human(&self) -> String {
        let slot = self.slot.as_ref().map(|slot| format!("slot {slot}"));
        let what = slot.or_else(|| self.file.clone()).unwrap_or_default();
        let (what, version) = (Printable(&what), Printable(&self.version));
        let mut text = format!("{what}: version {version}, {}\n", Size(self.checked_bytes));
        let right = if self.delta {
            "every byte that it carries is right; chunks that are made from the old image are checked when they are installed\nit is"
        } else {
            "every block is right, and"
        };
        text += &format!("{right} signed by {}\n", self.signed_by.join(", "));
        text
    }
}

/// Reads a bundle to its end. A profile is not needed: only the keys decide.
fn bundle(session: &Session, file: &Path, args: &Verify) -> Result<Checked, Failure> {
    let anchors = session.anchors_without_profile()?;
    let mut source = BundleSource::open(file, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let unverified = read.map_err(|fault| source.explained(Error::<OsError>::from(fault).into()))?;
    let refused = |broken| source.signed_by(&anchors, None, Error::<OsError>::Bundle(broken).into());
    let verified = unverified.verify(&anchors).map_err(refused)?;
    // Read by `update` alone, which would refuse it.
    Rollout::of(verified.manifest()).map_err(refused)?;
    // And this by `pack` alone.
    Pack::of(&verified).map_err(refused)?;
    source.expects(&verified);
    every_block(session, &verified, &mut source).map_err(|failure| source.explained(failure))?;
    let delta = OldImages::named(verified.manifest()).is_ok_and(|old| !old.is_empty());
    Ok(Checked { file: Some(shown(file)), delta, ..Checked::of(&verified) })
}

/// Reads a bundle from right after its head to its end, and checks every byte.
pub fn every_block(session: &Session, verified: &Verified<'_>, source: &mut impl Source) -> Result<(), Failure> {
    let geometries = verified.manifest().payloads().iter().map(|payload| payload.geometry());
    let (mut scratch, extents) = ScratchDisk::for_images(geometries);
    let mut watch = Watch::new(&session.output, &session.interrupt);
    open_device::with_tools(&mut watch, |buffers, tools| {
        install::rehearse(&mut scratch, verified, &extents, source, buffers, tools)
    })?;
    watch.finish();
    Ok(())
}

/// Reads a slot, every byte of image and hash tree.
fn slot(session: &Session, id: SlotId) -> Result<Checked, Failure> {
    let (_, mut opened, survey) = OpenDevice::begin(session, Mode::ReadOnly)?;
    let slot = survey.slots.get(id).map_err(Error::<OsError>::from)?.clone();
    let mut trailer = Box::new([0; libupdate::region::trailer::TRAILER_BYTES]);
    let view = opened.view;
    let (disk, memory) = opened.disk_and_memory();
    let verified = match inspect::trailer(disk, &slot, &view, &mut trailer, [memory.block, memory.other])? {
        SlotTrailer::Valid(verified, _) => verified,
        SlotTrailer::NotAuthentic(kind) => return Err(Error::<OsError>::Slot(kind).into()),
        SlotTrailer::Mark(_) => {
            let why = "an installation into it was not finished, or was taken back";
            return Err(Failure::new(
                Exit::NotAuthentic,
                "",
                why,
                "run the installation again: what is right already is not written again",
            ));
        }
        SlotTrailer::Nothing => {
            return Err(Failure::new(Exit::NotAuthentic, "", "nothing is installed there", "install a bundle"));
        }
    };
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let checked = Checked { slot: Some(id.to_string()), ..Checked::of(&verified) };
    let total = opened.long_act(|device, room, work| device.check(id, room, work, &mut watch))?;
    watch.finish();
    Ok(Checked { checked_bytes: total.get(), ..checked })
}

impl Checked {
    fn of(verified: &Verified<'_>) -> Self {
        let manifest = verified.manifest();
        let bytes = manifest.payloads().iter().map(|payload| payload.geometry().image_blocks_bytes());
        Self {
            file: None,
            slot: None,
            version: manifest.version().to_string(),
            manifest_digest: verified.digest().to_string(),
            signed_by: verified.signers().iter().map(ToString::to_string).collect(),
            checked_bytes: bytes.map(ByteLen::get).sum(),
            delta: false,
        }
    }
}
