//! Restoring what is declared, starting again what ought to run, and ending cleanly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shipote_card::{Problem, WorkspaceId};
use shipote_snapshot::{Change, Desired, EntityChange, ShipoteSnapshot, changes};

use crate::drive::declared::Declared;
use crate::drive::environment::daemon_as_caller;
use crate::drive::manager::{Core, ManagerError, Origin, RestoreOutcome, WorkspaceManager};
use crate::drive::message::Begin;
use crate::drive::unit::Unit;
use crate::host::clock;
use crate::view::WorkspaceStats;

/// Longest wait in milliseconds before something is started again after a restart of the daemon.
const LONGEST_RESUME_MS: u64 = 5 * 60_000;

/// Longest wait for processes that were killed.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A unit that is started again.
struct Relaunch {
    workspace: WorkspaceId,
    path: String,
    unit: Unit,
    delay_ms: u64,
}

impl WorkspaceManager {
    pub(in crate::drive) async fn restore(
        &self,
        snapshot: Option<ShipoteSnapshot>,
        problems: Vec<Problem>,
        origin: Origin,
    ) -> Result<RestoreOutcome, ManagerError> {
        let (mut outcome, relaunches) = self
            .ask(move |core| {
                let found = core.take_in(snapshot, origin)?;
                core.restored_problems.clone_from(&problems);
                let (workspaces_restored, saved_pipelines_restored) =
                    (core.declared.workspaces.len(), core.declared.saved_pipelines.len());
                let (lost, relaunches) = found;
                let live_pipelines = Vec::new();
                let outcome = RestoreOutcome {
                    workspaces_restored,
                    saved_pipelines_restored,
                    live_pipelines,
                    lost,
                    problems,
                };
                Ok::<_, ManagerError>((outcome, relaunches))
            })
            .await??;
        outcome.live_pipelines = self.relaunch(relaunches).await;
        Ok(outcome)
    }

    /// Starts units again; one that does not start keeps none of the others back.
    async fn relaunch(&self, relaunches: Vec<Relaunch>) -> Vec<String> {
        let caller = Arc::new(daemon_as_caller());
        let mut started = Vec::new();
        for Relaunch { workspace, path, mut unit, delay_ms } in relaunches {
            let handle = self
                .ask(move |core| {
                    core.open_lifetime(workspace)?;
                    core.detached = true;
                    core.actor(workspace)
                })
                .await;
            let Ok(Ok(handle)) = handle else {
                tracing::warn!(unit = %path, "not started again: its workspace can't be made");
                continue;
            };
            unit.caller = Arc::clone(&caller);
            match handle.start(unit, Begin::Resume(delay_ms)).await {
                Ok(()) => started.push(path),
                Err(failure) => tracing::warn!(unit = %path, ?failure, "not started again"),
            }
        }
        started
    }

    /// Starts again what ought to run in a workspace whose ws-init ended by itself.
    pub(in crate::drive) async fn relaunch_workspace(&self, workspace: WorkspaceId) {
        // A workspace that ends at once must not be made again without pause; what is wanted is asked after it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let relaunches = self
            .ask(move |core| {
                let all = core.relaunches();
                all.into_iter().filter(|relaunch| relaunch.workspace == workspace).collect::<Vec<_>>()
            })
            .await;
        self.relaunch(relaunches.unwrap_or_default()).await;
    }

    /// Ends everything and writes what is left to write. `hurry` cuts the grace short.
    ///
    /// # Errors
    ///
    /// Returns why the state could not be written.
    pub async fn shutdown(
        &self,
        grace: Duration,
        hurry: impl Future<Output = ()> + Send,
    ) -> Result<(), ManagerError> {
        let (handles, logs) = self
            .ask(|core| {
                core.closing = true;
                (core.handles(), core.logs.clone())
            })
            .await?;
        let ended = |kill: bool| {
            let handles: Vec<_> = handles.values().cloned().collect();
            async move {
                let mut ends = tokio::task::JoinSet::new();
                for handle in handles {
                    ends.spawn(async move { handle.end(kill).await });
                }
                ends.join_all().await;
            }
        };
        let in_time = tokio::select! {
            () = ended(false) => true,
            () = tokio::time::sleep(grace) => false,
            () = hurry => false,
        };
        if !in_time {
            // What is left after that ends with the daemon's sockets, and with the next daemon's sweep.
            let _ = tokio::time::timeout(LAST_WAIT, ended(true)).await;
        }
        // The core ends when the last actor has reported, and takes no more jobs once the state is folded and closed and
        // samples are written. An actor that is left keeps it from ending.
        let _ = tokio::time::timeout(LAST_WAIT, self.gone()).await;
        // A thread that panicked has nothing to flush.
        let _ = tokio::task::spawn_blocking(move || logs.flush()).await;
        Ok(())
    }
}

