//! The rules that no compiler keeps, each as a list of places where it is broken.

mod arrows;
mod names;
mod purity;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Most packages that `Cargo.lock` may hold: to add one is a decision, made by raising this.
const PACKAGES: usize = 170;

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: PathBuf,
    line: usize,
    message: String,
}

impl Problem {
    fn new(path: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// Checks every rule and prints every problem.
pub fn run(root: &Path) -> Outcome {
    let metadata = crate::program::metadata(root)?;
    let mut problems = arrows::check(&metadata);
    problems.extend(sources::check(root));
    problems.extend(names::check(root, &metadata));
    problems.extend(ceiling(&read(root, Path::new("Cargo.lock"))));
    problems.extend(purity::check(root));
    problems.sort();
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err("one rule is broken".to_owned()),
        count => Err(format!("{count} problems")),
    }
}

fn ceiling(lock: &str) -> Option<Problem> {
    let count = lock.lines().filter(|line| *line == "[[package]]").count();
    let message = || format!("{count} packages, above the ceiling of {PACKAGES} (xtask/src/tidy/mod.rs)");
    (count > PACKAGES).then(|| Problem::new("Cargo.lock", 1, message()))
}

/// Returns the files below `directory` whose names end in `.suffix`, without what is built or fetched.
fn files(root: &Path, directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = std::fs::read_dir(root.join(&directory)).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = directory.join(&name);
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                if !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules" | "pkg") {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the text of a file, empty where it cannot be read.
fn read(root: &Path, path: &Path) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_above_the_ceiling_is_refused() {
        assert_eq!(ceiling(&"[[package]]\n".repeat(PACKAGES)), None);
        assert!(ceiling(&"[[package]]\n".repeat(PACKAGES + 1)).is_some());
    }
}
