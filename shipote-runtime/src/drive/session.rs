//! A session: the live connection between a client and what it follows or runs.
//!
//! Bytes flow with back-pressure: a client that reads slowly slows the process, as a pipe would. Dropping either
//! end of the session is the lost client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::view::{Exit, WorkspaceDetail};

/// What a client brings along: the environment that its programs may see, and where it stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Caller {
    /// Working directory, absolute.
    pub cwd: String,
    /// Environment variables: `PATH`, `HOME`, `USER`, `LANG`, `TERM`, and those that a card passes on by name.
    pub env: BTreeMap<String, String>,
}

/// What a session brings to its client.
#[derive(Debug)]
pub enum Frame {
    /// Announces a channel before its first bytes.
    Channel {
        /// Number of the channel, used by [`Frame::Output`].
        channel: u16,
        /// Label path of the process: `command` or `pipeline/node`.
        label: String,
        /// `stdout` or `stderr`.
        stream: &'static str,
        /// Whether these bytes are a result rather than a message: the stdout of what nothing else reads.
        result: bool,
    },
    /// Bytes of a channel, in order.
    Output {
        /// Number of the channel.
        channel: u16,
        /// The bytes.
        data: Vec<u8>,
    },
    /// How things stand; sent about ten times a second while something changes.
    Status(Box<WorkspaceDetail>),
    /// The end of the session; nothing follows.
    End(Box<SessionEnd>),
}

/// How a session ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionEnd {
    /// Whether every one-shot command and pipeline ended with success.
    pub ok: bool,
    /// How the one process ended, for a session that runs a single command.
    pub exit: Option<Exit>,
    /// Whether it was ended by its time limit.
    pub timed_out: bool,
    /// How things stand at the end.
    pub detail: Option<WorkspaceDetail>,
}

/// What a client sends into a session, besides bytes.
#[derive(Debug)]
pub enum Input {
    /// A signal for the process, or for everything that is followed: the first asks it to stop, a second kills.
    Signal(i32),
}

/// The client's end of a session.
#[derive(Debug)]
pub struct Session {
    /// What comes out; at most [`FRAMES_IN_FLIGHT`] wait.
    pub frames: mpsc::Receiver<Frame>,
    /// What goes in, besides bytes. Dropping it is the lost client.
    pub input: mpsc::Sender<Input>,
    /// Bytes for the process's stdin, which ends when this is dropped; none where stdin is empty. Apart from
    /// `input`, so that a signal is never behind bytes that nobody reads.
    pub stdin: Option<mpsc::Sender<Vec<u8>>>,
}

/// Frames that may wait for a slow client before its processes wait too.
pub const FRAMES_IN_FLIGHT: usize = 16;
