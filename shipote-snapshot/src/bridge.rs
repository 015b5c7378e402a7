//! The last step of reading and the first of writing: wire forms of the newest version to and from card types.
//!
//! Both ways are total. A wire form that can say more than a card (two spellings of one thing) arrives as the one.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use shipote_card as card;

use crate::wire::Map;
use crate::{domain, quantity, v1, v2, v5};

/// A wire form and the domain type that it stands for.
pub(crate) trait Bridge<D>: Sized {
    /// Turns the wire form into the domain type.
    fn lift(self) -> D;
    /// Turns the domain type into the wire form.
    fn lower(value: D) -> Self;
}

macro_rules! bridge_same {
    ($($ty:ty),+ $(,)?) => {$(
        impl Bridge<Self> for $ty {
            fn lift(self) -> Self {
                self
            }

            fn lower(value: Self) -> Self {
                value
            }
        }
    )+};
}

bridge_same!(
    bool,
    u8,
    u16,
    u32,
    u64,
    f64,
    String,
    card::WorkspaceId,
    card::PipelineId,
    card::CommandId,
    domain::Lineage
);

impl<D, W: Bridge<D>> Bridge<Vec<D>> for Vec<W> {
    fn lift(self) -> Vec<D> {
        self.into_iter().map(W::lift).collect()
    }

    fn lower(value: Vec<D>) -> Self {
        value.into_iter().map(W::lower).collect()
    }
}

impl<D, W: Bridge<D>> Bridge<Option<D>> for Option<W> {
    fn lift(self) -> Option<D> {
        self.map(W::lift)
    }

    fn lower(value: Option<D>) -> Self {
        value.map(W::lower)
    }
}

impl<D, W: Bridge<D>> Bridge<BTreeMap<String, D>> for Map<W> {
    fn lift(self) -> BTreeMap<String, D> {
        // Not collected: that sorts, by a sort of its own for each type.
        let mut map = BTreeMap::new();
        map.extend(self.0.into_iter().map(|(key, value)| (key, value.lift())));
        map
    }

    fn lower(value: BTreeMap<String, D>) -> Self {
        let mut map = Self::new();
        map.0.extend(value.into_iter().map(|(key, value)| (key, W::lower(value))));
        map
    }
}

macro_rules! bridge_struct {
    ($wire:ty => $domain:ty { $($field:ident),+ $(,)? }) => {
        impl Bridge<$domain> for $wire {
            fn lift(self) -> $domain {
                let Self { $($field),+ } = self;
                type Domain = $domain;
                Domain { $($field: Bridge::lift($field)),+ }
            }

            fn lower(value: $domain) -> Self {
                type Domain = $domain;
                let Domain { $($field),+ } = value;
                Self { $($field: Bridge::lower($field)),+ }
            }
        }
    };
}

macro_rules! bridge_choice {
    ($wire:ty => $domain:ty { $($variant:ident),+ $(,)? }) => {
        impl Bridge<$domain> for $wire {
            fn lift(self) -> $domain {
                match self { $(Self::$variant => <$domain>::$variant),+ }
            }

            fn lower(value: $domain) -> Self {
                match value { $(<$domain>::$variant => Self::$variant),+ }
            }
        }
    };
}

bridge_struct!(v1::WorkspaceSpec => card::WorkspaceSpec {
    label, soma, permissions, ttl, flow_dirs, on_exit, quota_enforce,
});
bridge_struct!(v1::Soma => card::Soma {
    namespaces, containment, strict, hostname, root, mounts, cwd, env, env_file, env_pass, uid, gid, userns,
    rlimits, devices, memory_max, memory_high, swap_max, cpu_max, cpu_weight, pids_max, io_max, disk, shm_size,
});
bridge_struct!(v1::Namespaces => card::Namespaces { pid, mount, ipc, uts, cgroup });
bridge_choice!(v1::Containment => card::Containment { Required, BestEffort });
bridge_struct!(v1::Mount => card::Mount { source, target, write });
bridge_struct!(v1::Permissions => card::Permissions { files, net, syscalls, capabilities, tap });
bridge_struct!(v1::FilePermissions => card::workspace::FilePermissions { read, write, execute });
bridge_choice!(v1::TapPermission => card::TapPermission { Allow, Deny });
bridge_struct!(v1::FlowDir => card::FlowDir { name, path, mode });
bridge_choice!(v1::FlowMode => card::FlowMode { In, Out, Inout });
bridge_choice!(v1::ExitPolicy => card::ExitPolicy { Reap, Linger, Freeze });

