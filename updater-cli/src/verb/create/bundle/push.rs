//! `bundle push`: a bundle into an OCI registry.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use libupdate::ByteLen;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::cli::create::Push;
use crate::exit::{Exit, Failure};
use crate::output::{Printable, Progress, Report, Size, Step};
use crate::session::Session;
use crate::source::{self, local, shown};

/// Sends it, and names it.
pub fn run(session: &Session, args: &Push) -> Result<(), Failure> {
    let file = source::open(&args.file)?;
    if !source::begins_a_bundle(&args.file, &file)? {
        let what = format!("cannot push {}", args.file.display());
        return Err(Failure::new(Exit::Usage, what, "it is no bundle", "make one with `bundle create`"));
    }
    let size = local::len(&args.file, &file)?;
    let digest = digest(session, &args.file, &file, size)?;
    let manifest = send(session, args, &file, (&digest, size))?;
    let reference = shown(&args.to);
    session.output.done(&Pushed { reference, artifact_digest: manifest, bundle_digest: digest, bundle_bytes: size });
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
    let digits: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{digits}"))
}

fn send(session: &Session, args: &Push, file: &File, (digest, size): (&str, u64)) -> Result<String, Failure> {
    let progress = session.output.progress("push", ByteLen::new(size));
    let mut body = Watched { file, session, progress, done: 0 };
    let pushed = source::push(&mut body, (digest, size), &args.to, &args.fetch, session);
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
