//! `state recover`: every way on from a damaged state, what each loses, and taking one.

use std::path::Path;

use serde_json::json;
use shipote_runtime::host::store::{StateStore, StoreError};
use shipote_snapshot::{Choice, Refusal, Way, explain};

use super::{Context, Done, counted_u64};
use crate::cli::StateRecover;
use crate::exit::{self, Code, Failure};
use crate::render::quantity::{moment, span};
use crate::render::table::Table;
use crate::state_files::{StateFiles, generations};

/// Explains what can be done, or does it.
pub(super) fn recover(context: &Context, args: &StateRecover) -> Done {
    let dir = context.place().state_dir.clone();
    let files = StateFiles::of_directory(&dir)?;
    if files.is_empty() && generations(&dir)?.is_empty() {
        return Err(Failure::new(Code::NotFound, format!("{} holds no state", dir.display()))
            .hint("--state-dir DIR names another state directory"));
    }
    match args.take {
        None => explained(context, &files, &dir),
        Some(number) => taken(context, number, &dir),
    }
}

fn choices(files: &StateFiles, dir: &Path) -> Result<Vec<Choice>, Failure> {
    let generations = generations(dir)?;
    let named: Vec<(String, &[u8])> = generations
        .iter()
        .map(|content| {
            let name = content.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, content.bytes.as_slice())
        })
        .collect();
    let named: Vec<(&str, &[u8])> = named.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let journals: Vec<&[u8]> = files.journals.iter().map(|content| content.bytes.as_slice()).collect();
    Ok(explain(files.checkpoint.as_ref().map(|content| content.bytes.as_slice()), &named, &journals))
}

const fn trouble(refusal: Option<Refusal>) -> &'static str {
    match refusal {
        None => "nothing is wrong: a start takes the state as it is",
        Some(Refusal::Newer) => "it comes from a newer shipote; use that one",
        Some(Refusal::Unreadable) => "state.json is unreadable",
        Some(Refusal::Damaged) => "acknowledged changes can't be read",
        Some(Refusal::Edited) => "state.json was edited while changes waited in the journal",
    }
}

fn explained(context: &Context, files: &StateFiles, dir: &Path) -> Done {
    let out = &context.out;
    let refusal = files.load().refusal;
    let choices = choices(files, dir)?;
    let numbered: Vec<_> = choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            let mut document = serde_json::to_value(choice).unwrap_or_default();
            document["number"] = json!(index + 1);
            document["complete"] = json!(choice.is_complete());
            document
        })
        .collect();
    out.result(&json!({ "needed": refusal.is_some(), "refusal": refusal, "choices": numbered }), || {
        let mut text = format!("{}: {}\n", dir.display(), trouble(refusal));
        if refusal == Some(Refusal::Newer) {
            return text;
        }
        if choices.is_empty() {
            text.push_str("no file here begins a way on\n");
            text.push_str("hint: look for a backup; shipote --state-dir DIR state verify FILE judges it\n");
            return text;
        }
        let mut table = Table::new(&["#", "FROM", "HOW", "AS OF", "GIVES", "LOSES"]);
        for (index, choice) in choices.iter().enumerate() {
            table.row(row(index + 1, choice));
        }
        text.push_str(&table.render(out.paint));
        text.push_str(
            "hint: shipote state recover --take N puts one in place; what it replaces is copied to quarantine/ first\n",
        );
        text
    })?;
    Ok(0)
}

fn row(number: usize, choice: &Choice) -> [String; 6] {
    let how = match choice.way {
        Way::Replay if choice.records > 0 => format!("with {}", counted_u64(choice.records, "record")),
        Way::Replay => "as it is".to_owned(),
        Way::Skip => format!("with {}, past the damage", counted_u64(choice.records, "record")),
        Way::Alone => "alone".to_owned(),
    };
    let gives = format!(
        "{}, {}",
        counted_u64(choice.counts.workspaces, "workspace"),
        counted_u64(
            choice.counts.commands + choice.counts.live_pipelines + choice.counts.saved_pipelines,
            "other"
        )
    );
    let loses = match (&choice.loss, choice.certain) {
        (None, true) => "nothing".to_owned(),
        (None, false) => "not known".to_owned(),
        (Some(loss), certain) => {
            let time = match (loss.from_ms, loss.to_ms) {
                (Some(from), Some(to)) if to > from => format!(", over {}", span(to - from)),
                _ => String::new(),
            };
            let at_least = if certain { "" } else { "at least " };
            format!("{at_least}{}{time}", counted_u64(loss.changes, "change"))
        }
    };
    let at = if choice.at_ms == 0 { "-".to_owned() } else { moment(choice.at_ms) };
    [
        number.to_string(),
        choice.file.clone().unwrap_or_else(|| "the journal".to_owned()),
        how,
        at,
        gives,
        loses,
    ]
}

fn taken(context: &Context, number: usize, dir: &Path) -> Done {
    let out = &context.out;
    let mut store = StateStore::open(dir).map_err(|error| match error {
        StoreError::Locked { pid } => exit::locked(dir, pid),
        other => Failure::from(other),
    })?;
    // Read again under the lock: nothing changes any more.
    let files = StateFiles::of_directory(dir)?;
    let loaded = files.load();
    if loaded.refusal == Some(Refusal::Newer) {
        return Err(exit::newer(&files.path, loaded.report.version.as_deref().unwrap_or_default()));
    }
    let choices = choices(&files, dir)?;
    let count = choices.len();
    let Some(choice) = number.checked_sub(1).and_then(|index| choices.into_iter().nth(index)) else {
        return Err(Failure::usage(format!("--take {number}: there is no such choice")).hint(format!(
            "shipote state recover shows them; there {}",
            match count {
                0 => "is none".to_owned(),
                1 => "is 1".to_owned(),
                count => format!("are {count}"),
            }
        )));
    };
    let copies = store.recover(&choice, loaded.serial)?;
    let document = json!({
        "taken": number,
        "choice": choice,
        "quarantined": copies,
        "file": dir.join("state.json"),
    });
    out.result(&document, || {
        let mut text =
            format!("{}: written as of {}\n", dir.join("state.json").display(), moment(choice.at_ms));
        for copy in &copies {
            text.push_str(&format!("  what was there is kept in {}\n", copy.display()));
        }
        text.push_str("hint: shipote state plan tells what a start does with it; shipote daemon starts it\n");
        text
    })?;
    Ok(0)
}
