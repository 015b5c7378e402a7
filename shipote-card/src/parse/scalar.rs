//! Reading of plain values: texts, numbers, quantities, lists and maps of them, and named choices.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;

use super::decode::{At, Decode, Decoder};
use super::tree::{Kind, child};
use crate::code;
use crate::command::RestartOn;
use crate::pipeline::{DiscernPolicy, FullPolicy, MergePolicy, TapMode};
use crate::unit::{ByteSize, Cpus, Span, UnitError};
use crate::workspace::{Containment, ExitPolicy, FlowMode, TapPermission};

impl Decode for String {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::String(text) => Some(text.clone()),
            Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) => {
                decoder.wrong_type(at, "a string", "put it in quotes")
            }
            _ => decoder.wrong_type(at, "a string", ""),
        }
    }
}

impl Decode for bool {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Bool(value) => Some(*value),
            _ => decoder.wrong_type(at, "true or false", ""),
        }
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Decode for $type {
            fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
                let Kind::Integer(number) = &at.node.kind else { return decoder.wrong_type(at, "an integer", "") };
                let value = Self::try_from(*number).ok();
                if value.is_none() {
                    let message = format!("the number is out of range: 0 to {}", Self::MAX);
                    decoder.refuse(code::OUT_OF_RANGE, at, message, "");
                }
                value
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64);

/// Reads a quantity from its text.
fn quantity<T: FromStr<Err = UnitError>>(decoder: &mut Decoder<'_>, at: &At<'_>, text: &str) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let error = error.to_string();
            let (what, how) = error.split_once("; ").unwrap_or((&error, ""));
            decoder.refuse(code::BAD_UNIT, at, format!("`{text}` is {what}"), how);
            None
        }
    }
}

impl Decode for Span {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        const HINT: &str = "write it like \"90s\", \"1h30m\" or \"250ms\"; a bare number means whole seconds";
        match &at.node.kind {
            Kind::String(text) => quantity(decoder, at, text),
            Kind::Integer(secs) => {
                let span =
                    u64::try_from(*secs).ok().and_then(|secs| secs.checked_mul(1000)).map(Self::from_millis);
                if span.is_none() {
                    decoder.refuse(code::OUT_OF_RANGE, at, "the number of seconds is out of range", HINT);
                }
                span
            }
            Kind::Table(_) => {
                let mut fields = decoder.fields(at, "a span of time")?;
                let (mut secs, mut nanos) = (0_u64, 0_u32);
                decoder.set(&mut fields, "secs", &mut secs);
                decoder.set(&mut fields, "nanos", &mut nanos);
                decoder.finish(fields, |_| None);
                let ms = secs.checked_mul(1000).and_then(|ms| ms.checked_add(u64::from(nanos / 1_000_000)));
                if ms.is_none() {
                    decoder.refuse(code::OUT_OF_RANGE, at, "the number of seconds is out of range", HINT);
                }
                ms.map(Self::from_millis)
            }
            _ => decoder.wrong_type(at, "a span of time", HINT),
        }
    }
}

impl Decode for ByteSize {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::String(text) => quantity(decoder, at, text),
            Kind::Integer(_) => u64::decode(decoder, at).map(Self),
            _ => decoder.wrong_type(at, "an amount of memory", "write it like \"512MiB\" or \"2GB\""),
        }
    }
}

impl Decode for Cpus {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::String(text) => quantity(decoder, at, text),
            Kind::Integer(whole) => quantity(decoder, at, &whole.to_string()),
            Kind::Float(number) => quantity(decoder, at, &number.to_string()),
            _ => decoder.wrong_type(at, "a number of processors", "write it like 2, \"1.5\" or \"150%\""),
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Null => Some(None),
            _ => T::decode(decoder, at).map(Some),
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let Kind::Array(items) = &at.node.kind else { return decoder.wrong_type(at, "an array", "") };
        // Every element is read, so that all their problems are found, before any of them voids the whole.
        let mut values = Self::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let element = at.element(i, item);
            decoder.remember(element.full.clone(), &element);
            values.extend(decoder.value(&element));
        }
        (values.len() == items.len()).then_some(values)
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
        let Kind::Table(entries) = &at.node.kind else { return decoder.wrong_type(at, "a table", "") };
        _ = decoder.fields(at, "a table");
        let mut values = Self::new();
        for entry in entries {
            let inner = At {
                node: &entry.value,
                pointer: child(&at.pointer, &entry.name),
                full: child(&at.full, &entry.name),
            };
            decoder.remember(inner.full.clone(), &inner);
            if let Some(value) = decoder.value(&inner) {
                values.entry(entry.name.clone()).or_insert(value);
            }
        }
        Some(values)
    }
}

macro_rules! choices {
    ($($type:ty { $($name:literal => $variant:ident),* })*) => {$(
        impl Decode for $type {
            fn decode(decoder: &mut Decoder<'_>, at: &At<'_>) -> Option<Self> {
                decoder.choice(at, &[$(($name, Self::$variant)),*])
            }
        }
    )*};
}

choices! {
    TapMode { "off" => Off, "ready" => Ready, "on" => On }
    DiscernPolicy { "off" => Off, "observe" => Observe, "warn" => Warn, "fail" => Fail }
    FullPolicy { "block" => Block, "spill" => Spill, "drop_newest" => DropNewest, "drop_oldest" => DropOldest }
    MergePolicy { "line" => Line, "concat" => Concat, "raw" => Raw }
    Containment { "required" => Required, "best_effort" => BestEffort }
    TapPermission { "allow" => Allow, "deny" => Deny }
    FlowMode { "in" => In, "out" => Out, "inout" => Inout }
    ExitPolicy { "reap" => Reap, "linger" => Linger, "freeze" => Freeze }
    RestartOn { "failure" => Failure, "always" => Always }
}
