//! `bundle`: make bundles and sign them, here or elsewhere.

pub mod attach;
pub mod create;
pub mod digest;
mod image;
