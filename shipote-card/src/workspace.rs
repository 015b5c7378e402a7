//! What a workspace is: its body (soma), what it may touch (permissions), how long it lives, and what happens at
//! its end.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::unit::{ByteSize, Cpus, Span};

/// The declaration of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceSpec {
    /// The name that people use: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`, not a ULID, unique in the daemon.
    pub label: String,
    /// The body: namespaces, root, environment, identity, limits.
    #[serde(default)]
    pub soma: Soma,
    /// What its processes may touch or call.
    #[serde(default)]
    pub permissions: Permissions,
    /// The longest life, counted from the first start; none means without end.
    #[serde(default)]
    pub ttl: Option<Span>,
    /// Directories that bring data in and out.
    #[serde(default)]
    pub flow_dirs: Vec<FlowDir>,
    /// What happens to what still runs at ttl, stop and lost client.
    #[serde(default)]
    pub on_exit: ExitPolicy,
    /// What happens when a measured quantity crosses a line.
    #[serde(default)]
    pub quota_enforce: QuotaEnforce,
}

impl WorkspaceSpec {
    /// Makes a spec with this label and every default.
    #[must_use]
    pub fn labelled(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            soma: Soma::default(),
            permissions: Permissions::default(),
            ttl: None,
            flow_dirs: Vec::new(),
            on_exit: ExitPolicy::default(),
            quota_enforce: QuotaEnforce::default(),
        }
    }
}

/// The body of a workspace or a command: what surrounds the processes and what bounds them.
///
/// On a command only `cwd`, `env`, `env_file`, `env_pass`, `uid`, `gid` and `rlimits` have a meaning of their own;
/// the rest belongs to the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Soma {
    /// Which namespaces (namespaces(7)) the workspace has of its own.
    #[serde(skip_serializing_if = "is_default")]
    pub namespaces: Namespaces,
    /// What must hold the processes together; see [`Containment`].
    #[serde(skip_serializing_if = "is_default")]
    pub containment: Containment,
    /// Refuse also what would only be enforced by sampling.
    #[serde(skip_serializing_if = "is_default")]
    pub strict: bool,
    /// The host name seen inside; needs the uts namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: Option<String>,
    /// What `/` is.
    #[serde(skip_serializing_if = "is_default")]
    pub root: RootFs,
    /// Further mounts, in order.
    #[serde(skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    /// Working directory, absolute.
    #[serde(skip_serializing_if = "is_default")]
    pub cwd: Option<String>,
    /// Environment variables that are kept in the state.
    #[serde(skip_serializing_if = "is_default")]
    pub env: BTreeMap<String, String>,
    /// Files of `K=V` lines, read at each start; only the path is kept.
    #[serde(skip_serializing_if = "is_default")]
    pub env_file: Vec<String>,
    /// Variables passed on from the caller; only the name is kept.
    #[serde(skip_serializing_if = "is_default")]
    pub env_pass: Vec<String>,
    /// User id as the host knows it, a number.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Option<u32>,
    /// Group id as the host knows it, a number.
    #[serde(skip_serializing_if = "is_default")]
    pub gid: Option<u32>,
    /// `"subordinate"` maps the workspace to subordinate ids; none keeps the caller's identity.
    #[serde(skip_serializing_if = "is_default")]
    pub userns: Option<String>,
    /// Resource limits per process (setrlimit(2)), by lower-case name without `RLIMIT_`.
    #[serde(skip_serializing_if = "is_default")]
    pub rlimits: BTreeMap<String, u64>,
    /// Device nodes to provide.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: Vec<String>,
    /// Memory ceiling of the whole workspace (cgroup v2 `memory.max`).
    #[serde(skip_serializing_if = "is_default")]
    pub memory_max: Option<ByteSize>,
    /// Memory throttle (cgroup v2 `memory.high`).
    #[serde(skip_serializing_if = "is_default")]
    pub memory_high: Option<ByteSize>,
    /// Swap ceiling (cgroup v2 `memory.swap.max`).
    #[serde(skip_serializing_if = "is_default")]
    pub swap_max: Option<ByteSize>,
    /// Processor ceiling (cgroup v2 `cpu.max`).
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_max: Option<Cpus>,
    /// Processor share, 1 to 10000, default 100 (cgroup v2 `cpu.weight`).
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_weight: Option<u32>,
    /// Number of tasks (cgroup v2 `pids.max`).
    #[serde(skip_serializing_if = "is_default")]
    pub pids_max: Option<u64>,
    /// Bytes per second to and from block devices (cgroup v2 `io.max`).
    #[serde(skip_serializing_if = "is_default")]
    pub io_max: Option<ByteSize>,
    /// Size of the workspace's own tmpfs.
    #[serde(skip_serializing_if = "is_default")]
    pub disk: Option<ByteSize>,
    /// Size of `/dev/shm`.
    #[serde(skip_serializing_if = "is_default")]
    pub shm_size: Option<ByteSize>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which namespaces the workspace has of its own; all by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Namespaces {
    /// pid_namespaces(7): its processes see only each other, and all end with the first one.
    pub pid: bool,
    /// mount_namespaces(7).
    pub mount: bool,
    /// ipc_namespaces(7).
    pub ipc: bool,
    /// uts_namespaces(7): the host name.
    pub uts: bool,
    /// cgroup_namespaces(7): its cgroup looks like the root.
    pub cgroup: bool,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self { pid: true, mount: true, ipc: true, uts: true, cgroup: true }
    }
}

