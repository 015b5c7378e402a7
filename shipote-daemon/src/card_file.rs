//! Cards as files: finding one, reading it, and refusing it with every problem.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use shipote_card::parse::{Syntax, parse};
use shipote_card::{Card, PipelineSpec, Problem, Severity, WorkspaceSpec};

use crate::exit::{Code, Failure, SourceText};
use crate::place;
use crate::render::{Output, problem};

/// The card that `up` takes where none is named.
const DEFAULT_NAME: &str = "shipote.toml";

/// Longest card that is read.
const CARD_MAX: u64 = 8 << 20;

/// A card's file after reading.
#[derive(Debug)]
pub struct CardFile {
    /// The card with absolute paths; none where a problem is an error.
    pub card: Option<Card>,
    /// Every problem.
    pub problems: Vec<Problem>,
    /// The text, and the file's name as the user wrote it.
    pub source: SourceText,
    /// The label of a workspace that the card does not name: the file's stem.
    pub label: String,
    /// The directory that relative paths start from, absolute.
    pub base_dir: String,
}

impl CardFile {
    /// Reads a card; `-` is TOML from stdin.
    ///
    /// # Errors
    ///
    /// Fails where the file can't be read. Problems of the card are no failure yet.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let (text, file) = if path == Path::new("-") {
            (read_text(&mut io::stdin().lock(), path)?, "-".to_owned())
        } else {
            let mut opened = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
            (read_text(&mut opened, path)?, path.display().to_string())
        };
        let absolute = place::absolute(path).map_err(|error| unreadable(path, &error))?;
        let base_dir = match absolute.parent() {
            Some(parent) if file != "-" => parent.display().to_string(),
            _ => std::env::current_dir().map_err(|error| Failure::current_dir(&error))?.display().to_string(),
        };
        let stem = absolute.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let label = label_from(&stem);
        let mut parsed = parse(&text, Syntax::of_file(&file), &label);
        if let Some(card) = &mut parsed.card {
            shipote_card::path::resolve_paths(card, &base_dir);
        }
        Ok(Self {
            card: parsed.card,
            problems: parsed.problems,
            source: SourceText { file, text },
            label,
            base_dir,
        })
    }

    /// Returns the card, telling its warnings.
    ///
    /// # Errors
    ///
    /// Fails with every problem where one of them is an error.
    pub fn accept(self, out: &Output) -> Result<Accepted, Failure> {
        let is_refused = self.problems.iter().any(|problem| problem.severity >= Severity::Error);
        match self.card {
            Some(card) if !is_refused => {
                for warning in &self.problems {
                    if !out.quiet {
                        let shown = problem::report(warning, Some(&self.source), out.paint_err);
                        out.err_bytes(format!("{shown}\n").as_bytes());
                    }
                }
                Ok(Accepted { card, label: self.label, base_dir: self.base_dir, file: self.source.file })
            }
            _ => Err(Failure::invalid(self.source.file, self.source.text, self.problems)),
        }
    }
}

/// A card without errors.
#[derive(Debug)]
pub struct Accepted {
    /// The card with absolute paths.
    pub card: Card,
    /// The label of a workspace that the card does not name.
    pub label: String,
    /// The directory of the card.
    pub base_dir: String,
    /// The file's name as the user wrote it.
    pub file: String,
}

impl Accepted {
    /// Makes sure that the card has a workspace, and returns it.
    pub fn workspace(&mut self) -> &mut WorkspaceSpec {
        let (label, base_dir) = (&self.label, &self.base_dir);
        self.card.workspace.get_or_insert_with(|| {
            let mut spec = WorkspaceSpec::labelled(label);
            spec.soma.cwd = Some(base_dir.clone());
            spec
        })
    }

    /// Returns the card's one pipeline.
    ///
    /// # Errors
    ///
    /// Fails where the card has none, or several.
    pub fn one_pipeline(&mut self) -> Result<PipelineSpec, Failure> {
        match self.card.pipelines.len() {
            1 => Ok(self.card.pipelines.remove(0)),
            0 => Err(Failure::new(Code::Invalid, format!("{} has no pipeline", self.file))
                .hint("a [[pipelines]] table declares one")),
            several => Err(Failure::usage(format!(
                "{} has {several} pipelines, and one is run at a time",
                self.file
            ))
            .hint(format!("shipote up {} runs them all", self.file))),
        }
    }

    /// Lets nodes without a directory of their own run in the card's, for a pipeline that leaves its workspace.
    pub fn anchor(&self, pipeline: &mut PipelineSpec) {
        for node in &mut pipeline.nodes {
            node.soma.cwd.get_or_insert_with(|| self.base_dir.clone());
        }
    }
}

fn read_text(reader: &mut dyn Read, path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    reader.take(CARD_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > CARD_MAX {
        return Err(Failure::new(
            Code::Invalid,
            format!("{} is longer than any card: over 8 MiB", path.display()),
        )
        .hint("a card declares what runs; keep data in files of their own, which its programs read"));
    }
    String::from_utf8(bytes).map_err(|error| {
        Failure::new(
            Code::Invalid,
            format!("{} is not UTF-8: byte {} is wrong", path.display(), error.utf8_error().valid_up_to()),
        )
        .hint(format!(
            "save it as UTF-8, for example: iconv -f LATIN1 -t UTF-8 {0} > NEW.toml",
            path.display()
        ))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::file("read the card", path, error)
}

/// Returns a label made of a file's stem.
#[must_use]
pub fn label_from(stem: &str) -> String {
    let mut label: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(63)
        .collect();
    let start = label.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(label.len());
    label.drain(..start);
    if label.is_empty() { "workspace".to_owned() } else { label }
}

/// Returns `shipote.toml` here or in the nearest parent directory.
///
/// # Errors
///
/// Fails where there is none.
pub fn find_default() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::current_dir(&error))?;
    here.ancestors().map(|dir| dir.join(DEFAULT_NAME)).find(|path| path.is_file()).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no {DEFAULT_NAME} in {} or above", here.display()))
            .hint("name a card: shipote up CARD")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_becomes_a_label() {
        for (stem, label) in [
            ("access-log", "access-log"),
            (".hidden", "hidden"),
            ("my card (2)", "my-card--2-"),
            ("", "workspace"),
            ("é", "workspace"),
        ] {
            assert_eq!(label_from(stem), label, "{stem}");
        }
    }
}