bridge_struct!(v2::PipelineEntry => domain::PipelineEntry { name, spec });
bridge_struct!(v2::PipelineSpec => card::PipelineSpec {
    label, workspace, nodes, edges, discern, tap, restart_on_failure, restart_backoff_ms, restart_max_backoff_ms,
    restart_max,
});
bridge_struct!(v2::CommandRef => card::CommandRef {
    label, payload, soma, flows, supervision, success_codes, after, ready, stop_signal, grace,
});
bridge_struct!(v2::RestartPolicy => card::RestartPolicy {
    on, backoff_ms, max_backoff_ms, max, jitter, stable_ms,
});
bridge_choice!(v2::RestartOn => card::RestartOn { Failure, Always });
bridge_struct!(v2::Edge => card::Edge { from, to, tap, discern, full, merge });
bridge_choice!(v2::TapMode => card::TapMode { Off, Ready, On });
bridge_choice!(v2::DiscernPolicy => card::DiscernPolicy { Off, Observe, Warn, Fail });
bridge_choice!(v2::FullPolicy => card::FullPolicy { Block, Spill, DropNewest, DropOldest });
bridge_choice!(v2::MergePolicy => card::MergePolicy { Line, Concat, Raw });

bridge_struct!(v5::WorkspaceEntry => domain::WorkspaceEntry { id, spec, expires_at_ms, stats_history });
bridge_struct!(v5::PersistedStats => domain::PersistedStats {
    at_ms, commands_alive, commands_total, rss_bytes, rss_peak_bytes, cpu_usec, cpu_percent, cpu_cores, uptime_ms,
});
bridge_struct!(v5::LivePipelineEntry => domain::LivePipelineEntry { id, workspace, spec, tap, desired, counters });
bridge_struct!(v5::CommandEntry => domain::CommandEntry { id, workspace, spec, desired, counters });
bridge_choice!(v5::Desired => domain::Desired { Running, Stopped });
bridge_struct!(v5::Counters => domain::Counters { restarts, next_at_ms, last_exit });
bridge_struct!(v5::LastExit => domain::LastExit { at_ms, code, signal });

impl Bridge<Vec<domain::PersistedStats>> for v5::Samples {
    fn lift(self) -> Vec<domain::PersistedStats> {
        self.0.lift()
    }

    fn lower(value: Vec<domain::PersistedStats>) -> Self {
        Self(Bridge::lower(value))
    }
}

impl Bridge<card::Span> for quantity::Span {
    fn lift(self) -> card::Span {
        card::Span::from_millis(self.0)
    }

    fn lower(value: card::Span) -> Self {
        Self(value.as_millis())
    }
}

impl Bridge<card::ByteSize> for quantity::Bytes {
    fn lift(self) -> card::ByteSize {
        card::ByteSize(self.0)
    }

    fn lower(value: card::ByteSize) -> Self {
        Self(value.0)
    }
}

impl Bridge<card::Cpus> for quantity::Cpus {
    fn lift(self) -> card::Cpus {
        card::Cpus { milli: self.0 }
    }

    fn lower(value: card::Cpus) -> Self {
        Self(value.milli)
    }
}

impl Bridge<card::RootFs> for v1::RootFs {
    fn lift(self) -> card::RootFs {
        match self {
            Self::Host => card::RootFs::Host,
            Self::Directory(path) => card::RootFs::Directory(path),
            Self::Overlay => card::RootFs::Overlay,
        }
    }

    fn lower(value: card::RootFs) -> Self {
        match value {
            card::RootFs::Host => Self::Host,
            card::RootFs::Directory(path) => Self::Directory(path),
            card::RootFs::Overlay => Self::Overlay,
        }
    }
}

impl Bridge<card::NetPolicy> for v1::NetPolicy {
    fn lift(self) -> card::NetPolicy {
        match self {
            Self::None => card::NetPolicy::None,
            Self::Loopback => card::NetPolicy::Loopback,
            Self::Host => card::NetPolicy::Host,
            Self::Ports(v1::NetPorts { connect, bind }) => card::NetPolicy::Ports { connect, bind },
        }
    }

    fn lower(value: card::NetPolicy) -> Self {
        match value {
            card::NetPolicy::None => Self::None,
            card::NetPolicy::Loopback => Self::Loopback,
            card::NetPolicy::Host => Self::Host,
            card::NetPolicy::Ports { connect, bind } => Self::Ports(v1::NetPorts { connect, bind }),
        }
    }
}

impl Bridge<card::QuotaEnforce> for Map<Vec<v1::QuotaStep>> {
    fn lift(self) -> card::QuotaEnforce {
        card::QuotaEnforce(self.lift())
    }

    fn lower(value: card::QuotaEnforce) -> Self {
        Self::lower(value.0)
    }
}

