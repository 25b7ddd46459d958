//! libFuzzer's entry to [`fuzz::gpt`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::gpt::run(bytes));
