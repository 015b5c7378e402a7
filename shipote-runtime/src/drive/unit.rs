//! A unit: a command or a whole pipeline, with its supervisor and, while it runs, its processes.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use shipote_card::{CommandRef, DiscernPolicy, EdgeId, PipelineSpec, TapMode, WorkspaceId};
use shipote_snapshot::{Counters, Desired, LastExit};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::session::{Caller, Frame};
use crate::decide::backoff::Backoff;
use crate::decide::discern::{Agreement, Confidence, Discerned, agrees};
use crate::decide::supervisor::{Outcome, Policy, Supervisor};
use crate::decide::verdict::{Judgement, NodeEnd, PipelineEnd};
use crate::host::cgroup::Leaf;
use crate::host::init::protocol::{GATE_RECORD, StepFailure};
use crate::host::relay::{EdgeMeter, Relay};
use crate::host::{clock, counters};
use crate::view::{
    CommandView, EdgeView, Exit, LaunchFailure, NodeVerdict, NodeView, PipelineVerdict, PipelineView,
    UnitPhase,
};

/// What a unit is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A declared command, or the one command of `exec` and `run`.
    Command { spec: Box<CommandRef>, declared: bool },
    /// A pipeline.
    Pipeline { spec: Box<PipelineSpec>, tap: bool, edges: Vec<EdgeId> },
}

/// What a unit is joined to while a client looks on.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    /// Where output goes.
    pub(super) frames: mpsc::Sender<Frame>,
    /// Number of the next channel, shared by all units of the session.
    pub(super) channels: Arc<std::sync::atomic::AtomicU16>,
}

/// A command or pipeline of a live workspace.
#[derive(Debug)]
pub(super) struct Unit {
    /// Text of its ULID.
    pub(super) id: String,
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) desired: Desired,
    pub(super) supervisor: Supervisor,
    pub(super) caller: Arc<Caller>,
    pub(super) attachment: Option<Attachment>,
    /// Bytes for the stdin of an attached command; taken by its first run.
    pub(super) stdin: Option<mpsc::Receiver<Vec<u8>>>,
    pub(super) run: Option<Run>,
    pub(super) last: Option<LastRun>,
}

/// One run: from the request to ws-init until nothing of it is alive.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) generation: u64,
    pub(super) group: u64,
    pub(super) leaf: Option<Leaf>,
    pub(super) nest: Option<Arc<AsyncFd<OwnedFd>>>,
    pub(super) processes: Vec<Process>,
    pub(super) edges: Vec<LiveEdge>,
    pub(super) relay: Option<Arc<Relay>>,
    pub(super) carriers: Vec<JoinHandle<()>>,
    pub(super) started_at_ms: u64,
    pub(super) ended_count: usize,
    pub(super) spawned: bool,
    pub(super) closing: bool,
    pub(super) cancelled: bool,
    pub(super) failure: Option<(usize, StepFailure)>,
}

/// A process of a run.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) pid: Option<i32>,
    pub(super) pidfd: Option<OwnedFd>,
    pub(super) end: Option<ProcessEnd>,
    pub(super) bytes_written: Option<u64>,
    /// Most memory seen by looking at it while it ran.
    pub(super) seen_rss_bytes: Option<u64>,
    /// Whether it was asked to end because another node had failed.
    pub(super) asked: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessEnd {
    pub(super) exit: Exit,
    pub(super) order: usize,
    /// When it was told, in milliseconds since boot.
    pub(super) at_ms: u64,
    pub(super) cpu_usec: u64,
    pub(super) max_rss_bytes: Option<u64>,
}

/// An edge of a run.
#[derive(Debug)]
pub(super) struct LiveEdge {
    /// Position of the edge in the specification.
    pub(super) producer: usize,
    pub(super) meter: Option<Arc<EdgeMeter>>,
    /// Position among the relay's edges.
    pub(super) relay_index: Option<usize>,
    pub(super) discerned: Option<Discerned>,
}

/// What is left of the last run.
#[derive(Debug, Clone)]
pub(super) struct LastRun {
    pub(super) judgement: Judgement,
    pub(super) nodes: Vec<NodeView>,
    pub(super) edges: Vec<EdgeView>,
    pub(super) started_at_ms: u64,
    pub(super) ended_at_ms: u64,
    pub(super) failure: Option<StepFailure>,
}

