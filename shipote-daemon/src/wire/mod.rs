//! What travels between client and daemon: bodies, problems and the frames of `shipote-stdio/1`.
//!
//! These types are the API of version 1 (docs/protocol.md). Views come from the runtime as they are; what is
//! declared here is what clients send, and the few answers that have no view.

pub mod frame;
pub mod problem;

use serde::{Deserialize, Serialize};
use shipote_card::{Card, CommandRef, PipelineSpec, WorkspaceSpec};
use shipote_runtime::WorkspaceStats;
use shipote_runtime::drive::session::Caller;
use shipote_runtime::view::{CommandView, PipelineView, WorkspaceView};

/// Version of the API that this program speaks.
pub const API: u32 = 1;

/// Request header: the state directory that the client means.
pub const STATE_DIR_HEADER: &str = "shipote-state-dir";
/// Response header: the version of the daemon's program.
pub const VERSION_HEADER: &str = "shipote-version";
/// Protocol of an upgraded connection.
pub const STDIO_PROTOCOL: &str = "shipote-stdio/1";
/// Media type of a body made of frames.
pub const FRAMES_TYPE: &str = "application/vnd.shipote.frames";
/// Media type of a body of JSON lines.
pub const NDJSON_TYPE: &str = "application/x-ndjson";
/// Media type of problems (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Answer of `GET /v1/version`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionAnswer {
    /// Version of the program.
    pub version: String,
    /// Oldest API version that is served.
    pub api_min: u32,
    /// Newest API version that is served.
    pub api_max: u32,
    /// Process id of the daemon.
    pub pid: u32,
    /// State directory that it serves.
    pub state_dir: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// Whether a client started it, so that it ends when idle.
    pub background: bool,
    /// Whether nothing was started again, since starts before this one did not live through it.
    #[serde(default)]
    pub held: bool,
    /// Whether something changed since the state was last written as a whole.
    pub dirty: bool,
}

/// Body of `POST /v1/up`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpBody {
    /// The card in its full form.
    pub card: Card,
    /// What the caller brings along.
    #[serde(default)]
    pub caller: Caller,
    /// Stop live pipelines of the same label first.
    #[serde(default)]
    pub replace: bool,
}

/// Answer of `POST /v1/up`.
#[derive(Debug, Serialize, Deserialize)]
pub struct UpAnswer {
    /// The workspace.
    pub workspace: WorkspaceView,
    /// Whether it was declared by this request.
    pub created: bool,
    /// What this request changed, one line each.
    pub changes: Vec<String>,
}

/// Where a command of `POST /v1/exec` runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecPlace {
    /// In a workspace that exists, by name.
    Workspace(String),
    /// In a workspace that ends with the command and is not in the state.
    Ephemeral(WorkspaceSpec),
    /// In a workspace that is declared by the request.
    Declared(WorkspaceSpec),
}

/// Body of `POST /v1/exec`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecBody {
    /// Where it runs.
    pub target: ExecPlace,
    /// What runs.
    pub command: CommandRef,
    /// What the caller brings along.
    #[serde(default)]
    pub caller: Caller,
    /// Whether bytes for stdin will follow.
    #[serde(default)]
    pub stdin: bool,
    /// Longest run in milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// Answer of `POST /v1/exec`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExecAnswer {
    /// The workspace.
    pub workspace: WorkspaceView,
    /// The command.
    pub command: CommandView,
}

/// Body of `POST /v1/pipelines`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunBody {
    /// Name of the workspace; the pipeline's own where none is given.
    pub workspace: Option<String>,
    /// The pipeline itself.
    pub spec: Option<PipelineSpec>,
    /// Name of a saved pipeline.
    pub saved: Option<String>,
    /// What the caller brings along.
    pub caller: Caller,
    /// Stop a live pipeline of the same label first.
    pub replace: bool,
    /// Make every edge one that can be observed.
    pub tap: bool,
}

/// Answer of `POST /v1/units/{name}/{verb}`: the objects acted on.
#[derive(Debug, Serialize, Deserialize)]
pub struct ActedAnswer {
    /// Label paths.
    pub acted: Vec<String>,
}

/// Answer of `GET /v1/units/{name}`: what a name means.
#[derive(Debug, Serialize, Deserialize)]
pub struct MeansAnswer {
    /// Label paths.
    pub means: Vec<String>,
}

/// Answer of `POST /v1/units/{name}/wait`.
#[derive(Debug, Serialize, Deserialize)]
pub struct WaitAnswer {
    /// Whether everything had ended before the time was over.
    pub settled: bool,
    /// Whether all of it ended with success.
    pub ok: bool,
    /// How things stand.
    pub detail: serde_json::Value,
}

/// Answer of `GET /v1/workspaces/{name}/stats`.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatsAnswer {
    /// The workspace with its newest sample.
    pub workspace: WorkspaceView,
    /// Earlier samples, oldest first.
    pub history: Vec<WorkspaceStats>,
}

/// Answer of a removal.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemovedAnswer {
    /// What was removed, by id or name.
    pub removed: String,
}

/// Announcement of a channel, as a frame carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelDoc {
    /// Number of the channel.
    pub channel: u16,
    /// Label path of the process: `command` or `pipeline/node`.
    pub label: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Whether its bytes are a result rather than a message.
    pub result: bool,
}

/// A piece of a tapped edge that is missing, as a frame carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapDoc {
    /// Where in the stream it begins.
    pub offset: u64,
    /// How many bytes are missing.
    pub missing: u64,
}

/// What the daemon answered when a connection was upgraded: what a plain request would have been answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// Of `up`.
    Up(Box<UpAnswer>),
    /// Of `run` and `exec`.
    Exec(Box<ExecAnswer>),
    /// Of `pipeline run`.
    Pipeline(Box<PipelineView>),
}

impl Opened {
    /// Returns the label of the workspace.
    #[must_use]
    pub fn workspace(&self) -> &str {
        match self {
            Self::Up(answer) => &answer.workspace.label,
            Self::Exec(answer) => &answer.workspace.label,
            Self::Pipeline(pipeline) => &pipeline.workspace,
        }
    }
}

/// Returns a text as one segment of a URL path: everything but letters, digits and `-._~` is escaped.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Returns what [`segment`] was given; none where it is not such a text.
#[must_use]
pub fn unsegment(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_path_is_one_segment() {
        assert_eq!(segment("ws/pipe/a..b"), "ws%2Fpipe%2Fa..b");
        assert_eq!(segment("é 1"), "%C3%A9%201");
        assert_eq!(unsegment("%2Fvar%2F%C3%A9-1").as_deref(), Some("/var/é-1"));
        assert_eq!(unsegment("%2"), None);
    }
}