impl Core {
    /// Takes a state in as what is declared. Returns what ran without a restart policy, and what to start again.
    fn take_in(
        &mut self,
        snapshot: Option<ShipoteSnapshot>,
        origin: Origin,
    ) -> Result<(Vec<String>, Vec<Relaunch>), ManagerError> {
        let Some(mut snapshot) = snapshot else { return Ok((Vec::new(), Vec::new())) };
        let mut known: HashMap<_, _> = std::mem::take(&mut self.history);
        for entry in &mut snapshot.workspaces {
            let persisted = std::mem::take(&mut entry.stats_history);
            // The journal of samples tells more than the state does; of what is not declared, it is of no use here.
            let samples = known.remove(&entry.id).unwrap_or_default();
            let samples = if samples.is_empty() {
                persisted.iter().map(WorkspaceStats::from).collect()
            } else {
                samples
            };
            self.history.insert(entry.id, samples);
        }
        match origin {
            Origin::File if self.durable.is_kept() => self.replace_by(&snapshot)?,
            Origin::File | Origin::Store { .. } => self.declared = Declared::new(snapshot),
        }
        self.mark_clean();
        if origin == (Origin::Store { relaunch: false }) {
            return Ok((Vec::new(), Vec::new()));
        }
        let lost = self.find_lost();
        self.lost = lost.iter().map(|(id, _)| id.clone()).collect();
        if !lost.is_empty() {
            let ids = self.lost.clone();
            let marked = self.lost.clone();
            self.set_desired(&ids, Desired::Stopped)?;
            // Told as lost until somebody starts it again.
            self.lost = marked;
        }
        Ok((lost.into_iter().map(|(_, path)| path).collect(), self.relaunches()))
    }

    /// Makes what is declared the same as `snapshot`, by a change like any other.
    fn replace_by(&mut self, snapshot: &ShipoteSnapshot) -> Result<(), ManagerError> {
        let present = self.declared.freeze(HashMap::new()).snapshot(&self.durable.head());
        let change =
            changes(&present, snapshot).into_iter().fold(Change::new(), |all, change| match change {
                EntityChange::Put(entity) => all.put(entity),
                EntityChange::Remove(collection, key) => all.remove(collection, key),
            });
        self.commit(change)
    }

    /// Returns what ran when the daemon ended, and nobody starts again, as (id, path).
    fn find_lost(&self) -> Vec<(String, String)> {
        let commands = self
            .declared
            .commands
            .iter()
            .filter(|entry| entry.desired == Desired::Running && entry.spec.restart().is_none())
            .map(|entry| (entry.id.to_string(), self.path(entry.workspace, &entry.spec.label)));
        let pipelines = self
            .declared
            .live_pipelines
            .iter()
            .filter(|entry| entry.desired == Desired::Running && !entry.spec.restart_on_failure)
            .map(|entry| (entry.id.to_string(), self.path(entry.workspace, &entry.spec.label)));
        commands.chain(pipelines).collect()
    }

    fn relaunches(&self) -> Vec<Relaunch> {
        let wall_ms = clock::wall_ms();
        let commands = self
            .declared
            .commands
            .iter()
            .filter(|entry| entry.desired == Desired::Running && entry.spec.restart().is_some())
            .map(|entry| {
                (entry.workspace, entry.id.to_string(), &entry.spec.label, entry.counters.next_at_ms)
            });
        let pipelines = self
            .declared
            .live_pipelines
            .iter()
            .filter(|entry| entry.desired == Desired::Running && entry.spec.restart_on_failure)
            .map(|entry| {
                (entry.workspace, entry.id.to_string(), &entry.spec.label, entry.counters.next_at_ms)
            });
        commands
            .chain(pipelines)
            .filter(|(workspace, ..)| {
                let expiry = self.entry(*workspace).and_then(|entry| entry.expires_at_ms);
                self.entry(*workspace).is_some() && expiry.is_none_or(|at| wall_ms < at)
            })
            .filter_map(|(workspace, id, label, next_at_ms)| {
                Some(Relaunch {
                    workspace,
                    path: self.path(workspace, label),
                    unit: self.declared_unit(&id, None)?,
                    // A clock that was set back must not make it wait for years.
                    delay_ms: next_at_ms.map_or(0, |at| at.saturating_sub(wall_ms).min(LONGEST_RESUME_MS)),
                })
            })
            .collect()
    }

    fn path(&self, workspace: WorkspaceId, label: &str) -> String {
        let workspace = self.entry(workspace).map_or("?", |entry| entry.spec.label.as_str());
        format!("{workspace}/{label}")
    }
}
