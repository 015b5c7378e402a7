//! What can be told without a daemon: the declared things, read from the state directory.
//!
//! Nothing runs when no daemon does, so every phase in here is one of rest.

use std::path::PathBuf;

use shipote_card::{CommandRef, EdgeId, Payload, PipelineSpec, RestartOn, WorkspaceId};
use shipote_runtime::WorkspaceStats;
use shipote_runtime::decide::names::{Named, Unresolved, resolve};
use shipote_runtime::drive::manager::SAMPLES_KEPT;
use shipote_runtime::host::samples;
use shipote_runtime::view::{
    CommandView, EdgeView, Exit, NodeView, PipelineView, SavedPipelineView, UnitPhase, WorkspaceDetail,
    WorkspacePhase, WorkspaceView,
};
use shipote_snapshot::{
    CommandEntry, Counters, Desired, LivePipelineEntry, PersistedStats, ShipoteSnapshot, WorkspaceEntry,
};

use crate::exit::{Code, Failure};
use crate::hints;
use crate::place::Place;
use crate::state_files::StateFiles;
use crate::wire::StatsAnswer;

/// The state at rest.
#[derive(Debug)]
pub struct Offline {
    state_dir: PathBuf,
    snapshot: Option<ShipoteSnapshot>,
    now_ms: u64,
}

impl Offline {
    /// Reads the state directory; one without a state is an empty one.
    ///
    /// # Errors
    ///
    /// Fails where the state is newer than this program, or can't be read.
    pub fn read(place: &Place, now_ms: u64) -> Result<Self, Failure> {
        let files = StateFiles::of_directory(&place.state_dir)?;
        let snapshot = if files.is_empty() { None } else { Some(files.state()?.0) };
        Ok(Self { state_dir: place.state_dir.clone(), snapshot, now_ms })
    }

