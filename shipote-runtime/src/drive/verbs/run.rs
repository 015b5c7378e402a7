//! Running: cards, pipelines and single commands, with or without a client that looks on.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shipote_card::{
    Card, CommandId, CommandRef, EdgeId, PipelineId, PipelineSpec, WorkspaceId, WorkspaceSpec, differences,
};
use shipote_snapshot::{Collection, CommandEntry, Counters, Desired, LivePipelineEntry, WorkspaceEntry};
use tokio::sync::mpsc;

use super::workspace::{end, judge, new_workspace_id};
use crate::drive::declared::Draft;
use crate::drive::follow::{Followed, run_session, settled};
use crate::drive::manager::{Core, ManagerError, WorkspaceManager};
use crate::drive::message::{Begin, StartFailure, WorkspaceHandle};
use crate::drive::session::{Caller, FRAMES_IN_FLIGHT, Frame, Input, Session};
use crate::drive::unit::{Attachment, Kind, Unit, idle_unit};
use crate::host::clock;
use crate::view::{CommandView, PipelineView, WorkspaceView};

/// A card to be made true.
#[derive(Debug, Clone)]
pub struct UpRequest {
    /// The card.
    pub card: Card,
    /// Who asks.
    pub caller: Caller,
    /// Whether what runs under the same label is replaced.
    pub replace: bool,
    /// Whether the client looks on; what it looks on at ends with it.
    pub attach: bool,
}

/// What became of a card.
#[derive(Debug)]
pub struct UpOutcome {
    /// Its workspace.
    pub workspace: WorkspaceView,
    /// Whether the workspace is new.
    pub created: bool,
    /// What differs from what was declared before, one line each.
    pub changes: Vec<String>,
    /// The connection to what runs, for a client that looks on.
    pub session: Option<Session>,
}

/// A pipeline to run.
#[derive(Debug, Clone, Default)]
pub struct RunPipeline {
    /// The workspace to run it in; where none is given, the one that the pipeline names.
    pub workspace: Option<String>,
    /// The pipeline itself.
    pub spec: Option<PipelineSpec>,
    /// Or the name of a saved one.
    pub saved: Option<String>,
    /// Who asks.
    pub caller: Caller,
    /// Whether one that runs under the same label is replaced.
    pub replace: bool,
    /// Whether every edge is tapped.
    pub tap: bool,
    /// Whether the client looks on.
    pub attach: bool,
}

/// What became of a pipeline.
#[derive(Debug)]
pub struct RunOutcome {
    /// The pipeline.
    pub pipeline: PipelineView,
    /// The connection to it, for a client that looks on.
    pub session: Option<Session>,
}

/// Where a single command runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecTarget {
    /// In a declared workspace, beside what is declared in it.
    Workspace(String),
    /// In a workspace that ends with it and is not declared.
    Ephemeral(WorkspaceSpec),
    /// In a workspace that is declared for it.
    Declared(WorkspaceSpec),
}

/// A single command to run.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// Where.
    pub target: ExecTarget,
    /// What.
    pub command: CommandRef,
    /// Who asks.
    pub caller: Caller,
    /// Whether the client sends its stdin.
    pub stdin: bool,
    /// Longest run in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether it goes on without the client.
    pub detach: bool,
}

/// What became of a command.
#[derive(Debug)]
pub struct ExecOutcome {
    /// Its workspace.
    pub workspace: WorkspaceView,
    /// The command.
    pub command: CommandView,
    /// The connection to it, unless it is detached.
    pub session: Option<Session>,
}

/// The daemon's end of a session that has not begun.
struct Wires {
    frames: mpsc::Sender<Frame>,
    input: mpsc::Receiver<Input>,
}

fn session() -> (Session, Wires, Attachment) {
    let (frames, frame_receiver) = mpsc::channel(FRAMES_IN_FLIGHT);
    let (input_sender, input) = mpsc::channel(FRAMES_IN_FLIGHT);
    let attachment = Attachment { frames: frames.clone(), channels: Arc::new(AtomicU16::new(1)) };
    (
        Session { frames: frame_receiver, input: input_sender, stdin: None },
        Wires { frames, input },
        attachment,
    )
}

