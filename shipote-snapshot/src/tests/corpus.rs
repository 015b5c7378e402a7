//! The promises that the fuzz targets look for breaches of, held by all that was ever found and by the fixtures.

#[path = "../../fuzz/src/checks.rs"]
mod checks;

use std::fs;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use super::std;
use crate as readers;

/// Returns the files in a folder of this crate.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// Holds a promise for every file of these folders, and says which one broke it.
fn hold(promise: fn(&[u8]), folders: &[&str], least: usize) {
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder)).collect();
    assert!(files.len() >= least, "only {} files in {folders:?}", files.len());
    for path in files {
        let bytes = fs::read(&path).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| promise(&bytes)) {
            std::eprintln!("broken by {}", path.display());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn whatever_is_loaded_is_loaded_by_the_rule() {
    hold(checks::load_any, &["fuzz/corpus/load_any", "../tests/fixtures/state"], 60);
}

#[test]
fn whatever_stands_in_a_journal_is_read_by_the_rule() {
    hold(checks::journal_any, &["fuzz/corpus/journal_any", "fuzz/corpus/load_any"], 100);
}

#[test]
fn whatever_is_a_state_is_the_same_to_both_readers_and_in_every_version() {
    hold(checks::upgrade_diff, &["fuzz/corpus/upgrade_diff", "../tests/fixtures/state"], 60);
}

#[test]
fn whatever_is_a_card_is_the_same_in_its_full_form() {
    hold(checks::card_any, &["fuzz/corpus/card_any", "../examples"], 45);
}
