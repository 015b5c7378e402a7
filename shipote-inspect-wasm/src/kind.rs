//! What a file looks like when it is no state: its first bytes, in words.

/// Beginnings of files that are not text, and what they are.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\0asm", "a WebAssembly module"),
    (b"\xff\xfe", "text in UTF-16; a state is UTF-8"),
    (b"\xfe\xff", "text in UTF-16; a state is UTF-8"),
    (b"#!", "a script"),
    (
        b"-----BEGIN ",
        "a key or a certificate; it was not read any further, and is gone when this page is closed",
    ),
];

/// Returns what `bytes` look like, as the end of the sentence "It looks like …", where they don't look like a state.
pub(crate) fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return None;
    }
    if let Some(what) = by_magic(bytes) {
        return Some(what);
    }
    let head = &bytes[..bytes.len().min(4096)];
    let text = String::from_utf8_lossy(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    let text = text.trim_start();
    let lower = text.get(..64.min(text.len())).unwrap_or_default().to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return Some("a web page: perhaps the download was an error page");
    }
    if text.starts_with('<') {
        return Some("XML");
    }
    if text.starts_with('[') && !is_section(text) {
        return Some("a JSON list; a state is a JSON object");
    }
    if text.starts_with('{') {
        let line = text.lines().next().unwrap_or_default();
        let whole =
            line.trim_end().ends_with('}') && text.lines().nth(1).is_some_and(|next| next.starts_with('{'));
        return whole.then_some("lines of JSON, such as a log; a state is one document");
    }
    if is_section(text) || text.lines().any(is_section) {
        return Some("a card or another TOML file; `shipote check` judges cards");
    }
    let strange =
        text.chars().filter(|letter| *letter == '\u{fffd}' || letter.is_control() && !letter.is_whitespace());
    if strange.count() * 10 > text.chars().count() { Some("binary data") } else { Some("plain text") }
}

/// Returns what `bytes` are by the mark that they begin with.
pub(crate) fn by_magic(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(257..262) == Some(b"ustar") {
        return Some("a tar archive; unpack it first");
    }
    MAGIC.iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, what)| *what)
}

/// Returns whether a text begins with a section of TOML, such as `[workspace]`.
fn is_section(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().trim();
    let name = line.trim_start_matches('[').trim_end_matches(']');
    line.starts_with('[')
        && line.ends_with(']')
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_state_is_named() {
        let cases: [&[u8]; 12] = [
            b"",
            b"{\"version\":5}",
            b"\x1f\x8b\x08\0",
            b"\n<!DOCTYPE html><title>404",
            b"[1, 2]",
            b"[workspace]\nlabel = \"a\"",
            b"# a card\n\n[[commands]]\n",
            b"{\"a\":1}\n{\"a\":2}\n",
            b"hello",
            b"\x01\x02\x03\x04\x05",
            b"<?xml version='1.0'?>",
            b"\xff\xfe{\0",
        ];
        let said: Vec<&str> = cases.iter().map(|bytes| looks_like(bytes).unwrap_or("-")).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        -
        -
        a gzip archive; unpack it first
        a web page: perhaps the download was an error page
        a JSON list; a state is a JSON object
        a card or another TOML file; `shipote check` judges cards
        a card or another TOML file; `shipote check` judges cards
        lines of JSON, such as a log; a state is one document
        plain text
        binary data
        XML
        text in UTF-16; a state is UTF-8
        ");
    }
}
