//! Following: a client looks on while its units run, and what it started ends with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::message::{Action, WorkspaceHandle};
use super::session::{Frame, Input, SessionEnd};
use crate::view::{CommandView, PipelineVerdict, UnitPhase, WorkspaceDetail};

/// Time between two looks at what runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a session follows.
pub(super) struct Followed {
    pub(super) workspace: WorkspaceHandle,
    /// Ids of the units that were started for this client.
    pub(super) units: Vec<String>,
    /// Whether it is one command whose signals and exit are the client's own.
    pub(super) single: bool,
    pub(super) timeout: Option<Duration>,
}

/// How following ended.
pub(super) struct FollowEnd {
    pub(super) detail: Option<WorkspaceDetail>,
    pub(super) timed_out: bool,
}

/// Follows until every unit has settled; stops them when the client asks, goes away, or its time is over.
pub(super) async fn follow(
    followed: Followed,
    frames: &mpsc::Sender<Frame>,
    mut input: mpsc::Receiver<Input>,
) -> FollowEnd {
    let mut looking = interval(LOOK_EVERY);
    looking.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let deadline = followed.timeout.map(|timeout| Instant::now() + timeout);
    let (mut stops, mut timed_out, mut client_lost) = (0_u32, false, false);
    let mut detail = None;
    let mut changed = followed.workspace.changed.clone();
    loop {
        tokio::select! {
            message = input.recv(), if !client_lost => match message {
                Some(Input::Signal(signal)) if followed.single => {
                    act(&followed, &Action::Signal { signal, node: None });
                }
                Some(Input::Signal(_)) => {
                    act(&followed, &Action::Stop { kill: stops > 0 });
                    stops += 1;
                }
                None => {
                    client_lost = true;
                    act(&followed, &Action::Stop { kill: false });
                }
            },
            () = frames.closed(), if !client_lost => {
                client_lost = true;
                act(&followed, &Action::Stop { kill: false });
            }
            () = until(deadline), if !timed_out => {
                timed_out = true;
                act(&followed, &Action::Stop { kill: false });
            }
            _ = looking.tick() => {}
            // Gone is a change too, which the look below sees.
            _ = changed.changed() => {}
        }
        let Some(seen) = followed.workspace.view().await else {
            // Ended as a whole; how its units ended is known all the same.
            detail = followed.workspace.last().await.or(detail);
            break;
        };
        let settled = followed.units.iter().all(|id| is_settled(&seen, id));
        // A client that is behind misses a status, never a byte.
        let _ = frames.try_send(Frame::Status(Box::new(seen.clone())));
        detail = Some(seen);
        if settled {
            break;
        }
    }
    FollowEnd { detail, timed_out }
}

/// Waits until a unit has settled, or its workspace is gone.
pub(super) async fn settled(workspace: &WorkspaceHandle, unit: &str) {
    let mut changed = workspace.changed.clone();
    while let Some(seen) = workspace.view().await {
        if is_settled(&seen, unit) {
            return;
        }
        // Gone is a change too, which the next look sees.
        let _ = changed.changed().await;
    }
}

/// Acts on every followed unit without waiting for the effect, which following sees anyway.
fn act(followed: &Followed, action: &Action) {
    for unit in &followed.units {
        let (workspace, unit, action) = (followed.workspace.clone(), unit.clone(), action.clone());
        tokio::spawn(async move { workspace.act(&unit, action).await });
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn is_settled(detail: &WorkspaceDetail, id: &str) -> bool {
    let command = detail.commands.iter().find(|view| view.id == id && view.kind != "node");
    let pipeline = detail.pipelines.iter().find(|view| view.id.to_string() == id);
    match (command, pipeline) {
        (Some(view), _) => view.phase.is_settled(),
        (None, Some(view)) => view.phase.is_settled(),
        (None, None) => true,
    }
}

/// Judges what was followed: whether every command and pipeline ended well.
pub(super) fn session_end(units: &[String], end: FollowEnd, single: bool) -> SessionEnd {
    let FollowEnd { detail, timed_out } = end;
    let commands: Vec<&CommandView> = detail
        .iter()
        .flat_map(|detail| &detail.commands)
        .filter(|view| view.kind != "node" && units.contains(&view.id))
        .collect();
    let commands_ok = commands.iter().all(|view| matches!(view.phase, UnitPhase::Done | UnitPhase::Stopped));
    let pipelines = detail.iter().flat_map(|detail| &detail.pipelines);
    let pipelines_ok = pipelines
        .filter(|view| units.contains(&view.id.to_string()))
        .all(|view| view.verdict == Some(PipelineVerdict::Ok));
    let exit = commands.first().filter(|_| single).and_then(|view| view.exit);
    SessionEnd { ok: detail.is_some() && commands_ok && pipelines_ok, exit, timed_out, detail }
}

/// Runs a session to its end: follows, lets `finish` clean up, and tells the client last.
pub(super) fn run_session<F, Fut>(
    followed: Followed,
    frames: mpsc::Sender<Frame>,
    input: mpsc::Receiver<Input>,
    finish: F,
) where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let (units, single) = (followed.units.clone(), followed.single);
    let frames = Arc::new(frames);
    tokio::spawn(async move {
        let end = follow(followed, &frames, input).await;
        let end = session_end(&units, end, single);
        finish().await;
        // A lost client is past caring.
        let _ = frames.send(Frame::End(Box::new(end))).await;
    });
}
