//! The frames of a bundle in the making: the same for all of its compressed images.

use crate::bundle::frame::Frames;
use crate::bundle::writer::{Carriage, Image, WriteError};
use crate::error::{Corrupt, Rule};

/// Those that the images are to be carried in.
///
/// # Errors
/// `ManifestFeatures` if they are to have different ones.
pub(super) fn of<R>(images: &[Image<'_, '_, R>]) -> Result<Frames, WriteError> {
    let mut each = images.iter().filter_map(|image| match image.carriage {
        Carriage::Raw => None,
        Carriage::Zstd(_) | Carriage::Delta { .. } => Some(Frames::WHOLE),
        Carriage::Hinted(_, frames) => Some(frames),
    });
    let first = each.next().unwrap_or(Frames::WHOLE);
    let alike = each.all(|frames| frames == first);
    if alike { Ok(first) } else { Err(WriteError::Statement(Corrupt(Rule::ManifestFeatures))) }
}
