//! The JSON values that strict readers take apart, one at a time, whatever type is made of them.
//!
//! A parser that is made anew for each type would be most of the inspector page: here it is made once, and a type says
//! only which values it takes.

use alloc::borrow::Cow;
use core::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::{Key, Wire};

/// A value is not of the form that is asked for. Where and why is for the walk over the field table to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfit;

/// Takes the members of an object: key, value.
pub(crate) type Members<'m, 'de> = dyn FnMut(&str, &mut dyn Source<'de>) -> Result<(), Unfit> + 'm;

/// Takes one value.
pub(crate) type Item<'i, 'de> = dyn FnMut(&mut dyn Source<'de>) -> Result<(), Unfit> + 'i;

/// A value of several possible forms.
#[derive(Debug)]
pub(crate) enum Form<'de> {
    Text(Cow<'de, str>),
    Unsigned(u64),
    Float(f64),
    /// Its members have been taken.
    Object,
}

/// A value that is about to be read: each of the methods reads it, and so one is called, once.
pub(crate) trait Source<'de> {
    fn boolean(&mut self) -> Result<bool, Unfit>;
    /// A whole number from 0, written without fraction or exponent.
    fn unsigned(&mut self) -> Result<u64, Unfit>;
    fn float(&mut self) -> Result<f64, Unfit>;
    fn text(&mut self) -> Result<Cow<'de, str>, Unfit>;
    /// The text of the value, whatever it is.
    fn raw(&mut self) -> Result<&'de str, Unfit>;
    /// Hands the value on, unless it is null.
    fn nullable(&mut self, some: &mut Item<'_, 'de>) -> Result<(), Unfit>;
    fn list(&mut self, item: &mut Item<'_, 'de>) -> Result<(), Unfit>;
    fn object(&mut self, members: &mut Members<'_, 'de>) -> Result<(), Unfit>;
    /// A text, a number or an object.
    fn form(&mut self, members: &mut Members<'_, 'de>) -> Result<Form<'de>, Unfit>;
}

/// Reads all of `json`; none where it is not exactly what is written.
pub(crate) fn read<T: Wire>(json: &str) -> Option<T> {
    let mut parser = serde_json::Deserializer::from_str(json);
    let value = T::read(&mut Value(Some(&mut parser))).ok()?;
    parser.end().ok()?;
    Some(value)
}

/// A field that waits for its value.
pub(crate) trait Slot {
    /// Reads the value, which stands once.
    fn fill(&mut self, value: &mut dyn Source<'_>) -> Result<(), Unfit>;
}

impl<T: Wire> Slot for Option<T> {
    fn fill(&mut self, value: &mut dyn Source<'_>) -> Result<(), Unfit> {
        if self.is_some() {
            return Err(Unfit);
        }
        *self = Some(T::read(value)?);
        Ok(())
    }
}

/// The fields of an object.
pub(crate) struct Slots<'s> {
    pub(crate) names: &'static [&'static str],
    pub(crate) slots: &'s mut [&'s mut dyn Slot],
    /// Where the next field is looked for first: they mostly come in their order.
    next: usize,
}

impl<'s> Slots<'s> {
    pub(crate) fn new(names: &'static [&'static str], slots: &'s mut [&'s mut dyn Slot]) -> Self {
        Self { names, slots, next: 0 }
    }

    /// Reads one member.
    pub(crate) fn fill(&mut self, key: &str, value: &mut dyn Source<'_>) -> Result<(), Unfit> {
        let (before, after) = self.names.split_at_checked(self.next).ok_or(Unfit)?;
        let is_it = |name: &&str| *name == key;
        let found = after.iter().position(is_it).map(|at| self.next + at);
        let at = found.or_else(|| before.iter().position(is_it)).ok_or(Unfit)?;
        self.next = at + 1;
        self.slots.get_mut(at).ok_or(Unfit)?.fill(value)
    }
}

/// A value of a parser, until it is read.
struct Value<D>(Option<D>);

impl<'de, D: Deserializer<'de>> Value<D> {
    fn read<T>(&mut self, read: impl FnOnce(D) -> Result<T, D::Error>) -> Result<T, Unfit> {
        read(self.0.take().ok_or(Unfit)?).map_err(|_| Unfit)
    }
}

impl<'de, D: Deserializer<'de>> Source<'de> for Value<D> {
    fn boolean(&mut self) -> Result<bool, Unfit> {
        self.read(bool::deserialize)
    }

    fn unsigned(&mut self) -> Result<u64, Unfit> {
        self.read(u64::deserialize)
    }

    fn float(&mut self) -> Result<f64, Unfit> {
        self.read(f64::deserialize)
    }

    fn text(&mut self) -> Result<Cow<'de, str>, Unfit> {
        self.read(|parser| Key::deserialize(parser).map(|key| key.0))
    }

    fn raw(&mut self) -> Result<&'de str, Unfit> {
        self.read(|parser| <&RawValue>::deserialize(parser).map(RawValue::get))
    }

    fn nullable(&mut self, some: &mut Item<'_, 'de>) -> Result<(), Unfit> {
        self.read(|parser| parser.deserialize_option(Nullable(some)))
    }

    fn list(&mut self, item: &mut Item<'_, 'de>) -> Result<(), Unfit> {
        self.read(|parser| parser.deserialize_seq(List(item)))
    }

    fn object(&mut self, members: &mut Members<'_, 'de>) -> Result<(), Unfit> {
        self.read(|parser| parser.deserialize_map(Object(members)))
    }

    fn form(&mut self, members: &mut Members<'_, 'de>) -> Result<Form<'de>, Unfit> {
        self.read(|parser| parser.deserialize_any(Any(members)))
    }
}

fn refused<E: de::Error>(Unfit: Unfit) -> E {
    E::custom("unfit")
}

struct Nullable<'i, 'de>(&'i mut Item<'i, 'de>);

impl<'de> Visitor<'de> for Nullable<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        (self.0)(&mut Value(Some(value))).map_err(refused)
    }
}

/// One item of a list, read as it comes.
struct Taken<'i, 'de>(&'i mut Item<'i, 'de>);

impl<'de> DeserializeSeed<'de> for Taken<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        (self.0)(&mut Value(Some(value))).map_err(refused)
    }
}

struct List<'i, 'de>(&'i mut Item<'i, 'de>);

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Taken(self.0))?.is_some() {}
        Ok(())
    }
}

/// The value of one member, read as it comes.
struct Member<'m, 'k, 'de>(&'m mut Members<'m, 'de>, &'k str);

impl<'de> DeserializeSeed<'de> for Member<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        (self.0)(self.1, &mut Value(Some(value))).map_err(refused)
    }
}

struct Object<'m, 'de>(&'m mut Members<'m, 'de>);

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            map.next_value_seed(Member(self.0, &key))?;
        }
        Ok(())
    }
}

struct Any<'m, 'de>(&'m mut Members<'m, 'de>);

impl<'de> Visitor<'de> for Any<'_, 'de> {
    type Value = Form<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or an object")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Form<'de>, E> {
        Ok(Form::Unsigned(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Form<'de>, E> {
        Ok(Form::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Form<'de>, E> {
        Ok(Form::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Form<'de>, E> {
        Ok(Form::Text(Cow::Owned(text.into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form<'de>, A::Error> {
        Object(self.0).visit_map(map).map(|()| Form::Object)
    }
}