    fn workspace_entries(&self) -> &[WorkspaceEntry] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.workspaces)
    }

    fn command_entries(&self) -> &[CommandEntry] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.commands)
    }

    fn pipeline_entries(&self) -> &[LivePipelineEntry] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.live_pipelines)
    }

    /// Returns the workspaces.
    #[must_use]
    pub fn workspaces(&self) -> Vec<WorkspaceView> {
        self.workspace_entries().iter().map(|entry| self.workspace_view(entry)).collect()
    }

    /// Returns a workspace with what is in it.
    ///
    /// # Errors
    ///
    /// Fails where the name means none, or several.
    pub fn workspace(&self, name: &str) -> Result<WorkspaceDetail, Failure> {
        let entries = self.workspace_entries();
        let all: Vec<Named> =
            entries.iter().map(|entry| named(&entry.id, &entry.spec.label, "workspace", "")).collect();
        let entry = &entries[find("workspace", &all, name)?];
        Ok(WorkspaceDetail {
            workspace: self.workspace_view(entry),
            commands: self
                .command_entries()
                .iter()
                .filter(|command| command.workspace == entry.id)
                .map(|command| self.command_view(command))
                .collect(),
            pipelines: self
                .pipeline_entries()
                .iter()
                .filter(|pipeline| pipeline.workspace == entry.id)
                .map(|pipeline| self.pipeline_view(pipeline))
                .collect(),
        })
    }

    /// Returns the rows of `ps -a`.
    #[must_use]
    pub fn commands(&self) -> Vec<CommandView> {
        let mut rows: Vec<CommandView> =
            self.command_entries().iter().map(|entry| self.command_view(entry)).collect();
        for entry in self.pipeline_entries() {
            let phase = rest(entry.desired, entry.spec.restart_on_failure);
            rows.extend(entry.spec.nodes.iter().map(|node| CommandView {
                id: entry.id.to_string(),
                label: format!("{}/{}", entry.spec.label, node.label),
                kind: "node".to_owned(),
                // The last end that is kept is the pipeline's.
                exit: None,
                ..self.unit_row(node, entry.workspace, phase, entry.desired, &entry.counters)
            }));
        }
        rows
    }

    /// Returns the live pipelines.
    #[must_use]
    pub fn pipelines(&self) -> Vec<PipelineView> {
        self.pipeline_entries().iter().map(|entry| self.pipeline_view(entry)).collect()
    }

    /// Returns one live pipeline.
    ///
    /// # Errors
    ///
    /// Fails where the name means none, or several.
    pub fn pipeline(&self, name: &str) -> Result<PipelineView, Failure> {
        let mut views = self.pipelines();
        let (workspace, label) = name.split_once('/').unwrap_or(("", name));
        views.retain(|view| {
            workspace.is_empty() || view.workspace == workspace || view.workspace_id.to_string() == workspace
        });
        let all: Vec<Named> =
            views.iter().map(|view| named(&view.id, &view.label, "pipeline", &view.workspace)).collect();
        find("live pipeline", &all, label).map(|at| views.swap_remove(at))
    }

    /// Returns the saved pipelines.
    #[must_use]
    pub fn saved(&self) -> Vec<SavedPipelineView> {
        let entries = self.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.saved_pipelines);
        entries
            .iter()
            .map(|entry| SavedPipelineView { name: entry.name.clone(), spec: entry.spec.clone() })
            .collect()
    }

    /// Returns a workspace with its kept samples: those of the journal, before them what the state itself holds; or all
    /// that the journal has of the last `last_ms` milliseconds.
    ///
    /// # Errors
    ///
    /// Fails where the name means none, or several.
    pub fn stats(&self, name: &str, last_ms: Option<u64>) -> Result<StatsAnswer, Failure> {
        let workspace = self.workspace(name)?.workspace;
        let history = self.histories(&[workspace.id], last_ms).pop().unwrap_or_default();
        Ok(StatsAnswer { workspace, history })
    }

    /// Returns every workspace, as [`stats`](Self::stats) does.
    #[must_use]
    pub fn stats_of_all(&self, last_ms: Option<u64>) -> Vec<StatsAnswer> {
        let views = self.workspaces();
        let ids: Vec<WorkspaceId> = views.iter().map(|view| view.id).collect();
        let histories = self.histories(&ids, last_ms);
        views
            .into_iter()
            .zip(histories)
            .map(|(workspace, history)| StatsAnswer { workspace, history })
            .collect()
    }

    fn histories(&self, ids: &[WorkspaceId], last_ms: Option<u64>) -> Vec<Vec<WorkspaceStats>> {
        let from_ms = self.now_ms.saturating_sub(last_ms.unwrap_or(self.now_ms));
        let kept = samples::read(&self.state_dir, from_ms);
        let of = |id: &WorkspaceId| {
            let points = kept.iter().filter(|point| point.workspace == *id);
            if last_ms.is_some() {
                return points.map(WorkspaceStats::from).collect();
            }
            let mut newest: Vec<_> =
                points.filter(|point| point.span_ms == 0).map(WorkspaceStats::from).collect();
            newest.drain(..newest.len().saturating_sub(SAMPLES_KEPT));
            let entry = self.workspace_entries().iter().find(|entry| entry.id == *id);
            joined(entry.map_or(&[], |entry| &entry.stats_history), newest)
        };
        ids.iter().map(of).collect()
    }

    fn workspace_view(&self, entry: &WorkspaceEntry) -> WorkspaceView {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let is_expired = entry.expires_at_ms.is_some_and(|end| end <= self.now_ms);
        WorkspaceView {
            id: entry.id,
            label: entry.spec.label.clone(),
            phase: if is_expired { WorkspacePhase::Expired } else { WorkspacePhase::Declared },
            spec: entry.spec.clone(),
            ephemeral: false,
            started_at_ms: None,
            expires_at_ms: entry.expires_at_ms,
            processes_alive: 0,
            commands: count(
                self.command_entries().iter().filter(|command| command.workspace == entry.id).count(),
            ),
            pipelines: count(
                self.pipeline_entries().iter().filter(|pipeline| pipeline.workspace == entry.id).count(),
            ),
            stats: None,
            effective: Vec::new(),
        }
    }

    fn command_view(&self, entry: &CommandEntry) -> CommandView {
        let phase = match rest(entry.desired, entry.spec.restart().is_some()) {
            UnitPhase::Stopped => ended(&entry.spec, &entry.counters),
            phase => phase,
        };
        CommandView {
            id: entry.id.to_string(),
            ..self.unit_row(&entry.spec, entry.workspace, phase, entry.desired, &entry.counters)
        }
    }

    fn unit_row(
        &self,
        spec: &CommandRef,
        workspace: WorkspaceId,
        phase: UnitPhase,
        desired: Desired,
        counters: &Counters,
    ) -> CommandView {
        CommandView {
            id: String::new(),
            label: spec.label.clone(),
            kind: "command".to_owned(),
            workspace: self.label_of(workspace),
            workspace_id: workspace,
            phase,
            desired,
            pid: None,
            restarts: counters.restarts,
            next_at_ms: counters.next_at_ms,
            started_at_ms: None,
            exit: counters
                .last_exit
                .map(|exit| Exit { code: exit.code.map(i32::from), signal: exit.signal.map(i32::from) }),
            failure: None,
            argv: argv(&spec.payload),
            cpu_usec: None,
            rss_bytes: None,
        }
    }

    fn pipeline_view(&self, entry: &LivePipelineEntry) -> PipelineView {
        let phase = rest(entry.desired, entry.spec.restart_on_failure);
        PipelineView {
            id: entry.id,
            label: entry.spec.label.clone(),
            workspace: self.label_of(entry.workspace),
            workspace_id: entry.workspace,
            phase,
            desired: entry.desired,
            verdict: None,
            cause: None,
            epoch: 0,
            restarts: entry.counters.restarts,
            next_at_ms: entry.counters.next_at_ms,
            started_at_ms: None,
            ended_at_ms: None,
            nodes: entry.spec.nodes.iter().map(|node| node_view(node, phase)).collect(),
            edges: edge_views(entry),
        }
    }

    fn label_of(&self, id: WorkspaceId) -> String {
        let entry = self.workspace_entries().iter().find(|entry| entry.id == id);
        entry.map_or_else(|| id.to_string(), |entry| entry.spec.label.clone())
    }
}

