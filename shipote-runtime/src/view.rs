//! What can be told about declared and running things: plain values that the API serves and the client reads.
//!
//! Views are made for one answer and thrown away. Nothing in here is alive, and nothing in here is persisted.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shipote_card::{EdgeId, PipelineId, PipelineSpec, TapMode, WorkspaceId, WorkspaceSpec};
use shipote_snapshot::samples::Extremes;
use shipote_snapshot::{Desired, PersistedStats, Point};

use crate::decide::discern::Discerned;

/// Where a workspace is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspacePhase {
    /// Declared; costs no process.
    Declared,
    /// Its ws-init is being made.
    Starting,
    /// It has a ws-init.
    Running,
    /// Its processes are being ended.
    Stopping,
    /// Its time to live is over; nothing starts in it again.
    Expired,
}

/// A workspace as `ws ls` and `ws show` tell it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkspaceView {
    /// Its identifier.
    pub id: WorkspaceId,
    /// Its name.
    pub label: String,
    /// Where it is in its life.
    pub phase: WorkspacePhase,
    /// Its declaration.
    pub spec: WorkspaceSpec,
    /// Whether it ends with its client and is not in the state file.
    pub ephemeral: bool,
    /// When its ws-init became ready, in milliseconds since the Unix epoch.
    pub started_at_ms: Option<u64>,
    /// When its time to live ends, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// Main processes that are alive.
    pub processes_alive: u32,
    /// Supervised commands that are declared in it.
    pub commands: u32,
    /// Pipelines that are declared in it.
    pub pipelines: u32,
    /// The newest sample; none before the first one.
    pub stats: Option<WorkspaceStats>,
    /// What was asked of the host and what the host enforces; empty while nothing runs.
    pub effective: Vec<Effective>,
}

/// What was asked for in one layer of isolation, and what holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective {
    /// The layer: `pid_namespace`, `mount_namespace`, `user_namespace`, `cgroup`, `containment`, …
    pub layer: String,
    /// What was asked for.
    pub requested: String,
    /// What holds.
    pub enforced: String,
    /// Why they differ; empty where they do not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What a workspace costs: one sample, or several of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceStats {
    /// When it was taken, in milliseconds since the Unix epoch.
    pub at_ms: Option<u64>,
    /// Commands and nodes that are alive.
    pub commands_alive: u32,
    /// Commands and nodes in all.
    pub commands_total: u32,
    /// Memory now, in bytes.
    pub rss_bytes: Option<u64>,
    /// Most memory seen, in bytes.
    pub rss_peak_bytes: Option<u64>,
    /// Processor time used, in microseconds; never falls within one life of the workspace.
    pub cpu_usec: Option<u64>,
    /// Processor use since the sample before, in percent of one processor; none for a first sample.
    pub cpu_percent: Option<f64>,
    /// Processors of the machine.
    pub cpu_cores: u32,
    /// Time since the workspace started, in milliseconds.
    pub uptime_ms: u64,
    /// Where each figure comes from.
    pub source: StatsSource,
    /// The stretch of time that it stands for; none for a single sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
}

/// A stretch of time of which several samples became one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Its length in milliseconds.
    pub span_ms: u64,
    /// Samples that were taken in it.
    pub samples: u32,
    /// The lowest values of them.
    pub low: Extremes,
    /// The highest values of them.
    pub high: Extremes,
}

/// Where the figures of a sample come from, per metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsSource {
    /// Source of the memory figures.
    pub memory: Source,
    /// Source of the processor time.
    pub cpu: Source,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A controller of cgroup v2.
    Cgroup,
    /// The sum over `/proc`.
    Proc,
    /// An earlier life of the daemon, or the history on disk.
    Persisted,
}

impl Source {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Proc => "proc",
            Self::Persisted => "persisted",
        }
    }
}

impl StatsSource {
    /// The source of figures that come back from disk.
    pub const PERSISTED: Self = Self { memory: Source::Persisted, cpu: Source::Persisted };
}

