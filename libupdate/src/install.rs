//! An image into its slot: mark, stream, flush, read back, trailer.
//!
//! ```text
//!  Admitted ─ disarm ─► Disarmed ─ stage ─────────────────────────────────────────────► Staged ─ arm, keep_staged ─►
//!                                    │ erase trailers, write marks, flush
//!                                    │ superblock and levels >= 1, each checked against its parent
//!                                    │ each chunk: checked, written with its level-0 block
//!                                    │ flush, read all of it back
//!                                    └ trailers, flush, read them back
//! ```
//!
//! # Durability
//! The slot's bits were cleared and flushed before the first write here, and only `arm` sets them again, after everything here is
//! durable. So a cut anywhere in `fill` leaves a slot that cannot boot and other slots that nobody touched. The mark makes the
//! next run re-hash what is in the target before it takes a chunk from the stream, and write only what differs; without the mark it takes
//! every chunk, and writes it unless a look finds it there. Either way it trusts nothing that it did not hash or compare in that run.
//! The old image that a delta bundle is made from is another slot's: it is only read, so that a cut leaves it as it was, and the next run, which
//! finds it again by its root hash, goes on where this one was.

use heapless::Vec;

use crate::bundle::frame::Frames;
use crate::bundle::{Features, Verified};
use crate::units::block::{ByteLen, Extent};

use crate::error::{Corrupt, Error, Medium, Rule};
use crate::gpt::EntryNumber;
use crate::install::progress::{Meter, Observer, Phase, Saved};
use crate::io::{self, BlockIo, Window};
use crate::manifest::{Encoding, Payload};
use crate::policy::{self, Old, Spare, Stock};
use crate::region::{self, Resume};
use crate::transition::{Disarmed, Sizes, Staged};
use crate::units::digest::BlockHasher;
use crate::units::limits::PAYLOADS;
use crate::units::slot_id::SlotId;
use crate::verity::Tree;

mod estimate;
pub(crate) mod first_blocks;
mod frames;
mod group;
pub mod progress;
pub mod read_back;
mod rebuild;
pub mod reuse;
mod seam;
mod settle;
mod skip;
mod stream;

pub use read_back::Buffers;
pub use seam::{Ahead, Decompressor, NoDecompressor, Packed, Run, Source};

/// What a caller brings to a long act besides disk and memory.
#[derive(Debug)]
pub struct Tools<'t, H, Z, O> {
    /// Hashes blocks.
    pub hasher: &'t mut H,
    /// Decompresses chunks.
    pub decompressor: &'t mut Z,
    /// Hears of progress and may stop the act.
    pub observer: &'t mut O,
}

