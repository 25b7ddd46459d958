//! What an installation may use of the images in other slots.

use heapless::Vec;

use crate::bundle::Verified;
use crate::bundle::delta::OldImages;
use crate::bundle::frame::Frames;
use crate::error::{Corrupt, Rejected, Rule};
use crate::units::block::Extent;
use crate::units::digest::RootHash;
use crate::units::limits::PAYLOADS;

/// Where an old image is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OldImage {
    /// The partition that holds it.
    pub extent: Extent,
    /// Its data blocks.
    pub blocks: u64,
}

/// What the chunks of a payload may be made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Old {
    /// Nothing: they are whole.
    None,
    /// An image.
    Here(OldImage),
    /// An image that is not here: what is carried is checked, and the chunk is not made.
    Elsewhere,
}

/// The same for each payload, in the manifest's order; none for a bundle of whole images.
pub type Olds = Vec<Old, PAYLOADS>;

/// An image in another slot, whose blocks have digests of the same kind as those of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spare {
    /// Where it is.
    pub image: OldImage,
    /// Bit *n*: the *n*th payload has its salt.
    pub payloads: u8,
}

/// Spare images that an installation looks into, at most; more of them are not used.
pub const SPARES: usize = 8;

/// All that an installation may use of other slots, and the pieces in which the bundle can be taken beside it. It only reads them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stock {
    /// What the chunks of a delta bundle are made from.
    pub olds: Olds,
    /// What holds blocks that the new images may have too.
    pub spares: Vec<Spare, SPARES>,
    /// The frames of the bundle.
    pub frames: Frames,
}

/// For who has no slots: the old images of a bundle are elsewhere.
///
/// # Errors
/// `DeltaBases`; those of [`Frames::of`].
pub fn elsewhere(verified: &Verified<'_>) -> Result<Stock, Corrupt> {
    let old = OldImages::of(verified)?.roots().map(|root| root.map_or(Old::None, |_| Old::Elsewhere));
    let mut olds = Olds::new();
    for one in old {
        olds.push(one).map_err(|_| Corrupt(Rule::DeltaBases))?;
    }
    Ok(Stock { olds, spares: Vec::new(), frames: Frames::of(verified)? })
}

/// That no slot holds the image with this root hash.
pub(crate) fn no_old_image(root: RootHash) -> Rejected {
    let [a, b, c, d, e, f, g, h, ..] = *root.digest().as_bytes();
    Rejected::NoOldImage { root: [a, b, c, d, e, f, g, h] }
}
