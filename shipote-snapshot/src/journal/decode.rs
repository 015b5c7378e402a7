//! From the bytes of one line to a header or a record, strictly; and what is wrong with a whole line that is neither.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use serde_json::value::RawValue;
use shipote_card::Severity;
use shipote_card::id;
use shipote_card::json;

use super::form::{self, CHECKPOINT, OPS, Verb};
use super::{Entry, Header, JOURNAL_VERSION, Line, Record, checksum};
use crate::code;
use crate::domain::{Collection, SNAPSHOT_VERSION};
use crate::entity::{Entity, EntityChange};
use crate::outline::Fields;
use crate::place::{Finding, Findings, Step, Stretch, Text, nearest_hint};
use crate::walk::{Walk, elements};
use crate::wire::{Kind, Wire};
use crate::{source, v2, v5};

/// Reads a line of a journal, with or without its line feed; returns none where it is not exactly what is written.
#[must_use]
pub fn decode(line: &[u8]) -> Option<Line> {
    let (_, json) = checksum::split(line.strip_suffix(b"\n").unwrap_or(line))?;
    read(json)
}

/// Reads the JSON of a line.
pub(super) fn read(json: &[u8]) -> Option<Line> {
    let json = core::str::from_utf8(json).ok()?;
    // Records of changes are by far the most, and begin with the same bytes as those of a checkpoint.
    if let Some(record) = source::read::<form::ChangeRecord>(json) {
        let changes = record.ops.into_iter().map(change).collect::<Option<_>>()?;
        let form::ChangeRecord { seq, at_ms, durable_seq, v, .. } = record;
        let entry = Entry::Changes(changes);
        return (v == SNAPSHOT_VERSION && durable_seq < seq).then_some(Line::Record(Record {
            seq,
            at_ms,
            durable_seq,
            entry,
        }));
    }
    if let Some(record) = source::read::<form::CheckpointRecord>(json) {
        let form::CheckpointRecord { seq, at_ms, durable_seq, op, serial, digest } = record;
        let entry = Entry::Checkpoint { serial, digest };
        return (op == CHECKPOINT && durable_seq < seq).then_some(Line::Record(Record {
            seq,
            at_ms,
            durable_seq,
            entry,
        }));
    }
    let form::Header { journal, lineage, base_serial, base_seq, base_digest, at_ms } = source::read(json)?;
    (journal == JOURNAL_VERSION).then_some(Line::Header(Header {
        lineage,
        base_serial,
        base_seq,
        base_digest,
        at_ms,
    }))
}

fn change(op: form::Op) -> Option<EntityChange> {
    let (collection, verb) = form::op(&op.op)?;
    let key = match (collection, op.id, op.name) {
        (Collection::SavedPipelines, None, Some(name)) => name,
        (Collection::SavedPipelines, _, _) => return None,
        (_, Some(id), None) => id::parse_canonical(&id).is_ok().then_some(id)?,
        _ => return None,
    };
    match (verb, op.body) {
        (Verb::Put, Some(form::Body(json))) => {
            let entity = Entity::from_json(collection, &json)?;
            (entity.key() == key).then_some(EntityChange::Put(entity))
        }
        (Verb::Del, None) => Some(EntityChange::Remove(collection, key)),
        _ => None,
    }
}

/// Why a line that was written whole is not understood.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// Whether it is of a version that is not known yet.
    pub(crate) newer: bool,
    pub(crate) findings: Findings,
}

/// Finds what is wrong with the JSON of a line, which stands at `offset` of the file.
pub(super) fn explain(json: &[u8], offset: usize) -> Foreign {
    let at = Stretch { offset, len: json.len() };
    let mut findings = Findings::default();
    let text = core::str::from_utf8(json).ok();
    let raw = text.and_then(|text| Some((text, json::raw(text).ok()?)));
    // White space around the value is none of it, and none is written.
    let Some((text, raw)) = raw.filter(|(text, raw)| text.len() == raw.get().len()) else {
        tell(&mut findings, Severity::Error, code::RECORD_INVALID, at, "the line is not JSON", "");
        return Foreign { newer: false, findings };
    };
    let mut walk = Walk::new(Text::new(text, offset), u64::from(SNAPSHOT_VERSION));
    let fields = Fields::of(raw);
    let number = |key| fields.get(key).and_then(|raw| raw.get().parse::<u64>().ok());
    let (journal, bodies) = (number("journal"), number("v"));
    for (version, newest, key) in [(journal, JOURNAL_VERSION, "journal"), (bodies, SNAPSHOT_VERSION, "v")] {
        if let Some(version) = version.filter(|version| *version > u64::from(newest)) {
            let message = format!("`{key}` {version} is newer than {newest}, the newest known here");
            let hint = "use the Shipote that wrote it, or a later one";
            tell(&mut walk.findings, Severity::Note, code::VERSION_NEWER, at, message, hint);
            return Foreign { newer: true, findings: walk.findings };
        }
    }
    match fields.text("op") {
        Some(op) if op == CHECKPOINT => walk.value(raw, &form::CheckpointRecord::KIND),
        Some(op) => unknown_op(&mut walk, at, &op, [CHECKPOINT]),
        None if journal.is_some() => walk.value(raw, &form::Header::KIND),
        None => {
            walk.value(raw, &form::ChangeRecord::KIND);
            for (index, op) in fields.get("ops").and_then(elements).into_iter().flatten().enumerate() {
                walk.within(Step::Key(Cow::Borrowed("ops")), |walk| {
                    walk.within(Step::Index(index), |walk| explain_op(walk, op));
                });
            }
        }
    }
    if walk.findings.errors == 0 {
        let message = "the line is whole, and is not what Shipote writes";
        tell(&mut walk.findings, Severity::Error, code::RECORD_INVALID, at, message, "");
    }
    Foreign { newer: false, findings: walk.findings }
}

fn explain_op<'t>(walk: &mut Walk<'t>, raw: &'t RawValue) {
    let fields = Fields::of(raw);
    let Some(name) = fields.text("op") else { return };
    let at = walk.text.stretch(fields.get("op").unwrap_or(raw));
    let Some((collection, verb)) = form::op(&name) else {
        return unknown_op(walk, at, &name, OPS.map(|known| known.0));
    };
    if let (Verb::Put, Some(body)) = (verb, fields.get("body")) {
        let kind: &'static Kind = match collection {
            Collection::Workspaces => &v5::WorkspaceEntry::KIND,
            Collection::SavedPipelines => &v2::PipelineEntry::KIND,
            Collection::LivePipelines => &v5::LivePipelineEntry::KIND,
            Collection::Commands => &v5::CommandEntry::KIND,
        };
        walk.within(Step::Key(Cow::Borrowed("body")), |walk| walk.value(body, kind));
    }
}

fn unknown_op<const N: usize>(walk: &mut Walk<'_>, at: Stretch, name: &str, known: [&'static str; N]) {
    let message = format!("the operation `{name}` is not known");
    let hint = nearest_hint(name, known);
    tell(&mut walk.findings, Severity::Error, code::UNKNOWN_OP, at, message, &hint);
}

/// Adds what is wrong with a stretch of the journal.
pub(crate) fn tell(
    findings: &mut Findings,
    severity: Severity,
    code: &'static str,
    at: Stretch,
    message: impl Into<String>,
    hint: &str,
) {
    findings.add(severity, || Finding {
        severity,
        code,
        pointer: String::new(),
        at,
        message: message.into(),
        hint: hint.to_string(),
        related: None,
    });
}
