//! TOML text into the spanned tree, with every syntax error.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Kind, Node, child, key_at, pointer_at};
use crate::code;
use crate::problem::{Problem, Severity};

/// Reads `text`; the tree holds what could be recovered, and is whole where no problem is returned.
pub(super) fn read(text: &str) -> (Node, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let root = Node { kind: entries(table.into_inner()), extent: 0..0 };
    // To find the value around a place takes a walk; nobody reads the thousandth slip.
    let walked = |i: usize| if i < super::MAX_PROBLEMS { Some(&root) } else { None };
    let problems = errors.iter().enumerate().map(|(i, error)| problem(text, walked(i), error)).collect();
    (root, problems)
}

fn problem(text: &str, root: Option<&Node>, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(text.len()..text.len());
    let pointer = root.map(|root| pointer_at(text, root, span.start)).unwrap_or_default();
    let mut problem = if error.message() == "duplicate key" {
        duplicate(text.get(span.clone()).unwrap_or_default(), root, &pointer, span.start)
    } else {
        Problem::new(Severity::Fatal, code::SYNTAX, pointer, error.message())
    };
    problem.place.offset = span.start as u64;
    problem.len = span.len() as u64;
    problem
}

/// Makes the problem of a key that is given again at `start`, in the table at `around`.
fn duplicate(written: &str, root: Option<&Node>, around: &str, start: usize) -> Problem {
    let name = written.trim_matches(['"', '\'']);
    let mut pointer = child("", name);
    if !around.ends_with(&pointer) {
        pointer.insert_str(0, around);
    } else {
        pointer = around.to_string();
    }
    let message = alloc::format!("`{name}` is given twice");
    let mut problem =
        Problem::error(code::DUPLICATE_KEY, pointer.clone(), message).with_hint("keep one of the two");
    if let Some(first) = root.and_then(|root| key_at(root, &pointer)).filter(|first| first.start < start) {
        problem = problem.with_related(pointer);
        problem.related[0].offset = first.start as u64;
    }
    problem
}

fn entries(table: DeTable<'_>) -> Kind {
    let entries = table.into_iter().map(|(key, value)| {
        let span = key.span();
        Entry { name: key.into_inner().into_owned(), key: span, value: node(value) }
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by_key(|entry| entry.key.start);
    Kind::Table(entries)
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let extent = value.span();
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::String(text.into_owned()),
        DeValue::Integer(integer) => Kind::Integer(
            i128::from_str_radix(integer.as_str(), integer.radix())
                .unwrap_or_else(|_| saturated(integer.as_str())),
        ),
        DeValue::Float(float) => Kind::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Kind::Bool(value),
        DeValue::Datetime(_) => Kind::Date,
        DeValue::Array(items) => Kind::Array(items.into_iter().map(node).collect()),
        DeValue::Table(table) => entries(table),
    };
    Node { kind, extent }
}

fn saturated(digits: &str) -> i128 {
    if digits.starts_with('-') { i128::MIN } else { i128::MAX }
}

/// Returns `text` as a TOML string, for hints that show what to write.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| text.to_string())
}
