//! The decoder: walks the spanned tree, notes every problem, and remembers where each value of the full form
//! stands in the text.
//!
//! Two pointers go along: the *source* pointer of what the user wrote, and the *full* pointer of the value in the
//! full form that it is, or is short for. Checks of the full form are brought back to the text by that table.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use super::tree::{Entry, Kind, Node, child};
use crate::code;
use crate::label::nearest;
use crate::problem::{Place, Problem};

/// Where one value of the full form stands in the text.
#[derive(Debug, Clone)]
struct Spot {
    pointer: String,
    extent: Range<usize>,
}

/// What has been found so far.
#[derive(Debug)]
pub(super) struct Decoder<'t> {
    text: &'t str,
    problems: Vec<Problem>,
    spots: BTreeMap<String, Spot>,
    placeholders: BTreeSet<String>,
}

/// One value with its two pointers.
#[derive(Debug, Clone)]
pub(super) struct At<'n> {
    pub(super) node: &'n Node,
    pub(super) pointer: String,
    pub(super) full: String,
}

impl<'n> At<'n> {
    /// Returns the element `item` at position `i` of this array.
    pub(super) fn element(&self, i: usize, item: &'n Node) -> Self {
        let segment = i.to_string();
        At { node: item, pointer: child(&self.pointer, &segment), full: child(&self.full, &segment) }
    }
}

/// The keys of one table, each of which is taken once; what is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    entries: Vec<(&'n Entry, bool)>,
    asked: Vec<&'static str>,
    pointer: String,
    /// Full pointer below which the next keys belong.
    pub(super) full: String,
    extent: Range<usize>,
}

impl Fields<'_> {
    /// Returns whether the key `name` is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(entry, _)| entry.name == name)
    }
}

/// What can be read from a value of a card.
pub(super) trait Decode: Sized {
    /// Returns the value, or none where a problem was noted.
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self>;
}