impl Unit {
    /// Returns the commands of the unit: one, or the nodes of the pipeline.
    pub(super) fn commands(&self) -> &[CommandRef] {
        match &self.kind {
            Kind::Command { spec, .. } => std::slice::from_ref(spec),
            Kind::Pipeline { spec, .. } => &spec.nodes,
        }
    }

    /// Returns the label of the process at `index` below the workspace: `command` or `pipeline/node`.
    pub(super) fn process_label(&self, index: usize) -> String {
        match &self.kind {
            Kind::Command { .. } => self.label.clone(),
            Kind::Pipeline { spec, .. } => format!("{}/{}", self.label, spec.nodes[index].label),
        }
    }

    /// Tells whether `other` is a later run of the same pipeline.
    pub(super) fn is_replaced_by(&self, other: &Self) -> bool {
        let both_pipelines =
            matches!((&self.kind, &other.kind), (Kind::Pipeline { .. }, Kind::Pipeline { .. }));
        both_pipelines && self.label == other.label
    }

    pub(super) const fn is_declared(&self) -> bool {
        !matches!(self.kind, Kind::Command { declared: false, .. })
    }

    /// Returns what is to be remembered of the unit's restart policy.
    pub(super) fn counters(&self, now_ms: u64) -> Counters {
        let wall_ms = clock::wall_ms();
        Counters {
            restarts: self.supervisor.restarts(),
            next_at_ms: self.supervisor.next_start_ms().map(|at| wall_ms + at.saturating_sub(now_ms)),
            last_exit: self.last.as_ref().and_then(|last| {
                let exit = last.nodes.iter().find_map(|node| node.exit)?;
                Some(LastExit {
                    at_ms: last.ended_at_ms,
                    code: exit.code.and_then(|code| u8::try_from(code).ok()),
                    signal: exit.signal.and_then(|signal| u8::try_from(signal).ok()),
                })
            }),
        }
    }

    /// Judges the present run, every process of which has ended.
    fn judge(&self, run: &Run) -> Judgement {
        let commands = self.commands();
        let nodes = run.processes.iter().zip(commands).map(|(process, command)| NodeEnd {
            exit: process.end.map(|end| end.exit),
            order: process.end.map_or(usize::MAX, |end| end.order),
            at_ms: process.end.map_or(u64::MAX, |end| end.at_ms),
            asked: process.asked,
            success_codes: command.success_codes.clone(),
        });
        let edges = match &self.kind {
            Kind::Command { .. } => Vec::new(),
            Kind::Pipeline { spec, .. } => edge_positions(spec),
        };
        PipelineEnd { nodes: nodes.collect(), edges, cancelled: run.cancelled }.judge()
    }

    /// Ends the bookkeeping of the present run, and returns its outcome.
    pub(super) fn conclude(&mut self) -> Option<(u64, Outcome)> {
        let run = self.run.take()?;
        let mut judgement = self.judge(&run);
        let failure = run.failure.as_ref().map(|(_, failure)| failure.clone());
        let outcome = match &run.failure {
            // What the card names wrongly stays wrong; a shortage may pass.
            Some((_, failure)) if is_shortage(failure.errno) => Outcome::Failure,
            Some(_) => Outcome::Permanent,
            None if judgement.pipeline == PipelineVerdict::Ok => Outcome::Success,
            None => Outcome::Failure,
        };
        if let Some((process, _)) = &run.failure {
            judgement.pipeline = PipelineVerdict::Failed;
            judgement.cause = Some(*process);
            for (index, verdict) in judgement.nodes.iter_mut().enumerate() {
                *verdict = if index == *process { NodeVerdict::Failed } else { NodeVerdict::Cancelled };
            }
            judgement.input_truncated.fill(false);
        }
        self.last = Some(LastRun {
            nodes: self.node_views(Some(&run), Some(&judgement)),
            edges: self.edge_views(Some(&run)),
            judgement,
            started_at_ms: run.started_at_ms,
            ended_at_ms: clock::wall_ms(),
            failure,
        });
        Some((run.generation, outcome))
    }

