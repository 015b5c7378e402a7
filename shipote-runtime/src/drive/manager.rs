//! The workspace manager: the one owner of declared intent.
//!
//! [`WorkspaceManager`] is a handle that any task may clone; its core runs in one task and is the only writer of
//! what is declared. A verb answers after its effect is true and durable (see `durable`), and a change that can't
//! be written is not made. What is alive belongs to the actors.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shipote_card::{Problem, WorkspaceId};
use shipote_snapshot::{Desired, Lineage, ShipoteSnapshot, WorkspaceEntry};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::actor::start;
use super::declared::{Declared, Draft};
use super::durable::Durable;
use super::message::{self, Report, StartFailure, WorkspaceHandle};
use crate::decide::isolation::Refusal;
use crate::decide::names::{Named, Unresolved, resolve};
use crate::host::clock;
use crate::host::launch::{Incarnator, IncarnatorConfig};
use crate::host::logs::Logs;
use crate::host::numbering::Numbering;
use crate::host::samples::{self, SampleJournal};
use crate::host::store::ledger::Head;
use crate::host::store::{StateStore, StoreError, producer};
use crate::view::{Event, LaunchFailure, WorkspaceDetail, WorkspaceStats};

/// Samples per workspace that are kept in memory, and read back after a restart: an hour at one a second.
pub const SAMPLES_KEPT: usize = 3600;
/// Events that can be asked for again.
const EVENTS_KEPT: usize = 4096;
/// Longest time for which the counters of restart policies are kept in memory only.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);

/// Why a verb was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// Nothing is called so.
    #[error("no {kind} is called `{name}`")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The label that resembles it most.
        nearest: Option<String>,
    },
    /// Several are called so.
    #[error("`{name}` could be any of {}", candidates.len())]
    Ambiguous {
        /// The name that was given.
        name: String,
        /// What it could mean.
        candidates: Vec<String>,
    },
    /// What is asked for contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// What was declared has mistakes.
    #[error("{} in what was declared", if problems.len() == 1 { "a mistake" } else { "mistakes" })]
    Invalid {
        /// Every mistake.
        problems: Vec<Problem>,
    },
    /// This host can't do it.
    #[error("{}: needs {}, but there is: {}", .0.layer, .0.needed, .0.found)]
    NotPermitted(Refusal),
    /// A step of the launch failed.
    #[error(
        "step `{}` on `{}` failed: {}",
        failure.step, failure.object, nix::errno::Errno::from_raw(failure.errno)
    )]
    Launch {
        /// What was to be started, as a label path; none where the caller knows it anyway.
        path: Option<String>,
        /// What failed.
        failure: LaunchFailure,
    },
    /// Variables that only a caller can pass are missing.
    #[error("environment variables are missing: {}", .0.join(", "))]
    NeedsEnv(Vec<String>),
    /// The state could not be written; nothing was changed.
    #[error("the state could not be written: {0}")]
    Store(#[from] StoreError),
    /// The host could not be examined.
    #[error("{0}")]
    Host(std::io::Error),
    /// The daemon is ending.
    #[error("the daemon is ending")]
    Closed,
}

/// What kind of refusal an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing is called so.
    NotFound,
    /// Several are called so.
    Ambiguous,
    /// Contradicts what is there.
    Conflict,
    /// Mistakes in what was declared.
    Invalid,
    /// Not possible on this host or for this user.
    NotPermitted,
    /// A step of a launch failed.
    Launch,
    /// The state could not be read or written.
    Store,
    /// Environment variables are missing.
    NeedsEnv,
    /// The daemon is ending.
    Closed,
}

impl ManagerError {
    /// Returns what kind of refusal it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. } => ErrorKind::Ambiguous,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::NotPermitted(_) | Self::Host(_) => ErrorKind::NotPermitted,
            Self::Launch { .. } => ErrorKind::Launch,
            Self::NeedsEnv(_) => ErrorKind::NeedsEnv,
            Self::Store(_) => ErrorKind::Store,
            Self::Closed => ErrorKind::Closed,
        }
    }

    /// Returns every mistake in what was declared.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        if let Self::Invalid { problems } = self { problems } else { &[] }
    }

    /// Returns what an ambiguous name could mean, or what a wrong one resembles.
    #[must_use]
    pub fn candidates(&self) -> &[String] {
        match self {
            Self::Ambiguous { candidates, .. } => candidates,
            Self::NotFound { nearest: Some(nearest), .. } => std::slice::from_ref(nearest),
            _ => &[],
        }
    }
}

