//! Identifiers: one ULID newtype per kind, so that a workspace id is never taken for a pipeline id.
//!
//! A ULID (github.com/ulid/spec) is 48 bits of milliseconds and 80 random bits, written as 26 characters of
//! Crockford base 32. Only the canonical text is accepted: the `ulid` parser alone takes lower case and texts
//! that overflow 128 bits, which would let two texts name one entity.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

/// The reasons why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is not 26 characters of Crockford base 32.
    #[error("not a ULID: 26 characters of 0-9 A-Z without I, L, O, U are needed")]
    Invalid,
    /// The text decodes, but is not how that ULID is written (lower case, or more than 128 bits).
    #[error("not the canonical text of a ULID")]
    NotCanonical,
    /// The ULID is all zeros, which is reserved for "no id".
    #[error("the nil ULID is not an identifier")]
    Nil,
}

/// Returns the ULID that `text` is the canonical form of.
///
/// # Errors
///
/// Returns why the text is refused; see [`IdError`].
pub fn parse_canonical(text: &str) -> Result<Ulid, IdError> {
    let ulid = Ulid::from_string(text).map_err(|_| IdError::Invalid)?;
    let mut buffer = [0; ulid::ULID_LEN];
    if ulid.array_to_str(&mut buffer) != text {
        return Err(IdError::NotCanonical);
    }
    if ulid.is_nil() {
        return Err(IdError::Nil);
    }
    Ok(ulid)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// Makes an identifier from its parts: milliseconds since the Unix epoch (48 bits used) and 80
            /// random bits. The caller brings both, since this crate has neither a clock nor randomness.
            #[must_use]
            pub const fn from_parts(timestamp_ms: u64, random: u128) -> Self {
                Self(Ulid::from_parts(timestamp_ms, random))
            }

            /// Returns the creation time in milliseconds since the Unix epoch.
            #[must_use]
            pub const fn timestamp_ms(self) -> u64 {
                self.0.timestamp_ms()
            }

            /// Returns it as a number: identifiers are in the order of their numbers.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_canonical(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.pad(self.0.array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> alloc::borrow::Cow<'static, str> {
                alloc::borrow::Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": "a ULID in its canonical text",
                    "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
                })
            }
        }
    };
}

id_type! {
    /// Names a workspace for its whole life, over restarts of the daemon.
    WorkspaceId
}
id_type! {
    /// Names a supervised command.
    CommandId
}
id_type! {
    /// Names a live pipeline, over its restarts.
    PipelineId
}
id_type! {
    /// Names an edge of one live pipeline.
    EdgeId
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_the_canonical_text_is_an_id() {
        let id = WorkspaceId::from_parts(1_760_000_000_000, 7);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_lowercase().parse::<WorkspaceId>(), Err(IdError::NotCanonical));
        assert!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<WorkspaceId>().is_err());
        assert_eq!("00000000000000000000000000".parse::<WorkspaceId>(), Err(IdError::Nil));
        assert_eq!("short".parse::<WorkspaceId>(), Err(IdError::Invalid));
    }
}
