//! Version 1 of `state.json`, frozen: workspaces and nothing else.

use alloc::string::String;
use alloc::vec::Vec;

use shipote_card::WorkspaceId;

use crate::quantity::{Bytes, Cpus, QuotaAction, Span};
use crate::wire::Map;

wire_struct! {
    /// The document.
    pub struct State {
        /// 1.
        version: u16,
        /// When it was written, in milliseconds since the Unix epoch.
        timestamp_ms: u64,
        /// Declared workspaces.
        workspaces: Vec<WorkspaceEntry>,
    }
}

wire_struct! {
    /// A declared workspace.
    pub struct WorkspaceEntry {
        /// ULID.
        id: WorkspaceId,
        /// What was declared.
        spec: WorkspaceSpec,
    }
}

wire_struct! {
    /// The declaration of a workspace.
    pub struct WorkspaceSpec {
        /// The name that people use.
        label: String,
        /// The body: namespaces, root, environment, identity, limits.
        soma: Soma = Soma::EMPTY,
        /// What its processes may touch or call.
        permissions: Permissions = Permissions::EMPTY,
        /// The longest life: null, whole seconds, `{secs, nanos}` or a text such as `2h`.
        ttl: Option<Span> = None,
        /// Directories that bring data in and out.
        flow_dirs: Vec<FlowDir> = Vec::new(),
        /// What happens to what still runs at the end.
        on_exit: ExitPolicy = ExitPolicy::Reap,
        /// Reactions per measured resource.
        quota_enforce: Map<Vec<QuotaStep>> = Map::new(),
    }
}

wire_struct! {
    /// The body of a workspace or a command.
    pub struct Soma {
        /// Which namespaces it has of its own.
        namespaces: Namespaces => Namespaces::ALL,
        /// What must hold the processes together.
        containment: Containment => Containment::Required,
        /// Refuse also what would only be enforced by sampling.
        strict: bool => false,
        /// The host name seen inside.
        hostname: Option<String> => None,
        /// What `/` is.
        root: RootFs => RootFs::Host,
        /// Further mounts, in order.
        mounts: Vec<Mount> => Vec::new(),
        /// Working directory.
        cwd: Option<String> => None,
        /// Environment variables.
        env: Map<String> => Map::new(),
        /// Files of `K=V` lines.
        env_file: Vec<String> => Vec::new(),
        /// Names of variables passed on from the caller.
        env_pass: Vec<String> => Vec::new(),
        /// User id.
        uid: Option<u32> => None,
        /// Group id.
        gid: Option<u32> => None,
        /// `subordinate` maps to subordinate ids.
        userns: Option<String> => None,
        /// Resource limits per process.
        rlimits: Map<u64> => Map::new(),
        /// Device nodes to provide.
        devices: Vec<String> => Vec::new(),
        /// Memory ceiling in bytes, or a text such as `512MiB`.
        memory_max: Option<Bytes> => None,
        /// Memory throttle.
        memory_high: Option<Bytes> => None,
        /// Swap ceiling.
        swap_max: Option<Bytes> => None,
        /// Processor ceiling: a number of processors, or a text such as `150%`.
        cpu_max: Option<Cpus> => None,
        /// Processor share.
        cpu_weight: Option<u32> => None,
        /// Number of tasks.
        pids_max: Option<u64> => None,
        /// Bytes per second to and from block devices.
        io_max: Option<Bytes> => None,
        /// Size of its own tmpfs.
        disk: Option<Bytes> => None,
        /// Size of `/dev/shm`.
        shm_size: Option<Bytes> => None,
    }
}

impl Soma {
    pub(crate) const EMPTY: Self = Self {
        namespaces: Namespaces::ALL,
        containment: Containment::Required,
        strict: false,
        hostname: None,
        root: RootFs::Host,
        mounts: Vec::new(),
        cwd: None,
        env: Map::new(),
        env_file: Vec::new(),
        env_pass: Vec::new(),
        uid: None,
        gid: None,
        userns: None,
        rlimits: Map::new(),
        devices: Vec::new(),
        memory_max: None,
        memory_high: None,
        swap_max: None,
        cpu_max: None,
        cpu_weight: None,
        pids_max: None,
        io_max: None,
        disk: None,
        shm_size: None,
    };
}

