//! What holds for every file: no panic, both readers agree, and what is written is read back.

use super::fixture;
use super::std::string::{String, ToString};
use super::std::vec::Vec;
use super::std::{format, vec};
use proptest::prelude::*;
use serde_json::value::RawValue;
use shipote_card::command::{Payload, RestartPolicy, Supervision};
use shipote_card::{ByteSize, CommandRef, Cpus, Edge, Flows, NetPolicy, Soma, Span, WorkspaceSpec};
use shipote_card::{CommandId, PipelineId, PipelineSpec, WorkspaceId};

use crate::domain::*;
use crate::read::{read_clean, read_thoroughly};
use crate::walk::{elements, members};
use crate::{Verdict, code, export, read, render, verify};

/// Checks what must hold between the readers, whatever `bytes` are.
fn check_readers(bytes: &[u8]) {
    let context = || String::from_utf8_lossy(bytes).into_owned();
    let (clean, thorough) = (read_clean(bytes), read_thoroughly(bytes));
    let report = verify(bytes, "state.json");
    assert!(!thorough.problems.iter().any(|problem| problem.code == code::UNREADABLE), "{}", context());
    assert_eq!(clean.is_some(), thorough.problems.is_empty(), "{:#?}\n{}", thorough.problems, context());
    if let Some(clean) = clean {
        assert_eq!(clean, thorough, "{}", context());
    }
    assert_eq!((report.verdict, report.problems.len()), (thorough.verdict, thorough.problems.len()));
    if let Some(snapshot) = thorough.snapshot {
        // What was read is written, and read again, as the same; only damage is damage for ever.
        let again = read(render(&snapshot).as_bytes());
        assert_eq!(again.verdict == Verdict::Valid, snapshot.held.is_empty(), "{}", context());
        assert_eq!(again.snapshot, Some(snapshot), "{}", context());
    } else {
        assert!(matches!(thorough.verdict, Verdict::Invalid | Verdict::Newer), "{}", context());
    }
}

fn small_file() -> Vec<u8> {
    let text = r#"{"version":4,"timestamp_ms":17,"workspaces":[{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"a","ttl":"2h"},
"stats_history":[{"commands_alive":1,"commands_total":2,"cpu_percent":1.5,"cpu_cores":2,"uptime_ms":60000}]}],
"live_pipelines":[{"workspace":"01J9Z3NDEKTSV4RRFFQ69G5FAV","tap":true,"spec":{"label":"p","workspace":"a",
"nodes":[{"label":"n","payload":{"Native":{"exec":"cat"}}},{"label":"m","payload":{"Shell":{"script":"wc"}}}],"edges":[{"from":"n","to":"m"}]}}]}"#;
    text.as_bytes().to_vec()
}

#[test]
fn every_prefix_is_refused() {
    let whole = render(&read(&small_file()).snapshot.unwrap()).into_bytes();
    for file in [small_file(), whole.trim_ascii_end().to_vec()] {
        assert!(read(&file).snapshot.is_some());
        for end in 0..file.len() {
            let reading = read(&file[..end]);
            assert_eq!((reading.verdict, reading.snapshot), (Verdict::Invalid, None), "{end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_loads() {
    let file = small_file();
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_readers(&flipped);
    }
}

/// Returns the stretches of all values in `raw`, and of all members of its objects.
fn parts(raw: &RawValue, file: &str, values: &mut Vec<(usize, usize)>, pairs: &mut Vec<(usize, usize)>) {
    let begin = |raw: &RawValue| raw.get().as_ptr().addr() - file.as_ptr().addr();
    values.push((begin(raw), begin(raw) + raw.get().len()));
    for (key, value) in members(raw).unwrap_or_default() {
        pairs.push((begin(key), begin(value) + value.get().len()));
        parts(value, file, values, pairs);
    }
    for element in elements(raw).unwrap_or_default() {
        parts(element, file, values, pairs);
    }
}

#[test]
fn the_readers_agree_on_every_value_of_every_kind() {
    const TOKENS: [&str; 20] = [
        "null",
        "true",
        "0",
        "-0",
        "-1",
        "1.0",
        "1e2",
        "1e999",
        "256",
        "65536",
        "4294967296",
        "18446744073709551616",
        "\"\"",
        "\"x\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[0]",
        "{\"x\":0}",
        "\"01j9z3ndektsv4rrffq69g5fav\"",
    ];
    let file = String::from_utf8(small_file()).unwrap();
    let (mut values, mut pairs) = (Vec::new(), Vec::new());
    parts(serde_json::from_str(&file).unwrap(), &file, &mut values, &mut pairs);
    for (from, to) in values {
        for token in TOKENS {
            check_readers(format!("{}{token}{}", &file[..from], &file[to..]).as_bytes());
        }
    }
    for (from, to) in pairs {
        let pair = &file[from..to];
        let (before, after) = (&file[..from], &file[to..]);
        check_readers(format!("{before}{pair},{pair}{after}").as_bytes());
        check_readers(format!("{before}\"unknown\":[{{}}],{pair}{after}").as_bytes());
        check_readers(format!("{before}{}{after}", pair.replacen('"', "\"\\u0078", 1)).as_bytes());
    }
}

#[test]
fn the_readers_agree_on_every_field_of_the_newest_version() {
    let file = String::from_utf8(fixture("v5-full.json")).unwrap();
    let (mut values, mut pairs) = (Vec::new(), Vec::new());
    parts(serde_json::from_str(&file).unwrap(), &file, &mut values, &mut pairs);
    for (from, to) in values {
        for token in ["null", "7", "\"x\"", "{}"] {
            check_readers(format!("{}{token}{}", &file[..from], &file[to..]).as_bytes());
        }
    }
    for (from, to) in pairs {
        check_readers(format!("{}\"x\":0{}", &file[..from], &file[to..]).as_bytes());
    }
}

#[test]
fn h18_a_number_that_json_cannot_hold_becomes_null_and_nothing_else_changes() {
    let mut state = read(&fixture("v5-full.json")).snapshot.unwrap();
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        state.workspaces[0].stats_history[0].cpu_percent = Some(odd);
        let reading = read(render(&state).as_bytes());
        assert_eq!((reading.verdict, &*reading.problems), (Verdict::Valid, &[][..]));
        state.workspaces[0].stats_history[0].cpu_percent = None;
        assert_eq!(reading.snapshot.as_ref(), Some(&state));
    }
}

fn label() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9._-]{0,8}"
}

