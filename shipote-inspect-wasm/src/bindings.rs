//! The functions as a browser calls them. They exist only where there is one.

use wasm_bindgen::prelude::wasm_bindgen;

/// Returns what `shipote state verify --output json` says of a file.
#[wasm_bindgen]
#[must_use]
pub fn verify(bytes: &[u8], file_name: &str) -> String {
    crate::verify(bytes, file_name)
}

/// Returns the history of each workspace in a file.
#[wasm_bindgen]
#[must_use]
pub fn history(bytes: &[u8]) -> String {
    crate::history(bytes)
}
