//! Quantities as people write them: spans of time, amounts of memory, numbers of processors.
//!
//! Each keeps an exact integer inside. A text needs a unit; a bare number means the base unit (seconds, bytes,
//! processors).

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The reason why a text is not a quantity. Its display is a sentence fragment with an example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(&'static str);

/// A span of time in whole milliseconds: `"90s"`, `"1h30m"`, `"250ms"`, or a bare number of seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    ms: u64,
}

impl Span {
    /// Makes a span of `ms` milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self { ms }
    }

    /// Makes a span of `secs` seconds, at most `u64::MAX` milliseconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self { ms: secs.saturating_mul(1000) }
    }

    /// Returns the span in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.ms
    }

    /// Returns the span as a [`Duration`].
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

const SPAN_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError("not a span of time; write it like \"90s\", \"1h30m\" or \"250ms\"");
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(error());
        }
        if rest.starts_with('-') && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            return Err(UnitError(
                "not a span of time, which can't be negative; write it like \"90s\", \"1h30m\" or \"250ms\"",
            ));
        }
        let mut total: u64 = 0;
        let mut last_factor = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let number: u64 = rest[..digits].parse().map_err(|_| error())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (unit, after) = rest.split_at(letters);
            rest = after.trim_start();
            let (_, factor) = SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
            // Each unit once, largest first: "30m1h" and "1h1h" are slips rather than spans.
            if *factor >= last_factor {
                return Err(error());
            }
            last_factor = *factor;
            total = number.checked_mul(*factor).and_then(|ms| total.checked_add(ms)).ok_or_else(error)?;
        }
        Ok(Self { ms: total })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.ms;
        for (name, factor) in SPAN_UNITS.iter().rev() {
            if rest >= *factor {
                write!(f, "{}{}", rest / factor, name)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    /// Writes whole seconds as a number and anything finer as a text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.ms.is_multiple_of(1000) {
            serializer.serialize_u64(self.ms / 1000)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    /// Reads whole seconds, a text with units, or `{secs, nanos}`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl<'de> Visitor<'de> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time like \"90s\", whole seconds, or {secs, nanos}")
            }

            fn visit_u64<E: de::Error>(self, secs: u64) -> Result<Span, E> {
                secs.checked_mul(1000).map(Span::from_millis).ok_or_else(|| E::custom("too many seconds"))
            }

            fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Span, E> {
                u64::try_from(secs)
                    .map_err(|_| E::custom("a span can't be negative"))
                    .and_then(|s| self.visit_u64(s))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Span, A::Error> {
                let (mut secs, mut nanos) = (None::<u64>, None::<u32>);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "secs" => secs = Some(map.next_value()?),
                        "nanos" => nanos = Some(map.next_value()?),
                        _ => return Err(de::Error::unknown_field(&key, &["secs", "nanos"])),
                    }
                }
                let secs = secs.ok_or_else(|| de::Error::missing_field("secs"))?;
                let sub_ms = u64::from(nanos.unwrap_or(0) / 1_000_000);
                secs.checked_mul(1000)
                    .and_then(|ms| ms.checked_add(sub_ms))
                    .map(Span::from_millis)
                    .ok_or_else(|| de::Error::custom("too many seconds"))
            }
        }
        deserializer.deserialize_any(SpanVisitor)
    }
}

/// An amount of memory in bytes: `"512MiB"`, `"2GB"`, or a bare number of bytes.
///
/// `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024 and `kB`, `MB`, `GB`, `TB` powers of 1000. A bare `M` or `G` is
/// refused, since half of its readers would be wrong about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const BYTE_UNITS: [(&str, u64); 9] = [
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

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError("not an amount of memory; write it like \"512MiB\" or \"2GB\"");
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let number: u64 = text[..digits].parse().map_err(|_| error())?;
        let unit = text[digits..].trim_start();
        let (_, factor) = BYTE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        number.checked_mul(*factor).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    /// Writes at most one decimal of the largest binary unit: `1.5 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut unit = 0;
        let mut whole = self.0;
        let mut tenths = 0;
        while whole >= 1024 && unit + 1 < NAMES.len() {
            tenths = whole % 1024 * 10 / 1024;
            whole /= 1024;
            unit += 1;
        }
        if unit == 0 || whole >= 100 {
            write!(f, "{whole} {}", NAMES[unit])
        } else {
            write!(f, "{whole}.{tenths} {}", NAMES[unit])
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of memory like \"512MiB\", or a number of bytes")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::custom("an amount of memory can't be negative"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

/// A number of processors in thousandths: `"1.5"` or `"150%"`; a bare number means whole processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus {
    /// Thousandths of one processor.
    pub milli: u32,
}

