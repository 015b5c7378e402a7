//! Recognises what flows on an edge from its first bytes. It never waits, reads or keeps a value of the stream.
//!
//! The steps, in order, each in its own file: a magic number ([`magic`]), a wrapping that can be peeled
//! ([`container`]), text and its encoding ([`text`]) and then its structure ([`json`], [`markup`], [`marks`],
//! [`config`], [`records`]), self-delimiting binary objects ([`objects`]). What no step recognises stays
//! `application/octet-stream`: a wrong name costs more than no name.

mod agreement;
mod config;
mod container;
mod json;
mod magic;
mod marks;
mod markup;
mod objects;
mod records;
#[cfg(test)]
mod tests;
mod text;
mod toml;

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use agreement::{Agreement, agrees};

/// Bytes that are normally looked at.
pub const WINDOW: usize = 4 * 1024;

/// Most bytes that are ever looked at; the rest of a longer window is left alone.
pub const WINDOW_CAP: usize = 64 * 1024;

/// What is said of bytes that nothing recognises.
const UNKNOWN: &str = "application/octet-stream";

/// Wrappings that are peeled one inside the other.
const DEPTH: usize = 2;

/// Alternatives below this are not worth a line.
const FAINT: u16 = 300;

/// What a stream was taken for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discerned {
    /// Media type of the content, inside of what wraps it.
    pub mime: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// Media types of the wrappings around the content, the outermost first.
    #[serde(default)]
    pub container: Vec<String>,
    /// Character encoding, for text.
    #[serde(default)]
    pub encoding: Option<String>,
    /// How lines end, for text that has any.
    #[serde(default)]
    pub newline: Option<Newline>,
    /// What else it could be, the likeliest first.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// What was seen, outermost first. It never holds bytes of the stream.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Bytes of the stream that were looked at.
    pub sampled_bytes: u64,
    /// Whether the stream goes on after them.
    pub partial: bool,
}

impl Discerned {
    /// Returns the media type of the stream as it stands, wrapping included, and how sure that is.
    ///
    /// A reader that does not unwrap gets this one: a compressed stream is not what it holds.
    #[must_use]
    pub fn outermost(&self) -> (&str, Confidence) {
        match self.container.first() {
            Some(outer) => (outer, Confidence::from_permille(990)),
            None => (&self.mime, self.confidence),
        }
    }
}

/// One more reading of the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Media type.
    pub mime: String,
    /// How sure that would be.
    pub confidence: Confidence,
}

/// How sure a recognition is: hundredths, written as a number from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u16);

impl Confidence {
    /// From here on, a mismatch with a declared type is acted upon.
    pub const SURE: Self = Self(900);

    /// Makes a confidence from thousandths, rounded to hundredths and held below or at 1.
    #[must_use]
    pub const fn from_permille(permille: u16) -> Self {
        let capped = if permille > 1000 { 1000 } else { permille };
        Self((capped + 5) / 10 * 10)
    }

    /// Returns thousandths.
    #[must_use]
    pub const fn permille(self) -> u16 {
        self.0
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0 / 10) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let part = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&part) {
            return Err(serde::de::Error::custom("a confidence lies between 0 and 1"));
        }
        // The range was just checked, so that the cast only drops the fraction.
        Ok(Self::from_permille((part * 1000.0 + 0.5) as u16))
    }
}

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Newline {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    Crlf,
    /// Now one, now the other.
    Mixed,
}

/// One recogniser's answer.
#[derive(Debug, Clone)]
struct Guess {
    mime: Cow<'static, str>,
    permille: u16,
    why: Cow<'static, str>,
}

impl Guess {
    fn new(mime: impl Into<Cow<'static, str>>, permille: u16, why: impl Into<Cow<'static, str>>) -> Self {
        Self { mime: mime.into(), permille, why: why.into() }
    }
}

/// Returns what `window`, the first bytes of a stream, is taken for.
///
/// `complete` says that the stream ended within the window: the last line then counts, and so does an
/// unclosed bracket. Work and memory are bounded by the size of the window.
#[must_use]
pub fn discern(window: &[u8], complete: bool) -> Discerned {
    let seen = &window[..window.len().min(WINDOW_CAP)];
    let complete = complete && seen.len() == window.len();
    let mut found = look(seen, complete, DEPTH);
    found.sampled_bytes = seen.len() as u64;
    found.partial = !complete;
    found
}

fn look(window: &[u8], complete: bool, depth: usize) -> Discerned {
    if window.is_empty() {
        return match complete {
            true => found(Guess::new("inode/x-empty", 1000, "no bytes at all")),
            false => found(Guess::new(UNKNOWN, 0, "no bytes so far")),
        };
    }
    if depth > 0
        && let Some(peeled) = container::peel(window, complete)
    {
        return unwrap(peeled, depth);
    }
    if let Some(guess) = magic::recognise(window).or_else(|| container::recognise(window)) {
        return found(guess);
    }
    if let Some(text) = text::decode(window, complete) {
        return structure(&text);
    }
    match objects::recognise(window, complete) {
        Some(guess) => found(guess),
        None => found(Guess::new(UNKNOWN, 500, "binary without a known signature")),
    }
}

/// Joins a wrapping with what is inside it.
fn unwrap(peeled: container::Peeled, depth: usize) -> Discerned {
    if peeled.inner.is_empty() && !peeled.complete {
        return found(Guess::new(peeled.mime, 950, peeled.why));
    }
    let mut inner = look(&peeled.inner, peeled.complete, depth - 1);
    inner.container.insert(0, peeled.mime.to_string());
    inner.reasons.insert(0, peeled.why.to_string());
    inner
}

/// Names the structure of a text, or `text/plain`.
fn structure(text: &text::Text<'_>) -> Discerned {
    let sample = text::Sample::new(&text.content, text.complete);
    let mut guesses: Vec<Guess> = Vec::new();
    for recogniser in
        [marks::recognise, markup::recognise, json::recognise, records::recognise, config::recognise]
    {
        recogniser(&sample, &mut guesses);
        if guesses.iter().any(|guess| guess.permille >= 950) {
            break;
        }
    }
    for guess in &mut guesses {
        guess.permille = guess.permille.min(text.ceiling);
    }
    guesses.push(Guess::new("text/plain", text.plain.min(600), text.why.clone()));
    // Stable, so that of two equals the recogniser that was asked first wins.
    guesses.sort_by_key(|guess| core::cmp::Reverse(guess.permille));
    let best = guesses.remove(0);
    let mut result = found(best);
    if result.mime != "text/plain" {
        result.reasons.insert(0, text.why.to_string());
    }
    result.encoding = Some(text.encoding.to_string());
    result.newline = text.newline();
    let mut named = vec![result.mime.clone()];
    for guess in guesses {
        if guess.permille >= FAINT && !named.iter().any(|mime| *mime == guess.mime) {
            named.push(guess.mime.to_string());
            result.alternatives.push(Alternative {
                mime: guess.mime.into_owned(),
                confidence: Confidence::from_permille(guess.permille),
            });
        }
    }
    result.alternatives.truncate(3);
    result
}

fn found(guess: Guess) -> Discerned {
    Discerned {
        mime: guess.mime.into_owned(),
        confidence: Confidence::from_permille(guess.permille),
        container: Vec::new(),
        encoding: None,
        newline: None,
        alternatives: Vec::new(),
        reasons: vec![guess.why.into_owned()],
        sampled_bytes: 0,
        partial: false,
    }
}
