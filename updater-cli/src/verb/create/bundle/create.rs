//! `bundle create`: images into one signed bundle, or a detached head beside an image. A signal ends it, with nothing left behind.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use libupdate::bundle::UpdaterVersion;
use libupdate::bundle::writer::{self, BundleSpec, Carriage, Image, LocalKey, Signer, Tools, Written};
use libupdate::manifest::Name;
use libupdate::{ByteLen, Salt, UnixSeconds};
use libupdate_linux::Interrupt;
use libupdate_linux::keys;
use serde::Serialize;

use super::image;
use crate::cli::create::{BundleCreate, CompressionOption};
use crate::cores;
use crate::exit::{self, Exit, Failure};
use crate::new_file::{Existing, NewFile};
use crate::output::{Printable, Report, Size, Step};
use crate::session::Session;
use crate::source;
use crate::zstd::pack::{Contexts, Packer};

/// The role of `--image`.
const ROOT: &str = "root";

/// Makes the bundle; an existing file is replaced only when asked to, and only by a complete one.
pub fn run(session: &Session, args: &BundleCreate) -> Result<(), Failure> {
    let images = images(args)?;
    let out = output(args, &images)?;
    let what = format!("cannot make {}", out.display());
    let salt = args.salt.as_deref().map(hex).transpose()?;
    let spec = spec(args).map_err(|failure| failure.doing(&what))?;
    let keys = args.key.iter().map(|path| local_key(path)).collect::<Result<Vec<_>, _>>()?;
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| -> &dyn Signer { key }).collect();
    let existing = if args.force { Existing::Replaced } else { Existing::Stays };
    let mut new = NewFile::begin(&out, existing, &session.interrupt)?;
    let written = write(session, args, &spec, &images, salt.as_deref(), &signers, new.file())
        .map_err(|failure| failure.doing(&what))?;
    let went = new.commit()?;
    if keys.is_empty() {
        session.output.warn("the bundle is not signed; see `bundle digest` and `bundle attach-signature`");
    }
    let created = Created {
        file: out.display().to_string(),
        file_bytes: written.len.get(),
        manifest_digest: written.digest.to_string(),
        signatures: keys.len(),
    };
    session.output.done_after(went, &created);
    Ok(())
}

fn local_key(path: &Path) -> Result<LocalKey, Failure> {
    let secret = keys::private(path)?;
    let what = format!("cannot use the private key {}", path.display());
    LocalKey::from_scalar(&secret.to_bytes().into())
        .map_err(|fault| Failure::new(Exit::Usage, what, fault, "make another with `keygen`"))
}

/// Role and file of each payload.
fn images(args: &BundleCreate) -> Result<Vec<(&str, &Path)>, Failure> {
    let root = args.image.as_deref().map(|file| (ROOT, file));
    let others = args.payload.iter().map(|(role, file)| (role.as_str(), file.as_path()));
    let images: Vec<_> = root.into_iter().chain(others).collect();
    match (images.as_slice(), args.detached, args.compression) {
        ([], ..) => Err(usage("there is no image", "give --image FILE, or --payload ROLE=FILE")),
        (several, ..) if several.iter().filter(|(_, file)| *file == Path::new("-")).count() > 1 => {
            Err(usage("two images cannot both be read from stdin", "give the others as files"))
        }
        ([(_, file)], true, _) if !source::local::stays(file) => Err(usage(
            "a detached head is for an image in a file, and a pipe is gone once it is read",
            "leave out --detached",
        )),
        ([_, _, ..], true, _) => Err(usage("a detached head is for one image", "leave out --detached")),
        (_, true, CompressionOption::Zstd) => {
            Err(usage("an image with a detached head is carried as it is", "leave out --compression or --detached"))
        }
        _ => Ok(images),
    }
}

fn usage(why: &str, next: &str) -> Failure {
    Failure::new(Exit::Usage, "cannot make a bundle", why, next)
}

fn output(args: &BundleCreate, images: &[(&str, &Path)]) -> Result<PathBuf, Failure> {
    match (&args.output, images.first()) {
        (Some(out), _) => Ok(out.clone()),
        (None, Some((_, image))) => Ok(source::head_of(image)),
        (None, None) => Err(usage("there is no output", "give -o FILE")),
    }
}

