//! libFuzzer's entry to [`fuzz::acts`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::acts::run(bytes));
