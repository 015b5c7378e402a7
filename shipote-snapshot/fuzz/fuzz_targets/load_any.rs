//! Loads a state and its journals, separated by a line of their own.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promises::load_any(bytes));
