//! What people and scripts see: the two streams and everything that is drawn on them.
//!
//! [`Output`] is the only owner of stdout and stderr. A reader of stdout that goes away is not an error to talk
//! about: it ends the program quietly.

pub mod dag;
pub mod paint;
pub mod printable;
pub mod problem;
pub mod progress;
pub mod quantity;
pub mod rows;
pub mod stats;
pub mod summary;
pub mod table;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use crate::cli::{Format, Global};
use crate::exit::{Code, Failure};
use paint::Paint;

/// The two streams of this invocation, and how they are to look.
#[derive(Debug, Clone)]
pub struct Output {
    /// What results look like.
    pub format: Format,
    /// Nothing on stderr but errors.
    pub quiet: bool,
    /// Colours for stdout.
    pub paint: Paint,
    /// Colours for stderr.
    pub paint_err: Paint,
    /// Whether stdout is a terminal.
    pub stdout_tty: bool,
    /// Whether stderr is a terminal that can be redrawn.
    pub stderr_tty: bool,
    /// Columns of stdout; 100 where it is no terminal.
    pub width: usize,
}

impl Output {
    /// Looks at the flags, the streams and the environment.
    #[must_use]
    pub fn of_process(global: &Global) -> Self {
        let stdout_tty = io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let stderr_tty = io::stderr().is_terminal() && !dumb;
        let no_color = global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format: global.output,
            quiet: global.quiet,
            paint: Paint::when(stdout_tty && !dumb && !no_color),
            paint_err: Paint::when(stderr_tty && !no_color),
            stdout_tty,
            stderr_tty,
            width: terminal_size_of(io::stdout()).map_or(100, |(Width(columns), _)| usize::from(columns)),
        }
    }

    /// Tells whether results are JSON rather than text for people.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        !matches!(self.format, Format::Table)
    }

    /// Writes bytes to stdout as they are.
    ///
    /// # Errors
    ///
    /// Fails where stdout does; a reader that went away is [`Code::BrokenPipe`].
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| stdout_failure(&error))
    }

    /// Writes one text to stdout, with a newline at its end; what a terminal would obey is escaped.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{}{newline}", printable::painted(text)).as_bytes())
    }

    /// Writes a result: as a JSON document, or as the text that `people` makes.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub fn result<T: Serialize + ?Sized>(
        &self,
        value: &T,
        people: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&people()),
            Format::Json => self.document(value),
            Format::Ndjson => {
                let value = serde_json::to_value(value).map_err(|error| unwritable(&error))?;
                match value {
                    serde_json::Value::Array(items) => items.iter().try_for_each(|item| self.line(item)),
                    other => self.line(&other),
                }
            }
        }
    }

    /// Writes one JSON document to stdout, for people to read too.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub fn document<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| unwritable(&error))?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Writes one JSON document as one line.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub fn line<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Failure> {
        let mut text = serde_json::to_vec(value).map_err(|error| unwritable(&error))?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Writes to stderr, whatever `--quiet` says. An stderr that can't be written has nobody to tell.
    pub fn err_bytes(&self, bytes: &[u8]) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
    }

    /// Says something about how it goes, on stderr.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.err_bytes(format!("shipote: {}\n", printable::painted(text)).as_bytes());
        }
    }

    /// Says something that the user should know but that stops nothing.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            let mark = self.paint_err.yellow("warning:");
            self.err_bytes(format!("{mark} {}\n", printable::painted(text)).as_bytes());
        }
    }

    /// Says it, where there is something to say.
    pub fn warn_of(&self, text: Option<String>) {
        if let Some(text) = text {
            self.warn(&text);
        }
    }

    /// Tells a failure: on stderr for people, as a document on stdout for scripts.
    pub fn failure(&self, failure: &Failure) {
        if failure.code == Code::BrokenPipe {
            return;
        }
        if self.is_json() {
            let document = serde_json::json!({ "error": {
                "code": failure.code.name(),
                "message": failure.message,
                "hint": failure.hint,
                "problems": problem::documents(failure),
                "candidates": failure.candidates,
            }});
            // Nothing is left to be done about a stdout that is gone.
            let _ = self.line(&document);
            return;
        }
        self.err_bytes(printable::painted(&problem::failure(failure, self.paint_err)).as_bytes());
    }
}

fn stdout_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::broken_pipe(),
        _ => Failure::new(Code::Failed, format!("write to stdout: {}", crate::exit::plain(error))),
    }
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(Code::Failed, format!("make the JSON document: {error}"))
}