/// The slot that [`fill`] filled.
pub(crate) fn filled<E>(disarmed: Disarmed<'_>, sizes: Sizes) -> Result<Staged<'_>, Error<E>> {
    let admitted = disarmed.admitted();
    let (slot, entry, extents) =
        (admitted.slot(), admitted.entry(), kept_extents(admitted.extents()).map_err(Error::Bundle)?);
    Ok(Staged::new(disarmed.into_verified(), (slot, entry), extents, sizes))
}

/// Writes the bundle's images into the disarmed slot, reads everything back, and writes the trailers. Gives bytes of images that were kept, and all of them.
///
/// `source` is right after the envelope and must end with the last payload.
///
/// # Durability
/// See the module. In the end everything is durable but the slot's bits, which are still clear.
/// # Errors
/// Every class but `Rejected`; the slot stays disarmed, and running again resumes. `ReadBack` and
/// `TreeReadBack` are the medium's fault.
pub(crate) fn fill<D, R, H, Z, O>(
    disk: &mut D,
    (disarmed, stock): (&Disarmed<'_>, &Stock),
    source: &mut R,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<Sizes, Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
    O: Observer,
{
    let admitted = disarmed.admitted();
    let (digest, envelope) = (admitted.verified().digest(), admitted.verified().envelope());
    let resume =
        region::begin(disk, admitted.extents(), (digest, envelope), [&mut *buffers.leaf, &mut *buffers.block])?;
    let images = (admitted.verified(), admitted.extents());
    let sizes = stream_all(disk, (images, stock), resume, (source, Phase::Write), buffers, tools)?;
    let total = sizes.total;
    let mut flushed = Meter::new(Phase::Flush, total);
    flushed.done(tools.observer, 0, Saved::NOTHING)?;
    io::flush(disk)?;
    flushed.done(tools.observer, total.get(), Saved::NOTHING)?;
    check_all(disk, images, buffers, tools).map_err(not_kept)?;
    region::seal(disk, admitted.extents(), envelope, [&mut *buffers.leaf, &mut *buffers.block])?;
    Ok(sizes)
}

/// A verified bundle, and where its images are.
type Images<'i, 'v> = (&'i Verified<'v>, &'i [Extent]);

/// Streams every payload to its place. Gives bytes of images that were kept, and all of them.
// Not inlined: the places are gone before everything is read back.
#[inline(never)]
fn stream_all<D, R, H, Z, O>(
    disk: &mut D,
    (images, stock): (Images<'_, '_>, &Stock),
    resume: Resume,
    (source, phase): (&mut R, Phase),
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<Sizes, Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
    O: Observer,
{
    let features = images.0.features();
    let mut meter = Meter::new(phase, total(images.0));
    for (number, place) in places(images).map_err(Error::Bundle)?.enumerate() {
        let purpose = if phase == Phase::Check { Purpose::Rehearse } else { Purpose::Install };
        let place = Place { purpose, ..place.with(stock, number, features) };
        stream::write(disk, &place, resume, source, buffers, tools, &mut meter)?;
    }
    end_of_bundle(source)?;
    Ok(meter.sizes())
}

/// Bytes that [`fill`] would read from `source`, which is right after the envelope, if no block of another slot has rotted. Writes nothing.
///
/// # Errors
/// Those of index pages and hints; [`Error::Source`].
pub(crate) fn to_read<D: BlockIo, R: Source, H: BlockHasher>(
    disk: &mut D,
    (images, stock): (Images<'_, '_>, &Stock),
    source: &mut R,
    buffers: &mut Buffers<'_>,
    hasher: &mut H,
) -> Result<ByteLen, Error<D::Error>> {
    let features = images.0.features();
    let mut bytes = 0_u64;
    for (number, place) in places(images).map_err(Error::Bundle)?.enumerate() {
        let place = place.with(stock, number, features);
        let known = stream::known(&mut Window::new(disk, place.extent), &place, buffers, hasher);
        bytes = bytes.saturating_add(estimate::payload::<D, R>(&place, &known, source, buffers)?);
    }
    Ok(ByteLen::new(bytes))
}

/// Reads every byte of a slot that claims to hold `verified`, and makes it staged again.
///
/// The caller has the trailers' bundle from [`inspect`](crate::inspect) and the slot's extents from
/// [`policy::extents`]. Touches memory only.
///
/// # Errors
/// [`Error::Slot`] names the chunk or hash block; [`Error::Medium`]; [`Error::Interrupted`].
pub fn restage<'a, D, H, Z, O>(
    disk: &mut D,
    verified: Verified<'a>,
    (slot, entry, extents): (SlotId, EntryNumber, &[Extent]),
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<Staged<'a>, Error<D::Error>>
where
    D: BlockIo,
    H: BlockHasher,
    O: Observer,
{
    let total = check_all(disk, (&verified, extents), buffers, tools)?;
    held(verified, (slot, entry, extents), total)
}

/// A slot that was found to hold the bundle.
pub(crate) fn held<'a, E>(
    verified: Verified<'a>,
    (slot, entry, extents): (SlotId, EntryNumber, &[Extent]),
    total: ByteLen,
) -> Result<Staged<'a>, Error<E>> {
    let sizes = Sizes { total, kept: total, reused: ByteLen::new(0) };
    Ok(Staged::new(verified, (slot, entry), kept_extents(extents).map_err(Error::Slot)?, sizes))
}

/// Reads a bundle to its end and checks every byte of it, as an installation does, without a slot (of chunks that are made from an old
/// image, what is carried): `disk` is scratch space that keeps what is
/// written to the hash areas of `extents`, and may forget the rest.
///
/// # Errors
/// Every class but `Rejected`.
pub fn rehearse<D, R, H, Z, O>(
    disk: &mut D,
    verified: &Verified<'_>,
    extents: &[Extent],
    source: &mut R,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<(), Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
    O: Observer,
{
    let stock = policy::elsewhere(verified).map_err(Error::Bundle)?;
    stream_all(disk, ((verified, extents), &stock), Resume::Fresh, (source, Phase::Check), buffers, tools).map(|_| ())
}

/// Writes the images of a bundle that is no release to places outside of every slot, and reads everything back. Chunks that are in their place already are
/// neither written nor, where the source can leave them out, read.
///
/// # Durability
/// Everything is durable when it returns.
/// # Errors
/// As [`rehearse`], and `ReadBack` and `TreeReadBack`, which are the medium's fault.
pub fn store<D, R, H, Z, O>(
    disk: &mut D,
    verified: &Verified<'_>,
    extents: &[Extent],
    source: &mut R,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<Sizes, Error<D::Error>>
where
    D: BlockIo,
    R: Source,
    H: BlockHasher,
    Z: Decompressor,
    O: Observer,
{
    let stock = policy::elsewhere(verified).map_err(Error::Bundle)?;
    let images = (verified, extents);
    let sizes = stream_all(disk, (images, &stock), Resume::Rehash, (source, Phase::Write), buffers, tools)?;
    io::flush(disk)?;
    check_all(disk, images, buffers, tools).map_err(not_kept)?;
    Ok(sizes)
}

/// Reads every byte of images that [`store`] wrote, and checks it. Gives bytes of all images.
///
/// # Errors
/// [`Error::Slot`] names the chunk or hash block; [`Error::Medium`]; [`Error::Interrupted`].
pub fn check<D: BlockIo, H: BlockHasher, Z, O: Observer>(
    disk: &mut D,
    verified: &Verified<'_>,
    extents: &[Extent],
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<ByteLen, Error<D::Error>> {
    check_all(disk, (verified, extents), buffers, tools)
}

/// One payload, the tree that checks it, and the partition it goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'m> {
    payload: Payload<'m>,
    tree: Tree<'m>,
    extent: Extent,
    old: Old,
    features: Features,
    frames: Frames,
    /// The spare images, and the bit of this payload.
    spares: (&'m [Spare], u8),
    purpose: Purpose,
}

/// Why a payload is streamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Install,
    /// Everything that the bundle carries is to be judged.
    Rehearse,
}

impl<'m> Place<'m> {
    /// The same with what other slots have for payload `number`.
    fn with(self, stock: &'m Stock, number: usize, features: Features) -> Self {
        let bit = u32::try_from(number).ok().and_then(|number| 1_u8.checked_shl(number)).unwrap_or(0);
        let old = stock.olds.get(number).copied().unwrap_or(Old::None);
        Self { old, features, frames: stock.frames, spares: (stock.spares.as_slice(), bit), ..self }
    }
}

impl Place<'_> {
    /// Whether index pages are in the stream.
    const fn is_paged(&self) -> bool {
        matches!(self.payload.encoding(), Encoding::Zstd { .. })
    }

    /// Whether hints may be.
    const fn is_hinted(&self) -> bool {
        self.is_paged() && self.features.has(Features::HINTS)
    }
}

/// One payload after the other, each made when it is its turn: all of them at once would be kilobytes of stack.
///
/// # Errors
/// `Roles` if there is not one extent for each payload.
fn places<'i>((verified, extents): Images<'i, '_>) -> Result<impl Iterator<Item = Place<'i>>, Corrupt> {
    let payloads = verified.manifest().payloads();
    if payloads.len() != extents.len() {
        return Err(Corrupt(Rule::Roles));
    }
    let place = |(payload, extent): (Payload<'i>, &Extent)| Place {
        payload,
        tree: payload.tree(),
        extent: *extent,
        old: Old::None,
        features: Features::NONE,
        frames: Frames::WHOLE,
        spares: (&[], 0),
        purpose: Purpose::Install,
    };
    Ok(payloads.iter().zip(extents).map(place))
}

fn kept_extents(extents: &[Extent]) -> Result<Vec<Extent, PAYLOADS>, Corrupt> {
    Vec::from_slice(extents).map_err(|_| Corrupt(Rule::Roles))
}

/// Bytes of all images, in whole blocks.
fn total(verified: &Verified<'_>) -> ByteLen {
    let bytes = verified.manifest().payloads().iter().map(|payload| payload.geometry().image_blocks_bytes().get());
    ByteLen::new(bytes.fold(0, u64::saturating_add))
}

/// Reads every payload from its place and checks it. Gives bytes of all images.
#[inline(never)]
pub(crate) fn check_all<D: BlockIo, H: BlockHasher, Z, O: Observer>(
    disk: &mut D,
    images: Images<'_, '_>,
    buffers: &mut Buffers<'_>,
    tools: &mut Tools<'_, H, Z, O>,
) -> Result<ByteLen, Error<D::Error>> {
    let total = total(images.0);
    let mut meter = Meter::new(Phase::ReadBack, total);
    for place in places(images).map_err(Error::Slot)? {
        let mut window = Window::new(disk, place.extent);
        read_back::partition(&mut window, &place.tree, buffers, tools.hasher, (&mut meter, tools.observer))?;
    }
    Ok(total)
}

/// Everything was right when it was written: what is wrong now is the medium's, not the bundle's.
fn not_kept<E>(error: Error<E>) -> Error<E> {
    let medium = |rule| Error::Medium(Medium::NotKept(Corrupt(rule)));
    match error {
        Error::Slot(Corrupt(Rule::Chunk { chunk })) => medium(Rule::ReadBack { chunk }),
        Error::Slot(kind) if kind.is_of_the_tree() => medium(Rule::TreeReadBack),
        other => other,
    }
}

fn end_of_bundle<R: Source, E>(source: &mut R) -> Result<(), Error<E>> {
    match source.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::Bundle(Corrupt(Rule::TrailingBytes))),
        Err(error) => Err(Error::Source(embedded_io::Error::kind(&error))),
    }
}
