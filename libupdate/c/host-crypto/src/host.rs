//! The three functions, and calls of them.

/// Bytes that are read, as C passes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Part {
    bytes: *const u8,
    len: usize,
}

impl Part {
    const EMPTY: Self = Self { bytes: core::ptr::null(), len: 0 };

    const fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.as_ptr(), len: bytes.len() }
    }
}

/// As many parts as libupdate ever hashes in one go.
const PARTS: usize = 8;

unsafe extern "C" {
    fn lu_host_sha256(parts: *const Part, count: usize, digest: *mut u8);
    fn lu_host_p256_point(sec1: *const u8, len: usize, point: *mut u8) -> i32;
    fn lu_host_p256_verify(point: *const u8, digest: *const u8, signature: *const u8) -> i32;
}

/// SHA-256 over the parts, one after the other.
///
/// # Panics
/// For more than eight parts.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut given = [Part::EMPTY; PARTS];
    for (part, bytes) in given[..parts.len()].iter_mut().zip(parts) {
        *part = Part::of(bytes);
    }
    let mut digest = [0; 32];
    // SAFETY: `given` has at least `parts.len()` parts, each a borrowed slice that outlives the call; `digest` has the 32 bytes that the
    // host writes.
    unsafe { lu_host_sha256(given.as_ptr(), parts.len(), digest.as_mut_ptr()) };
    digest
}

/// A point in the form 04 X Y from a SEC1 form of 33 or 65 bytes; `None` if it is not on the curve.
#[must_use]
pub fn point(sec1: &[u8]) -> Option<[u8; 65]> {
    let mut point = [0; 65];
    // SAFETY: the host reads `sec1.len()` bytes of a borrowed slice, and writes the 65 bytes of `point`.
    let answer = unsafe { lu_host_p256_point(sec1.as_ptr(), sec1.len(), point.as_mut_ptr()) };
    (answer == 0 && point.first() == Some(&4)).then_some(point)
}

/// Whether `signature`, r then s, is one of the key at `point` over `digest`.
#[must_use]
pub fn verify(point: &[u8; 65], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    // SAFETY: the host reads 65, 32 and 64 bytes, which the arrays have.
    unsafe { lu_host_p256_verify(point.as_ptr(), digest.as_ptr(), signature.as_ptr()) == 0 }
}
