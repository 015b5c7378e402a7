//! The thorough reader: a whole document held against its version's field table and the rules between entities.
//!
//! It judges; it does not build a state. What it leaves behind lets the quick reader read the good part.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;
use shipote_card::Severity;
use shipote_card::json::{self, RawMember};

use crate::code;
use crate::domain::{Collection, HeldEntity, SNAPSHOT_VERSION};
use crate::ordered::sort_by_key;
use crate::outline::{Fields, Outline};
use crate::place::{BYTE_ORDER_MARK, Finding, Findings, Step, Stretch, Text};
use crate::read::{Beside, Verdict};
use crate::rules::{self, Spot};
use crate::table;
use crate::walk::{Edit, Walk, elements, is_whole, members, text};
use crate::wire::Kind;

/// What a thorough reading found.
#[derive(Debug)]
pub(crate) struct Examination<'t> {
    pub(crate) verdict: Verdict,
    /// The number that stands as the version.
    pub(crate) version: Option<String>,
    pub(crate) findings: Findings,
    pub(crate) beside: Vec<Beside>,
    /// The document and its entities; none where the document as a whole can't be used.
    pub(crate) body: Option<Body<'t>>,
}

/// A document whose own fields are in order.
#[derive(Debug)]
pub(crate) struct Body<'t> {
    pub(crate) version: u64,
    text: Text<'t>,
    /// The document's own fields: name, value.
    head: Vec<(&'static str, &'t RawValue)>,
    pub(crate) entities: Vec<Entity<'t>>,
    edits: Vec<Edit>,
    /// Whether nothing has to be left out or changed.
    whole: bool,
}

/// One entity of the document.
#[derive(Debug)]
pub(crate) struct Entity<'t> {
    pub(crate) collection: Collection,
    /// Its position in its list.
    pub(crate) position: usize,
    pub(crate) raw: &'t RawValue,
    /// Whether it has errors.
    pub(crate) bad: bool,
}

/// Finds every problem in `bytes`.
pub(crate) fn examine(bytes: &[u8]) -> Examination<'_> {
    let mut findings = Findings::default();
    let Some((document, text)) = document(bytes, &mut findings) else {
        return judged(None, findings, Vec::new(), None);
    };
    let members = members(document).unwrap_or_default();
    let (number, version) = match version(document, &members, text, &mut findings) {
        Found::Known(version) => (Some(format!("{version}")), version),
        Found::Newer(number) => {
            return Examination {
                verdict: Verdict::Newer,
                version: Some(number),
                findings,
                beside: Vec::new(),
                body: None,
            };
        }
        Found::Unusable(number) => return judged(number, findings, Vec::new(), None),
    };
    let mut walk = Walk::new(text, version);
    walk.findings = findings;
    let Document { head, mut entities, in_order } = walk_document(&mut walk, document, &members, version);
    let Walk { mut findings, mut edits, beside, .. } = walk;
    apply_rules(&mut entities, text, version, &mut findings);
    sort_by_key(&mut edits, |edit| edit.at.offset as u128);
    let whole = edits.is_empty() && beside.is_empty() && entities.iter().all(|entity| !entity.bad);
    let body = in_order.then_some(Body { version, text, head, entities, edits, whole });
    judged(number, findings, beside, body)
}

fn judged<'t>(
    version: Option<String>,
    findings: Findings,
    beside: Vec<Beside>,
    body: Option<Body<'t>>,
) -> Examination<'t> {
    let newest = body.as_ref().is_some_and(|body| body.version == u64::from(SNAPSHOT_VERSION));
    let verdict = match () {
        () if findings.refuse() => Verdict::Invalid,
        () if newest => Verdict::Valid,
        () => Verdict::Upgradable,
    };
    Examination { verdict, version, findings, beside, body }
}

