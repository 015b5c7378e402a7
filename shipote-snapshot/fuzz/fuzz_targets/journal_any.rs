//! Reads a journal, as it is and with every line sealed by its checksum.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promises::journal_any(bytes));
