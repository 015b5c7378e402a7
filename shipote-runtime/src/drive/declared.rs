//! What is declared: every entity by key, label and workspace, so that a change costs the same among ten of them and
//! among a hundred thousand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use shipote_card::{CommandId, PipelineId, WorkspaceId};
use shipote_snapshot::{
    Change, Collection, CommandEntry, Entity, EntityChange, HeldEntity, LivePipelineEntry, PersistedStats,
    PipelineEntry, ShipoteSnapshot, WorkspaceEntry,
};

use crate::host::store::frozen::Frozen;

/// Entities of one kind, in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<K, E> {
    entries: BTreeMap<u64, Arc<E>>,
    places: HashMap<K, u64>,
    next: u64,
}

/// What stood at a key before: its place, and the entity.
type Before<E> = Option<(u64, Arc<E>)>;

impl<K: Hash + Eq + Clone, E> Table<K, E> {
    fn new() -> Self {
        Self { entries: BTreeMap::new(), places: HashMap::new(), next: 0 }
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns them in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &E> + Clone {
        self.entries.values().map(|entry| &**entry)
    }

    /// Returns the one of a key.
    pub(super) fn get(&self, key: &K) -> Option<&E> {
        self.entries.get(self.places.get(key)?).map(|entry| &**entry)
    }

    fn shared(&self) -> Vec<Arc<E>> {
        self.entries.values().cloned().collect()
    }

    fn place(&self, key: &K) -> Option<u64> {
        self.places.get(key).copied()
    }

    /// Puts an entity in the place of the one with its key, or at the end.
    fn put(&mut self, key: K, entry: E) -> Before<E> {
        if let Some(place) = self.place(&key) {
            return self.entries.insert(place, Arc::new(entry)).map(|before| (place, before));
        }
        self.put_at(key, self.next, Arc::new(entry));
        None
    }

    fn put_at(&mut self, key: K, place: u64, entry: Arc<E>) {
        self.next = self.next.max(place + 1);
        self.places.insert(key, place);
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, key: &K) -> Before<E> {
        let place = self.places.remove(key)?;
        self.entries.remove(&place).map(|entry| (place, entry))
    }

    /// Takes a change of one key back.
    fn restore(&mut self, key: &K, before: Before<E>) {
        self.remove(key);
        if let Some((place, entry)) = before {
            self.put_at(key.clone(), place, entry);
        }
    }
}

/// What is declared.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) workspaces: Table<WorkspaceId, WorkspaceEntry>,
    pub(super) saved_pipelines: Table<String, PipelineEntry>,
    pub(super) live_pipelines: Table<PipelineId, LivePipelineEntry>,
    pub(super) commands: Table<CommandId, CommandEntry>,
    held: Arc<[HeldEntity]>,
    labels: HashMap<String, BTreeSet<WorkspaceId>>,
    /// Commands of each workspace, by their places.
    commands_of: HashMap<WorkspaceId, BTreeMap<u64, CommandId>>,
    /// Live pipelines of each workspace, by their places.
    pipelines_of: HashMap<WorkspaceId, BTreeMap<u64, PipelineId>>,
}

/// How to take a change back.
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<Step>);

#[derive(Debug)]
enum Step {
    Workspace(WorkspaceId, Before<WorkspaceEntry>),
    SavedPipeline(String, Before<PipelineEntry>),
    LivePipeline(PipelineId, Before<LivePipelineEntry>),
    Command(CommandId, Before<CommandEntry>),
}

impl Declared {
    /// Takes a state in, without its samples.
    pub(super) fn new(snapshot: ShipoteSnapshot) -> Self {
        let mut declared = Self {
            workspaces: Table::new(),
            saved_pipelines: Table::new(),
            live_pipelines: Table::new(),
            commands: Table::new(),
            held: snapshot.held.into(),
            labels: HashMap::new(),
            commands_of: HashMap::new(),
            pipelines_of: HashMap::new(),
        };
        for mut entry in snapshot.workspaces {
            entry.stats_history = Vec::new();
            declared.put(Entity::Workspace(entry));
        }
        let saved = snapshot.saved_pipelines.into_iter().map(Entity::SavedPipeline);
        let live = snapshot.live_pipelines.into_iter().map(Entity::LivePipeline);
        let commands = snapshot.commands.into_iter().map(Entity::Command);
        for entity in saved.chain(live).chain(commands) {
            declared.put(entity);
        }
        declared
    }

    /// Holds it still as it is now, with the newest samples of each workspace.
    pub(super) fn freeze(&self, samples: HashMap<WorkspaceId, Vec<PersistedStats>>) -> Frozen {
        Frozen {
            workspaces: self.workspaces.shared(),
            samples,
            saved_pipelines: self.saved_pipelines.shared(),
            live_pipelines: self.live_pipelines.shared(),
            commands: self.commands.shared(),
            held: Arc::clone(&self.held),
        }
    }