    fn node_views(&self, run: Option<&Run>, judgement: Option<&Judgement>) -> Vec<NodeView> {
        let failure = run.and_then(|run| run.failure.as_ref());
        let views = self.commands().iter().enumerate().map(|(index, command)| {
            let process = run.and_then(|run| run.processes.get(index));
            let end = process.and_then(|process| process.end);
            let alive = process.filter(|process| process.end.is_none()).and_then(|process| process.pid);
            let counted = alive.and_then(counters::process);
            NodeView {
                label: command.label.clone(),
                argv: argv(command),
                phase: match (end, judgement.map(|judgement| judgement.nodes[index])) {
                    (_, Some(NodeVerdict::Ok | NodeVerdict::Forgiven)) => UnitPhase::Done,
                    (_, Some(NodeVerdict::Failed)) => UnitPhase::Failed,
                    (_, Some(NodeVerdict::Cancelled)) => UnitPhase::Stopped,
                    // Whether a broken pipe is forgiven is known at the end of all.
                    (Some(ProcessEnd { exit: Exit { code: Some(code), .. }, .. }), None)
                        if !u8::try_from(code).is_ok_and(|code| command.success_codes.contains(&code)) =>
                    {
                        UnitPhase::Failed
                    }
                    (Some(_), None) => UnitPhase::Done,
                    (None, None) => self.supervisor.phase(),
                },
                pid: alive.and_then(|pid| u32::try_from(pid).ok()),
                verdict: judgement.map(|judgement| judgement.nodes[index]),
                exit: end.map(|end| end.exit),
                failure: failure.filter(|(process, _)| *process == index).map(|(_, f)| f.clone().into()),
                input_truncated: judgement.is_some_and(|judgement| judgement.input_truncated[index]),
                cpu_usec: end.map(|end| end.cpu_usec).or(counted.map(|counted| counted.cpu_usec)),
                rss_peak_bytes: end
                    .and_then(|end| end.max_rss_bytes)
                    .max(process.and_then(|process| process.seen_rss_bytes))
                    .max(counted.map(|counted| counted.rss_bytes)),
            }
        });
        views.collect()
    }

    fn edge_views(&self, run: Option<&Run>) -> Vec<EdgeView> {
        let Kind::Pipeline { spec, tap, edges } = &self.kind else { return Vec::new() };
        let views = spec.edges.iter().zip(edges).enumerate().map(|(index, (edge, id))| {
            let live = run.and_then(|run| run.edges.get(index));
            let meter = live.and_then(|live| live.meter.as_ref());
            let producer = live.and_then(|live| run?.processes.get(live.producer));
            let declared = spec
                .node_index(&edge.source().node)
                .and_then(|node| spec.nodes[node].flows.0.get(&edge.source().port).cloned());
            let discern = live.and_then(|live| live.discerned.clone());
            let mismatch = declared.as_ref().zip(discern.as_ref()).is_some_and(|(declared, found)| {
                spec.discern_of(edge) == DiscernPolicy::Warn
                    && agrees(declared, found) == Agreement::Mismatch
                    && found.outermost().1 >= Confidence::SURE
            });
            let estimate = producer.and_then(|process| {
                let alive = process.pid.filter(|_| process.end.is_none());
                alive.and_then(program_wrote).or(process.bytes_written)
            });
            EdgeView {
                id: *id,
                from: edge.source().to_string(),
                to: edge.target().to_string(),
                bytes: meter.map(|meter| meter.bytes()),
                bytes_estimate: if meter.is_some() { None } else { estimate },
                tap: edge_tap(spec, edge, *tap),
                discern,
                declared,
                mismatch,
            }
        });
        views.collect()
    }

    /// Shows the unit as rows of `ps`.
    pub(super) fn command_views(
        &self,
        workspace: &str,
        workspace_id: WorkspaceId,
        now_ms: u64,
    ) -> Vec<CommandView> {
        let nodes = self.current_nodes();
        let counters = self.counters(now_ms);
        let rows = nodes.into_iter().enumerate().map(|(index, node)| CommandView {
            id: self.id.clone(),
            label: self.process_label(index),
            kind: match &self.kind {
                Kind::Command { declared: true, .. } => "command",
                Kind::Command { declared: false, .. } => "exec",
                Kind::Pipeline { .. } => "node",
            }
            .to_owned(),
            workspace: workspace.to_owned(),
            workspace_id,
            phase: match self.kind {
                Kind::Command { .. } => self.supervisor.phase(),
                Kind::Pipeline { .. } => node.phase,
            },
            desired: self.desired,
            pid: node.pid,
            restarts: counters.restarts,
            next_at_ms: counters.next_at_ms,
            started_at_ms: self.started_at_ms(),
            exit: node.exit.or_else(|| self.last.as_ref()?.nodes.get(index)?.exit),
            failure: node.failure.or_else(|| self.last.as_ref()?.failure.clone().map(LaunchFailure::from)),
            argv: node.argv,
            cpu_usec: node.cpu_usec,
            rss_bytes: node.rss_peak_bytes.filter(|_| node.pid.is_some()),
        });
        rows.collect()
    }

