//! Holds the quick reader against the thorough one, and every version against the newest.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promises::upgrade_diff(bytes));