/// What must hold the processes of a workspace together, so that none outlives it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// A pid namespace or a cgroup holds the processes, and a mount namespace covers the daemon's own files, or the
    /// workspace is refused.
    #[default]
    #[serde(alias = "Required")]
    Required,
    /// Goes on without; escapees are then possible, or the daemon is within reach, and `effective` says so.
    #[serde(alias = "BestEffort")]
    BestEffort,
}

/// What `/` is inside a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RootFs {
    /// The host's files, as the workspace's user sees them.
    #[default]
    #[serde(alias = "Host")]
    Host,
    /// A directory that holds a whole root file system.
    #[serde(alias = "Directory")]
    Directory(String),
    /// The host's files below a layer that keeps what is written.
    #[serde(alias = "Overlay")]
    Overlay,
}

/// One further mount inside a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// What is mounted: a host path, or `tmpfs`.
    pub source: String,
    /// Where it appears, absolute.
    pub target: String,
    /// Whether it may be written.
    #[serde(default)]
    pub write: bool,
}

/// What the processes of a workspace may touch or call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Files by path (Landlock); none leaves the user's own rights.
    #[serde(skip_serializing_if = "is_default")]
    pub files: Option<FilePermissions>,
    /// The network; none leaves the host's.
    #[serde(skip_serializing_if = "is_default")]
    pub net: Option<NetPolicy>,
    /// System calls: `none`, `default` or `strict`.
    #[serde(skip_serializing_if = "is_default")]
    pub syscalls: Option<String>,
    /// Capabilities (capabilities(7)) kept; none by default.
    #[serde(skip_serializing_if = "is_default")]
    pub capabilities: Vec<String>,
    /// Whether edges may be tapped.
    #[serde(skip_serializing_if = "is_default")]
    pub tap: TapPermission,
}

/// Files by path; writing implies reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FilePermissions {
    /// Paths that may be read.
    pub read: Vec<String>,
    /// Paths that may be written and read.
    pub write: Vec<String>,
    /// Paths that may be executed and read.
    pub execute: Vec<String>,
}

/// The network of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NetPolicy {
    /// No network at all.
    None,
    /// A loopback of its own.
    Loopback,
    /// The host's network.
    Host,
    /// TCP ports only.
    #[serde(untagged)]
    Ports {
        /// Ports that may be connected to.
        #[serde(default)]
        connect: Vec<u16>,
        /// Ports that may be listened on.
        #[serde(default)]
        bind: Vec<u16>,
    },
}

/// Whether edges of the workspace may be tapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TapPermission {
    /// Observers may attach.
    #[default]
    #[serde(alias = "Allow")]
    Allow,
    /// No observer, for edges that carry secrets.
    #[serde(alias = "Deny")]
    Deny,
}

/// A directory that brings data into or out of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlowDir {
    /// Its name; processes find the path in `$SHIPOTE_FLOW_<NAME>`.
    pub name: String,
    /// Where it is on the host, absolute.
    pub path: String,
    /// Which way data flows.
    #[serde(default)]
    pub mode: FlowMode,
}

impl FlowDir {
    /// Returns the name of the variable that holds the path: `SHIPOTE_FLOW_` and the name in capitals, with `_` for
    /// what is neither a letter nor a digit.
    #[must_use]
    pub fn variable(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        "SHIPOTE_FLOW_".chars().chain(self.name.chars().map(letter)).collect()
    }
}

/// Which way data flows through a flow directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FlowMode {
    /// Read only; must exist.
    #[default]
    #[serde(alias = "In")]
    In,
    /// Written; created with mode 0700 where it is missing.
    #[serde(alias = "Out")]
    Out,
    /// Both; created with mode 0700 where it is missing.
    #[serde(alias = "Inout")]
    Inout,
}

/// What happens to what still runs at ttl, stop and lost client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExitPolicy {
    /// Everything is ended and cleaned up.
    #[default]
    #[serde(alias = "Reap")]
    Reap,
    /// What runs may finish; nothing new starts.
    #[serde(alias = "Linger")]
    Linger,
    /// What runs is kept frozen to be looked at.
    #[serde(alias = "Freeze")]
    Freeze,
}

/// A ladder of reactions per measured resource (`memory`, `cpu`, `pids`, `disk`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct QuotaEnforce(pub BTreeMap<String, Vec<QuotaStep>>);

/// One step of a ladder: at this line, held this long, do this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuotaStep {
    /// The line: `"80%"` of the limit, or an amount.
    pub at: String,
    /// The reaction.
    #[serde(rename = "do")]
    pub action: QuotaAction,
    /// How long the line must be crossed before the reaction.
    #[serde(default)]
    pub hold: Option<Span>,
}

/// A reaction of the quota ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaAction {
    /// Record it.
    Observe,
    /// Record it and tell the user.
    Warn,
    /// Slow the workspace down.
    Throttle,
    /// Freeze the workspace.
    Freeze,
    /// End the workspace's processes.
    Kill,
    /// Send a signal, by name: `signal:USR1`.
    #[serde(untagged)]
    Signal(String),
}
