//! `bundle push`: a bundle into an OCI registry.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use libupdate::bundle::Unverified;
use libupdate::manifest::{Encoding, Payload};
use libupdate::units::bytes::len_u64;
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{ByteLen, Digest, Error};
use libupdate_linux::OsError;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::cli::create::Push;
use crate::exit::{Exit, Failure};
use crate::output::{Printable, Progress, Report, Size, Step};
use crate::session::Session;
use crate::source::{self, BundleSource, Reference, local, shown};

/// Sends it, and names it.
pub fn run(session: &Session, args: &Push) -> Result<(), Failure> {
    let reference = source::destination(&args.to)?;
    let file = source::open(&args.file)?;
    if !source::begins_a_bundle(&args.file, &file)? {
        let what = format!("cannot push {}", args.file.display());
        return Err(Failure::new(Exit::Usage, what, "it is no bundle", "make one with `bundle create`"));
    }
    let size = local::len(&args.file, &file)?;
    whole(session, args, &file, size)?;
    let digest = digest(session, &args.file, &file, size)?;
    let manifest = send(session, (args, reference), &file, (&digest, size))?;
    let reference = shown(&args.to);
    session.output.done(&Pushed { reference, artifact_digest: manifest, bundle_digest: digest, bundle_bytes: size });
    Ok(())
}

/// Whether a device could install it, as far as the head tells: neither the head of an image alone, nor cut short, and signed.
fn whole(session: &Session, args: &Push, file: &File, size: u64) -> Result<(), Failure> {
    let what = || format!("cannot push {}", args.file.display());
    let copy = file.try_clone().map_err(|error| source::unreadable(&args.file, &error))?;
    let mut source = BundleSource::of_file(&args.file, copy, session);
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head).and_then(|head| Ok((head.danger_manifest()?, head)));
    let (manifest, head) =
        read.map_err(|fault| source.explained(Error::<OsError>::from(fault).into()).doing(what()))?;
    let least = |payload: Payload<'_>| {
        let geometry = payload.geometry();
        let carried = match payload.encoding() {
            Encoding::Raw => geometry.image_blocks_bytes().get(),
            Encoding::Zstd { .. } => 4096,
        };
        geometry.shipped_bytes().get().saturating_add(carried)
    };
    let least = manifest.payloads().iter().map(least).fold(len_u64(head.envelope()), u64::saturating_add);
    if size < least {
        let why =
            format!("it has {size} bytes, and needs {least} at least: it is cut, or the head of an image beside it");
        return Err(Failure::new(Exit::Usage, what(), why, "give a whole bundle, made without --detached"));
    }
    if head.signatures().next().is_none() {
        session.output.warn("the bundle is not signed: no device will take it");
    }
    Ok(())
}

fn digest(session: &Session, path: &Path, file: &File, size: u64) -> Result<String, Failure> {
    let mut progress = session.output.progress("digest", ByteLen::new(size));
    let (mut hasher, mut piece, mut done) = (Sha256::new(), vec![0; 1 << 20], 0_u64);
    let mut reader = file;
    reader.rewind().map_err(|error| source::unreadable(path, &error))?;
    loop {
        if session.interrupt.requested() {
            return Err(stopped(path));
        }
        let got = reader.read(&mut piece).map_err(|error| source::unreadable(path, &error))?;
        if got == 0 {
            break;
        }
        hasher.update(piece.get(..got).unwrap_or_default());
        done = done.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        progress.at(Step { done: ByteLen::new(done), ..Step::default() });
    }
    progress.finish();
    reader.rewind().map_err(|error| source::unreadable(path, &error))?;
    Ok(format!("sha256:{}", Digest::new(hasher.finalize().into())))
}

fn send(
    session: &Session,
    (args, reference): (&Push, Reference),
    file: &File,
    (digest, size): (&str, u64),
) -> Result<String, Failure> {
    let progress = session.output.progress("push", ByteLen::new(size));
    let mut body = Watched { file, session, progress, done: 0 };
    let pushed = source::push(&mut body, (digest, size), (reference, &args.to), &args.server, session);
    if session.interrupt.requested() {
        return Err(stopped(&args.file));
    }
    if pushed.is_ok() {
        body.progress.at(Step { done: ByteLen::new(size), ..Step::default() });
        body.progress.finish();
    }
    pushed
}

/// A file on its way, whose reader a signal stops.
struct Watched<'w> {
    file: &'w File,
    session: &'w Session,
    progress: Progress,
    done: u64,
}

impl Read for Watched<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.session.interrupt.requested() {
            return Err(io::Error::other("stopped by a signal"));
        }
        let got = self.file.read(buf)?;
        self.done = self.done.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        self.progress.at(Step { done: ByteLen::new(self.done), ..Step::default() });
        Ok(got)
    }
}

fn stopped(path: &Path) -> Failure {
    Failure::new(
        Exit::Interrupted,
        format!("cannot push {}", path.display()),
        "stopped by a signal",
        "run the same command again",
    )
}

/// The document of `bundle push --json`.
#[derive(Serialize)]
struct Pushed {
    reference: String,
    /// Of the manifest in the registry: what `@sha256:..` names.
    artifact_digest: String,
    bundle_digest: String,
    bundle_bytes: u64,
}

impl Report for Pushed {
    fn human(&self) -> String {
        format!("{}  {}\ndigest  {}\n", Printable(&self.reference), Size(self.bundle_bytes), self.artifact_digest)
    }
}
