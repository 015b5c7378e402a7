//! Walking over JSON by its texts and brackets alone. What is walked over may be damaged.

/// Returns the position behind the text that begins at `at`.
pub(crate) fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns where the items of a list or the members of an object begin, if that is what a key ending at `at` has.
pub(crate) fn items_behind(bytes: &[u8], at: usize) -> Option<usize> {
    let blank = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let colon = blank(at);
    let open = blank(colon + usize::from(bytes.get(colon) == Some(&b':')));
    (colon < open && matches!(bytes.get(open), Some(b'[' | b'{'))).then_some(open + 1)
}

/// Returns the position of the bracket that ends what has its items or members from `at` on; the end of the file where it
/// has none.
pub(crate) fn end_of_items(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = end_of_text(bytes, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