/// Returns the document as one raw value, or none where the bytes are no JSON object.
fn document<'t>(bytes: &'t [u8], findings: &mut Findings) -> Option<(&'t RawValue, Text<'t>)> {
    let whole = Stretch { offset: 0, len: bytes.len() };
    let skipped = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let body = &bytes[skipped..];
    if body.iter().all(u8::is_ascii_whitespace) {
        findings.fatal(
            code::EMPTY,
            whole,
            "the file is empty",
            "an earlier generation may stand beside it: state.json.1 to state.json.3",
        );
        return None;
    }
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        let run = bytes[nul..].iter().take_while(|byte| **byte == 0).count();
        let message =
            format!("{run} NUL bytes stand here, as an unsynced write leaves them after a power cut");
        let at = Stretch { offset: nul, len: run };
        findings.fatal(
            code::NUL_BYTES,
            at,
            message,
            "an earlier generation may stand beside it: state.json.1 to state.json.3",
        );
        return None;
    }
    let content = match core::str::from_utf8(body) {
        Ok(content) => content,
        Err(error) => {
            let len = error.error_len().unwrap_or(body.len() - error.valid_up_to());
            let at = Stretch { offset: skipped + error.valid_up_to(), len };
            findings.fatal(code::NOT_UTF8, at, "the bytes are not UTF-8", "");
            return None;
        }
    };
    let text = Text::new(content, skipped);
    if skipped > 0 {
        findings.add(Severity::Warning, || Finding {
            severity: Severity::Warning,
            code: code::BYTE_ORDER_MARK,
            pointer: String::new(),
            at: Stretch { offset: 0, len: skipped },
            message: "the text begins with a byte order mark".into(),
            hint: "it is skipped".into(),
            related: None,
        });
    }
    let document = match json::first(content) {
        Ok(document) => document,
        Err(error) => {
            let at = Stretch { offset: skipped + offset_of(content, &error), len: 0 };
            let hint = "an earlier generation may stand beside it: state.json.1 to state.json.3";
            if error.is_eof() {
                let at = Stretch { offset: bytes.len(), len: 0 };
                findings.fatal(code::TRUNCATED, at, "the text ends in the middle of the document", hint);
            } else {
                findings.fatal(code::NOT_JSON, at, format!("not JSON: {}", reason(&error)), hint);
            }
            return None;
        }
    };
    let rest = &content[text.stretch(document).end() - skipped..];
    let rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
    if !rest.is_empty() {
        let at = Stretch { offset: bytes.len() - rest.len(), len: rest.len() };
        findings.fatal(code::TRAILING_DATA, at, "something follows the document", "");
        return None;
    }
    if !document.get().starts_with('{') {
        let at = text.stretch(document);
        findings.fatal(code::NOT_AN_OBJECT, at, "the document is not an object", "");
        return None;
    }
    Some((document, text))
}

/// Returns where a syntax error stands: its column counts bytes.
fn offset_of(content: &str, error: &serde_json::Error) -> usize {
    let before =
        content.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let offset = before + error.column().saturating_sub(1);
    (0..=offset.min(content.len())).rev().find(|offset| content.is_char_boundary(*offset)).unwrap_or(0)
}

/// Returns what an error says, without the place that follows it.
fn reason(error: &serde_json::Error) -> String {
    let text = format!("{error}");
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).into()
}

/// What stands as the version.
enum Found {
    Known(u64),
    Newer(String),
    Unusable(Option<String>),
}

