//! Exporting: a state as an older version wrote it, for older tools, and what that version can't say.
//!
//! Older forms hold every field of the original's specs, and variants in `CamelCase`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::bridge::Bridge;
use crate::domain::{Collection, Desired, SNAPSHOT_VERSION, ShipoteSnapshot, WorkspaceEntry};
use crate::write::{Document, newest_samples, render};
use crate::{v1, v2, v3, v4};

/// A state in the form of some version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The text of the file.
    pub text: String,
    /// What it can't say.
    pub unsaid: Vec<Unsaid>,
}

/// Something that a version can't say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsaid {
    /// JSON pointer in the newest form.
    pub pointer: String,
    /// What is left out, as a sentence fragment.
    pub message: String,
}

/// Returns `snapshot` as `version` writes it; none for a version that is not known.
#[must_use]
pub fn export(snapshot: &ShipoteSnapshot, version: u16) -> Option<Export> {
    match version {
        1..SNAPSHOT_VERSION => Some(older(snapshot, version)),
        SNAPSHOT_VERSION => Some(Export { text: render(snapshot), unsaid: Vec::new() }),
        _ => None,
    }
}

fn older(snapshot: &ShipoteSnapshot, version: u16) -> Export {
    let held = &snapshot.held;
    let mut text = String::new();
    let mut document = Document::open(&mut text, version, snapshot.timestamp_ms, |_| {});
    if version < 4 {
        let entries = snapshot.workspaces.iter();
        let entries =
            entries.map(|entry| v1::WorkspaceEntry { id: entry.id, spec: Bridge::lower(entry.spec.clone()) });
        document.list(Collection::Workspaces, held, entries);
    } else {
        document.list(Collection::Workspaces, held, snapshot.workspaces.iter().map(workspace));
    }
    if version >= 2 {
        let entries = snapshot.saved_pipelines.iter().map(|entry| v2::PipelineEntry::lower(entry.clone()));
        document.list(Collection::SavedPipelines, held, entries);
    }
    if version >= 3 {
        // What stands in this list was running, and an older daemon would start it.
        let running = snapshot.live_pipelines.iter().filter(|entry| entry.desired == Desired::Running);
        let entries = running.map(|entry| v3::LivePipelineEntry {
            workspace: entry.workspace,
            spec: Bridge::lower(entry.spec.clone()),
            tap: entry.tap,
        });
        document.list(Collection::LivePipelines, held, entries);
    }
    document.close();
    Export { text, unsaid: unsaid(snapshot, version) }
}

fn workspace(entry: &WorkspaceEntry) -> v4::WorkspaceEntry {
    let sample = |sample: &crate::PersistedStats| v4::PersistedStats {
        commands_alive: sample.commands_alive,
        commands_total: sample.commands_total,
        rss_bytes: sample.rss_bytes,
        rss_peak_bytes: sample.rss_peak_bytes,
        cpu_usec: sample.cpu_usec,
        cpu_percent: sample.cpu_percent,
        cpu_cores: sample.cpu_cores,
        uptime_ms: sample.uptime_ms,
    };
    v4::WorkspaceEntry {
        id: entry.id,
        spec: Bridge::lower(entry.spec.clone()),
        stats_history: newest_samples(entry).iter().map(sample).collect(),
    }
}

fn unsaid(snapshot: &ShipoteSnapshot, version: u16) -> Vec<Unsaid> {
    let mut unsaid = Vec::new();
    let mut add = |pointer: String, message: &str| unsaid.push(Unsaid { pointer, message: message.into() });
    add("/lineage".into(), "lineage, serial, journal_seq and producer");
    for (index, entry) in snapshot.workspaces.iter().enumerate() {
        if entry.expires_at_ms.is_some() {
            add(format!("/workspaces/{index}/expires_at_ms"), "when its ttl ends; it would begin anew");
        }
        let samples = newest_samples(entry);
        if version < 4 && !samples.is_empty() {
            add(format!("/workspaces/{index}/stats_history"), "its history of samples");
        } else if samples.iter().any(|sample| sample.at_ms.is_some()) {
            add(format!("/workspaces/{index}/stats_history"), "the times of its samples");
        }
    }
    if version < 2 {
        for (index, _) in snapshot.saved_pipelines.iter().enumerate() {
            add(format!("/saved_pipelines/{index}"), "the saved pipeline");
        }
    }
    for (index, entry) in snapshot.live_pipelines.iter().enumerate() {
        let pointer = format!("/live_pipelines/{index}");
        match entry.desired {
            _ if version < 3 => add(pointer, "the live pipeline"),
            Desired::Stopped => add(pointer, "the live pipeline, since it is stopped"),
            Desired::Running => add(pointer, "its id and restart counters"),
        }
    }
    for (index, _) in snapshot.commands.iter().enumerate() {
        add(format!("/commands/{index}"), "the command");
    }
    for (index, entity) in snapshot.held.iter().enumerate() {
        let since = match entity.collection {
            Collection::Workspaces => 1,
            Collection::SavedPipelines => 2,
            Collection::LivePipelines => 3,
            Collection::Commands => 5,
        };
        if version < since {
            add(format!("/{}", entity.collection), &format!("held entity {}", index + 1));
        }
    }
    unsaid
}
