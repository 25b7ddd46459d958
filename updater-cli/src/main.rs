//! A/B image updates on a device and in the workshop.
#![allow(dead_code, reason = "the rooms stand before the verbs that use them")]
#![allow(unused_imports, reason = "the rooms stand before the verbs that use them")]

mod exit;
mod keys;
mod os;
mod output;
mod profile;

fn main() {}
