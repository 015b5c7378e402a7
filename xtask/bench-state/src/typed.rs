//! The same bytes read and written by plain derived types: what `serde_json` asks for them when nothing is checked, no
//! unknown field is refused and nothing is turned into other types afterwards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A `state.json` whose workspaces are like those that [`made`](crate::made) makes.
#[derive(Debug, Deserialize, Serialize)]
pub struct State {
    version: u16,
    lineage: String,
    serial: u64,
    journal_seq: u64,
    producer: String,
    timestamp_ms: u64,
    /// Its workspaces.
    pub workspaces: Vec<Workspace>,
    saved_pipelines: Vec<String>,
    live_pipelines: Vec<String>,
    commands: Vec<String>,
}

/// A workspace.
#[derive(Debug, Deserialize, Serialize)]
pub struct Workspace {
    id: String,
    spec: Spec,
    expires_at_ms: Option<u64>,
    stats_history: Vec<Sample>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Spec {
    label: String,
    soma: Soma,
    permissions: Permissions,
    ttl: Option<u64>,
    flow_dirs: Vec<FlowDir>,
    on_exit: String,
    quota_enforce: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Soma {
    hostname: Option<String>,
    cwd: Option<String>,
    env: BTreeMap<String, String>,
    memory_max: Option<u64>,
    pids_max: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Permissions {
    files: Option<Files>,
    net: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Files {
    read: Vec<String>,
    write: Vec<String>,
    execute: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct FlowDir {
    name: String,
    path: String,
    mode: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Sample {
    at_ms: Option<u64>,
    commands_alive: u32,
    commands_total: u32,
    rss_bytes: Option<u64>,
    rss_peak_bytes: Option<u64>,
    cpu_usec: Option<u64>,
    cpu_percent: Option<f64>,
    cpu_cores: u32,
    uptime_ms: u64,
}

/// A record of the journal.
#[derive(Debug, Deserialize)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    #[expect(dead_code, reason = "read as all the others are")]
    at_ms: u64,
    #[expect(dead_code, reason = "read as all the others are")]
    durable_seq: u64,
    #[expect(dead_code, reason = "read as all the others are")]
    v: u16,
    /// Its changes.
    pub ops: Vec<Op>,
}

/// A change.
#[derive(Debug, Deserialize)]
pub struct Op {
    #[expect(dead_code, reason = "read as all the others are")]
    op: String,
    #[expect(dead_code, reason = "read as all the others are")]
    id: String,
    #[expect(dead_code, reason = "read as all the others are")]
    body: Workspace,
}
