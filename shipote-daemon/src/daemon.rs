//! The daemon: opens the state, serves the API, and ends cleanly.
//!
//! Order: the state directory's lock first, so that of several daemons one goes on; then the socket, so that clients
//! can already wait on it; then the manager, which restores; then serving.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shipote_runtime::host::starts::{self, Start};
use shipote_runtime::host::store::{StateStore, StoreError};
use shipote_runtime::{IncarnatorConfig, WorkspaceManager};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::DaemonRun;
use crate::exit::{self, Code, Failure};
use crate::place::Place;
use crate::render::Output;
use crate::render::printable::one_line;
use crate::render::quantity::now_ms;
use crate::server::door::{self, Clients, Door, Peer};
use crate::server::{About, App, routes};

/// A daemon in the background that has nothing to do ends after this long.
const IDLE: Duration = Duration::from_secs(5);

/// How often a daemon in the background looks whether it has something to do.
const IDLE_LOOK: Duration = Duration::from_millis(500);

/// Time after everything was started again after which a start is known to have lived through it.
const LIVED_THROUGH: Duration = Duration::from_secs(1);

/// How long open connections may take to end when everything else has.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs the daemon to its end.
#[must_use]
pub fn main(place: &Place, options: &DaemonRun, out: &Output) -> ExitCode {
    if options.background {
        // A session of its own: no terminal, and no signals meant for the client's job.
        if let Err(error) = nix::unistd::setsid() {
            out.warn(&format!("the daemon stays in the session of its client: {error}"));
        }
    }
    start_log(options);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(place, options));
            runtime.shutdown_timeout(LAST_WORDS);
            result
        }
        Err(error) => Err(Failure::new(Code::Failed, format!("start: {error}"))),
    };
    match result {
        Ok(AtEnd::Exit) => ExitCode::SUCCESS,
        Ok(AtEnd::StartAgain) => {
            let failure = start_again();
            out.failure(&failure);
            ExitCode::from(failure.code.exit())
        }
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.code.exit())
        }
    }
}

fn start_log(options: &DaemonRun) {
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_max_level(options.log_level)
        // A log that can't be written must not end what is running: told to nobody, it is lost.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(ansi);
    // A second subscriber in one process can only come from a test, which then has its own.
    let _ = if options.log_json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}

/// What is done when a daemon has ended.
enum AtEnd {
    Exit,
    StartAgain,
}

/// Executes the program anew, with the same arguments: its process stays, and whoever supervises it sees no end. Returns
/// why that failed.
fn start_again() -> Failure {
    use std::os::unix::process::CommandExt;
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    // A program that was replaced while it ran is called so by the kernel; its path names the new one.
    let path = program.to_string_lossy();
    let program = path.strip_suffix(" (deleted)").map_or_else(|| program.clone(), Into::into);
    let error = std::process::Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Failure::file("execute", &program, &error)
}