    /// Returns the workspaces that have a label: one at most, but for states of other hands.
    pub(super) fn labelled(&self, label: &str) -> impl Iterator<Item = &WorkspaceEntry> {
        self.labels.get(label).into_iter().flatten().filter_map(|id| self.workspaces.get(id))
    }

    /// Returns the commands of a workspace, in their order.
    pub(super) fn commands_in(&self, workspace: WorkspaceId) -> impl Iterator<Item = &CommandEntry> {
        let ids = self.commands_of.get(&workspace).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.commands.get(id))
    }

    /// Returns the live pipelines of a workspace, in their order.
    pub(super) fn pipelines_in(&self, workspace: WorkspaceId) -> impl Iterator<Item = &LivePipelineEntry> {
        let ids = self.pipelines_of.get(&workspace).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.live_pipelines.get(id))
    }

    /// Returns the command whose id has this text.
    pub(super) fn command(&self, id: &str) -> Option<&CommandEntry> {
        self.commands.get(&id.parse().ok()?)
    }

    /// Returns the live pipeline whose id has this text.
    pub(super) fn live_pipeline(&self, id: &str) -> Option<&LivePipelineEntry> {
        self.live_pipelines.get(&id.parse().ok()?)
    }

    /// Makes a change. Returns how to take it back.
    pub(super) fn apply(&mut self, change: Change) -> Undo {
        let mut undo = Undo::default();
        for change in change.into_changes() {
            undo.0.extend(match change {
                EntityChange::Put(entity) => Some(self.put(entity)),
                EntityChange::Remove(collection, key) => self.remove(collection, &key),
            });
        }
        undo
    }

    /// Takes the newest change back that was not taken back yet.
    pub(super) fn take_back(&mut self, undo: Undo) {
        for step in undo.0.into_iter().rev() {
            self.forget(&step);
            match step {
                Step::Workspace(id, before) => {
                    self.workspaces.restore(&id, before);
                    self.index_workspace(id);
                }
                Step::SavedPipeline(name, before) => self.saved_pipelines.restore(&name, before),
                Step::LivePipeline(id, before) => {
                    self.live_pipelines.restore(&id, before);
                    self.index_pipeline(id);
                }
                Step::Command(id, before) => {
                    self.commands.restore(&id, before);
                    self.index_command(id);
                }
            }
        }
    }

    fn put(&mut self, entity: Entity) -> Step {
        match entity {
            Entity::Workspace(entry) => {
                let id = entry.id;
                self.forget_label(id);
                let before = self.workspaces.put(id, entry);
                self.index_workspace(id);
                Step::Workspace(id, before)
            }
            Entity::SavedPipeline(entry) => {
                let name = entry.name.clone();
                Step::SavedPipeline(name.clone(), self.saved_pipelines.put(name, entry))
            }
            Entity::LivePipeline(entry) => {
                let id = entry.id;
                self.forget_pipeline(id);
                let before = self.live_pipelines.put(id, entry);
                self.index_pipeline(id);
                Step::LivePipeline(id, before)
            }
            Entity::Command(entry) => {
                let id = entry.id;
                self.forget_command(id);
                let before = self.commands.put(id, entry);
                self.index_command(id);
                Step::Command(id, before)
            }
        }
    }

    fn remove(&mut self, collection: Collection, key: &str) -> Option<Step> {
        Some(match collection {
            Collection::Workspaces => {
                let id = key.parse().ok()?;
                self.forget_label(id);
                Step::Workspace(id, self.workspaces.remove(&id))
            }
            Collection::SavedPipelines => {
                let name = key.to_owned();
                let before = self.saved_pipelines.remove(&name);
                Step::SavedPipeline(name, before)
            }
            Collection::LivePipelines => {
                let id = key.parse().ok()?;
                self.forget_pipeline(id);
                Step::LivePipeline(id, self.live_pipelines.remove(&id))
            }
            Collection::Commands => {
                let id = key.parse().ok()?;
                self.forget_command(id);
                Step::Command(id, self.commands.remove(&id))
            }
        })
    }

    fn forget(&mut self, step: &Step) {
        match step {
            Step::Workspace(id, _) => self.forget_label(*id),
            Step::SavedPipeline(..) => {}
            Step::LivePipeline(id, _) => self.forget_pipeline(*id),
            Step::Command(id, _) => self.forget_command(*id),
        }
    }

    fn forget_label(&mut self, id: WorkspaceId) {
        let Some(label) = self.workspaces.get(&id).map(|entry| &entry.spec.label) else { return };
        if let Some(ids) = self.labels.get_mut(label) {
            ids.remove(&id);
            if ids.is_empty() {
                self.labels.remove(label);
            }
        }
    }

    fn index_workspace(&mut self, id: WorkspaceId) {
        if let Some(entry) = self.workspaces.get(&id) {
            self.labels.entry(entry.spec.label.clone()).or_default().insert(id);
        }
    }

    fn forget_command(&mut self, id: CommandId) {
        if let (Some(entry), Some(place)) = (self.commands.get(&id), self.commands.place(&id)) {
            forget_at(&mut self.commands_of, entry.workspace, place);
        }
    }

    fn index_command(&mut self, id: CommandId) {
        if let (Some(entry), Some(place)) = (self.commands.get(&id), self.commands.place(&id)) {
            self.commands_of.entry(entry.workspace).or_default().insert(place, id);
        }
    }

    fn forget_pipeline(&mut self, id: PipelineId) {
        if let (Some(entry), Some(place)) = (self.live_pipelines.get(&id), self.live_pipelines.place(&id)) {
            forget_at(&mut self.pipelines_of, entry.workspace, place);
        }
    }

    fn index_pipeline(&mut self, id: PipelineId) {
        if let (Some(entry), Some(place)) = (self.live_pipelines.get(&id), self.live_pipelines.place(&id)) {
            self.pipelines_of.entry(entry.workspace).or_default().insert(place, id);
        }
    }
}

