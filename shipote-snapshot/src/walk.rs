//! The recursive walk that holds every value of a document against the field table, and finds each difference.
//!
//! Values stay raw text: their keys are seen as often as they stand there, and where they stand is a difference of
//! pointers. What may be ignored is remembered as an edit, so that the quick reader can read the rest.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::value::RawValue;
use shipote_card::Severity;
use shipote_card::id::{self, IdError};
use shipote_card::json::{self, RawMember};

use crate::code;
use crate::fits::fits;
use crate::ordered::Index;
use crate::place::{Finding, Findings, Step, Stretch, Text, nearest_hint, pointer};
use crate::read::Beside;
use crate::table;
use crate::wire::{Choice, Kind, Object};

/// The object whose errors cost no more than itself: one sample of a history.
const EXPENDABLE: &str = "PersistedStats";

/// Returns the members of a raw value that is an object, in their order, equal keys included.
pub(crate) fn members(raw: &RawValue) -> Option<Vec<RawMember<'_>>> {
    json::members(raw.get()).ok()
}

/// Returns the elements of a raw value that is a list.
pub(crate) fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    json::elements(raw.get()).ok()
}

/// Returns the text of a raw value that is one.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    json::text(raw.get()).ok()
}

/// Returns the id that `text` names in any case of letters, and whether that is how it is written.
pub(crate) fn canonical_id(text: &str) -> Option<(String, bool)> {
    match id::parse_canonical(text) {
        Ok(_) => Some((text.into(), true)),
        Err(IdError::NotCanonical) => {
            let upper = text.to_ascii_uppercase();
            id::parse_canonical(&upper).is_ok().then_some((upper, false))
        }
        Err(_) => None,
    }
}

/// A change that makes the text readable: this stretch of the file becomes that text.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) at: Stretch,
    pub(crate) with: String,
}

/// What becomes of a part of a list or an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Dropped,
}

/// Where each key of an object stands first.
#[derive(Debug, Default)]
struct Firsts {
    index: Index,
    stretches: Vec<Stretch>,
}

impl Firsts {
    /// Returns where `key` stands already. If it does not, it stands at `at` from now on.
    fn first(&mut self, key: &str, at: Stretch) -> Option<Stretch> {
        let first = self.index.first(key, self.stretches.len());
        if first.is_none() {
            self.stretches.push(at);
        }
        first.map(|first| self.stretches[first])
    }
}

/// One walk over one document.
#[derive(Debug)]
pub(crate) struct Walk<'t> {
    pub(crate) text: Text<'t>,
    /// Version of the document.
    pub(crate) version: u64,
    pub(crate) steps: Vec<Step<'t>>,
    pub(crate) findings: Findings,
    pub(crate) edits: Vec<Edit>,
    pub(crate) beside: Vec<Beside>,
}

impl<'t> Walk<'t> {
    pub(crate) fn new(text: Text<'t>, version: u64) -> Self {
        let findings = Findings::default();
        Self { text, version, steps: Vec::new(), findings, edits: Vec::new(), beside: Vec::new() }
    }

    /// Holds `raw` against `kind`.
    pub(crate) fn value(&mut self, raw: &'t RawValue, kind: &'static Kind) {
        if matches!(kind, Kind::Object(_) | Kind::List(_) | Kind::Map(_)) && fits(raw.get(), kind) {
            return;
        }
        match kind {
            Kind::Bool => {
                if !matches!(raw.get(), "true" | "false") {
                    self.wrong_type(raw, "true or false");
                }
            }
            Kind::Integer(max) => self.integer(raw, *max),
            Kind::Float => {
                if !is_number(raw) {
                    self.wrong_type(raw, "a number");
                } else if json::float(raw.get()).is_err() {
                    self.error(raw, code::OUT_OF_RANGE, "the number is out of range", "");
                }
            }
            Kind::Text => {
                let _ = self.string(raw, "a text");
            }
            Kind::Id => self.id(raw),
            Kind::Nullable(inner) => {
                if raw.get() != "null" {
                    self.value(raw, inner);
                }
            }
            Kind::List(inner) => self.list(raw, inner),
            Kind::Map(inner) => self.map(raw, inner),
            Kind::Object(object) => self.object(raw, object),
            Kind::Choice(choice) => self.choice(raw, choice),
            Kind::Own(own) => {
                if !(own.accepts)(raw.get()) {
                    let unfit = match raw.get().as_bytes()[0] {
                        b'-' => code::OUT_OF_RANGE,
                        b'0'..=b'9' if is_whole(raw) => code::OUT_OF_RANGE,
                        b'0'..=b'9' => code::NOT_AN_INTEGER,
                        b'"' => code::BAD_UNIT,
                        _ => code::WRONG_TYPE,
                    };
                    self.error(raw, unfit, format!("not {}", own.expected), "");
                }
            }
        }
    }

