//! A card's text into the card: every problem at once, each with its place and a hint.
//!
//! TOML and JSON are read into one spanned tree, which one decoder turns into the full forms; short forms are
//! expanded here and nowhere else. The decoder refuses nothing by stopping: what is wrong is noted and replaced by a
//! placeholder, so that the checks of the whole card can still run.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::card::Card;
use crate::check::{Paths, judge};
use crate::code;
use crate::problem::{Problem, Severity};
use crate::support::unsupported;

mod command;
mod decode;
mod json_text;
mod lines;
mod pipeline;
mod scalar;
mod toml_text;
mod tree;
mod workspace;

use decode::{At, Decoder};
use lines::Lines;
use tree::Node;

/// Most problems that are listed; a last one says how many more there are.
pub const MAX_PROBLEMS: usize = 1_000;

/// What came of reading a card.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The card in its full form; none where a problem is an error.
    pub card: Option<Card>,
    /// Every problem, in the order of the text.
    pub problems: Vec<Problem>,
}

/// The syntaxes that a card may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// What people write (`*.toml`).
    Toml,
    /// The same shape as JSON; also what [`canonical`](crate::canonical::canonical) prints.
    Json,
}

impl Syntax {
    /// Returns the syntax of a file by its name: JSON where it ends in `.json`, TOML otherwise.
    #[must_use]
    pub fn of_file(name: &str) -> Self {
        if name.to_ascii_lowercase().ends_with(".json") { Self::Json } else { Self::Toml }
    }
}

/// Reads a card and judges it: decoding, the checks of [`check`](crate::check::check), and what this release does
/// not enforce ([`unsupported`]). Paths may still be relative; see
/// [`resolve_paths`](crate::path::resolve_paths).
///
/// `default_label` names the workspace, and a pipeline that is alone, where the card does not; it is the card's file
/// stem.
#[must_use]
pub fn parse(text: &str, syntax: Syntax, default_label: &str) -> Parsed {
    let lines = Lines::of(text);
    let mut reading = read(text, syntax, default_label, &lines);
    if reading.is_whole {
        reading.judge(judge(&reading.card, Paths::MayBeRelative));
    }
    reading.judge(unsupported(&reading.card));
    let Reading { card, mut problems, .. } = reading;
    for problem in &mut problems {
        for place in core::iter::once(&mut problem.place).chain(&mut problem.related) {
            let offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
            (place.line, place.column) = lines.line_and_column(offset);
        }
    }
    problems.sort_by(|a, b| {
        (a.place.offset, b.severity, &a.code, &a.message).cmp(&(
            b.place.offset,
            a.severity,
            &b.code,
            &b.message,
        ))
    });
    let has_error = problems.iter().any(Problem::is_error);
    if problems.len() > MAX_PROBLEMS {
        let message = alloc::format!("and {} problems more", problems.len() - MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        let place = problems[MAX_PROBLEMS - 1].place.clone();
        problems.push(Problem { place, ..Problem::new(Severity::Note, code::MORE_PROBLEMS, "", message) });
    }
    let card = (!has_error).then_some(card);
    Parsed { card, problems }
}

/// A decoded card before its judgement.
struct Reading<'t> {
    card: Card,
    problems: Vec<Problem>,
    decoder: Decoder<'t>,
    /// Whether the syntax was right, so that nothing of the card is missing by accident.
    is_whole: bool,
}

impl Reading<'_> {
    /// Takes in problems of the full form, without those of values that are made up.
    fn judge(&mut self, problems: Vec<Problem>) {
        let is_broken = self.problems.iter().any(Problem::is_error);
        for mut problem in problems {
            // A card that holds only mistakes was meant to declare something.
            if is_broken && problem.code == code::EMPTY_CARD {
                continue;
            }
            if !self.decoder.is_placeholder(&problem.place.pointer) {
                self.decoder.locate(&mut problem);
                self.problems.push(problem);
            }
        }
    }
}

fn read<'t>(text: &'t str, syntax: Syntax, default_label: &str, lines: &Lines<'_>) -> Reading<'t> {
    let mut problems = Vec::new();
    let marked = text.starts_with('\u{feff}');
    if marked {
        let mark = Problem::warning(code::BYTE_ORDER_MARK, "", "the text begins with a byte order mark");
        problems.push(mark.with_hint("save it as UTF-8 without one"));
    }
    let (root, syntax_problems) = match syntax {
        Syntax::Toml => toml_text::read(text),
        Syntax::Json => json_text::read(text, lines),
    };
    let is_whole = !syntax_problems.iter().any(Problem::is_error);
    let is_readable = syntax == Syntax::Toml || is_whole;
    let mut decoder = Decoder::new(text);
    let card = if is_readable { card(&mut decoder, &root, default_label) } else { Card::default() };
    let mut decoded = decoder.take_problems();
    if !is_whole {
        // What a slip has swallowed is not missing, what stands on its line is not what was meant, and below a broken
        // header keys look like the card's own.
        let line =
            |problem: &Problem| lines.line_and_column(usize::try_from(problem.place.offset).unwrap_or(0)).0;
        let slips: BTreeSet<u64> = syntax_problems.iter().map(line).collect();
        decoded.retain(|problem| {
            !matches!(problem.code.as_str(), code::MISSING_KEY | code::MISSING_EDGES)
                && !slips.contains(&line(problem))
                && (problem.code != code::UNKNOWN_KEY || problem.place.pointer.matches('/').count() > 1)
        });
    }
    problems.extend(syntax_problems);
    problems.extend(decoded);
    Reading { card, problems, decoder, is_whole }
}

fn card(decoder: &mut Decoder<'_>, root: &Node, default_label: &str) -> Card {
    let mut card = Card::default();
    let at = At { node: root, pointer: String::new(), full: String::new() };
    decoder.remember("", &at);
    let Some(mut fields) = decoder.fields(&at, "a table with `workspace`, `commands`, `pipelines`") else {
        decoder.placeholder("");
        return card;
    };
    if let Some(at) = decoder.take(&mut fields, "workspace", "workspace")
        && !matches!(at.node.kind, tree::Kind::Null)
    {
        card.workspace = Some(workspace::workspace(decoder, &at, default_label));
    }
    if let Some(at) = decoder.take(&mut fields, "commands", "commands") {
        card.commands = command::commands(decoder, &at);
    }
    if let Some(at) = decoder.take(&mut fields, "pipelines", "pipelines") {
        card.pipelines = pipeline::pipelines(decoder, &at, default_label);
    }
    decoder.finish(fields, |name| match name {
        "label" => Some("a label belongs to something: put it below [workspace]"),
        "command" | "node" | "nodes" => Some("commands are written as [[commands]]"),
        "pipeline" => Some("pipelines are written as [[pipelines]]"),
        name => workspace::belongs_to_workspace(name),
    });
    card
}

#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod survival;
#[cfg(test)]
pub(crate) mod tests;
