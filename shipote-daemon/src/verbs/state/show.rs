//! `state show`, `plan` and `diff`: what a state holds, what a start does with it, and how it differs from another.

use std::path::PathBuf;

use serde_json::Value;
use shipote_snapshot::history::sparkline_with_gaps;
use shipote_snapshot::restore::{Action, Step, plan};
use shipote_snapshot::{Collection, DiffOptions, ShipoteSnapshot};

use super::{Context, Done, counted_u64, files_of, noun};
use crate::exit::{Code, Failure};
use crate::render::paint::Paint;
use crate::render::quantity::{NONE, counted, moment, now_ms, short_id};
use crate::render::table::Table;

/// Characters of a history's line.
const COURSE: usize = 24;

/// Shows what a state holds.
pub(super) fn show(context: &Context, named: &[PathBuf]) -> Done {
    let out = &context.out;
    let files = files_of(context, named)?;
    let (path, (snapshot, loaded)) = (&files.path, files.state()?);
    let document: Value = serde_json::from_str(&shipote_snapshot::render(&snapshot))
        .map_err(|error| Failure::new(Code::Failed, format!("make the JSON document: {error}")))?;
    out.result(&document, || {
        let version = loaded.report.version.as_deref().unwrap_or("unknown");
        let mut text = format!(
            "{}: version {version}, serial {}, written {} by {}\n",
            path.display(),
            snapshot.serial,
            moment(snapshot.timestamp_ms),
            if snapshot.producer.is_empty() { "an unknown program" } else { &snapshot.producer }
        );
        if loaded.replayed > 0 {
            let records = counted_u64(loaded.replayed, "record");
            text.push_str(&format!(
                "with {records} of its journal, the last at {}\n",
                moment(snapshot.timestamp_ms)
            ));
        }
        text.push_str(&entities(&snapshot, out.paint));
        if !snapshot.held.is_empty() {
            text.push_str(&format!(
                "{} held back: shipote state verify {}\n",
                counted(snapshot.held.len(), "entity").replace("entitys", "entities"),
                path.display()
            ));
        }
        text
    })?;
    Ok(0)
}

fn entities(snapshot: &ShipoteSnapshot, paint: Paint) -> String {
    let label_of =
        |id| snapshot.workspace(id).map_or_else(|| NONE.to_owned(), |entry| entry.spec.label.clone());
    let mut text = String::new();
    let mut table = Table::new(&["WORKSPACE", "ID", "TTL", ">SAMPLES", "MEMORY"]);
    for entry in &snapshot.workspaces {
        let memory: Vec<Option<u64>> = entry.stats_history.iter().map(|sample| sample.rss_bytes).collect();
        table.row([
            entry.spec.label.clone(),
            short_id(&entry.id.to_string()).to_owned(),
            entry.spec.ttl.map_or_else(|| NONE.to_owned(), |ttl| ttl.to_string()),
            entry.stats_history.len().to_string(),
            sparkline_with_gaps(&memory, COURSE),
        ]);
    }
    text.push_str(&table.render(paint));
    if !snapshot.commands.is_empty() {
        let mut table = Table::new(&["COMMAND", "ID", "DESIRED", ">RESTARTS"]);
        for entry in &snapshot.commands {
            table.row([
                format!("{}/{}", label_of(entry.workspace), entry.spec.label),
                short_id(&entry.id.to_string()).to_owned(),
                desired(entry.desired).to_owned(),
                entry.counters.restarts.to_string(),
            ]);
        }
        text.push_str(&table.render(paint));
    }
    if !snapshot.live_pipelines.is_empty() {
        let mut table = Table::new(&["LIVE PIPELINE", "ID", "DESIRED", ">NODES", ">RESTARTS"]);
        for entry in &snapshot.live_pipelines {
            table.row([
                format!("{}/{}", label_of(entry.workspace), entry.spec.label),
                short_id(&entry.id.to_string()).to_owned(),
                desired(entry.desired).to_owned(),
                entry.spec.nodes.len().to_string(),
                entry.counters.restarts.to_string(),
            ]);
        }
        text.push_str(&table.render(paint));
    }
    if !snapshot.saved_pipelines.is_empty() {
        let mut table = Table::new(&["SAVED PIPELINE", "LABEL", ">NODES"]);
        for entry in &snapshot.saved_pipelines {
            table.row([entry.name.clone(), entry.spec.label.clone(), entry.spec.nodes.len().to_string()]);
        }
        text.push_str(&table.render(paint));
    }
    text
}

