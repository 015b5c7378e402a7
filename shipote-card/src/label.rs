//! Labels: the rule that names must keep, and the nearest name to a mistyped one.

use alloc::vec;
use alloc::vec::Vec;

use crate::id;

/// Longest label in characters.
pub const MAX_LABEL: usize = 63;

/// The reasons why a text is not a label. Each display reads after "the label `x`".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It has more than [`MAX_LABEL`] characters.
    #[error("is longer than 63 characters")]
    TooLong,
    /// The first character is not a letter or a digit.
    #[error("does not begin with a letter or a digit")]
    BadStart,
    /// A character is none of letter, digit, `.`, `_`, `-`.
    #[error("has a character other than letters, digits, `.`, `_` and `-`")]
    BadCharacter,
    /// It is the text of an id, and would be taken for one.
    #[error("is a ULID and would be taken for an id")]
    LooksLikeId,
}

/// Checks `label` against the rule `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`, and that it is not a ULID.
///
/// # Errors
///
/// Returns which part of the rule it breaks.
pub fn check_label(label: &str) -> Result<(), LabelError> {
    let Some(first) = label.chars().next() else { return Err(LabelError::Empty) };
    if !first.is_ascii_alphanumeric() {
        return Err(LabelError::BadStart);
    }
    if !label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(LabelError::BadCharacter);
    }
    if label.len() > MAX_LABEL {
        return Err(LabelError::TooLong);
    }
    // In any case of letters: who types an id in lower case must not reach a label instead.
    if !matches!(id::parse_canonical(&label.to_ascii_uppercase()), Err(id::IdError::Invalid)) {
        return Err(LabelError::LooksLikeId);
    }
    Ok(())
}

/// Returns the candidate that `text` was most likely meant to be, or none where nothing is near enough.
///
/// Distance counts insertions, deletions, substitutions and swaps of neighbours; up to a third of the longer
/// name may differ.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(text, &mut candidates.into_iter())
}

fn nearest_of<'a>(text: &str, candidates: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    // Names have no other letters than those of ASCII.
    let lower = |letter: char| letter.to_ascii_lowercase();
    let wanted: Vec<char> = text.chars().take(MAX_LABEL + 1).map(lower).collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().take(MAX_LABEL + 1).map(lower).collect();
        let allowed = (wanted.len().max(other.len()) / 3).max(1);
        if wanted.len().abs_diff(other.len()) > allowed || wanted.is_empty() {
            continue;
        }
        let distance = edit_distance(&wanted, &other);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_the_rule_or_says_which_part_it_breaks() {
        for label in ["a", "0", "access-log", "A.b_c-d", "x".repeat(63).as_str()] {
            assert_eq!(check_label(label), Ok(()), "{label}");
        }
        assert_eq!(check_label(""), Err(LabelError::Empty));
        assert_eq!(check_label("-a"), Err(LabelError::BadStart));
        assert_eq!(check_label("a b"), Err(LabelError::BadCharacter));
        assert_eq!(check_label("aé"), Err(LabelError::BadCharacter));
        assert_eq!(check_label(&"x".repeat(64)), Err(LabelError::TooLong));
        assert_eq!(check_label("01J9Z3NDEKTSV4RRFFQ69G5FAV"), Err(LabelError::LooksLikeId));
        assert_eq!(check_label("01j9z3ndektsv4rrffq69g5fav"), Err(LabelError::LooksLikeId));
    }

    #[test]
    fn the_nearest_name_is_near_or_none() {
        let names = ["memory_max", "memory_high", "cwd", "env"];
        assert_eq!(nearest("memroy_max", names), Some("memory_max"));
        assert_eq!(nearest("cdw", names), Some("cwd"));
        assert_eq!(nearest("ENV", names), Some("env"));
        assert_eq!(nearest("hostname", names), None);
        assert_eq!(nearest("", names), None);
    }
}
