//! Whether bytes are text, and in which encoding; the lines that recognisers of structure look at.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::Newline;

/// A window that was read as text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) content: Cow<'a, str>,
    pub(super) encoding: &'static str,
    pub(super) complete: bool,
    /// Confidence that it is text.
    pub(super) plain: u16,
    /// Most confidence that its structure may have.
    pub(super) ceiling: u16,
    pub(super) why: Cow<'static, str>,
}

impl Text<'_> {
    /// Returns how lines end.
    pub(super) fn newline(&self) -> Option<Newline> {
        let feeds = self.content.matches('\n').count();
        let pairs = self.content.matches("\r\n").count();
        match (feeds, pairs) {
            (0, _) => None,
            (_, 0) => Some(Newline::Lf),
            (feeds, pairs) if feeds == pairs => Some(Newline::Crlf),
            _ => Some(Newline::Mixed),
        }
    }
}

/// Reads `window` as text, if it is one.
pub(super) fn decode(window: &[u8], complete: bool) -> Option<Text<'_>> {
    marked(window, complete)
        .or_else(|| utf8(window, complete))
        .or_else(|| unmarked_utf16(window, complete))
        .or_else(|| single_bytes(window, complete))
}

/// Encodings that a byte order mark announces.
fn marked(window: &[u8], complete: bool) -> Option<Text<'_>> {
    let (encoding, mark, width, big) = match window {
        [0xff, 0xfe, 0, 0, ..] => ("utf-32le", 4, 4, false),
        [0, 0, 0xfe, 0xff, ..] => ("utf-32be", 4, 4, true),
        [0xff, 0xfe, ..] => ("utf-16le", 2, 2, false),
        [0xfe, 0xff, ..] => ("utf-16be", 2, 2, true),
        [0xef, 0xbb, 0xbf, ..] => {
            let mut text = utf8(&window[3..], complete)?;
            text.encoding = "utf-8";
            text.why = Cow::Borrowed("UTF-8 with a byte order mark");
            return Some(text);
        }
        _ => return None,
    };
    let content = wide(&window[mark..], width, big)?;
    readable(&content).then_some(Text {
        content: Cow::Owned(content),
        encoding,
        complete,
        plain: 600,
        ceiling: 990,
        why: Cow::Borrowed("byte order mark"),
    })
}

fn utf8(window: &[u8], complete: bool) -> Option<Text<'_>> {
    let content = match core::str::from_utf8(window) {
        Ok(text) => text,
        // A character that the window cuts, at its very end.
        Err(error) if error.error_len().is_none() && !complete && error.valid_up_to() > 0 => {
            core::str::from_utf8(&window[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let ascii = content.is_ascii() && content.len() == window.len();
    let separated = nul_separated(content);
    if !separated && !readable(content) {
        return None;
    }
    let plain = match content.trim().chars().count() {
        _ if separated => 500,
        0..4 => 400,
        _ => 600,
    };
    Some(Text {
        content: Cow::Borrowed(content),
        encoding: if ascii { "us-ascii" } else { "utf-8" },
        complete,
        plain,
        ceiling: if separated { 0 } else { 990 },
        why: Cow::Borrowed(match (separated, ascii) {
            (true, _) => "text records that end in NUL",
            (false, true) => "only ASCII characters",
            (false, false) => "valid UTF-8",
        }),
    })
}

/// UTF-16 without a mark: nearly every other byte is NUL.
fn unmarked_utf16(window: &[u8], complete: bool) -> Option<Text<'_>> {
    let pairs = window.len() / 2;
    let latin = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let count =
        |high: usize| window.chunks_exact(2).filter(|pair| pair[high] == 0 && latin(pair[1 - high])).count();
    let (encoding, big) = if pairs < 8 {
        return None;
    } else if count(1) * 10 >= pairs * 9 {
        ("utf-16le", false)
    } else if count(0) * 10 >= pairs * 9 {
        ("utf-16be", true)
    } else {
        return None;
    };
    let content = wide(window, 2, big)?;
    let why = Cow::Borrowed("every other byte is NUL");
    readable(&content).then_some(Text {
        content: Cow::Owned(content),
        encoding,
        complete,
        plain: 550,
        ceiling: 900,
        why,
    })
}

/// The old encodings of one byte (or of several, above ASCII): named only as far as the bytes bear it out.
fn single_bytes(window: &[u8], complete: bool) -> Option<Text<'_>> {
    if window.len() < SHORT {
        return short_latin(window, complete);
    }
    let high = window.iter().filter(|byte| **byte >= 0x80).count();
    let breaks = window.iter().filter(|byte| byte.is_ascii_whitespace()).count();
    let letters = window.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    if window.iter().any(|byte| is_control(*byte)) {
        return None;
    }
    let mostly_ascii = high * 10 <= window.len() * 3 && letters * 2 >= window.len();
    let c1 = window.iter().any(|byte| matches!(byte, 0x80..=0x9f));
    let (encoding, plain, ceiling) = match (mostly_ascii, c1) {
        (true, false) => ("iso-8859-1", 500, 850),
        (true, true) => ("windows-1252", 450, 850),
        // Tables and figures have fewer letters than sentences.
        _ if !c1 && high * 10 <= window.len() * 3 && (letters + breaks) * 2 >= window.len() => {
            ("iso-8859-1", 400, 700)
        }
        _ if window.len() >= 256 && breaks * 50 >= window.len() => ("unknown-8bit", 350, 600),
        _ => return None,
    };
    let content: String = window.iter().map(|byte| char::from(*byte)).collect();
    let why = Cow::Borrowed("no control characters, but not UTF-8");
    Some(Text { content: Cow::Owned(content), encoding, complete, plain, ceiling, why })
}

/// Below this many bytes, shares of them say little.
const SHORT: usize = 16;

/// A word or two in ISO 8859-1: letters of it among those of ASCII, and nothing that would be another encoding's.
fn short_latin(window: &[u8], complete: bool) -> Option<Text<'_>> {
    let is_latin = |byte: &u8| matches!(byte, 0xc0..=0xff) && !matches!(byte, 0xd7 | 0xf7);
    let count = |holds: &dyn Fn(&u8) -> bool| window.iter().filter(|byte| holds(byte)).count();
    let (plain, latin) = (count(&u8::is_ascii_alphanumeric), count(&is_latin));
    let other = count(&|byte: &u8| *byte >= 0x80) - latin;
    let has_control = window.iter().any(|byte| is_control(*byte));
    if has_control || other > 0 || window.len() < 5 || plain < latin || (plain + latin) * 2 < window.len() {
        return None;
    }
    Some(Text {
        content: Cow::Owned(window.iter().map(|byte| char::from(*byte)).collect()),
        encoding: "iso-8859-1",
        complete,
        plain: 350,
        ceiling: 600,
        why: Cow::Borrowed("letters of ISO 8859-1, and not UTF-8"),
    })
}

