//! What a journal is written from: the changes between two states, or those that a writer gathers as it makes them.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::domain::{Collection, ShipoteSnapshot, WorkspaceEntry};
use crate::entity::{Entity, EntityChange};
use crate::journal::{Entry, Record};

/// The changes of one record, gathered one by one: what they cost depends on what changed alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change(Vec<EntityChange>);

impl Change {
    /// Makes one that changes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds that `entity` is there from now on, as it is given here.
    #[must_use]
    pub fn put(mut self, entity: impl Into<Entity>) -> Self {
        self.0.push(EntityChange::Put(entity.into()));
        self
    }

    /// Adds that the entity named `key` is there no more.
    #[must_use]
    pub fn remove(mut self, collection: Collection, key: impl ToString) -> Self {
        self.0.push(EntityChange::Remove(collection, key.to_string()));
        self
    }

    /// Returns whether nothing is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the changes, in their order.
    #[must_use]
    pub fn into_changes(self) -> Vec<EntityChange> {
        self.0
    }

    /// Returns the record of these changes.
    #[must_use]
    pub fn into_record(self, seq: u64, at_ms: u64, durable_seq: u64) -> Record {
        Record { seq, at_ms, durable_seq, entry: Entry::Changes(self.0) }
    }
}

/// Returns what makes `new` of `old`: first what is gone, then what is other or new, in the order of `new`.
///
/// Samples are no change: they come into `state.json` when it is written for another reason. The document's own fields
/// and entities that are held are not compared either. An entity that only stands at another place of its list is
/// unchanged, and stays where it was.
#[must_use]
pub fn changes(old: &ShipoteSnapshot, new: &ShipoteSnapshot) -> Vec<EntityChange> {
    let mut changes = Vec::new();
    let mut puts = Vec::new();
    let id = |entry: &WorkspaceEntry| entry.id.to_string();
    compare(Collection::Workspaces, (&old.workspaces, &new.workspaces), id, same, &mut changes, &mut puts);
    let (both, name) =
        ((&*old.saved_pipelines, &*new.saved_pipelines), |e: &crate::PipelineEntry| e.name.clone());
    compare(Collection::SavedPipelines, both, name, PartialEq::eq, &mut changes, &mut puts);
    let (both, id) =
        ((&*old.live_pipelines, &*new.live_pipelines), |e: &crate::LivePipelineEntry| e.id.to_string());
    compare(Collection::LivePipelines, both, id, PartialEq::eq, &mut changes, &mut puts);
    let (both, id) = ((&*old.commands, &*new.commands), |e: &crate::CommandEntry| e.id.to_string());
    compare(Collection::Commands, both, id, PartialEq::eq, &mut changes, &mut puts);
    changes.append(&mut puts);
    changes
}

/// Returns whether two workspaces are the same but for their samples.
fn same(old: &WorkspaceEntry, new: &WorkspaceEntry) -> bool {
    (old.id, &old.spec, old.expires_at_ms) == (new.id, &new.spec, new.expires_at_ms)
}

fn compare<T: Clone + Into<Entity>>(
    collection: Collection,
    (old, new): (&[T], &[T]),
    key: impl Fn(&T) -> String,
    same: impl Fn(&T, &T) -> bool,
    removals: &mut Vec<EntityChange>,
    puts: &mut Vec<EntityChange>,
) {
    let mut before: BTreeMap<String, &T> = old.iter().map(|entry| (key(entry), entry)).collect();
    for entry in new {
        if !before.remove(&key(entry)).is_some_and(|earlier| same(earlier, entry)) {
            puts.push(EntityChange::Put(entry.clone().into()));
        }
    }
    removals.extend(before.into_keys().map(|key| EntityChange::Remove(collection, key)));
}
