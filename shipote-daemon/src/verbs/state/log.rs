//! `state log`: what was declared, changed and taken away, and when.
//!
//! The journal tells each change since `state.json` was written last. What the generations before it tell is coarser:
//! what differs from one to the next, at the time of the later one.

use serde::Serialize;
use shipote_snapshot::log::{Event, LogEntry, What};
use shipote_snapshot::{DiffOptions, ShipoteSnapshot, diff};

use super::{Context, Done, files_of, noun};
use crate::cli::{Format, StateLog};
use crate::exit::Failure;

use crate::render::paint::Paint;
use crate::render::quantity::{moment, now_ms, short_id};
use crate::state_files::{StateFiles, generations};
use crate::verbs::logs::moment_of;

/// Most fields of one change that are shown to people.
const FIELDS_SHOWN: usize = 8;

/// One line of the history.
#[derive(Debug, Serialize)]
struct Line {
    /// The file that tells it.
    file: String,
    #[serde(flatten)]
    entry: LogEntry,
}

/// Tells the history that the files hold.
pub(super) fn log(context: &Context, args: &StateLog) -> Done {
    let out = &context.out;
    let since = args.since.as_deref().map(|text| moment_of(text, now_ms())).transpose()?;
    let files = files_of(context, &args.files)?;
    let mut lines = history(&files, args.files.is_empty() || args.files.iter().all(|path| path.is_dir()))?;
    if let Some(since) = since {
        lines.retain(|line| line.entry.at_ms >= since);
    }
    if let Some(most) = args.lines {
        lines.drain(..lines.len().saturating_sub(most));
    }
    match out.format {
        Format::Table => out.text(&text(&lines, out.paint))?,
        Format::Json | Format::Ndjson => out.result(&lines, String::new)?,
    }
    Ok(0)
}

fn history(files: &StateFiles, is_directory: bool) -> Result<Vec<Line>, Failure> {
    let checkpoint =
        files.checkpoint.as_ref().and_then(|content| shipote_snapshot::read(&content.bytes).snapshot);
    let mut lines = Vec::new();
    if is_directory {
        let dir = files.path.parent().unwrap_or(&files.path);
        let mut states: Vec<(String, ShipoteSnapshot)> = Vec::new();
        for content in generations(dir)?.into_iter().rev() {
            let name = content.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            states.extend(shipote_snapshot::read(&content.bytes).snapshot.map(|state| (name, state)));
        }
        states.extend(checkpoint.clone().map(|state| ("state.json".to_owned(), state)));
        // The same file under two names, where a fold was cut off.
        states.dedup_by(|later, earlier| later.1 == earlier.1);
        for pair in states.windows(2) {
            lines
                .extend(between(&pair[0].1, &pair[1].1).map(|entry| Line { file: pair[1].0.clone(), entry }));
        }
    }
    let held = checkpoint.as_ref().map_or(0, |state| state.journal_seq);
    for (index, content) in files.journals.iter().enumerate() {
        let name = content.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes: Vec<&[u8]> =
            files.journals[..=index].iter().map(|content| content.bytes.as_slice()).collect();
        let from = lines
            .iter()
            .filter(|line| line.file.starts_with("state.journal"))
            .map(|line| line.entry.seq)
            .max();
        let told = shipote_snapshot::log(checkpoint.as_ref(), &bytes);
        // What state.json holds already was told by its difference.
        let fresh = told.filter(|entry| !is_directory || entry.seq > held);
        let fresh = fresh.filter(|entry| from.is_none_or(|from| entry.seq > from));
        lines.extend(fresh.map(|entry| Line { file: name.clone(), entry }).collect::<Vec<_>>());
    }
    Ok(lines)
}

/// Tells what differs from one generation to the next.
fn between(old: &ShipoteSnapshot, new: &ShipoteSnapshot) -> impl Iterator<Item = LogEntry> + use<> {
    let difference = diff(old, new, DiffOptions::default());
    let (seq, at_ms) = (new.journal_seq, new.timestamp_ms);
    let removed = difference.removed.into_iter().map(|entity| (entity, What::Removed));
    let added = difference.added.into_iter().map(|entity| (entity, What::Created));
    let changed =
        difference.changed.into_iter().map(|change| (change.entity, What::Changed { fields: change.fields }));
    removed.chain(added).chain(changed).map(move |(entity, what)| LogEntry {
        seq,
        at_ms,
        event: Event::Entity { collection: entity.collection, id: entity.id, label: entity.label, what },
    })
}

fn text(lines: &[Line], paint: Paint) -> String {
    if lines.is_empty() {
        return "nothing was changed since the oldest file that is kept\n".to_owned();
    }
    let mut text = String::new();
    for Line { entry, .. } in lines {
        let at = paint.dim(&moment(entry.at_ms));
        match &entry.event {
            Event::Checkpoint { serial } => {
                text.push_str(&format!(
                    "{at}  {}\n",
                    paint.dim(&format!("= written to state.json, serial {serial}"))
                ));
            }
            Event::Entity { collection, id, label, what } => {
                let label = if label.is_empty() { id } else { label };
                let id = if label == id { String::new() } else { format!(" ({})", short_id(id)) };
                let named = format!("{} {label}{id}", noun(*collection));
                let line = match what {
                    What::Created => paint.green(&format!("+ {named}")),
                    What::Removed => paint.red(&format!("- {named}")),
                    What::Changed { .. } | What::Written => paint.yellow(&format!("~ {named}")),
                };
                text.push_str(&format!("{at}  {line}\n"));
                if let What::Changed { fields } = what {
                    for field in fields.iter().take(FIELDS_SHOWN) {
                        let shown = |value: &Option<serde_json::Value>| {
                            value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
                        };
                        text.push_str(&format!(
                            "      {}: {} → {}\n",
                            field.pointer,
                            shown(&field.old),
                            shown(&field.new)
                        ));
                    }
                    if fields.len() > FIELDS_SHOWN {
                        text.push_str(&format!("      … and {} more\n", fields.len() - FIELDS_SHOWN));
                    }
                }
            }
        }
    }
    text
}