impl From<StartFailure> for ManagerError {
    fn from(failure: StartFailure) -> Self {
        match failure {
            StartFailure::Refused(refusal) => Self::NotPermitted(refusal),
            StartFailure::Launch(failure) => Self::Launch { path: None, failure },
            StartFailure::NeedsEnv(names) => Self::NeedsEnv(names),
            StartFailure::Ending => Self::Conflict("the workspace is ending".to_owned()),
        }
    }
}

/// What a restore brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOutcome {
    /// Workspaces that are declared again.
    pub workspaces_restored: usize,
    /// Saved pipelines that are there again.
    pub saved_pipelines_restored: usize,
    /// Live pipelines and commands that were started again, by label path.
    pub live_pipelines: Vec<String>,
    /// What ran without a restart policy when the daemon ended.
    pub lost: Vec<String>,
    /// What was wrong with the file: held entities, warnings.
    pub problems: Vec<Problem>,
}

/// Where a state comes from that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::drive) enum Origin {
    /// From the manager's own store, which has it already.
    Store {
        /// Whether what ought to run is started again.
        relaunch: bool,
    },
    /// From a file beside it: a change like any other.
    File,
}

type Job = Box<dyn FnOnce(&mut Core) + Send>;

/// The handle of the manager; clones share it.
#[derive(Debug, Clone)]
pub struct WorkspaceManager {
    jobs: mpsc::Sender<JobBox>,
}

/// A job for the core, opaque to `Debug`.
pub(super) struct JobBox(Job);

impl std::fmt::Debug for JobBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobBox")
    }
}

/// The owner of what is declared.
pub(super) struct Core {
    pub(super) declared: Declared,
    pub(super) durable: Durable,
    pub(super) incarnator: Arc<Incarnator>,
    pub(super) logs: Logs,
    pub(super) live: HashMap<WorkspaceId, WorkspaceHandle>,
    /// Workspaces that end with their client and are not declared.
    pub(super) ephemeral: HashMap<WorkspaceId, WorkspaceEntry>,
    /// How workspaces stood when they ended.
    pub(super) last: HashMap<WorkspaceId, WorkspaceDetail>,
    pub(super) history: HashMap<WorkspaceId, VecDeque<WorkspaceStats>>,
    /// Entities that ran without a restart policy when an earlier daemon ended.
    pub(super) lost: Vec<String>,
    pub(super) events: VecDeque<Event>,
    pub(super) event_stream: broadcast::Sender<Event>,
    /// Whether something was started that outlives its client.
    pub(super) detached: bool,
    pub(super) closing: bool,
    pub(super) numbering: Numbering,
    /// What units have reported and is not yet remembered: counters, and whether they have come to their end.
    ends: BTreeMap<String, (shipote_snapshot::Counters, bool)>,
    /// When that was last written.
    ends_written: Instant,
    pub(super) samples: Option<SampleJournal>,
    reports: mpsc::UnboundedSender<Report>,
    pub(super) manager: WorkspaceManager,
    pub(super) restored_problems: Vec<Problem>,
}

impl WorkspaceManager {
    /// Makes a manager without a state directory of its own: nothing is written but by [`Self::save_snapshot`].
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Returns why the host could not be examined.
    pub fn new(config: IncarnatorConfig) -> Result<Self, ManagerError> {
        Self::spawn(config, None)
    }

    /// Makes a manager on a state directory: restores what it holds, and writes every change to it.
    ///
    /// With `relaunch`, what ought to run and has a restart policy is started again.
    ///
    /// # Errors
    ///
    /// Refuses a state that is newer or damaged as a whole, and a host that can't be examined.
    pub async fn open(
        config: IncarnatorConfig,
        mut store: StateStore,
        relaunch: bool,
    ) -> Result<(Self, RestoreOutcome), ManagerError> {
        let loaded = store.load()?;
        let manager = Self::spawn(config, Some(store))?;
        let outcome = manager.restore(loaded.snapshot, loaded.problems, Origin::Store { relaunch }).await?;
        Ok((manager, outcome))
    }

