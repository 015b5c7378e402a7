//! What a pipeline is: commands as nodes of a directed acyclic graph, joined by byte streams.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::command::CommandRef;

/// The declaration of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// Unique among the pipelines of a workspace.
    pub label: String,
    /// Label or id of the workspace that it runs in; empty where the card around it says so.
    #[serde(default)]
    pub workspace: String,
    /// The commands.
    pub nodes: Vec<CommandRef>,
    /// The byte streams between them.
    #[serde(default)]
    pub edges: Vec<Edge>,
    /// Default for edges that say nothing about recognising their content.
    #[serde(default)]
    pub discern: DiscernPolicy,
    /// Default for edges that say nothing about being tapped.
    #[serde(default)]
    pub tap: TapMode,
    /// Whether the whole pipeline is started again when it fails.
    #[serde(default)]
    pub restart_on_failure: bool,
    /// Delay before the first restart in milliseconds; it doubles with each further one.
    #[serde(default = "default_backoff_ms")]
    pub restart_backoff_ms: u64,
    /// Longest delay in milliseconds.
    #[serde(default = "default_max_backoff_ms")]
    pub restart_max_backoff_ms: u64,
    /// Restarts in a row before giving up; 0 means without limit.
    #[serde(default)]
    pub restart_max: u32,
}

const fn default_backoff_ms() -> u64 {
    200
}

const fn default_max_backoff_ms() -> u64 {
    30_000
}

impl PipelineSpec {
    /// Returns how the edge `edge` is tapped, the pipeline's default included.
    #[must_use]
    pub fn tap_of(&self, edge: &Edge) -> TapMode {
        edge.tap.unwrap_or(self.tap)
    }

    /// Returns how content is recognised on `edge`, the pipeline's default included.
    #[must_use]
    pub fn discern_of(&self, edge: &Edge) -> DiscernPolicy {
        edge.discern.unwrap_or(self.discern)
    }

    /// Returns the position of the node called `label`.
    #[must_use]
    pub fn node_index(&self, label: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.label == label)
    }
}

/// One byte stream from a node's output to a node's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// `node` or `node:port`; the port is `stdout` where none is given.
    pub from: String,
    /// `node` or `node:port`; the port is `stdin` where none is given.
    pub to: String,
    /// Whether it can be observed; the pipeline's default where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap: Option<TapMode>,
    /// Whether its content is recognised; the pipeline's default where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discern: Option<DiscernPolicy>,
    /// What happens when the consumer is slower than the producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<FullPolicy>,
    /// How several edges into one input are joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergePolicy>,
}

impl Edge {
    /// Makes an edge from `from` to `to` that takes every default.
    #[must_use]
    pub fn between(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), tap: None, discern: None, full: None, merge: None }
    }

    /// Returns the producing end.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        Endpoint::parse(&self.from, "stdout")
    }

    /// Returns the consuming end.
    #[must_use]
    pub fn target(&self) -> Endpoint {
        Endpoint::parse(&self.to, "stdin")
    }
}

/// One end of an edge: a node and one of its ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Label of the node.
    pub node: String,
    /// `stdin`, `stdout` or `stderr`.
    pub port: String,
}

impl Endpoint {
    fn parse(text: &str, default_port: &str) -> Self {
        let (node, port) = text.split_once(':').unwrap_or((text, default_port));
        Self { node: node.to_string(), port: port.to_string() }
    }
}

impl fmt::Display for Endpoint {
    /// Writes `node`, or `node:stderr` where the port is not the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port.as_str() {
            "stdin" | "stdout" => f.write_str(&self.node),
            port => write!(f, "{}:{port}", self.node),
        }
    }
}

/// Whether an edge can be observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TapMode {
    /// A bare kernel pipe; nobody but its two processes holds it.
    #[default]
    #[serde(alias = "Off")]
    Off,
    /// Relayed by the daemon, so that an observer can attach at any time.
    #[serde(alias = "Ready")]
    Ready,
    /// Observed from the first byte.
    #[serde(alias = "On")]
    On,
}

/// What is done with the content type that an edge is found to carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiscernPolicy {
    /// Nothing is looked at.
    #[default]
    #[serde(alias = "Off")]
    Off,
    /// It is recorded.
    #[serde(alias = "Observe")]
    Observe,
    /// A difference from the declared type is told.
    #[serde(alias = "Warn")]
    Warn,
    /// A difference from the declared type ends the pipeline before the consumer reads a byte.
    #[serde(alias = "Fail")]
    Fail,
}

/// What happens when the consumer of an edge is slower than its producer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FullPolicy {
    /// The producer waits.
    #[default]
    #[serde(alias = "Block")]
    Block,
    /// The surplus goes to a bounded file.
    #[serde(alias = "Spill")]
    Spill,
    /// The newest bytes are dropped and counted.
    #[serde(alias = "DropNewest")]
    DropNewest,
    /// The oldest bytes are dropped and counted.
    #[serde(alias = "DropOldest")]
    DropOldest,
}

/// How several edges into one input are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MergePolicy {
    /// Whole lines, in order of arrival.
    #[default]
    #[serde(alias = "Line")]
    Line,
    /// One after the other, in the order of the edges.
    #[serde(alias = "Concat")]
    Concat,
    /// The producers share one pipe; only writes of up to 4096 bytes stay whole (pipe(7)).
    #[serde(alias = "Raw")]
    Raw,
}
