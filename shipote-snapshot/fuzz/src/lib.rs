//! The fuzz targets' promises, for the program that looks for bytes that break them.
//!
//! In the folder of the crate, `cargo +nightly fuzz run load_any FOUND fuzz/corpus/load_any` looks for more of them, and
//! puts what leads further into the folder FOUND. What broke a promise goes into the corpus, which an ordinary test
//! replays.

#![no_std]

extern crate alloc;

use shipote_snapshot as readers;

mod checks;

pub use checks::{card_any, journal_any, load_any, upgrade_diff};
