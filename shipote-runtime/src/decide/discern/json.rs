//! JSON, read as a prefix: what stands there is either a beginning of JSON or it is not.

use alloc::vec::Vec;

use super::Guess;
use super::text::Sample;

/// Names JSON, NDJSON and JSON text sequences.
pub(super) fn recognise(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let text = sample.text.trim_start();
    match text.as_bytes().first() {
        Some(0x1e) => sequence(sample, guesses),
        Some(b'{' | b'[') if records(sample, guesses) => {}
        Some(b'{' | b'[') => document(sample, text, guesses),
        Some(b'"') => scalars(sample, guesses),
        _ => {}
    }
}

/// One value on each line.
fn records(sample: &Sample<'_>, guesses: &mut Vec<Guess>) -> bool {
    let (lines, good) = sample.share(|line| {
        let scan = Scan::of(line);
        scan.is_whole() && scan.nested
    });
    if lines == 0 || good * 20 < lines * 19 {
        return false;
    }
    // The line that the window cuts has to begin as one, too.
    let cut = if sample.complete { "" } else { sample.text.rsplit('\n').next().unwrap_or_default() };
    if !cut.trim().is_empty() && Scan::of(cut).bad {
        return false;
    }
    let begun = lines + usize::from(!cut.trim().is_empty());
    match (begun, sample.complete) {
        (1, true) => return false,
        (1, false) => {
            guesses.push(Guess::new(
                "application/x-ndjson",
                600,
                "one JSON value on a line of its own, and more to come",
            ));
            guesses.push(Guess::new("application/json", 590, "one JSON value"));
        }
        _ => {
            let permille = if good == lines { 970 } else { 900 };
            guesses.push(Guess::new("application/x-ndjson", permille, "each line is one JSON value"));
        }
    }
    true
}

fn document(sample: &Sample<'_>, text: &str, guesses: &mut Vec<Guess>) {
    let scan = Scan::of(text);
    let enough = text.trim_end().len() >= 4;
    if scan.bad {
        return;
    }
    if scan.whole < 2 && !text.trim_end().contains('\n') {
        guesses.push(Guess::new("application/x-ndjson", if enough { 500 } else { 300 }, "one record"));
    }
    match (scan.whole, scan.depth > 0) {
        (0, _) if sample.complete => {
            guesses.push(Guess::new("application/json", 550, "JSON whose end is missing"));
        }
        (0, _) => {
            guesses.push(Guess::new(
                "application/json",
                if enough { 950 } else { 450 },
                "beginning of one JSON value",
            ));
        }
        (1, false) => {
            guesses.push(Guess::new("application/json", if enough { 970 } else { 700 }, "one JSON value"));
        }
        _ => {
            guesses.push(Guess::new("application/json", 750, "JSON values one after another"));
            guesses.push(Guess::new("application/x-ndjson", 400, "JSON values, but not each on one line"));
        }
    }
}

/// RFC 7464: each value follows a record separator.
fn sequence(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let mut parts =
        sample.text.trim_start().split('\u{1e}').filter(|part| !part.trim().is_empty()).peekable();
    let mut seen = false;
    while let Some(part) = parts.next() {
        let scan = Scan::of(part);
        let cut = parts.peek().is_none() && !sample.complete;
        if scan.bad || (!cut && !scan.is_whole()) {
            return;
        }
        seen = true;
    }
    if seen {
        guesses.push(Guess::new("application/json-seq", 970, "JSON values behind record separators"));
    }
}

/// Lines of JSON strings are valid NDJSON, but as often a list of quoted words.
fn scalars(sample: &Sample<'_>, guesses: &mut Vec<Guess>) {
    let (lines, good) = sample.share(|line| Scan::of(line).is_whole());
    let (mime, why) = match (lines, good == lines) {
        (1, true) if sample.complete => ("application/json", "one quoted string"),
        (2.., true) => ("application/x-ndjson", "each line is one quoted string"),
        _ => return,
    };
    guesses.push(Guess::new(mime, 500, why));
}

/// What a walk over a text as JSON found.
#[derive(Debug, Default)]
struct Scan {
    /// Values at the top that are whole.
    whole: usize,
    /// Whether the last of them is an object or an array.
    nested: bool,
    /// Brackets that are open at the end.
    depth: usize,
    /// Whether something is open at the end: a bracket or a string.
    open: bool,
    /// Whether it cannot be a beginning of JSON.
    bad: bool,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value, at the top or behind a colon or comma.
    Value,
    /// A value or the end of the array just begun.
    ValueOrEnd,
    /// A key, behind a comma.
    Key,
    /// A key or the end of the object just begun.
    KeyOrEnd,
    /// The colon behind a key.
    Colon,
    /// A comma or the end of what is open.
    CommaOrEnd,
}

