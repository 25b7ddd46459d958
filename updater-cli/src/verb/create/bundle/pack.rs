//! `bundle create --pack`: what a pack says of itself, from the command line.

use libupdate::bundle::pack::PackName;
use libupdate::bundle::writer::PackSpec;

use crate::cli::create::BundleCreate;
use crate::exit::{Exit, Failure};

/// The extension of a pack, if one is to be made.
pub fn extension(args: &BundleCreate) -> Result<Option<Vec<u8>>, Failure> {
    let Some(name) = args.pack.as_deref() else { return Ok(None) };
    let of = &args.of_a_pack;
    let spec = PackSpec {
        name,
        // The command line asks for both.
        level: of.level.unwrap_or_default(),
        fits: of.fits.unwrap_or_default(),
        supersedes: of.supersedes.iter().map(String::as_str).collect(),
        reload: of.reload.iter().map(String::as_str).collect(),
        restart: of.restart.iter().map(String::as_str).collect(),
        sysusers: of.sysusers,
        tmpfiles: of.tmpfiles,
    };
    let wrong = |kind| Failure::new(Exit::Usage, "", kind, "see docs/FORMAT.md, section 6, for what a pack may say");
    args.payload.iter().try_for_each(|(role, _)| PackName::new(role).map(|_| ())).map_err(wrong)?;
    spec.encode().map(Some).map_err(wrong)
}
