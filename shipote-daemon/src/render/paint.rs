//! Colours: the few that carry meaning, and none where the stream is no terminal.

/// The codes that are written, behind ESC and `[`.
const CODES: [&str; 7] = ["0m", "1m", "2m", "31m", "32m", "33m", "36m"];

/// Paints text, or leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Leaves everything alone.
    pub const PLAIN: Self = Self { on: false };

    /// Paints when `on`.
    #[must_use]
    pub const fn when(on: bool) -> Self {
        Self { on }
    }

    /// Returns the length in bytes of the code that `text` begins with, where it is one of those in here.
    #[must_use]
    pub fn code_at(text: &str) -> Option<usize> {
        let code = text.strip_prefix("\x1b[")?;
        CODES.iter().find(|known| code.starts_with(**known)).map(|known| known.len() + 2)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Success.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Failure.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Attention.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Names.
    #[must_use]
    pub fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// What matters less.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What matters more.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
