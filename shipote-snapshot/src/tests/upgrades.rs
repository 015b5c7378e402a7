//! Every version ever written is read, and arrives in the newest one.

use super::fixture;
use super::std::format;
use super::std::string::{String, ToString};
use super::std::vec::Vec;
use shipote_card::Severity;

use crate::upgrade::{AnyState, Notes, Origin};
use crate::wire::{Style, Wire};
use crate::{
    Collection, Diff, DiffOptions, Entity, EntityChange, SNAPSHOT_VERSION, Verdict, diff, export, read,
    render,
};

#[test]
fn every_version_is_read() {
    for version in 1..=SNAPSHOT_VERSION {
        for size in ["minimal", "full"] {
            let name = format!("v{version}-{size}.json");
            let reading = read(&fixture(&name));
            let expected = if version == SNAPSHOT_VERSION { Verdict::Valid } else { Verdict::Upgradable };
            assert_eq!((reading.verdict, &*reading.problems), (expected, &[][..]), "{name}");
            assert_eq!(reading.version, Some(version.to_string()), "{name}");
            let snapshot = reading.snapshot.unwrap();
            assert_eq!(snapshot.workspaces.len(), if size == "full" { 2 } else { 0 }, "{name}");
            let again = read(render(&snapshot).as_bytes());
            assert_eq!((again.verdict, again.snapshot), (Verdict::Valid, Some(snapshot)), "{name}");
        }
    }
}

