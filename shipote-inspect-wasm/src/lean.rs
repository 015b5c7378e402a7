//! Looking at a file without its history, where a browser has no room for both: what makes files large is samples.

use crate::brackets::{end_of_items, end_of_text, items_behind};

/// Covers the samples in a `state.json` with blanks, so that everything else keeps its place. Returns whether there were any.
pub(crate) fn cover_history(bytes: &mut [u8]) -> bool {
    let mut covered = false;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'"' {
            at += 1;
            continue;
        }
        let end = end_of_text(bytes, at);
        let is_history = bytes[at..end] == *b"\"stats_history\"";
        at = end;
        if is_history && let Some(from) = items_behind(bytes, at) {
            let to = end_of_items(bytes, from);
            covered |= bytes[from..to].iter().any(|byte| !byte.is_ascii_whitespace());
            // The ends of lines stay, so that a place keeps its line too.
            bytes[from..to].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
            at = to;
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(text: &str) -> (bool, String) {
        let mut bytes = text.as_bytes().to_vec();
        let covered = cover_history(&mut bytes);
        (covered, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn samples_are_covered_and_everything_else_keeps_its_place() {
        let text = "{\"workspaces\":[{\"id\":\"a\\\"\",\n\"stats_history\" : [{\"x\":[1,\"]\"]},\n{}], \"spec\":1},{\"stats_history\":[]}]}";
        let (yes, shown) = covered(text);
        assert!(yes);
        assert_eq!(shown, text.replace("{\"x\":[1,\"]\"]},\n{}", &format!("{}\n  ", " ".repeat(14))));
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn what_has_no_samples_is_left_alone() {
        for text in [
            "",
            "\"",
            "\"\\",
            "{\"stats_history\":",
            "{\"stats_history\"[1]",
            "[\"stats_history\"]",
            "{\"stats_history\":[ \n ]}",
        ] {
            assert_eq!(covered(text), (false, text.to_owned()));
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_covered_to_its_end() {
        assert_eq!(
            covered("{\"stats_history\":[{\"a\":\"b"),
            (true, "{\"stats_history\":[       ".to_owned())
        );
    }
}