fn soma() -> impl Strategy<Value = Soma> {
    let env = prop::collection::btree_map("[A-Z]{1,3}", ".{0,6}", 0..3);
    (env, any::<Option<u64>>(), 1..u32::MAX, any::<Option<u32>>()).prop_map(|(env, bytes, milli, uid)| Soma {
        env,
        memory_max: bytes.map(ByteSize),
        cpu_max: Some(Cpus { milli }),
        uid,
        ..Soma::default()
    })
}

fn command() -> impl Strategy<Value = CommandRef> {
    (label(), prop::collection::vec(".{0,8}", 1..4), soma(), any::<(bool, u64, u32)>()).prop_map(
        |(label, argv, soma, (restart, backoff_ms, max))| CommandRef {
            soma,
            flows: Flows([("stdout".into(), "text/csv".into())].into()),
            supervision: if restart {
                Supervision::Restart(RestartPolicy { backoff_ms, max, ..RestartPolicy::default() })
            } else {
                Supervision::OneShot
            },
            payload: if max % 2 == 0 {
                Payload::Native { exec: argv[0].clone(), argv: argv.clone(), envp: Vec::new() }
            } else {
                Payload::Shell { script: argv.concat() }
            },
            ..CommandRef::from_argv(label, &argv).unwrap()
        },
    )
}

fn pipeline() -> impl Strategy<Value = PipelineSpec> {
    (label(), prop::collection::vec(command(), 2..4), any::<(bool, u64, u32)>()).prop_map(
        |(label, mut nodes, (restart_on_failure, restart_backoff_ms, restart_max))| {
            for (index, node) in nodes.iter_mut().enumerate() {
                node.label = format!("n{index}");
            }
            let edges =
                (1..nodes.len()).map(|to| Edge::between(format!("n{}", to - 1), format!("n{to}"))).collect();
            PipelineSpec {
                label,
                workspace: String::new(),
                nodes,
                edges,
                discern: Default::default(),
                tap: Default::default(),
                restart_on_failure,
                restart_backoff_ms,
                restart_max_backoff_ms: 30_000,
                restart_max,
            }
        },
    )
}

fn sample() -> impl Strategy<Value = PersistedStats> {
    let percent = prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL);
    (any::<(u64, u32, Option<u64>, u64)>(), percent).prop_map(
        |((at_ms, commands_alive, cpu_usec, uptime_ms), cpu_percent)| PersistedStats {
            at_ms: Some(at_ms),
            commands_alive,
            cpu_usec,
            cpu_percent,
            uptime_ms,
            ..PersistedStats::default()
        },
    )
}

