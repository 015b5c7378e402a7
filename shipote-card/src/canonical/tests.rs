//! The full form is read back as the same card, by serde and by the parser.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::canonical;
use crate::parse::{Syntax, tests::decoded};
use crate::{
    ByteSize, Card, CommandRef, Containment, Cpus, DiscernPolicy, Edge, ExitPolicy, FlowDir, FlowMode, Flows,
    FullPolicy, MergePolicy, Mount, Namespaces, NetPolicy, Payload, Permissions, PipelineSpec, QuotaAction,
    QuotaEnforce, QuotaStep, Ready, ReadyProbe, RestartOn, RestartPolicy, RootFs, Soma, Span, Supervision,
    TapMode, TapPermission, WorkspaceSpec,
};

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9./~\" é=-]{1,8}"
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(), text(), 0..3)
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![(0..1_000_000_u64).prop_map(Span::from_millis), (0..100_u64).prop_map(Span::from_secs)]
}

fn size() -> impl Strategy<Value = Option<ByteSize>> {
    of(any::<u64>().prop_map(ByteSize))
}

prop_compose! {
    fn limits()(
        (memory_max, memory_high, swap_max, io_max, disk, shm_size) in (size(), size(), size(), size(), size(), size()),
        cpu_max in of((1..100_000_u32).prop_map(|milli| Cpus { milli })),
        cpu_weight in of(1..10_000_u32),
        pids_max in of(any::<u64>()),
    ) -> Soma {
        Soma {
            memory_max, memory_high, swap_max, io_max, disk, shm_size, cpu_max, cpu_weight, pids_max, ..Soma::default()
        }
    }
}

prop_compose! {
    fn soma()(
        limits in limits(),
        (pid, uts, strict) in any::<(bool, bool, bool)>(),
        containment in prop_oneof![Just(Containment::Required), Just(Containment::BestEffort)],
        root in prop_oneof![Just(RootFs::Host), Just(RootFs::Overlay), text().prop_map(RootFs::Directory)],
        (hostname, cwd, userns) in (of(text()), of(text()), of(text())),
        mounts in vec((text(), text(), any::<bool>()), 0..2),
        (env, env_file, env_pass, devices) in (map(), texts(), texts(), texts()),
        (uid, gid) in any::<(Option<u32>, Option<u32>)>(),
        rlimits in btree_map(text(), any::<u64>(), 0..2),
    ) -> Soma {
        let namespaces = Namespaces { pid, uts, ..Namespaces::default() };
        let mounts = mounts.into_iter().map(|(source, target, write)| Mount { source, target, write }).collect();
        Soma {
            namespaces, containment, strict, hostname, root, mounts, cwd, env, env_file, env_pass, uid, gid, userns,
            rlimits, devices, ..limits
        }
    }
}

fn net() -> impl Strategy<Value = NetPolicy> {
    prop_oneof![
        Just(NetPolicy::None),
        Just(NetPolicy::Loopback),
        Just(NetPolicy::Host),
        any::<(Vec<u16>, Vec<u16>)>().prop_map(|(connect, bind)| NetPolicy::Ports { connect, bind }),
    ]
}

prop_compose! {
    fn permissions()(
        files in of((texts(), texts(), texts())),
        net in of(net()),
        syscalls in of(text()),
        capabilities in texts(),
        deny in any::<bool>(),
    ) -> Permissions {
        let files = files.map(|(read, write, execute)| crate::FilePermissions { read, write, execute });
        let tap = if deny { TapPermission::Deny } else { TapPermission::Allow };
        Permissions { files, net, syscalls, capabilities, tap }
    }
}

fn quota() -> impl Strategy<Value = QuotaEnforce> {
    let action = prop_oneof![
        Just(QuotaAction::Observe),
        Just(QuotaAction::Throttle),
        Just(QuotaAction::Signal("signal:USR1".into())),
    ];
    let step = (text(), action, of(span())).prop_map(|(at, action, hold)| QuotaStep { at, action, hold });
    btree_map(text(), vec(step, 0..3), 0..2).prop_map(QuotaEnforce)
}

