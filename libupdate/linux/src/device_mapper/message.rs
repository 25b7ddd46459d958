//! What device-mapper is sent, and what it answers. Pure: bytes only.
//!
//! ```text
//!    0  version, 3 x u32    4.0.0          linux/dm-ioctl.h, struct dm_ioctl; u32 and u64 in the machine's order
//!   12  data_size           all of it, set where it is sent
//!   16  data_start          312
//!   20  target_count        1 with a table
//!   28  flags               bit 0: read-only; bit 17: remove it once nobody uses it
//!   40  dev, u64            answer: the device's number
//!   48  name, 128 bytes
//!  312  dm_target_spec      first sector u64, sectors u64, status i32, next u32, type 16 bytes      with a table, and in a status
//!  352  text, zero
//! ```

use std::ffi::CStr;

use crate::ioctl::{DM_BYTES, DM_HEAD};

const READ_ONLY: u32 = 1;
#[cfg(feature = "live")]
const DEFERRED: u32 = 1 << 17;
const NAME_AT: usize = 48;
const NAME_BYTES: usize = 128;
const DEVICE_AT: usize = 40;
const SPEC_BYTES: usize = 40;
const TEXT_AT: usize = DM_HEAD + SPEC_BYTES;

/// A message and the room for its answer.
pub struct Message([u8; DM_BYTES]);

impl Message {
    /// An act on the device of this name. A name has at most 127 bytes; what is longer is cut.
    pub fn named(name: &str) -> Self {
        let mut message = Self([0; DM_BYTES]);
        message.put(0, &4_u32.to_ne_bytes());
        message.put(16, &312_u32.to_ne_bytes());
        message.put(28, &READ_ONLY.to_ne_bytes());
        message.put(NAME_AT, name.as_bytes().get(..NAME_BYTES - 1).unwrap_or(name.as_bytes()));
        message
    }

    /// Adds a table of one verity target. `None` if it is too long.
    pub fn load(&mut self, sectors: u64, parameters: &str) -> Option<()> {
        // The text, its zero byte, and what the kernel asks for behind it.
        self.0.get(TEXT_AT..)?.len().checked_sub(parameters.len() + 8)?;
        self.put(20, &1_u32.to_ne_bytes());
        self.put(DM_HEAD + 8, &sectors.to_ne_bytes());
        self.put(DM_HEAD + 24, b"verity");
        self.put(TEXT_AT, parameters.as_bytes());
        Some(())
    }

    /// A removal may wait for the last user.
    #[cfg(feature = "live")]
    pub fn defer(&mut self) {
        self.put(28, &(READ_ONLY | DEFERRED).to_ne_bytes());
    }

    /// What is sent.
    pub const fn bytes(&mut self) -> &mut [u8; DM_BYTES] {
        &mut self.0
    }

    /// Major and minor number in an answer, from the kernel's 64-bit form (`huge_encode_dev`).
    pub fn device(&self) -> (u64, u64) {
        let field = self.0.get(DEVICE_AT..).and_then(<[u8]>::first_chunk);
        let dev = u64::from_ne_bytes(*field.unwrap_or(&[0; 8]));
        ((dev & 0xf_ff00) >> 8, (dev & 0xff) | ((dev >> 12) & 0xf_ff00))
    }

    /// The status line in an answer.
    pub fn status(&self) -> Option<&str> {
        CStr::from_bytes_until_nul(self.0.get(TEXT_AT..)?).ok()?.to_str().ok()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.0.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_kernel_looks() {
        let mut message = Message::named("updater-a-root");
        message.load(1032, "1 254:2 x").unwrap();
        let bytes = message.bytes();
        assert_eq!(bytes[0..4], 4_u32.to_ne_bytes());
        assert_eq!(bytes[16..20], 312_u32.to_ne_bytes());
        assert_eq!(&bytes[48..63], b"updater-a-root\0");
        assert_eq!(bytes[320..328], 1032_u64.to_ne_bytes());
        assert_eq!(&bytes[336..343], b"verity\0");
        assert_eq!(&bytes[352..362], b"1 254:2 x\0");
        assert_eq!(message.status(), Some("1 254:2 x"));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_a_long_name_is_cut() {
        assert_eq!(Message::named("a").load(1, &"x".repeat(DM_BYTES)), None);
        let mut message = Message::named(&"n".repeat(200));
        assert_eq!(message.bytes()[NAME_AT + 127], 0);
    }

    #[test]
    fn a_device_number_is_decoded_as_the_kernel_encodes_it() {
        let mut message = Message::named("a");
        message.put(DEVICE_AT, &(254 << 8 | 7 | 0x10_0000_u64).to_ne_bytes());
        assert_eq!(message.device(), (254, 263));
    }
}
