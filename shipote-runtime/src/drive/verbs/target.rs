//! Targets: what a name such as `ws/command` means, and the verbs that act on it.

use std::sync::Arc;

use shipote_card::WorkspaceId;
use shipote_snapshot::Desired;

use crate::decide::names::{Named, resolve};
use crate::drive::declared::Draft;
use crate::drive::manager::{Core, ErrorKind, ManagerError, WorkspaceManager, unresolved};
use crate::drive::message::{Action, Begin, WorkspaceHandle};
use crate::drive::session::Caller;
use crate::drive::unit::{Kind, Unit, idle_unit};
use crate::view::UnitPhase;

/// What a name means.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) workspace: WorkspaceId,
    pub(super) workspace_label: String,
    /// Units of the workspace as (id, label): the one that was named, or all of them.
    pub(super) units: Vec<(String, String)>,
    /// Whether the workspace itself was named.
    pub(super) whole: bool,
    /// The node of a pipeline that was named.
    pub(super) node: Option<String>,
}

impl Target {
    /// Returns what is meant, as label paths.
    fn paths(&self) -> Vec<String> {
        if self.whole {
            return vec![self.workspace_label.clone()];
        }
        let node = self.node.as_ref().map_or_else(String::new, |node| format!("/{node}"));
        self.units.iter().map(|(_, label)| format!("{}/{label}{node}", self.workspace_label)).collect()
    }

    /// Refuses a node, which starts and stops with its pipeline.
    fn whole_units(self) -> Result<Self, ManagerError> {
        match (&self.node, self.units.first()) {
            (Some(node), Some((_, label))) => Err(ManagerError::Conflict(format!(
                "`{node}` is a node of the pipeline `{}/{label}`, and starts and stops with it",
                self.workspace_label
            ))),
            _ => Ok(self),
        }
    }
}

impl Core {
    /// Finds what `name` means: a workspace, `workspace/unit[/node]`, or a unit.
    pub(super) fn resolve_target(&self, name: &str) -> Result<Target, ManagerError> {
        if let Some((workspace, rest)) = name.split_once('/') {
            let workspace = self.resolve_workspace(workspace)?;
            let (unit, node) = rest.split_once('/').map_or((rest, None), |(unit, node)| (unit, Some(node)));
            let units = self.units_of(workspace);
            let found = resolve(&self.named(workspace, &units), unit)
                .map_err(|error| unresolved("command or pipeline", name, error))?;
            let mut target = self.target(workspace, vec![units[found].clone()], false);
            if let Some(node) = node {
                target.node = Some(self.node_of(&units[found].0, node, name)?);
            }
            return Ok(target);
        }
        match self.resolve_workspace(name) {
            Ok(workspace) => Ok(self.target(workspace, self.units_of(workspace), true)),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Err(_) => {
                let all: Vec<(WorkspaceId, (String, String))> = self
                    .declared
                    .workspaces
                    .iter()
                    .flat_map(|entry| self.units_of(entry.id).into_iter().map(|unit| (entry.id, unit)))
                    .collect();
                let named: Vec<Named> = all
                    .iter()
                    .flat_map(|(workspace, unit)| self.named(*workspace, std::slice::from_ref(unit)))
                    .collect();
                let kind = "workspace, command or pipeline";
                let found = resolve(&named, name).map_err(|error| unresolved(kind, name, error))?;
                let (workspace, unit) = all[found].clone();
                Ok(self.target(workspace, vec![unit], false))
            }
        }
    }

    /// Returns units of a workspace as they can be named.
    fn named(&self, workspace: WorkspaceId, units: &[(String, String)]) -> Vec<Named> {
        let within = self.entry(workspace).map_or("", |entry| &entry.spec.label);
        let kind = |id: &str| if self.declared.live_pipeline(id).is_some() { "pipeline" } else { "command" };
        units.iter().map(|(id, label)| named(id, label, kind(id), within)).collect()
    }

