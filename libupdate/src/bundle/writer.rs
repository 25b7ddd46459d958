//! Makes bundles, on a build machine.
//!
//! Each image is read once, front to back, hashed and carried in the same step: what the hash tree covers is what the bundle
//! holds, even if the file changes meanwhile. What is before the chunks is known only after them, so the output is seekable:
//! zeros keep the place of envelope, levels and index pages, and the envelope with its magic is written last. Output that was
//! cut short does not look like a bundle.
//!
//! Memory: one batch of 3 or 4 chunks, however many cores there are, and per GiB of image about 70 KiB of levels and, compressed, 160 KiB of index and 1.5 MiB of hints.
//!
//! ```
//! use libupdate::bundle::writer::{self, BundleSpec, Carriage, Image, LocalKey, Signer as _, Tools};
//! use libupdate::bundle::{Anchors, Unverified, UpdaterVersion};
//! use libupdate::manifest::Name;
//! use libupdate::{ByteLen, SoftHasher, UnixSeconds};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = BundleSpec {
//!     compatibles: vec![Name::new("acme-box")?],
//!     version: Name::new("1.0.0")?,
//!     rollback_index: 1,
//!     build_time: UnixSeconds::UNKNOWN,
//!     extensions: vec![],
//!     minimum_updater: UpdaterVersion::OLDEST,
//! };
//! let source = &b"a very small file system"[..];
//! let image = Image { role: Name::new("root")?, len: ByteLen::new(24), source, salt: None, carriage: Carriage::Raw };
//! let key = LocalKey::from_scalar(&[7; 32])?;
//! let mut out = std::io::Cursor::new(Vec::new());
//! let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
//! let written = writer::write(&spec, &mut [image], &[&key], &mut out, &mut tools)?;
//!
//! let anchors = Anchors::new(&[*key.public_key()], core::num::NonZeroUsize::MIN)?;
//! let mut buf = [0; 8192];
//! let verified = Unverified::read(&mut out.get_ref().as_slice(), &mut buf)?.verify(&anchors)?;
//! assert_eq!(verified.digest(), written.digest);
//! # Ok(())
//! # }
//! ```

use std::io::{Seek, SeekFrom, Write};
use std::vec::Vec;

use crate::bundle::UpdaterVersion;
use crate::bundle::delta::OLD_IMAGES;
use crate::bundle::frame::{FRAME_BLOCKS, Frames};
use crate::manifest::{Encoding, Extension, Manifest, Name, Payload, Statement};
use crate::units::block::ByteLen;
use crate::units::bytes::len_u64;
use crate::units::digest::{BlockHasher, Digest, RootHash, Salt};
use crate::units::limits::ENVELOPE_BYTES;
use crate::units::time::UnixSeconds;

mod carry;
mod delta;
mod der;
mod error;
mod frames;
mod pack;
mod seal;
mod signer;
mod source;
mod tree;

pub use carry::Compressor;
pub use delta::{Body, Codec, DeltaCompressor};
pub use der::{from_der, to_der};
pub use error::WriteError;
pub use pack::PackSpec;
pub use seal::Sealed;
pub use signer::{LocalKey, Signer};

use carry::{Carried, carry, write_zeros};
use source::Source;
use tree::HashedImage;

/// What a bundle says about its release.
#[derive(Clone, Debug)]
pub struct BundleSpec<'a> {
    /// The devices it is for; the first one is in the default salt.
    pub compatibles: Vec<Name<'a>>,
    /// Version of the release.
    pub version: Name<'a>,
    /// The monotonic anti-rollback number.
    pub rollback_index: u64,
    /// `SOURCE_DATE_EPOCH`, or unknown.
    pub build_time: UnixSeconds,
    /// Extensions of the manifest.
    pub extensions: Vec<Extension<'a>>,
    /// The oldest updater that may install it.
    pub minimum_updater: UpdaterVersion,
}

/// One image to be carried.
#[derive(Debug)]
pub struct Image<'a, 'c, R> {
    /// The role of the partition it is for.
    pub role: Name<'a>,
    /// Its exact length.
    pub len: ByteLen,
    /// Its bytes.
    pub source: R,
    /// Salt of its hash tree; without one, [`default_salt`].
    pub salt: Option<Salt<'a>>,
    /// How its chunks are carried.
    pub carriage: Carriage<'c>,
}