    fn spawn(config: IncarnatorConfig, store: Option<StateStore>) -> Result<Self, ManagerError> {
        let state_dir = config.state_dir.clone();
        let logs = Logs::start(state_dir.join("logs")).map_err(ManagerError::Host)?;
        let samples = store.as_ref().map(|_| SampleJournal::open(&state_dir)).transpose();
        let samples = samples.unwrap_or_else(|error| {
            tracing::warn!(%error, "samples are not kept: the journal can't be opened");
            None
        });
        let mut history: HashMap<WorkspaceId, VecDeque<WorkspaceStats>> = HashMap::new();
        let kept = store.as_ref().map(|_| samples::read_end(&state_dir)).unwrap_or_default();
        for point in kept.iter().filter(|point| point.span_ms == 0) {
            history.entry(point.workspace).or_default().push_back(WorkspaceStats::from(point));
        }
        let numbering = if store.is_some() { Numbering::open(&state_dir) } else { Numbering::fresh() };
        let incarnator = Arc::new(Incarnator::new(config).map_err(ManagerError::Host)?);
        let (jobs, inbox) = mpsc::channel(64);
        let (reports, report_inbox) = mpsc::unbounded_channel();
        let manager = Self { jobs };
        let lineage = Lineage::from_parts(clock::wall_ms(), clock::random_u80());
        let head = Head { lineage, serial: 0, journal_seq: 0, timestamp_ms: clock::wall_ms() };
        let core = Core {
            declared: Declared::new(ShipoteSnapshot::empty(head.lineage.clone(), 0, producer())),
            durable: Durable::new(store, head)?,
            incarnator,
            logs,
            live: HashMap::new(),
            ephemeral: HashMap::new(),
            last: HashMap::new(),
            history,
            lost: Vec::new(),
            events: VecDeque::new(),
            event_stream: broadcast::Sender::new(1024),
            detached: false,
            closing: false,
            numbering,
            ends: BTreeMap::new(),
            ends_written: Instant::now(),
            samples,
            reports,
            // Weak in effect: the task ends by `close`, not by the last handle.
            manager: manager.clone(),
            restored_problems: Vec::new(),
        };
        tokio::spawn(core.run(inbox, report_inbox));
        Ok(manager)
    }

    /// Runs `job` in the core's task and returns what it returns, once all that is declared by then is durable.
    pub(super) async fn ask<T, F>(&self, job: F) -> Result<T, ManagerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Core) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed = JobBox(Box::new(move |core| {
            let value = job(core);
            core.after(move |_, durable| {
                // Whoever asked may be gone; the effect stands all the same.
                let _ = reply.send(durable.map(|()| value));
            });
        }));
        self.jobs.send(boxed).await.map_err(|_| ManagerError::Closed)?;
        Ok(answer.await.map_err(|_| ManagerError::Closed)??)
    }

    /// Waits until the manager has ended, which it does only after [`Self::shutdown`], or by a defect.
    pub async fn gone(&self) {
        self.jobs.closed().await;
    }

    /// Tells whether what is declared differs from what was last saved or loaded.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn is_dirty(&self) -> Result<bool, ManagerError> {
        self.ask(|core| core.is_dirty()).await
    }

    /// Returns what is declared, with the newest samples of each workspace.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn snapshot(&self) -> Result<ShipoteSnapshot, ManagerError> {
        self.ask(|core| core.state()).await
    }

    /// Writes what is declared to `path` as `state.json`, unless nothing has changed since it was last written or
    /// read. Tells whether it wrote.
    ///
    /// # Errors
    ///
    /// Returns what failed; the file is then as it was.
    pub async fn save_snapshot(&self, path: &Path) -> Result<bool, ManagerError> {
        let path = path.to_owned();
        self.ask(move |core| core.save_to(&path)).await?
    }

    /// Replaces what is declared by what `path` holds, and starts again what ought to run.
    ///
    /// # Errors
    ///
    /// Refuses a file that is newer or unreadable as a document; it is not touched.
    pub async fn restore_snapshot(&self, path: &Path) -> Result<RestoreOutcome, ManagerError> {
        let bytes = std::fs::read(path).map_err(|source| StoreError::Io {
            path: path.to_owned(),
            step: "read",
            source: Arc::new(source),
        })?;
        let reading = shipote_snapshot::read(&bytes);
        let Some(snapshot) = reading.snapshot else {
            let (path, problems) = (path.to_owned(), reading.problems);
            return Err(match reading.version {
                Some(version) if reading.verdict == shipote_snapshot::Verdict::Newer => {
                    StoreError::Newer { path, version }.into()
                }
                _ => StoreError::Damaged { quarantined: path.clone(), path, problems }.into(),
            });
        };
        self.restore(Some(snapshot), reading.problems, Origin::File).await
    }
}

