//! Looking: lists, details, events, taps, and waiting.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use shipote_card::{PipelineId, WorkspaceId};
use shipote_snapshot::{Change, Collection, Point, WorkspaceEntry};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::broadcast;

use crate::drive::manager::{Core, ManagerError, WorkspaceManager};
use crate::drive::message::{Ask, WorkspaceHandle};
use crate::host::clock;
use crate::host::relay::Observer;
use crate::host::samples::SampleJournal;
use crate::view::{
    CommandView, Event, PipelineVerdict, PipelineView, UnitPhase, WorkspaceDetail, WorkspacePhase,
    WorkspaceStats, WorkspaceView,
};

/// How much is going on, for a daemon that ends when nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// Workspaces with processes.
    pub live_workspaces: usize,
    /// Whether something was started that outlives its client.
    pub detached: bool,
}

/// Events after a number.
#[derive(Debug)]
pub struct Events {
    /// Numbers between that one and the oldest that is kept: events that are gone, or numbers that a daemon skipped.
    pub missing: u64,
    /// Those that have happened, oldest first.
    pub past: Vec<Event>,
    /// Those to come.
    pub stream: broadcast::Receiver<Event>,
}

/// How waiting ended.
#[derive(Debug, Clone)]
pub struct WaitOutcome {
    /// Whether everything had come to its end in time.
    pub settled: bool,
    /// Whether it had ended well.
    pub ok: bool,
    /// How things stand.
    pub detail: WorkspaceDetail,
}

/// A workspace with its actor, and how it stands where it has none.
struct Glance {
    id: WorkspaceId,
    handle: Option<WorkspaceHandle>,
}