/// Makes the kind of a pipeline, with an identifier for each edge.
pub(super) fn pipeline_kind(spec: PipelineSpec, tap: bool) -> Kind {
    let edges =
        spec.edges.iter().map(|_| EdgeId::from_parts(clock::wall_ms(), clock::random_u80())).collect();
    Kind::Pipeline { spec: Box::new(spec), tap, edges }
}

/// What is to be started after a card or pipeline has been declared.
struct Started {
    workspace: WorkspaceId,
    view: WorkspaceView,
    created: bool,
    changes: Vec<String>,
    handle: Option<WorkspaceHandle>,
    /// Whether nothing ran in the workspace before.
    fresh: bool,
    units: Vec<(Unit, Begin)>,
    /// Units that are no longer declared.
    dropped: Vec<String>,
}

impl WorkspaceManager {
    /// Makes a card true: declares what it names, changes what differs, and starts it.
    ///
    /// # Errors
    ///
    /// Refuses a card with mistakes, a live pipeline of the same label, and a change that needs a stop first.
    pub async fn up(&self, request: UpRequest) -> Result<UpOutcome, ManagerError> {
        let this = self.clone();
        // A task of its own: a client that goes away in the middle leaves a session that sees it gone.
        tokio::spawn(async move { this.up_now(request).await }).await.map_err(|_| ManagerError::Closed)?
    }

    async fn up_now(&self, request: UpRequest) -> Result<UpOutcome, ManagerError> {
        judge(&request.card)?;
        let UpRequest { card, caller, replace, attach } = request;
        for path in self.busy_pipelines(&card).await? {
            if !replace {
                return Err(ManagerError::Conflict(format!("the pipeline `{path}` is running")));
            }
            self.stop(&path).await?;
        }
        let caller = Arc::new(caller);
        let plan_caller = Arc::clone(&caller);
        let plan = self.ask(move |core| core.plan_up(card, &plan_caller, attach)).await??;
        let Started { workspace, view, created, changes, handle, fresh, units, dropped } = plan;
        let Some(handle) = handle else {
            return Ok(UpOutcome { workspace: view, created, changes, session: None });
        };
        for id in dropped {
            // A unit that the actor does not know is not running.
            let _ = handle.act(&id, crate::drive::message::Action::Stop { kill: false }).await;
        }
        let (session, wires, attachment) = session();
        let attachment = attach.then_some(attachment);
        let ids: Vec<String> = units.iter().map(|(unit, _)| unit.id.clone()).collect();
        let started = start_all(&handle, units, &caller, attachment.as_ref()).await;
        drop(attachment);
        if let Err((unit, failure)) = started {
            let refused = named_failure(&handle, &unit, failure).await;
            if fresh {
                self.stop_workspace(&workspace.to_string(), false).await?;
            }
            return Err(refused);
        }
        let detail = self.detail(workspace).await?;
        let view = detail.map_or(view, |detail| detail.workspace);
        if !attach {
            return Ok(UpOutcome { workspace: view, created, changes, session: None });
        }
        let followed = Followed { workspace: handle, units: ids, single: false, timeout: None };
        let manager = self.clone();
        run_session(followed, wires.frames, wires.input, move || async move {
            // What a client looks on at ends with it; the workspace stays declared.
            if let Err(error) = manager.stop_workspace(&workspace.to_string(), false).await {
                tracing::warn!(%error, "a followed workspace could not be stopped");
            }
        });
        Ok(UpOutcome { workspace: view, created, changes, session: Some(session) })
    }

    /// Returns the labels of the card's pipelines that run already.
    async fn busy_pipelines(&self, card: &Card) -> Result<Vec<String>, ManagerError> {
        let Some(label) = card.workspace.as_ref().map(|spec| spec.label.clone()) else {
            return Ok(Vec::new());
        };
        let labels: Vec<&String> = card.pipelines.iter().map(|spec| &spec.label).collect();
        let details = self.details().await?;
        let views = details.iter().filter(|detail| detail.workspace.label == label);
        let running = views
            .flat_map(|detail| &detail.pipelines)
            .filter(|view| labels.contains(&&view.label) && !view.phase.is_settled());
        Ok(running.map(|view| format!("{label}/{}", view.label)).collect())
    }