impl From<&PersistedStats> for WorkspaceStats {
    /// Shows a sample as it comes back from a state file.
    fn from(stats: &PersistedStats) -> Self {
        Self {
            at_ms: stats.at_ms,
            commands_alive: stats.commands_alive,
            commands_total: stats.commands_total,
            rss_bytes: stats.rss_bytes,
            rss_peak_bytes: stats.rss_peak_bytes,
            cpu_usec: stats.cpu_usec,
            cpu_percent: stats.cpu_percent,
            cpu_cores: stats.cpu_cores,
            uptime_ms: stats.uptime_ms,
            source: StatsSource::PERSISTED,
            stretch: None,
        }
    }
}

impl From<&WorkspaceStats> for PersistedStats {
    /// Takes a sample as a state file holds it.
    fn from(stats: &WorkspaceStats) -> Self {
        Self {
            at_ms: stats.at_ms,
            commands_alive: stats.commands_alive,
            commands_total: stats.commands_total,
            rss_bytes: stats.rss_bytes,
            rss_peak_bytes: stats.rss_peak_bytes,
            cpu_usec: stats.cpu_usec,
            cpu_percent: stats.cpu_percent,
            cpu_cores: stats.cpu_cores,
            uptime_ms: stats.uptime_ms,
        }
    }
}

impl From<&Point> for WorkspaceStats {
    /// Shows a point as it comes back from the history on disk.
    fn from(point: &Point) -> Self {
        let Point { span_ms, samples, low, high, .. } = *point;
        let stretch = (span_ms > 0).then_some(Stretch { span_ms, samples, low, high });
        Self { stretch, ..Self::from(&point.stats) }
    }
}

impl WorkspaceStats {
    /// Returns it as a point of the history of `workspace`; none where it has no time.
    #[must_use]
    pub fn point(&self, workspace: WorkspaceId) -> Option<Point> {
        let single = Point::single(workspace, PersistedStats::from(self))?;
        Some(match self.stretch {
            None => single,
            Some(Stretch { span_ms, samples, low, high }) => Point { span_ms, samples, low, high, ..single },
        })
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, where it exited.
    pub code: Option<i32>,
    /// Signal number, where a signal ended it.
    pub signal: Option<i32>,
}

impl Exit {
    /// Returns the code that a shell reports: the exit code, or 128 and the signal.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        self.code.or(self.signal.map(|signal| 128 + signal)).unwrap_or(125)
    }
}

/// Where a command or a pipeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitPhase {
    /// Declared, not started.
    Declared,
    /// Being started.
    Starting,
    /// Running.
    Running,
    /// Asked to end.
    Stopping,
    /// Waiting before the next start.
    Backoff,
    /// Ended with success, and not to be started again.
    Done,
    /// Ended with failure, or given up.
    Failed,
    /// Stopped on request.
    Stopped,
    /// Was running when the daemon ended, and has no restart policy.
    Lost,
    /// Waits for environment variables that only a caller can pass.
    NeedsEnv,
    /// Its workspace's time to live is over.
    Expired,
}

impl UnitPhase {
    /// Tells whether nothing happens any more without a request.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Declared
                | Self::Done
                | Self::Failed
                | Self::Stopped
                | Self::Lost
                | Self::NeedsEnv
                | Self::Expired
        )
    }
}

/// Why something could not be started: a step of the launch and the error number that the kernel gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchFailure {
    /// The step, such as `exec`, `cwd` or `mount_proc`.
    pub step: String,
    /// Error number (errno(3)).
    pub errno: i32,
    /// What the step was about, such as a path.
    pub object: String,
}

/// One row of `ps`: a command, or a node of a pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandView {
    /// Identifier of the command, or of the pipeline that it is a node of.
    pub id: String,
    /// Its name; `pipeline/node` for a node.
    pub label: String,
    /// `command`, `node` or `exec`.
    pub kind: String,
    /// Name of its workspace.
    pub workspace: String,
    /// Identifier of its workspace.
    pub workspace_id: WorkspaceId,
    /// Where it is.
    pub phase: UnitPhase,
    /// What the user wants of it.
    pub desired: Desired,
    /// Its main process as the daemon's host numbers it.
    pub pid: Option<u32>,
    /// Restarts since it was last started on request.
    pub restarts: u32,
    /// When it is started again, in milliseconds since the Unix epoch.
    pub next_at_ms: Option<u64>,
    /// When its present run began, in milliseconds since the Unix epoch.
    pub started_at_ms: Option<u64>,
    /// How its last run ended.
    pub exit: Option<Exit>,
    /// Why it could not be started.
    pub failure: Option<LaunchFailure>,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Processor time of its last finished run, or of the run so far, in microseconds.
    pub cpu_usec: Option<u64>,
    /// Memory of its main process now, in bytes.
    pub rss_bytes: Option<u64>,
}

