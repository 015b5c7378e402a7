//! The field tables: what may stand where, by version.

use crate::wire::{Kind, Object, Wire};
use crate::{v1, v2, v3, v4, v5};

/// Returns the field table of the document in `version`, or none for an unknown version.
pub(crate) const fn document(version: u64) -> Option<&'static Object> {
    let kind = match version {
        1 => &v1::State::KIND,
        2 => &v2::State::KIND,
        3 => &v3::State::KIND,
        4 => &v4::State::KIND,
        5 => &v5::State::KIND,
        _ => return None,
    };
    match kind {
        Kind::Object(object) => Some(object),
        _ => None,
    }
}

/// Returns the first version after `version` in which the object called `object` has `field`.
pub(crate) fn later_version(version: u64, object: &str, field: &str) -> Option<u64> {
    let has = |later: &u64| {
        let object = document(*later).and_then(|document| find(document, object));
        object.is_some_and(|object| object.fields.iter().any(|known| known.name == field))
    };
    (version + 1..=u64::from(crate::SNAPSHOT_VERSION)).find(has)
}

/// Returns the object called `name` within `object`.
fn find(object: &'static Object, name: &str) -> Option<&'static Object> {
    if object.name == name {
        return Some(object);
    }
    object.fields.iter().find_map(|field| find_in(field.kind, name))
}

fn find_in(kind: &'static Kind, name: &str) -> Option<&'static Object> {
    match kind {
        Kind::Object(object) => find(object, name),
        Kind::Nullable(inner) | Kind::List(inner) | Kind::Map(inner) => find_in(inner, name),
        Kind::Choice(choice) => {
            let payloads = choice.variants.iter().filter_map(|variant| variant.payload);
            payloads.chain(choice.object).find_map(|kind| find_in(kind, name))
        }
        Kind::Bool | Kind::Integer(_) | Kind::Float | Kind::Text | Kind::Id | Kind::Own(_) => None,
    }
}
