//! One function per route: what is asked of the manager, and nothing else. All calls of the manager that answer at
//! once are in this file.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shipote_card::{PipelineSpec, WorkspaceSpec};
use shipote_runtime::drive::session::Caller;
use shipote_runtime::drive::verbs::{ExecRequest, ExecTarget, RunPipeline, UpRequest};

use super::App;
use super::session::Attachable;
use crate::exit::{Code, Failure};
use crate::wire::{
    API, ActedAnswer, ExecAnswer, ExecBody, ExecPlace, MeansAnswer, Opened, RemovedAnswer, RunBody,
    StatsAnswer, UpAnswer, UpBody, VersionAnswer, WaitAnswer,
};

type Answer = Result<Response, Failure>;

fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::usage(format!("the body is not understood: {error}")).hint("/v1/openapi.json describes it")
    })
}

/// A caller that brings nothing along need not say so.
fn caller(bytes: &[u8]) -> Result<Caller, Failure> {
    if bytes.is_empty() { Ok(Caller::default()) } else { body(bytes) }
}

/// Returns what the query asks for, or a problem instead of a plain text.
pub(super) fn query<T>(asked: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    asked
        .map(|Query(value)| value)
        .map_err(|error| Failure::usage(error.body_text()).hint("/v1/openapi.json describes it"))
}

fn json<T: serde::Serialize>(value: T) -> Answer {
    Ok(Json(value).into_response())
}

/// `GET /v1/version`.
pub(super) async fn version(State(app): State<App>) -> Answer {
    json(VersionAnswer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api_min: API,
        api_max: API,
        pid: std::process::id(),
        state_dir: app.about.state_dir.display().to_string(),
        started_at_ms: app.about.started_at_ms,
        background: app.about.background,
        held: app.about.is_held,
        dirty: app.manager.is_dirty().await?,
    })
}

/// `GET /v1/workspaces`.
pub(super) async fn list_workspaces(State(app): State<App>) -> Answer {
    json(app.manager.list().await?)
}

