//! libFuzzer's entry to [`fuzz::bundle_stream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::bundle_stream::run(bytes));
