//! What the manager, the actor of a workspace, and the actor's own tasks say to each other.

use std::sync::Arc;

use shipote_card::{WorkspaceId, WorkspaceSpec};
use shipote_snapshot::Counters;
use tokio::sync::{mpsc, oneshot, watch};

use super::unit::Unit;
use crate::decide::isolation::Refusal;
use crate::host::init::protocol::StepFailure;
use crate::host::launch::{IncarnateError, Incarnator};
use crate::host::logs::Logs;
use crate::host::relay::Observer;
use crate::view::{LaunchFailure, WorkspaceDetail, WorkspaceStats};

/// Why something did not start.
#[derive(Debug, Clone)]
pub(super) enum StartFailure {
    /// The host can't hold what the card asks for.
    Refused(Refusal),
    /// A step failed.
    Launch(LaunchFailure),
    /// Variables that only a caller can pass are missing.
    NeedsEnv(Vec<String>),
    /// The workspace is ending.
    Ending,
}

impl From<IncarnateError> for StartFailure {
    fn from(error: IncarnateError) -> Self {
        match error {
            IncarnateError::Refused(refusal) => Self::Refused(refusal),
            IncarnateError::Step(failure) => Self::Launch(failure.into()),
            IncarnateError::Io(error) => Self::Launch(StepFailure::new("ws_init", "", &error).into()),
        }
    }
}

/// What is asked of the actor.
pub(super) enum Ask {
    /// Add a unit, in place of one with the same id that is not running, and start it.
    Start { unit: Box<Unit>, begin: Begin, reply: oneshot::Sender<Result<(), StartFailure>> },
    /// Act on a unit; answered when the effect is true.
    Act { unit: String, action: Action, reply: oneshot::Sender<Result<(), StartFailure>> },
    /// Show everything.
    View { reply: oneshot::Sender<WorkspaceDetail> },
    /// Attach an observer to an edge.
    Observe { unit: String, edge: usize, reply: oneshot::Sender<std::io::Result<Observer>> },
    /// End every unit, then the workspace's processes altogether.
    End { kill: bool },
}

/// How a unit is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// On request, unless it runs.
    Start,
    /// On request, in place of the present run.
    Restart,
    /// Goes on with the restarts of an earlier life of the daemon, after this many milliseconds.
    Resume(u64),
}

/// What can be done to a unit.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Stop {
        kill: bool,
    },
    /// Sends a signal to one node, or to all main processes.
    Signal {
        signal: i32,
        node: Option<String>,
    },
}

/// What the actor tells the manager.
#[derive(Debug)]
pub(super) enum Report {
    /// A unit's policy counters or its end are to be remembered.
    Unit { workspace: WorkspaceId, id: String, counters: Counters, settled: bool },
    /// A sample was taken.
    Sample { workspace: WorkspaceId, stats: WorkspaceStats },
    /// Something happened.
    Event { workspace: WorkspaceId, kind: &'static str, object: String, data: serde_json::Value },
    /// The actor has ended, and nothing of the workspace is alive.
    Ended { workspace: WorkspaceId, detail: Box<WorkspaceDetail>, unexpected: bool },
}

/// The manager's end of an actor.
#[derive(Debug, Clone)]
pub(super) struct WorkspaceHandle {
    pub(super) asks: mpsc::Sender<Ask>,
    /// Counts up with every change.
    pub(super) changed: watch::Receiver<u64>,
    /// How everything stood at the end, once nothing of the workspace is alive.
    pub(super) last: watch::Receiver<Option<Box<WorkspaceDetail>>>,
    /// Why the workspace could not be made.
    pub(super) stillborn: watch::Receiver<Option<StartFailure>>,
}

impl WorkspaceHandle {
    /// Asks for everything about the workspace; none when it is gone.
    pub(super) async fn view(&self) -> Option<WorkspaceDetail> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::View { reply }).await.ok()?;
        answer.await.ok()
    }

    /// Ends the workspace and waits until nothing of it is alive.
    pub(super) async fn end(&self, kill: bool) {
        // An actor that is gone has ended already.
        let _ = self.asks.send(Ask::End { kill }).await;
        let _ = self.last().await;
    }

    /// Waits until nothing of the workspace is alive, and returns how everything stood then.
    pub(super) async fn last(&self) -> Option<WorkspaceDetail> {
        let mut last = self.last.clone();
        // An actor that went away without a word was ended by a defect.
        let detail = last.wait_for(Option::is_some).await.ok()?;
        detail.as_deref().cloned()
    }

    pub(super) async fn start(&self, unit: Unit, begin: Begin) -> Result<(), StartFailure> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Start { unit: Box::new(unit), begin, reply };
        if self.asks.send(ask).await.is_err() {
            return Err(self.end_reason());
        }
        answer.await.unwrap_or_else(|_| Err(self.end_reason()))
    }

    fn end_reason(&self) -> StartFailure {
        self.stillborn.borrow().clone().unwrap_or(StartFailure::Ending)
    }

    pub(super) async fn act(&self, unit: &str, action: Action) -> Result<(), StartFailure> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Act { unit: unit.to_owned(), action, reply };
        self.asks.send(ask).await.map_err(|_| StartFailure::Ending)?;
        answer.await.unwrap_or(Err(StartFailure::Ending))
    }
}

/// What an actor is made with.
pub(super) struct Origin {
    pub(super) id: WorkspaceId,
    pub(super) spec: WorkspaceSpec,
    pub(super) ephemeral: bool,
    /// When its time to live ends, in milliseconds since the Unix epoch.
    pub(super) expires_at_ms: Option<u64>,
    pub(super) incarnator: Arc<Incarnator>,
    pub(super) logs: Logs,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

/// What comes back to the actor from its own tasks and threads.
pub(super) enum Internal {
    /// The nested init of this run has ended, and the kernel has ended everything below it.
    NestGone { unit: String, generation: u64 },
    /// Processes of this run were asked to end because one had failed, and their grace is over.
    RestOverdue { unit: String, generation: u64 },
    /// Nothing of this run is alive, and all it wrote has been carried.
    RunGone { unit: String, generation: u64 },
    /// The first bytes of an edge.
    Window { unit: String, generation: u64, relay_edge: usize, bytes: Vec<u8>, complete: bool },
}
