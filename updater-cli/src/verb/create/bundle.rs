//! `bundle`: make bundles and sign them, here or elsewhere.

pub mod attach;
pub mod create;
mod delta;
pub mod digest;
mod image;
mod old_release;
mod pack;
#[cfg(feature = "push")]
pub mod push;
