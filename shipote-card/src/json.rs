//! JSON taken apart, for cards and for states: as the raw parts of a text, whose places are known and which hold back
//! nothing, or value by value, strictly.
//!
//! serde_json stays the only JSON grammar. A parser that is made anew for each type would be most of the inspector page:
//! here it is made once, and a type says only which values it takes.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Returns the value that `text` is.
///
/// # Errors
///
/// Fails where it is not JSON, or not one value.
pub fn raw(text: &str) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_str(text)
}

/// Returns the value that `text` begins with, whatever follows it.
///
/// # Errors
///
/// Fails where no JSON stands there.
pub fn first(text: &str) -> Result<&RawValue, serde_json::Error> {
    Deserialize::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// A key and its value.
pub type RawMember<'t> = (&'t RawValue, &'t RawValue);

/// Returns the members of the object that `text` is, in their order, equal keys included.
///
/// # Errors
///
/// Fails where it is no object.
pub fn members(text: &str) -> Result<Vec<RawMember<'_>>, serde_json::Error> {
    serde_json::from_str(text).map(|RawMembers(members)| members)
}

/// Returns the elements of the list that `text` is.
///
/// # Errors
///
/// Fails where it is no list.
pub fn elements(text: &str) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(text)
}

/// Returns what the text in quotation marks says, borrowed where it has no escapes.
///
/// # Errors
///
/// Fails where it is no text, or not one that can be: half of a surrogate pair.
pub fn text(text: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    serde_json::from_str(text).map(|Text(text)| text)
}

/// Returns the number that `text` is.
///
/// # Errors
///
/// Fails where it is no number, or none that a double can hold.
pub fn float(text: &str) -> Result<f64, serde_json::Error> {
    serde_json::from_str(text)
}

/// Takes `text` apart with `take`, strictly. Returns whether all of it was as `take` wants it.
pub fn read<'de>(text: &'de str, take: &mut Item<'_, 'de>) -> bool {
    let mut parser = serde_json::Deserializer::from_str(text);
    take(&mut Value(Some(&mut parser))).is_ok() && parser.end().is_ok()
}

/// A value is not of the form that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

/// Takes one value.
pub type Item<'i, 'de> = dyn FnMut(&mut dyn Source<'de>) -> Result<(), Unfit> + 'i;

/// Takes the members of an object: key, value.
pub type Members<'m, 'de> = dyn FnMut(&str, &mut dyn Source<'de>) -> Result<(), Unfit> + 'm;

/// A value of several possible forms.
#[derive(Debug)]
pub enum Form<'de> {
    /// A text.
    Text(Cow<'de, str>),
    /// A whole number from 0, written without fraction or exponent.
    Unsigned(u64),
    /// A number that is written with a fraction or an exponent.
    Float(f64),
    /// Its members have been taken.
    Object,
}

/// A value that is about to be read: each of the methods reads it, so one is called, once.
pub trait Source<'de> {
    /// Reads true or false.
    ///
    /// # Errors
    ///
    /// Fails where it is neither.
    fn boolean(&mut self) -> Result<bool, Unfit>;

    /// Reads a whole number from 0, written without fraction or exponent.
    ///
    /// # Errors
    ///
    /// Fails where it is none, or above `u64::MAX`.
    fn unsigned(&mut self) -> Result<u64, Unfit>;

    /// Reads a number.
    ///
    /// # Errors
    ///
    /// Fails where it is none, or none that a double can hold.
    fn float(&mut self) -> Result<f64, Unfit>;

    /// Reads a text, borrowed where it has no escapes.
    ///
    /// # Errors
    ///
    /// Fails where it is none.
    fn text(&mut self) -> Result<Cow<'de, str>, Unfit>;

    /// Reads any value as its JSON.
    ///
    /// # Errors
    ///
    /// Fails where no JSON stands there.
    fn raw(&mut self) -> Result<&'de str, Unfit>;

    /// Reads a whole number from 0, or null. Samples consist of these, so it takes no turn by [`Self::nullable`].
    ///
    /// # Errors
    ///
    /// Fails where it is neither.
    fn maybe_unsigned(&mut self) -> Result<Option<u64>, Unfit>;

    /// Reads a number or null, likewise.
    ///
    /// # Errors
    ///
    /// Fails where it is neither.
    fn maybe_float(&mut self) -> Result<Option<f64>, Unfit>;

    /// Hands the value on to `some`, unless it is null.
    ///
    /// # Errors
    ///
    /// Fails where `some` does.
    fn nullable(&mut self, some: &mut Item<'_, 'de>) -> Result<(), Unfit>;

    /// Hands each element of a list to `item`.
    ///
    /// # Errors
    ///
    /// Fails where it is no list, or where `item` does.
    fn list(&mut self, item: &mut Item<'_, 'de>) -> Result<(), Unfit>;

    /// Hands each member of an object to `members`.
    ///
    /// # Errors
    ///
    /// Fails where it is no object, or where `members` does.
    fn object(&mut self, members: &mut Members<'_, 'de>) -> Result<(), Unfit>;

    /// Reads a text, a number or an object; the members of an object go to `members`.
    ///
    /// # Errors
    ///
    /// Fails where it is something else, or where `members` does.
    fn form(&mut self, members: &mut Members<'_, 'de>) -> Result<Form<'de>, Unfit>;
}

/// A value of a parser, until it is read.
struct Value<D>(Option<D>);

impl<'de, D: Deserializer<'de>> Value<D> {
    #[inline]
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
        self.read(|parser| Text::deserialize(parser).map(|text| text.0))
    }

    fn raw(&mut self) -> Result<&'de str, Unfit> {
        self.read(|parser| <&RawValue>::deserialize(parser).map(RawValue::get))
    }

    fn maybe_unsigned(&mut self) -> Result<Option<u64>, Unfit> {
        self.read(Option::deserialize)
    }

    fn maybe_float(&mut self) -> Result<Option<f64>, Unfit> {
        self.read(Option::deserialize)
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
        while let Some(Text(key)) = map.next_key()? {
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

/// A text, borrowed where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.into())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The keys and values of one object, in order and with repeats.
struct RawMembers<'t>(Vec<RawMember<'t>>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawMembers<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawMembers(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
