//! The JSON Schema of each version, from the same field table that reads it.

use alloc::format;
use alloc::string::String;

use crate::table;
use crate::wire::{Choice, Kind, Object, write_text};

/// Returns the JSON Schema (draft 2020-12) of `state.json` in `version`; none for a version that is not known.
///
/// It says what is accepted without a warning. What it can't say, such as ids that stand once, docs/state-format.md does.
#[must_use]
pub fn json_schema(version: u16) -> Option<String> {
    let document = table::document(u64::from(version))?;
    let mut out = format!(
        "{{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"Shipote state, version {version}\","
    );
    let mut body = String::new();
    object(&mut body, document, Some(version));
    out.push_str(&body[1..]);
    Some(out)
}

fn kind(out: &mut String, of: &Kind) {
    match of {
        Kind::Bool => out.push_str("{\"type\":\"boolean\"}"),
        Kind::Integer(max) => {
            out.push_str(&format!("{{\"type\":\"integer\",\"minimum\":0,\"maximum\":{max}}}"));
        }
        Kind::Float => out.push_str("{\"type\":\"number\"}"),
        Kind::Text => out.push_str("{\"type\":\"string\"}"),
        Kind::Id => out.push_str("{\"type\":\"string\",\"pattern\":\"^[0-7][0-9A-HJKMNP-TV-Z]{25}$\"}"),
        Kind::Nullable(inner) => {
            out.push_str("{\"anyOf\":[{\"type\":\"null\"},");
            kind(out, inner);
            out.push_str("]}");
        }
        Kind::List(inner) => {
            out.push_str("{\"type\":\"array\",\"items\":");
            kind(out, inner);
            out.push('}');
        }
        Kind::Map(inner) => {
            out.push_str("{\"type\":\"object\",\"additionalProperties\":");
            kind(out, inner);
            out.push('}');
        }
        Kind::Object(inner) => object(out, inner, None),
        Kind::Choice(inner) => choice(out, inner),
        Kind::Own(own) => out.push_str(own.schema),
    }
}

fn object(out: &mut String, object: &Object, version: Option<u16>) {
    out.push_str("{\"type\":\"object\",\"properties\":{");
    list(out, object.fields, |out, field| {
        write_text(out, field.name);
        out.push_str(":{\"description\":");
        write_text(out, field.doc.trim());
        out.push_str(",\"allOf\":[");
        match (field.name, version) {
            ("version", Some(version)) => out.push_str(&format!("{{\"const\":{version}}}")),
            _ => kind(out, field.kind),
        }
        out.push_str("]}");
    });
    out.push_str("},\"required\":[");
    list(out, object.fields.iter().filter(|field| field.required), |out, field| write_text(out, field.name));
    out.push(']');
    if !object.one_of.is_empty() {
        out.push_str(",\"oneOf\":[");
        list(out, object.one_of, |out, name| {
            out.push_str("{\"properties\":{");
            write_text(out, name);
            out.push_str(":{\"not\":{\"type\":\"null\"}}},\"required\":[");
            write_text(out, name);
            out.push_str("]}");
        });
        out.push(']');
    }
    out.push_str(",\"additionalProperties\":false}");
}

fn choice(out: &mut String, choice: &Choice) {
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
        out.push_str(separator);
        out.push_str("{\"type\":\"object\",\"properties\":{");
        write_text(out, name);
        out.push(':');
        kind(out, payload);
        out.push_str("},\"required\":[");
        write_text(out, name);
        out.push_str("],\"additionalProperties\":false}");
        separator = ",";
    }
    if let Some(inner) = choice.object {
        out.push_str(separator);
        kind(out, inner);
    }
    out.push_str("]}");
}

fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
}
