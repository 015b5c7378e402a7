//! Finding what a name means: exact label, then ULID, then a unique end or beginning of one.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Fewest characters of a ULID's end that are taken for it.
const SHORTEST_SUFFIX: usize = 4;

/// Something that can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The text of its ULID; empty where it has none.
    pub id: String,
    /// Its label.
    pub label: String,
    /// What it is, as people call it; empty where that goes without saying.
    pub kind: &'static str,
    /// Label of the workspace that it is in; empty for what is in none.
    pub within: String,
}

/// Why a name means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing is called so.
    NotFound {
        /// The label that resembles it most.
        nearest: Option<String>,
    },
    /// Several are.
    Ambiguous(Vec<String>),
}

/// Returns the position in `all` of what `name` means.
///
/// # Errors
///
/// Returns why it means nothing.
pub fn resolve(all: &[Named], name: &str) -> Result<usize, Unresolved> {
    let only = |matches: &dyn Fn(&Named) -> bool| -> Option<Result<usize, Unresolved>> {
        let found: Vec<usize> = (0..all.len()).filter(|index| matches(&all[*index])).collect();
        match found.as_slice() {
            [] => None,
            [index] => Some(Ok(*index)),
            several => {
                let candidates = several.iter().map(|index| candidate(&all[*index])).collect();
                Some(Err(Unresolved::Ambiguous(candidates)))
            }
        }
    };
    let upper = name.to_ascii_uppercase();
    only(&|named| named.label == name)
        .or_else(|| only(&|named| named.id == upper && !upper.is_empty()))
        .or_else(|| only(&|named| upper.len() >= SHORTEST_SUFFIX && named.id.ends_with(&upper)))
        .or_else(|| only(&|named| upper.len() >= SHORTEST_SUFFIX && named.id.starts_with(&upper)))
        .unwrap_or_else(|| Err(Unresolved::NotFound { nearest: nearest(all, name) }))
}

/// Returns how one of several is told apart: `web/server (command, 01ARZ3NDEKTSV4RRFFQ69G5FAV)`.
fn candidate(named: &Named) -> String {
    let mut text = named.within.clone();
    if !text.is_empty() {
        text.push('/');
    }
    text.push_str(&named.label);
    let known: Vec<&str> = [named.kind, &named.id].into_iter().filter(|part| !part.is_empty()).collect();
    if known.is_empty() { text } else { alloc::format!("{text} ({})", known.join(", ")) }
}

/// Returns the label that a typing slip away from `name` stands.
fn nearest(all: &[Named], name: &str) -> Option<String> {
    all.iter()
        .map(|named| (distance(&named.label, name), &named.label))
        .filter(|(distance, label)| *distance <= 1 + label.len() / 4)
        .min()
        .map(|(_, label)| label.to_string())
}

/// Returns the Levenshtein distance of two texts in bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn named(id: &str, label: &str) -> Named {
        Named { id: id.into(), label: label.into(), kind: "workspace", within: String::new() }
    }

    #[test]
    fn one_of_several_is_told_by_its_place_its_kind_and_its_id() {
        let within = |named: Named, kind, within: &str| Named { kind, within: within.into(), ..named };
        let all = vec![
            within(named("01ARZ3NDEKTSV4RRFFQ69G5FAV", "p"), "command", "a"),
            within(named("01ARZ3NDEKTSV4RRFFQ69G5FAW", "p"), "pipeline", "b"),
            Named { id: String::new(), kind: "", ..named("", "p") },
        ];
        let Err(Unresolved::Ambiguous(candidates)) = resolve(&all, "p") else { panic!("it is ambiguous") };
        assert_eq!(
            candidates,
            ["a/p (command, 01ARZ3NDEKTSV4RRFFQ69G5FAV)", "b/p (pipeline, 01ARZ3NDEKTSV4RRFFQ69G5FAW)", "p"]
        );
    }

    #[test]
    fn a_label_wins_over_an_id_and_a_suffix_over_a_prefix() {
        let all = vec![
            named("01ARZ3NDEKTSV4RRFFQ69G5FAV", "web"),
            named("01ARZ3NDEKTSV4RRFFQ69G5FAW", "db"),
            named("01ARZ3NDEKTSV4RRFFQ69G5FAX", "5FAW"),
        ];
        assert_eq!(resolve(&all, "web"), Ok(0));
        assert_eq!(resolve(&all, "5FAW"), Ok(2));
        assert_eq!(resolve(&all, "g5faw"), Ok(1));
        assert_eq!(resolve(&all, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), Ok(0));
        assert!(matches!(resolve(&all, "01ARZ3"), Err(Unresolved::Ambiguous(names)) if names.len() == 3));
        assert_eq!(resolve(&all, "G5FAV").ok(), Some(0));
        assert_eq!(resolve(&all, "RFF"), Err(Unresolved::NotFound { nearest: None }));
        assert_eq!(resolve(&all, "wbe"), Err(Unresolved::NotFound { nearest: None }));
        assert_eq!(resolve(&all, "webb"), Err(Unresolved::NotFound { nearest: Some("web".into()) }));
    }
}
