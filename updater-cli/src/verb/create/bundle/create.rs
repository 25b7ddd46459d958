//! `bundle create`: images into one signed bundle, or a detached head beside an image. A signal ends it, with nothing left behind.

use std::fs::File;
use std::io::{self, Read};
use std::iter;
use std::path::{Path, PathBuf};

use libupdate::bundle::UpdaterVersion;
use libupdate::bundle::delta::FULL_BUNDLE;
use libupdate::bundle::frame::Frames;
use libupdate::bundle::pack::PACK;
use libupdate::bundle::rollout::ROLLOUT;
use libupdate::bundle::writer::{self, BundleSpec, Carriage, Image, LocalKey, Signer, Tools, Written};
use libupdate::manifest::{Extension, Name};
use libupdate::{ByteLen, RootHash, Salt, UnixSeconds};
use libupdate_linux::keys;
use libupdate_linux::{Interrupt, Lending};
use serde::Serialize;

use super::delta::{self, OldPayloads};
use super::image;
use super::pack;
use crate::cli::create::{BundleCreate, CompressionOption};
use crate::cores;
use crate::delta::{self as delta_of, OldImage};
use crate::exit::{self, Exit, Failure};
use crate::new_file::{Existing, NewFile};
use crate::output::{Printable, Report, Size, Step};
use crate::session::Session;
use crate::source::{self, local::STDIN};
use crate::zstd::pack::{Contexts, Packer};

/// The role of `--image`.
pub const ROOT: &str = "root";

/// Makes the bundle, or one for each older release; an existing file is replaced only when asked to, and only by a complete one.
pub fn run(session: &Session, args: &BundleCreate) -> Result<(), Failure> {
    let images = images(args)?;
    let out = output(args, &images)?;
    let what = format!("cannot make {}", out.display());
    let rollout = args.rollout.map(|rollout| rollout.thousandths().to_le_bytes());
    let pack = pack::extension(args).map_err(|failure| failure.doing(&what))?;
    let spec = spec(args, rollout.as_ref(), pack.as_deref()).map_err(|failure| failure.doing(&what))?;
    let salts = salts(args, &spec, &images).map_err(|failure| failure.doing(&what))?;
    let keys = args.key.iter().map(|path| local_key(path)).collect::<Result<Vec<_>, _>>()?;
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| -> &dyn Signer { key }).collect();
    let existing = if args.force { Existing::Replaced } else { Existing::Stays };
    let mut inputs = Vec::new();
    for (old, out) in outputs(args, &out)? {
        let doing = |failure: Failure| failure.doing(format!("cannot make {}", out.display()));
        let mut new = NewFile::begin(&out, existing, &session.interrupt)?;
        // What comes from a pipe comes once.
        if inputs.is_empty() {
            inputs = open(session, &images, &salts).map_err(doing)?;
        }
        let written = write(session, args, &spec, &inputs, old, &signers, new.file()).map_err(doing)?;
        let went = new.commit()?;
        let created = Created {
            file: out.display().to_string(),
            file_bytes: written.len.get(),
            manifest_digest: written.digest.to_string(),
            signatures: keys.len(),
        };
        session.output.done_after(went, &created);
    }
    if keys.is_empty() {
        session.output.warn("the bundle is not signed; see `bundle digest` and `bundle attach-signature`");
    }
    Ok(())
}

/// What each bundle is a delta from, if it is one, and its file.
fn outputs<'a>(args: &'a BundleCreate, out: &Path) -> Result<Vec<(Option<&'a Path>, PathBuf)>, Failure> {
    if args.delta_from.is_empty() {
        return Ok(vec![(None, out.to_owned())]);
    }
    Ok(delta::outputs(args, out)?.into_iter().map(|(old, file)| (Some(old), file)).collect())
}

fn local_key(path: &Path) -> Result<LocalKey, Failure> {
    let secret = keys::private(path)?;
    let what = format!("cannot use the private key {}", path.display());
    LocalKey::from_scalar(&secret.to_bytes().into())
        .map_err(|fault| Failure::new(Exit::Usage, what, fault, "make another with `keygen`"))
}

