//! A pack, as its signed head says it is.

use libupdate::bundle::pack::Pack;
use libupdate::bundle::{Anchors, Unverified, Verified};
use libupdate::error::Rejected;
use libupdate::{Error, policy};
use libupdate_linux::OsError;

/// What an authentic head says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    pub name: String,
    pub level: u32,
    /// Major version that it is for.
    pub fits: u32,
    pub version: String,
    pub supersedes: Vec<String>,
    pub parts: Vec<Part>,
    pub reload: Vec<String>,
    pub restart: Vec<String>,
    pub sysusers: bool,
    pub tmpfiles: bool,
    /// The manifest digest: the identity of the bundle.
    pub digest: String,
    /// The envelope, byte for byte.
    pub head: Vec<u8>,
}

/// An extension image of a pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    pub name: String,
    pub root_hash: String,
    /// Bytes of image and hash tree.
    pub stored_bytes: u64,
}

impl Known {
    /// What a verified bundle is, if it is a pack for this board.
    pub fn of(verified: &Verified<'_>, compatible: &str) -> Result<Self, Error<OsError>> {
        let pack: Pack<'_> = policy::a_pack(verified, compatible)?;
        let owned = |texts: libupdate::bundle::pack::Texts<'_>| texts.map(str::to_owned).collect();
        let part = |payload: libupdate::manifest::Payload<'_>| Part {
            name: payload.role().to_string(),
            root_hash: payload.root_hash().to_string(),
            stored_bytes: payload.geometry().end().get(),
        };
        Ok(Self {
            name: pack.name().to_string(),
            level: pack.level(),
            fits: pack.fits(),
            version: verified.manifest().version().to_string(),
            supersedes: owned(pack.supersedes()),
            parts: verified.manifest().payloads().iter().map(part).collect(),
            reload: owned(pack.reload()),
            restart: owned(pack.restart()),
            sysusers: pack.sysusers(),
            tmpfiles: pack.tmpfiles(),
            digest: verified.digest().to_string(),
            head: verified.envelope().to_vec(),
        })
    }

    /// What a stored head says, verified again.
    ///
    /// # Errors
    /// Why it does not count, in words.
    pub fn of_head(head: &[u8], anchors: &Anchors, compatible: &str) -> Result<Self, String> {
        let verified = verified(head, anchors)?;
        Self::of(&verified, compatible).map_err(|error: Error<OsError>| match error {
            Error::Rejected(Rejected::Compatible) => "it is for another board".to_owned(),
            other => other.to_string(),
        })
    }
}

/// A stored head, verified again.
///
/// # Errors
/// Why it does not count, in words.
pub fn verified<'h>(head: &'h [u8], anchors: &Anchors) -> Result<Verified<'h>, String> {
    let unverified = Unverified::parse(head).map_err(|fault| fault.to_string())?;
    unverified.verify(anchors).map_err(|broken| broken.to_string())
}
