//! What a command is: a program to execute, how it is supervised, and what it promises about its streams.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::unit::Span;
use crate::workspace::Soma;

/// The declaration of one command, alone or as a node of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CommandRef {
    /// Unique among the commands of a workspace, or among the nodes of a pipeline.
    pub label: String,
    /// What is executed.
    pub payload: Payload,
    /// What differs from the workspace: directory, environment, identity.
    #[serde(default)]
    pub soma: Soma,
    /// Declared media type per port (`stdin`, `stdout`, `stderr`).
    #[serde(default)]
    pub flows: Flows,
    /// Whether and how it is started again.
    #[serde(default)]
    pub supervision: Supervision,
    /// Exit codes that count as success.
    #[serde(default = "default_success_codes", skip_serializing_if = "is_default_success")]
    pub success_codes: Vec<u8>,
    /// Labels of commands that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// How its readiness is known; none means as soon as it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// Signal that asks it to stop, by name; `TERM` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Time between the stop signal and the kill; 10 s where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
}

/// Grace time of a command that names none, in milliseconds.
pub const DEFAULT_GRACE: Span = Span::from_secs(10);

fn default_success_codes() -> Vec<u8> {
    vec![0]
}

fn is_default_success(codes: &[u8]) -> bool {
    codes == [0]
}

impl CommandRef {
    /// Makes a one-shot command that executes `argv`, whose first element is the program.
    ///
    /// Returns none for an empty `argv`.
    #[must_use]
    pub fn from_argv(label: impl Into<String>, argv: &[String]) -> Option<Self> {
        let (exec, rest) = argv.split_first()?;
        Some(Self {
            label: label.into(),
            payload: Payload::Native { exec: exec.clone(), argv: rest.to_vec(), envp: Vec::new() },
            soma: Soma::default(),
            flows: Flows::default(),
            supervision: Supervision::OneShot,
            success_codes: default_success_codes(),
            after: Vec::new(),
            ready: None,
            stop_signal: None,
            grace: None,
        })
    }

    /// Returns the restart policy, or none for a one-shot command.
    #[must_use]
    pub const fn restart(&self) -> Option<&RestartPolicy> {
        match &self.supervision {
            Supervision::OneShot => None,
            Supervision::Restart(policy) => Some(policy),
        }
    }
}

/// What a command executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Payload {
    /// A program, by execve(2).
    #[serde(alias = "Native")]
    Native {
        /// Path, or a name that is looked up in `PATH` as execvp(3) does.
        exec: String,
        /// Arguments without `argv[0]`.
        #[serde(default)]
        argv: Vec<String>,
        /// Further environment as `K=V`.
        #[serde(default)]
        envp: Vec<String>,
    },
    /// A script for `/bin/sh -c`.
    #[serde(alias = "Shell")]
    Shell {
        /// The text of the script.
        script: String,
    },
}

/// Declared media type per port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Flows(pub BTreeMap<String, String>);

/// Whether and how a command is started again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// Runs once.
    #[default]
    #[serde(alias = "OneShot")]
    OneShot,
    /// Is started again by this policy.
    #[serde(alias = "Restart")]
    Restart(RestartPolicy),
}

/// When and how fast a command is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RestartPolicy {
    /// Which ends lead to a restart.
    pub on: RestartOn,
    /// Delay before the first restart in milliseconds; it doubles with each further one.
    pub backoff_ms: u64,
    /// Longest delay in milliseconds.
    pub max_backoff_ms: u64,
    /// Restarts in a row before giving up; 0 means without limit.
    pub max: u32,
    /// Spread each delay by up to a fifth, so that many commands do not start together.
    pub jitter: bool,
    /// A run of this many milliseconds resets delay and count; 0 means 10 s or five times the present delay,
    /// whichever is longer.
    pub stable_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            on: RestartOn::Failure,
            backoff_ms: 200,
            max_backoff_ms: 30_000,
            max: 0,
            jitter: true,
            stable_ms: 0,
        }
    }
}

/// Which ends of a command lead to a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RestartOn {
    /// An exit code outside `success_codes`, or a signal.
    #[default]
    #[serde(alias = "Failure")]
    Failure,
    /// Any end.
    #[serde(alias = "Always")]
    Always,
}

/// How the readiness of a command is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ready {
    /// What is asked.
    #[serde(flatten)]
    pub probe: ReadyProbe,
    /// How long it may take; none waits without end.
    #[serde(default)]
    pub timeout: Option<Span>,
}

/// What is asked to know whether a command is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadyProbe {
    /// A TCP port that accepts, as `host:port` or a port number.
    Tcp(String),
    /// A URL that answers with a status below 400.
    Http(String),
    /// A command that exits with 0.
    Exec(Vec<String>),
    /// A text that appears in the output.
    Log(String),
    /// A `READY=1` message (sd_notify(3)).
    Notify(bool),
}
