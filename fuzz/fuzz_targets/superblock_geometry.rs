//! libFuzzer's entry to [`fuzz::superblock_geometry`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::superblock_geometry::run(bytes));
