//! What the daemon holds: the newest version's state, in the types of a card.
//!
//! Desired state, policy counters and observed state are three things; only the first two are here. Times are
//! milliseconds since the Unix epoch, and come from the caller.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use shipote_card::id::{self, IdError};
use shipote_card::{CommandId, CommandRef, PipelineId, PipelineSpec, WorkspaceId, WorkspaceSpec};

/// The newest version of `state.json`: what is written, and the newest that is read.
pub const SNAPSHOT_VERSION: u16 = 5;

/// Samples per workspace that are written into `state.json`, the newest ones.
pub const WRITTEN_SAMPLES: usize = 16;

/// Everything that survives a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct ShipoteSnapshot {
    /// Names this line of states; a file of another lineage is never taken for a newer one of this.
    pub lineage: Lineage,
    /// Grows by one with each checkpoint written.
    pub serial: u64,
    /// Sequence number of the last journal record that is folded in; 0 before the first.
    pub journal_seq: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// What wrote it, such as `shipote 0.1.0`; empty where that is not known.
    pub producer: String,
    /// Declared workspaces.
    pub workspaces: Vec<WorkspaceEntry>,
    /// Pipelines saved by name.
    pub saved_pipelines: Vec<PipelineEntry>,
    /// Pipelines that were started and not removed.
    pub live_pipelines: Vec<LivePipelineEntry>,
    /// Supervised commands.
    pub commands: Vec<CommandEntry>,
    /// Entities that were not understood, kept to be written back as they were.
    pub held: Vec<HeldEntity>,
}

impl ShipoteSnapshot {
    /// Makes a state without entities, at the beginning of `lineage`.
    #[must_use]
    pub fn empty(lineage: Lineage, timestamp_ms: u64, producer: impl Into<String>) -> Self {
        Self {
            lineage,
            serial: 0,
            journal_seq: 0,
            timestamp_ms,
            producer: producer.into(),
            workspaces: Vec::new(),
            saved_pipelines: Vec::new(),
            live_pipelines: Vec::new(),
            commands: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Returns the workspace named `id`.
    #[must_use]
    pub fn workspace(&self, id: WorkspaceId) -> Option<&WorkspaceEntry> {
        self.workspaces.iter().find(|entry| entry.id == id)
    }
}

/// The name of a line of states: a ULID in its canonical text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage(String);

impl Lineage {
    /// Makes a lineage from milliseconds since the Unix epoch (48 bits used) and 80 random bits.
    #[must_use]
    pub fn from_parts(timestamp_ms: u64, random: u128) -> Self {
        Self(WorkspaceId::from_parts(timestamp_ms, random).to_string())
    }

    /// Returns its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Lineage {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        id::parse_canonical(text).map(|_| Self(text.to_string()))
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A declared workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkspaceEntry {
    /// Its name for its whole life.
    pub id: WorkspaceId,
    /// What was declared.
    pub spec: WorkspaceSpec,
    /// When its ttl ends, in milliseconds since the Unix epoch; none before the first start or without ttl.
    pub expires_at_ms: Option<u64>,
    /// What it cost, oldest first; only the newest [`WRITTEN_SAMPLES`] are written.
    pub stats_history: Vec<PersistedStats>,
}

impl WorkspaceEntry {
    /// Makes an entry that has never run.
    #[must_use]
    pub const fn new(id: WorkspaceId, spec: WorkspaceSpec) -> Self {
        Self { id, spec, expires_at_ms: None, stats_history: Vec::new() }
    }
}

/// One sample of what a workspace costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PersistedStats {
    /// When it was taken, in milliseconds since the Unix epoch; none in samples of version 4.
    pub at_ms: Option<u64>,
    /// Commands that run.
    pub commands_alive: u32,
    /// Commands that are declared.
    pub commands_total: u32,
    /// Resident memory in bytes; none where the host could not tell.
    pub rss_bytes: Option<u64>,
    /// Highest resident memory in bytes since the workspace was started.
    pub rss_peak_bytes: Option<u64>,
    /// Processor time in microseconds since the workspace was started.
    pub cpu_usec: Option<u64>,
    /// Processor use in percent of one processor, since the sample before.
    pub cpu_percent: Option<f64>,
    /// Processors of the host.
    pub cpu_cores: u32,
    /// Age of the workspace in milliseconds, since it was started.
    pub uptime_ms: u64,
}

/// A pipeline saved by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineEntry {
    /// Unique among the saved pipelines.
    pub name: String,
    /// What was declared.
    pub spec: PipelineSpec,
}

/// A pipeline that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePipelineEntry {
    /// Its name, over its restarts.
    pub id: PipelineId,
    /// The workspace that it runs in; it wins over `spec.workspace`.
    pub workspace: WorkspaceId,
    /// What was declared.
    pub spec: PipelineSpec,
    /// Whether every edge is tapped.
    pub tap: bool,
    /// Whether it ought to run.
    pub desired: Desired,
    /// Where its restart policy stands.
    pub counters: Counters,
}

/// A supervised command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEntry {
    /// Its name, over its restarts.
    pub id: CommandId,
    /// The workspace that it runs in.
    pub workspace: WorkspaceId,
    /// What was declared.
    pub spec: CommandRef,
    /// Whether it ought to run.
    pub desired: Desired,
    /// Where its restart policy stands.
    pub counters: Counters,
}

/// Whether something ought to run, as its user last said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// It was started and not stopped.
    Running,
    /// It was stopped, or has come to its end.
    #[default]
    Stopped,
}

/// Where a restart policy stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Restarts in a row.
    pub restarts: u32,
    /// Earliest time of the next start, in milliseconds since the Unix epoch.
    pub next_at_ms: Option<u64>,
    /// How the last run ended.
    pub last_exit: Option<LastExit>,
}

/// How a run ended: with a code, or by a signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastExit {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Exit code, 0 to 255; none where a signal ended it.
    pub code: Option<u8>,
    /// Number of the signal; none where it exited.
    pub signal: Option<u8>,
}

/// An entity that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntity {
    /// The list that it stands in.
    pub collection: Collection,
    /// Its JSON, byte for byte.
    pub raw: String,
}

/// A list of entities in `state.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// `workspaces`.
    Workspaces,
    /// `saved_pipelines`, since version 2.
    SavedPipelines,
    /// `live_pipelines`, since version 3.
    LivePipelines,
    /// `commands`, since version 5.
    Commands,
}

impl Collection {
    /// All lists, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Workspaces, Self::SavedPipelines, Self::LivePipelines, Self::Commands];

    /// Returns its key in `state.json`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Workspaces => "workspaces",
            Self::SavedPipelines => "saved_pipelines",
            Self::LivePipelines => "live_pipelines",
            Self::Commands => "commands",
        }
    }
}

impl serde::Serialize for Collection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}