    fn current_nodes(&self) -> Vec<NodeView> {
        match (&self.run, &self.last) {
            (Some(run), _) => self.node_views(Some(run), None),
            (None, Some(last)) => last.nodes.clone(),
            (None, None) => self.node_views(None, None),
        }
    }

    fn started_at_ms(&self) -> Option<u64> {
        self.run.as_ref().map(|run| run.started_at_ms).or(self.last.as_ref().map(|last| last.started_at_ms))
    }

    /// Shows a pipeline; none for a command.
    pub(super) fn pipeline_view(
        &self,
        workspace: &str,
        workspace_id: WorkspaceId,
        now_ms: u64,
    ) -> Option<PipelineView> {
        let Kind::Pipeline { spec, .. } = &self.kind else { return None };
        let last = self.last.as_ref().filter(|_| self.run.is_none());
        let counters = self.counters(now_ms);
        let cause = self.last.as_ref().and_then(|last| last.judgement.cause);
        Some(PipelineView {
            id: self.id.parse().ok()?,
            label: self.label.clone(),
            workspace: workspace.to_owned(),
            workspace_id,
            phase: self.supervisor.phase(),
            desired: self.desired,
            verdict: last.map(|last| last.judgement.pipeline),
            cause: cause.filter(|_| last.is_some()).map(|node| spec.nodes[node].label.clone()),
            epoch: u32::try_from(self.supervisor.generation()).unwrap_or(u32::MAX),
            restarts: counters.restarts,
            next_at_ms: counters.next_at_ms,
            started_at_ms: self.started_at_ms(),
            ended_at_ms: last.map(|last| last.ended_at_ms),
            nodes: self.current_nodes(),
            edges: match (&self.run, last) {
                (None, Some(last)) => last.edges.clone(),
                (run, _) => self.edge_views(run.as_ref()),
            },
        })
    }
}

impl Unit {
    /// Records the end of a process of the present run.
    pub(super) fn process_ended(
        &mut self,
        process: usize,
        exit: Exit,
        cpu_usec: u64,
        max_rss_bytes: Option<u64>,
    ) {
        let Some(run) = &mut self.run else { return };
        let order = run.ended_count;
        if let Some(process) = run.processes.get_mut(process)
            && process.end.is_none()
        {
            process.end = Some(ProcessEnd { exit, order, at_ms: clock::now_ms(), cpu_usec, max_rss_bytes });
            run.ended_count += 1;
        }
    }

    pub(super) fn all_processes_lost(&mut self) {
        let count = self.run.as_ref().map_or(0, |run| run.processes.len());
        for process in 0..count {
            self.process_ended(process, Exit { code: None, signal: Some(libc::SIGKILL) }, 0, None);
        }
    }

    /// Tells whether a supervised pipeline has a node that failed by itself while others still run.
    pub(super) fn must_cancel_rest(&self) -> bool {
        let Kind::Pipeline { spec, .. } = &self.kind else { return false };
        let Some(run) = &self.run else { return false };
        spec.restart_on_failure
            && run.processes.iter().zip(&spec.nodes).any(|(process, node)| {
                process.end.is_some_and(|end| match end.exit {
                    Exit { code: Some(code), .. } => {
                        code != 141 && !node.success_codes.iter().any(|ok| i32::from(*ok) == code)
                    }
                    Exit { signal, .. } => signal != Some(libc::SIGPIPE),
                })
            })
    }

    pub(super) fn set_discerned(
        &mut self,
        generation: u64,
        relay_edge: usize,
        found: &Discerned,
    ) -> Option<Vec<String>> {
        let Kind::Pipeline { spec, .. } = &self.kind else { return None };
        let run = self.run.as_mut().filter(|run| run.generation == generation)?;
        let mut names = Vec::new();
        for (edge, live) in spec.edges.iter().zip(&mut run.edges) {
            if live.relay_index == Some(relay_edge) {
                live.discerned = Some(found.clone());
                names.push(format!("{}..{}", edge.source(), edge.target()));
            }
        }
        Some(names)
    }

