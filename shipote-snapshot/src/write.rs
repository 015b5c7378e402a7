//! Writing: a state as the text of `state.json`, the same text for the same state, with one entity per line.

use alloc::string::String;

use crate::bridge::Bridge;
use crate::domain::{
    Collection, HeldEntity, PersistedStats, SNAPSHOT_VERSION, ShipoteSnapshot, WRITTEN_SAMPLES,
    WorkspaceEntry,
};
use crate::wire::{Style, Wire, write_text};
use crate::{v2, v5};

/// Returns the text of `state.json` in the newest version.
///
/// Of each workspace's samples the newest [`WRITTEN_SAMPLES`] are written. Held entities come last in their list.
#[must_use]
pub fn render(snapshot: &ShipoteSnapshot) -> String {
    let mut out = String::new();
    let mut document = Document::open(&mut out, SNAPSHOT_VERSION, snapshot.timestamp_ms, |out| {
        field(out, "lineage", &snapshot.lineage);
        field(out, "serial", &snapshot.serial);
        field(out, "journal_seq", &snapshot.journal_seq);
        field(out, "producer", &snapshot.producer);
    });
    document.list(Collection::Workspaces, &snapshot.held, snapshot.workspaces.iter().map(workspace));
    let saved = snapshot.saved_pipelines.iter().map(|entry| v2::PipelineEntry::lower(entry.clone()));
    document.list(Collection::SavedPipelines, &snapshot.held, saved);
    let live = snapshot.live_pipelines.iter().map(|entry| v5::LivePipelineEntry::lower(entry.clone()));
    document.list(Collection::LivePipelines, &snapshot.held, live);
    let commands = snapshot.commands.iter().map(|entry| v5::CommandEntry::lower(entry.clone()));
    document.list(Collection::Commands, &snapshot.held, commands);
    document.close();
    out
}

pub(crate) fn workspace(entry: &WorkspaceEntry) -> v5::WorkspaceEntry {
    v5::WorkspaceEntry {
        id: entry.id,
        spec: Bridge::lower(entry.spec.clone()),
        expires_at_ms: entry.expires_at_ms,
        stats_history: Bridge::lower(newest_samples(entry).to_vec()),
    }
}

/// Returns the samples of a workspace that are written.
pub(crate) fn newest_samples(entry: &WorkspaceEntry) -> &[PersistedStats] {
    &entry.stats_history[entry.stats_history.len().saturating_sub(WRITTEN_SAMPLES)..]
}

fn field(out: &mut String, key: &str, value: &impl Wire) {
    write_text(out, key);
    out.push(':');
    value.write(out, Style::Snake);
    out.push(',');
}

/// Writes one document: the head on the first line, then each entity on a line of its own.
pub(crate) struct Document<'a> {
    out: &'a mut String,
    style: Style,
}

impl<'a> Document<'a> {
    pub(crate) fn open(
        out: &'a mut String,
        version: u16,
        timestamp_ms: u64,
        head: impl FnOnce(&mut String),
    ) -> Self {
        out.push('{');
        field(out, "version", &version);
        head(out);
        write_text(out, "timestamp_ms");
        out.push(':');
        timestamp_ms.write(out, Style::Snake);
        Self { out, style: if version < 5 { Style::Camel } else { Style::Snake } }
    }

    pub(crate) fn list<W: Wire>(
        &mut self,
        collection: Collection,
        held: &[HeldEntity],
        entities: impl Iterator<Item = W>,
    ) {
        self.out.push_str(",\n");
        write_text(self.out, collection.key());
        self.out.push_str(":[");
        let mut separator = "\n";
        for entity in entities {
            self.out.push_str(separator);
            entity.write(self.out, self.style);
            separator = ",\n";
        }
        for entity in held.iter().filter(|entity| entity.collection == collection) {
            self.out.push_str(separator);
            self.out.push_str(&entity.raw);
            separator = ",\n";
        }
        self.out.push(']');
    }

    pub(crate) fn close(self) {
        self.out.push_str("}\n");
    }
}
