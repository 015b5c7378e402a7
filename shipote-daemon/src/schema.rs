//! JSON Schemas: of cards as this program takes them, and of `state.json`.

use serde_json::{Map, Value, json};
use shipote_card::Card;

use crate::exit::{Code, Failure};

/// Returns the JSON Schema (draft 2020-12) of a card in its full form.
#[must_use]
pub fn card() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let schema = settings.into_generator().into_root_schema_for::<Card>();
    schema.to_value()
}

/// Returns the JSON Schema of `state.json` in every version, with those of each version and of the journal in it.
///
/// # Errors
///
/// Fails where the state crate's is no JSON, which would be a fault of this program.
pub fn state() -> Result<Value, Failure> {
    serde_json::from_str(&shipote_snapshot::schema::every_schema())
        .map_err(|error| Failure::new(Code::Failed, format!("the schema of the state is no JSON: {error}")))
}

/// Returns the definitions of a card's parts, and the card itself, as components of an API description.
#[must_use]
pub fn card_definitions() -> Map<String, Value> {
    let mut schema = card();
    relocate(&mut schema);
    let Value::Object(mut schema) = schema else { return Map::new() };
    let mut all = match schema.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    schema.remove("$schema");
    all.insert("Card".to_owned(), json!(schema));
    all
}

/// Makes references point to where an API description keeps them.
fn relocate(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match (key.as_str(), member) {
                    ("$ref", Value::String(target)) => {
                        *target = target.replace("#/$defs/", "#/components/schemas/");
                    }
                    (_, member) => relocate(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(relocate),
        _ => {}
    }
}