/// What is to be said of a node that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeVerdict {
    /// Success.
    Ok,
    /// Ended by SIGPIPE after its consumers had finished well.
    Forgiven,
    /// Failure.
    Failed,
    /// Ended because another node failed, or on request.
    Cancelled,
}

/// A node of a live pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub label: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it is.
    pub phase: UnitPhase,
    /// Its main process as the daemon's host numbers it.
    pub pid: Option<u32>,
    /// What is to be said of its end; none while it runs.
    pub verdict: Option<NodeVerdict>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Why it could not be started.
    pub failure: Option<LaunchFailure>,
    /// Whether a node upstream failed, so that it saw less than it should have.
    pub input_truncated: bool,
    /// Processor time in microseconds.
    pub cpu_usec: Option<u64>,
    /// Most memory seen, in bytes.
    pub rss_peak_bytes: Option<u64>,
}

/// An edge of a live pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EdgeView {
    /// Its identifier.
    pub id: EdgeId,
    /// Producing end.
    pub from: String,
    /// Consuming end.
    pub to: String,
    /// Bytes that went through, where they are counted.
    pub bytes: Option<u64>,
    /// Bytes that the producer wrote by `/proc/PID/io`, for an edge that is not counted.
    pub bytes_estimate: Option<u64>,
    /// Whether it can be observed.
    pub tap: TapMode,
    /// What it was found to carry.
    pub discern: Option<Discerned>,
    /// The type that its producer declared.
    pub declared: Option<String>,
    /// Whether what was found contradicts what was declared.
    pub mismatch: bool,
}

/// A live pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PipelineView {
    /// Its identifier.
    pub id: PipelineId,
    /// Its name.
    pub label: String,
    /// Name of its workspace.
    pub workspace: String,
    /// Identifier of its workspace.
    pub workspace_id: WorkspaceId,
    /// Where it is.
    pub phase: UnitPhase,
    /// What the user wants of it.
    pub desired: Desired,
    /// `ok` or `failed`; none while it runs.
    pub verdict: Option<PipelineVerdict>,
    /// The node that failed first.
    pub cause: Option<String>,
    /// Number of the present run, from 1.
    pub epoch: u32,
    /// Restarts in a row.
    pub restarts: u32,
    /// When it is started again, in milliseconds since the Unix epoch.
    pub next_at_ms: Option<u64>,
    /// When the present run began, in milliseconds since the Unix epoch.
    pub started_at_ms: Option<u64>,
    /// When the last run ended, in milliseconds since the Unix epoch.
    pub ended_at_ms: Option<u64>,
    /// Its nodes, in the order of the card.
    pub nodes: Vec<NodeView>,
    /// Its edges, in the order of the card.
    pub edges: Vec<EdgeView>,
}

/// What is to be said of a whole pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineVerdict {
    /// No node failed.
    Ok,
    /// A node failed, or the pipeline could not be started.
    Failed,
    /// Stopped on request.
    Cancelled,
}

/// A saved pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPipelineView {
    /// The name it is saved under.
    pub name: String,
    /// Its declaration.
    pub spec: PipelineSpec,
}

/// Everything about one workspace at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkspaceDetail {
    /// The workspace.
    pub workspace: WorkspaceView,
    /// Its commands, declared ones and those of `exec`.
    pub commands: Vec<CommandView>,
    /// Its pipelines.
    pub pipelines: Vec<PipelineView>,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Position in the stream, from 1, without gaps within one life of the daemon; it goes on over restarts.
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What: `workspace.created`, `command.exited`, `pipeline.ended`, …
    pub kind: String,
    /// Identifier of the workspace.
    pub workspace: String,
    /// The object: a label path such as `ws/command`.
    pub object: String,
    /// Details.
    pub data: serde_json::Value,
}