    fn target(&self, workspace: WorkspaceId, units: Vec<(String, String)>, whole: bool) -> Target {
        let workspace_label =
            self.entry(workspace).map_or_else(String::new, |entry| entry.spec.label.clone());
        Target { workspace, workspace_label, units, whole, node: None }
    }

    /// Finds a node of a live pipeline by its label.
    fn node_of(&self, pipeline: &str, node: &str, name: &str) -> Result<String, ManagerError> {
        let entry = self.declared.live_pipeline(pipeline);
        let labels =
            entry.iter().flat_map(|entry| &entry.spec.nodes).map(|node| named("", &node.label, "node", ""));
        let labels: Vec<Named> = labels.collect();
        let found = resolve(&labels, node).map_err(|error| unresolved("node", name, error))?;
        Ok(labels[found].label.clone())
    }

    /// Returns the declared units of a workspace as (id, label).
    pub(super) fn units_of(&self, workspace: WorkspaceId) -> Vec<(String, String)> {
        let commands = self.declared.commands_in(workspace);
        let pipelines = self.declared.pipelines_in(workspace);
        commands
            .map(|entry| (entry.id.to_string(), entry.spec.label.clone()))
            .chain(pipelines.map(|entry| (entry.id.to_string(), entry.spec.label.clone())))
            .collect()
    }

    /// Makes a unit out of what is declared; none where nothing is.
    pub(super) fn declared_unit(&self, id: &str, phase: Option<UnitPhase>) -> Option<Unit> {
        if let Some(entry) = self.declared.command(id) {
            let kind = Kind::Command { spec: Box::new(entry.spec.clone()), declared: true };
            return Some(idle_unit(id.to_owned(), kind, entry.desired, entry.counters, phase));
        }
        let entry = self.declared.live_pipeline(id)?;
        let kind = super::run::pipeline_kind(entry.spec.clone(), entry.tap);
        Some(idle_unit(id.to_owned(), kind, entry.desired, entry.counters, phase))
    }

    /// Remembers what the user wants of units.
    pub(super) fn set_desired(&mut self, ids: &[String], desired: Desired) -> Result<(), ManagerError> {
        let mut draft = Draft::default();
        for id in ids {
            if let Some(entry) = self.declared.command(id) {
                draft.edit(entry, |entry| {
                    (entry.desired, entry.counters.next_at_ms) = (desired, None);
                });
            } else if let Some(entry) = self.declared.live_pipeline(id) {
                draft.edit(entry, |entry| {
                    (entry.desired, entry.counters.next_at_ms) = (desired, None);
                });
            }
        }
        self.lost.retain(|id| !ids.contains(id));
        self.commit(draft.done())
    }
}

fn named(id: &str, label: &str, kind: &'static str, within: &str) -> Named {
    Named { id: id.to_owned(), label: label.to_owned(), kind, within: within.to_owned() }
}

/// A unit to act on.
struct Work {
    id: String,
    label: String,
    /// Made anew where the actor does not know it yet.
    unit: Option<Unit>,
}

impl WorkspaceManager {
    /// Returns what `name` means, as label paths.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing, or several things.
    pub async fn means(&self, name: &str) -> Result<Vec<String>, ManagerError> {
        Ok(self.target(name).await?.paths())
    }

    /// Finds what `name` means: what is declared, or else a command that merely runs.
    pub(super) async fn target(&self, name: &str) -> Result<Target, ManagerError> {
        let asked = name.to_owned();
        let found = self.ask(move |core| core.resolve_target(&asked)).await?;
        let is_found = match &found {
            Ok(target) => !(target.whole && target.units.is_empty()),
            Err(error) => error.kind() != ErrorKind::NotFound,
        };
        if is_found {
            return found;
        }
        // What `run` and `exec` have started is known to its workspace alone.
        let (workspace, unit) = name.split_once('/').unwrap_or((name, ""));
        let Ok(detail) = self.show(workspace).await else { return found };
        let rows = detail.commands.into_iter().filter(|row| row.kind == "exec");
        let mut units: Vec<(String, String)> = rows.map(|row| (row.id, row.label)).collect();
        if !unit.is_empty() {
            let rows: Vec<Named> =
                units.iter().map(|(id, label)| named(id, label, "command", workspace)).collect();
            let Ok(only) = resolve(&rows, unit) else { return found };
            units = vec![units.swap_remove(only)];
        }
        let view = detail.workspace;
        let whole = unit.is_empty();
        Ok(Target { workspace: view.id, workspace_label: view.label, units, whole, node: None })
    }

