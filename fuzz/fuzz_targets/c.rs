//! libFuzzer's entry to [`fuzz::c`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::c::run(bytes));