/// The phase of something while no daemon runs.
const fn rest(desired: Desired, has_policy: bool) -> UnitPhase {
    match (desired, has_policy) {
        (Desired::Stopped, _) => UnitPhase::Stopped,
        (Desired::Running, true) => UnitPhase::Declared,
        (Desired::Running, false) => UnitPhase::Lost,
    }
}

/// The phase of a command that is not wanted to run, by how it ended: by itself, or because it was asked to.
fn ended(spec: &CommandRef, counters: &Counters) -> UnitPhase {
    let restarts_always = spec.restart().is_some_and(|policy| policy.on == RestartOn::Always);
    let Some(exit) = counters.last_exit.filter(|_| !restarts_always) else { return UnitPhase::Stopped };
    match exit.code {
        Some(code) if spec.success_codes.contains(&code) => UnitPhase::Done,
        Some(_) => UnitPhase::Failed,
        // A signal may be the stop that was asked for.
        None => UnitPhase::Stopped,
    }
}

fn node_view(node: &CommandRef, phase: UnitPhase) -> NodeView {
    NodeView {
        label: node.label.clone(),
        argv: argv(&node.payload),
        phase,
        pid: None,
        verdict: None,
        exit: None,
        failure: None,
        input_truncated: false,
        cpu_usec: None,
        rss_peak_bytes: None,
    }
}

fn edge_views(entry: &LivePipelineEntry) -> Vec<EdgeView> {
    let spec: &PipelineSpec = &entry.spec;
    spec.edges
        .iter()
        .zip(1_u128..)
        .map(|(edge, number)| EdgeView {
            // Edges get their ids with a run; these only tell them apart.
            id: EdgeId::from_parts(entry.id.timestamp_ms(), number),
            from: edge.from.clone(),
            to: edge.to.clone(),
            bytes: None,
            bytes_estimate: None,
            tap: spec.tap_of(edge),
            discern: None,
            declared: None,
            mismatch: false,
        })
        .collect()
}

fn argv(payload: &Payload) -> Vec<String> {
    match payload {
        Payload::Native { exec, argv, .. } => std::iter::once(exec).chain(argv).cloned().collect(),
        Payload::Shell { script } => vec!["sh".to_owned(), "-c".to_owned(), script.clone()],
    }
}

/// Puts the samples of the state before those of the journal, which has the newest of them too.
fn joined(persisted: &[PersistedStats], journal: Vec<WorkspaceStats>) -> Vec<WorkspaceStats> {
    let first = journal.first().and_then(|stats| stats.at_ms);
    let earlier =
        persisted.iter().filter(|stats| first.is_none_or(|first| stats.at_ms.is_none_or(|at| at < first)));
    earlier.map(WorkspaceStats::from).chain(journal).collect()
}

/// Returns something as it can be named; `within` is the label of its workspace.
pub fn named(id: &dyn ToString, label: &str, kind: &'static str, within: &str) -> Named {
    Named { id: id.to_string(), label: label.to_owned(), kind, within: within.to_owned() }
}

/// Returns the position of what a name means.
///
/// # Errors
///
/// Fails where it means nothing, or several things.
pub fn find(kind: &str, all: &[Named], name: &str) -> Result<usize, Failure> {
    resolve(all, name).map_err(|unresolved| match unresolved {
        Unresolved::NotFound { nearest } => {
            let failure = Failure::new(Code::NotFound, format!("no {kind} is called `{name}`"));
            match nearest {
                Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
                None => failure.hint("shipote ws ls and shipote ps -a list what there is"),
            }
        }
        Unresolved::Ambiguous(candidates) => {
            let mut failure = Failure::new(
                Code::Ambiguous,
                format!("`{name}` could be any of {} ({kind})", candidates.len()),
            )
            .hint(hints::of_ambiguity(&candidates));
            failure.candidates = candidates;
            failure
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_follows_what_the_state_holds_of_earlier_moments() {
        let persisted = |at_ms| PersistedStats {
            at_ms,
            commands_alive: 1,
            commands_total: 1,
            rss_bytes: None,
            rss_peak_bytes: None,
            cpu_usec: None,
            cpu_percent: None,
            cpu_cores: 2,
            uptime_ms: 5,
        };
        let state = [persisted(None), persisted(Some(10)), persisted(Some(20))];
        let moments = |journal: &[u64]| {
            let journal = journal.iter().map(|at| WorkspaceStats::from(&persisted(Some(*at)))).collect();
            joined(&state, journal).iter().map(|stats| stats.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(moments(&[20, 30]), [None, Some(10), Some(20), Some(30)]);
        assert_eq!(moments(&[]), [None, Some(10), Some(20)]);
    }
}