wire_struct! {
    /// Which namespaces a workspace has of its own.
    pub struct Namespaces {
        /// pid_namespaces(7).
        pid: bool = true,
        /// mount_namespaces(7).
        mount: bool = true,
        /// ipc_namespaces(7).
        ipc: bool = true,
        /// uts_namespaces(7).
        uts: bool = true,
        /// cgroup_namespaces(7).
        cgroup: bool = true,
    }
}

impl Namespaces {
    const ALL: Self = Self { pid: true, mount: true, ipc: true, uts: true, cgroup: true };
}

wire_choice! {
    /// What must hold the processes of a workspace together.
    pub enum Containment {
        /// A pid namespace or a cgroup.
        Required = "required",
        /// Neither is needed.
        BestEffort = "best_effort",
    }
}

wire_choice! {
    /// What `/` is inside a workspace.
    pub enum RootFs {
        /// The host's files.
        Host = "host",
        /// A directory with a whole root file system.
        Directory(String) = "directory",
        /// The host's files below a layer that keeps what is written.
        Overlay = "overlay",
    }
}

wire_struct! {
    /// One further mount.
    pub struct Mount {
        /// A host path, or `tmpfs`.
        source: String,
        /// Where it appears.
        target: String,
        /// Whether it may be written.
        write: bool = false,
    }
}

wire_struct! {
    /// What the processes of a workspace may touch or call.
    pub struct Permissions {
        /// Files by path.
        files: Option<FilePermissions> => None,
        /// The network.
        net: Option<NetPolicy> => None,
        /// `none`, `default` or `strict`.
        syscalls: Option<String> => None,
        /// Capabilities kept.
        capabilities: Vec<String> => Vec::new(),
        /// Whether edges may be tapped.
        tap: TapPermission => TapPermission::Allow,
    }
}

impl Permissions {
    pub(crate) const EMPTY: Self =
        Self { files: None, net: None, syscalls: None, capabilities: Vec::new(), tap: TapPermission::Allow };
}

wire_struct! {
    /// Files by path; writing implies reading.
    pub struct FilePermissions {
        /// Paths that may be read.
        read: Vec<String> = Vec::new(),
        /// Paths that may be written and read.
        write: Vec<String> = Vec::new(),
        /// Paths that may be executed and read.
        execute: Vec<String> = Vec::new(),
    }
}

wire_choice! {
    /// The network of a workspace.
    pub enum NetPolicy {
        /// No network at all.
        None = "none",
        /// A loopback of its own.
        Loopback = "loopback",
        /// The host's network.
        Host = "host",
        ; /// TCP ports only.
        else Ports(NetPorts)
    }
}

wire_struct! {
    /// TCP ports.
    pub struct NetPorts {
        /// Ports that may be connected to.
        connect: Vec<u16> = Vec::new(),
        /// Ports that may be listened on.
        bind: Vec<u16> = Vec::new(),
    }
}

wire_choice! {
    /// Whether edges of a workspace may be tapped.
    pub enum TapPermission {
        /// Observers may attach.
        Allow = "allow",
        /// No observer.
        Deny = "deny",
    }
}

wire_struct! {
    /// A directory that brings data in or out.
    pub struct FlowDir {
        /// Its name.
        name: String,
        /// Where it is on the host.
        path: String,
        /// Which way data flows.
        mode: FlowMode = FlowMode::In,
    }
}

wire_choice! {
    /// Which way data flows.
    pub enum FlowMode {
        /// Read only.
        In = "in",
        /// Written.
        Out = "out",
        /// Both.
        Inout = "inout",
    }
}

wire_choice! {
    /// What happens to what still runs at the end.
    pub enum ExitPolicy {
        /// Everything is ended.
        Reap = "reap",
        /// What runs may finish.
        Linger = "linger",
        /// What runs is kept frozen.
        Freeze = "freeze",
    }
}

wire_struct! {
    /// One step of a quota ladder.
    pub struct QuotaStep {
        /// The line: a percentage of the limit, or an amount.
        at: String,
        /// The reaction.
        r#do: QuotaAction,
        /// How long the line must be crossed.
        hold: Option<Span> = None,
    }
}
