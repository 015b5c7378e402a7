//! The digest of a file: SHA-256, in 64 digits of lower-case hexadecimal.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::source;
use crate::wire::{Kind, Own, Style, Wire};
use shipote_card::json::{Source, Unfit};

/// SHA-256 of the bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// The text is not 64 digits of lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestError;

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not 64 digits of lower-case hexadecimal")
    }
}

impl core::error::Error for DigestError {}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(DigestError),
        };
        let mut digest = [0; 32];
        if text.len() != 2 * digest.len() {
            return Err(DigestError);
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Wire for Digest {
    const KIND: Kind = Kind::Own(&Own {
        expected: "a SHA-256 of 64 digits of lower-case hexadecimal",
        accepts: |json| source::read::<Self>(json).is_some(),
        #[cfg(any(feature = "schema", test))]
        schema: r#"{"type":"string","pattern":"^[0-9a-f]{64}$"}"#,
    });

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        value.text()?.parse().map_err(|_| Unfit)
    }

    fn write(&self, out: &mut String, _: Style) {
        use core::fmt::Write as _;
        let _ = write!(out, "\"{self}\"");
    }
}