impl WorkspaceManager {
    /// Returns every workspace.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn list(&self) -> Result<Vec<WorkspaceView>, ManagerError> {
        Ok(self.details().await?.into_iter().map(|detail| detail.workspace).collect())
    }

    /// Returns everything about one workspace.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn show(&self, name: &str) -> Result<WorkspaceDetail, ManagerError> {
        let name = name.to_owned();
        let id = self.ask(move |core| core.resolve_workspace(&name)).await??;
        self.detail(id).await?.ok_or(ManagerError::Closed)
    }

    /// Returns the commands and nodes that run, or all of them.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn ps(&self, all: bool) -> Result<Vec<CommandView>, ManagerError> {
        let rows = self.details().await?.into_iter().flat_map(|detail| detail.commands);
        Ok(rows.filter(|row| all || !row.phase.is_settled()).collect())
    }

    /// Returns every pipeline that was started and not removed.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn pipelines(&self) -> Result<Vec<PipelineView>, ManagerError> {
        Ok(self.details().await?.into_iter().flat_map(|detail| detail.pipelines).collect())
    }

    /// Returns one pipeline.
    ///
    /// # Errors
    ///
    /// Refuses a name that means no pipeline.
    pub async fn pipeline(&self, name: &str) -> Result<PipelineView, ManagerError> {
        let (workspace, id) = self.pipeline_id(name).await?;
        let detail = self.detail(workspace).await?;
        let found = detail.and_then(|detail| detail.pipelines.into_iter().find(|view| view.id == id));
        found.ok_or(ManagerError::Closed)
    }

    /// Forgets a pipeline that has ended.
    ///
    /// # Errors
    ///
    /// Refuses a name that means no pipeline, and a pipeline that still runs.
    pub async fn remove_pipeline(&self, name: &str) -> Result<(), ManagerError> {
        let view = self.pipeline(name).await?;
        if !view.phase.is_settled() {
            let path = format!("{}/{}", view.workspace, view.label);
            return Err(ManagerError::Conflict(format!("the pipeline `{path}` is running")));
        }
        self.ask(move |core| core.commit(Change::new().remove(Collection::LivePipelines, view.id))).await?
    }

    /// Finds a pipeline by name; a workspace with a single pipeline names it too.
    async fn pipeline_id(&self, name: &str) -> Result<(WorkspaceId, PipelineId), ManagerError> {
        let name = name.to_owned();
        self.ask(move |core| {
            let entries = &core.declared.live_pipelines;
            let by_unit = core.resolve_target(&name)?;
            let in_target = entries
                .iter()
                .filter(|entry| by_unit.units.iter().any(|(id, _)| *id == entry.id.to_string()))
                .collect::<Vec<_>>();
            let labelled: Vec<_> = entries.iter().filter(|entry| entry.spec.label == name).collect();
            match (in_target.as_slice(), labelled.as_slice()) {
                (_, [entry]) | ([entry], _) => Ok((entry.workspace, entry.id)),
                ([], _) => Err(ManagerError::NotFound { kind: "pipeline", name, nearest: None }),
                (several, _) => Err(ManagerError::Ambiguous {
                    candidates: several
                        .iter()
                        .map(|entry| {
                            let (label, id) = (&entry.spec.label, entry.id);
                            format!("{}/{label} (pipeline, {id})", by_unit.workspace_label)
                        })
                        .collect(),
                    name,
                }),
            }
        })
        .await?
    }

    /// Returns a workspace and its history, oldest first: the samples in memory, or all that is kept of the last
    /// `last_ms` milliseconds.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn stats(
        &self,
        name: &str,
        last_ms: Option<u64>,
    ) -> Result<(WorkspaceView, Vec<WorkspaceStats>), ManagerError> {
        let view = self.show(name).await?.workspace;
        let mut histories = self.histories(&[view.id], last_ms).await?;
        Ok((view, histories.pop().unwrap_or_default()))
    }

    /// Returns every workspace and its history, as [`stats`](Self::stats) does.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn stats_of_all(
        &self,
        last_ms: Option<u64>,
    ) -> Result<Vec<(WorkspaceView, Vec<WorkspaceStats>)>, ManagerError> {
        let views = self.list().await?;
        let ids: Vec<WorkspaceId> = views.iter().map(|view| view.id).collect();
        let histories = self.histories(&ids, last_ms).await?;
        Ok(views.into_iter().zip(histories).collect())
    }

    /// Returns the history of each workspace.
    async fn histories(
        &self,
        ids: &[WorkspaceId],
        last_ms: Option<u64>,
    ) -> Result<Vec<Vec<WorkspaceStats>>, ManagerError> {
        let asked = ids.to_vec();
        let (recent, reader) = self
            .ask(move |core| {
                let recent = |id: &WorkspaceId| core.history.get(id).into_iter().flatten().copied().collect();
                let recent: Vec<Vec<WorkspaceStats>> = asked.iter().map(recent).collect();
                (recent, core.samples.as_ref().filter(|_| last_ms.is_some()).map(SampleJournal::reader))
            })
            .await?;
        let (Some(last_ms), Some(reader)) = (last_ms, reader) else { return Ok(recent) };
        let from_ms = clock::wall_ms().saturating_sub(last_ms);
        let read = tokio::task::spawn_blocking(move || reader.read(from_ms));
        // A panic of the reader was told on its way; what is in memory is there.
        let kept = read.await.unwrap_or_default();
        Ok(ids.iter().zip(recent).map(|(id, recent)| longer(*id, &kept, recent, from_ms)).collect())
    }

    /// Returns the events after number `since`, and the stream of those to come; 0 is before all that are kept.
    ///
    /// # Errors
    ///
    /// Refuses a number that no event has had.
    pub async fn events(&self, since: u64) -> Result<Events, ManagerError> {
        self.ask(move |core| {
            let next = core.numbering.next();
            if since >= next {
                let newest = next - 1;
                return Err(ManagerError::Conflict(format!(
                    "no event has had the number {since}: the newest one has {newest}"
                )));
            }
            let past: Vec<Event> = core.events.iter().filter(|event| event.seq > since).cloned().collect();
            let oldest = core.events.front().map_or(next, |event| event.seq);
            let missing = if since == 0 { 0 } else { oldest.saturating_sub(since + 1) };
            Ok(Events { missing, past, stream: core.event_stream.subscribe() })
        })
        .await?
    }

    /// Returns how much is going on.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn activity(&self) -> Result<Activity, ManagerError> {
        self.ask(|core| Activity { live_workspaces: core.live.len(), detached: core.detached }).await
    }

    /// Waits until what `name` means has come to its end, at most `timeout`.
    ///
    /// # Errors
    ///
    /// Refuses a name that means nothing.
    pub async fn wait(&self, name: &str, timeout: Option<Duration>) -> Result<WaitOutcome, ManagerError> {
        let target = self.target(name).await?;
        let started = tokio::time::Instant::now();
        loop {
            let detail = self.detail(target.workspace).await?.ok_or(ManagerError::Closed)?;
            let ids = |id: &str| target.units.iter().any(|(unit, _)| unit == id);
            let commands: Vec<&CommandView> =
                detail.commands.iter().filter(|view| view.kind != "node" && ids(&view.id)).collect();
            let pipelines: Vec<&PipelineView> =
                detail.pipelines.iter().filter(|view| ids(&view.id.to_string())).collect();
            let settled = commands.iter().all(|view| view.phase.is_settled())
                && pipelines.iter().all(|view| view.phase.is_settled());
            if settled || timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                let ok = commands.iter().all(|view| view.phase == UnitPhase::Done)
                    && pipelines.iter().all(|view| view.verdict == Some(PipelineVerdict::Ok));
                return Ok(WaitOutcome { settled, ok: settled && ok, detail });
            }
            let handle = self.handle(target.workspace).await?;
            let pause = tokio::time::sleep(Duration::from_millis(100));
            match handle {
                Some(mut handle) => tokio::select! {
                    // Gone is a change too; the next look tells.
                    _ = handle.changed.changed() => {}
                    () = pause => {}
                },
                None => pause.await,
            }
        }
    }

    /// Attaches an observer to an edge of a running pipeline.
    ///
    /// # Errors
    ///
    /// Refuses a name that means no pipeline or edge, and an edge that can't be tapped.
    pub async fn tap(&self, pipeline: &str, edge: &str) -> Result<TapStream, ManagerError> {
        let (workspace, id) = self.pipeline_id(pipeline).await?;
        let view = self.pipeline(pipeline).await?;
        let matches = |candidate: &crate::view::EdgeView| {
            candidate.id.to_string() == edge
                || format!("{}..{}", candidate.from, candidate.to) == edge
                || candidate.from == edge
        };
        let found: Vec<usize> = (0..view.edges.len()).filter(|index| matches(&view.edges[*index])).collect();
        let index = match found.as_slice() {
            [index] => *index,
            [] => {
                let name = edge.to_owned();
                return Err(ManagerError::NotFound { kind: "edge", name, nearest: None });
            }
            several => {
                let name = |index: &usize| format!("{}..{}", view.edges[*index].from, view.edges[*index].to);
                let candidates = several.iter().map(name).collect();
                return Err(ManagerError::Ambiguous { name: edge.to_owned(), candidates });
            }
        };
        let untapped = || {
            let (from, to) = (&view.edges[index].from, &view.edges[index].to);
            ManagerError::Conflict(format!(
                "the edge {from}..{to} is a bare pipe or has ended, and can't be tapped"
            ))
        };
        let handle = self.handle(workspace).await?.ok_or_else(untapped)?;
        let (reply, answer) = tokio::sync::oneshot::channel();
        let ask = Ask::Observe { unit: id.to_string(), edge: index, reply };
        handle.asks.send(ask).await.map_err(|_| untapped())?;
        let observer = answer.await.map_err(|_| untapped())?.map_err(|_| untapped())?;
        TapStream::new(observer).map_err(ManagerError::Host)
    }

    /// Returns the details of every workspace.
    ///
    /// # Errors
    ///
    /// Fails only when the daemon is ending.
    pub async fn details(&self) -> Result<Vec<WorkspaceDetail>, ManagerError> {
        let glances = self.ask(|core| core.glances()).await?;
        let mut details = Vec::with_capacity(glances.len());
        for glance in glances {
            details.extend(self.look(glance).await?);
        }
        Ok(details)
    }

    pub(super) async fn detail(&self, id: WorkspaceId) -> Result<Option<WorkspaceDetail>, ManagerError> {
        let handle = self.handle(id).await?;
        self.look(Glance { id, handle }).await
    }

    async fn look(&self, glance: Glance) -> Result<Option<WorkspaceDetail>, ManagerError> {
        // Asked outside the core's task, so that a busy workspace keeps nobody else waiting.
        let seen = match &glance.handle {
            Some(handle) => handle.view().await,
            None => None,
        };
        self.ask(move |core| core.merge(glance.id, seen)).await
    }

    pub(super) async fn handle(&self, id: WorkspaceId) -> Result<Option<WorkspaceHandle>, ManagerError> {
        self.ask(move |core| core.live.get(&id).cloned()).await
    }
}