fn spec(args: &BundleCreate) -> Result<BundleSpec<'_>, Failure> {
    let name = |text| {
        Name::new(text)
            .map_err(|kind| Failure::new(Exit::Usage, "", kind, format!("change {text:?}, at most 64 characters")))
    };
    Ok(BundleSpec {
        compatibles: args.compatible.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
        version: name(&args.version)?,
        rollback_index: args.rollback_index,
        build_time: build_time()?,
        extensions: Vec::new(),
        minimum_updater: UpdaterVersion::OLDEST,
    })
}

/// Reproducible: the moment that the build says, never the clock.
fn build_time() -> Result<UnixSeconds, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(UnixSeconds::UNKNOWN) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    seconds.map(UnixSeconds::new).ok_or_else(|| usage("SOURCE_DATE_EPOCH is no number of seconds", "set or unset it"))
}

fn hex(text: &str) -> Result<Vec<u8>, Failure> {
    let wrong = || usage("--salt is not an even number of hex digits, 256 bytes at most", "give hex, or leave it out");
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.filter(|bytes| Salt::new(bytes).is_some()).ok_or_else(wrong)
}

fn write(
    session: &Session,
    args: &BundleCreate,
    spec: &BundleSpec<'_>,
    images: &[(&str, &Path)],
    salt: Option<&[u8]>,
    signers: &[&dyn Signer],
    out: &mut File,
) -> Result<Written, Failure> {
    let contexts = Contexts::default();
    let mut packers: Vec<_> = images.iter().map(|_| Packer::new(&contexts, &session.interrupt)).collect();
    let mut inputs = Vec::new();
    for ((role, path), packer) in images.iter().zip(&mut packers) {
        let (file, len) = image::image(path, &session.interrupt)?;
        let role =
            Name::new(role).map_err(|kind| Failure::new(Exit::Usage, "", kind, format!("change the role {role:?}")))?;
        let carriage = match args.compression {
            CompressionOption::None => Carriage::Raw,
            CompressionOption::Zstd => Carriage::Zstd(packer),
        };
        inputs.push(Image {
            role,
            len: ByteLen::new(len),
            source: Stoppable { file: source::Carried::new(file, None), interrupt: &session.interrupt },
            salt: salt.and_then(Salt::new),
            carriage,
        });
    }
    let total = inputs.iter().map(|input| input.len.get()).sum();
    let mut progress = session.output.progress("bundle", ByteLen::new(total));
    let mut tell = |done| progress.at(Step { done, ..Step::default() });
    let mut tools = Tools { hasher: cores::hasher(), progress: &mut tell };
    let written = match inputs.as_mut_slice() {
        [image] if args.detached => writer::write_detached_head(spec, image, signers, out, &mut tools),
        images => writer::write(spec, images, signers, out, &mut tools),
    };
    let written = written.map_err(|error| not_written(&error, &session.interrupt))?;
    progress.finish();
    Ok(written)
}

/// An image whose bytes end with an error where somebody asked to stop.
struct Stoppable<'i> {
    file: source::Carried,
    interrupt: &'i Interrupt,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // Not `ErrorKind::Interrupted`, after which who reads tries again.
        if self.interrupt.requested() { Err(io::Error::other("interrupted")) } else { self.file.read(buf) }
    }
}

fn not_written(error: &writer::WriteError, interrupt: &Interrupt) -> Failure {
    use writer::WriteError as E;
    let (code, next) = match error {
        E::Image { .. } | E::Compressor(_) if interrupt.requested() => {
            return Failure::new(Exit::Interrupted, "", "interrupted", "run the same command again, it begins anew");
        }
        E::Image { .. } => (Exit::Io, "check the image"),
        E::ImageLength { .. } => (Exit::Io, "make the bundle when nothing writes to the image any more"),
        E::Output(cause) => exit::no_room(cause).unwrap_or((Exit::Io, "check where the bundle goes")),
        E::Signer(_) | E::NotItsSignature => (Exit::NotAuthentic, "check the key and the signature"),
        _ => (Exit::Usage, "see docs/FORMAT.md for the limits of a bundle"),
    };
    Failure::new(code, "", error, next)
}

#[derive(Serialize)]
struct Created {
    file: String,
    file_bytes: u64,
    manifest_digest: String,
    signatures: usize,
}

impl Report for Created {
    fn human(&self) -> String {
        format!("{}  {}\nmanifest digest  {}\n", Printable(&self.file), Size(self.file_bytes), self.manifest_digest)
    }
}
