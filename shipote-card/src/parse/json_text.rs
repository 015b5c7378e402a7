//! JSON text into the spanned tree: one recursive walk over raw values, whose places are pointer differences.
//!
//! serde_json stays the only JSON grammar; unlike its maps this walk sees duplicate keys.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::lines::Lines;
use super::tree::{Entry, Kind, Node, child};
use crate::code;
use crate::json;
use crate::problem::{Problem, Severity};

/// Deepest nesting of tables and arrays. A card has eight levels; each level is scanned once more.
const MAX_DEPTH: usize = 48;

/// Reads `text`; where it is no JSON, the tree is null and one problem says so.
pub(super) fn read(text: &str, lines: &Lines<'_>) -> (Node, Vec<Problem>) {
    let mut walk = Walk { text, problems: Vec::new() };
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match json::raw(body) {
        Ok(raw) => walk.node(raw, "", 0),
        Err(error) => {
            let skipped = if error.line() == 1 { text.len() - body.len() } else { 0 };
            let offset = lines.offset_of(error.line(), error.column() + skipped);
            walk.refuse(Severity::Fatal, code::SYNTAX, "", &message_of(&error), offset..offset);
            Node { kind: Kind::Null, extent: 0..0 }
        }
    };
    (root, walk.problems)
}

/// Returns what serde_json says, without the place that the problem has itself.
fn message_of(error: &serde_json::Error) -> String {
    let text = alloc::format!("{error}");
    match text.rfind(" at line ") {
        Some(end) => text[..end].into(),
        None => text,
    }
}

struct Walk<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Walk<'t> {
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    fn refuse(
        &mut self,
        severity: Severity,
        code: &str,
        pointer: &str,
        message: &str,
        extent: core::ops::Range<usize>,
    ) {
        let mut problem = Problem::new(severity, code, pointer, message);
        problem.place.offset = extent.start as u64;
        problem.len = extent.len() as u64;
        self.problems.push(problem);
    }

    fn node(&mut self, raw: &'t RawValue, pointer: &str, depth: usize) -> Node {
        let text = raw.get();
        let start = self.offset(text);
        let extent = start..start + text.len();
        let kind = match text.as_bytes().first() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                let message = "nested deeper than any card needs";
                self.refuse(Severity::Fatal, code::TOO_DEEP, pointer, message, start..start + 1);
                Kind::Null
            }
            Some(b'{') => self.table(text, pointer, depth, &extent),
            Some(b'[') => self.array(text, pointer, depth, &extent),
            Some(b'"') => match json::text(text) {
                Ok(value) => Kind::String(value.into()),
                Err(error) => self.broken(&error, pointer, &extent),
            },
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') | None => Kind::Null,
            Some(sign) => {
                if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                    let saturated = if *sign == b'-' { i128::MIN } else { i128::MAX };
                    Kind::Integer(text.parse().unwrap_or(saturated))
                } else {
                    Kind::Float(text.parse().unwrap_or(f64::NAN))
                }
            }
        };
        Node { kind, extent }
    }

    fn table(
        &mut self,
        text: &'t str,
        pointer: &str,
        depth: usize,
        extent: &core::ops::Range<usize>,
    ) -> Kind {
        let pairs = match json::members(text) {
            Ok(pairs) => pairs,
            Err(error) => return self.broken(&error, pointer, extent),
        };
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let start = self.offset(key.get());
            let place = start..start + key.get().len();
            match json::text(key.get()) {
                Ok(name) => {
                    let value = self.node(value, &child(pointer, &name), depth + 1);
                    entries.push(Entry { name: name.into(), key: place, value });
                }
                Err(error) => _ = self.broken(&error, pointer, &place),
            }
        }
        Kind::Table(entries)
    }

    fn array(
        &mut self,
        text: &'t str,
        pointer: &str,
        depth: usize,
        extent: &core::ops::Range<usize>,
    ) -> Kind {
        match json::elements(text) {
            Ok(items) => {
                let nodes = items.into_iter().enumerate();
                Kind::Array(
                    nodes
                        .map(|(i, raw)| self.node(raw, &child(pointer, &alloc::format!("{i}")), depth + 1))
                        .collect(),
                )
            }
            Err(error) => self.broken(&error, pointer, extent),
        }
    }

    /// Reports a value that is well-formed only at first sight, such as a text with half a surrogate pair.
    fn broken(&mut self, error: &serde_json::Error, pointer: &str, extent: &core::ops::Range<usize>) -> Kind {
        self.refuse(Severity::Fatal, code::SYNTAX, pointer, &message_of(error), extent.clone());
        Kind::Null
    }
}
