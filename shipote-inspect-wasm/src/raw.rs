//! A file as it is: its lines, some at a time, and where a line, a byte or a JSON pointer stands.

use crate::question::Question;
use crate::session::File;
use crate::tell::{Object, error};
use crate::visible;

/// Longest part of a line that is shown, and the longest when all of it is asked for, in bytes.
const SHOWN: usize = 600;
const WHOLE: usize = 20_000;

/// Every how many lines a place is remembered.
const STRIDE: usize = 512;

/// Where the lines of a file begin.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Offsets of every [`STRIDE`]th line.
    begins: Vec<usize>,
    count: usize,
}

impl Lines {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut begins = vec![0];
        let mut count = 1;
        for (at, byte) in bytes.iter().enumerate() {
            // What follows the last line feed is no line where nothing follows.
            if *byte == b'\n' && at + 1 < bytes.len() {
                if count % STRIDE == 0 {
                    begins.push(at + 1);
                }
                count += 1;
            }
        }
        Self { begins, count }
    }

    /// Returns the lines from `from` on, each with its offset.
    fn from<'a>(&self, bytes: &'a [u8], from: usize) -> impl Iterator<Item = (usize, &'a [u8])> {
        let begin = self.begins.get(from / STRIDE).copied().unwrap_or(bytes.len());
        let mut offset = begin;
        bytes[begin..]
            .split_inclusive(|byte| *byte == b'\n')
            .map(move |line| {
                let at = offset;
                offset += line.len();
                (at, line.strip_suffix(b"\n").unwrap_or(line))
            })
            .skip(from % STRIDE)
    }

    /// Returns the number of the line, from 0, that holds the byte at `offset`.
    fn line_at(&self, bytes: &[u8], offset: usize) -> usize {
        let stride = self.begins.partition_point(|begin| *begin <= offset).saturating_sub(1);
        let begin = self.begins.get(stride).copied().unwrap_or(0);
        let feeds = bytes[begin..offset.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count();
        (stride * STRIDE + feeds).min(self.count - 1)
    }
}

/// Returns some lines of a file. With `whole`, up to 20 000 bytes of each.
pub(crate) fn lines(file: &File, question: &Question) -> String {
    let lines = file.lines();
    let most = if question.whole { WHOLE } else { SHOWN };
    let shown: Vec<String> = lines
        .from(&file.bytes, question.from)
        .take(question.count.min(500))
        .map(|(offset, line)| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let cut = line.len().saturating_sub(most);
            Object::new()
                .number("offset", offset as u64)
                .text("text", &shown(&line[..line.len() - cut]))
                .number("cut", cut as u64)
                .end()
        })
        .collect();
    Object::new().number("total", lines.count as u64).list("lines", &shown).end()
}

/// Returns bytes as text; what is no UTF-8 in hexadecimal.
fn shown(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '\t' { shown.push_str("    ") } else { visible::push(&mut shown, letter) }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("⟨{byte:02X}⟩"));
        }
    }
    shown
}

/// Finds what `question.filter` names: a line (`12`), a byte (`@1234`) or a JSON pointer (`/workspaces/0`).
pub(crate) fn locate(file: &File, question: &Question) -> String {
    let wanted = question.filter.trim();
    let lines = file.lines();
    let found = if let Some(offset) = wanted.strip_prefix('@') {
        offset.trim().parse().ok().filter(|offset| *offset <= file.bytes.len())
    } else if wanted.starts_with('/') {
        pointed(&file.bytes, wanted).map(|(from, _)| from)
    } else {
        let line = wanted.trim_start_matches("line").trim().parse::<usize>().ok();
        let line = line.filter(|line| (1..=lines.count).contains(line));
        line.and_then(|line| lines.from(&file.bytes, line - 1).next()).map(|(offset, _)| offset)
    };
    match found {
        Some(offset) => {
            let line = lines.line_at(&file.bytes, offset);
            Object::new().number("line", line as u64).number("offset", offset as u64).end()
        }
        None if wanted.starts_with('/') => error("nothing in this file has that pointer"),
        None => {
            error("a line is named like 12, a byte like @1234, a place in the document like /workspaces/0")
        }
    }
}

/// Returns where the value of a JSON pointer begins and ends. The text around it need not be JSON to its end.
pub(crate) fn pointed(bytes: &[u8], pointer: &str) -> Option<(usize, usize)> {
    let mut scan = Scan { bytes, at: 0 };
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        scan.blank();
        match scan.next()? {
            b'{' => scan.member(&step)?,
            b'[' => scan.element(step.parse().ok()?)?,
            _ => return None,
        }
    }
    scan.blank();
    let from = scan.at;
    scan.value()?;
    Some((from, scan.at))
}