/// Role and file of each payload.
fn images(args: &BundleCreate) -> Result<Vec<(&str, &Path)>, Failure> {
    let root = args.image.as_deref().map(|file| (args.pack.as_deref().unwrap_or(ROOT), file));
    let others = args.payload.iter().map(|(role, file)| (role.as_str(), file.as_path()));
    let images: Vec<_> = root.into_iter().chain(others).collect();
    let pipes = images.iter().map(|(_, file)| *file).chain(args.delta_from.iter().map(PathBuf::as_path));
    match (images.as_slice(), args.detached, args.compression) {
        ([], ..) => Err(usage("there is no image", "give --image FILE, or --payload ROLE=FILE")),
        _ if pipes.filter(|file| *file == Path::new(STDIN)).count() > 1 => {
            Err(usage("two images cannot both be read from stdin", "give the others as files"))
        }
        ([(_, file)], true, _) if !source::local::stays(file) => Err(usage(
            "a detached head is for an image in a file, and a pipe is gone once it is read",
            "leave out --detached",
        )),
        ([_, _, ..], true, _) => Err(usage("a detached head is for one image", "leave out --detached")),
        (_, true, Some(CompressionOption::Zstd)) => {
            Err(usage("an image with a detached head is carried as it is", "leave out --compression or --detached"))
        }
        (_, _, Some(CompressionOption::None)) if args.frame_size.is_some() => {
            Err(usage("what is not compressed has no frames", "leave out --frame-size, or give --compression zstd"))
        }
        (_, _, Some(CompressionOption::None)) if !args.delta_from.is_empty() => {
            Err(usage("a delta is always compressed", "leave out --compression or --delta-from"))
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

fn spec<'a>(
    args: &'a BundleCreate,
    rollout: Option<&'a [u8; 2]>,
    pack: Option<&'a [u8]>,
) -> Result<BundleSpec<'a>, Failure> {
    let name = |text| {
        Name::new(text)
            .map_err(|kind| Failure::new(Exit::Usage, "", kind, format!("change {text:?}, at most 64 characters")))
    };
    let full = args.full.as_deref().map(name).transpose()?;
    let full = full.map(|name| Extension::new(FULL_BUNDLE, name.as_str().as_bytes())).transpose();
    let full = full.map_err(|kind| Failure::new(Exit::Usage, "", kind, "give a shorter --full"))?;
    let rollout = rollout.map(|bytes| Extension::new(ROLLOUT, bytes)).transpose();
    let rollout = rollout.map_err(|kind| Failure::new(Exit::Usage, "", kind, "give another --rollout"))?;
    let pack = pack.map(|bytes| Extension::new(PACK, bytes)).transpose();
    let pack = pack.map_err(|kind| Failure::new(Exit::Usage, "", kind, "give shorter names, or fewer"))?;
    Ok(BundleSpec {
        compatibles: args.compatible.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
        version: name(&args.version)?,
        rollback_index: args.rollback_index,
        build_time: build_time()?,
        extensions: full.into_iter().chain(rollout).chain(pack).collect(),
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

/// The salt of each image: the one that was given, or the default of its role.
fn salts(args: &BundleCreate, spec: &BundleSpec<'_>, images: &[(&str, &Path)]) -> Result<Vec<Vec<u8>>, Failure> {
    let given = args.salt.as_deref().map(hex).transpose()?;
    let default = |role: &str| {
        let role = role_name(role)?;
        let digest = spec.compatibles.first().map(|compatible| writer::default_salt(*compatible, role));
        Ok(digest.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default())
    };
    images.iter().map(|(role, _)| given.clone().map_or_else(|| default(role), Ok)).collect()
}

fn role_name(role: &str) -> Result<Name<'_>, Failure> {
    Name::new(role).map_err(|kind| Failure::new(Exit::Usage, "", kind, format!("change the role {role:?}")))
}

/// An image that is open.
struct Input<'a> {
    role: Name<'a>,
    salt: Salt<'a>,
    file: File,
    len: ByteLen,
}

fn open<'a>(session: &Session, images: &[(&'a str, &Path)], salts: &'a [Vec<u8>]) -> Result<Vec<Input<'a>>, Failure> {
    let input = |((role, path), salt): (&(&'a str, &Path), &'a Vec<u8>)| {
        let (file, len) = image::image(path, &session.interrupt)?;
        let salt = Salt::new(salt).ok_or_else(|| usage("a salt is too long", "give 256 bytes at most"))?;
        Ok(Input { role: role_name(role)?, salt, file, len: ByteLen::new(len) })
    };
    images.iter().zip(salts).map(input).collect()
}

/// How an image is carried.
enum Way<'w> {
    Raw,
    Zstd(Packer<'w>),
    Hinted(Packer<'w>, Frames),
    Delta(RootHash, delta_of::Packer<'w>),
}

impl<'w> Way<'w> {
    fn of(
        salt: Salt<'w>,
        old: Option<&'w OldImage>,
        (compression, hints): (Option<CompressionOption>, Option<Frames>),
        (contexts, interrupt): (&'w Contexts, &'w Interrupt),
    ) -> Self {
        match (old, compression, hints) {
            (None, Some(CompressionOption::Zstd), Some(frames)) => {
                Self::Hinted(Packer::new(contexts, interrupt), frames)
            }
            (Some(old), ..) => Self::Delta(old.root_hash(), delta_of::Packer::new(old, salt, contexts, interrupt)),
            (None, Some(CompressionOption::Zstd), None) => Self::Zstd(Packer::new(contexts, interrupt)),
            (None, ..) => Self::Raw,
        }
    }

    const fn carriage(&mut self) -> Carriage<'_> {
        match self {
            Self::Raw => Carriage::Raw,
            Self::Zstd(packer) => Carriage::Zstd(packer),
            Self::Hinted(packer, frames) => Carriage::Hinted(packer, *frames),
            Self::Delta(old, packer) => Carriage::Delta { old: *old, compressor: packer },
        }
    }
}

fn write(
    session: &Session,
    args: &BundleCreate,
    spec: &BundleSpec<'_>,
    inputs: &[Input<'_>],
    old: Option<&Path>,
    signers: &[&dyn Signer],
    out: &mut File,
) -> Result<Written, Failure> {
    let payloads: Vec<_> = inputs.iter().map(|input| (input.role.as_str(), input.salt)).collect();
    let from = old.map(|old| OldPayloads::open(session, old, &payloads)).transpose()?;
    let before = from.as_ref().map_or(0, OldPayloads::len);
    let total: u64 = inputs.iter().map(|input| input.len.get()).sum();
    let mut progress = session.output.progress("bundle", ByteLen::new(total.saturating_add(before)));
    let mut tell = |done| progress.at(Step { done, ..Step::default() });
    let hints = (!args.no_hints).then_some(args.frame_size.unwrap_or_default());
    let compression = (if from.is_some() { Some(CompressionOption::Zstd) } else { args.compression }, hints);
    let olds = from.map(|old| old.read(session, &payloads, &mut tell)).transpose()?.unwrap_or_default();
    let contexts = Contexts::default();
    let old_of_each = olds.iter().map(Option::as_ref).chain(iter::repeat(None));
    let tools = (&contexts, &session.interrupt);
    let salts = inputs.iter().map(|input| input.salt);
    let mut ways: Vec<_> = salts.zip(old_of_each).map(|(salt, old)| Way::of(salt, old, compression, tools)).collect();
    let mut images = inputs
        .iter()
        .zip(&mut ways)
        .map(|(input, way)| input.image(way, &session.interrupt))
        .collect::<Result<Vec<_>, _>>()?;
    let mut tell_new = |done: ByteLen| tell(ByteLen::new(done.get().saturating_add(before)));
    let mut tools = Tools { hasher: cores::hasher(), progress: &mut tell_new };
    let written = match images.as_mut_slice() {
        [image] if args.detached => writer::write_detached_head(spec, image, signers, out, &mut tools),
        images => writer::write(spec, images, signers, out, &mut tools),
    };
    let written = written.map_err(|error| not_written(&error, &session.interrupt))?;
    progress.finish();
    Ok(written)
}

impl<'a> Input<'a> {
    /// For the writer. Each time from its front: nothing moves the file's own position.
    fn image<'w>(
        &self,
        way: &'w mut Way<'_>,
        interrupt: &'w Interrupt,
    ) -> Result<Image<'a, 'w, Stoppable<'w>>, Failure> {
        let file = self.file.try_clone().map_err(|error| usage(&error.to_string(), "run it again"))?;
        Ok(Image {
            role: self.role,
            len: self.len,
            source: Stoppable { file: source::Carried::new(file, None, &Lending::default()), interrupt },
            salt: Some(self.salt),
            carriage: way.carriage(),
        })
    }
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
