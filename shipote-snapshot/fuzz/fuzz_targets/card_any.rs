//! Reads a card, and what is canonical of it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promises::card_any(bytes));
