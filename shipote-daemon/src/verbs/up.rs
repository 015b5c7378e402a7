//! `up` and `down`: a card applied and followed, and everything of it stopped.

use std::path::Path;

use serde_json::json;
use shipote_runtime::view::WorkspaceView;

use super::attach::{self, caller, passed_by};
use super::{Context, Done};
use crate::card_file::{CardFile, find_default};
use crate::cli::{Down, Up};
use crate::client::spawn;
use crate::exit::Failure;
use crate::followed::Followed;
use crate::render::rows::workspace_phase;
use crate::wire::{Opened, UpAnswer, UpBody, segment};

/// What is said at the first Ctrl-C.
pub const STOPPING: &str = "stopping; once more to kill";

/// Applies a card, and follows it.
pub async fn up(context: &Context, args: Up) -> Done {
    let out = &context.out;
    let path = match args.card {
        Some(path) => path,
        None => find_default()?,
    };
    let mut accepted = CardFile::read(&path)?.accept(out)?;
    let workspace = accepted.workspace();
    workspace.soma.strict |= args.strict;
    let card = accepted.card;
    let results = attach::results(context, &card.pipelines, args.result.as_deref())?;
    // There is nothing to follow in a workspace alone.
    let detach = args.detach || (card.commands.is_empty() && card.pipelines.is_empty());
    let followed = Followed::card(&card);
    let look = attach::look(context, results, Some(followed.clone()), card.pipelines.len() <= 1);
    let caller = caller(passed_by(&card))?;
    spawn::ensure(&context.client, out).await?;
    let body = UpBody { card, caller, replace: args.replace };
    if detach {
        let answer: UpAnswer = context.client.post("/v1/up", &body).await?;
        for change in &answer.changes {
            out.note(change);
        }
        out.result(&answer, || {
            let what = if answer.created {
                "created"
            } else if answer.changes.is_empty() {
                "unchanged"
            } else {
                "changed"
            };
            format!("{}  {}  {what}", answer.workspace.label, answer.workspace.id)
        })?;
        return Ok(0);
    }
    let (opened, mut end) = attach::follow(context, "/v1/up", &body, look, false, STOPPING).await?;
    if let Some(detail) = &mut end.detail {
        followed.narrow(detail);
    }
    if out.is_json()
        && let Opened::Up(answer) = &opened
    {
        out.line(&json!({
            "ok": end.ok, "created": answer.created, "changes": answer.changes,
            "workspace": end.detail.as_ref().map_or(&answer.workspace, |detail| &detail.workspace),
            "commands": end.detail.as_ref().map(|detail| &detail.commands),
            "pipelines": end.detail.as_ref().map(|detail| &detail.pipelines),
        }))?;
    }
    Ok(attach::verdict(end.ok))
}

/// Stops everything that a card, or a workspace, runs.
pub async fn down(context: &Context, args: Down) -> Done {
    let name = match args.target {
        Some(target) => {
            let path = Path::new(&target);
            let is_card =
                path.extension().is_some_and(|ext| ext == "toml" || ext == "json") || path.is_file();
            if is_card { label_of(context, path)? } else { target.to_string_lossy().into_owned() }
        }
        None => label_of(context, &find_default()?)?,
    };
    let path = format!("/v1/workspaces/{}/stop?kill={}", segment(&name), args.kill);
    let view: WorkspaceView = context.client.post(&path, &()).await?;
    context.out.result(&view, || {
        // Stopped and declared is one state; the word says what was done.
        let phase = match workspace_phase(view.phase) {
            "declared" => "stopped",
            other => other,
        };
        format!("{}  {}  {phase}", view.label, view.id)
    })?;
    Ok(0)
}

/// Returns the label that a card's workspace has. A card with errors can still say which it means.
fn label_of(context: &Context, path: &Path) -> Result<String, Failure> {
    let mut accepted = CardFile::read(path)?.accept(&context.out)?;
    Ok(accepted.workspace().label.clone())
}
