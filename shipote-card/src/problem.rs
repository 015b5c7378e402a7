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
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Other places that belong to it, such as the first of two equal keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Place>,
}
