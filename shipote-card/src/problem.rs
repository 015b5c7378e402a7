//! A problem: one thing that is wrong with what the user wrote, where it stands, and what to do about it.
//!
//! Cards and state files share this shape, so the command line, the daemon and the inspector page show them alike.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Note,
    /// Accepted, but probably not meant.
    Warning,
    /// The entity that holds it is not used.
    Error,
    /// Nothing of the document can be used.
    Fatal,
}

/// Where something stands in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// JSON pointer (RFC 6901) of the value, also for TOML; empty for the whole document.
    pub pointer: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in Unicode scalar values, from 1.
    pub column: u64,
    /// Offset in bytes, from 0.
    pub offset: u64,
}

/// One thing that is wrong, with its place and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// Stable name for scripts, in `snake_case`.
    pub code: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Length in bytes of what is marked; 0 where there is nothing to mark.
    pub len: u64,
    /// What is wrong, as a sentence fragment without a final stop.
    pub message: String,
    /// What to do about it; empty where there is nothing to add.
    #[serde(default)]
    pub hint: String,
    /// Other places that belong to it, such as the first of two equal keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Place>,
}

impl Problem {
    /// Makes a problem that is known by its pointer alone; lines, columns and offsets are left at 0.
    #[must_use]
    pub fn new(
        severity: Severity,
        code: &str,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: code.into(),
            place: Place { pointer: pointer.into(), ..Place::default() },
            len: 0,
            message: message.into(),
            hint: String::new(),
            related: Vec::new(),
        }
    }

    /// Makes an [`Severity::Error`]; see [`Problem::new`].
    #[must_use]
    pub fn error(code: &str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, pointer, message)
    }

    /// Makes a [`Severity::Warning`]; see [`Problem::new`].
    #[must_use]
    pub fn warning(code: &str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, pointer, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds another place that belongs to it, by its pointer.
    #[must_use]
    pub fn with_related(mut self, pointer: impl Into<String>) -> Self {
        self.related.push(Place { pointer: pointer.into(), ..Place::default() });
        self
    }

    /// Returns whether what holds it can't be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity >= Severity::Error
    }
}
