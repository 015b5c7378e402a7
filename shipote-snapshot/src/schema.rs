//! The JSON Schemas of `state.json` and of a journal's lines, from the same field tables that read them.
//!
//! A schema says what is accepted without a warning, as far as JSON Schema can. What it can't say, such as ids that
//! stand once, docs/state-format.md does.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use crate::domain::{Collection, SNAPSHOT_VERSION};
use crate::journal::{CHECKPOINT, ChangeRecord, CheckpointRecord, HeaderLine, JOURNAL_VERSION, OPS, Verb};
use crate::table;
use crate::wire::{Choice, Kind, Object, Wire, write_text};

const DRAFT: &str = "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"";
const ULID: &str = "{\"type\":\"string\",\"pattern\":\"^[0-7][0-9A-HJKMNP-TV-Z]{25}$\",\
                    \"not\":{\"const\":\"00000000000000000000000000\"}}";

/// Returns the JSON Schema (draft 2020-12) of `state.json` in `version`; none for a version that is not known.
#[must_use]
pub fn json_schema(version: u16) -> Option<String> {
    let document = table::document(u64::from(version))?;
    let mut parts = Parts { version, known: BTreeMap::new() };
    let mut body = String::new();
    parts.body(&mut body, document);
    let name = file_name(version);
    Some(format!(
        "{{{DRAFT},\"$id\":\"{name}\",\"title\":\"Shipote state, version {version}\",{},{}}}",
        inside(&body),
        parts.definitions()
    ))
}

/// Returns the JSON Schema of the lines of a journal, each without its checksum.
#[must_use]
pub fn journal_schema() -> String {
    let mut parts = Parts { version: SNAPSHOT_VERSION, known: BTreeMap::new() };
    for (name, kind) in [
        ("HeaderLine", &HeaderLine::KIND),
        ("ChangeRecord", &ChangeRecord::KIND),
        ("CheckpointRecord", &CheckpointRecord::KIND),
    ] {
        if let Kind::Object(object) = kind {
            parts.define(name, object);
        }
    }
    parts.known.insert("Op", operations());
    format!(
        "{{{DRAFT},\"$id\":\"journal.v{JOURNAL_VERSION}.schema.json\",\"title\":\"A line of Shipote's journal, version \
         {JOURNAL_VERSION}, without its checksum\",\"oneOf\":[{{\"$ref\":\"#/$defs/HeaderLine\"}},\
         {{\"$ref\":\"#/$defs/ChangeRecord\"}},{{\"$ref\":\"#/$defs/CheckpointRecord\"}}],{}}}",
        parts.definitions()
    )
}

/// Returns one JSON Schema for `state.json` of every version; its `$defs` hold that of each version and that of a
/// journal's lines, each with an `$id` of its own.
#[must_use]
pub fn every_schema() -> String {
    let versions = 1..=SNAPSHOT_VERSION;
    let number = |out: &mut String, version: u16| out.push_str(&version.to_string());
    let (mut numbers, mut cases, mut definitions) = (String::new(), String::new(), String::new());
    list(&mut numbers, versions.clone(), number);
    list(&mut cases, versions.clone(), |out, version| {
        let name = file_name(version);
        out.push_str(&format!(
            "{{\"if\":{{\"properties\":{{\"version\":{{\"const\":{version}}}}}}},\"then\":{{\"$ref\":\"{name}\"}}}}"
        ));
    });
    list(&mut definitions, versions, |out, version| {
        out.push_str(&format!("\"v{version}\":{}", json_schema(version).unwrap_or_default()));
    });
    format!(
        "{{{DRAFT},\"$id\":\"state.schema.json\",\"title\":\"Shipote state, every version\",\"type\":\"object\",\
         \"properties\":{{\"version\":{{\"enum\":[{numbers}]}}}},\"required\":[\"version\"],\"allOf\":[{cases}],\
         \"$defs\":{{{definitions},\"journal\":{}}}}}",
        journal_schema()
    )
}

fn file_name(version: u16) -> String {
    format!("state.v{version}.schema.json")
}

/// Returns the members of a JSON object without its braces.
fn inside(object: &str) -> &str {
    &object[1..object.len() - 1]
}

/// The objects that a schema refers to by name, with their schemas.
struct Parts {
    /// Version of the document.
    version: u16,
    known: BTreeMap<&'static str, String>,
}

impl Parts {
    fn definitions(&self) -> String {
        let mut out = String::from("\"$defs\":{");
        list(&mut out, &self.known, |out, (name, schema)| {
            out.push_str(&format!("\"{name}\":{schema}"));
        });
        out.push('}');
        out
    }

    fn define(&mut self, name: &'static str, object: &Object) {
        if !self.known.contains_key(name) {
            // Its place is taken before its fields are looked at, which may name it again.
            self.known.insert(name, String::new());
            let mut schema = String::new();
            self.body(&mut schema, object);
            self.known.insert(name, schema);
        }
    }