fn wide(bytes: &[u8], width: usize, big: bool) -> Option<String> {
    let number = |unit: &[u8]| {
        let join = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        if big { unit.iter().fold(0, join) } else { unit.iter().rev().fold(0, join) }
    };
    let units = bytes.chunks_exact(width).map(number);
    if width == 4 {
        return units.map(char::from_u32).collect();
    }
    let mut text = String::with_capacity(bytes.len() / 2);
    // The cast keeps everything: a unit of two bytes has at most 16 bits.
    let mut decoded = char::decode_utf16(units.map(|unit| unit as u16)).peekable();
    while let Some(next) = decoded.next() {
        match next {
            Ok(letter) => text.push(letter),
            // Half a pair, cut at the end of the window.
            Err(_) if decoded.peek().is_none() => break,
            Err(_) => return None,
        }
    }
    Some(text)
}

/// Whether a text has at most a stray control character here and there.
fn readable(text: &str) -> bool {
    let stray = text.bytes().filter(|byte| is_control(*byte)).count();
    stray * 200 <= text.len() && !text.contains('\0')
}

/// Whether `byte` has no place in a text; colours, form feeds and record separators do.
const fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=6 | 0x0e..=0x1a | 0x1c | 0x1d | 0x1f | 0x7f)
}

/// Whether it is a list of texts, each ended by NUL, as `find -print0` and `/proc/PID/environ` write them.
fn nul_separated(text: &str) -> bool {
    text.contains('\0')
        && text.bytes().filter(|byte| *byte == 0).count() >= 2
        && text.bytes().all(|byte| byte == 0 || !is_control(byte))
        && !text.starts_with('\0')
        && !text.contains("\0\0")
        && text.len() >= 8
}

/// Lines that are looked at: what a format is shows in the first of them.
const LINES: usize = 256;

/// A text and its lines, as recognisers of structure see them.
#[derive(Debug)]
pub(super) struct Sample<'a> {
    pub(super) text: &'a str,
    pub(super) complete: bool,
    /// The first lines, without their ends; not the last one where the window may have cut it.
    pub(super) lines: Vec<&'a str>,
}

impl<'a> Sample<'a> {
    pub(super) fn new(text: &'a str, complete: bool) -> Self {
        let whole = if complete { text } else { &text[..text.rfind('\n').map_or(0, |end| end + 1)] };
        Self { text, complete, lines: whole.lines().take(LINES).collect() }
    }

    /// Returns the lines that hold something.
    pub(super) fn filled(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.lines.iter().copied().filter(|line| !line.trim().is_empty())
    }

    /// Returns how many filled lines there are, and how many of them `holds` accepts.
    pub(super) fn share(&self, mut holds: impl FnMut(&str) -> bool) -> (usize, usize) {
        self.filled().fold((0, 0), |(all, good), line| (all + 1, good + usize::from(holds(line))))
    }
}
