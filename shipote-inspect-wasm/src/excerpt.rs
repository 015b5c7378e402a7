//! The part of a file that a problem speaks of: its line, with what is marked in it.

use crate::secret::{Environments, covered};
use crate::tell::Object;
use crate::visible::push;

/// Most characters before and behind the mark, and within it.
const AROUND: usize = 44;
const WITHIN: usize = 72;

/// Longest mark that is looked at, in bytes. What stands behind a longer one is not shown.
const LONGEST: usize = 4096;

/// A line of the file around a mark. All texts are fit to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// What stands before the mark on its line.
    pub(crate) before: String,
    /// What is marked; empty where the mark is a place between two characters.
    pub(crate) marked: String,
    /// What stands behind it on its line.
    pub(crate) after: String,
}

impl Excerpt {
    pub(crate) fn told(&self) -> String {
        let Self { before, marked, after } = self;
        Object::new().text("before", before).text("marked", marked).text("after", after).end()
    }
}

/// Returns the surroundings of the `len` bytes at `offset`.
pub(crate) fn excerpt(file: &[u8], environments: &Environments, offset: u64, len: u64) -> Excerpt {
    let at = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
    let end = at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(file.len());
    // A character has at most 4 bytes; one more than fits tells that something is left out.
    let from = at.saturating_sub(4 * AROUND + 4);
    let shown = covered(file, environments, from, file.len().min(end.min(at + LONGEST) + 4 * AROUND + 4));
    let (before, rest) = shown.split_at(at - from);
    let (marked, after) = rest.split_at((end - at).min(rest.len()));
    let before = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let whole = before.len() < at && file[at - before.len() - 1] == b'\n' || before.len() == at;
    let after = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Excerpt { before: tail(before, whole), marked: head(&joined(marked), WITHIN), after: head(after, AROUND) }
}

/// Returns what goes over several lines as one.
fn joined(bytes: &[u8]) -> Vec<u8> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut joined = lines.next().unwrap_or_default().to_vec();
    for line in lines {
        joined.push(b' ');
        joined.extend_from_slice(line.trim_ascii());
    }
    joined
}

/// Returns the last characters of `bytes`.
fn tail(bytes: &[u8], whole: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let count = text.chars().count();
    let skipped = count.saturating_sub(AROUND);
    let mut shown = String::new();
    if skipped > 0 || !whole {
        shown.push('…');
    }
    let kept = text.chars().skip(skipped);
    // What indents a line says nothing here.
    let indent = skipped == 0 && whole;
    let mut kept = kept.peekable();
    while indent && kept.next_if(|letter| matches!(letter, ' ' | '\t')).is_some() {}
    kept.for_each(|letter| push(&mut shown, letter));
    shown
}

/// Returns the first characters of `bytes`, at most `most`.
fn head(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    for (at, letter) in text.trim_end_matches('\r').chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        push(&mut shown, letter);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &[u8], offset: u64, len: u64) -> String {
        let Excerpt { before, marked, after } =
            excerpt(file, &crate::secret::environments(file), offset, len);
        format!("{before}[{marked}]{after}")
    }

    #[test]
    fn a_problem_is_shown_on_its_line() {
        let file = b"{\n    \"version\": \"four\",\r\n  \"x\": 1\n}";
        assert_eq!(told(file, 17, 6), "\"version\": [\"four\"],");
        assert_eq!(told(file, 0, 1), "[{]");
        assert_eq!(told(file, 900, 5), "}[]");
        assert_eq!(told(b"", 0, 0), "[]");
    }

    #[test]
    fn several_lines_are_marked_as_one() {
        assert_eq!(told(b"[\n  {\n    \"a\": 1\n  },\n]", 4, 16), "[{ \"a\": 1 }],");
    }

    #[test]
    fn values_of_environments_are_no_part_of_it() {
        let file = br#"{"env":{"TOKEN":"secret"},"ttl":"soon"}"#;
        assert_eq!(told(file, 32, 6), r#"{"env":{****************},"ttl":["soon"]}"#);
        assert_eq!(told(file, 16, 8), r#"{"env":{********[********]},"ttl":"soon"}"#);
    }

    #[test]
    fn a_long_line_is_cut_at_both_ends() {
        let long = "a".repeat(500);
        let file = format!("{long}\u{202e}MARK\0{long}");
        let said = told(file.as_bytes(), 503, 4);
        assert_eq!(said, format!("…{}⟨U+202E⟩[MARK]␀{}…", "a".repeat(43), "a".repeat(43)));
    }

    #[test]
    fn bytes_that_are_no_text_are_no_trouble() {
        assert_eq!(told(b"\xff\xfe\n\xf0\x9f\x98", 3, 3), "[\u{fffd}]");
    }
}
