//! The difference of two states: entities by id (saved pipelines by name), and what changed in them field by field.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::bridge::Bridge;
use crate::domain::{Collection, ShipoteSnapshot};
use crate::ordered::Named;
use crate::wire::{Style, Wire};
use crate::{v2, v5};

/// How two states differ. Entities stand by list, and in it by id or name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Diff {
    /// Entities that only the new state has.
    pub added: Vec<EntityName>,
    /// Entities that only the old state has.
    pub removed: Vec<EntityName>,
    /// Entities that both have and that differ.
    pub changed: Vec<Change>,
}

impl Diff {
    /// Returns whether the states say the same.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Names one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityName {
    /// The list that it stands in.
    pub collection: Collection,
    /// Its id, or the name of a saved pipeline.
    pub id: String,
    /// Its label.
    pub label: String,
}

/// An entity that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Which one, with the label that it has now.
    #[serde(flatten)]
    pub entity: EntityName,
    /// What differs, by path.
    pub fields: Vec<FieldChange>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// JSON pointer within the entity.
    pub pointer: String,
    /// What was there; none where nothing was.
    pub old: Option<Value>,
    /// What is there; none where nothing is.
    pub new: Option<Value>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiffOptions {
    /// Compare the histories of samples too, which differ nearly always.
    pub stats_history: bool,
}

/// Returns how `new` differs from `old`. The document's own fields (serial, times, producer) are not compared.
#[must_use]
pub fn diff(old: &ShipoteSnapshot, new: &ShipoteSnapshot, options: DiffOptions) -> Diff {
    let mut diff = Diff::default();
    let (mut before, after) = (entities(old, options), entities(new, options));
    for ((collection, id), (label, entity)) in after.into_iter() {
        let name = EntityName { collection, id, label };
        match before.remove(&(collection, name.id.clone())) {
            None => diff.added.push(name),
            Some((_, earlier)) => {
                let mut fields = Vec::new();
                compare(&earlier, &entity, &mut String::new(), &mut fields);
                if !fields.is_empty() {
                    diff.changed.push(Change { entity: name, fields });
                }
            }
        }
    }
    let removed = |((collection, id), (label, _))| EntityName { collection, id, label };
    diff.removed = before.into_iter().map(removed).collect();
    diff
}

type Entities = Named<(String, Value)>;

fn entities(snapshot: &ShipoteSnapshot, options: DiffOptions) -> Entities {
    let mut entities = Entities::default();
    for entry in &snapshot.workspaces {
        let mut wire = v5::WorkspaceEntry::lower(entry.clone());
        if !options.stats_history {
            wire.stats_history.0.clear();
        }
        let named = (entry.spec.label.clone(), value(&wire));
        entities.insert((Collection::Workspaces, entry.id.to_string()), named);
    }
    for entry in &snapshot.saved_pipelines {
        let named = (entry.spec.label.clone(), value(&v2::PipelineEntry::lower(entry.clone())));
        entities.insert((Collection::SavedPipelines, entry.name.clone()), named);
    }
    for entry in &snapshot.live_pipelines {
        let named = (entry.spec.label.clone(), value(&v5::LivePipelineEntry::lower(entry.clone())));
        entities.insert((Collection::LivePipelines, entry.id.to_string()), named);
    }
    for entry in &snapshot.commands {
        let named = (entry.spec.label.clone(), value(&v5::CommandEntry::lower(entry.clone())));
        entities.insert((Collection::Commands, entry.id.to_string()), named);
    }
    entities
}

fn value(wire: &impl Wire) -> Value {
    let mut text = String::new();
    wire.write(&mut text, Style::Snake);
    // What was just written is JSON.
    serde_json::from_str(&text).unwrap_or_default()
}

/// Adds each field that differs. Lists of equal length are compared element by element, others as a whole.
pub(crate) fn compare(old: &Value, new: &Value, pointer: &mut String, fields: &mut Vec<FieldChange>) {
    let mut step = |key: &str, old: Option<&Value>, new: Option<&Value>| {
        let len = pointer.len();
        pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
        match (old, new) {
            (Some(old), Some(new)) => compare(old, new, pointer, fields),
            _ => fields.push(FieldChange { pointer: pointer.clone(), old: old.cloned(), new: new.cloned() }),
        }
        pointer.truncate(len);
    };
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, old) in before {
                step(key, Some(old), after.get(key));
            }
            for (key, new) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
                step(key, None, Some(new));
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                step(&index.to_string(), Some(old), Some(new));
            }
        }
        _ if old != new => {
            let (old, new) = (Some(old.clone()), Some(new.clone()));
            fields.push(FieldChange { pointer: pointer.clone(), old, new });
        }
        _ => {}
    }
}