fn snapshot() -> impl Strategy<Value = ShipoteSnapshot> {
    let spec = (label(), soma(), any::<Option<u64>>(), any::<Option<Vec<u16>>>()).prop_map(
        |(label, soma, ttl, ports)| {
            let mut spec =
                WorkspaceSpec { soma, ttl: ttl.map(Span::from_millis), ..WorkspaceSpec::labelled(label) };
            spec.permissions.net = ports.map(|connect| NetPolicy::Ports { connect, bind: vec![80] });
            spec
        },
    );
    let workspaces =
        prop::collection::vec((spec, any::<Option<u64>>(), prop::collection::vec(sample(), 0..4)), 1..4);
    let counters = any::<(bool, u32, Option<u64>, Option<u8>)>();
    let live = prop::collection::vec((pipeline(), counters.clone()), 0..3);
    let commands = prop::collection::vec((command(), counters), 0..3);
    let saved = prop::collection::vec(pipeline(), 0..3);
    (workspaces, saved, live, commands, any::<(u64, u64, u64)>(), ".{0,9}").prop_map(
        |(workspaces, saved, live_entries, commands, (serial, journal_seq, timestamp_ms), producer)| {
            let workspace =
                |(index, (spec, expires_at_ms, stats_history)): (usize, (_, _, _))| WorkspaceEntry {
                    id: WorkspaceId::from_parts(1, index as u128 + 1),
                    spec,
                    expires_at_ms,
                    stats_history,
                };
            let state = |(running, restarts, next_at_ms, code): (bool, u32, Option<u64>, Option<u8>)| {
                let last_exit = code.map(|code| LastExit { at_ms: 1, code: Some(code), signal: None });
                let desired = if running { Desired::Running } else { Desired::Stopped };
                (desired, Counters { restarts, next_at_ms, last_exit })
            };
            let live = |(index, (spec, counted)): (usize, (PipelineSpec, _))| {
                let (desired, counters) = state(counted);
                LivePipelineEntry {
                    id: PipelineId::from_parts(2, index as u128),
                    workspace: WorkspaceId::from_parts(1, 1),
                    spec,
                    tap: index % 2 == 0,
                    desired,
                    counters,
                }
            };
            let command = |(index, (spec, counted)): (usize, (CommandRef, _))| {
                let (desired, counters) = state(counted);
                CommandEntry {
                    id: CommandId::from_parts(3, index as u128),
                    workspace: WorkspaceId::from_parts(1, 1),
                    spec,
                    desired,
                    counters,
                }
            };
            ShipoteSnapshot {
                serial,
                journal_seq,
                workspaces: workspaces.into_iter().enumerate().map(workspace).collect(),
                saved_pipelines: (saved.into_iter().enumerate())
                    .map(|(index, spec)| PipelineEntry { name: format!("saved-{index}"), spec })
                    .collect(),
                live_pipelines: live_entries.into_iter().enumerate().map(live).collect(),
                commands: commands.into_iter().enumerate().map(command).collect(),
                ..ShipoteSnapshot::empty(Lineage::from_parts(1, 2), timestamp_ms, producer)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(snapshot in snapshot()) {
        let text = render(&snapshot);
        prop_assert_eq!(&text, &render(&snapshot.clone()));
        let entities = snapshot.workspaces.len() + snapshot.saved_pipelines.len() + snapshot.live_pipelines.len() + snapshot.commands.len();
        prop_assert!(text.lines().count() <= entities + 6);
        check_readers(text.as_bytes());
        let reading = read(text.as_bytes());
        prop_assert_eq!(reading.problems, vec![]);
        prop_assert_eq!(reading.snapshot, Some(snapshot));
    }

    #[test]
    fn an_older_form_keeps_what_it_can_say(snapshot in snapshot(), version in 1..=4_u16) {
        let text = export(&snapshot, version).unwrap().text;
        let reading = read(text.as_bytes());
        prop_assert_eq!(reading.version, Some(version.to_string()));
        let mut expected = snapshot;
        expected.commands.clear();
        expected.live_pipelines.retain(|entry| version >= 3 && entry.desired == Desired::Running);
        expected.saved_pipelines.retain(|_| version >= 2);
        for entry in &mut expected.workspaces {
            entry.expires_at_ms = None;
            entry.stats_history.retain(|_| version >= 4);
            entry.stats_history.iter_mut().for_each(|sample| sample.at_ms = None);
        }
        let back = reading.snapshot.unwrap();
        prop_assert_eq!(back.live_pipelines.len(), expected.live_pipelines.len());
        for (entry, back) in expected.live_pipelines.iter_mut().zip(&back.live_pipelines) {
            (entry.id, entry.counters) = (back.id, Counters::default());
        }
        let ShipoteSnapshot { lineage, serial, journal_seq, producer, .. } = back.clone();
        prop_assert_eq!(ShipoteSnapshot { lineage, serial, journal_seq, producer, ..expected }, back);
        check_readers(text.as_bytes());
    }

    #[test]
    fn an_upgrade_is_the_same_in_one_step_or_several(snapshot in snapshot(), version in 1..=4_u16) {
        let text = export(&snapshot, version).unwrap().text;
        super::upgrades::check_steps(version.into(), text.as_bytes());
        // What it arrives at is read back as the same.
        let upgraded = read(text.as_bytes()).snapshot.unwrap();
        let again = read(render(&upgraded).as_bytes());
        prop_assert_eq!((again.verdict, again.snapshot), (Verdict::Valid, Some(upgraded)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        check_readers(&bytes);
    }

    #[test]
    fn no_splice_makes_the_readers_disagree(at in any::<prop::sample::Index>(), len in 0_usize..8, with in "[\\[\\]{}:,\"0-9a-z\\\\ .-]{0,6}") {
        let mut file = fixture("v5-full.json");
        let from = at.index(file.len());
        let to = file.len().min(from + len);
        file.splice(from..to, with.bytes());
        check_readers(&file);
    }
}
