//! libFuzzer's entry to [`fuzz::profile`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::profile::run(bytes));