async fn run(place: &Place, options: &DaemonRun) -> Result<AtEnd, Failure> {
    let mut store = StateStore::open(&place.state_dir).map_err(|error| refused(error, &place.state_dir))?;
    if let Some(bytes) = options.fold_above {
        store.fold_above(bytes);
    }
    let state_dir = place.state_dir.canonicalize().unwrap_or_else(|_| place.state_dir.clone());
    let clients = Clients::default();
    let (door, socket_file) = door::open(&place.socket, clients.clone()).await?;

    let mut config = IncarnatorConfig::new(&state_dir);
    config.covered.extend(place.socket.parent().filter(|parent| is_own(parent)).map(Path::to_path_buf));
    config.covered.push(place.socket.clone());
    let start = Arc::new(Start::begin(&state_dir));
    let is_held = start.is_held() && !options.background;
    let relaunch = !options.background && !is_held;
    let opened = WorkspaceManager::open(config, store, relaunch).await;
    // A state that is refused has started nothing.
    let (manager, restored) = opened.inspect_err(|_| start.done())?;
    tracing::info!(
        state_dir = %state_dir.display(),
        socket = %place.socket.display(),
        workspaces = restored.workspaces_restored,
        saved_pipelines = restored.saved_pipelines_restored,
        relaunched = restored.live_pipelines.len(),
        "ready"
    );
    if is_held {
        tracing::error!(
            "{} starts in a row did not live through what they started again, so nothing is started again now: \
             shipote start NAME starts it, and the next start tries all of it once more",
            starts::MOST
        );
    }
    let beginning = Arc::clone(&start);
    tokio::spawn(async move {
        tokio::time::sleep(LIVED_THROUGH).await;
        beginning.done();
    });
    for path in &restored.lost {
        tracing::warn!(%path, "ran without a restart policy when the daemon ended, and is lost");
    }
    for problem in &restored.problems {
        let (pointer, message) = (one_line(&problem.place.pointer), one_line(&problem.message));
        tracing::warn!(code = %problem.code, %pointer, "state.json: {message}");
    }

    let (stop, stopping) = watch::channel(false);
    let about = About {
        state_dir,
        started_at_ms: now_ms(),
        background: options.background,
        is_held,
        restarts: AtomicBool::new(false),
        clients: clients.clone(),
    };
    let about = Arc::new(about);
    let app = App { manager: manager.clone(), about: Arc::clone(&about), stop: stop.clone() };
    let server = tokio::spawn(serve(door, app, stopping.clone()));

    wait_for_end(options.background, &manager, &clients, stopping).await?;
    // An end that was asked for is none that something brought about.
    start.done();
    // From here on nobody is let in; what is asked for already is answered.
    stop.send_replace(true);
    let hurry = second_signal()?;
    manager.shutdown(options.shutdown_grace.as_duration(), hurry).await?;
    // The manager has told every session its end; a client that does not read it is left.
    if tokio::time::timeout(LAST_WORDS, server).await.is_err() {
        tracing::debug!("clients were left");
    }
    drop(socket_file);
    tracing::info!("ended");
    Ok(if about.restarts.load(Ordering::SeqCst) { AtEnd::StartAgain } else { AtEnd::Exit })
}

/// Tells whether a directory of a socket holds nothing but the socket; `/tmp` and the like stay visible.
fn is_own(parent: &Path) -> bool {
    parent.ends_with("shipote")
}

async fn serve(door: Door, app: App, mut stopping: watch::Receiver<bool>) {
    let service = routes(app).into_make_service_with_connect_info::<Peer>();
    let stopped = async move {
        // A sender that is gone means the end as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(door, service).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "serve");
    }
}

/// Waits for a signal, a request to end, or, in the background, for having nothing to do.
async fn wait_for_end(
    background: bool,
    manager: &WorkspaceManager,
    clients: &Clients,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut term = listen(SignalKind::terminate())?;
    let mut int = listen(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => tracing::info!("ending: SIGTERM"),
        _ = int.recv() => tracing::info!("ending: SIGINT"),
        _ = stopping.wait_for(|stop| *stop) => tracing::info!("ending: a client asked for it"),
        () = idle(manager, clients), if background => tracing::info!("ending: nothing is left to do"),
        () = manager.gone() => {
            let message = "the daemon's core has ended: a defect of shipote; all that ran is ended";
            return Err(Failure::new(Code::Failed, message).hint("shipote daemon starts it again, with all that was declared"));
        }
    }
    Ok(())
}

async fn idle(manager: &WorkspaceManager, clients: &Clients) {
    let mut since = tokio::time::Instant::now();
    let mut look = tokio::time::interval(IDLE_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let is_busy = clients.count() > 0
            || manager
                .activity()
                .await
                .is_ok_and(|activity| activity.live_workspaces > 0 || activity.detached);
        if is_busy {
            since = tokio::time::Instant::now();
        } else if since.elapsed() >= IDLE {
            return;
        }
    }
}

/// Returns what comes true with the next signal: the end is then not to wait any longer.
fn second_signal() -> Result<impl Future<Output = ()> + Send, Failure> {
    let mut term = listen(SignalKind::terminate())?;
    let mut int = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("hurrying: a second signal");
    })
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(Code::Failed, format!("listen to signals: {error}")))
}

/// Returns why the state can't be opened, in words.
fn refused(error: StoreError, dir: &Path) -> Failure {
    match error {
        StoreError::Locked { pid } => exit::locked(dir, pid),
        other => Failure::from(other),
    }
}
