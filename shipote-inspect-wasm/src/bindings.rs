//! The functions as a browser calls them. They exist only where there is one.

use wasm_bindgen::prelude::wasm_bindgen;

/// Files that are looked at.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Session(crate::Session);

#[wasm_bindgen]
impl Session {
    /// Begins without any.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, leaves out the samples of files that come.
    pub fn skip_history(&mut self) {
        self.0.skip_history();
    }

    /// Begins a file, and makes room for `size` bytes.
    pub fn begin(&mut self, name: &str, size: usize) {
        self.0.begin(name, size);
    }

    /// Takes the next piece of the file that was begun last.
    pub fn take(&mut self, piece: &[u8]) {
        self.0.take(piece);
    }

    /// Ends the file that was begun last. Returns whether it is new.
    pub fn end(&mut self) -> bool {
        self.0.end()
    }

    /// Judges all files anew, and returns what each state that they make is worth.
    pub fn judge(&mut self) -> String {
        self.0.judge()
    }

    /// Answers a question: JSON in, JSON or the text of a file out.
    pub fn ask(&mut self, question: &str) -> String {
        self.0.ask(question)
    }
}