impl FromStr for Cpus {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError("not a number of processors; write it like \"1.5\" or \"150%\"");
        let text = text.trim();
        let (number, milli_per_unit) = match text.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 10),
            None => (text, 1000),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 3 {
            return Err(error());
        }
        let mut scaled: u64 =
            whole.parse::<u64>().map_err(|_| error())?.checked_mul(1000).ok_or_else(error)?;
        let mut digit_value = 100;
        for byte in fraction.bytes() {
            scaled += u64::from(byte - b'0') * digit_value;
            digit_value /= 10;
        }
        let milli = scaled.checked_mul(milli_per_unit).ok_or_else(error)? / 1000;
        match u32::try_from(milli) {
            Ok(milli) if milli > 0 => Ok(Self { milli }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.milli / 1000, self.milli % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CpusVisitor;
        impl Visitor<'_> for CpusVisitor {
            type Value = Cpus;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of processors like 2, \"1.5\" or \"150%\"")
            }

            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Cpus, E> {
                self.visit_str(&format!("{whole}"))
            }

            fn visit_i64<E: de::Error>(self, whole: i64) -> Result<Cpus, E> {
                self.visit_str(&format!("{whole}"))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Cpus, E> {
                self.visit_str(&format!("{number}"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cpus, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(CpusVisitor)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{ByteSize, Cpus, Span};
    use alloc::borrow::Cow;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    impl JsonSchema for Span {
        fn schema_name() -> Cow<'static, str> {
            Cow::Borrowed("Span")
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "a span of time: whole seconds, a text like \"1h30m\", or {secs, nanos}",
                "oneOf": [
                    { "type": "integer", "minimum": 0 },
                    { "type": "string", "pattern": "^([0-9]+d)? ?([0-9]+h)? ?([0-9]+m)? ?([0-9]+s)? ?([0-9]+ms)?$", "minLength": 2 },
                    { "type": "object", "properties": { "secs": { "type": "integer", "minimum": 0 },
                      "nanos": { "type": "integer", "minimum": 0 } }, "required": ["secs"], "additionalProperties": false }
                ]
            })
        }
    }

    impl JsonSchema for ByteSize {
        fn schema_name() -> Cow<'static, str> {
            Cow::Borrowed("ByteSize")
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "an amount of memory: bytes, or a text like \"512MiB\"",
                "oneOf": [
                    { "type": "integer", "minimum": 0 },
                    { "type": "string", "pattern": "^[0-9]+ ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$" }
                ]
            })
        }
    }

    impl JsonSchema for Cpus {
        fn schema_name() -> Cow<'static, str> {
            Cow::Borrowed("Cpus")
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "a number of processors: 2, \"1.5\" or \"150%\"",
                "oneOf": [
                    { "type": "number", "exclusiveMinimum": 0 },
                    { "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,3})?%?$" }
                ]
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_span_reads_what_it_writes() {
        for (text, ms) in
            [("2h", 7_200_000), ("1h30m", 5_400_000), ("250ms", 250), ("1d1s", 86_401_000), ("0s", 0)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.as_millis(), ms, "{text}");
            assert_eq!(span.to_string().parse::<Span>(), Ok(span), "{text}");
        }
    }

    #[test]
    fn a_span_without_a_unit_or_out_of_order_is_refused() {
        for text in ["", "2", "h", "2x", "30m1h", "1h1h", "-1s", "1.5h", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn memory_needs_an_unambiguous_unit() {
        assert_eq!("512MiB".parse(), Ok(ByteSize(512 << 20)));
        assert_eq!("2 GB".parse(), Ok(ByteSize(2_000_000_000)));
        for text in ["512", "1M", "1G", "MiB", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn processors_are_thousandths() {
        assert_eq!("1.5".parse(), Ok(Cpus { milli: 1500 }));
        assert_eq!("150%".parse(), Ok(Cpus { milli: 1500 }));
        assert_eq!("0.25".parse::<Cpus>().unwrap().to_string(), "0.25");
        for text in ["", "0", ".5", "1.2345", "-1", "two"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }
}