/// `POST /v1/workspaces`.
pub(super) async fn create_workspace(State(app): State<App>, bytes: Bytes) -> Answer {
    let spec: WorkspaceSpec = body(&bytes)?;
    let view = app.manager.create(spec).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// `GET /v1/workspaces/{name}`.
pub(super) async fn show_workspace(State(app): State<App>, Path(name): Path<String>) -> Answer {
    json(app.manager.show(&name).await?)
}

/// `DELETE /v1/workspaces/{name}`.
pub(super) async fn remove_workspace(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let id = app.manager.remove(&name).await?;
    json(RemovedAnswer { removed: id.to_string() })
}

/// What `POST /v1/workspaces/{name}/stop` is asked for.
#[derive(Debug, Deserialize)]
pub struct StopQuery {
    /// Kill at once.
    #[serde(default)]
    kill: bool,
}

/// `POST /v1/workspaces/{name}/stop`.
pub(super) async fn stop_workspace(
    State(app): State<App>,
    Path(name): Path<String>,
    asked: Result<Query<StopQuery>, QueryRejection>,
) -> Answer {
    let StopQuery { kill } = query(asked)?;
    json(app.manager.stop_workspace(&name, kill).await?)
}

/// What `GET /v1/workspaces/{name}/stats` and `GET /v1/stats` are asked for.
#[derive(Debug, Deserialize)]
pub struct StatsQuery {
    /// The last so many milliseconds, as far as they are kept; the newest samples where none is given.
    last_ms: Option<u64>,
}

/// `GET /v1/workspaces/{name}/stats`.
pub(super) async fn stats(
    State(app): State<App>,
    Path(name): Path<String>,
    asked: Result<Query<StatsQuery>, QueryRejection>,
) -> Answer {
    let StatsQuery { last_ms } = query(asked)?;
    let (workspace, history) = app.manager.stats(&name, last_ms).await?;
    json(StatsAnswer { workspace, history })
}

/// `GET /v1/stats`.
pub(super) async fn stats_of_all(
    State(app): State<App>,
    asked: Result<Query<StatsQuery>, QueryRejection>,
) -> Answer {
    let StatsQuery { last_ms } = query(asked)?;
    let all = app.manager.stats_of_all(last_ms).await?;
    let answers = all.into_iter().map(|(workspace, history)| StatsAnswer { workspace, history });
    json(answers.collect::<Vec<_>>())
}

/// `POST /v1/up`.
pub(super) async fn up(State(app): State<App>, request: Request) -> Answer {
    let request = Attachable::read(request).await?;
    let UpBody { card, caller, replace } = body(&request.body)?;
    let attach = request.is_attached();
    let outcome = app.manager.up(UpRequest { card, caller, replace, attach }).await?;
    let answer =
        UpAnswer { workspace: outcome.workspace, created: outcome.created, changes: outcome.changes };
    if attach { request.open(Opened::Up(Box::new(answer)), outcome.session) } else { json(answer) }
}

/// `POST /v1/exec`.
pub(super) async fn exec(State(app): State<App>, request: Request) -> Answer {
    let request = Attachable::read(request).await?;
    let ExecBody { target, command, caller, stdin, timeout_ms } = body(&request.body)?;
    let attach = request.is_attached();
    let target = match target {
        ExecPlace::Workspace(name) => ExecTarget::Workspace(name),
        ExecPlace::Ephemeral(spec) => ExecTarget::Ephemeral(spec),
        ExecPlace::Declared(spec) => ExecTarget::Declared(spec),
    };
    let stdin = stdin && attach;
    let outcome =
        app.manager.exec(ExecRequest { target, command, caller, stdin, timeout_ms, detach: !attach }).await?;
    let answer = ExecAnswer { workspace: outcome.workspace, command: outcome.command };
    if attach { request.open(Opened::Exec(Box::new(answer)), outcome.session) } else { json(answer) }
}

/// What `GET /v1/commands` is asked for.
#[derive(Debug, Deserialize)]
pub struct PsQuery {
    /// Also what has ended or was never started.
    #[serde(default)]
    all: bool,
}

/// `GET /v1/commands`.
pub(super) async fn ps(State(app): State<App>, asked: Result<Query<PsQuery>, QueryRejection>) -> Answer {
    let PsQuery { all } = query(asked)?;
    json(app.manager.ps(all).await?)
}

/// `GET /v1/pipelines`.
pub(super) async fn list_pipelines(State(app): State<App>) -> Answer {
    json(app.manager.pipelines().await?)
}

/// `POST /v1/pipelines`.
pub(super) async fn run_pipeline(State(app): State<App>, request: Request) -> Answer {
    let request = Attachable::read(request).await?;
    let RunBody { workspace, spec, saved, caller, replace, tap } = body(&request.body)?;
    if spec.is_some() == saved.is_some() {
        return Err(Failure::usage("either `spec` or `saved` says which pipeline runs"));
    }
    let attach = request.is_attached();
    let outcome = app
        .manager
        .run_pipeline(RunPipeline { workspace, spec, saved, caller, replace, tap, attach })
        .await?;
    if attach {
        request.open(Opened::Pipeline(Box::new(outcome.pipeline)), outcome.session)
    } else {
        json(outcome.pipeline)
    }
}

/// `GET /v1/pipelines/{name}`.
pub(super) async fn show_pipeline(State(app): State<App>, Path(name): Path<String>) -> Answer {
    json(app.manager.pipeline(&name).await?)
}

/// `DELETE /v1/pipelines/{name}`.
pub(super) async fn remove_pipeline(State(app): State<App>, Path(name): Path<String>) -> Answer {
    app.manager.remove_pipeline(&name).await?;
    json(RemovedAnswer { removed: name })
}

/// `GET /v1/saved`.
pub(super) async fn list_saved(State(app): State<App>) -> Answer {
    json(app.manager.list_saved_pipelines().await?)
}

/// `GET /v1/saved/{name}`.
pub(super) async fn get_saved(State(app): State<App>, Path(name): Path<String>) -> Answer {
    json(app.manager.get_saved_pipeline(&name).await?)
}

/// `PUT /v1/saved/{name}`.
pub(super) async fn save(State(app): State<App>, Path(name): Path<String>, bytes: Bytes) -> Answer {
    let spec: PipelineSpec = body(&bytes)?;
    app.manager.save_pipeline(&name, spec).await?;
    json(app.manager.get_saved_pipeline(&name).await?)
}

/// `DELETE /v1/saved/{name}`.
pub(super) async fn remove_saved(State(app): State<App>, Path(name): Path<String>) -> Answer {
    app.manager.remove_saved_pipeline(&name).await?;
    json(RemovedAnswer { removed: name })
}

/// `GET /v1/units/{name}`.
pub(super) async fn means(State(app): State<App>, Path(name): Path<String>) -> Answer {
    json(MeansAnswer { means: app.manager.means(&name).await? })
}

/// `POST /v1/units/{name}/start`.
pub(super) async fn start(State(app): State<App>, Path(name): Path<String>, bytes: Bytes) -> Answer {
    let caller = caller(&bytes)?;
    json(ActedAnswer { acted: app.manager.start(&name, caller).await? })
}

/// `POST /v1/units/{name}/stop`.
pub(super) async fn stop(State(app): State<App>, Path(name): Path<String>) -> Answer {
    json(ActedAnswer { acted: app.manager.stop(&name).await? })
}

/// `POST /v1/units/{name}/restart`.
pub(super) async fn restart(State(app): State<App>, Path(name): Path<String>, bytes: Bytes) -> Answer {
    let caller = caller(&bytes)?;
    json(ActedAnswer { acted: app.manager.restart(&name, caller).await? })
}

/// What `POST /v1/units/{name}/kill` is asked for.
#[derive(Debug, Deserialize)]
pub struct KillQuery {
    /// Number of the signal.
    #[serde(default = "sigkill")]
    signal: i32,
}

const fn sigkill() -> i32 {
    nix::sys::signal::Signal::SIGKILL as i32
}

/// `POST /v1/units/{name}/kill`.
pub(super) async fn kill(
    State(app): State<App>,
    Path(name): Path<String>,
    asked: Result<Query<KillQuery>, QueryRejection>,
) -> Answer {
    let KillQuery { signal } = query(asked)?;
    json(ActedAnswer { acted: app.manager.kill(&name, signal).await? })
}

/// What `POST /v1/units/{name}/wait` is asked for.
#[derive(Debug, Deserialize)]
pub struct WaitQuery {
    /// Give up after this many milliseconds.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// `POST /v1/units/{name}/wait`.
pub(super) async fn wait(
    State(app): State<App>,
    Path(name): Path<String>,
    asked: Result<Query<WaitQuery>, QueryRejection>,
) -> Answer {
    let WaitQuery { timeout_ms } = query(asked)?;
    let outcome = app.manager.wait(&name, timeout_ms.map(Duration::from_millis)).await?;
    let detail = serde_json::to_value(&outcome.detail).unwrap_or_default();
    json(WaitAnswer { settled: outcome.settled, ok: outcome.ok, detail })
}

/// `GET /v1/state`: the state as it would be written.
pub(super) async fn state(State(app): State<App>) -> Answer {
    let snapshot = app.manager.snapshot().await?;
    let text = shipote_snapshot::render(&snapshot);
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// What `DELETE /v1/daemon` is asked for.
#[derive(Debug, Deserialize)]
pub struct EndQuery {
    /// Start again as the same process.
    #[serde(default)]
    restart: bool,
}

/// `DELETE /v1/daemon`: ends the daemon.
pub(super) async fn end(State(app): State<App>, asked: Result<Query<EndQuery>, QueryRejection>) -> Answer {
    let EndQuery { restart } = query(asked)?;
    if restart && app.about.background {
        let text = "the daemon was started by a client, and would start nothing again";
        return Err(Failure::new(Code::Conflict, text)
            .hint("shipote daemon stop, then shipote daemon: that one is a service"));
    }
    app.about.restarts.store(restart, Ordering::SeqCst);
    // Nobody waits for the signal any more when the daemon is already ending.
    let _ = app.stop.send(true);
    let answer = serde_json::json!({ "stopping": true, "pid": std::process::id() });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}