fn forget_at<Id>(of: &mut HashMap<WorkspaceId, BTreeMap<u64, Id>>, workspace: WorkspaceId, place: u64) {
    if let Some(places) = of.get_mut(&workspace) {
        places.remove(&place);
        if places.is_empty() {
            of.remove(&workspace);
        }
    }
}

/// A change in the making.
#[derive(Debug, Default)]
pub(super) struct Draft(Change);

impl Draft {
    /// Puts an entity.
    pub(super) fn put(&mut self, entity: impl Into<Entity>) {
        self.0 = std::mem::take(&mut self.0).put(entity);
    }

    /// Takes an entity away.
    pub(super) fn remove(&mut self, collection: Collection, key: impl ToString) {
        self.0 = std::mem::take(&mut self.0).remove(collection, key);
    }

    /// Puts what `edit` makes of `entry`, where that is anything else.
    pub(super) fn edit<E: Clone + PartialEq + Into<Entity>>(&mut self, entry: &E, edit: impl FnOnce(&mut E)) {
        let mut next = entry.clone();
        edit(&mut next);
        if next != *entry {
            self.put(next);
        }
    }

    /// Returns the change.
    pub(super) fn done(self) -> Change {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipote_snapshot::{Lineage, changes};

    fn workspace(number: u128, label: &str) -> WorkspaceEntry {
        WorkspaceEntry::new(WorkspaceId::from_parts(1, number), shipote_card::WorkspaceSpec::labelled(label))
    }

    fn empty() -> Declared {
        Declared::new(ShipoteSnapshot::empty(Lineage::from_parts(1, 1), 0, ""))
    }

    fn seen(declared: &Declared) -> Vec<(String, usize)> {
        let labels = declared.workspaces.iter().map(|entry| entry.spec.label.clone());
        labels.map(|label| (label.clone(), declared.labelled(&label).count())).collect()
    }

    #[test]
    fn what_is_taken_back_is_as_before_in_content_place_and_index() {
        let mut declared = empty();
        declared.apply(Change::new().put(workspace(1, "a")).put(workspace(2, "b")).put(workspace(3, "c")));
        let before = seen(&declared);
        let first = declared.apply(Change::new().put(workspace(2, "renamed")).put(workspace(4, "d")));
        let second = declared.apply(
            Change::new()
                .remove(Collection::Workspaces, WorkspaceId::from_parts(1, 1))
                .remove(Collection::Workspaces, WorkspaceId::from_parts(1, 2))
                .put(workspace(5, "a")),
        );
        assert_eq!(seen(&declared), [("c".into(), 1), ("d".into(), 1), ("a".into(), 1)]);
        declared.take_back(second);
        assert_eq!(seen(&declared).len(), 4);
        declared.take_back(first);
        assert_eq!(seen(&declared), before);
        assert_eq!(declared.labelled("renamed").count(), 0);
    }

    #[test]
    fn it_keeps_what_a_state_of_the_same_changes_keeps() {
        let history = [
            Change::new().put(workspace(1, "a")).put(workspace(2, "b")),
            Change::new().put(workspace(1, "z")).put(workspace(3, "c")),
            Change::new().remove(Collection::Workspaces, WorkspaceId::from_parts(1, 1)),
            Change::new().put(workspace(1, "again")),
        ];
        let mut state = ShipoteSnapshot::empty(Lineage::from_parts(1, 1), 0, "");
        let mut declared = empty();
        for change in history {
            state.apply(change.clone().into_changes());
            declared.apply(change);
        }
        assert!(declared.workspaces.iter().eq(&state.workspaces));
        assert!(changes(&state, &state).is_empty());
    }
}