    /// Runs a pipeline in a workspace.
    ///
    /// # Errors
    ///
    /// Refuses a pipeline with mistakes, names that mean nothing, and a live pipeline of the same label.
    pub async fn run_pipeline(&self, request: RunPipeline) -> Result<RunOutcome, ManagerError> {
        let this = self.clone();
        // A task of its own: a client that goes away in the middle leaves a session that sees it gone.
        tokio::spawn(async move { this.run_pipeline_now(request).await })
            .await
            .map_err(|_| ManagerError::Closed)?
    }

    async fn run_pipeline_now(&self, request: RunPipeline) -> Result<RunOutcome, ManagerError> {
        let RunPipeline { workspace, spec, saved, caller, replace, tap, attach } = request;
        let (mut spec, saved) = match (spec, saved) {
            (Some(spec), _) => (spec, None),
            (None, Some(name)) => (self.get_saved_pipeline(&name).await?.spec, Some(name)),
            (None, None) => return Err(ManagerError::Conflict("no pipeline was given".to_owned())),
        };
        judge(&Card { pipelines: vec![spec.clone()], ..Card::default() })?;
        let place = workspace.filter(|name| !name.is_empty()).unwrap_or_else(|| spec.workspace.clone());
        if place.is_empty() {
            let what = saved.unwrap_or_else(|| spec.label.clone());
            return Err(ManagerError::Conflict(format!(
                "the pipeline `{what}` names no workspace to run in"
            )));
        }
        let detail = self.show(&place).await?;
        let running =
            detail.pipelines.iter().find(|view| view.label == spec.label && !view.phase.is_settled());
        if let Some(running) = running {
            let path = format!("{}/{}", running.workspace, running.label);
            if !replace {
                return Err(ManagerError::Conflict(format!("the pipeline `{path}` is running")));
            }
            self.stop(&path).await?;
        }
        let id = detail.workspace.id;
        spec.workspace = id.to_string();
        let caller = Arc::new(caller);
        fill_directories(&mut spec, &detail.workspace.spec, &caller);
        let (unit, handle) = self.ask(move |core| core.declare_pipeline(id, spec, tap, attach)).await??;
        let unit_id = unit.id.clone();
        let (session, wires, attachment) = session();
        let attachment = attach.then_some(attachment);
        let started = start_all(&handle, vec![(unit, Begin::Start)], &caller, attachment.as_ref()).await;
        drop(attachment);
        if let Err((unit, failure)) = started {
            return Err(named_failure(&handle, &unit, failure).await);
        }
        let detail = self.detail(id).await?;
        let view = detail
            .and_then(|detail| detail.pipelines.into_iter().find(|view| view.id.to_string() == unit_id));
        let pipeline = view.ok_or(ManagerError::Closed)?;
        if !attach {
            return Ok(RunOutcome { pipeline, session: None });
        }
        let units = vec![unit_id];
        let followed = Followed { workspace: handle, units, single: false, timeout: None };
        run_session(followed, wires.frames, wires.input, || async {});
        Ok(RunOutcome { pipeline, session: Some(session) })
    }

    /// Runs a single command.
    ///
    /// # Errors
    ///
    /// Refuses a command with mistakes, and returns why it did not start.
    pub async fn exec(&self, request: ExecRequest) -> Result<ExecOutcome, ManagerError> {
        let this = self.clone();
        // A task of its own: a client that goes away in the middle leaves a session that sees it gone.
        tokio::spawn(async move { this.exec_now(request).await }).await.map_err(|_| ManagerError::Closed)?
    }

