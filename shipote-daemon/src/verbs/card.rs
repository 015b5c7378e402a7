//! `check`: every problem of every card.

use serde_json::{Value, json};
use shipote_card::canonical::canonical;
use shipote_card::{Card, Problem, Severity};

use super::{Context, Done};
use crate::card_file::CardFile;
use crate::cli::Check;
use crate::exit::{Code, Failure};
use crate::render::quantity::counted;
use crate::render::{printable, problem};

/// Tells every problem of the cards.
pub fn check(context: &Context, args: &Check) -> Done {
    let out = &context.out;
    let mut documents: Vec<Value> = Vec::new();
    let mut text = String::new();
    let mut is_refused = false;
    let mut unread: Option<Code> = None;
    for path in &args.cards {
        let file = match CardFile::read(path) {
            Ok(file) => file,
            Err(failure) => {
                // The other cards are looked at all the same.
                is_refused |= failure.code == Code::Invalid;
                unread.get_or_insert(failure.code);
                let name = path.display().to_string();
                documents.push(json!({
                    "file": name,
                    "verdict": "invalid",
                    "problems": [problem::document(&unreadable(&failure), Some(&name))],
                }));
                if args.canonical || !out.is_json() {
                    let shown = problem::failure(&failure, out.paint_err);
                    out.err_bytes(printable::painted(&shown).as_bytes());
                }
                text.push_str(&format!("{name}: {}\n", out.paint.red("not readable")));
                continue;
            }
        };
        let wrong =
            file.card.is_none() || file.problems.iter().any(|problem| problem.severity >= Severity::Error);
        is_refused |= wrong;
        let name = &file.source.file;
        if args.canonical {
            // Stdout is for cards alone.
            for found in &file.problems {
                out.err_bytes(
                    format!("{}\n", problem::report(found, Some(&file.source), out.paint_err)).as_bytes(),
                );
            }
            if let Some(card) = file.card.filter(|_| !wrong) {
                out.text(&canonical(&card))?;
            }
            continue;
        }
        documents.push(json!({
            "file": name,
            "verdict": if wrong { "invalid" } else { "valid" },
            "problems": file.problems.iter().map(|found| problem::document(found, Some(name))).collect::<Vec<_>>(),
        }));
        for found in &file.problems {
            text.push_str(&problem::report(found, Some(&file.source), out.paint));
            text.push('\n');
        }
        let tally = problem::tally(&file.problems);
        let line = match (&file.card, wrong) {
            (Some(card), false) => {
                let more = if tally.is_empty() { String::new() } else { format!(", {tally}") };
                format!("{name}: {} — {}{more}", out.paint.green("ok"), holds(card))
            }
            _ => format!("{name}: {}", out.paint.red(if tally.is_empty() { "not usable" } else { &tally })),
        };
        text.push_str(&line);
        text.push('\n');
    }
    if !args.canonical {
        out.result(&documents, || text)?;
    }
    Ok(match unread {
        _ if is_refused => Code::Invalid.exit(),
        Some(code) => code.exit(),
        None => 0,
    })
}

/// Returns the one problem of a card that can't be read.
fn unreadable(failure: &Failure) -> Problem {
    let code = if failure.code == Code::Invalid { "not_a_text" } else { "unreadable" };
    Problem::new(Severity::Fatal, code, "", failure.message.clone()).with_hint(failure.hint.clone())
}

/// Returns what a card declares: `1 workspace, 2 commands, 1 pipeline`.
fn holds(card: &Card) -> String {
    let mut parts = Vec::new();
    for (count, noun) in [
        (usize::from(card.workspace.is_some()), "workspace"),
        (card.commands.len(), "command"),
        (card.pipelines.len(), "pipeline"),
    ] {
        if count > 0 {
            parts.push(counted(count, noun));
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
