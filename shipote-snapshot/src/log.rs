//! The journal as a readable history: which entity changed, when, and what of it.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::diff::{FieldChange, compare};
use crate::domain::{Collection, ShipoteSnapshot};
use crate::entity::{Entity, EntityChange};
use crate::journal::{self, Entry, Record};
use crate::ordered::Named;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogEntry {
    /// Sequence number of the record that tells of it; several entries may have the same.
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An entity came to be, was changed, or was taken away.
    Entity {
        /// The list that it stands in.
        collection: Collection,
        /// Its id, or the name of a saved pipeline.
        id: String,
        /// Its label, the last one that is known; empty where none is.
        label: String,
        /// What became of it.
        #[serde(flatten)]
        what: What,
    },
    /// The state was written to `state.json`.
    Checkpoint {
        /// Serial of that file.
        serial: u64,
    },
}

/// What became of an entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// It was not there before.
    Created,
    /// It was there before.
    Changed {
        /// What differs, by path. Samples are not told.
        fields: Vec<FieldChange>,
    },
    /// It was created or changed; no earlier record and no state tells which.
    Written,
    /// It is there no more.
    Removed,
}

/// Returns what the records of `journals` tell, oldest first; the oldest journal comes first.
///
/// `state` is the state that they continue, such as that of `state.json`: with it, changes are told field by field from
/// the first record on that it does not hold yet. Damaged lines are passed over; [`load`](crate::load()) tells of them.
#[must_use]
pub fn log<'a>(state: Option<&'a ShipoteSnapshot>, journals: &'a [&'a [u8]]) -> Log<'a> {
    let records = journals.iter().flat_map(|bytes| journal::records(bytes));
    let index = state.map(index).unwrap_or_default();
    Log {
        records: alloc::boxed::Box::new(records),
        state,
        index,
        seen: Named::default(),
        last_seq: 0,
        from_nothing: journals.first().is_some_and(|bytes| journal::begins_with_nothing(bytes)),
        ready: VecDeque::new(),
    }
}

/// The entries of a history; see [`log`].
pub struct Log<'a> {
    records: alloc::boxed::Box<dyn Iterator<Item = Record> + 'a>,
    state: Option<&'a ShipoteSnapshot>,
    /// Where the entities of the state stand.
    index: Named<usize>,
    /// What the records so far say of each entity; none of one that was taken away.
    seen: Named<Option<Known>>,
    last_seq: u64,
    /// Whether the records so far are all that there ever were, so that what none of them named was not there.
    from_nothing: bool,
    ready: VecDeque<LogEntry>,
}

/// What is known of an entity.
struct Known {
    label: String,
    json: String,
}

impl fmt::Debug for Log<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("last_seq", &self.last_seq).finish_non_exhaustive()
    }
}

impl Iterator for Log<'_> {
    type Item = LogEntry;

    fn next(&mut self) -> Option<LogEntry> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(entry);
            }
            let record = self.records.next()?;
            // A journal that is given twice tells its history once.
            if record.seq > self.last_seq {
                self.from_nothing &= record.seq == self.last_seq + 1;
                self.last_seq = record.seq;
                self.take(record);
            }
        }
    }
}

impl Log<'_> {
    fn take(&mut self, Record { seq, at_ms, entry, .. }: Record) {
        match entry {
            Entry::Checkpoint { serial, .. } => {
                self.ready.push_back(LogEntry { seq, at_ms, event: Event::Checkpoint { serial } });
            }
            Entry::Changes(changes) => {
                for change in changes {
                    let (collection, id) = change.name();
                    let before = self.before(seq, (collection, id.clone()));
                    let after = match change {
                        EntityChange::Put(entity) => Some(Known::of(&entity)),
                        EntityChange::Remove(..) => None,
                    };
                    let (what, label) = match (&before, &after) {
                        (Some(Some(before)), None) => (What::Removed, before.label.clone()),
                        (_, None) => (What::Removed, String::new()),
                        (None, Some(after)) => (What::Written, after.label.clone()),
                        (Some(None), Some(after)) => (What::Created, after.label.clone()),
                        (Some(Some(before)), Some(after)) => {
                            (What::Changed { fields: before.fields_to(after) }, after.label.clone())
                        }
                    };
                    self.seen.insert((collection, id.clone()), after);
                    let event = Event::Entity { collection, id, label, what };
                    self.ready.push_back(LogEntry { seq, at_ms, event });
                }
            }
        }
    }

    /// Returns what an entity was before record `seq`: none where that is not known, none within for not there.
    fn before(&mut self, seq: u64, name: (Collection, String)) -> Option<Option<Known>> {
        if let Some(known) = self.seen.remove(&name) {
            return Some(known);
        }
        // The state says what it is after the records that it holds, and not what was before them.
        match self.state {
            Some(state) if seq > state.journal_seq => {
                Some(self.index.get(&name).and_then(|at| entity(state, name.0, *at)).map(|e| Known::of(&e)))
            }
            _ => self.from_nothing.then_some(None),
        }
    }
}

impl Known {
    fn of(entity: &Entity) -> Self {
        Self { label: entity.label().into(), json: entity.to_json() }
    }

    fn fields_to(&self, after: &Self) -> Vec<FieldChange> {
        let value = |json: &str| {
            let mut value: Value = serde_json::from_str(json).unwrap_or_default();
            if let Value::Object(entity) = &mut value {
                entity.remove("stats_history");
            }
            value
        };
        let mut fields = Vec::new();
        compare(&value(&self.json), &value(&after.json), &mut String::new(), &mut fields);
        fields
    }
}

fn index(state: &ShipoteSnapshot) -> Named<usize> {
    let mut index = Named::default();
    let lens = [
        state.workspaces.len(),
        state.saved_pipelines.len(),
        state.live_pipelines.len(),
        state.commands.len(),
    ];
    let all = Collection::ALL.into_iter().zip(lens);
    let named = all.flat_map(|(list, len)| (0..len).map(move |at| (list, at)));
    for (list, at) in named {
        if let Some(entity) = entity(state, list, at) {
            index.insert((list, entity.key()), at);
        }
    }
    index
}

fn entity(state: &ShipoteSnapshot, collection: Collection, at: usize) -> Option<Entity> {
    match collection {
        Collection::Workspaces => state.workspaces.get(at).cloned().map(Entity::Workspace),
        Collection::SavedPipelines => state.saved_pipelines.get(at).cloned().map(Entity::SavedPipeline),
        Collection::LivePipelines => state.live_pipelines.get(at).cloned().map(Entity::LivePipeline),
        Collection::Commands => state.commands.get(at).cloned().map(Entity::Command),
    }
}
