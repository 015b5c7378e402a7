//! One entity at a time: its JSON, as a journal record or an answer of the API holds it, and its place in a state.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bridge::Bridge;
use crate::domain::{
    Collection, CommandEntry, LivePipelineEntry, PipelineEntry, ShipoteSnapshot, WorkspaceEntry,
};
use crate::ordered::{Named, sort_by_key};
use crate::wire::{Style, Wire};
use crate::write::workspace;
use crate::{source, v2, v5};

/// One entity of a state.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    /// A workspace.
    Workspace(WorkspaceEntry),
    /// A pipeline saved by name.
    SavedPipeline(PipelineEntry),
    /// A live pipeline.
    LivePipeline(LivePipelineEntry),
    /// A supervised command.
    Command(CommandEntry),
}

impl Entity {
    /// Reads the JSON of one entity in the newest version, strictly; returns none where it has any error.
    #[must_use]
    pub fn from_json(collection: Collection, json: &str) -> Option<Self> {
        fn read<W: Wire + Bridge<D>, D>(json: &str) -> Option<D> {
            source::read::<W>(json).map(W::lift)
        }
        match collection {
            Collection::Workspaces => read::<v5::WorkspaceEntry, _>(json).map(Self::Workspace),
            Collection::SavedPipelines => read::<v2::PipelineEntry, _>(json).map(Self::SavedPipeline),
            Collection::LivePipelines => read::<v5::LivePipelineEntry, _>(json).map(Self::LivePipeline),
            Collection::Commands => read::<v5::CommandEntry, _>(json).map(Self::Command),
        }
    }

    /// Returns its JSON, on one line, as `state.json` holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Workspace(entry) => workspace(entry).write(&mut out, Style::Snake),
            Self::SavedPipeline(entry) => {
                v2::PipelineEntry::lower(entry.clone()).write(&mut out, Style::Snake);
            }
            Self::LivePipeline(entry) => {
                v5::LivePipelineEntry::lower(entry.clone()).write(&mut out, Style::Snake);
            }
            Self::Command(entry) => v5::CommandEntry::lower(entry.clone()).write(&mut out, Style::Snake),
        }
        out
    }

    /// Returns the list that it belongs to.
    #[must_use]
    pub const fn collection(&self) -> Collection {
        match self {
            Self::Workspace(_) => Collection::Workspaces,
            Self::SavedPipeline(_) => Collection::SavedPipelines,
            Self::LivePipeline(_) => Collection::LivePipelines,
            Self::Command(_) => Collection::Commands,
        }
    }

    /// Returns the label that people gave it.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Workspace(entry) => &entry.spec.label,
            Self::SavedPipeline(entry) => &entry.spec.label,
            Self::LivePipeline(entry) => &entry.spec.label,
            Self::Command(entry) => &entry.spec.label,
        }
    }

    /// Returns what names it in its list: its id, or the name of a saved pipeline.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Workspace(entry) => entry.id.to_string(),
            Self::SavedPipeline(entry) => entry.name.clone(),
            Self::LivePipeline(entry) => entry.id.to_string(),
            Self::Command(entry) => entry.id.to_string(),
        }
    }
}

macro_rules! into_entity {
    ($($entry:ident => $variant:ident),+) => {$(
        impl From<$entry> for Entity {
            fn from(entry: $entry) -> Self {
                Self::$variant(entry)
            }
        }
    )+};
}

into_entity!(
    WorkspaceEntry => Workspace,
    PipelineEntry => SavedPipeline,
    LivePipelineEntry => LivePipeline,
    CommandEntry => Command
);

/// A change of one entity, whole: done twice it is the same as done once.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every change is a put")]
pub enum EntityChange {
    /// The entity takes the place of the one with its key, or comes to the end of its list.
    Put(Entity),
    /// The entity of this key is taken away, if it is there.
    Remove(Collection, String),
}

impl EntityChange {
    /// Returns what is changed: its list, and its key there.
    #[must_use]
    pub fn name(&self) -> (Collection, String) {
        match self {
            Self::Put(entity) => (entity.collection(), entity.key()),
            Self::Remove(collection, key) => (*collection, key.clone()),
        }
    }

    fn named(self) -> ((Collection, String), Option<Entity>) {
        match self {
            Self::Put(entity) => ((entity.collection(), entity.key()), Some(entity)),
            Self::Remove(collection, key) => ((collection, key), None),
        }
    }
}

impl ShipoteSnapshot {
    /// Applies `changes` in their order, in one pass over the state however many there are.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = EntityChange>) {
        // Changes are whole, so the last one of an entity decides what it is. Where it stands is decided by the first
        // one that put it there, as if the changes were applied one by one.
        let mut last = Named::default();
        for (order, change) in changes.into_iter().enumerate() {
            let (name, entity) = change.named();
            let fate = last.or_insert(name, Fate { removed: false, order, entity: None });
            if fate.entity.is_none() {
                fate.order = order;
            }
            fate.removed |= entity.is_none();
            fate.entity = entity;
        }
        replace(&mut self.workspaces, &mut last, Entity::Workspace, |entity| match entity {
            Entity::Workspace(entry) => Some(entry),
            _ => None,
        });
        replace(&mut self.saved_pipelines, &mut last, Entity::SavedPipeline, |entity| match entity {
            Entity::SavedPipeline(entry) => Some(entry),
            _ => None,
        });
        replace(&mut self.live_pipelines, &mut last, Entity::LivePipeline, |entity| match entity {
            Entity::LivePipeline(entry) => Some(entry),
            _ => None,
        });
        replace(&mut self.commands, &mut last, Entity::Command, |entity| match entity {
            Entity::Command(entry) => Some(entry),
            _ => None,
        });
        let placed = |(_, fate): (_, Fate)| fate.entity.map(|entity| (fate.order, entity));
        let mut new: Vec<(usize, Entity)> = last.into_iter().filter_map(placed).collect();
        sort_by_key(&mut new, |(order, _)| *order as u128);
        for (_, entity) in new {
            match entity {
                Entity::Workspace(entry) => self.workspaces.push(entry),
                Entity::SavedPipeline(entry) => self.saved_pipelines.push(entry),
                Entity::LivePipeline(entry) => self.live_pipelines.push(entry),
                Entity::Command(entry) => self.commands.push(entry),
            }
        }
    }
}

/// What changes make of one entity.
struct Fate {
    /// Whether it was taken away at any time: if it is there all the same, it has come anew.
    removed: bool,
    /// When it has come.
    order: usize,
    entity: Option<Entity>,
}

/// Replaces or drops the entries of `list` that changes name; leaves in `last` what comes to the end of a list.
fn replace<T>(
    list: &mut Vec<T>,
    last: &mut Named<Fate>,
    wrap: impl Fn(T) -> Entity,
    unwrap: impl Fn(Entity) -> Option<T>,
) {
    if last.is_empty() {
        return;
    }
    let kept = core::mem::take(list).into_iter().filter_map(|entry| {
        let entity = wrap(entry);
        let name = (entity.collection(), entity.key());
        match last.get(&name) {
            Some(fate) if fate.removed => None,
            Some(_) => last.remove(&name).and_then(|fate| fate.entity).and_then(&unwrap),
            None => unwrap(entity),
        }
    });
    *list = kept.collect();
}
