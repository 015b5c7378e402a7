//! Version 4 of `state.json`, frozen: adds `stats_history` to workspaces.

use alloc::vec::Vec;

use shipote_card::WorkspaceId;

use crate::upgrade::Notes;
use crate::{v1, v2, v3};

wire_struct! {
    /// The document.
    pub struct State {
        /// 4.
        version: u16,
        /// When it was written, in milliseconds since the Unix epoch.
        timestamp_ms: u64,
        /// Declared workspaces.
        workspaces: Vec<WorkspaceEntry>,
        /// Pipelines saved by name.
        saved_pipelines: Vec<v2::PipelineEntry> = Vec::new(),
        /// Pipelines that ran when it was written.
        live_pipelines: Vec<v3::LivePipelineEntry> = Vec::new(),
    }
}

/// Returns the same state in version 4.
pub(crate) fn from_v3(old: v3::State, notes: &mut Notes) -> State {
    if !old.workspaces.is_empty() {
        notes.push(4, "/workspaces", "no workspace has a history of samples yet");
    }
    let entry = |v1::WorkspaceEntry { id, spec }| WorkspaceEntry { id, spec, stats_history: Vec::new() };
    State {
        version: 4,
        timestamp_ms: old.timestamp_ms,
        workspaces: old.workspaces.into_iter().map(entry).collect(),
        saved_pipelines: old.saved_pipelines,
        live_pipelines: old.live_pipelines,
    }
}

wire_struct! {
    /// A declared workspace.
    pub struct WorkspaceEntry {
        /// ULID.
        id: WorkspaceId,
        /// What was declared.
        spec: v1::WorkspaceSpec,
        /// What it cost, oldest first; at most 16 are written.
        stats_history: Vec<PersistedStats> = Vec::new(),
    }
}

wire_struct! {
    /// One sample.
    pub struct PersistedStats {
        /// Commands that run.
        commands_alive: u32,
        /// Commands that are declared.
        commands_total: u32,
        /// Resident memory in bytes.
        rss_bytes: Option<u64> = None,
        /// Highest resident memory in bytes.
        rss_peak_bytes: Option<u64> = None,
        /// Processor time in microseconds.
        cpu_usec: Option<u64> = None,
        /// Processor use in percent of one processor.
        cpu_percent: Option<f64> = None,
        /// Processors of the host.
        cpu_cores: u32,
        /// Age of the workspace in milliseconds.
        uptime_ms: u64,
    }
}
