//! What a page asks, and who answers.

use serde::Deserialize;
use shipote_snapshot::Digest;

use crate::session::Session;
use crate::tell;
use crate::workspaces::{Column, workspaces};

/// A question of a page; what a kind of question does not need is left out. One plain structure rather than one for each
/// kind: a page has to carry the code that reads it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Question {
    ask: Kind,
    /// Position of a state among those that were told by the verdict.
    state: usize,
    /// Position of a file.
    file: usize,
    pub(crate) sort: Column,
    pub(crate) descending: bool,
    /// A part of the label, of the id or of what may be touched; any case.
    pub(crate) filter: String,
    pub(crate) from: usize,
    /// Most items; 0 for all.
    pub(crate) count: usize,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Nothing,
    /// What `shipote state verify --output json` prints.
    Report,
    /// The SHA-256 of a file.
    Digest,
    /// Some rows of the table of workspaces.
    Workspaces,
}

/// Returns the answer: JSON, or the text of a file.
pub(crate) fn answer(session: &Session, question: &Question) -> String {
    let answer = match (&question.ask, session.states.get(question.state)) {
        (Kind::Digest, _) => {
            session.files.get(question.file).map(|file| tell::text(&Digest::of(&file.bytes).to_string()))
        }
        (Kind::Report, Some(state)) => {
            // A report holds nothing that JSON could refuse: its keys are texts.
            Some(serde_json::to_string_pretty(&state.report).unwrap_or_default() + "\n")
        }
        (Kind::Workspaces, Some(state)) => Some(workspaces(state, question)),
        (Kind::Nothing, _) | (_, None) => None,
    };
    answer.unwrap_or_else(|| tell::error("there is no such file"))
}
