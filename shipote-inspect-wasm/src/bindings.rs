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

/// Files that are looked at together.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Files(Vec<(String, Vec<u8>)>);

#[wasm_bindgen]
impl Files {
    /// Begins without any.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. Its bytes come in pieces, by [`push`](Self::push); room for `size` of them is made at once.
    pub fn add(&mut self, name: &str, size: usize) {
        self.0.push((name.to_owned(), Vec::with_capacity(size)));
    }

    /// Adds bytes to the file that was added last.
    pub fn push(&mut self, piece: &[u8]) {
        if let Some((_, bytes)) = self.0.last_mut() {
            bytes.extend_from_slice(piece);
        }
    }

    /// Returns everything that a page shows of them.
    #[must_use]
    pub fn inspect(&self) -> String {
        crate::inspect(&self.0)
    }
}