/// Puts what is kept of a workspace since `from_ms` before what is in memory.
fn longer(
    id: WorkspaceId,
    kept: &[Point],
    mut recent: Vec<WorkspaceStats>,
    from_ms: u64,
) -> Vec<WorkspaceStats> {
    recent.retain(|stats| stats.at_ms.is_some_and(|at_ms| at_ms >= from_ms));
    let until = recent.first().and_then(|stats| stats.at_ms).unwrap_or(u64::MAX);
    let earlier = kept.iter().filter(|point| point.workspace == id && point.at_ms < until);
    earlier.map(WorkspaceStats::from).chain(recent).collect()
}

impl Core {
    fn glances(&self) -> Vec<Glance> {
        let entries = self.declared.workspaces.iter().chain(self.ephemeral.values());
        entries.map(|entry| Glance { id: entry.id, handle: self.live.get(&entry.id).cloned() }).collect()
    }

    /// Puts together what is declared in a workspace and what was seen of it.
    fn merge(&self, id: WorkspaceId, seen: Option<WorkspaceDetail>) -> Option<WorkspaceDetail> {
        let entry = self.entry(id)?;
        let mut detail = seen.unwrap_or_else(|| WorkspaceDetail {
            workspace: self.idle_view(entry),
            commands: Vec::new(),
            pipelines: Vec::new(),
        });
        let units = self.units_of(id);
        if !self.ephemeral.contains_key(&id) {
            // What is no longer declared may still be known to the actor.
            let declared = |found: &str| units.iter().any(|(id, _)| id == found);
            detail.commands.retain(|view| view.kind == "exec" || declared(&view.id));
            detail.pipelines.retain(|view| declared(&view.id.to_string()));
        }
        let last = self.last.get(&id);
        for (unit_id, _) in units {
            if detail.commands.iter().any(|view| view.id == unit_id) {
                continue;
            }
            let remembered = last.filter(|last| last.commands.iter().any(|view| view.id == unit_id));
            if let Some(last) = remembered {
                detail.commands.extend(last.commands.iter().filter(|view| view.id == unit_id).cloned());
                detail
                    .pipelines
                    .extend(last.pipelines.iter().filter(|view| view.id.to_string() == unit_id).cloned());
            } else if let Some(unit) = self.declared_unit(&unit_id, Some(self.idle_phase(&unit_id))) {
                let (label, now_ms) = (&entry.spec.label, clock::now_ms());
                detail.commands.extend(unit.command_views(label, id, now_ms));
                detail.pipelines.extend(unit.pipeline_view(label, id, now_ms));
            }
        }
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        detail.workspace.pipelines = count(detail.pipelines.len());
        detail.workspace.commands =
            count(detail.commands.iter().filter(|view| view.kind == "command").count());
        if detail.workspace.stats.is_none() {
            detail.workspace.stats = self.history.get(&id).and_then(|samples| samples.back()).cloned();
        }
        Some(detail)
    }