    fn kind(&mut self, out: &mut String, of: &Kind) {
        match of {
            Kind::Bool => out.push_str("{\"type\":\"boolean\"}"),
            Kind::Integer(max) => {
                out.push_str(&format!("{{\"type\":\"integer\",\"minimum\":0,\"maximum\":{max}}}"));
            }
            Kind::Float => out.push_str("{\"type\":\"number\"}"),
            Kind::Text => out.push_str("{\"type\":\"string\"}"),
            Kind::Id => out.push_str(ULID),
            Kind::Nullable(inner) => {
                out.push_str("{\"anyOf\":[{\"type\":\"null\"},");
                self.kind(out, inner);
                out.push_str("]}");
            }
            Kind::List(inner) => {
                out.push_str("{\"type\":\"array\",\"items\":");
                self.kind(out, inner);
                out.push('}');
            }
            Kind::Map(inner) => {
                out.push_str("{\"type\":\"object\",\"additionalProperties\":");
                self.kind(out, inner);
                out.push('}');
            }
            Kind::Object(inner) => {
                self.define(inner.name, inner);
                out.push_str(&format!("{{\"$ref\":\"#/$defs/{}\"}}", inner.name));
            }
            Kind::Choice(inner) => self.choice(out, inner),
            Kind::Own(own) => out.push_str(own.schema),
        }
    }

    fn body(&mut self, out: &mut String, object: &Object) {
        out.push_str("{\"type\":\"object\",\"properties\":{");
        list(out, object.fields, |out, field| {
            write_text(out, field.name);
            out.push_str(":{\"description\":");
            write_text(out, field.doc.trim());
            out.push(',');
            match (object.name, field.name) {
                ("State", "version") => out.push_str(&format!("\"const\":{}", self.version)),
                ("Header", "journal") => out.push_str(&format!("\"const\":{JOURNAL_VERSION}")),
                ("ChangeRecord", "v") => out.push_str(&format!("\"const\":{SNAPSHOT_VERSION}")),
                ("CheckpointRecord", "op") => out.push_str(&format!("\"const\":\"{CHECKPOINT}\"")),
                _ => {
                    let mut schema = String::new();
                    self.kind(&mut schema, field.kind);
                    out.push_str(inside(&schema));
                }
            }
            out.push('}');
        });
        out.push_str("},\"required\":[");
        let required = object.fields.iter().filter(|field| field.required);
        list(out, required, |out, field| write_text(out, field.name));
        out.push(']');
        if !object.one_of.is_empty() {
            out.push_str(",\"oneOf\":[");
            list(out, object.one_of, |out, name| {
                out.push_str(&format!(
                    "{{\"properties\":{{\"{name}\":{{\"not\":{{\"type\":\"null\"}}}}}},\"required\":[\"{name}\"]}}"
                ));
            });
            out.push(']');
        }
        out.push_str(",\"additionalProperties\":false}");
    }

    fn choice(&mut self, out: &mut String, choice: &Choice) {
        out.push_str("{\"oneOf\":[");
        let texts = choice.variants.iter().filter(|variant| variant.payload.is_none());
        let names = texts.flat_map(|variant| [variant.snake, variant.camel]);
        let mut separator = "";
        if names.clone().next().is_some() {
            out.push_str("{\"enum\":[");
            list(out, names, write_text);
            out.push_str("]}");
            separator = ",";
        }
        let tagged =
            choice.variants.iter().filter_map(|variant| variant.payload.map(|payload| (variant, payload)));
        for (name, payload) in tagged.flat_map(|(v, payload)| [(v.snake, payload), (v.camel, payload)]) {
            out.push_str(&format!("{separator}{{\"type\":\"object\",\"properties\":{{\"{name}\":"));
            self.kind(out, payload);
            out.push_str(&format!("}},\"required\":[\"{name}\"],\"additionalProperties\":false}}"));
            separator = ",";
        }
        if let Some(inner) = choice.object {
            out.push_str(separator);
            self.kind(out, inner);
        }
        out.push_str("]}");
    }
}

/// Returns the schema of one change: its operation decides what else stands there.
fn operations() -> String {
    let mut out = String::from("{\"oneOf\":[");
    list(&mut out, OPS, |out, (op, collection, verb)| {
        let (key, schema) = match collection {
            Collection::SavedPipelines => ("name", "{\"type\":\"string\"}"),
            _ => ("id", ULID),
        };
        let (body, required) = match verb {
            Verb::Put => {
                let entity = entity_name(collection);
                let name = file_name(SNAPSHOT_VERSION);
                (format!(",\"body\":{{\"$ref\":\"{name}#/$defs/{entity}\"}}"), ",\"body\"")
            }
            Verb::Del => (String::new(), ""),
        };
        out.push_str(&format!(
            "{{\"type\":\"object\",\"properties\":{{\"op\":{{\"const\":\"{op}\"}},\"{key}\":{schema}{body}}},\
             \"required\":[\"op\",\"{key}\"{required}],\"additionalProperties\":false}}"
        ));
    });
    out.push_str("]}");
    out
}

/// Returns what an entity of `collection` is called among the parts of the newest version.
fn entity_name(collection: Collection) -> &'static str {
    let document = table::document(u64::from(SNAPSHOT_VERSION));
    let mut fields = document.into_iter().flat_map(|document| document.fields);
    match fields.find(|field| field.name == collection.key()).map(|field| field.kind) {
        Some(Kind::List(Kind::Object(entity))) => entity.name,
        _ => "",
    }
}

fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
}
