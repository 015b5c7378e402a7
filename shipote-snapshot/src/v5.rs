//! Version 5 of `state.json`, a draft until the first release: adds `lineage`, `serial`, `journal_seq`, `producer`,
//! commands, ids of live pipelines, what ought to run, restart counters, and times on samples and workspaces.

use alloc::string::String;
use alloc::vec::Vec;

use shipote_card::{CommandId, PipelineId, WorkspaceId};

use crate::domain::{Lineage, WRITTEN_SAMPLES};
use crate::upgrade::{Notes, Origin};
use crate::wire::{Kind, Style, Wire};
use crate::{v1, v2, v3, v4};
use shipote_card::json::{Source, Unfit};

wire_struct! {
    /// The document.
    pub struct State {
        /// 5.
        version: u16,
        /// ULID of this line of states; derived from the file where it is null or absent.
        lineage: Option<Lineage> = None,
        /// Grows by one with each checkpoint.
        serial: u64 = 0,
        /// Sequence number of the last journal record that is folded in.
        journal_seq: u64 = 0,
        /// When it was written, in milliseconds since the Unix epoch.
        timestamp_ms: u64,
        /// What wrote it.
        producer: String = String::new(),
        /// Declared workspaces.
        workspaces: Vec<WorkspaceEntry>,
        /// Pipelines saved by name.
        saved_pipelines: Vec<v2::PipelineEntry> = Vec::new(),
        /// Pipelines that were started and not removed.
        live_pipelines: Vec<LivePipelineEntry> = Vec::new(),
        /// Supervised commands.
        commands: Vec<CommandEntry> = Vec::new(),
    }
}

/// Returns the same state in version 5; ids that are new to it are derived from where they come from.
pub(crate) fn from_v4(old: v4::State, origin: &Origin<'_>, notes: &mut Notes) -> State {
    notes.push(5, "/lineage", "derived from the file");
    let samples: usize = old.workspaces.iter().map(|entry| entry.stats_history.len()).sum();
    if samples > 0 {
        notes.push(5, "/workspaces", "samples of the history have no time");
    }
    let live = |(position, old): (usize, v3::LivePipelineEntry)| {
        let pointer = origin.live_pipeline(position);
        notes.push(5, &pointer, "gets an id derived from the file, and is desired to run");
        LivePipelineEntry {
            id: origin.pipeline_id(&pointer),
            workspace: old.workspace,
            spec: old.spec,
            tap: old.tap,
            desired: Desired::Running,
            counters: Counters::ZERO,
        }
    };
    State {
        version: 5,
        lineage: Some(origin.lineage()),
        serial: 0,
        journal_seq: 0,
        timestamp_ms: old.timestamp_ms,
        producer: String::new(),
        live_pipelines: old.live_pipelines.into_iter().enumerate().map(live).collect(),
        workspaces: old.workspaces.into_iter().map(workspace).collect(),
        saved_pipelines: old.saved_pipelines,
        commands: Vec::new(),
    }
}

fn workspace(v4::WorkspaceEntry { id, spec, stats_history }: v4::WorkspaceEntry) -> WorkspaceEntry {
    let sample = |old: v4::PersistedStats| PersistedStats {
        at_ms: None,
        commands_alive: old.commands_alive,
        commands_total: old.commands_total,
        rss_bytes: old.rss_bytes,
        rss_peak_bytes: old.rss_peak_bytes,
        cpu_usec: old.cpu_usec,
        cpu_percent: old.cpu_percent,
        cpu_cores: old.cpu_cores,
        uptime_ms: old.uptime_ms,
    };
    WorkspaceEntry {
        id,
        spec,
        expires_at_ms: None,
        stats_history: Samples(stats_history.into_iter().map(sample).collect()),
    }
}

wire_struct! {
    /// A declared workspace.
    pub struct WorkspaceEntry {
        /// ULID.
        id: WorkspaceId,
        /// What was declared.
        spec: v1::WorkspaceSpec,
        /// When its ttl ends, in milliseconds since the Unix epoch; null before the first start or without ttl.
        expires_at_ms: Option<u64> = None,
        /// What it cost, oldest first; at most 16 are written.
        stats_history: Samples = Samples(Vec::new()),
    }
}

wire_struct! {
    /// One sample.
    pub struct PersistedStats {
        /// When it was taken, in milliseconds since the Unix epoch; null where that is not known.
        at_ms: Option<u64> = None,
        /// Commands that run.
        commands_alive: u32,
        /// Commands that are declared.
        commands_total: u32,
        /// Resident memory in bytes.
        rss_bytes: Option<u64> = None,
        /// Highest resident memory in bytes.
        rss_peak_bytes: Option<u64> = None,
        /// Processor time in microseconds.
        cpu_usec: Option<u64> = None,
        /// Processor use in percent of one processor.
        cpu_percent: Option<f64> = None,
        /// Processors of the host.
        cpu_cores: u32,
        /// Age of the workspace in milliseconds.
        uptime_ms: u64,
    }
}

wire_struct! {
    /// A pipeline that was started.
    pub struct LivePipelineEntry {
        /// ULID.
        id: PipelineId,
        /// ULID of the workspace that it runs in; it wins over `spec.workspace`.
        workspace: WorkspaceId,
        /// What was declared.
        spec: v2::PipelineSpec,
        /// Whether every edge is tapped.
        tap: bool,
        /// Whether it ought to run.
        desired: Desired = Desired::Stopped,
        /// Where its restart policy stands.
        counters: Counters = Counters::ZERO,
    }
}

wire_struct! {
    /// A supervised command.
    pub struct CommandEntry {
        /// ULID.
        id: CommandId,
        /// ULID of the workspace that it runs in.
        workspace: WorkspaceId,
        /// What was declared.
        spec: v2::CommandRef,
        /// Whether it ought to run.
        desired: Desired = Desired::Stopped,
        /// Where its restart policy stands.
        counters: Counters = Counters::ZERO,
    }
}

wire_choice! {
    /// Whether something ought to run, as its user last said.
    pub enum Desired {
        /// It was started and not stopped.
        Running = "running",
        /// It was stopped, or has come to its end.
        Stopped = "stopped",
    }
}

wire_struct! {
    /// Where a restart policy stands.
    pub struct Counters {
        /// Restarts in a row.
        restarts: u32 = 0,
        /// Earliest time of the next start, in milliseconds since the Unix epoch.
        next_at_ms: Option<u64> = None,
        /// How the last run ended.
        last_exit: Option<LastExit> => None,
    }
}

impl Counters {
    const ZERO: Self = Self { restarts: 0, next_at_ms: None, last_exit: None };
}

wire_struct! {
    /// How a run ended.
    pub struct LastExit {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// Exit code; null where a signal ended it.
        code: Option<u8> = None,
        /// Number of the signal; null where it exited.
        signal: Option<u8> = None,
    }
}

/// Samples of a workspace, oldest first. Room for as many as are written is made at once: to grow to it costs a tenth of
/// what it takes to read a state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Samples(pub(crate) Vec<PersistedStats>);

impl Wire for Samples {
    const KIND: Kind = <Vec<PersistedStats>>::KIND;

    fn read(value: &mut dyn Source<'_>) -> Result<Self, Unfit> {
        let mut samples = Vec::new();
        value.list(&mut |item| {
            if samples.is_empty() {
                samples.reserve_exact(WRITTEN_SAMPLES);
            }
            samples.push(PersistedStats::read(item)?);
            Ok(())
        })?;
        Ok(Self(samples))
    }

    fn write(&self, out: &mut String, style: Style) {
        self.0.write(out, style);
    }
}