    async fn exec_now(&self, request: ExecRequest) -> Result<ExecOutcome, ManagerError> {
        let ExecRequest { target, command, caller, stdin, timeout_ms, detach } = request;
        if detach && timeout_ms.is_some() {
            let text = "a time limit needs a client that waits; give the workspace a ttl instead";
            return Err(ManagerError::Conflict(text.to_owned()));
        }
        let spec = match &target {
            ExecTarget::Workspace(_) => None,
            ExecTarget::Ephemeral(spec) | ExecTarget::Declared(spec) => Some(spec.clone()),
        };
        judge(&Card { workspace: spec, commands: vec![command.clone()], pipelines: Vec::new() })?;
        let ephemeral = matches!(target, ExecTarget::Ephemeral(_));
        let (workspace, mut unit, handle) =
            self.ask(move |core| core.declare_exec(target, command, detach)).await??;
        let (mut session, wires, attachment) = session();
        let attachment = (!detach).then_some(attachment);
        if stdin && !detach {
            let (sender, receiver) = mpsc::channel(FRAMES_IN_FLIGHT);
            unit.stdin = Some(receiver);
            session.stdin = Some(sender);
        }
        let unit_id = unit.id.clone();
        let started =
            start_all(&handle, vec![(unit, Begin::Start)], &Arc::new(caller), attachment.as_ref()).await;
        drop(attachment);
        if let Err((_, failure)) = started {
            if ephemeral {
                end(Some(handle), true).await;
            }
            return Err(failure.into());
        }
        let detail = self.detail(workspace).await?.ok_or(ManagerError::Closed)?;
        let command = detail.commands.into_iter().find(|view| view.id == unit_id);
        let (workspace, command) = (detail.workspace, command.ok_or(ManagerError::Closed)?);
        if detach {
            if ephemeral {
                // Nobody waits for it; it ends with what it was made for.
                tokio::spawn(async move {
                    settled(&handle, &unit_id).await;
                    handle.end(false).await;
                });
            }
            return Ok(ExecOutcome { workspace, command, session: None });
        }
        let followed = Followed {
            workspace: handle.clone(),
            units: vec![unit_id],
            single: true,
            timeout: timeout_ms.map(Duration::from_millis),
        };
        run_session(followed, wires.frames, wires.input, move || async move {
            if ephemeral {
                handle.end(false).await;
            }
        });
        Ok(ExecOutcome { workspace, command, session: Some(session) })
    }
}

/// Starts units one after the other; a failure comes with the id of the unit that did not start.
async fn start_all(
    handle: &WorkspaceHandle,
    units: Vec<(Unit, Begin)>,
    caller: &Arc<Caller>,
    attachment: Option<&Attachment>,
) -> Result<(), (String, StartFailure)> {
    for (mut unit, begin) in units {
        unit.caller = Arc::clone(caller);
        unit.attachment = attachment.cloned();
        let id = unit.id.clone();
        handle.start(unit, begin).await.map_err(|failure| (id, failure))?;
    }
    Ok(())
}

/// Says of a launch that failed which command, or which node of a pipeline, it was.
async fn named_failure(handle: &WorkspaceHandle, unit: &str, failure: StartFailure) -> ManagerError {
    let StartFailure::Launch(failure) = failure else { return failure.into() };
    if handle.stillborn.borrow().is_some() {
        // The workspace itself could not be made, whichever of its units asked for it.
        return ManagerError::Launch { path: None, failure };
    }
    // An actor that has ended tells how everything stood.
    let detail = match handle.view().await {
        Some(detail) => Some(detail),
        None => handle.last().await,
    };
    let path = detail.and_then(|detail| {
        let command = detail.commands.iter().find(|row| row.id == unit && row.kind != "node");
        let label = match (command, detail.pipelines.iter().find(|view| view.id.to_string() == unit)) {
            (Some(row), _) => row.label.clone(),
            (None, Some(view)) => match &view.cause {
                Some(node) => format!("{}/{node}", view.label),
                None => view.label.clone(),
            },
            (None, None) => return None,
        };
        Some(format!("{}/{label}", detail.workspace.label))
    });
    ManagerError::Launch { path, failure }
}

/// Gives nodes that name no directory the caller's, where the workspace has none.
fn fill_directories(spec: &mut PipelineSpec, workspace: &WorkspaceSpec, caller: &Caller) {
    if workspace.soma.cwd.is_none() {
        for node in &mut spec.nodes {
            node.soma.cwd.get_or_insert_with(|| caller.cwd.clone());
        }
    }
}