impl Core {
    async fn run(mut self, mut jobs: mpsc::Receiver<JobBox>, mut reports: mpsc::UnboundedReceiver<Report>) {
        let mut told = self.durable.take_told();
        while !(self.closing && self.live.is_empty()) {
            let counters_due = self.counters_due();
            tokio::select! {
                biased;
                told_now = told.recv(), if self.durable.is_kept() => match told_now {
                    Some(told) => self.on_told(told),
                    None => self.on_writer_gone(),
                },
                // Reports before jobs: whoever has seen a workspace end must find it ended here too.
                Some(report) = reports.recv() => {
                    self.on_report(report);
                    // All that wait are taken in together: a crash loop must cost one write, and no verb its turn.
                    while let Ok(report) = reports.try_recv() {
                        self.on_report(report);
                    }
                    self.flush_ends();
                    if let Ok(JobBox(job)) = jobs.try_recv() {
                        job(&mut self);
                    }
                }
                () = tokio::time::sleep(counters_due), if !self.ends.is_empty() => self.flush_units(),
                job = jobs.recv() => match job {
                    Some(JobBox(job)) => job(&mut self),
                    None => break,
                },
            }
        }
        // What the last actors said on their way out.
        while let Ok(report) = reports.try_recv() {
            self.on_report(report);
        }
        self.flush_units();
        if let Some(samples) = self.samples.take() {
            // Waits for the disk.
            let _ = tokio::task::spawn_blocking(move || samples.close()).await;
        }
        self.close_store(told).await;
        self.incarnator.tidy();
        jobs.close();
        while let Some(JobBox(job)) = jobs.recv().await {
            job(&mut self);
        }
    }

    /// Returns what is declared, with the newest samples of each workspace.
    fn state(&self) -> ShipoteSnapshot {
        self.declared.freeze(self.newest_samples()).snapshot(&self.durable.head())
    }

    fn save_to(&mut self, path: &Path) -> Result<bool, ManagerError> {
        if !self.is_dirty() && path.exists() {
            return Ok(false);
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        crate::host::store::write_durably(dir, path, &shipote_snapshot::render(&self.state()))?;
        self.mark_clean();
        Ok(true)
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Unit { workspace, id, counters, settled } => {
                if !self.ephemeral.contains_key(&workspace) && !self.closing {
                    let known = self.ends.entry(id).or_insert((counters, false));
                    *known = (counters, known.1 || settled);
                }
            }
            Report::Sample { workspace, stats } => self.take_sample(workspace, stats),
            Report::Event { workspace, kind, object, data } => {
                self.publish(&workspace.to_string(), kind, object, data);
            }
            Report::Ended { workspace, detail, unexpected } => {
                self.live.remove(&workspace);
                self.last.insert(workspace, *detail);
                if self.ephemeral.remove(&workspace).is_some() {
                    self.last.remove(&workspace);
                    self.history.remove(&workspace);
                    self.logs.remove(&workspace.to_string());
                }
                if unexpected && !self.closing {
                    let manager = self.manager.clone();
                    // The manager's own mailbox: this task must go on to read it.
                    tokio::spawn(async move { manager.relaunch_workspace(workspace).await });
                }
            }
        }
    }

    /// Writes at once that something has come to its end; where restart policies stand can wait a little.
    fn flush_ends(&mut self) {
        if self.ends.values().any(|(_, settled)| *settled)
            || (!self.ends.is_empty() && self.counters_due().is_zero())
        {
            self.flush_units();
        }
    }

    /// Returns how long counters may still wait.
    fn counters_due(&self) -> Duration {
        COUNTERS_EVERY.saturating_sub(self.ends_written.elapsed())
    }

    /// Remembers where restart policies stand, and what has come to its end.
    fn flush_units(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        self.ends_written = Instant::now();
        let mut draft = Draft::default();
        for (id, (counters, settled)) in ends {
            let desired = settled.then_some(Desired::Stopped);
            if let Some(entry) = self.declared.command(&id) {
                draft.edit(entry, |entry| {
                    (entry.counters, entry.desired) = (counters, desired.unwrap_or(entry.desired));
                });
            } else if let Some(entry) = self.declared.live_pipeline(&id) {
                draft.edit(entry, |entry| {
                    (entry.counters, entry.desired) = (counters, desired.unwrap_or(entry.desired));
                });
            }
        }
        if let Err(error) = self.commit(draft.done()) {
            tracing::error!(%error, "the end of a run is not remembered");
        }
    }

