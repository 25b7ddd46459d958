//! `offline prepare`: a bundle is stored while every byte of it is checked, and then there is a request for it.

use libupdate::Error;
use libupdate::bundle::Unverified;
use libupdate::install::Source as _;
use libupdate::policy;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate_linux::{Mode, OsError};

use super::Status;
use super::folder::{Folder, Request};
use super::links::{self, Links};
use super::tee::Tee;
use crate::cli::offline::Prepare;
use crate::exit::{self, Exit, Failure};
use crate::open_device::OpenDevice;
use crate::session::{Session, Setup};
use crate::source::{BundleSource, shown};
use crate::verb::install::{self as installation, Aim};
use crate::verb::verify;

/// Stores, checks, and asks for nothing yet.
pub fn run(session: &Session, args: Prepare) -> Result<(), Failure> {
    let what = format!("cannot prepare {}", shown(&args.source));
    prepare(session, args).map_err(|failure| failure.doing(what))?;
    session.output.done(&Status::read()?);
    Ok(())
}

fn prepare(session: &Session, args: Prepare) -> Result<(), Failure> {
    let device = session.setup()?;
    let mut opened = OpenDevice::open(session, &device, Mode::ReadOnly)?.for_an_act();
    if opened.is_file() {
        let next = "run it on the device, in the system that runs there";
        return Err(Failure::new(Exit::Usage, "", "no system runs from a disk image file", next));
    }
    policy::no_trial_runs(&opened.inspect(session)?.facts).map_err(Error::<OsError>::from)?;
    // Nothing of the disk is held while a server is waited for.
    drop(opened);
    let folder = Folder::usual();
    let _lock = folder.lock()?;
    // What was asked for before is not meant any more.
    Links::usual().remove_ours().map_err(|error| links::unusable(&error))?;
    folder.forget()?;
    let stored = store(session, &args, &device, &folder);
    // What is not whole takes no room.
    stored.inspect_err(|_| drop(folder.forget()))
}

fn store(session: &Session, args: &Prepare, device: &Setup, folder: &Folder) -> Result<(), Failure> {
    let mut source = BundleSource::open(&args.source, &args.fetch, session)?;
    let file = folder.begin_bundle()?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let mut tee = Tee::new(&mut source, &file);
    let stored = check(session, device, &mut tee, &mut head);
    let (bytes, fault) = (tee.bytes, tee.fault.take());
    let (version, digest) = stored.map_err(|failure| match fault {
        Some(error) => full(&error),
        None => source.explained_to(device, failure),
    })?;
    // By the very act that will install it.
    let aim =
        Aim { source: folder.new_bundle(), allow_downgrade: args.allow_downgrade, retry_failed: args.retry_failed };
    installation::judge(session, &aim)?;
    let request = Request {
        from: shown(&args.source),
        version,
        manifest_digest: digest,
        bundle_bytes: bytes,
        allow_downgrade: args.allow_downgrade,
        retry_failed: args.retry_failed,
        prepared: crate::time::rfc3339(libupdate_linux::time::now()),
    };
    folder.store(&file, &request)
}

/// Signatures, board, and every block: the version and the digest of its manifest.
fn check(
    session: &Session,
    device: &Setup,
    tee: &mut Tee<'_>,
    head: &mut [u8; ENVELOPE_BYTES],
) -> Result<(String, String), Failure> {
    let unverified = Unverified::read(tee, head).map_err(Error::<OsError>::from)?;
    let verified = unverified.verify(device.anchors).map_err(Error::<OsError>::Bundle)?;
    policy::a_release::<OsError>(&verified)?;
    policy::compatible(&verified, &device.profile.compatible).map_err(Error::<OsError>::Rejected)?;
    tee.expects(&verified);
    verify::every_block(session, &verified, tee)?;
    Ok((verified.manifest().version().to_string(), verified.digest().to_string()))
}

fn full(error: &std::io::Error) -> Failure {
    let (code, next) =
        exit::no_room(error).unwrap_or((Exit::Io, "see the kernel log (dmesg), then run the same command again"));
    Failure::new(code, "", format!("it cannot be stored in {}: {error}", super::folder::FOLDER), next)
}