const fn desired(desired: shipote_snapshot::Desired) -> &'static str {
    match desired {
        shipote_snapshot::Desired::Running => "running",
        shipote_snapshot::Desired::Stopped => "stopped",
    }
}

/// Tells what a start would do with each entity.
pub(super) fn plan_of(context: &Context, named: &[PathBuf]) -> Done {
    let out = &context.out;
    let (snapshot, _) = files_of(context, named)?.state()?;
    let steps = plan(&snapshot, now_ms(), true);
    out.result(&steps, || {
        let mut table = Table::new(&["ACTION", "WHAT", "NAME", "ID", "WHY"]);
        for step in &steps {
            let action = step.action.as_str();
            let action = match step.action {
                Action::Relaunch => out.paint.green(action),
                Action::Lost | Action::Held => out.paint.yellow(action),
                Action::Restored | Action::StaysStopped | Action::Expired => action.to_owned(),
            };
            let at = step.not_before_ms.map_or_else(String::new, |at| format!(", not before {}", moment(at)));
            let (name, id) = name_of(&snapshot, step);
            table.row([action, noun(step.collection), name, id, format!("{}{at}", step.why)]);
        }
        table.render(out.paint)
    })?;
    Ok(0)
}

/// Returns the name of what a step is about, as other verbs take it, and its short id.
fn name_of(snapshot: &ShipoteSnapshot, step: &Step) -> (String, String) {
    let workspace = match step.collection {
        Collection::SavedPipelines => return (step.id.clone(), NONE.to_owned()),
        Collection::Commands => {
            let mut entries = snapshot.commands.iter();
            entries.find(|entry| entry.id.to_string() == step.id).map(|entry| entry.workspace)
        }
        Collection::LivePipelines => {
            let mut entries = snapshot.live_pipelines.iter();
            entries.find(|entry| entry.id.to_string() == step.id).map(|entry| entry.workspace)
        }
        Collection::Workspaces => None,
    };
    let label = match workspace.and_then(|id| snapshot.workspace(id)) {
        Some(entry) => format!("{}/{}", entry.spec.label, step.label),
        None => step.label.clone(),
    };
    (label, short_id(&step.id).to_owned())
}

/// Tells how two states differ; each is a file or a state directory.
pub(super) fn diff(context: &Context, a: PathBuf, b: PathBuf) -> Done {
    let out = &context.out;
    let (old, _) = files_of(context, &[a])?.state()?;
    let (new, _) = files_of(context, &[b])?.state()?;
    let diff = shipote_snapshot::diff(&old, &new, DiffOptions::default());
    out.result(&diff, || {
        let mut text = String::new();
        let named = |mark: &str, entity: &shipote_snapshot::diff::EntityName| {
            format!("{mark} {} {} ({})\n", noun(entity.collection), entity.label, short_id(&entity.id))
        };
        for entity in &diff.removed {
            text.push_str(&out.paint.red(&named("-", entity)));
        }
        for entity in &diff.added {
            text.push_str(&out.paint.green(&named("+", entity)));
        }
        for change in &diff.changed {
            text.push_str(&out.paint.yellow(&named("~", &change.entity)));
            for field in &change.fields {
                let shown = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
                };
                text.push_str(&format!(
                    "    {}: {} → {}\n",
                    field.pointer,
                    shown(&field.old),
                    shown(&field.new)
                ));
            }
        }
        if text.is_empty() { "the states say the same\n".to_owned() } else { text }
    })?;
    Ok(0)
}
