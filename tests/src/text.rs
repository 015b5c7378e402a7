//! Output made comparable: what differs from run to run is replaced by its kind.

/// Returns `text` with ULIDs as `ULID`, the given paths as their names, and amounts of time as `TIME`.
///
/// `known` are pairs of a text and what stands for it.
#[must_use]
pub fn normalised(text: &str, known: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (found, name) in known {
        text = text.replace(found, name);
    }
    let mut lines: Vec<String> = text.lines().map(line).collect();
    if text.ends_with('\n') {
        lines.push(String::new());
    }
    lines.join("\n")
}

fn line(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || letter == '.' && word.ends_with(|c: char| c.is_ascii_digit()) {
            word.push(letter);
        } else {
            out.push_str(&named(&word));
            word.clear();
            out.push(letter);
        }
    }
    out.trim_end().to_owned()
}

fn named(word: &str) -> String {
    let is_ulid = word.len() == 26
        && word.starts_with(|c: char| ('0'..='7').contains(&c))
        && word.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    if is_ulid {
        return "ULID".to_owned();
    }
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &word[digits.len()..];
    let is_amount = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_amount && matches!(unit, "ns" | "us" | "µs" | "ms" | "s" | "m" | "h") {
        return "TIME".to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let text = "ws 01J9Z3NDEKTSV4RRFFQ69G5FAV in /tmp/x1/state took 1.2s, exit 3, 25 bytes\n";
        assert_eq!(
            normalised(text, &[("/tmp/x1/state", "STATE")]),
            "ws ULID in STATE took TIME, exit 3, 25 bytes\n"
        );
    }
}
