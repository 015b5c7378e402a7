//! Text of others on a terminal: what could move the cursor, hide text or ring is shown as an escape instead.
//!
//! Labels of old states, keys of damaged files, arguments and lines of cards come from whoever wrote them. They pass
//! through here on their way to people; scripts get them in JSON, which escapes by itself.

use std::borrow::Cow;

use super::paint::Paint;

/// Returns `text` in one line: control characters and those that change the direction of text are escaped.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| None)
}

/// Returns text of several lines: line feeds and tabs stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, layout)
}

/// Returns text of several lines that may be painted: line feeds, tabs and the codes of [`Paint`] stay, and nothing else that
/// a terminal would obey.
#[must_use]
pub fn painted(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| layout(rest).or_else(|| Paint::code_at(rest)))
}

fn layout(rest: &str) -> Option<usize> {
    rest.starts_with(['\n', '\t']).then_some(1)
}

/// Escapes what is not harmless, but for what `allowed` tells the length of.
fn escaped(text: &str, allowed: impl Fn(&str) -> Option<usize>) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let mut len = next.len_utf8();
        if is_harmless(next) {
            out.push(next);
        } else if let Some(allowed) = allowed(rest) {
            len = allowed;
            out.push_str(&rest[..len]);
        } else {
            out.extend(next.escape_default());
        }
        rest = &rest[len..];
    }
    Cow::Owned(out)
}

/// Tells whether a terminal only draws it.
fn is_harmless(c: char) -> bool {
    // Cc of Unicode, and the marks, embeddings, overrides and isolates of direction (UAX #9), and line separators.
    !(c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let hostile = "a\x1b[2Jb\x07c\nd\u{202e}e\u{9b}31mf\tg\u{7f}";
        assert_eq!(one_line(hostile), r"a\u{1b}[2Jb\u{7}c\nd\u{202e}e\u{9b}31mf\tg\u{7f}");
        assert_eq!(painted("x\x1b]0;title\x07\n\ty"), "x\\u{1b}]0;title\\u{7}\n\ty");
        assert_eq!(lines("\x1b[31mred\n"), "\\u{1b}[31mred\n");
        assert!(matches!(one_line("plain — ünïcode ▁▂▃"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_painted_stays_painted() {
        let paint = Paint::when(true);
        let text = format!("{}\n{} {}", paint.red("bad"), paint.bold("big"), paint.dim("small"));
        assert_eq!(painted(&text), text);
    }
}