    fn take_sample(&mut self, workspace: WorkspaceId, stats: WorkspaceStats) {
        let samples = self.history.entry(workspace).or_default();
        samples.push_back(stats);
        if samples.len() > SAMPLES_KEPT {
            samples.pop_front();
        }
        let is_declared = !self.ephemeral.contains_key(&workspace);
        if let (Some(journal), Some(point), true) = (&mut self.samples, stats.point(workspace), is_declared) {
            journal.add(point);
        }
    }

    /// Tells everybody who listens, once what was declared so far is durable.
    pub(super) fn publish(&mut self, workspace: &str, kind: &str, object: String, data: serde_json::Value) {
        let (kind, workspace) = (kind.to_owned(), workspace.to_owned());
        let at_ms = clock::wall_ms();
        self.after(move |core, durable| {
            if durable.is_ok() {
                let seq = core.numbering.take();
                core.emit(Event { seq, at_ms, kind, workspace, object, data });
            }
        });
    }

    fn emit(&mut self, event: Event) {
        self.events.push_back(event.clone());
        if self.events.len() > EVENTS_KEPT {
            self.events.pop_front();
        }
        // Nobody listens: the ring keeps it for later.
        let _ = self.event_stream.send(event);
    }

    /// Returns the entry of a workspace, declared or not.
    pub(super) fn entry(&self, id: WorkspaceId) -> Option<&WorkspaceEntry> {
        self.declared.workspaces.get(&id).or_else(|| self.ephemeral.get(&id))
    }

    /// Finds the workspace that `name` means.
    pub(super) fn resolve_workspace(&self, name: &str) -> Result<WorkspaceId, ManagerError> {
        let mut exact = self.labelled(name);
        if let (Some(entry), None) = (exact.next(), exact.next()) {
            return Ok(entry.id);
        }
        let entries: Vec<&WorkspaceEntry> =
            self.declared.workspaces.iter().chain(self.ephemeral.values()).collect();
        let named: Vec<Named> = entries
            .iter()
            .map(|entry| Named {
                id: entry.id.to_string(),
                label: entry.spec.label.clone(),
                kind: "workspace",
                within: String::new(),
            })
            .collect();
        resolve(&named, name)
            .map(|index| entries[index].id)
            .map_err(|error| unresolved("workspace", name, error))
    }

    /// Returns the workspaces that have a label, declared or not.
    pub(super) fn labelled<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a WorkspaceEntry> {
        let ephemeral = self.ephemeral.values().filter(move |entry| entry.spec.label == label);
        self.declared.labelled(label).chain(ephemeral)
    }

    /// Returns the actor of a workspace, and makes it where there is none.
    pub(super) fn actor(&mut self, id: WorkspaceId) -> Result<WorkspaceHandle, ManagerError> {
        if let Some(handle) = self.live.get(&id) {
            return Ok(handle.clone());
        }
        if self.closing {
            return Err(ManagerError::Closed);
        }
        let ephemeral = self.ephemeral.contains_key(&id);
        let Some(entry) = self.entry(id) else { return Err(ManagerError::Closed) };
        let handle = start(message::Origin {
            id,
            spec: entry.spec.clone(),
            ephemeral,
            expires_at_ms: entry.expires_at_ms,
            incarnator: Arc::clone(&self.incarnator),
            logs: self.logs.clone(),
            reports: self.reports.clone(),
        });
        self.live.insert(id, handle.clone());
        Ok(handle)
    }

    /// Returns the handles of everything that is alive.
    pub(super) fn handles(&self) -> BTreeMap<WorkspaceId, WorkspaceHandle> {
        self.live.iter().map(|(id, handle)| (*id, handle.clone())).collect()
    }
}

/// Turns a name that means nothing into an error about a `kind` of thing.
pub(super) fn unresolved(kind: &'static str, name: &str, error: Unresolved) -> ManagerError {
    let name = name.to_owned();
    match error {
        Unresolved::NotFound { nearest } => ManagerError::NotFound { kind, name, nearest },
        Unresolved::Ambiguous(candidates) => ManagerError::Ambiguous { name, candidates },
    }
}
