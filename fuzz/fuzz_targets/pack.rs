//! libFuzzer's entry to [`fuzz::pack`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::pack::run(bytes));