fn version<'t>(
    document: &'t RawValue,
    members: &[RawMember<'t>],
    text_of: Text<'t>,
    findings: &mut Findings,
) -> Found {
    let mut given = members.iter().filter(|(key, _)| text(key).is_some_and(|key| key == "version"));
    let mut fatal = |code, at, message: &str, related: Option<Stretch>, pointer: &str| {
        findings.add(Severity::Fatal, || Finding {
            severity: Severity::Fatal,
            code,
            pointer: pointer.into(),
            at,
            message: message.into(),
            hint: String::new(),
            related: related.map(|at| (pointer.into(), at)),
        });
    };
    let Some((key, value)) = given.next() else {
        let brace = Stretch { offset: text_of.stretch(document).offset, len: 1 };
        fatal(code::VERSION_MISSING, brace, "the document does not say its version", None, "");
        return Found::Unusable(None);
    };
    let digits = value.get();
    let is_number = matches!(digits.as_bytes()[0], b'-' | b'0'..=b'9');
    let number = is_number.then(|| String::from(digits));
    if let Some((again, _)) = given.next() {
        let first = Some(text_of.stretch(key));
        let message = "the version is given twice";
        fatal(code::VERSION_DUPLICATE, text_of.stretch(again), message, first, "/version");
        return Found::Unusable(number);
    }
    if !is_whole(value) || digits.starts_with('-') || digits == "0" {
        let message = "the version is not a whole number from 1";
        fatal(code::VERSION_INVALID, text_of.stretch(value), message, None, "/version");
        return Found::Unusable(number);
    }
    match digits.parse::<u64>() {
        Ok(version) if version <= u64::from(SNAPSHOT_VERSION) => Found::Known(version),
        _ => {
            findings.add(Severity::Note, || Finding {
                severity: Severity::Note,
                code: code::VERSION_NEWER,
                pointer: "/version".into(),
                at: text_of.stretch(value),
                message: format!("version {digits} is newer than {SNAPSHOT_VERSION}, the newest known here"),
                hint: "use the Shipote that wrote it, or a later one".into(),
                related: None,
            });
            Found::Newer(digits.into())
        }
    }
}

/// The parts of a document.
struct Document<'t> {
    head: Vec<(&'static str, &'t RawValue)>,
    entities: Vec<Entity<'t>>,
    /// Whether the document's own fields have no error.
    in_order: bool,
}

fn walk_document<'t>(
    walk: &mut Walk<'t>,
    document: &'t RawValue,
    members: &[RawMember<'t>],
    version: u64,
) -> Document<'t> {
    let mut parts = Document { head: Vec::new(), entities: Vec::new(), in_order: false };
    let Some(object) = table::document(version) else { return parts };
    let fields = walk.survey_members(document, members, object);
    // The document is put together anew from what is known, so nothing need be cut out of it.
    walk.edits.clear();
    let mut own_errors = walk.findings.errors;
    let mut lists: Vec<Collection> = Vec::new();
    for (index, value) in fields {
        let field = &object.fields[index];
        let errors = walk.findings.errors;
        let collection = Collection::ALL.into_iter().find(|collection| collection.key() == field.name);
        walk.within(Step::Key(Cow::Borrowed(field.name)), |walk| {
            match (collection, field.kind, elements(value)) {
                (Some(collection), Kind::List(inner), Some(elements)) if !lists.contains(&collection) => {
                    lists.push(collection);
                    for (position, raw) in elements.into_iter().enumerate() {
                        let errors = walk.findings.errors;
                        walk.within(Step::Index(position), |walk| walk.value(raw, inner));
                        let bad = walk.findings.errors > errors;
                        parts.entities.push(Entity { collection, position, raw, bad });
                    }
                }
                _ => {
                    parts.head.push((field.name, value));
                    walk.value(value, field.kind);
                    own_errors += walk.findings.errors - errors;
                }
            }
        });
    }
    parts.in_order = own_errors == 0;
    parts
}

fn apply_rules<'t>(entities: &mut [Entity<'t>], text: Text<'t>, version: u64, findings: &mut Findings) {
    let mut outline = Outline::default();
    for entity in entities.iter() {
        outline.add_raw(entity.collection, entity.raw, version, entity.bad);
    }
    // Entities stand in the order of the document, each list in one piece.
    let first = Collection::ALL.map(|list| entities.iter().position(|entity| entity.collection == list));
    let find = |spot: &Spot| first[spot.collection as usize].map(|first| first + spot.index);
    let mut locator = Locator::default();
    let mut place = |entities: &[Entity<'t>], spot: &Spot| {
        let raw = find(spot).map(|index| locator.descend(entities[index].raw, &spot.within));
        let pointer = format!("/{}/{}{}", spot.collection.key(), spot.index, spot.within);
        (pointer, raw.map(|raw| text.stretch(raw)).unwrap_or_default())
    };
    rules::check(&mut outline, &mut |breach| {
        if breach.severity == Severity::Error
            && let Some(index) = find(&breach.spot)
        {
            entities[index].bad = true;
        }
        findings.add(breach.severity, || {
            let (pointer, at) = place(entities, &breach.spot);
            let related = breach.related.as_ref().map(|spot| place(entities, spot));
            let (message, hint) = (breach.message, breach.hint);
            Finding { severity: breach.severity, code: breach.code, pointer, at, message, hint, related }
        });
    });
}

