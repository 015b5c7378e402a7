//! Version 2 of `state.json`, frozen: adds `saved_pipelines`.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::quantity::Span;
use crate::upgrade::Notes;
use crate::v1;
use crate::wire::Map;

wire_struct! {
    /// The document.
    pub struct State {
        /// 2.
        version: u16,
        /// When it was written, in milliseconds since the Unix epoch.
        timestamp_ms: u64,
        /// Declared workspaces.
        workspaces: Vec<v1::WorkspaceEntry>,
        /// Pipelines saved by name.
        saved_pipelines: Vec<PipelineEntry> = Vec::new(),
    }
}

/// Returns the same state in version 2.
pub(crate) fn from_v1(old: v1::State, notes: &mut Notes) -> State {
    notes.push(2, "/saved_pipelines", "starts empty");
    State {
        version: 2,
        timestamp_ms: old.timestamp_ms,
        workspaces: old.workspaces,
        saved_pipelines: Vec::new(),
    }
}

wire_struct! {
    /// A pipeline saved by name.
    pub struct PipelineEntry {
        /// Unique among the saved pipelines.
        name: String,
        /// What was declared.
        spec: PipelineSpec,
    }
}

wire_struct! {
    /// The declaration of a pipeline.
    pub struct PipelineSpec {
        /// The name that people use.
        label: String,
        /// Label or ULID of the workspace that it runs in.
        workspace: String,
        /// The commands.
        nodes: Vec<CommandRef> = Vec::new(),
        /// The byte streams between them.
        edges: Vec<Edge> = Vec::new(),
        /// Default for edges that say nothing about recognising their content.
        discern: Discern = Discern::OFF,
        /// Default for edges that say nothing about being tapped.
        tap: TapMode => TapMode::Off,
        /// Whether it is started again when it fails.
        restart_on_failure: bool = false,
        /// Delay before the first restart in milliseconds.
        restart_backoff_ms: u64 = 200,
        /// Longest delay in milliseconds.
        restart_max_backoff_ms: u64 = 30_000,
        /// Restarts in a row before giving up; 0 means without limit.
        restart_max: u32 = 0,
    }
}

wire_struct! {
    /// The declaration of a command.
    pub struct CommandRef {
        /// Unique among its siblings.
        label: String,
        /// What is executed.
        payload: Payload,
        /// What differs from the workspace.
        soma: v1::Soma = v1::Soma::EMPTY,
        /// Declared media type per port.
        flows: Map<String> = Map::new(),
        /// Whether and how it is started again.
        supervision: Supervision = Supervision::OneShot,
        /// Exit codes that count as success.
        success_codes: Vec<u8> => vec![0],
        /// Labels of commands that must be ready first.
        after: Vec<String> => Vec::new(),
        /// How its readiness is known.
        ready: Option<Ready> => None,
        /// Signal that asks it to stop, by name.
        stop_signal: Option<String> => None,
        /// Time between that signal and the kill.
        grace: Option<Span> => None,
    }
}

wire_choice! {
    /// What a command executes.
    pub enum Payload {
        /// A program.
        Native(Native) = "native",
        /// A script.
        Shell(Shell) = "shell",
    }
}

wire_struct! {
    /// A program.
    pub struct Native {
        /// Path, or a name that is looked up.
        exec: String,
        /// Arguments without `argv[0]`.
        argv: Vec<String> = Vec::new(),
        /// Further environment as `K=V`.
        envp: Vec<String> = Vec::new(),
    }
}

wire_struct! {
    /// A script for `/bin/sh -c`.
    pub struct Shell {
        /// Its text.
        script: String,
    }
}

wire_choice! {
    /// Whether and how a command is started again.
    pub enum Supervision {
        /// Runs once.
        OneShot = "one_shot",
        /// Is started again by this policy.
        Restart(RestartPolicy) = "restart",
    }
}

