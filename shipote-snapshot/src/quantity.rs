//! Quantities as `state.json` holds them, frozen: spans of time, amounts of memory, processors, quota actions.
//!
//! Each reads a number or a text with a unit. Writing prefers whole base units as a number.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use crate::source;
use crate::wire::{Kind, Own, Style, Wire, write_text};
use shipote_card::json::{Form, Source, Unfit};

wire_struct! {
    /// A span of time in its two parts.
    pub struct SpanParts {
        /// Whole seconds.
        secs: u64,
        /// Nanoseconds beyond them; what is finer than a millisecond is dropped.
        nanos: u32 = 0,
    }
}

/// A span of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u64);

/// An amount of memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

/// Processors in thousandths, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) u32);

/// A reaction of the quota ladder that is a text with an argument: `signal:USR1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotaAction(pub(crate) String);

fn span_of_text(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let mut rest = text.trim();
    let (mut total, mut last_factor) = (0_u64, u64::MAX);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == &rest[..letters])?;
        // Each unit once, largest first.
        if *factor >= last_factor {
            return None;
        }
        last_factor = *factor;
        rest = rest[letters..].trim_start();
        total = number.checked_mul(*factor).and_then(|ms| total.checked_add(ms))?;
    }
    Some(total)
}

fn bytes_of_text(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn cpus_of_text(text: &str) -> Option<u32> {
    let text = text.trim();
    let (number, milli_per_unit) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 10),
        None => (text, 1000),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let mut scaled: u64 = whole.parse::<u64>().ok()?.checked_mul(1000)?;
    let mut digit_value = 100;
    for byte in fraction.bytes() {
        scaled = scaled.checked_add(u64::from(byte - b'0') * digit_value)?;
        digit_value /= 10;
    }
    let milli = u32::try_from(scaled.checked_mul(milli_per_unit)? / 1000).ok()?;
    (milli > 0).then_some(milli)
}

macro_rules! own_form {
    ($ty:ident, $expected:literal, $schema:literal, |$source:ident| $read:expr, |$value:ident, $out:ident| $write:expr) => {
        impl Wire for $ty {
            const KIND: Kind = Kind::Own(&Own {
                expected: $expected,
                accepts: |json| source::read::<Self>(json).is_some(),
                #[cfg(any(feature = "schema", test))]
                schema: $schema,
            });

            fn read($source: &mut dyn Source<'_>) -> Result<Self, Unfit> {
                $read.ok_or(Unfit)
            }

            fn write(&self, $out: &mut String, _: Style) {
                let $value = self;
                $write;
            }
        }
    };
}

/// Reads a text or a number.
fn plain<'de>(source: &mut dyn Source<'de>) -> Result<Form<'de>, Unfit> {
    source.form(&mut |_, _| Err(Unfit))
}

impl Span {
    fn of_form(source: &mut dyn Source<'_>) -> Result<Option<Self>, Unfit> {
        let mut plain = None;
        let parts = SpanParts::of_members(&mut |members| {
            let form = source.form(members)?;
            plain = match &form {
                Form::Unsigned(secs) => secs.checked_mul(1000),
                Form::Text(text) => span_of_text(text),
                Form::Float(_) | Form::Object => None,
            };
            Ok(matches!(form, Form::Object))
        })?;
        let ms = parts.map_or(plain, |parts| {
            let sub_ms = u64::from(parts.nanos / 1_000_000);
            parts.secs.checked_mul(1000).and_then(|ms| ms.checked_add(sub_ms))
        });
        Ok(ms.map(Self))
    }
}

own_form!(
    Span,
    "a span of time like \"90s\" or \"1h30m\", whole seconds, or {secs, nanos}",
    r#"{"oneOf":[{"type":"integer","minimum":0,"maximum":18446744073709551},{"type":"string","pattern":"^ *([0-9]+d)? *([0-9]+h)? *([0-9]+m)? *([0-9]+s)? *([0-9]+ms)? *$","minLength":2},{"type":"object","properties":{"secs":{"type":"integer","minimum":0,"maximum":18446744073709551},"nanos":{"type":"integer","minimum":0,"maximum":4294967295}},"required":["secs"],"additionalProperties":false}]}"#,
    |source| Self::of_form(source)?,
    |span, out| {
        let (secs, ms) = (span.0 / 1000, span.0 % 1000);
        let _ = match (secs, ms) {
            (_, 0) => write!(out, "{secs}"),
            (0, _) => write!(out, "\"{ms}ms\""),
            _ => write!(out, "\"{secs}s{ms}ms\""),
        };
    }
);

own_form!(
    Bytes,
    "an amount of memory like \"512MiB\", or a number of bytes",
    r#"{"oneOf":[{"type":"integer","minimum":0,"maximum":18446744073709551615},{"type":"string","pattern":"^ *[0-9]+ *(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB) *$"}]}"#,
    |source| match plain(source)? {
        Form::Unsigned(bytes) => Some(Self(bytes)),
        Form::Text(text) => bytes_of_text(&text).map(Self),
        Form::Float(_) | Form::Object => None,
    },
    |bytes, out| write!(out, "{}", bytes.0).unwrap_or_default()
);

own_form!(
    Cpus,
    "a number of processors like 2, \"1.5\" or \"150%\"",
    r#"{"oneOf":[{"type":"number","exclusiveMinimum":0},{"type":"string","pattern":"^ *[0-9]+(\\.[0-9]{0,3})? *%?$"}]}"#,
    |source| match plain(source)? {
        Form::Unsigned(whole) => cpus_of_text(&format!("{whole}")).map(Self),
        Form::Float(number) => cpus_of_text(&format!("{number}")).map(Self),
        Form::Text(text) => cpus_of_text(&text).map(Self),
        Form::Object => None,
    },
    |cpus, out| {
        let text = format!("{}.{:03}", cpus.0 / 1000, cpus.0 % 1000);
        write_text(out, text.trim_end_matches('0').trim_end_matches('.'));
    }
);

fn quota_action(text: &str) -> Option<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'+')
    };
    let matches = |action: &str| {
        text.get(1..) == action.get(1..)
            && text.get(..1).is_some_and(|first| first.eq_ignore_ascii_case(&action[..1]))
    };
    let plain = QUOTA_ACTIONS.into_iter().find(|action| matches(action)).map(Into::into);
    plain.or_else(|| text.strip_prefix("signal:").filter(|name| is_name(name)).map(|_| text.into()))
}

const QUOTA_ACTIONS: [&str; 5] = ["observe", "warn", "throttle", "freeze", "kill"];

own_form!(
    QuotaAction,
    "one of observe, warn, throttle, freeze, kill, or signal:NAME",
    r#"{"type":"string","pattern":"^([Oo]bserve|[Ww]arn|[Tt]hrottle|[Ff]reeze|[Kk]ill|signal:[A-Z0-9+]+)$"}"#,
    |source| quota_action(&source.text()?).map(Self),
    |action, out| write_text(out, &action.0)
);
