//! `pipeline`: run, save, and look at pipelines.

use shipote_card::Card;
use shipote_runtime::view::{PipelineView, SavedPipelineView};

use super::attach::{self, caller, passed_by_pipeline};
use super::up::STOPPING;
use super::{Context, Done};
use crate::card_file::CardFile;
use crate::cli::{Pipeline, PipelineRm, PipelineRun, PipelineSave};
use crate::client::spawn;
use crate::exit::{Code, Failure};
use crate::followed::Followed;
use crate::render::dag::{self, Rates};
use crate::render::quantity::now_ms;
use crate::render::{rows, summary};
use crate::wire::{ActedAnswer, Opened, RemovedAnswer, RunBody, UpAnswer, UpBody, segment};

/// Does what is to be done with pipelines.
pub async fn act(context: &Context, action: Pipeline) -> Done {
    let out = &context.out;
    match action {
        Pipeline::Run(args) => run(context, args).await,
        Pipeline::Save(args) => save(context, &args).await,
        Pipeline::Saved => {
            let answer = context.client.get::<Vec<SavedPipelineView>>("/v1/saved").await;
            let views = context.or_at_rest(answer, |at_rest| Ok(at_rest.saved()))?;
            let documents: Vec<serde_json::Value> = views.iter().map(saved_document).collect();
            out.result(&documents, || rows::saved(&views, out.paint))?;
            Ok(0)
        }
        Pipeline::Ls => {
            let answer = context.client.get::<Vec<PipelineView>>("/v1/pipelines").await;
            let views = context.or_at_rest(answer, |at_rest| Ok(at_rest.pipelines()))?;
            out.result(&views, || rows::pipelines(&views, now_ms(), out.paint))?;
            Ok(0)
        }
        Pipeline::Show { name } => {
            let view = context.or_at_rest(get(context, &name).await, |at_rest| at_rest.pipeline(&name))?;
            out.result(&view, || {
                let mut text = dag::pipeline(&view, &Rates::default(), now_ms(), out.paint).join("\n");
                text.push('\n');
                if view.verdict.is_some() {
                    text.push('\n');
                    text.push_str(&summary::pipeline(&view, out.paint));
                }
                text
            })?;
            Ok(0)
        }
        Pipeline::Stop(args) => {
            let mut acted = Vec::new();
            for name in &args.names {
                // The name may also be a command's: this verb means the pipeline.
                let view = get(context, name).await?;
                let path = format!("/v1/units/{}/stop", view.id);
                let answer: ActedAnswer = context.client.post(&path, &()).await?;
                acted.extend(answer.acted);
            }
            out.result(&ActedAnswer { acted: acted.clone() }, || acted.join("\n"))?;
            Ok(0)
        }
        Pipeline::Rm(args) => remove(context, &args).await,
    }
}

/// A saved pipeline with its label beside its name, as scripts expect it of every list.
fn saved_document(view: &SavedPipelineView) -> serde_json::Value {
    serde_json::json!({ "name": view.name, "label": view.spec.label, "phase": "saved", "spec": view.spec })
}

async fn get(context: &Context, name: &str) -> Result<PipelineView, Failure> {
    let answer = context.client.get(&format!("/v1/pipelines/{}", segment(name))).await;
    saved_hint(context, answer, name, "shipote pipeline run NAME starts it").await
}

/// Says of a name that means no live pipeline whether a saved one has it, and then what `instead` does with that.
async fn saved_hint<T>(
    context: &Context,
    answer: Result<T, Failure>,
    name: &str,
    instead: &str,
) -> Result<T, Failure> {
    match answer {
        Err(failure) if failure.code == Code::NotFound => {
            let path = format!("/v1/saved/{}", segment(name));
            let saved = context.client.get::<SavedPipelineView>(&path).await;
            Err(match saved {
                Ok(saved) => failure.hint(format!(
                    "`{0}` is a saved pipeline: {1}",
                    saved.name,
                    instead.replace("NAME", &saved.name)
                )),
                Err(_) => failure,
            })
        }
        other => other,
    }
}

