//! The state at one moment, held still while it is written beside changes that go on.

use std::collections::HashMap;
use std::sync::Arc;

use shipote_card::WorkspaceId;
use shipote_snapshot::{
    CommandEntry, HeldEntity, LivePipelineEntry, PersistedStats, PipelineEntry, ShipoteSnapshot,
    WorkspaceEntry,
};

use super::error::StoreError;
use super::ledger::Head;
use super::load::prove;

/// Everything declared at one moment; it shares its entities with whoever goes on changing them.
#[derive(Debug, Clone, Default)]
pub struct Frozen {
    /// Workspaces, in their order.
    pub workspaces: Vec<Arc<WorkspaceEntry>>,
    /// The newest samples of workspaces.
    pub samples: HashMap<WorkspaceId, Vec<PersistedStats>>,
    /// Saved pipelines, in their order.
    pub saved_pipelines: Vec<Arc<PipelineEntry>>,
    /// Live pipelines, in their order.
    pub live_pipelines: Vec<Arc<LivePipelineEntry>>,
    /// Commands, in their order.
    pub commands: Vec<Arc<CommandEntry>>,
    /// What was not understood.
    pub held: Arc<[HeldEntity]>,
}

impl Frozen {
    /// Returns the text of `state.json`, proven to be read back as what it says.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Unfaithful`] where it is not; then it must not be written.
    pub fn text(&self, head: &Head) -> Result<Arc<str>, StoreError> {
        let text: Arc<str> = shipote_snapshot::render(&self.snapshot(head)).into();
        let entities = self.workspaces.len()
            + self.saved_pipelines.len()
            + self.live_pipelines.len()
            + self.commands.len()
            + self.held.len();
        prove(&text, entities)?;
        Ok(text)
    }

    /// Returns it as one value.
    #[must_use]
    pub fn snapshot(&self, head: &Head) -> ShipoteSnapshot {
        fn owned<E: Clone>(entries: &[Arc<E>]) -> Vec<E> {
            entries.iter().map(|entry| E::clone(entry)).collect()
        }
        let mut workspaces = owned(&self.workspaces);
        for entry in &mut workspaces {
            entry.stats_history = self.samples.get(&entry.id).cloned().unwrap_or_default();
        }
        ShipoteSnapshot {
            lineage: head.lineage.clone(),
            serial: head.serial,
            journal_seq: head.journal_seq,
            timestamp_ms: head.timestamp_ms,
            producer: super::producer(),
            workspaces,
            saved_pipelines: owned(&self.saved_pipelines),
            live_pipelines: owned(&self.live_pipelines),
            commands: owned(&self.commands),
            held: self.held.to_vec(),
        }
    }
}