    /// Holds the members of an object against its fields, and returns the known ones: field, value.
    ///
    /// Reports equal keys, unknown fields (which are cut out) and missing ones; the values are left to the caller.
    pub(crate) fn survey(
        &mut self,
        raw: &'t RawValue,
        object: &'static Object,
    ) -> Option<Vec<(usize, &'t RawValue)>> {
        let Some(members) = members(raw) else {
            self.wrong_type(raw, "an object");
            return None;
        };
        Some(self.survey_members(raw, &members, object))
    }

    /// The same, of an object that was taken apart before.
    pub(crate) fn survey_members(
        &mut self,
        raw: &'t RawValue,
        members: &[RawMember<'t>],
        object: &'static Object,
    ) -> Vec<(usize, &'t RawValue)> {
        let mut seen: Vec<Option<Stretch>> = Vec::new();
        seen.resize(object.fields.len(), None);
        let mut others = Firsts::default();
        let mut known = Vec::with_capacity(members.len());
        let mut parts = Vec::new();
        let mut next = 0;
        for &(key, value) in members {
            let at = self.text.stretch(key);
            let part = (at, self.text.stretch(value));
            let Some(name) = self.string(key, "a text") else {
                parts.push((part, Fate::Kept));
                continue;
            };
            if let Some(index) = object.field(&name, next) {
                next = index + 1;
                if let Some(first) = seen[index] {
                    self.duplicate_key(name.clone(), at, first);
                } else {
                    seen[index] = Some(at);
                }
                known.push((index, value));
                parts.push((part, Fate::Kept));
            } else {
                if let Some(first) = others.first(&name, at) {
                    self.duplicate_key(name.clone(), at, first);
                }
                self.unknown_field(name, at, value, object);
                parts.push((part, Fate::Dropped));
            }
        }
        self.cut(&parts);
        self.missing(raw, object, &seen);
        known
    }

    fn missing(&mut self, raw: &'t RawValue, object: &'static Object, seen: &[Option<Stretch>]) {
        for (field, seen) in object.fields.iter().zip(seen) {
            if field.required && seen.is_none() {
                let brace = Stretch { offset: self.text.stretch(raw).offset, len: 1 };
                self.add(Severity::Error, code::MISSING_FIELD, brace, || {
                    (format!("the field `{}` is missing", field.name), String::new())
                });
            }
        }
    }

    fn object(&mut self, raw: &'t RawValue, object: &'static Object) {
        let Some(known) = self.survey(raw, object) else { return };
        let given = |name: &&str| {
            known.iter().any(|(index, value)| object.fields[*index].name == *name && value.get() != "null")
        };
        if !object.one_of.is_empty() && object.one_of.iter().filter(|name| given(name)).count() != 1 {
            self.error(
                raw,
                code::MISSING_FIELD,
                format!("exactly one of {} is needed", listing(object.one_of)),
                "",
            );
        }
        for (index, value) in known {
            let field = &object.fields[index];
            self.within(Step::Key(Cow::Borrowed(field.name)), |walk| walk.value(value, field.kind));
        }
    }

    fn list(&mut self, raw: &'t RawValue, inner: &'static Kind) {
        let Some(elements) = elements(raw) else { return self.wrong_type(raw, "a list") };
        let expendable = matches!(inner, Kind::Object(object) if object.name == EXPENDABLE);
        let mut parts = Vec::new();
        for (index, element) in elements.into_iter().enumerate() {
            let (errors, edits) = (self.findings.errors, self.edits.len());
            self.within(Step::Index(index), |walk| walk.value(element, inner));
            if expendable {
                let at = self.text.stretch(element);
                let lost = self.findings.errors > errors;
                if lost {
                    self.within(Step::Index(index), |walk| walk.keep_beside(element));
                    self.findings.absorb(errors);
                    self.edits.truncate(edits);
                }
                parts.push(((at, at), if lost { Fate::Dropped } else { Fate::Kept }));
            }
        }
        self.cut(&parts);
    }

    fn map(&mut self, raw: &'t RawValue, inner: &'static Kind) {
        let Some(members) = members(raw) else { return self.wrong_type(raw, "an object") };
        let mut seen = Firsts::default();
        for (key, value) in members {
            let at = self.text.stretch(key);
            let Some(name) = self.string(key, "a text") else { continue };
            if let Some(first) = seen.first(&name, at) {
                self.duplicate_key(name.clone(), at, first);
            }
            self.within(Step::Key(name), |walk| walk.value(value, inner));
        }
    }

    fn choice(&mut self, raw: &'t RawValue, choice: &'static Choice) {
        let names = || choice.variants.iter().map(|variant| variant.snake);
        let find = |name: &str| choice.variants.iter().find(|variant| variant.is_called(name));
        match raw.get().as_bytes()[0] {
            b'"' => {
                let Some(name) = self.string(raw, "a text") else { return };
                match find(&name) {
                    Some(variant) if variant.payload.is_none() => {}
                    Some(variant) => {
                        self.error(raw, code::WRONG_TYPE, format!("`{}` needs an object", variant.snake), "");
                    }
                    None => self.unknown_value(raw, &name, names()),
                }
            }
            b'{' if choice.object.is_some() => {
                if let Some(kind) = choice.object {
                    self.value(raw, kind);
                }
            }
            b'{' if choice.variants.iter().any(|variant| variant.payload.is_some()) => {
                let Some(members) = members(raw) else { return self.wrong_type(raw, "an object") };
                let [(key, value)] = members[..] else {
                    let message = format!("exactly one of {} is needed", listing(names()));
                    return self.error(raw, code::WRONG_TYPE, message, "");
                };
                let Some(name) = self.string(key, "a text") else { return };
                match find(&name).map(|variant| variant.payload) {
                    Some(Some(kind)) => self.within(Step::Key(name), |walk| walk.value(value, kind)),
                    Some(None) => self.error(raw, code::WRONG_TYPE, format!("`{name}` is a text"), ""),
                    None => self.unknown_value(key, &name, names()),
                }
            }
            _ => self.wrong_type(raw, &format!("one of {}", listing(names()))),
        }
    }

    fn integer(&mut self, raw: &'t RawValue, max: u64) {
        let digits = raw.get();
        if !is_number(raw) {
            self.wrong_type(raw, "a whole number");
        } else if !is_whole(raw) {
            let message = "a whole number has neither fraction nor exponent";
            self.error(raw, code::NOT_AN_INTEGER, message, "");
        } else if digits.starts_with('-') {
            self.error(raw, code::OUT_OF_RANGE, "the number can't be negative", "");
        } else if !digits.parse().is_ok_and(|number: u64| number <= max) {
            self.error(raw, code::OUT_OF_RANGE, format!("the number is above {max}"), "");
        }
    }

    fn id(&mut self, raw: &'t RawValue) {
        let Some(name) = self.string(raw, "a ULID") else { return };
        match (id::parse_canonical(&name), canonical_id(&name)) {
            (Ok(_), _) => {}
            (Err(_), Some((canonical, _))) => {
                let at = self.text.stretch(raw);
                self.add(Severity::Warning, code::NON_CANONICAL_ULID, at, || {
                    ("the ULID is not in its canonical text".into(), format!("it is read as {canonical}"))
                });
                self.edits.push(Edit { at, with: format!("\"{canonical}\"") });
            }
            (Err(IdError::Nil), _) => self.error(raw, code::NIL_ULID, IdError::Nil.to_string(), ""),
            (Err(IdError::Invalid), _) => {
                self.error(raw, code::INVALID_ULID, IdError::Invalid.to_string(), "");
            }
            (Err(IdError::NotCanonical), None) if name.bytes().all(|b| b == b'0') => {
                self.error(raw, code::NIL_ULID, IdError::Nil.to_string(), "");
            }
            (Err(IdError::NotCanonical), None) => {
                self.error(
                    raw,
                    code::ULID_OVERFLOW,
                    "the ULID has more than 128 bits",
                    "a ULID begins with 0 to 7",
                );
            }
        }
    }

    fn string(&mut self, raw: &'t RawValue, expected: &str) -> Option<Cow<'t, str>> {
        if !raw.get().starts_with('"') {
            self.wrong_type(raw, expected);
            return None;
        }
        let text = text(raw);
        if text.is_none() {
            self.error(raw, code::NOT_TEXT, "the text has an escape that is half a character", "");
        }
        text
    }

    fn unknown_value(
        &mut self,
        raw: &'t RawValue,
        name: &str,
        known: impl Iterator<Item = &'static str> + Clone,
    ) {
        let at = self.text.stretch(raw);
        self.add(Severity::Error, code::UNKNOWN_VALUE, at, || {
            (format!("`{name}` is none of {}", listing(known.clone())), nearest_hint(name, known))
        });
    }

    fn unknown_field(
        &mut self,
        name: Cow<'t, str>,
        at: Stretch,
        value: &'t RawValue,
        object: &'static Object,
    ) {
        let written = self.version;
        self.within(Step::Key(name.clone()), |walk| {
            walk.keep_beside(value);
            if let Some(later) = table::later_version(written, object.name, &name) {
                walk.add(Severity::Warning, code::LATER_FIELD, at, || {
                    let message = format!("the field `{name}` is of version {later} and is ignored");
                    (message, format!("the document says that it is of version {written}"))
                });
            } else {
                walk.add(Severity::Warning, code::UNKNOWN_FIELD, at, || {
                    let near = nearest_hint(&name, object.fields.iter().map(|field| field.name));
                    (format!("the field `{name}` is unknown and is ignored"), near)
                });
            }
        });
    }

    fn duplicate_key(&mut self, name: Cow<'t, str>, at: Stretch, first: Stretch) {
        self.steps.push(Step::Key(name.clone()));
        let steps = &self.steps;
        self.findings.add(Severity::Error, || Finding {
            severity: Severity::Error,
            code: code::DUPLICATE_KEY,
            pointer: pointer(steps),
            at,
            message: format!("the key `{name}` stands twice"),
            hint: "remove one of them".into(),
            related: Some((pointer(steps), first)),
        });
        self.steps.pop();
    }

    fn wrong_type(&mut self, raw: &'t RawValue, expected: &str) {
        let found = match raw.get().as_bytes()[0] {
            b'"' => "a text",
            b'{' => "an object",
            b'[' => "a list",
            b't' | b'f' => "true or false",
            b'n' => "null",
            _ => "a number",
        };
        self.add(Severity::Error, code::WRONG_TYPE, self.text.stretch(raw), || {
            (format!("{expected} is needed, and {found} stands here"), String::new())
        });
    }

    fn error(&mut self, raw: &'t RawValue, code: &'static str, message: impl Into<String>, hint: &str) {
        let at = self.text.stretch(raw);
        self.add(Severity::Error, code, at, || (message.into(), hint.into()));
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: Stretch,
        say: impl FnOnce() -> (String, String),
    ) {
        let steps = &self.steps;
        self.findings.add(severity, || {
            let (message, hint) = say();
            Finding { severity, code, pointer: pointer(steps), at, message, hint, related: None }
        });
    }

    fn keep_beside(&mut self, raw: &'t RawValue) {
        self.beside.push(Beside { pointer: pointer(&self.steps), raw: raw.get().into() });
    }

    /// Walks a part of the present value.
    pub(crate) fn within(&mut self, step: Step<'t>, walk: impl FnOnce(&mut Self)) {
        self.steps.push(step);
        walk(self);
        self.steps.pop();
    }

    /// Cuts the dropped parts out of their list or object, each with one of its commas.
    fn cut(&mut self, parts: &[((Stretch, Stretch), Fate)]) {
        let mut kept_end = None;
        for (index, ((from, to), fate)) in parts.iter().enumerate() {
            if *fate == Fate::Kept {
                kept_end = Some(to.end());
                continue;
            }
            let next = parts.get(index + 1).map(|((from, _), _)| from.offset);
            let (from, to) = match (kept_end, next) {
                (Some(_), _) => (parts[index - 1].0.1.end(), to.end()),
                (None, Some(next)) => (from.offset, next),
                (None, None) => (from.offset, to.end()),
            };
            self.edits.push(Edit { at: Stretch { offset: from, len: to - from }, with: String::new() });
        }
    }
}

fn is_number(raw: &RawValue) -> bool {
    matches!(raw.get().as_bytes()[0], b'-' | b'0'..=b'9')
}

/// Returns whether a number is written without fraction and exponent.
pub(crate) fn is_whole(raw: &RawValue) -> bool {
    is_number(raw) && !raw.get().contains(['.', 'e', 'E'])
}

fn listing<'a>(names: impl IntoIterator<Item = impl AsRef<str> + 'a>) -> String {
    let mut listing = String::new();
    for name in names {
        if !listing.is_empty() {
            listing.push_str(", ");
        }
        listing.push_str(name.as_ref());
    }
    listing
}