async fn remove(context: &Context, args: &PipelineRm) -> Done {
    let kind = if args.saved { "saved" } else { "pipelines" };
    let mut removed = Vec::new();
    for name in &args.names {
        let answer = context.client.delete::<RemovedAnswer>(&format!("/v1/{kind}/{}", segment(name))).await;
        removed.push(if args.saved {
            answer?
        } else {
            saved_hint(context, answer, name, "shipote pipeline rm --saved NAME forgets it").await?
        });
    }
    let names: Vec<String> = removed.iter().map(|answer| answer.removed.clone()).collect();
    context.out.result(&removed, || names.join("\n"))?;
    Ok(0)
}

async fn save(context: &Context, args: &PipelineSave) -> Done {
    let mut accepted = CardFile::read(&args.file)?.accept(&context.out)?;
    let mut spec = accepted.one_pipeline()?;
    accepted.anchor(&mut spec);
    if let Some(workspace) = &args.ws {
        spec.workspace.clone_from(workspace);
    } else if spec.workspace.is_empty()
        && let Some(workspace) = &accepted.card.workspace
    {
        spec.workspace.clone_from(&workspace.label);
    }
    let view: SavedPipelineView =
        context.client.put(&format!("/v1/saved/{}", segment(&args.name)), &spec).await?;
    context.out.result(&saved_document(&view), || view.name.clone())?;
    Ok(0)
}

async fn run(context: &Context, args: PipelineRun) -> Done {
    let out = &context.out;
    let mut body = RunBody { workspace: args.ws, replace: args.replace, tap: args.tap, ..RunBody::default() };
    let spec = match (&args.file, args.name) {
        (Some(file), _) => {
            let mut accepted = CardFile::read(file)?.accept(out)?;
            let mut spec = accepted.one_pipeline()?;
            // What is wrong with the results is said before anything is started.
            attach::results(context, std::slice::from_ref(&spec), args.result.as_deref())?;
            spawn::ensure(&context.client, out).await?;
            if body.workspace.is_some() || (accepted.card.workspace.is_none() && !spec.workspace.is_empty()) {
                accepted.anchor(&mut spec);
            } else {
                // The card brings its workspace, as it does for `up`.
                let card = Card { workspace: Some(accepted.workspace().clone()), ..Card::default() };
                let caller = caller(attach::passed_by(&card))?;
                let applied: UpAnswer =
                    context.client.post("/v1/up", &UpBody { card, caller, replace: false }).await?;
                for change in &applied.changes {
                    out.note(change);
                }
                body.workspace = Some(applied.workspace.label);
            }
            body.spec = Some(spec.clone());
            spec
        }
        (None, Some(name)) => {
            spawn::ensure(&context.client, out).await?;
            let saved: SavedPipelineView =
                context.client.get(&format!("/v1/saved/{}", segment(&name))).await?;
            body.saved = Some(name);
            saved.spec
        }
        (None, None) => return Err(Failure::usage("pipeline run needs a name or -f")),
    };
    let results = attach::results(context, std::slice::from_ref(&spec), args.result.as_deref())?;
    let look = attach::look(context, results, Some(Followed::pipeline(&spec)), true);
    body.caller = caller(passed_by_pipeline(&spec))?;
    if args.detach {
        let view: PipelineView = context.client.post("/v1/pipelines", &body).await?;
        out.result(&view, || format!("{}/{}  {}", view.workspace, view.label, view.id))?;
        return Ok(0);
    }
    let (opened, end) = attach::follow(context, "/v1/pipelines", &body, look, false, STOPPING).await?;
    if out.is_json()
        && let Opened::Pipeline(opened) = &opened
    {
        let last =
            end.detail.as_ref().and_then(|detail| detail.pipelines.iter().find(|view| view.id == opened.id));
        out.line(last.unwrap_or(opened))?;
    }
    Ok(attach::verdict(end.ok))
}
