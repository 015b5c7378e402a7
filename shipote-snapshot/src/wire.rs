//! How a version's wire form is declared, once: the type, its strict reader, its writer and its row in the field
//! table come from the same lines, so the quick reader and the finder of problems can't disagree.
//!
//! Strict means: objects only (derived readers also take arrays), each field once, none unknown, in maps as well.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use shipote_card::{CommandId, PipelineId, WorkspaceId};

use crate::domain::Lineage;
use shipote_card::json::{Source, Unfit};

/// How names of variants are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `OneShot`, as versions 1 to 4 wrote them.
    Camel,
    /// `one_shot`.
    Snake,
}

/// A value that stands in `state.json`.
pub(crate) trait Wire: Sized {
    /// Its row in the field table.
    const KIND: Kind;

    /// Reads it, strictly.
    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit>;

    /// Reads it, or null.
    fn read_nullable(value: &mut dyn Source<'_>) -> Result<Option<Self>, Unfit> {
        let mut read = None;
        value.nullable(&mut |some| {
            read = Some(Self::read(some)?);
            Ok(())
        })?;
        Ok(read)
    }

    /// Appends its JSON.
    fn write(&self, out: &mut String, style: Style);
}

/// What stands at one place of the document.
#[derive(Debug)]
pub(crate) enum Kind {
    Bool,
    /// A whole number from 0 to the given largest one, written without fraction or exponent.
    Integer(u64),
    Float,
    Text,
    Id,
    Nullable(&'static Self),
    List(&'static Self),
    Map(&'static Self),
    Object(&'static Object),
    Choice(&'static Choice),
    /// A form with a grammar of its own.
    Own(&'static Own),
}

/// An object with named fields.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
    /// Fields of which exactly one must be given; empty where there is no such rule.
    pub(crate) one_of: &'static [&'static str],
}

impl Object {
    /// Returns which field is called `name`. It is looked for from `next` on first: fields mostly come in their order.
    pub(crate) fn field(&self, name: &str, next: usize) -> Option<usize> {
        let (before, after) = self.fields.split_at_checked(next)?;
        let is_it = |field: &Field| field.name == name;
        let found = after.iter().position(is_it).map(|at| next + at);
        found.or_else(|| before.iter().position(is_it))
    }
}

/// One field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static Kind,
    pub(crate) required: bool,
    #[cfg(feature = "schema")]
    pub(crate) doc: &'static str,
}

/// One of several variants: a text, or an object with one field that is named like the variant.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) variants: &'static [Variant],
    /// The object that may stand there instead.
    pub(crate) object: Option<&'static Kind>,
}

/// One variant of a choice.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) camel: &'static str,
    pub(crate) snake: &'static str,
    pub(crate) payload: Option<&'static Kind>,
}

impl Variant {
    /// Returns whether `name` is its name in either style.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        name == self.snake || name == self.camel
    }
}

/// A form with a grammar of its own.
#[derive(Debug)]
pub(crate) struct Own {
    /// What is expected, as a noun phrase with an example.
    pub(crate) expected: &'static str,
    /// Whether this JSON text is of that form.
    pub(crate) accepts: fn(&str) -> bool,
    /// Its JSON Schema.
    #[cfg(any(feature = "schema", test))]
    pub(crate) schema: &'static str,
}

/// A map by free names, each of which stands once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Map<V>(pub(crate) BTreeMap<String, V>);

impl<V> Map<V> {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V: Wire> Wire for Map<V> {
    const KIND: Kind = Kind::Map(&V::KIND);

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        let mut map = BTreeMap::new();
        value.object(&mut |key, value| match map.insert(key.into(), V::read(value)?) {
            None => Ok(()),
            Some(_) => Err(Unfit),
        })?;
        Ok(Self(map))
    }

    fn write(&self, out: &mut String, style: Style) {
        let mut object = ObjectWriter::open(out);
        for (key, value) in &self.0 {
            value.write(object.key(key), style);
        }
        object.close();
    }
}

impl<T: Wire> Wire for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        let mut items = Self::new();
        value.list(&mut |item| {
            items.push(T::read(item)?);
            Ok(())
        })?;
        Ok(items)
    }

    fn write(&self, out: &mut String, style: Style) {
        out.push('[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            item.write(out, style);
        }
        out.push(']');
    }
}

impl<T: Wire> Wire for Option<T> {
    const KIND: Kind = Kind::Nullable(&T::KIND);

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        T::read_nullable(value)
    }

    fn write(&self, out: &mut String, style: Style) {
        match self {
            Some(value) => value.write(out, style),
            None => out.push_str("null"),
        }
    }
}

macro_rules! wire_scalar {
    ($($ty:ty => $kind:expr, $read:expr $(, or null $nullable:expr)?);+ $(;)?) => {$(
        impl Wire for $ty {
            const KIND: Kind = $kind;

            fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
                $read(value)
            }

            $(
                fn read_nullable(value: &mut dyn Source<'_>) -> Result<Option<Self>, Unfit> {
                    $nullable(value)
                }
            )?

            fn write(&self, out: &mut String, _: Style) {
                let _ = write!(out, "{self}");
            }
        }
    )+};
}

wire_scalar! {
    bool => Kind::Bool, |value: &mut dyn Source<'_>| value.boolean();
    u8 => Kind::Integer(u8::MAX as u64), whole;
    u16 => Kind::Integer(u16::MAX as u64), whole;
    u32 => Kind::Integer(u32::MAX as u64), whole;
    u64 => Kind::Integer(u64::MAX), |value: &mut dyn Source<'_>| value.unsigned(),
        or null |value: &mut dyn Source<'_>| value.maybe_unsigned();
}

fn whole<T: TryFrom<u64>>(value: &mut dyn Source<'_>) -> Result<T, Unfit> {
    T::try_from(value.unsigned()?).map_err(|_| Unfit)
}

macro_rules! wire_id {
    ($($ty:ty),+) => {$(
        impl Wire for $ty {
            const KIND: Kind = Kind::Id;

            fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
                value.text()?.parse().map_err(|_| Unfit)
            }

            fn write(&self, out: &mut String, _: Style) {
                let _ = write!(out, "\"{self}\"");
            }
        }
    )+};
}

wire_id!(WorkspaceId, PipelineId, CommandId, Lineage);

impl Wire for f64 {
    const KIND: Kind = Kind::Float;

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        value.float()
    }

    fn read_nullable(value: &mut dyn Source<'_>) -> Result<Option<Self>, Unfit> {
        value.maybe_float()
    }

    fn write(&self, out: &mut String, _: Style) {
        // A number that JSON can't hold becomes null, which every place with a number of this kind may be.
        out.push_str(&serde_json::to_string(self).unwrap_or_else(|_| "null".into()));
    }
}

impl Wire for String {
    const KIND: Kind = Kind::Text;

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        value.text().map(Into::into)
    }

    fn write(&self, out: &mut String, _: Style) {
        write_text(out, self);
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn write_text(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Writing a text into memory has no way to fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// Writes the members of one object.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    /// Begins a member, and returns where its value goes.
    pub(crate) fn key(&mut self, key: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        write_text(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(crate) fn close(self) {
        self.out.push('}');
    }
}

/// Returns the name of a field without the `r#` that keywords need in Rust.
pub(crate) const fn bare(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}
