//! The older release that a delta refers to.
//!
//! | OLD | its images |
//! |---|---|
//! | an image | itself, without a role |
//! | an image with its detached head beside it | itself, with the role, salt and root hash of the head |
//! | a bundle | what it carries, unpacked into a nameless file |
//!
//! Who signed a bundle is not asked: a delta names the root hash of the image that it refers to, and devices compare it.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use libupdate::bundle::delta::OldImages;
use libupdate::bundle::writer::{LocalKey, Sealed, Signer as _, WriteError};
use libupdate::bundle::{Anchors, Features, Unverified, UpdaterVersion};
use libupdate::install;
use libupdate::manifest::{Manifest, Payload};
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{ByteLen, Error, RootHash};
use libupdate_linux::OsError;

use self::unpacked::UnpackedDisk;
use super::image;
use crate::delta::ImageFile;
use crate::exit::{Exit, Failure};
use crate::open_device;
use crate::output::Watch;
use crate::session::Session;
use crate::source::{self, BundleSource, local};

mod unpacked;

/// An image of the older release.
#[derive(Debug)]
pub struct OldPayload {
    /// What its manifest says of it; `None` for an image without one.
    pub stated: Option<Stated>,
    /// Its bytes.
    pub image: ImageFile,
}

/// What a manifest says of an image.
#[derive(Debug)]
pub struct Stated {
    /// The role of the partition it is for.
    pub role: String,
    /// Salt of its hash tree.
    pub salt: Vec<u8>,
    /// The root of it.
    pub root_hash: RootHash,
}

/// Opens what the user named. What a pipe brings, or a bundle carries, is put into a nameless file first.
pub fn open(session: &Session, path: &Path) -> Result<Vec<OldPayload>, Failure> {
    let (file, len) = image::image(path, &session.interrupt)?;
    if source::begins_a_bundle(path, &file)? {
        return unpacked(session, path, file);
    }
    let image = ImageFile { file, start: 0, len: ByteLen::new(len) };
    let head = source::head_of(path);
    if !local::stays(path) || !head.exists() {
        return Ok(vec![OldPayload { stated: None, image }]);
    }
    let mut source = BundleSource::of_file(&head, source::open(&head)?, session);
    let mut envelope = Box::new([0; ENVELOPE_BYTES]);
    let (manifest, _) = manifest(&mut source, &mut envelope)?;
    let payload = manifest.payloads().first().filter(|payload| payload.image_len() == image.len);
    let payload = payload.ok_or_else(|| {
        let why = format!("{} is the head of another image: the lengths differ", head.display());
        Failure::new(Exit::NotAuthentic, local::what(path), why, "make the head again, or move it away")
    })?;
    Ok(vec![OldPayload { stated: Some(Stated::of(&payload)), image }])
}

impl Stated {
    fn of(payload: &Payload<'_>) -> Self {
        let (salt, root_hash) = (payload.salt().as_bytes().to_vec(), payload.root_hash());
        Self { role: payload.role().to_string(), salt, root_hash }
    }
}

/// The manifest of an older release, which must be a full one.
fn manifest<'b>(
    source: &mut BundleSource,
    buf: &'b mut [u8; ENVELOPE_BYTES],
) -> Result<(Manifest<'b>, Features), Failure> {
    let read = Unverified::read(source, buf).and_then(|read| Ok((read.danger_manifest()?, read.prefix().features())));
    let (manifest, features) = read.map_err(|fault| source.explained(Error::<OsError>::from(fault).into()))?;
    if OldImages::named(&manifest).is_ok_and(|old| old.is_empty()) {
        return Ok((manifest, features));
    }
    let next = "give the full bundle of that release";
    Err(Failure::new(Exit::Usage, "", "it is a delta itself, and does not have all of its image", next))
}

/// The images of a bundle, every block of which is checked on the way.
fn unpacked(session: &Session, path: &Path, file: File) -> Result<Vec<OldPayload>, Failure> {
    let mut source = BundleSource::of_file(path, file, session);
    let mut envelope = Box::new([0; ENVELOPE_BYTES]);
    let (manifest, features) = manifest(&mut source, &mut envelope)?;
    // An installation takes only what somebody signed.
    let (envelope, anchors) = signed_by_anybody(&manifest, features).map_err(|error| unsound(&error))?;
    let verified = Unverified::parse(envelope.envelope()).map_err(|error| unsound(&error))?;
    let verified = verified.verify(&anchors).map_err(|error| unsound(&error))?;
    let geometries = manifest.payloads().iter().map(|payload| payload.geometry());
    let (mut disk, extents) = UnpackedDisk::for_images(geometries)?;
    let mut watch = Watch::new(&session.output, &session.interrupt);
    let rehearsed = open_device::with_tools(&mut watch, |buffers, tools| {
        install::rehearse(&mut disk, &verified, &extents, &mut source, buffers, tools)
    });
    rehearsed.map_err(|failure| source.explained(failure))?;
    watch.finish();
    let payloads = manifest.payloads().iter().zip(&extents).map(|(payload, extent)| {
        let image = ImageFile { file: disk.file()?, start: unpacked::offset(extent.first()), len: payload.image_len() };
        Ok(OldPayload { stated: Some(Stated::of(&payload)), image })
    });
    payloads.collect()
}

fn signed_by_anybody(manifest: &Manifest<'_>, features: Features) -> Result<(Sealed, Anchors), WriteError> {
    let key =
        LocalKey::from_scalar(&[1; 32]).map_err(|error| WriteError::Signer(io::Error::other(error.to_string())))?;
    let anchors = Anchors::new(&[*key.public_key()], NonZeroUsize::MIN);
    let anchors = anchors.map_err(|error| WriteError::Signer(io::Error::other(error.to_string())))?;
    let sealed = Sealed::with_features(manifest, UpdaterVersion::OLDEST, features)?;
    Ok((sealed.signed_by(&[&key])?, anchors))
}

fn unsound(error: &dyn Display) -> Failure {
    Failure::new(Exit::NotAuthentic, "", error, "fetch or make it again")
}
