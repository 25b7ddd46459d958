//! SHA-256 and ECDSA on P-256 of the program that libupdate is linked into. `libupdate.h` declares the same three functions; whoever links
//! an archive that was built with the feature `host-crypto` defines them.
//!
//! ```text
//!  lu_host_sha256        parts, one after the other     -> 32 bytes
//!  lu_host_p256_point    SEC1, 33 or 65 bytes           -> 04 X Y, if it is a point of the curve
//!  lu_host_p256_verify   04 X Y, digest, r | s          -> whether the signature is valid
//! ```
//! The last two answer 0 for yes. The first cannot fail: a host whose hashing can fail does not return from it then. None may keep a pointer.
#![no_std]

mod host;

pub use host::{point, sha256, verify};
