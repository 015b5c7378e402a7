//! The daemon's side of the API: who may ask, the routes, and the way back to a client.
//!
//! Nothing of a workspace is decided here. A request is read, the manager is asked, its answer is written; a
//! failure becomes a problem document (RFC 9457).

pub mod door;
mod handlers;
mod openapi;
mod session;
mod streams;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use shipote_runtime::WorkspaceManager;
use tokio::sync::watch;

use crate::exit::{Code, Failure};
use crate::wire::problem::ProblemDoc;
use crate::wire::{PROBLEM_TYPE, STATE_DIR_HEADER, VERSION_HEADER, unsegment};
use door::{Clients, Peer};

/// Longest body of a request.
const BODY_MAX: usize = 16 << 20;

/// What every handler may use.
#[derive(Clone)]
pub struct App {
    /// The manager.
    pub manager: WorkspaceManager,
    /// What does not change while the daemon lives.
    pub about: Arc<About>,
    /// Turns true when the daemon is to end.
    pub stop: watch::Sender<bool>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("about", &self.about).finish_non_exhaustive()
    }
}

/// What does not change while the daemon lives.
#[derive(Debug)]
pub struct About {
    /// State directory that is served.
    pub state_dir: PathBuf,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// Whether a client started it.
    pub background: bool,
    /// Whether nothing was started again, since starts before this one did not live through it.
    pub is_held: bool,
    /// Turns true when the daemon is to start again after its end.
    pub restarts: AtomicBool,
    /// Open connections.
    pub clients: Clients,
}

/// The routes with their methods, for the router and for the description; a test compares both.
pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/v1/version", get(handlers::version))
        .route("/v1/openapi.json", get(openapi::serve))
        .route("/v1/workspaces", get(handlers::list_workspaces).post(handlers::create_workspace))
        .route("/v1/workspaces/{name}", get(handlers::show_workspace).delete(handlers::remove_workspace))
        .route("/v1/workspaces/{name}/stop", post(handlers::stop_workspace))
        .route("/v1/workspaces/{name}/stats", get(handlers::stats))
        .route("/v1/stats", get(handlers::stats_of_all))
        .route("/v1/up", post(handlers::up))
        .route("/v1/exec", post(handlers::exec))
        .route("/v1/commands", get(handlers::ps))
        .route("/v1/pipelines", get(handlers::list_pipelines).post(handlers::run_pipeline))
        .route("/v1/pipelines/{name}", get(handlers::show_pipeline).delete(handlers::remove_pipeline))
        .route("/v1/pipelines/{name}/edges/{edge}/tap", get(streams::tap))
        .route("/v1/saved", get(handlers::list_saved))
        .route(
            "/v1/saved/{name}",
            get(handlers::get_saved).put(handlers::save).delete(handlers::remove_saved),
        )
        .route("/v1/units/{name}", get(handlers::means))
        .route("/v1/units/{name}/start", post(handlers::start))
        .route("/v1/units/{name}/stop", post(handlers::stop))
        .route("/v1/units/{name}/restart", post(handlers::restart))
        .route("/v1/units/{name}/kill", post(handlers::kill))
        .route("/v1/units/{name}/wait", post(handlers::wait))
        .route("/v1/events", get(streams::events))
        .route("/v1/state", get(handlers::state))
        .route("/v1/daemon", delete(handlers::end))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), admit))
        .with_state(app)
}

/// Lets in the daemon's own user and root, from outside of its workspaces, that mean this state directory.
async fn admit(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match admitted(&app, &peer, &request) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

fn admitted(app: &App, peer: &Peer, request: &Request) -> Result<(), Failure> {
    let own = nix::unistd::geteuid().as_raw();
    if peer.uid != own && peer.uid != 0 {
        return Err(Failure::new(
            Code::NotPermitted,
            format!("uid {} may not use the daemon of uid {own}", peer.uid),
        )
        .hint("each user has a daemon of their own; --socket names another one"));
    }
    if peer.inside_workspace {
        return Err(Failure::new(Code::NotPermitted, "a process inside a workspace may not use the daemon")
            .hint("run shipote outside of the workspace"));
    }
    if let Some(meant) = request.headers().get(STATE_DIR_HEADER) {
        let meant = meant.to_str().ok().and_then(unsegment).map(PathBuf::from).unwrap_or_default();
        let same = meant == app.about.state_dir
            || meant.canonicalize().is_ok_and(|meant| meant == app.about.state_dir);
        if !same {
            return Err(Failure::new(
                Code::OtherStateDirectory,
                format!(
                    "the daemon on this socket serves the state directory {}, not {}",
                    app.about.state_dir.display(),
                    meant.display()
                ),
            )
            .hint("give --state-dir as the daemon has it, or --socket of the other daemon"));
        }
    }
    Ok(())
}

async fn no_route(request: Request) -> Failure {
    Failure::new(Code::NotFound, format!("there is no {}", request.uri().path()))
        .hint("/v1/openapi.json lists every route; a / within a name is written %2F")
}

async fn no_method(request: Request) -> Failure {
    Failure::usage(format!("{} can't be used on {}", request.method(), request.uri().path()))
        .hint("/v1/openapi.json lists every route with its methods")
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = ProblemDoc::from(&self);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Strings, numbers and lists always have a JSON form.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, PROBLEM_TYPE)], body).into_response()
    }
}