impl Core {
    /// Sets the end of a workspace's life, which begins with its first start.
    pub(super) fn open_lifetime(&mut self, id: WorkspaceId) -> Result<(), ManagerError> {
        let now_ms = clock::wall_ms();
        let Some(entry) = self.entry(id) else { return Err(ManagerError::Closed) };
        match (entry.spec.ttl, entry.expires_at_ms) {
            (_, Some(at)) if now_ms >= at => {
                let label = &entry.spec.label;
                Err(ManagerError::Conflict(format!("the time to live of the workspace `{label}` is over")))
            }
            (Some(ttl), None) => {
                let expires_at_ms = Some(now_ms.saturating_add(ttl.as_millis()));
                if let Some(entry) = self.ephemeral.get_mut(&id) {
                    entry.expires_at_ms = expires_at_ms;
                    return Ok(());
                }
                let mut draft = Draft::default();
                if let Some(entry) = self.declared.workspaces.get(&id) {
                    draft.edit(entry, |entry| entry.expires_at_ms = expires_at_ms);
                }
                self.commit(draft.done())
            }
            _ => Ok(()),
        }
    }

    /// Compares a card with what is declared, declares the difference, and lists what is to be started.
    fn plan_up(&mut self, card: Card, caller: &Caller, attach: bool) -> Result<Started, ManagerError> {
        let Card { workspace, commands, pipelines } = card;
        let Some(mut spec) = workspace else {
            return Err(ManagerError::Conflict("the card declares no [workspace]".to_owned()));
        };
        spec.soma.cwd.get_or_insert_with(|| caller.cwd.clone());
        self.incarnator.plan(&spec.soma).map_err(ManagerError::NotPermitted)?;
        let mut draft = Draft::default();
        let mut changes = Vec::new();
        let existing = self.declared.labelled(&spec.label).next();
        let created = existing.is_none();
        let id = match existing {
            Some(entry) => {
                changes = differences(&entry.spec, &spec).iter().map(ToString::to_string).collect();
                if !changes.is_empty() && self.live.contains_key(&entry.id) {
                    return Err(ManagerError::Conflict(format!(
                        "the workspace `{}` runs, and its card has changed: {}",
                        spec.label,
                        changes.join("; ")
                    )));
                }
                draft.edit(entry, |entry| entry.spec = spec);
                entry.id
            }
            None => {
                let id = new_workspace_id();
                draft.put(WorkspaceEntry::new(id, spec));
                id
            }
        };
        let desired = if attach { Desired::Stopped } else { Desired::Running };
        let keep: Vec<String> = commands.iter().map(|spec| spec.label.clone()).collect();
        let dropped = self.drop_commands(&mut draft, id, &keep, &mut changes);
        let mut ids = Vec::new();
        for spec in commands {
            ids.push(self.merge_command(&mut draft, id, spec, desired, &mut changes));
        }
        if created {
            // All of it is new, and nothing of it a change.
            changes.clear();
        }
        for spec in pipelines {
            ids.push((self.replace_pipeline(&mut draft, id, spec, false, desired), Begin::Start));
        }
        self.commit(draft.done())?;
        if created {
            let label = self.entry(id).map_or_else(String::new, |entry| entry.spec.label.clone());
            self.publish(&id.to_string(), "workspace.created", label, serde_json::Value::Null);
        }
        if !ids.is_empty() {
            self.open_lifetime(id)?;
        }
        self.detached |= !attach;
        let fresh = !self.live.contains_key(&id);
        let handle = if ids.is_empty() { self.live.get(&id).cloned() } else { Some(self.actor(id)?) };
        let view = self.workspace_view(id).ok_or(ManagerError::Closed)?;
        let units = ids
            .into_iter()
            .filter_map(|(unit_id, begin)| Some((self.declared_unit(&unit_id, None)?, begin)))
            .collect();
        Ok(Started { workspace: id, view, created, changes, handle, fresh, units, dropped })
    }

    fn declare_pipeline(
        &mut self,
        workspace: WorkspaceId,
        spec: PipelineSpec,
        tap: bool,
        attach: bool,
    ) -> Result<(Unit, WorkspaceHandle), ManagerError> {
        self.open_lifetime(workspace)?;
        let desired = if attach { Desired::Stopped } else { Desired::Running };
        let mut draft = Draft::default();
        let id = self.replace_pipeline(&mut draft, workspace, spec, tap, desired);
        self.commit(draft.done())?;
        self.detached |= !attach;
        let unit = self.declared_unit(&id, None).ok_or(ManagerError::Closed)?;
        Ok((unit, self.actor(workspace)?))
    }

