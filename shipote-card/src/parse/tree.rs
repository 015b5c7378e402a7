//! The spanned tree that both syntaxes are read into, so that one decoder serves both.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// One value and the bytes that it stands in.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) extent: Range<usize>,
}

/// One key of a table with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) key: Range<usize>,
    pub(super) value: Node,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// Saturated: what does not fit is out of every range that a card knows.
    Integer(i128),
    Float(f64),
    String(String),
    /// A date or a time, which no key of a card takes.
    Date,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

impl Kind {
    /// Returns what to call it in a message.
    pub(super) const fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction or exponent",
            Self::String(_) => "a string",
            Self::Date => "a date or time",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// Appends `segment` to a JSON pointer (RFC 6901).
pub(super) fn child(pointer: &str, segment: &str) -> String {
    let mut joined = String::with_capacity(pointer.len() + segment.len() + 1);
    joined.push_str(pointer);
    joined.push('/');
    for c in segment.chars() {
        match c {
            '~' => joined.push_str("~0"),
            '/' => joined.push_str("~1"),
            c => joined.push(c),
        }
    }
    joined
}

/// Returns where the key stands that `pointer` ends with.
pub(super) fn key_at(root: &Node, pointer: &str) -> Option<Range<usize>> {
    let mut node = root;
    let mut key = None;
    for segment in pointer.split('/').skip(1) {
        match &node.kind {
            Kind::Table(entries) => {
                let entry = entries.iter().find(|entry| child("", &entry.name)[1..] == *segment)?;
                key = Some(entry.key.clone());
                node = &entry.value;
            }
            Kind::Array(items) => node = items.get(segment.parse::<usize>().ok()?)?,
            _ => return None,
        }
    }
    key
}

/// Returns the pointer of the deepest value at `offset`, and the empty pointer where none is.
///
/// A TOML table with a header owns the lines below it, up to the next header.
pub(super) fn pointer_at(text: &str, root: &Node, offset: usize) -> String {
    let mut best = (0, String::new());
    search(text, root, "", offset, &mut best);
    best.1
}

fn search(text: &str, node: &Node, pointer: &str, offset: usize, best: &mut (usize, String)) {
    let mut visit = |start: usize, inner: &Node, segment: &dyn Fn() -> String| {
        let has_header = matches!(inner.kind, Kind::Table(_))
            && text.get(inner.extent.start..).is_some_and(|t| t.starts_with('['));
        let covers = start <= offset && (has_header || offset <= inner.extent.end);
        let has_inner = matches!(inner.kind, Kind::Table(_) | Kind::Array(_));
        if !covers && !has_inner {
            return;
        }
        let pointer = child(pointer, &segment());
        if covers && start >= best.0 {
            *best = (start, pointer.clone());
        }
        search(text, inner, &pointer, offset, best);
    };
    match &node.kind {
        Kind::Table(entries) => {
            for entry in entries {
                visit(entry.key.start, &entry.value, &|| entry.name.clone());
            }
        }
        Kind::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                visit(item.extent.start, item, &|| alloc::format!("{i}"));
            }
        }
        _ => {}
    }
}
