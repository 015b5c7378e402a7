//! Whether nothing at all is wrong with a value, in one pass that remembers nothing: most parts of a damaged document are
//! sound, and the walk that finds problems has to see only the others.
//!
//! It may say no to a sound value of a rare form, which then is walked. It never says yes to one that the walk would find
//! anything in.

use shipote_card::id;
use shipote_card::json::{self, Form, Source, Unfit};

use crate::wire::{Choice, Kind, Object};

/// Members of a map with free names that are compared with each other; a larger map is walked.
const MOST_NAMES: usize = 8;

/// Returns whether the JSON text `text` is surely of `kind`.
pub(crate) fn fits(text: &str, kind: &'static Kind) -> bool {
    json::read(text, &mut |value| check(value, kind))
}

fn check(value: &mut dyn Source<'_>, kind: &'static Kind) -> Result<(), Unfit> {
    match kind {
        Kind::Bool => value.boolean().map(drop),
        Kind::Integer(max) => sound(value.unsigned()? <= *max),
        Kind::Float => value.float().map(drop),
        Kind::Text => value.text().map(drop),
        Kind::Id => sound(id::parse_canonical(&value.text()?).is_ok()),
        Kind::Nullable(inner) => value.nullable(&mut |some| check(some, inner)),
        Kind::List(inner) => value.list(&mut |item| check(item, inner)),
        Kind::Map(inner) => map(value, inner),
        Kind::Object(object) => check_object(value, object),
        Kind::Choice(choice) => check_choice(value, choice),
        Kind::Own(own) => sound((own.accepts)(value.raw()?)),
    }
}

const fn sound(is_sound: bool) -> Result<(), Unfit> {
    if is_sound { Ok(()) } else { Err(Unfit) }
}

fn map(value: &mut dyn Source<'_>, inner: &'static Kind) -> Result<(), Unfit> {
    let mut names = alloc::vec::Vec::new();
    value.object(&mut |name, value| {
        sound(names.len() < MOST_NAMES && names.iter().all(|known| known != name))?;
        names.push(alloc::string::String::from(name));
        check(value, inner)
    })
}

fn check_object(value: &mut dyn Source<'_>, object: &'static Object) -> Result<(), Unfit> {
    // Which of several is given depends on their values.
    sound(object.one_of.is_empty() && object.fields.len() <= 64)?;
    let (mut seen, mut next) = (0_u64, 0);
    value.object(&mut |key, value| {
        let at = object.field(key, next).ok_or(Unfit)?;
        sound(seen & 1 << at == 0)?;
        seen |= 1 << at;
        next = at + 1;
        check(value, object.fields[at].kind)
    })?;
    sound(object.fields.iter().enumerate().all(|(at, field)| !field.required || seen & 1 << at != 0))
}

fn check_choice(value: &mut dyn Source<'_>, choice: &'static Choice) -> Result<(), Unfit> {
    match value.form(&mut |_, _| Err(Unfit))? {
        Form::Text(text) => {
            let variant = choice.variants.iter().find(|variant| variant.is_called(&text));
            sound(variant.is_some_and(|variant| variant.payload.is_none()))
        }
        Form::Unsigned(_) | Form::Float(_) | Form::Object => Err(Unfit),
    }
}