    fn declare_exec(
        &mut self,
        target: ExecTarget,
        command: CommandRef,
        detach: bool,
    ) -> Result<(WorkspaceId, Unit, WorkspaceHandle), ManagerError> {
        let (id, declare_command) = match target {
            ExecTarget::Workspace(name) => (self.resolve_workspace(&name)?, detach),
            ExecTarget::Declared(spec) => {
                let id = new_workspace_id();
                self.declare_workspace(id, spec)?;
                (id, true)
            }
            ExecTarget::Ephemeral(spec) => {
                self.incarnator.plan(&spec.soma).map_err(ManagerError::NotPermitted)?;
                let id = new_workspace_id();
                self.ephemeral.insert(id, WorkspaceEntry::new(id, spec));
                (id, false)
            }
        };
        self.open_lifetime(id)?;
        // What is not declared keeps the daemon busy only while it runs.
        self.detached |= detach && declare_command;
        let unit = if declare_command {
            let desired = if detach { Desired::Running } else { Desired::Stopped };
            if self.declared.commands_in(id).any(|entry| entry.spec.label == command.label) {
                let text =
                    format!("a command called `{}` is declared in the workspace already", command.label);
                return Err(ManagerError::Conflict(text));
            }
            let mut draft = Draft::default();
            let (unit_id, _) = self.merge_command(&mut draft, id, command, desired, &mut Vec::new());
            self.commit(draft.done())?;
            self.declared_unit(&unit_id, None).ok_or(ManagerError::Closed)?
        } else {
            let unit_id = CommandId::from_parts(clock::wall_ms(), clock::random_u80()).to_string();
            let kind = Kind::Command { spec: Box::new(command), declared: false };
            idle_unit(unit_id, kind, Desired::Running, Counters::default(), None)
        };
        Ok((id, unit, self.actor(id)?))
    }

    /// Forgets the commands of a workspace that are not in `keep`; returns their ids.
    fn drop_commands(
        &self,
        draft: &mut Draft,
        workspace: WorkspaceId,
        keep: &[String],
        changes: &mut Vec<String>,
    ) -> Vec<String> {
        let entries = self.declared.commands_in(workspace);
        let mut dropped = Vec::new();
        for entry in entries.filter(|entry| !keep.contains(&entry.spec.label)) {
            changes.push(format!("command {}: removed", entry.spec.label));
            draft.remove(Collection::Commands, entry.id);
            dropped.push(entry.id.to_string());
        }
        dropped
    }

    /// Declares a command, or changes the one of the same label. Returns its id and how it is to be started.
    fn merge_command(
        &self,
        draft: &mut Draft,
        workspace: WorkspaceId,
        spec: CommandRef,
        desired: Desired,
        changes: &mut Vec<String>,
    ) -> (String, Begin) {
        let mut entries = self.declared.commands_in(workspace);
        if let Some(entry) = entries.find(|entry| entry.spec.label == spec.label) {
            let found = differences(&entry.spec, &spec);
            changes.extend(found.iter().map(|difference| format!("command {}: {difference}", spec.label)));
            draft.edit(entry, |entry| (entry.spec, entry.desired) = (spec, desired));
            let begin = if found.is_empty() { Begin::Start } else { Begin::Restart };
            return (entry.id.to_string(), begin);
        }
        changes.push(format!("command {}: added", spec.label));
        let id = CommandId::from_parts(clock::wall_ms(), clock::random_u80());
        draft.put(CommandEntry { id, workspace, spec, desired, counters: Counters::default() });
        (id.to_string(), Begin::Start)
    }

    /// Declares a live pipeline in place of one of the same label. Returns its id, which is new with every run.
    fn replace_pipeline(
        &self,
        draft: &mut Draft,
        workspace: WorkspaceId,
        mut spec: PipelineSpec,
        tap: bool,
        desired: Desired,
    ) -> String {
        spec.workspace = workspace.to_string();
        let entries = self.declared.pipelines_in(workspace);
        for entry in entries.filter(|entry| entry.spec.label == spec.label) {
            draft.remove(Collection::LivePipelines, entry.id);
        }
        let id = PipelineId::from_parts(clock::wall_ms(), clock::random_u80());
        let counters = Counters::default();
        draft.put(LivePipelineEntry { id, workspace, spec, tap, desired, counters });
        id.to_string()
    }
}