wire_struct! {
    /// When and how fast a command is started again.
    pub struct RestartPolicy {
        /// Which ends lead to a restart.
        on: RestartOn = RestartOn::Failure,
        /// Delay before the first restart in milliseconds.
        backoff_ms: u64 = 200,
        /// Longest delay in milliseconds.
        max_backoff_ms: u64 = 30_000,
        /// Restarts in a row before giving up; 0 means without limit.
        max: u32 = 0,
        /// Whether delays are spread.
        jitter: bool = true,
        /// A run of this many milliseconds resets delay and count; 0 means by the present delay.
        stable_ms: u64 = 0,
    }
}

wire_choice! {
    /// Which ends of a command lead to a restart.
    pub enum RestartOn {
        /// A failure.
        Failure = "failure",
        /// Any end.
        Always = "always",
    }
}

wire_struct! {
    /// How the readiness of a command is known: one question, and how long it may take.
    pub struct Ready {
        /// A TCP port that accepts.
        tcp: Option<String> => None,
        /// A URL that answers.
        http: Option<String> => None,
        /// A command that exits with 0.
        exec: Option<Vec<String>> => None,
        /// A text that appears in the output.
        log: Option<String> => None,
        /// A `READY=1` message.
        notify: Option<bool> => None,
        /// How long it may take.
        timeout: Option<Span> = None,
    }
    one_of(tcp, http, exec, log, notify)
}

wire_struct! {
    /// One byte stream.
    pub struct Edge {
        /// `node` or `node:port`.
        from: String,
        /// `node` or `node:port`.
        to: String,
        /// Whether it can be observed.
        tap: Option<TapMode> => None,
        /// Whether its content is recognised.
        discern: Option<Discern> => None,
        /// What happens when the consumer is slower.
        full: Option<FullPolicy> => None,
        /// How several edges into one input are joined.
        merge: Option<MergePolicy> => None,
    }
}

wire_choice! {
    /// Whether an edge can be observed.
    pub enum TapMode {
        /// A bare kernel pipe.
        Off = "off",
        /// An observer can attach at any time.
        Ready = "ready",
        /// Observed from the first byte.
        On = "on",
    }
}

wire_choice! {
    /// Whether content is recognised: the policy as a text, or an object that holds it.
    pub enum Discern {
        /// Nothing is looked at.
        Off = "off",
        /// It is recorded.
        Observe = "observe",
        /// A difference from the declared type is told.
        Warn = "warn",
        /// A difference from the declared type ends the pipeline.
        Fail = "fail",
        ; /// An object that holds it.
        else Policy(DiscernObject)
    }
}

impl Discern {
    const OFF: Self = Self::Policy(DiscernObject { policy: DiscernPolicy::Off });
}

wire_struct! {
    /// How recognised content is used, as an object.
    pub struct DiscernObject {
        /// The policy.
        policy: DiscernPolicy => DiscernPolicy::Off,
    }
}

wire_choice! {
    /// What is done with the content type that an edge is found to carry.
    pub enum DiscernPolicy {
        /// Nothing is looked at.
        Off = "off",
        /// It is recorded.
        Observe = "observe",
        /// A difference from the declared type is told.
        Warn = "warn",
        /// A difference from the declared type ends the pipeline.
        Fail = "fail",
    }
}

wire_choice! {
    /// What happens when the consumer of an edge is slower than its producer.
    pub enum FullPolicy {
        /// The producer waits.
        Block = "block",
        /// The surplus goes to a file.
        Spill = "spill",
        /// The newest bytes are dropped.
        DropNewest = "drop_newest",
        /// The oldest bytes are dropped.
        DropOldest = "drop_oldest",
    }
}

wire_choice! {
    /// How several edges into one input are joined.
    pub enum MergePolicy {
        /// Whole lines, in order of arrival.
        Line = "line",
        /// One after the other.
        Concat = "concat",
        /// The producers share one pipe.
        Raw = "raw",
    }
}