/// How the chunks of an image are carried.
#[derive(Debug)]
pub enum Carriage<'c> {
    /// As they are.
    Raw,
    /// Each as the shortest of zero, raw and zstd.
    Zstd(&'c mut dyn Compressor),
    /// The same in [`frames`](crate::bundle::frame), with [`hints`](crate::bundle::hints): devices fetch only those of which none of their slots holds all blocks.
    Hinted(&'c mut dyn Compressor, Frames),
    /// Each as the shortest of these and of what refers to an old image. The manifest then names that image.
    Delta {
        /// Its root hash.
        old: RootHash,
        /// What knows its bytes.
        compressor: &'c mut dyn DeltaCompressor,
    },
}

/// What the writer works with.
pub struct Tools<'t, H> {
    /// Hashes the blocks.
    pub hasher: H,
    /// Is told how many bytes of all images are done.
    pub progress: &'t mut dyn FnMut(ByteLen),
}

/// A bundle, or a detached head, that was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The manifest digest.
    pub digest: Digest,
    /// The envelope, which the output begins with.
    pub envelope: Vec<u8>,
    /// Bytes of the output.
    pub len: ByteLen,
}

/// The salt of an image whose maker chose none: one for each product and role, the same in every release, so that equal blocks
/// of two releases have equal digests.
#[must_use]
pub fn default_salt(compatible: Name<'_>, role: Name<'_>) -> Digest {
    Digest::of(&[compatible.as_str().as_bytes(), &[0], role.as_str().as_bytes()])
}

/// Writes a bundle from the position of `out`, which is left after its end.
///
/// # Errors
/// [`WriteError`]; the output then holds zeros where the envelope would be.
pub fn write<R, W, H>(
    spec: &BundleSpec<'_>,
    images: &mut [Image<'_, '_, R>],
    signers: &[&dyn Signer],
    out: &mut W,
    tools: &mut Tools<'_, H>,
) -> Result<Written, WriteError>
where
    R: std::io::Read,
    W: Write + Seek,
    H: BlockHasher,
{
    let salts = default_salts(spec, images);
    let mut encoded = [0; ENVELOPE_BYTES];
    let head_len = Sealed::len_with(&spec.manifest(&salts, images, &[], &mut encoded)?, signers.len())?;
    let frames = frames::of(images)?;
    let start = out.stream_position().map_err(WriteError::Output)?;
    write_zeros(out, head_len)?;
    let mut done = ByteLen::default();
    let mut carried = Vec::with_capacity(images.len());
    for (image, default) in images.iter_mut().zip(&salts) {
        let source = Source::new(image.role, image.len, &mut image.source, &mut done)?;
        let salt = image.salt.unwrap_or(Salt::from(default));
        carried.push(carry(source, (salt, frames), &mut image.carriage, out, tools)?);
    }
    let end = out.stream_position().map_err(WriteError::Output)?;
    let manifest = spec.manifest(&salts, images, &carried, &mut encoded)?;
    let hinted = images.iter().any(|image| matches!(image.carriage, Carriage::Hinted(..)));
    let sealed = Sealed::hinted(&manifest, spec.minimum_updater, hinted)?.signed_by(signers)?;
    for patch in carried.iter().flat_map(Carried::patches) {
        write_at(out, patch.at, patch.bytes)?;
    }
    write_at(out, start, sealed.envelope())?;
    out.seek(SeekFrom::Start(end)).map_err(WriteError::Output)?;
    Ok(sealed.written(ByteLen::new(end.saturating_sub(start))))
}