    fn idle_phase(&self, unit_id: &str) -> UnitPhase {
        if self.lost.iter().any(|id| id == unit_id) { UnitPhase::Lost } else { UnitPhase::Stopped }
    }

    fn idle_view(&self, entry: &WorkspaceEntry) -> WorkspaceView {
        let expired = entry.expires_at_ms.is_some_and(|at| clock::wall_ms() >= at);
        WorkspaceView {
            id: entry.id,
            label: entry.spec.label.clone(),
            phase: if expired { WorkspacePhase::Expired } else { WorkspacePhase::Declared },
            spec: entry.spec.clone(),
            ephemeral: self.ephemeral.contains_key(&entry.id),
            started_at_ms: None,
            expires_at_ms: entry.expires_at_ms,
            processes_alive: 0,
            commands: 0,
            pipelines: 0,
            stats: None,
            effective: Vec::new(),
        }
    }

    /// Shows a workspace as it is declared, without asking its actor.
    pub(super) fn workspace_view(&self, id: WorkspaceId) -> Option<WorkspaceView> {
        self.merge(id, None).map(|detail| detail.workspace)
    }
}

/// What an observer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapPiece {
    /// Bytes of the stream.
    Data {
        /// Offset of the first byte in the stream.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes that this observer was too slow for.
    Gap {
        /// Offset of the first missing byte.
        offset: u64,
        /// How many are missing.
        missing: u64,
    },
}