    pub(super) fn remember_counters(&mut self) {
        for process in self.run.iter_mut().flat_map(|run| &mut run.processes) {
            if let Some(pid) = process.pid.filter(|_| process.end.is_none()) {
                process.bytes_written = program_wrote(pid).or(process.bytes_written);
                process.seen_rss_bytes = process.seen_rss_bytes.max(counters::peak_rss(pid));
            }
        }
    }
}

/// Returns how many bytes the program of a process has written: all but what was written before it was executed.
fn program_wrote(pid: i32) -> Option<u64> {
    counters::bytes_written(pid).map(|bytes| bytes.saturating_sub(GATE_RECORD as u64))
}

/// Tells whether an error number means that the host was short of something.
fn is_shortage(errno: i32) -> bool {
    matches!(errno, libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOSPC | libc::ETXTBSY)
}

/// Returns how an edge is tapped in a run: `tap` asks for every edge.
pub(super) fn edge_tap(spec: &PipelineSpec, edge: &shipote_card::Edge, tap: bool) -> TapMode {
    if tap { TapMode::On } else { spec.tap_of(edge) }
}

/// Returns producer and consumer of each edge by position; an edge to an unknown node is left out, though a
/// checked card has none.
pub(super) fn edge_positions(spec: &PipelineSpec) -> Vec<(usize, usize)> {
    let positions = spec.edges.iter().filter_map(|edge| {
        Some((spec.node_index(&edge.source().node)?, spec.node_index(&edge.target().node)?))
    });
    positions.collect()
}

/// Returns program and arguments for display.
pub(super) fn argv(command: &CommandRef) -> Vec<String> {
    match &command.payload {
        shipote_card::Payload::Native { exec, argv, .. } => {
            std::iter::once(exec.clone()).chain(argv.iter().cloned()).collect()
        }
        shipote_card::Payload::Shell { script } => vec!["sh".into(), "-c".into(), script.clone()],
    }
}

/// Makes the supervisor of a command.
pub(super) fn command_supervisor(spec: &CommandRef, restarts: u32) -> Supervisor {
    let policy = spec.restart().map(|policy| Policy {
        always: policy.on == shipote_card::RestartOn::Always,
        backoff: Backoff { base_ms: policy.backoff_ms, cap_ms: policy.max_backoff_ms, jitter: policy.jitter },
        max: policy.max,
        stable_ms: policy.stable_ms,
    });
    Supervisor::new(policy, spec.grace.unwrap_or(shipote_card::command::DEFAULT_GRACE).as_millis(), restarts)
}

/// Makes the supervisor of a pipeline.
pub(super) fn pipeline_supervisor(spec: &PipelineSpec, restarts: u32) -> Supervisor {
    let policy = spec.restart_on_failure.then_some(Policy {
        always: false,
        backoff: Backoff {
            base_ms: spec.restart_backoff_ms,
            cap_ms: spec.restart_max_backoff_ms,
            jitter: true,
        },
        max: spec.restart_max,
        stable_ms: 0,
    });
    let grace = spec.nodes.iter().filter_map(|node| node.grace).max();
    Supervisor::new(policy, grace.unwrap_or(shipote_card::command::DEFAULT_GRACE).as_millis(), restarts)
}

/// Makes a unit of which nothing is alive; `phase` where it is not simply declared.
pub(super) fn idle_unit(
    id: String,
    kind: Kind,
    desired: Desired,
    counters: Counters,
    phase: Option<UnitPhase>,
) -> Unit {
    let (label, mut supervisor) = match &kind {
        Kind::Command { spec, .. } => (spec.label.clone(), command_supervisor(spec, counters.restarts)),
        Kind::Pipeline { spec, .. } => (spec.label.clone(), pipeline_supervisor(spec, counters.restarts)),
    };
    if let Some(phase) = phase {
        supervisor.settle(phase);
    }
    Unit {
        id,
        label,
        kind,
        desired,
        supervisor,
        caller: Arc::default(),
        attachment: None,
        stdin: None,
        run: None,
        last: None,
    }
}
