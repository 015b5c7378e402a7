//! Environments in the text of a file: their values may be secrets, and are covered until they are asked for.

use crate::brackets::{end_of_items, items_behind};

/// How far before a place an environment is looked for that reaches to it, in bytes.
const REACH: usize = 1 << 16;

/// Returns whether there is an environment in `bytes` that is not empty.
pub(crate) fn has_environment(bytes: &[u8]) -> bool {
    environments(bytes, 0, bytes.len()).any(|(from, to)| !bytes[from..to].trim_ascii().is_empty())
}

/// Returns the bytes from `from` to `to`, with everything in environments covered.
pub(crate) fn covered(bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
    let mut shown = bytes[from..to].to_vec();
    for (begin, end) in environments(bytes, from.saturating_sub(REACH), to) {
        let (begin, end) = (begin.max(from), end.min(to));
        if begin < end {
            shown[begin - from..end - from].fill(b'*');
        }
    }
    shown
}

/// Returns what is between the brackets behind the keys `env` and `envp` that stand between two places.
fn environments(bytes: &[u8], from: usize, to: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut next = from;
    let keys = bytes[from..to].utf8_chunks().flat_map(move |chunk| {
        let start = next;
        next += chunk.valid().len() + chunk.invalid().len();
        chunk.valid().match_indices("\"env").map(move |(at, _)| start + at + 4)
    });
    keys.filter_map(move |end| {
        let end = end + usize::from(bytes.get(end) == Some(&b'p'));
        let items = (bytes.get(end) == Some(&b'"')).then(|| items_behind(bytes, end + 1))??;
        Some((items, end_of_items(bytes, items)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        br#"{"env": {"TOKEN":"a}b","N":1}, "env_file":["x"], "envp" :["A=b"], "env":"no", "x":"env"}"#;

    #[test]
    fn environments_are_covered_and_nothing_else() {
        let shown = String::from_utf8(covered(TEXT, 0, TEXT.len())).unwrap();
        assert_eq!(
            shown,
            r#"{"env": {*******************}, "env_file":["x"], "envp" :[*****], "env":"no", "x":"env"}"#
        );
        assert_eq!(covered(TEXT, 18, 32), b"**********}, \"", "from within one");
        assert!(has_environment(TEXT) && !has_environment(br#"{"env":{ },"envp":[]}"#));
        assert_eq!(covered(b"{\"env\":{\"a", 0, 10), b"{\"env\":{**", "cut off in the middle of one");
    }
}
