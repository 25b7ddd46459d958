//! The delivered file, and the copy of its head on an installed partition.
//!
//! ```text
//!  0                                                      <= 8192
//!  | prefix 40 | manifest | signature block | payload 0: levels >= 1, chunks | payload 1: ... | end
//!  '------------ envelope -----------------'
//!  '-- signed: domain, NUL, these --'
//! ```
//!
//! 1. The envelope is the only part that is signed; all that follows is authenticated by the root hashes in its manifest.
//! 2. Judged in this order: prefix ([`Unverified`]), signatures over the raw bytes ([`Unverified::verify`]), and only then is
//!    the manifest decoded ([`Verified::manifest`]).
//! 3. The digest of the signed message is the **manifest digest**, the identity of the bundle everywhere.
//!
//! `docs/FORMAT.md` has every bit.

pub mod anchors;
pub mod delta;
pub mod envelope;
#[cfg(test)]
pub(crate) mod fixture;
pub mod frame;
pub mod hints;
pub mod key;
#[cfg(any(test, feature = "packs"))]
pub mod pack;
pub mod page;
pub mod prefix;
pub mod rollout;
pub mod signature;
pub mod verified;
#[cfg(any(test, feature = "std"))]
pub mod writer;

pub use anchors::Anchors;
pub use envelope::Unverified;
pub use key::{KeyId, PublicKey};
pub use prefix::{Features, Prefix, UpdaterVersion};
pub use signature::Signature;
pub use verified::Verified;