/// A live observer of an edge. Dropping it detaches it.
#[derive(Debug)]
pub struct TapStream {
    pipe: pipe::Receiver,
    gaps: Receiver<(u64, u64)>,
    offset: u64,
    /// Gaps whose place has not been reached yet.
    ahead: VecDeque<(u64, u64)>,
    ready: VecDeque<TapPiece>,
}

impl TapStream {
    fn new(observer: Observer) -> std::io::Result<Self> {
        let pipe: OwnedFd = observer.pipe;
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        Ok(Self {
            pipe,
            gaps: observer.gaps,
            offset: observer.start,
            ahead: VecDeque::new(),
            ready: VecDeque::new(),
        })
    }

    /// Returns the next piece; none when the edge has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<TapPiece> {
        if self.ready.is_empty() {
            let mut buffer = vec![0; 64 * 1024];
            // A pipe that can't be read any more has ended.
            let count = self.pipe.read(&mut buffer).await.unwrap_or(0);
            buffer.truncate(count);
            self.split(buffer);
        }
        self.ready.pop_front()
    }

    /// Puts the gaps between bytes where they belong. The relay tells a gap before it shows what follows it, so
    /// every gap before the last of `bytes` is known by now.
    fn split(&mut self, mut bytes: Vec<u8>) {
        self.ahead.extend(self.gaps.try_iter());
        while let Some((gap_offset, missing)) = self.ahead.front().copied() {
            let before = usize::try_from(gap_offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            if before > bytes.len() {
                break;
            }
            self.ahead.pop_front();
            let rest = bytes.split_off(before);
            push_data(&mut self.ready, &mut self.offset, std::mem::replace(&mut bytes, rest));
            self.ready.push_back(TapPiece::Gap { offset: self.offset, missing });
            self.offset += missing;
        }
        push_data(&mut self.ready, &mut self.offset, bytes);
    }
}

fn push_data(ready: &mut VecDeque<TapPiece>, offset: &mut u64, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        let length = bytes.len() as u64;
        ready.push_back(TapPiece::Data { offset: *offset, bytes });
        *offset += length;
    }
}
