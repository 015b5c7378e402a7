//! One rule broken at a time: every value of the fixtures replaced by others, every field left out, and what the schema
//! and our own reader then say. They have to agree, and no rule of a schema may go untried.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use shipote_tests::{Need, has};

use super::validator::{Case, answers};
use super::{fixture, root, state_schema};

/// What is put in the place of each value.
const TOKENS: [&str; 24] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.0",
    "1.5",
    "1e999",
    "256",
    "65536",
    "4294967296",
    "18446744073709552",
    "18446744073709551616",
    "\"\"",
    "\"x\"",
    "\"\\ud800\"",
    "\"01j9z3ndektsv4rrffq69g5fav\"",
    "\"8ZZZZZZZZZZZZZZZZZZZZZZZZZ\"",
    "\"00000000000000000000000000\"",
    "[]",
    "[0]",
    "{}",
    "{\"x\":0}",
    "{\"Directory\":0}",
];

/// Of them, those that are another value to a schema than to us: it does not see how a number or a text is written.
const FORMS: [&str; 4] = ["-0", "1.0", "1e999", "\"\\ud800\""];

/// Values that no fixture has, since another one stands in their place: the last field on the way to them, and they.
const OTHERS: [(&str, &str); 12] = [
    ("ready", r#"{"http":"http://localhost/"}"#),
    ("ready", r#"{"exec":["true"]}"#),
    ("ready", r#"{"log":"up"}"#),
    ("ready", r#"{"notify":true}"#),
    ("timeout", SPAN),
    ("ttl", SPAN),
    ("grace", SPAN),
    ("hold", SPAN),
    ("root", r#"{"Directory":"/srv"}"#),
    ("payload", r#"{"Shell":{"script":"true"}}"#),
    ("supervision", r#"{"Restart":{}}"#),
    ("restart_max", "0,\"tap\":\"on\""),
];
const SPAN: &str = r#"{"secs":2,"nanos":500000000}"#;

/// A place in a document where a token is put.
const HERE: &str = "@here@";

/// The lists of a state.
const LISTS: [&str; 4] = ["workspaces", "saved_pipelines", "live_pipelines", "commands"];

/// The parts of a schema by name; `#` is the document.
struct Schema {
    parts: BTreeMap<String, Value>,
}

impl Schema {
    fn load(version: u64) -> Self {
        let text = std::fs::read_to_string(root().join("docs/schema").join(state_schema(version))).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let parts = document.as_object_mut().unwrap().remove("$defs").unwrap();
        let Value::Object(parts) = parts else { panic!("{text}") };
        let parts = parts.into_iter().chain([("#".to_owned(), document)]).collect();
        Self { parts }
    }

    /// Names a rule so that equal parts of different versions are one: by the part itself and the way within it.
    fn name(&self, part: &str, way: &str) -> String {
        format!("{} {way}", self.parts[part])
    }

    /// Returns every rule: its name, and how it is called in messages.
    fn rules(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (part, schema) in &self.parts {
            let mut ways = Vec::new();
            rules(schema, "", &mut ways);
            found.extend(ways.into_iter().map(|way| (self.name(part, &way), format!("{part} {way}"))));
        }
        found
    }
}

/// Collects the ways to every rule of a schema.
fn rules(schema: &Value, way: &str, found: &mut Vec<String>) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members {
        let way = if way.is_empty() { keyword.clone() } else { format!("{way}/{keyword}") };
        match (keyword.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                fields.iter().for_each(|(name, field)| rules(field, &format!("{way}/{name}"), found));
            }
            ("required", Value::Array(names)) => {
                found.extend(names.iter().map(|name| format!("{way}/{}", name.as_str().unwrap())));
            }
            ("oneOf" | "anyOf", Value::Array(cases)) => {
                found.push(way.clone());
                cases.iter().enumerate().for_each(|(at, case)| rules(case, &format!("{way}/{at}"), found));
            }
            ("items", item) | ("additionalProperties", item @ Value::Object(_)) => rules(item, &way, found),
            (
                "type"
                | "const"
                | "enum"
                | "pattern"
                | "minimum"
                | "maximum"
                | "exclusiveMinimum"
                | "minLength"
                | "not"
                | "additionalProperties",
                _,
            ) => found.push(way),
            ("$ref" | "$id" | "$schema" | "title" | "description", _) => {}
            _ => panic!("the keyword {keyword} is not known here"),
        }
    }
}

/// A value of a document, and the rule that it stands under.
struct Place {
    pointer: String,
    part: String,
    way: String,
}

/// Collects the places of a value and of all within it.
fn places(
    schema: &Schema,
    part: &str,
    way: &str,
    rule: &Value,
    pointer: &str,
    value: &Value,
    found: &mut Vec<Place>,
) {
    found.push(Place { pointer: pointer.to_owned(), part: part.to_owned(), way: way.to_owned() });
    within(schema, part, way, rule, pointer, value, found);
}

fn within(
    schema: &Schema,
    part: &str,
    way: &str,
    rule: &Value,
    pointer: &str,
    value: &Value,
    found: &mut Vec<Place>,
) {
    if let Some(part) = rule["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return within(schema, part, "", &schema.parts[part], pointer, value, found);
    }
    // An object with a rule on which of its fields are given has alternatives as well; they have no type.
    for keyword in ["oneOf", "anyOf"] {
        let mut cases = rule[keyword].as_array().into_iter().flatten().enumerate();
        if let Some((at, case)) = cases.find(|(_, case)| fits(schema, case, value)) {
            return within(schema, part, &format!("{way}/{keyword}/{at}"), case, pointer, value, found);
        }
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let field = &rule["properties"][key];
                let (rule, step) = match field.is_null() {
                    true => (&rule["additionalProperties"], "additionalProperties".to_owned()),
                    false => (field, format!("properties/{key}")),
                };
                let pointer = format!("{pointer}/{key}");
                places(schema, part, &format!("{way}/{step}"), rule, &pointer, member, found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let pointer = format!("{pointer}/{at}");
                places(schema, part, &format!("{way}/items"), &rule["items"], &pointer, item, found);
            }
        }
        _ => {}
    }
}

/// Tells whether a value is of this alternative, as far as its fields and its type say.
fn fits(schema: &Schema, case: &Value, value: &Value) -> bool {
    if let Some(part) = case["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return fits(schema, &schema.parts[part], value);
    }
    if let Some(cases) = case["oneOf"].as_array().filter(|_| case["type"].is_null()) {
        return cases.iter().any(|case| fits(schema, case, value));
    }
    match value {
        Value::Object(members) => {
            case["type"] == "object" && members.keys().all(|key| !case["properties"][key].is_null())
        }
        Value::Array(_) => case["type"] == "array",
        Value::Null => case["type"] == "null",
        Value::Bool(_) => case["type"] == "boolean",
        Value::Number(_) => case["type"] == "number" || case["type"] == "integer",
        Value::String(_) => {
            case["type"] == "string" || case["enum"].as_array().is_some_and(|names| names.contains(value))
        }
    }
}

/// Returns the document cut down: once to its own fields, and once to each entity with the workspaces it may run in.
fn apart(document: &Value) -> Vec<Value> {
    let own: Map<String, Value> = (document.as_object().unwrap().iter())
        .map(|(key, value)| {
            (
                key.clone(),
                if LISTS.contains(&key.as_str()) { Value::Array(Vec::new()) } else { value.clone() },
            )
        })
        .collect();
    let mut found = vec![Value::Object(own.clone())];
    for list in LISTS {
        for entity in document[list].as_array().into_iter().flatten() {
            let mut one = own.clone();
            let workspaces = document["workspaces"].as_array().into_iter().flatten();
            let bare = workspaces.map(|workspace| {
                serde_json::json!({ "id": workspace["id"], "spec": { "label": workspace["spec"]["label"] } })
            });
            one.insert("workspaces".to_owned(), bare.collect());
            one.insert(list.to_owned(), Value::Array(vec![entity.clone()]));
            found.push(Value::Object(one));
        }
    }
    found
}

/// Returns the document with another value wherever a field of this name has one.
fn with_other(document: &Value, field: &str, value: &str) -> Value {
    fn put(within: &mut Value, field: &str) {
        match within {
            Value::Object(members) => {
                for (key, member) in members {
                    match key == field && !member.is_null() {
                        true => *member = Value::String(HERE.to_owned()),
                        false => put(member, field),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| put(item, field)),
            _ => {}
        }
    }
    let mut other = document.clone();
    put(&mut other, field);
    serde_json::from_str(&other.to_string().replace(&format!("\"{HERE}\""), value)).unwrap()
}

/// Returns documents that differ from this one in one value or one field each.
fn mutants(document: &Value, place: &Place) -> Vec<(String, String)> {
    let put = |value: Value| {
        let mut changed = document.clone();
        *changed.pointer_mut(&place.pointer).unwrap() = value;
        changed.to_string()
    };
    let here = put(Value::String(HERE.to_owned()));
    let mut found: Vec<(String, String)> = (TOKENS.iter())
        .map(|token| ((*token).to_owned(), here.replace(&format!("\"{HERE}\""), token)))
        .collect();
    if let Some(Value::Object(members)) = document.pointer(&place.pointer) {
        for key in members.keys() {
            let mut fewer = members.clone();
            fewer.remove(key);
            found.push((format!("without {key}"), put(Value::Object(fewer))));
        }
        let mut more = members.clone();
        more.insert("unknown".to_owned(), Value::Bool(true));
        found.push(("one more field".to_owned(), put(Value::Object(more))));
    }
    found
}

#[test]
fn the_schemas_and_the_reader_agree_on_every_rule() {
    if !has(Need::JsonSchema) {
        return;
    }
    let mut tried = BTreeSet::new();
    let (mut cases, mut whats, mut versions, mut untried) =
        (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    for version in (1..=5).rev() {
        let schema = Schema::load(version);
        untried.extend(schema.rules());
        let document: Value = serde_json::from_str(&fixture(&format!("v{version}-full.json"))).unwrap();
        let others = OTHERS.map(|(field, value)| with_other(&document, field, value));
        for document in std::iter::once(&document).chain(&others).flat_map(apart) {
            let mut found = Vec::new();
            places(&schema, "#", "", &schema.parts["#"], "", &document, &mut found);
            for place in found {
                // A part that several versions have in common is tried once.
                if tried.insert(schema.name(&place.part, &place.way)) {
                    for (what, text) in mutants(&document, &place) {
                        cases.push(Case::new(state_schema(version), text));
                        let is_form = FORMS.contains(&what.as_str());
                        let (part, way) =
                            if is_form { ("anything", "") } else { (&*place.part, &*place.way) };
                        whats.push(format!("{part}{way}: {what}"));
                    }
                }
            }
        }
        versions.push((version, schema));
    }
    let mut beyond = BTreeSet::new();
    let mut refused = 0;
    for ((case, what), answer) in cases.iter().zip(whats).zip(answers(&cases)) {
        let reading = shipote_snapshot::read(case.document.as_bytes());
        let codes: BTreeSet<&str> = reading.problems.iter().map(|problem| problem.code.as_ref()).collect();
        for rule in &answer.broken {
            let (part, way) = rule.split_once(' ').unwrap().1.split_once(' ').unwrap();
            for (_, schema) in versions.iter().filter(|(version, _)| state_schema(version) == case.schema) {
                untried.remove(&schema.name(part, way));
            }
        }
        refused += usize::from(!answer.is_accepted());
        match (answer.is_accepted(), codes.is_empty()) {
            (true, true) | (false, false) => {}
            (false, true) => panic!("only the schema refuses: {:?}\n{}", answer.broken, case.document),
            // What a schema can't say.
            (true, false) => beyond.extend(codes.into_iter().map(|code| format!("{code} {what}"))),
        }
    }
    assert_eq!(untried.into_values().collect::<Vec<_>>(), [""; 0], "rules that no mutant broke");
    assert!(refused > 1_000, "{refused} of {}", cases.len());
    insta::assert_snapshot!(beyond.into_iter().collect::<Vec<_>>().join("\n"), @r#"
    bad_unit Soma/properties/cpu_max: "00000000000000000000000000"
    counter_fell PersistedStats/properties/cpu_usec: 18446744073709552
    counter_fell PersistedStats/properties/cpu_usec: 4294967296
    counter_fell PersistedStats/properties/cpu_usec: 65536
    counter_fell PersistedStats/properties/uptime_ms: 18446744073709552
    counter_fell PersistedStats/properties/uptime_ms: 4294967296
    not_an_integer anything: 1.0
    not_an_integer anything: 1e999
    not_text anything: "\ud800"
    out_of_range Soma/properties/cpu_max: 18446744073709551616
    out_of_range Soma/properties/cpu_max: 18446744073709552
    out_of_range Soma/properties/cpu_max: 4294967296
    out_of_range anything: -0
    out_of_range anything: 1e999
    strange_label CommandRef/properties/label: ""
    strange_label CommandRef/properties/label: "00000000000000000000000000"
    strange_label CommandRef/properties/label: "01j9z3ndektsv4rrffq69g5fav"
    strange_label CommandRef/properties/label: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    strange_label PipelineEntry/properties/name: ""
    strange_label PipelineEntry/properties/name: "00000000000000000000000000"
    strange_label PipelineEntry/properties/name: "01j9z3ndektsv4rrffq69g5fav"
    strange_label PipelineEntry/properties/name: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    strange_label PipelineSpec/properties/label: ""
    strange_label PipelineSpec/properties/label: "00000000000000000000000000"
    strange_label PipelineSpec/properties/label: "01j9z3ndektsv4rrffq69g5fav"
    strange_label PipelineSpec/properties/label: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    strange_label WorkspaceSpec/properties/label: ""
    strange_label WorkspaceSpec/properties/label: "00000000000000000000000000"
    strange_label WorkspaceSpec/properties/label: "01j9z3ndektsv4rrffq69g5fav"
    strange_label WorkspaceSpec/properties/label: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    unknown_node CommandRef/properties/label: ""
    unknown_node CommandRef/properties/label: "00000000000000000000000000"
    unknown_node CommandRef/properties/label: "01j9z3ndektsv4rrffq69g5fav"
    unknown_node CommandRef/properties/label: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    unknown_node CommandRef/properties/label: "x"
    unknown_node Edge/properties/from: ""
    unknown_node Edge/properties/from: "00000000000000000000000000"
    unknown_node Edge/properties/from: "01j9z3ndektsv4rrffq69g5fav"
    unknown_node Edge/properties/from: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    unknown_node Edge/properties/from: "x"
    unknown_node Edge/properties/to: ""
    unknown_node Edge/properties/to: "00000000000000000000000000"
    unknown_node Edge/properties/to: "01j9z3ndektsv4rrffq69g5fav"
    unknown_node Edge/properties/to: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    unknown_node Edge/properties/to: "x"
    unknown_node LivePipelineEntry/properties/spec: without nodes
    unknown_node PipelineEntry/properties/spec: without nodes
    unknown_node PipelineSpec/properties/nodes: []
    unknown_workspace PipelineSpec/properties/workspace: "00000000000000000000000000"
    unknown_workspace PipelineSpec/properties/workspace: "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    unknown_workspace PipelineSpec/properties/workspace: "x"
    version_invalid anything: 1.0
    wrong_type anything: -0
    wrong_type anything: 1.0
    "#);
}
