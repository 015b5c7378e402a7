//! Environments in the text of a file: their values may be secrets, and are covered until they are asked for.

use crate::brackets::{end_of_items, items_behind};

/// What is between the brackets behind the keys `env` and `envp`: from, to. They are in order and apart.
pub(crate) type Environments = Vec<(usize, usize)>;

/// Finds the environments in a file, in one pass.
pub(crate) fn environments(bytes: &[u8]) -> Environments {
    let mut found: Environments = Vec::new();
    let mut chunk_at = 0;
    for chunk in bytes.utf8_chunks() {
        for (at, _) in chunk.valid().match_indices("\"env") {
            let end = chunk_at + at + 4;
            // What is within one is covered with it.
            if found.last().is_some_and(|(_, done)| end < *done) {
                continue;
            }
            let end = end + usize::from(bytes.get(end) == Some(&b'p'));
            let items = (bytes.get(end) == Some(&b'"')).then(|| items_behind(bytes, end + 1)).flatten();
            found.extend(items.map(|items| (items, end_of_items(bytes, items))));
        }
        chunk_at += chunk.valid().len() + chunk.invalid().len();
    }
    found
}

/// Returns whether one of the environments in `bytes` is not empty.
pub(crate) fn is_any_set(bytes: &[u8], environments: &Environments) -> bool {
    environments.iter().any(|(from, to)| !bytes[*from..*to].trim_ascii().is_empty())
}

/// Returns the bytes from `from` to `to`, with everything in environments covered.
pub(crate) fn covered(bytes: &[u8], environments: &Environments, from: usize, to: usize) -> Vec<u8> {
    let mut shown = bytes[from..to].to_vec();
    let first = environments.partition_point(|(_, end)| *end <= from);
    for (begin, end) in environments[first..].iter().take_while(|(begin, _)| *begin < to) {
        shown[(*begin).max(from) - from..(*end).min(to) - from].fill(b'*');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        br#"{"env": {"TOKEN":"a}b","N":1}, "env_file":["x"], "envp" :["A=b"], "env":"no", "x":"env"}"#;

    #[test]
    fn environments_are_covered_and_nothing_else() {
        let covered = |bytes: &[u8], from, to| super::covered(bytes, &environments(bytes), from, to);
        let shown = String::from_utf8(covered(TEXT, 0, TEXT.len())).unwrap();
        assert_eq!(
            shown,
            r#"{"env": {*******************}, "env_file":["x"], "envp" :[*****], "env":"no", "x":"env"}"#
        );
        assert_eq!(covered(TEXT, 18, 32), b"**********}, \"", "from within one");
        let is_any_set = |bytes: &[u8]| super::is_any_set(bytes, &environments(bytes));
        assert!(is_any_set(TEXT) && !is_any_set(br#"{"env":{ },"envp":[]}"#));
        assert_eq!(covered(b"{\"env\":{\"a", 0, 10), b"{\"env\":{**", "cut off in the middle of one");
    }
    #[test]
    fn a_large_environment_is_covered_to_its_end_and_a_deep_one_is_walked_once() {
        let large = format!("{{\"env\":{{\"A\":\"{}\",\"TOKEN\":\"s3cret\"}}}}", "x".repeat(1 << 20));
        let shown = covered(large.as_bytes(), &environments(large.as_bytes()), large.len() - 30, large.len());
        assert!(shown.starts_with(b"****") && !shown.windows(6).any(|word| word == b"s3cret"));
        let deep = "{\"env\":".repeat(100_000);
        assert_eq!(environments(deep.as_bytes()).len(), 1);
    }
}
