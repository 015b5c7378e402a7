//! The lines of a journal as they are written, each an object with named fields.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::JOURNAL_VERSION;
use crate::digest::Digest;
use crate::domain::{Collection, Lineage, SNAPSHOT_VERSION};
use crate::entity::EntityChange;
use crate::wire::{Kind, Own, Style, Wire};
use shipote_card::json::{Source, Unfit};

wire_struct! {
    /// The first line.
    pub struct Header {
        /// 1.
        journal: u16,
        /// ULID of the line of states.
        lineage: Lineage,
        /// Serial of the `state.json` that it continues.
        base_serial: u64,
        /// Sequence number before that of the first record.
        base_seq: u64,
        /// SHA-256 of the `state.json` that it continues; null for none.
        base_digest: Option<Digest>,
        /// When it was begun, in milliseconds since the Unix epoch.
        at_ms: u64,
    }
}

wire_struct! {
    /// A record of changes.
    pub struct ChangeRecord {
        /// One more than that of the record before.
        seq: u64,
        /// When it was made, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// The highest sequence number that was known to be on disk.
        durable_seq: u64,
        /// Version of the bodies: that of `state.json`.
        v: u16,
        /// What changed.
        ops: Vec<Op>,
    }
}

wire_struct! {
    /// A record that tells of a new `state.json`.
    pub struct CheckpointRecord {
        /// One more than that of the record before.
        seq: u64,
        /// When it was made, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// The highest sequence number that was known to be on disk.
        durable_seq: u64,
        /// `checkpoint`.
        op: String,
        /// Serial of the new `state.json`.
        serial: u64,
        /// SHA-256 of its bytes.
        digest: Digest,
    }
}

wire_struct! {
    /// A change of one entity.
    pub struct Op {
        /// Its list and what is done, such as `workspace.put`.
        op: String,
        /// ULID of the entity.
        id: Option<String> => None,
        /// Name of a saved pipeline.
        name: Option<String> => None,
        /// The whole entity, as `state.json` holds it.
        body: Option<Body> => None,
    }
}

/// The JSON of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body(pub(crate) String);

impl Wire for Body {
    // What may stand there depends on the operation.
    const KIND: Kind = Kind::Own(&Own {
        expected: "an entity",
        accepts: |_| true,
        #[cfg(any(feature = "schema", test))]
        schema: "{}",
    });

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        Ok(Self(value.raw()?.to_owned()))
    }

    fn write(&self, out: &mut String, _: Style) {
        out.push_str(&self.0);
    }
}

/// The name of the record that tells of a new `state.json`.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// What a change does to its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Put,
    Del,
}

/// The names of operations.
pub(crate) const OPS: [(&str, Collection, Verb); 8] = [
    ("workspace.put", Collection::Workspaces, Verb::Put),
    ("workspace.del", Collection::Workspaces, Verb::Del),
    ("saved.put", Collection::SavedPipelines, Verb::Put),
    ("saved.del", Collection::SavedPipelines, Verb::Del),
    ("live.put", Collection::LivePipelines, Verb::Put),
    ("live.del", Collection::LivePipelines, Verb::Del),
    ("command.put", Collection::Commands, Verb::Put),
    ("command.del", Collection::Commands, Verb::Del),
];

/// Returns what the operation called `name` does.
pub(super) fn op(name: &str) -> Option<(Collection, Verb)> {
    OPS.iter().find(|(known, _, _)| *known == name).map(|(_, collection, verb)| (*collection, *verb))
}

fn op_name(collection: Collection, verb: Verb) -> String {
    let is_it = |known: &&(&str, Collection, Verb)| known.1 == collection && known.2 == verb;
    OPS.iter().find(is_it).map(|known| known.0.into()).unwrap_or_default()
}

impl From<&super::Header> for Header {
    fn from(header: &super::Header) -> Self {
        Self {
            journal: JOURNAL_VERSION,
            lineage: header.lineage.clone(),
            base_serial: header.base_serial,
            base_seq: header.base_seq,
            base_digest: header.base_digest,
            at_ms: header.at_ms,
        }
    }
}

impl ChangeRecord {
    pub(super) fn of(record: &super::Record, changes: &[EntityChange]) -> Self {
        Self {
            seq: record.seq,
            at_ms: record.at_ms,
            durable_seq: record.durable_seq,
            v: SNAPSHOT_VERSION,
            ops: changes.iter().map(Op::of).collect(),
        }
    }
}

impl CheckpointRecord {
    pub(super) fn of(record: &super::Record, serial: u64, digest: Digest) -> Self {
        Self {
            seq: record.seq,
            at_ms: record.at_ms,
            durable_seq: record.durable_seq,
            op: CHECKPOINT.to_string(),
            serial,
            digest,
        }
    }
}

impl Op {
    fn of(change: &EntityChange) -> Self {
        let (collection, key, verb, body) = match change {
            EntityChange::Put(entity) => {
                (entity.collection(), entity.key(), Verb::Put, Some(Body(entity.to_json())))
            }
            EntityChange::Remove(collection, key) => (*collection, key.clone(), Verb::Del, None),
        };
        let (id, name) =
            if collection == Collection::SavedPipelines { (None, Some(key)) } else { (Some(key), None) };
        Self { op: op_name(collection, verb), id, name, body }
    }
}
