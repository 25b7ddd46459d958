//! Units and small values that every room uses: no IO, no clock, valid by construction.

pub mod block;
pub mod bytes;
pub mod crc;
pub(crate) mod crypto;
pub mod digest;
pub mod limits;
pub mod slot_id;
pub mod time;
pub mod version;
