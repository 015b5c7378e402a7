//! Texts of a file, made fit to be read: what would be invisible, or would turn the text around it, is spelled out.

use std::fmt::Write as _;

/// Longest text that is shown whole, in characters.
pub(crate) const LONGEST: usize = 200;

/// Returns `text` with control characters and those that steer the direction of text spelled out, cut after
/// [`LONGEST`] characters.
pub(crate) fn visible(text: &str) -> String {
    visible_to(text, LONGEST)
}

/// Returns the same of at most `most` characters.
pub(crate) fn visible_to(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most * 4));
    for (at, letter) in text.chars().enumerate() {
        if at == most {
            let _ = write!(shown, "… ({} characters)", text.chars().count());
            break;
        }
        push(&mut shown, letter);
    }
    shown
}

/// Appends a character as it is shown.
pub(crate) fn push(shown: &mut String, letter: char) {
    match letter {
        '\t' => shown.push('⇥'),
        '\n' => shown.push('⏎'),
        '\u{0}'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(letter))),
        '\u{7f}' => shown.push('␡'),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => {
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(letter));
        }
        other => shown.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_hidden_and_nothing_turns_around() {
        assert_eq!(visible("a\tb\n\0\u{7f}"), "a⇥b⏎␀␡");
        assert_eq!(visible("\u{202e}gpj.exe\u{200b}"), "⟨U+202E⟩gpj.exe⟨U+200B⟩");
        assert_eq!(visible("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
        assert_eq!(visible("Größe – 東京 👩‍👩‍👧"), "Größe – 東京 👩⟨U+200D⟩👩⟨U+200D⟩👧");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(visible_to(&"ä".repeat(1_000_000), 3), "äää… (1000000 characters)");
        assert_eq!(visible_to("abc", 3), "abc");
    }
}