impl Bridge<card::QuotaStep> for v1::QuotaStep {
    fn lift(self) -> card::QuotaStep {
        card::QuotaStep { at: self.at, action: self.r#do.lift(), hold: self.hold.lift() }
    }

    fn lower(value: card::QuotaStep) -> Self {
        Self { at: value.at, r#do: Bridge::lower(value.action), hold: Bridge::lower(value.hold) }
    }
}

impl Bridge<card::QuotaAction> for quantity::QuotaAction {
    fn lift(self) -> card::QuotaAction {
        match self.0.as_str() {
            "observe" => card::QuotaAction::Observe,
            "warn" => card::QuotaAction::Warn,
            "throttle" => card::QuotaAction::Throttle,
            "freeze" => card::QuotaAction::Freeze,
            "kill" => card::QuotaAction::Kill,
            _ => card::QuotaAction::Signal(self.0),
        }
    }

    fn lower(value: card::QuotaAction) -> Self {
        Self(match value {
            card::QuotaAction::Observe => "observe".into(),
            card::QuotaAction::Warn => "warn".into(),
            card::QuotaAction::Throttle => "throttle".into(),
            card::QuotaAction::Freeze => "freeze".into(),
            card::QuotaAction::Kill => "kill".into(),
            card::QuotaAction::Signal(text) => text,
        })
    }
}

impl Bridge<card::Payload> for v2::Payload {
    fn lift(self) -> card::Payload {
        match self {
            Self::Native(v2::Native { exec, argv, envp }) => card::Payload::Native { exec, argv, envp },
            Self::Shell(v2::Shell { script }) => card::Payload::Shell { script },
        }
    }

    fn lower(value: card::Payload) -> Self {
        match value {
            card::Payload::Native { exec, argv, envp } => Self::Native(v2::Native { exec, argv, envp }),
            card::Payload::Shell { script } => Self::Shell(v2::Shell { script }),
        }
    }
}

impl Bridge<card::Flows> for Map<String> {
    fn lift(self) -> card::Flows {
        card::Flows(self.0)
    }

    fn lower(value: card::Flows) -> Self {
        Self(value.0)
    }
}

impl Bridge<card::Supervision> for v2::Supervision {
    fn lift(self) -> card::Supervision {
        match self {
            Self::OneShot => card::Supervision::OneShot,
            Self::Restart(policy) => card::Supervision::Restart(policy.lift()),
        }
    }

    fn lower(value: card::Supervision) -> Self {
        match value {
            card::Supervision::OneShot => Self::OneShot,
            card::Supervision::Restart(policy) => Self::Restart(Bridge::lower(policy)),
        }
    }
}

impl Bridge<card::DiscernPolicy> for v2::Discern {
    fn lift(self) -> card::DiscernPolicy {
        match self {
            Self::Off => card::DiscernPolicy::Off,
            Self::Observe => card::DiscernPolicy::Observe,
            Self::Warn => card::DiscernPolicy::Warn,
            Self::Fail => card::DiscernPolicy::Fail,
            Self::Policy(object) => object.policy.lift(),
        }
    }

    fn lower(value: card::DiscernPolicy) -> Self {
        Self::Policy(v2::DiscernObject { policy: Bridge::lower(value) })
    }
}

impl Bridge<card::Ready> for v2::Ready {
    fn lift(self) -> card::Ready {
        use card::ReadyProbe;
        // The reader has made sure that exactly one of the five is given.
        let probe = (self.tcp.map(ReadyProbe::Tcp))
            .or(self.http.map(ReadyProbe::Http))
            .or(self.exec.map(ReadyProbe::Exec))
            .or(self.log.map(ReadyProbe::Log))
            .unwrap_or(ReadyProbe::Notify(self.notify.unwrap_or(true)));
        card::Ready { probe, timeout: self.timeout.lift() }
    }

    fn lower(value: card::Ready) -> Self {
        use card::ReadyProbe;
        let timeout = Bridge::lower(value.timeout);
        let mut ready = Self { tcp: None, http: None, exec: None, log: None, notify: None, timeout };
        match value.probe {
            ReadyProbe::Tcp(address) => ready.tcp = Some(address),
            ReadyProbe::Http(url) => ready.http = Some(url),
            ReadyProbe::Exec(argv) => ready.exec = Some(argv),
            ReadyProbe::Log(text) => ready.log = Some(text),
            ReadyProbe::Notify(wanted) => ready.notify = Some(wanted),
        }
        ready
    }
}

/// Turns the newest wire form into what the daemon holds; nothing is held back yet.
pub(crate) fn snapshot(state: v5::State, lineage: domain::Lineage) -> domain::ShipoteSnapshot {
    domain::ShipoteSnapshot {
        lineage,
        serial: state.serial,
        journal_seq: state.journal_seq,
        timestamp_ms: state.timestamp_ms,
        producer: state.producer,
        workspaces: state.workspaces.lift(),
        saved_pipelines: state.saved_pipelines.lift(),
        live_pipelines: state.live_pipelines.lift(),
        commands: state.commands.lift(),
        held: Vec::new(),
    }
}
