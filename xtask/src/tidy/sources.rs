//! Rules for each Rust file: its head, its name, its length, and where `unsafe` may stand.

use std::path::Path;

use super::{Problem, files, read};

/// The only directory where `unsafe` may stand.
const UNSAFE: &str = "shipote-runtime/src/host";

/// Crates that forbid it outright.
const SAFE: &[&str] = &["shipote-card", "shipote-snapshot"];

/// Most lines of a file: a longer one holds two vocabularies.
const LINES: usize = 800;

/// File names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

pub(super) fn check(root: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    for path in files(root, Path::new(""), "rs") {
        let text = read(root, &path);
        problems.extend(source(&path, &text));
    }
    for krate in SAFE {
        let path = Path::new(krate).join("src/lib.rs");
        if !read(root, &path).contains("#![forbid(unsafe_code)]") {
            problems.push(Problem::new(path, 1, "a pure crate says #![forbid(unsafe_code)]"));
        }
    }
    problems.extend(forgotten(root, Path::new("tests/it"), Path::new("tests/it/main.rs")));
    problems
}

fn source(path: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(Problem::new(path, 1, "a file begins with //! and what it is for"));
    }
    let lines = text.lines().count();
    if lines > LINES {
        problems.push(Problem::new(path, LINES + 1, format!("{lines} lines, above {LINES}: split it")));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    if EMPTY_NAMES.contains(&&*stem) || EMPTY_NAMES.contains(&&*folder) {
        problems.push(Problem::new(path, 1, "name a file for the thing in it"));
    }
    if !path.starts_with(UNSAFE) {
        let code = blank(text);
        let stray = code.lines().enumerate().filter(|(_, line)| has_word(line, "unsafe"));
        problems.extend(
            stray.map(|(at, _)| Problem::new(path, at + 1, format!("unsafe stands only in {UNSAFE}"))),
        );
    }
    problems
}

/// Returns the files and folders below `directory` that `parent` does not declare as modules: no test in them is run.
fn forgotten(root: &Path, directory: &Path, parent: &Path) -> Vec<Problem> {
    let declared = blank(&read(root, parent));
    let mut problems = Vec::new();
    let entries = std::fs::read_dir(root.join(directory)).into_iter().flatten().flatten();
    for entry in entries {
        let path = directory.join(entry.file_name());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = root.join(&path).is_dir();
        let rust = path.extension().is_some_and(|extension| extension == "rs");
        if path == parent || stem == "mod" || !(rust || folder && !files(root, &path, "rs").is_empty()) {
            continue;
        }
        let named = format!("mod {stem};");
        if !declared.lines().any(|line| line.trim().trim_start_matches("pub ").starts_with(&named)) {
            problems.push(Problem::new(
                &path,
                1,
                format!("forgotten: {} has no `{named}`", parent.display()),
            ));
        } else if folder {
            let inner = path.join("mod.rs");
            let inner = if root.join(&inner).is_file() { inner } else { path.with_extension("rs") };
            problems.extend(forgotten(root, &path, &inner));
        }
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|part| part == word)
}

/// Returns `text` with comments and the insides of strings as spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        for byte in &mut kept[at..end.max(at)] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Returns the end of the comment, string or character at `at`, or `at` where none begins.
fn skipped(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |mark: &[u8]| rest.windows(mark.len()).position(|seen| seen == mark);
    let word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => at + find(b"\n").unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + find(b"*/").map_or(rest.len(), |end| end + 2),
        [b'r', b'"' | b'#', ..] if !word => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') {
                return at;
            }
            let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
            let body = &rest[2 + hashes..];
            let end = body.windows(close.len()).position(|seen| seen == close);
            end.map_or(bytes.len(), |end| at + 2 + hashes + end + close.len())
        }
        [b'"', ..] => at + quoted(rest),
        [b'\'', b'\\', ..] => {
            at + 2 + rest[2..].iter().skip(1).position(|byte| *byte == b'\'').map_or(0, |end| end + 2)
        }
        [b'\'', _, b'\'', ..] => at + 3,
        _ => at,
    }
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> Vec<String> {
        source(Path::new(path), text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_head_a_name_and_a_length_are_asked_for() {
        assert_eq!(said("a/src/b.rs", "//! B.\n"), [""; 0]);
        assert_eq!(
            said("a/src/b.rs", "fn b() {}\n"),
            ["a/src/b.rs:1: a file begins with //! and what it is for"]
        );
        assert_eq!(said("a/src/utils.rs", "//! B.\n"), ["a/src/utils.rs:1: name a file for the thing in it"]);
        assert_eq!(
            said("a/src/b.rs", &"//! B.\n".repeat(801)),
            ["a/src/b.rs:801: 801 lines, above 800: split it"]
        );
    }

    #[test]
    fn the_word_counts_only_in_code_and_outside_of_its_directory() {
        let word = concat!("un", "safe");
        let code = format!("//! B.\nfn b() {{ {word} {{ }} }}\n");
        assert_eq!(said("a/src/b.rs", &code).len(), 1);
        assert_eq!(said("shipote-runtime/src/host/b.rs", &code).len(), 0);
        let quiet = format!(
            "//! {word}\n// {word}\n/* {word} */ #![forbid({word}_code)]\nconst A: &str = \"{word} \\\" {word}\";\nconst B: &str = r#\"{word} \" {word}\"#;\nconst C: char = '\"'; const D: char = '\\''; // {word}\n"
        );
        assert_eq!(said("a/src/b.rs", &quiet), [""; 0]);
    }
}