#[test]
fn an_upgrade_tells_what_it_changed() {
    let notes = |name| {
        let lines: Vec<String> = read(&fixture(name)).notes.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(notes("v1-full.json"), @r#"
    v2 /saved_pipelines: starts empty
    v3 /live_pipelines: starts empty
    v4 /workspaces: no workspace has a history of samples yet
    v5 /lineage: derived from the file
    "#);
    insta::assert_snapshot!(notes("v4-full.json"), @r#"
    v5 /lineage: derived from the file
    v5 /workspaces: samples of the history have no time
    v5 /live_pipelines/0: gets an id derived from the file, and is desired to run
    v5 /live_pipelines/1: gets an id derived from the file, and is desired to run
    "#);
    assert_eq!(notes("v5-full.json"), "");
}

#[test]
fn an_upgraded_state_is_written_like_this() {
    let snapshot = read(&fixture("v4-full.json")).snapshot.unwrap();
    insta::assert_snapshot!(render(&snapshot), @r#"
    {"version":5,"lineage":"01K742SG005GJC2ZH7QMKPXESP","serial":0,"journal_seq":0,"producer":"","timestamp_ms":1760000000000,
    "workspaces":[
    {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"access-log","soma":{"namespaces":{"pid":true,"mount":true,"ipc":true,"uts":true,"cgroup":false},"containment":"best_effort","strict":true,"hostname":"box","root":{"directory":"/srv/root"},"mounts":[{"source":"tmpfs","target":"/tmp","write":true}],"cwd":"/srv","env":{"LANG":"C.UTF-8"},"env_file":["/srv/env"],"env_pass":["API_KEY"],"uid":1000,"gid":1000,"userns":"subordinate","rlimits":{"nofile":1024},"devices":["/dev/fuse"],"memory_max":536870912,"memory_high":402653184,"swap_max":0,"cpu_max":"1.5","cpu_weight":100,"pids_max":64,"io_max":10000000,"disk":1073741824,"shm_size":67108864},"permissions":{"files":{"read":["/usr"],"write":["/srv"],"execute":["/usr/bin"]},"net":{"connect":[443],"bind":[8080]},"syscalls":"default","capabilities":["net_bind_service"],"tap":"deny"},"ttl":7200,"flow_dirs":[{"name":"results","path":"/srv/out","mode":"out"},{"name":"box","path":"/srv/box","mode":"inout"}],"on_exit":"linger","quota_enforce":{"memory":[{"at":"80%","do":"warn","hold":10},{"at":"30GiB","do":"kill","hold":null},{"at":"90%","do":"signal:USR1","hold":null}]}},"expires_at_ms":null,"stats_history":[{"at_ms":null,"commands_alive":1,"commands_total":2,"rss_bytes":1048576,"rss_peak_bytes":null,"cpu_usec":5000,"cpu_percent":1.5,"cpu_cores":2,"uptime_ms":60000},{"at_ms":null,"commands_alive":1,"commands_total":2,"rss_bytes":2097152,"rss_peak_bytes":null,"cpu_usec":10000,"cpu_percent":1.5,"cpu_cores":2,"uptime_ms":120000},{"at_ms":null,"commands_alive":0,"commands_total":2,"rss_bytes":null,"rss_peak_bytes":null,"cpu_usec":null,"cpu_percent":null,"cpu_cores":2,"uptime_ms":18446744073709551615}]},
    {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAW","spec":{"label":"b","soma":{},"permissions":{},"ttl":null,"flow_dirs":[],"on_exit":"reap","quota_enforce":{}},"expires_at_ms":null,"stats_history":[]}],
    "saved_pipelines":[
    {"name":"daily","spec":{"label":"echo-cat","workspace":"01J9Z3NDEKTSV4RRFFQ69G5FAV","nodes":[{"label":"n1","payload":{"native":{"exec":"/bin/echo","argv":["hi"],"envp":[]}},"soma":{},"flows":{"stdout":"text/plain"},"supervision":"one_shot"},{"label":"n2","payload":{"native":{"exec":"cat","argv":[],"envp":[]}},"soma":{},"flows":{},"supervision":{"restart":{"on":"always","backoff_ms":100,"max_backoff_ms":5000,"max":3,"jitter":false,"stable_ms":60000}},"success_codes":[0,1],"after":["n1"],"ready":{"tcp":"localhost:80","timeout":5},"stop_signal":"INT","grace":2},{"label":"n3","payload":{"shell":{"script":"wc -l"}},"soma":{},"flows":{},"supervision":"one_shot"}],"edges":[{"from":"n1","to":"n2","tap":"on","discern":{"policy":"warn"}},{"from":"n2:stderr","to":"n3:stdin","full":"drop_newest","merge":"line"}],"discern":{},"restart_on_failure":false,"restart_backoff_ms":200,"restart_max_backoff_ms":30000,"restart_max":0}}],
    "live_pipelines":[
    {"id":"01K742SG008V157Z3RXX8YWNJ0","workspace":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"live-one","workspace":"01J9Z3NDEKTSV4RRFFQ69G5FAV","nodes":[{"label":"n1","payload":{"native":{"exec":"/bin/echo","argv":["hi"],"envp":[]}},"soma":{},"flows":{"stdout":"text/plain"},"supervision":"one_shot"},{"label":"n2","payload":{"native":{"exec":"cat","argv":[],"envp":[]}},"soma":{},"flows":{},"supervision":{"restart":{"on":"always","backoff_ms":100,"max_backoff_ms":5000,"max":3,"jitter":false,"stable_ms":60000}},"success_codes":[0,1],"after":["n1"],"ready":{"tcp":"localhost:80","timeout":5},"stop_signal":"INT","grace":2},{"label":"n3","payload":{"shell":{"script":"wc -l"}},"soma":{},"flows":{},"supervision":"one_shot"}],"edges":[{"from":"n1","to":"n2","tap":"on","discern":{"policy":"warn"}},{"from":"n2:stderr","to":"n3:stdin","full":"drop_newest","merge":"line"}],"discern":{},"restart_on_failure":true,"restart_backoff_ms":200,"restart_max_backoff_ms":30000,"restart_max":0},"tap":true,"desired":"running","counters":{"restarts":0,"next_at_ms":null}},
    {"id":"01K742SG00MXVASE9W1TJKGAR5","workspace":"01J9Z3NDEKTSV4RRFFQ69G5FAW","spec":{"label":"live-two","workspace":"b","nodes":[{"label":"n1","payload":{"native":{"exec":"/bin/echo","argv":["hi"],"envp":[]}},"soma":{},"flows":{"stdout":"text/plain"},"supervision":"one_shot"},{"label":"n2","payload":{"native":{"exec":"cat","argv":[],"envp":[]}},"soma":{},"flows":{},"supervision":{"restart":{"on":"always","backoff_ms":100,"max_backoff_ms":5000,"max":3,"jitter":false,"stable_ms":60000}},"success_codes":[0,1],"after":["n1"],"ready":{"tcp":"localhost:80","timeout":5},"stop_signal":"INT","grace":2},{"label":"n3","payload":{"shell":{"script":"wc -l"}},"soma":{},"flows":{},"supervision":"one_shot"}],"edges":[{"from":"n1","to":"n2","tap":"on","discern":{"policy":"warn"}},{"from":"n2:stderr","to":"n3:stdin","full":"drop_newest","merge":"line"}],"discern":{},"restart_on_failure":false,"restart_backoff_ms":200,"restart_max_backoff_ms":30000,"restart_max":0},"tap":false,"desired":"running","counters":{"restarts":0,"next_at_ms":null}}],
    "commands":[]}
    "#);
}

/// Checks that a file of `version`, taken through a file of each later version, arrives where it does at once.
pub(super) fn check_steps(version: u64, file: &[u8]) {
    let direct = AnyState::parse(version, core::str::from_utf8(file).unwrap()).unwrap().newest(file, None);
    let timestamp_ms = read(file).snapshot.unwrap().timestamp_ms;
    let mut state = AnyState::parse(version, core::str::from_utf8(file).unwrap()).unwrap();
    for _ in version..5 {
        state = state.step(&Origin::new(file, timestamp_ms, None), &mut Notes::default());
        let mut text = String::new();
        let step = match &state {
            AnyState::V1(state) => (1, state.write(&mut text, Style::Camel)),
            AnyState::V2(state) => (2, state.write(&mut text, Style::Camel)),
            AnyState::V3(state) => (3, state.write(&mut text, Style::Camel)),
            AnyState::V4(state) => (4, state.write(&mut text, Style::Camel)),
            AnyState::V5(state) => (5, state.write(&mut text, Style::Snake)),
        };
        // What a step makes is a file of that version, with nothing wrong in it.
        let told = read(text.as_bytes()).problems;
        assert!(
            told.iter().all(|problem| problem.severity == Severity::Note),
            "version {}: {told:?}",
            step.0
        );
        state = AnyState::parse(step.0, &text).unwrap();
    }
    let stepwise = state.newest(b"", None);
    assert_eq!((stepwise.state, stepwise.lineage), (direct.state, direct.lineage), "version {version}");
}

#[test]
fn one_step_after_the_other_is_the_same_as_all_at_once() {
    for version in 1..=4 {
        for size in ["minimal", "full"] {
            check_steps(version, &fixture(&format!("v{version}-{size}.json")));
        }
    }
}

#[test]
fn derived_ids_agree_and_name_their_place() {
    let (one, two) = (read(&fixture("v4-full.json")), read(&fixture("v4-full.json")));
    assert_eq!(one, two);
    let live = one.snapshot.unwrap().live_pipelines;
    assert_ne!(live[0].id, live[1].id);
    assert_eq!(live[0].id.timestamp_ms(), 1_760_000_000_000);
    // A neighbour that is held back changes no id.
    let text = String::from_utf8(fixture("v4-full.json")).unwrap();
    let broken = text.replacen("\"tap\": true", "\"tap\": null", 1);
    let held = read(broken.as_bytes()).snapshot.unwrap();
    assert_eq!((held.live_pipelines.len(), held.held.len()), (1, 1));
    let whole = crate::upgrade::Origin::new(broken.as_bytes(), 1_760_000_000_000, None);
    assert_eq!(held.live_pipelines[0].id, whole.pipeline_id("/live_pipelines/1"));
}

#[test]
fn an_export_is_read_back_as_far_as_it_can_say() {
    let snapshot = read(&fixture("v5-full.json")).snapshot.unwrap();
    for version in 1..=4 {
        let export = export(&snapshot, version).unwrap();
        let reading = read(export.text.as_bytes());
        assert_eq!(
            (reading.verdict, &*reading.problems),
            (Verdict::Upgradable, &[][..]),
            "version {version}"
        );
        let back = reading.snapshot.unwrap();
        assert_eq!(back.workspaces[0].spec, snapshot.workspaces[0].spec);
        assert_eq!(back.saved_pipelines.is_empty(), version < 2);
        assert_eq!(back.live_pipelines.len(), if version < 3 { 0 } else { 1 });
    }
    let unsaid = export(&snapshot, 4).unwrap().unsaid;
    let lines: Vec<String> = unsaid.iter().map(|u| format!("{}: {}", u.pointer, u.message)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    /lineage: lineage, serial, journal_seq and producer
    /workspaces/0/expires_at_ms: when its ttl ends; it would begin anew
    /workspaces/0/stats_history: the times of its samples
    /live_pipelines/0: its id and restart counters
    /live_pipelines/1: the live pipeline, since it is stopped
    /commands/0: the command
    /commands/1: the command
    "#);
    assert_eq!(export(&snapshot, 5).unwrap().text, render(&snapshot));
    assert_eq!((export(&snapshot, 0), export(&snapshot, 6)), (None, None));
}

#[test]
fn a_difference_names_entities_and_fields() {
    let old = read(&fixture("v5-full.json")).snapshot.unwrap();
    assert_eq!(diff(&old, &old, DiffOptions::default()), Diff::default());
    let mut new = old.clone();
    new.commands.pop();
    new.saved_pipelines[0].name = "weekly".into();
    new.workspaces[0].stats_history.clear();
    new.workspaces[0].spec.label = "renamed".into();
    new.live_pipelines[0].spec.nodes[0].flows.0.clear();
    let difference = diff(&old, &new, DiffOptions::default());
    let mut lines = Vec::new();
    for (sign, names) in [("+", &difference.added), ("-", &difference.removed)] {
        lines.extend(
            names.iter().map(|name| format!("{sign} {} {} {}", name.collection, name.id, name.label)),
        );
    }
    for change in &difference.changed {
        let value =
            |value: &Option<serde_json::Value>| value.as_ref().map_or("-".into(), |value| value.to_string());
        let named = format!("~ {} {}", change.entity.collection, change.entity.id);
        let told = |field: &crate::diff::FieldChange| {
            format!("{named} {}: {} => {}", field.pointer, value(&field.old), value(&field.new))
        };
        lines.extend(change.fields.iter().map(told));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    + saved_pipelines weekly echo-cat
    - saved_pipelines daily echo-cat
    - commands 01J9Z3NDEKTSV4RRFFQ69G5FC1 once
    ~ workspaces 01J9Z3NDEKTSV4RRFFQ69G5FAV /spec/label: "access-log" => "renamed"
    ~ live_pipelines 01J9Z3NDEKTSV4RRFFQ69G5FB0 /spec/nodes/0/flows/stdout: "text/plain" => -
    "#);
}

#[test]
fn a_plan_says_what_a_start_does() {
    let snapshot = read(&fixture("v5-full.json")).snapshot.unwrap();
    let told = |now_ms, relaunch| {
        let steps = crate::restore::plan(&snapshot, now_ms, relaunch);
        let line = |step: &crate::restore::Step| {
            let wait = step.not_before_ms.map_or(String::new(), |at| format!(" not before {at}"));
            format!("{} {}: {} ({}){wait}", step.collection, step.label, step.action.as_str(), step.why)
        };
        steps.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(told(1_760_000_000_000, true), @r#"
    workspaces access-log: restored (declared)
    workspaces b: restored (declared)
    saved_pipelines echo-cat: restored (saved)
    live_pipelines live-one: relaunch (it ran, and its restart policy says so) not before 1760000000400
    live_pipelines live-two: stays_stopped (it was stopped)
    commands web: relaunch (it ran, and its restart policy says so)
    commands once: lost (it ran without a restart policy)
    "#);
    insta::assert_snapshot!(told(1_760_000_000_000, false), @r#"
    workspaces access-log: restored (declared)
    workspaces b: restored (declared)
    saved_pipelines echo-cat: restored (saved)
    live_pipelines live-one: stays_stopped (this daemon relaunches nothing by itself)
    live_pipelines live-two: stays_stopped (it was stopped)
    commands web: stays_stopped (this daemon relaunches nothing by itself)
    commands once: lost (it ran without a restart policy)
    "#);
    insta::assert_snapshot!(told(1_770_000_000_000, true), @r#"
    workspaces access-log: expired (its ttl ended 9992800 s ago)
    workspaces b: restored (declared)
    saved_pipelines echo-cat: restored (saved)
    live_pipelines live-one: expired (the ttl of its workspace has ended)
    live_pipelines live-two: stays_stopped (it was stopped)
    commands web: expired (the ttl of its workspace has ended)
    commands once: expired (the ttl of its workspace has ended)
    "#);
}

#[test]
fn an_entity_alone_is_what_it_is_in_the_file() {
    let snapshot = read(&fixture("v5-full.json")).snapshot.unwrap();
    let entities: Vec<Entity> = (snapshot.workspaces.iter().cloned().map(Entity::Workspace))
        .chain(snapshot.saved_pipelines.iter().cloned().map(Entity::SavedPipeline))
        .chain(snapshot.live_pipelines.iter().cloned().map(Entity::LivePipeline))
        .chain(snapshot.commands.iter().cloned().map(Entity::Command))
        .collect();
    let text = render(&snapshot);
    let mut other = snapshot.clone();
    for entity in entities {
        let json = entity.to_json();
        assert!(text.contains(&json) && !json.contains('\n'));
        assert_eq!(Entity::from_json(entity.collection(), &json).as_ref(), Some(&entity));
        let named = (entity.collection(), entity.key());
        other.apply([EntityChange::Put(entity.clone())]);
        assert_eq!(other, snapshot);
        other.apply([EntityChange::Remove(named.0, named.1)]);
        assert_ne!(other, snapshot);
        other.apply([EntityChange::Put(entity.clone()), EntityChange::Put(entity)]);
        assert_eq!(diff(&other, &snapshot, DiffOptions::default()), Diff::default());
        other = snapshot.clone();
    }
    assert_eq!(Entity::from_json(Collection::Workspaces, "{}"), None);
}