impl<'t> Decoder<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new(), spots: BTreeMap::new(), placeholders: BTreeSet::new() }
    }

    /// Returns the problems found so far and forgets them.
    pub(super) fn take_problems(&mut self) -> Vec<Problem> {
        core::mem::take(&mut self.problems)
    }

    /// Notes that what stands at the full pointer is made up, so that its checks are void.
    pub(super) fn placeholder(&mut self, full: impl Into<String>) {
        self.placeholders.insert(full.into());
    }

    /// Returns whether the value at `full`, or one around it, is made up.
    pub(super) fn is_placeholder(&self, full: &str) -> bool {
        let mut pointer = full;
        loop {
            if self.placeholders.contains(pointer) {
                return true;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return false,
            }
        }
    }

    /// Remembers that the full form's value at `full` stands in the text at `at`.
    pub(super) fn remember(&mut self, full: impl Into<String>, at: &At<'_>) {
        self.spots.insert(full.into(), Spot { pointer: at.pointer.clone(), extent: at.node.extent.clone() });
    }

    /// Moves everything known below the full pointer `from` to below `to`.
    pub(super) fn move_spots(&mut self, from: &str, to: &str) {
        let inside = |full: &&String| full.starts_with(from);
        let spots = self.spots.range(from.to_string()..).map(|(full, _)| full).take_while(inside);
        for full in spots.filter(|full| is_within(full, from)).cloned().collect::<Vec<_>>() {
            if let Some(spot) = self.spots.remove(&full) {
                self.spots.insert(format!("{to}{}", &full[from.len()..]), spot);
            }
        }
        let made_up = self.placeholders.range(from.to_string()..).take_while(inside);
        for full in made_up.filter(|full| is_within(full, from)).cloned().collect::<Vec<_>>() {
            self.placeholders.remove(&full);
            self.placeholders.insert(format!("{to}{}", &full[from.len()..]));
        }
    }

    /// Brings a problem of the full form back to the text, by the nearest value around it that is written there.
    pub(super) fn locate(&self, problem: &mut Problem) {
        if let Some(spot) = self.spot(&problem.place.pointer) {
            problem.place = place_of(spot);
            problem.len = spot.extent.len() as u64;
        }
        for related in &mut problem.related {
            if let Some(spot) = self.spot(&related.pointer) {
                *related = place_of(spot);
            }
        }
    }

    fn spot(&self, full: &str) -> Option<&Spot> {
        let mut pointer = full;
        loop {
            if let Some(spot) = self.spots.get(pointer) {
                return Some(spot);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// Notes a problem at a value.
    pub(super) fn refuse(
        &mut self,
        code: &str,
        at: &At<'_>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::error(code, at.pointer.clone(), message).with_hint(hint);
        self.note(problem, at.node.extent.clone());
    }

    /// Notes a problem at these bytes.
    pub(super) fn note(&mut self, mut problem: Problem, extent: Range<usize>) {
        problem.place.offset = extent.start as u64;
        problem.len = extent.len() as u64;
        self.problems.push(problem);
    }

    /// Notes that a value has the wrong type, and returns none for the caller to return.
    pub(super) fn wrong_type<T>(&mut self, at: &At<'_>, expected: &str, hint: &str) -> Option<T> {
        let message = format!("expected {expected}, found {}", at.node.kind.describe());
        self.refuse(code::WRONG_TYPE, at, message, hint);
        None
    }

    /// Returns the keys of a table.
    pub(super) fn fields<'n>(&mut self, at: &At<'n>, expected: &str) -> Option<Fields<'n>> {
        let Kind::Table(entries) = &at.node.kind else { return self.wrong_type(at, expected, "") };
        let mut first: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(earlier) = first.get(entry.name.as_str()) {
                let pointer = child(&at.pointer, &entry.name);
                let mut problem = Problem::error(
                    code::DUPLICATE_KEY,
                    pointer.clone(),
                    format!("`{}` is given twice", entry.name),
                )
                .with_hint("keep one of the two")
                .with_related(pointer);
                problem.related[0].offset = earlier.key.start as u64;
                self.note(problem, entry.key.clone());
            } else {
                first.insert(&entry.name, entry);
                kept.push((entry, false));
            }
        }
        Some(Fields {
            entries: kept,
            asked: Vec::new(),
            pointer: at.pointer.clone(),
            full: at.full.clone(),
            extent: at.node.extent.clone(),
        })
    }

    /// Takes the key `name`, which is or stands for `field` of the full form.
    pub(super) fn take<'n>(
        &mut self,
        fields: &mut Fields<'n>,
        name: &'static str,
        field: &str,
    ) -> Option<At<'n>> {
        fields.asked.push(name);
        let (entry, taken) = fields.entries.iter_mut().find(|(entry, _)| entry.name == name)?;
        *taken = true;
        let entry: &'n Entry = entry;
        let mut full = fields.full.clone();
        for segment in field.split('/') {
            full = child(&full, segment);
        }
        let at = At { node: &entry.value, pointer: child(&fields.pointer, name), full };
        if let Some(spot) = self.spots.get(&at.full) {
            let message = match key_of(&spot.pointer) {
                other if other == name => format!("`{name}` is given twice"),
                other => format!("`{name}` says again what `{other}` says"),
            };
            let problem = Problem::error(code::GIVEN_TWICE, at.pointer.clone(), message)
                .with_hint("keep one of the two");
            let place = place_of(spot);
            self.note(Problem { related: alloc::vec![place], ..problem }, entry.key.clone());
            return None;
        }
        self.remember(at.full.clone(), &at);
        Some(at)
    }

    /// Reads the key `name` into `slot`, which keeps its default where the key is missing or wrong.
    pub(super) fn set<T: Decode>(&mut self, fields: &mut Fields<'_>, name: &'static str, slot: &mut T) {
        self.set_as(fields, name, name, slot);
    }

    /// Reads the key `name`, which is short for `field` of the full form, into `slot`.
    pub(super) fn set_as<T: Decode>(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        field: &str,
        slot: &mut T,
    ) {
        if let Some(at) = self.take(fields, name, field)
            && let Some(value) = self.value(&at)
        {
            *slot = value;
        }
    }

    /// Reads the key `name`, which must be there.
    pub(super) fn required<T: Decode>(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<T> {
        if !fields.has(name) {
            fields.asked.push(name);
            self.missing(fields, name, "");
            return None;
        }
        let at = self.take(fields, name, name)?;
        self.value(&at)
    }

    /// Reads one value, and notes that a placeholder stands in for it where it can't be read.
    pub(super) fn value<T: Decode>(&mut self, at: &At<'_>) -> Option<T> {
        let value = T::decode(self, at);
        if value.is_none() {
            self.placeholder(at.full.clone());
        }
        value
    }

    /// Notes that the key `name` is missing from a table.
    pub(super) fn missing(&mut self, fields: &Fields<'_>, name: &str, hint: &str) {
        let problem =
            Problem::error(code::MISSING_KEY, fields.pointer.clone(), format!("`{name}` is missing"));
        let extent = self.opening(&fields.extent);
        self.note(problem.with_hint(hint), extent);
        self.placeholder(child(&fields.full, name));
    }

    /// Returns the bytes to mark for a table as a whole: its header, or its opening brace.
    fn opening(&self, extent: &Range<usize>) -> Range<usize> {
        match self.text.as_bytes().get(extent.start) {
            Some(b'{') => extent.start..extent.start + 1,
            _ => extent.clone(),
        }
    }

    /// Notes every key that was not taken. `elsewhere` may know where such a key belongs.
    pub(super) fn finish(&mut self, fields: Fields<'_>, elsewhere: impl Fn(&str) -> Option<&'static str>) {
        for (entry, taken) in &fields.entries {
            if *taken {
                continue;
            }
            let near = nearest(&entry.name, fields.asked.iter().copied());
            let hint = match (elsewhere(&entry.name), near) {
                (Some(hint), _) => hint.to_string(),
                (None, Some(name)) => format!("did you mean `{name}`?"),
                (None, None) if fields.asked.len() <= 12 => format!("known here: {}", listed(&fields.asked)),
                (None, None) => String::from("`shipote schema card` prints every key"),
            };
            let pointer = child(&fields.pointer, &entry.name);
            let problem = Problem::error(
                code::UNKNOWN_KEY,
                pointer,
                format!("`{}` is not a key of this table", entry.name),
            );
            self.note(problem.with_hint(hint), entry.key.clone());
        }
    }

    /// Returns the value that a text names, in snake_case or CamelCase.
    pub(super) fn choice<T: Copy>(&mut self, at: &At<'_>, choices: &[(&'static str, T)]) -> Option<T> {
        let names: Vec<&'static str> = choices.iter().map(|(name, _)| *name).collect();
        let Kind::String(text) = &at.node.kind else {
            let hint = format!("one of {}", listed(&names));
            return self.wrong_type(at, "a string", &hint);
        };
        let wanted = snake_case(text);
        let found = choices.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        if found.is_none() {
            self.unknown_value(at, text, &names);
        }
        found
    }

    /// Notes that `text` is none of `names`.
    pub(super) fn unknown_value(&mut self, at: &At<'_>, text: &str, names: &[&str]) {
        let hint = match nearest(text, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`? (one of {})", listed(names)),
            None => format!("one of {}", listed(names)),
        };
        self.refuse(code::UNKNOWN_VALUE, at, format!("`{text}` is not known here"), hint);
    }

    /// Returns the name, in snake_case, and the content of a value that is written as `{ name = content }`.
    pub(super) fn variant<'n>(&mut self, at: &At<'n>, names: &[&str]) -> Option<(String, At<'n>)> {
        let expected = format!("a table with one of {}", listed(names));
        let Kind::Table(entries) = &at.node.kind else { return self.wrong_type(at, &expected, "") };
        let [entry] = entries.as_slice() else {
            self.refuse(
                code::WRONG_TYPE,
                at,
                format!("expected {expected}, found {} keys", entries.len()),
                "",
            );
            return None;
        };
        let name = snake_case(&entry.name);
        let inner =
            At { node: &entry.value, pointer: child(&at.pointer, &entry.name), full: child(&at.full, &name) };
        if !names.contains(&name.as_str()) {
            self.unknown_value(&inner, &entry.name, names);
            return None;
        }
        self.remember(inner.full.clone(), &inner);
        Some((name, inner))
    }
}

/// Returns whether `pointer` is `around`, or lies below it.
fn is_within(pointer: &str, around: &str) -> bool {
    pointer.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn place_of(spot: &Spot) -> Place {
    Place { pointer: spot.pointer.clone(), offset: spot.extent.start as u64, ..Place::default() }
}

fn key_of(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or(pointer)
}

/// Returns names as a list in a sentence: `` `a`, `b` ``.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Returns `DropNewest` as `drop_newest`; what does not begin with a capital is left as it is.
fn snake_case(text: &str) -> String {
    if !text.starts_with(|c: char| c.is_ascii_uppercase()) {
        return text.to_string();
    }
    let mut snake = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