prop_compose! {
    fn workspace()(
        label in text(),
        soma in soma(),
        permissions in permissions(),
        ttl in of(span()),
        dirs in vec((text(), text(), prop_oneof![Just(FlowMode::In), Just(FlowMode::Inout)]), 0..2),
        on_exit in prop_oneof![Just(ExitPolicy::Reap), Just(ExitPolicy::Linger)],
        quota_enforce in quota(),
    ) -> WorkspaceSpec {
        let flow_dirs = dirs.into_iter().map(|(name, path, mode)| FlowDir { name, path, mode }).collect();
        WorkspaceSpec { label, soma, permissions, ttl, flow_dirs, on_exit, quota_enforce }
    }
}

fn ready() -> impl Strategy<Value = Ready> {
    let probe = prop_oneof![
        text().prop_map(ReadyProbe::Tcp),
        text().prop_map(ReadyProbe::Log),
        texts().prop_map(ReadyProbe::Exec),
        any::<bool>().prop_map(ReadyProbe::Notify),
    ];
    (probe, of(span())).prop_map(|(probe, timeout)| Ready { probe, timeout })
}

fn supervision() -> impl Strategy<Value = Supervision> {
    let policy = (any::<(bool, u64, u64, u32, bool, u64)>()).prop_map(
        |(always, backoff, longest, max, jitter, stable)| {
            Supervision::Restart(RestartPolicy {
                on: if always { RestartOn::Always } else { RestartOn::Failure },
                backoff_ms: backoff,
                max_backoff_ms: longest,
                max,
                jitter,
                stable_ms: stable,
            })
        },
    );
    prop_oneof![Just(Supervision::OneShot), policy]
}

prop_compose! {
    fn command()(
        label in text(),
        payload in prop_oneof![
            (text(), texts(), texts()).prop_map(|(exec, argv, envp)| Payload::Native { exec, argv, envp }),
            text().prop_map(|script| Payload::Shell { script }),
        ],
        soma in soma(),
        flows in map().prop_map(Flows),
        supervision in supervision(),
        success_codes in any::<Vec<u8>>(),
        after in texts(),
        ready in of(ready()),
        (stop_signal, grace) in (of(text()), of(span())),
    ) -> CommandRef {
        CommandRef { label, payload, soma, flows, supervision, success_codes, after, ready, stop_signal, grace }
    }
}

prop_compose! {
    fn edge()(
        (from, to) in (text(), text()),
        tap in of(prop_oneof![Just(TapMode::Off), Just(TapMode::Ready), Just(TapMode::On)]),
        discern in of(prop_oneof![Just(DiscernPolicy::Observe), Just(DiscernPolicy::Fail)]),
        full in of(prop_oneof![Just(FullPolicy::Block), Just(FullPolicy::DropNewest)]),
        merge in of(prop_oneof![Just(MergePolicy::Raw), Just(MergePolicy::Concat)]),
    ) -> Edge {
        Edge { from, to, tap, discern, full, merge }
    }
}

prop_compose! {
    fn pipeline()(
        (label, workspace) in (text(), text()),
        nodes in vec(command(), 0..3),
        edges in vec(edge(), 0..3),
        tap in prop_oneof![Just(TapMode::Off), Just(TapMode::On)],
        (restart_on_failure, restart_backoff_ms, restart_max_backoff_ms, restart_max) in any::<(bool, u64, u64, u32)>(),
    ) -> PipelineSpec {
        PipelineSpec {
            label, workspace, nodes, edges, discern: DiscernPolicy::Warn, tap, restart_on_failure, restart_backoff_ms,
            restart_max_backoff_ms, restart_max,
        }
    }
}

prop_compose! {
    fn card()(
        workspace in of(workspace()), commands in vec(command(), 0..2), pipelines in vec(pipeline(), 0..2),
    ) -> Card {
        Card { workspace, commands, pipelines }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn the_full_form_is_read_back_as_the_same_card(card in card()) {
        let text = canonical(&card);
        prop_assert_eq!(&serde_json::from_str::<Card>(&text).unwrap(), &card);
        prop_assert_eq!(&decoded(&text, Syntax::Json), &card);
    }
}