/// Writes the detached head of a raw image that stays as it is: head, then image, then zeros to a whole block are the bundle.
///
/// # Errors
/// [`WriteError`]; nothing was written unless it is [`WriteError::Output`].
pub fn write_detached_head<R, W, H>(
    spec: &BundleSpec<'_>,
    image: &mut Image<'_, '_, R>,
    signers: &[&dyn Signer],
    out: &mut W,
    tools: &mut Tools<'_, H>,
) -> Result<Written, WriteError>
where
    R: std::io::Read,
    W: Write,
    H: BlockHasher,
{
    if !matches!(image.carriage, Carriage::Raw) {
        return Err(WriteError::DetachedIsRaw);
    }
    let images = core::slice::from_mut(image);
    let salts = default_salts(spec, images);
    let mut done = ByteLen::default();
    let mut carried = Vec::new();
    for (image, default) in images.iter_mut().zip(&salts) {
        let source = Source::new(image.role, image.len, &mut image.source, &mut done)?;
        let hashed = HashedImage::of(source, image.salt.unwrap_or(Salt::from(default)), tools, |_, _| Ok(()))?;
        carried.push(Carried::raw(hashed));
    }
    let mut encoded = [0; ENVELOPE_BYTES];
    let manifest = spec.manifest(&salts, images, &carried, &mut encoded)?;
    let sealed = Sealed::new(&manifest, spec.minimum_updater)?.signed_by(signers)?;
    let mut len = len_u64(sealed.envelope());
    out.write_all(sealed.envelope()).map_err(WriteError::Output)?;
    for patch in carried.iter().flat_map(Carried::patches) {
        out.write_all(patch.bytes).map_err(WriteError::Output)?;
        len = len.saturating_add(len_u64(patch.bytes));
    }
    Ok(sealed.written(ByteLen::new(len)))
}

impl<'a> BundleSpec<'a> {
    /// The manifest over `images`; with zeros for what is not yet in `carried`, which has no influence on its length.
    fn manifest<'s, 'm, R>(
        &self,
        salts: &'s [Digest],
        images: &[Image<'a, '_, R>],
        carried: &[Carried],
        out: &'m mut [u8; ENVELOPE_BYTES],
    ) -> Result<Manifest<'m>, WriteError>
    where
        'a: 's,
    {
        let unknown = Digest::new([0; 32]);
        let payload = |(number, (image, default)): (usize, (&Image<'a, '_, R>, &'s Digest))| {
            let known = carried.get(number);
            let root_hash = known.map_or(RootHash::new(unknown), |carried| carried.root_hash());
            let encoding = match image.carriage {
                Carriage::Raw => Encoding::Raw,
                Carriage::Zstd(_) | Carriage::Hinted(..) | Carriage::Delta { .. } => {
                    Encoding::Zstd { first_page: known.and_then(Carried::first_page).unwrap_or(unknown) }
                }
            };
            let salt = image.salt.unwrap_or(Salt::from(default));
            Payload::new(image.role, image.len, salt, root_hash, encoding)
        };
        let roots = delta::old_images(images);
        let named = roots.as_deref().map(|roots| Extension::new(OLD_IMAGES, roots)).transpose();
        let frames = [frames::of(images)?.blocks()];
        let smaller = (frames != [Frames::WHOLE.blocks()]).then(|| Extension::new(FRAME_BLOCKS, &frames)).transpose();
        let own = [named.map_err(WriteError::Statement)?, smaller.map_err(WriteError::Statement)?];
        let extensions = own.into_iter().flatten().chain(self.extensions.iter().copied());
        let payloads = images.iter().zip(salts).enumerate().map(payload).collect::<Result<Vec<_>, _>>();
        let statement = Statement {
            compatibles: &self.compatibles,
            version: self.version,
            rollback_index: self.rollback_index,
            build_time: self.build_time,
            payloads: &payloads.map_err(WriteError::Statement)?,
            extensions: &extensions.collect::<Vec<_>>(),
        };
        Manifest::new(&statement, out).map_err(WriteError::Statement)
    }
}

fn default_salts<R>(spec: &BundleSpec<'_>, images: &[Image<'_, '_, R>]) -> Vec<Digest> {
    // A spec without a compatible is refused when its manifest is made.
    let salt = |role| spec.compatibles.first().map_or(Digest::new([0; 32]), |first| default_salt(*first, role));
    images.iter().map(|image| salt(image.role)).collect()
}

fn write_at<W: Write + Seek>(out: &mut W, at: u64, bytes: &[u8]) -> Result<(), WriteError> {
    out.seek(SeekFrom::Start(at)).and_then(|_| out.write_all(bytes)).map_err(WriteError::Output)
}

#[cfg(test)]
mod tests;
