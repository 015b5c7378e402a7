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

    /// Begins a file, and makes room for `size` bytes. Returns where that is: the bytes are written there, into the
    /// memory of this module, so that they are copied once.
    pub fn begin(&mut self, name: &str, size: usize) -> usize {
        self.0.begin(name, size).as_mut_ptr().addr()
    }

    /// Ends the file that was begun last, at the number of bytes that really came. Returns whether it is new.
    pub fn end(&mut self, size: usize) -> bool {
        self.0.end(size)
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