    /// Starts what `name` means, and keeps it running by its policy. Returns the label paths.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing, and returns why something did not start.
    pub async fn start(&self, name: &str, caller: Caller) -> Result<Vec<String>, ManagerError> {
        self.begin(name, caller, Begin::Start).await
    }

    /// Ends the present run of what `name` means and starts a new one.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing, and returns why something did not start.
    pub async fn restart(&self, name: &str, caller: Caller) -> Result<Vec<String>, ManagerError> {
        self.begin(name, caller, Begin::Restart).await
    }

    async fn begin(&self, name: &str, caller: Caller, begin: Begin) -> Result<Vec<String>, ManagerError> {
        let target = self.target(name).await?.whole_units()?;
        let (handle, work) = self.prepare(target, Some(Desired::Running), true).await?;
        let Some(handle) = handle else { return Ok(Vec::new()) };
        let caller = Arc::new(caller);
        let mut labels = Vec::new();
        for Work { label, unit, .. } in work {
            if let Some(mut unit) = unit {
                unit.caller = Arc::clone(&caller);
                handle.start(unit, begin).await?;
            }
            labels.push(label);
        }
        Ok(labels)
    }

    /// Stops what `name` means, and keeps it stopped. Answers when nothing of it is alive.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn stop(&self, name: &str) -> Result<Vec<String>, ManagerError> {
        let target = self.target(name).await?.whole_units()?;
        if target.whole {
            return self.stop_workspace(name, false).await.map(|view| vec![view.label]);
        }
        let (handle, work) = self.prepare(target, Some(Desired::Stopped), false).await?;
        let mut labels = Vec::new();
        for Work { id, label, .. } in work {
            if let Some(handle) = &handle {
                // A unit that the actor does not know is not running.
                let _ = handle.act(&id, Action::Stop { kill: false }).await;
            }
            labels.push(label);
        }
        Ok(labels)
    }

    /// Sends a signal to the main processes of what `name` means, which may be one node of a pipeline; SIGKILL to a
    /// command, a pipeline or a workspace ends everything of it.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn kill(&self, name: &str, signal: i32) -> Result<Vec<String>, ManagerError> {
        let target = self.target(name).await?;
        let node = target.node.clone();
        let (handle, work) = self.prepare(target, None, false).await?;
        let Some(handle) = handle else { return Ok(Vec::new()) };
        let mut labels = Vec::new();
        for Work { id, mut label, .. } in work {
            if handle.act(&id, Action::Signal { signal, node: node.clone() }).await.is_ok() {
                if let Some(node) = &node {
                    label = format!("{label}/{node}");
                }
                labels.push(label);
            }
        }
        Ok(labels)
    }

    /// Remembers what is wanted of the units of a target, and gets their workspace's actor.
    async fn prepare(
        &self,
        target: Target,
        desired: Option<Desired>,
        revive: bool,
    ) -> Result<(Option<WorkspaceHandle>, Vec<Work>), ManagerError> {
        self.ask(move |core| {
            let ids: Vec<String> = target.units.iter().map(|(id, _)| id.clone()).collect();
            if revive {
                core.open_lifetime(target.workspace)?;
            }
            if let Some(desired) = desired {
                core.set_desired(&ids, desired)?;
            }
            let work = target.units.iter().map(|(id, label)| Work {
                id: id.clone(),
                label: format!("{}/{label}", target.workspace_label),
                unit: core.declared_unit(id, None),
            });
            let work = work.collect();
            let handle = if revive && !ids.is_empty() {
                Some(core.actor(target.workspace)?)
            } else {
                core.live.get(&target.workspace).cloned()
            };
            Ok((handle, work))
        })
        .await?
    }
}