/// A walk over JSON that looks at no more than what it passes.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blank(&mut self) {
        if self.at == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Goes to the value of a key, behind the opening brace.
    fn member(&mut self, key: &str) -> Option<()> {
        loop {
            self.blank();
            let from = self.at;
            if self.peek()? != b'"' {
                return None;
            }
            self.value()?;
            let name = std::str::from_utf8(&self.bytes[from..self.at]).ok()?;
            let name: String = serde_json::from_str(name).ok()?;
            self.blank();
            if self.next()? != b':' {
                return None;
            }
            if name == key {
                return Some(());
            }
            self.blank();
            self.value()?;
            self.blank();
            if self.next()? != b',' {
                return None;
            }
        }
    }

    /// Goes to an element, behind the opening bracket.
    fn element(&mut self, index: usize) -> Option<()> {
        for _ in 0..index {
            self.blank();
            self.value()?;
            self.blank();
            if self.next()? != b',' {
                return None;
            }
        }
        self.blank();
        (self.peek()? != b']').then_some(())
    }

    /// Passes one value. Depth is counted and not nested, so that no depth is too much.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => self.string()?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b',' | b':' if depth > 0 => continue,
                byte if byte.is_ascii_whitespace() && depth > 0 => continue,
                b',' | b':' => return None,
                _ => {
                    while self
                        .peek()
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                    {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::open;

    #[test]
    fn a_pointer_finds_its_value() {
        let file = "\u{feff}{\"a\": [1, {\"b/~\": \"x\\\"}\"}, [], -1.5e3], \"\\u0063\": true}";
        let at = |pointer| pointed(file.as_bytes(), pointer).map(|(from, to)| &file[from..to]);
        assert_eq!(at("/a/1/b~1~0"), Some("\"x\\\"}\""));
        assert_eq!(at("/a/3"), Some("-1.5e3"));
        assert_eq!(at("/a/2"), Some("[]"));
        assert_eq!(at("/c"), Some("true"), "keys are compared by what they mean");
        for pointer in ["/a/4", "/a/x", "/b", "/a/0/0", "/c/d"] {
            assert_eq!(at(pointer), None, "{pointer}");
        }
        assert_eq!(at("").map(str::len), Some(file.len() - 3));
        let deep = "[".repeat(1_000_000);
        assert_eq!(pointed(deep.as_bytes(), "/0/0/0"), None);
        assert_eq!(pointed(b"{\"a\":[1,2", "/a/1"), Some((8, 9)), "of a file that was cut off");
    }

    #[test]
    fn lines_are_found_by_number_byte_and_pointer() {
        let text: String = (0..2_000).map(|line| format!("line {line}\n")).collect();
        let (session, _) = open(text.as_bytes());
        let ask = |question: &str| session.ask(&format!(r#"{{"file":0,{question}}}"#));
        insta::assert_snapshot!(ask(r#""ask":"lines","from":1535,"count":2"#), @r#"{"total":2000,"lines":[{"offset":14240,"text":"line 1535","cut":0},{"offset":14250,"text":"line 1536","cut":0}]}"#);
        insta::assert_snapshot!(ask(r#""ask":"locate","filter":"1536""#), @r#"{"line":1535,"offset":14240}"#);
        insta::assert_snapshot!(ask(r#""ask":"locate","filter":"@15248""#), @r#"{"line":1635,"offset":15248}"#);
        insta::assert_snapshot!(ask(r#""ask":"locate","filter":"2001""#), @r#"{"error":"a line is named like 12, a byte like @1234, a place in the document like /workspaces/0"}"#);
        insta::assert_snapshot!(ask(r#""ask":"locate","filter":"/x""#), @r#"{"error":"nothing in this file has that pointer"}"#);
    }

    #[test]
    fn what_is_no_text_is_shown_all_the_same() {
        let (session, _) = open(b"a\xffb\tc\r\n\0");
        insta::assert_snapshot!(session.ask(r#"{"ask":"lines","file":0,"count":9}"#), @r#"{"total":2,"lines":[{"offset":0,"text":"a⟨FF⟩b    c","cut":0},{"offset":7,"text":"␀","cut":0}]}"#);
        let (session, _) = open(&[b'x'; 30_000]);
        assert!(session.ask(r#"{"ask":"lines","file":0,"count":9}"#).contains("\"cut\":29400"));
        assert!(session.ask(r#"{"ask":"lines","file":0,"count":9,"whole":true}"#).contains("\"cut\":10000"));
    }
}
