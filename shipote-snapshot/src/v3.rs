//! Version 3 of `state.json`, frozen: adds `live_pipelines`.

use alloc::vec::Vec;

use shipote_card::WorkspaceId;

use crate::upgrade::Notes;
use crate::{v1, v2};

wire_struct! {
    /// The document.
    pub struct State {
        /// 3.
        version: u16,
        /// When it was written, in milliseconds since the Unix epoch.
        timestamp_ms: u64,
        /// Declared workspaces.
        workspaces: Vec<v1::WorkspaceEntry>,
        /// Pipelines saved by name.
        saved_pipelines: Vec<v2::PipelineEntry> = Vec::new(),
        /// Pipelines that ran when it was written.
        live_pipelines: Vec<LivePipelineEntry> = Vec::new(),
    }
}

/// Returns the same state in version 3.
pub(crate) fn from_v2(old: v2::State, notes: &mut Notes) -> State {
    notes.push(3, "/live_pipelines", "starts empty");
    State {
        version: 3,
        timestamp_ms: old.timestamp_ms,
        workspaces: old.workspaces,
        saved_pipelines: old.saved_pipelines,
        live_pipelines: Vec::new(),
    }
}

wire_struct! {
    /// A pipeline that ran when the state was written.
    pub struct LivePipelineEntry {
        /// ULID of the workspace that it runs in; it wins over `spec.workspace`.
        workspace: WorkspaceId,
        /// What was declared.
        spec: v2::PipelineSpec,
        /// Whether every edge is tapped.
        tap: bool,
    }
}