impl Scan {
    fn is_whole(&self) -> bool {
        self.whole == 1 && !self.open && !self.bad
    }

    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut scan = Self::default();
        // One entry for each open bracket; true for an object.
        let mut open: Vec<bool> = Vec::new();
        let mut expect = Expect::Value;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte.is_ascii_whitespace() {
                at += 1;
                continue;
            }
            let value = matches!(expect, Expect::Value | Expect::ValueOrEnd);
            let key = matches!(expect, Expect::Key | Expect::KeyOrEnd);
            match byte {
                b'{' | b'[' if value => {
                    open.push(byte == b'{');
                    expect = if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                    at += 1;
                }
                b'}' | b']' => {
                    let fits = matches!(
                        (byte, expect),
                        (_, Expect::CommaOrEnd) | (b'}', Expect::KeyOrEnd) | (b']', Expect::ValueOrEnd)
                    );
                    if !fits || open.pop() != Some(byte == b'}') {
                        scan.bad = true;
                        break;
                    }
                    at += 1;
                    expect = scan.close(&open, true);
                }
                b',' if expect == Expect::CommaOrEnd => {
                    expect = if open.last() == Some(&true) { Expect::Key } else { Expect::Value };
                    at += 1;
                }
                b':' if expect == Expect::Colon => {
                    expect = Expect::Value;
                    at += 1;
                }
                b'"' if value || key => match string(bytes, at) {
                    Token::Ends(end) => {
                        at = end;
                        expect = if key { Expect::Colon } else { scan.close(&open, false) };
                    }
                    Token::Cut => {
                        scan.open = true;
                        break;
                    }
                    Token::Bad => {
                        scan.bad = true;
                        break;
                    }
                },
                _ if value => match word(bytes, at) {
                    Token::Ends(end) => {
                        at = end;
                        expect = scan.close(&open, false);
                    }
                    Token::Cut => {
                        scan.open = true;
                        break;
                    }
                    Token::Bad => {
                        scan.bad = true;
                        break;
                    }
                },
                _ => {
                    scan.bad = true;
                    break;
                }
            }
        }
        scan.depth = open.len();
        scan.open |= scan.depth > 0;
        scan
    }

    /// Notes the end of a value and returns what may follow it.
    fn close(&mut self, open: &[bool], nested: bool) -> Expect {
        if open.is_empty() {
            self.whole += 1;
            self.nested = nested;
            Expect::Value
        } else {
            Expect::CommaOrEnd
        }
    }
}

enum Token {
    Ends(usize),
    Cut,
    Bad,
}

fn string(bytes: &[u8], start: usize) -> Token {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return Token::Ends(at + 1),
            b'\\' => match bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') => at += 2,
                Some(_) => return Token::Bad,
                None => return Token::Cut,
            },
            0..=0x1f => return Token::Bad,
            _ => at += 1,
        }
    }
    Token::Cut
}

/// A number or one of the three names.
fn word(bytes: &[u8], start: usize) -> Token {
    let rest = &bytes[start..];
    let length = rest.iter().position(|byte| b" \t\r\n,]}:[{\"".contains(byte)).unwrap_or(rest.len());
    let (word, ends) = (&rest[..length], length < rest.len());
    for name in [&b"true"[..], b"false", b"null"] {
        if word == name {
            return Token::Ends(start + length);
        }
        if !ends && name.starts_with(word) {
            return Token::Cut;
        }
    }
    if is_number(word, ends) { Token::Ends(start + length) } else { Token::Bad }
}

/// Whether `word` is a number, or may become one when it is cut.
fn is_number(word: &[u8], ends: bool) -> bool {
    let digits = |bytes: &mut &[u8]| {
        let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *bytes = &bytes[count..];
        count
    };
    let mut rest = word.strip_prefix(b"-").unwrap_or(word);
    let zero = rest.first() == Some(&b'0');
    let whole = digits(&mut rest);
    if (whole == 0 && (ends || !rest.is_empty())) || (zero && whole > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction;
        if digits(&mut rest) == 0 && (ends || !rest.is_empty()) {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
        if digits(&mut rest) == 0 && (ends || !rest.is_empty()) {
            return false;
        }
    }
    rest.is_empty()
}