/// Finds parts of raw values by pointer; each object and list is taken apart once, however often it is asked for.
#[derive(Default)]
struct Locator<'t> {
    /// Raw values and their parts: no more than there are findings and steps to them.
    parts: Vec<(&'t RawValue, Fields<'t>, Vec<&'t RawValue>)>,
}

impl<'t> Locator<'t> {
    /// Returns the part of `raw` that `pointer` names, or the last one on the way that is there.
    fn descend(&mut self, raw: &'t RawValue, pointer: &str) -> &'t RawValue {
        pointer.split('/').skip(1).fold(raw, |raw, step| {
            let known = self.parts.iter().position(|(known, ..)| core::ptr::eq(*known, raw));
            let at = known.unwrap_or_else(|| {
                self.parts.push((raw, Fields::of(raw), elements(raw).unwrap_or_default()));
                self.parts.len() - 1
            });
            let (_, fields, list) = &self.parts[at];
            let element = || list.get(step.parse::<usize>().ok()?).copied();
            fields.get(step).or_else(element).unwrap_or(raw)
        })
    }
}

impl<'t> Body<'t> {
    /// Returns the good part of the document as a text that the quick reader takes.
    pub(crate) fn good_part(&self) -> Cow<'t, str> {
        if self.whole {
            return Cow::Borrowed(self.text.whole());
        }
        let mut out = String::new();
        for (name, value) in &self.head {
            out.push_str(if out.is_empty() { "{\"" } else { ",\"" });
            out.push_str(name);
            out.push_str("\":");
            self.edited(value, &mut out);
        }
        for collection in Collection::ALL {
            let mut of_list =
                self.entities.iter().filter(|entity| entity.collection == collection).peekable();
            if of_list.peek().is_none() && collection != Collection::Workspaces {
                continue;
            }
            out.push_str(",\"");
            out.push_str(collection.key());
            out.push_str("\":[");
            for (index, entity) in of_list.filter(|entity| !entity.bad).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                self.edited(entity.raw, &mut out);
            }
            out.push(']');
        }
        out.push('}');
        Cow::Owned(out)
    }

    /// Appends `raw` as its edits change it.
    fn edited(&self, raw: &'t RawValue, out: &mut String) {
        let whole = self.text.stretch(raw);
        let first = self.edits.partition_point(|edit| edit.at.offset < whole.offset);
        let mut at = whole.offset;
        for edit in self.edits[first..].iter().take_while(|edit| edit.at.offset < whole.end()) {
            // An edit within a part that is cut out changes nothing.
            if edit.at.offset >= at {
                out.push_str(self.text.slice(at, edit.at.offset));
                out.push_str(&edit.with);
                at = edit.at.end();
            }
        }
        out.push_str(self.text.slice(at, whole.end()));
    }

    /// Returns the entities with errors, to be kept as they are.
    pub(crate) fn held(&self) -> Vec<HeldEntity> {
        let hold =
            |entity: &Entity<'_>| HeldEntity { collection: entity.collection, raw: entity.raw.get().into() };
        self.entities.iter().filter(|entity| entity.bad).map(hold).collect()
    }

    /// Returns the positions of the live pipelines that are not held.
    pub(crate) fn live_positions(&self) -> Vec<usize> {
        let live = |entity: &&Entity<'_>| entity.collection == Collection::LivePipelines && !entity.bad;
        self.entities.iter().filter(live).map(|entity| entity.position).collect()
    }
}
