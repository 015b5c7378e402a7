//! Workspaces: declared, listed, bounded in time, removed; and out of reach of their keeper.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use shipote_tests::{Need, Shipote, has, normalised, until};

use crate::{ORDINARY, PAYLOAD, served, shipote};

/// Runs the payload in a workspace of its own and returns what it prints.
#[track_caller]
fn payload(shipote: &Shipote, arguments: &[&str]) -> String {
    let run = [&["run", "--", shipote.payload()], arguments].concat();
    shipote.run(&run).ok().text().trim().to_owned()
}

#[test]
fn a_workspace_is_declared_listed_shown_and_removed() {
    let shipote = served();
    let created = shipote.json(&["ws", "create", "--label", "alpha"]);
    assert_eq!(created["label"], "alpha");
    let id = created["id"].as_str().unwrap();
    assert_eq!(id.len(), 26, "{created}");
    let list = shipote.json(&["ws", "ls"]);
    assert_eq!(
        (&list[0]["id"], &list[0]["label"], &list[0]["phase"]),
        (&json!(id), &json!("alpha"), &json!("declared"))
    );
    // By its label, by its id, and by the end of it.
    for name in ["alpha", id, &id[20..]] {
        assert_eq!(shipote.json(&["ws", "show", name])["workspace"]["id"], id, "{name}");
    }
    shipote.run(&["ws", "rm", "alpha"]).ok();
    assert_eq!(shipote.json(&["ws", "ls"]), json!([]));
    shipote.run(&["ws", "show", "alpha"]).exits(3);
}

#[test]
fn a_declared_workspace_costs_no_process() {
    let shipote = served();
    let daemon = shipote.daemon_pid().unwrap();
    for label in ["a", "b", "c"] {
        shipote.run(&["ws", "create", "--label", label]).ok();
    }
    assert_eq!(shipote_tests::descendants(daemon), []);
}

#[test]
fn a_label_is_taken_once() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    let refused = shipote.run(&["ws", "create", "--label", "alpha"]).exits(5);
    assert!(refused.stderr.contains("alpha"), "{refused}");
}

#[test]
fn what_was_acknowledged_is_in_the_state_at_once() {
    let mut shipote = served();
    let id = shipote.json(&["ws", "create", "--label", "alpha"])["id"].clone();
    shipote.daemon_kill9();
    let found = shipote.on_disk();
    assert_eq!(found.refusal, None);
    assert_eq!(id, found.snapshot.unwrap().workspaces[0].id.to_string());
}

#[test]
fn a_workspace_ends_with_its_ttl_and_stays_declared_as_expired() {
    let shipote = served();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote.run(&["ws", "create", "--label", "brief", "--ttl", "1s"]).ok();
    shipote.run(&["exec", "-d", "brief", "--", payload, "fork-away", mark]).ok();
    until("the processes", || (shipote.marked().len() >= 4).then_some(()));
    until("the end of the ttl", || (shipote.json(&["ws", "ls"])[0]["phase"] == "expired").then_some(()));
    shipote.assert_no_orphans();
    shipote.run(&["exec", "brief", "--", "true"]).exits(125);
    shipote.run(&["ws", "rm", "brief"]).ok();
}

#[test]
fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let shipote = served();
    let refused = shipote.run(&["daemon"]).exits(5);
    let pid = shipote.daemon_pid().unwrap().to_string();
    assert!(refused.stderr.contains(&pid), "{refused}");
}

#[test]
fn state_and_socket_are_for_their_owner_only() {
    let shipote = served();
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(shipote.socket()), 0o600);
    assert_eq!(mode(shipote.state_dir()), 0o700);
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    assert_eq!(mode(shipote.state_file()), 0o600);
}

#[test]
fn a_state_directory_that_others_may_write_to_is_refused() {
    let shipote = shipote();
    let dir = shipote.state_dir();
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = shipote.run(&["daemon"]).exits(8);
    assert!(refused.stderr.contains("0777") || refused.stderr.contains("others"), "{refused}");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn another_user_s_request_is_refused() {
    if !has(Need::OtherUid) {
        return;
    }
    let mut shipote = Shipote::as_user(PAYLOAD, ORDINARY);
    shipote.daemon_start();
    // The socket's mode keeps others out; whoever gets past it, as root does, is told by the daemon.
    let stranger = std::process::Command::new(shipote_tests::program())
        .args(["--socket", shipote.socket().to_str().unwrap(), "ws", "ls"])
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(stranger.status.code() == Some(0) || stranger.status.code() == Some(8), "{said}");
}

#[test]
fn what_the_host_enforces_is_told_layer_by_layer() {
    let shipote = served();
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nrun = [\"sleep\", \"600\"]\n").ok();
    let shown = shipote.json(&["ws", "show", "w"]);
    let layers = shown["workspace"]["effective"].as_array().unwrap();
    let enforced = |name: &str| {
        let layer = layers.iter().find(|layer| layer["layer"] == name);
        layer.map(|layer| layer["enforced"].clone()).unwrap_or_default()
    };
    for layer in ["pid_namespace", "mount_namespace", "ipc_namespace", "uts_namespace"] {
        assert_eq!(enforced(layer), "own", "{layer}: {shown}");
    }
    assert_eq!(enforced("containment"), "pid_namespace");
}

#[test]
fn a_program_sees_a_workspace_and_nothing_of_its_keeper() {
    let shipote = served();
    let view: Value = serde_json::from_str(&payload(&shipote, &["view"])).unwrap();
    // A pid namespace of its own, in which ws-init is 1.
    assert!(view["pid"].as_u64().unwrap() < 10, "{view}");
    for kind in ["pid", "mnt", "ipc", "uts"] {
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(view["ns"][kind], own.to_string_lossy().as_ref(), "{kind}");
    }
    let descriptors: Vec<&String> = view["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"], "{}", view["fds"]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(view["status"][set], "0000000000000000", "{set}");
    }
    assert_eq!(view["status"]["NoNewPrivs"], "1");
    assert_eq!(view["status"]["SigBlk"], "0000000000000000");
    let names: Vec<&String> = view["env"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TERM", "USER"]);
    assert_eq!(view["cwd"], shipote.work().to_str().unwrap());
}

#[test]
fn signals_are_as_a_fresh_process_has_them() {
    let shipote = served();
    let status = shipote.run(&["run", "--", "grep", "Sig[BI]", "/proc/self/status"]).ok().text();
    insta::assert_snapshot!(status.replace('\t', " "), @r"
    SigBlk: 0000000000000000
    SigIgn: 0000000000000000
    ");
}

/// What a workspace may not do to its keeper, tried by a program of the daemon's own uid.
#[track_caller]
fn keeper_is_out_of_reach(shipote: &Shipote) {
    let refused = |arguments: &[&str]| {
        let answer = payload(shipote, arguments);
        assert_ne!(answer, "done", "{arguments:?}");
        answer
    };
    let (socket, state) = (shipote.socket(), shipote.state_file());
    shipote.run(&["ws", "create", "--label", "makes-a-state-file"]).ok();
    assert!(state.is_file());
    refused(&["try-connect", socket.to_str().unwrap()]);
    refused(&["try-write", state.to_str().unwrap()]);
    // Listing may show an empty directory; what counts is that nothing of the keeper's is in it.
    let run = ["run", "--", "ls", "-A", shipote.state_dir().to_str().unwrap()].map(str::to_owned);
    let listed = shipote.run(&run);
    assert!(!listed.text().contains("state.json"), "{listed}");
    // Every cgroup file system, from wherever it is mounted.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    for mount in
        mounts.lines().filter(|line| line.split(' ').nth(2).is_some_and(|kind| kind.starts_with("cgroup")))
    {
        let dir = mount.split(' ').nth(1).unwrap();
        refused(&["try-write", &format!("{dir}/cgroup.procs")]);
        let made = shipote.run(&["run", "--", "mkdir", &format!("{dir}/escape-{}", shipote.mark())]);
        assert_ne!(made.code, 0, "{made}");
    }
}

#[test]
fn a_workspace_cannot_reach_its_keeper() {
    keeper_is_out_of_reach(&served());
}

#[test]
fn an_ordinary_user_s_workspace_cannot_reach_its_keeper() {
    if !has(Need::OtherUid) {
        return;
    }
    let mut shipote = Shipote::as_user(PAYLOAD, ORDINARY);
    shipote.daemon_start();
    keeper_is_out_of_reach(&shipote);
    let view: Value = serde_json::from_str(&payload(&shipote, &["view"])).unwrap();
    assert!(view["status"]["Uid"].as_str().unwrap().starts_with(&ORDINARY.to_string()), "{view}");
}

#[test]
fn a_workspace_with_a_cgroup_of_the_user_s_own_cannot_reach_it_either() {
    if !(has(Need::OtherUid) && has(Need::Cgroup)) {
        return;
    }
    let mut shipote = Shipote::as_user(PAYLOAD, ORDINARY);
    shipote.delegate_cgroup();
    shipote.daemon_start();
    keeper_is_out_of_reach(&shipote);
}

#[test]
fn a_workspace_that_nothing_keeps_from_its_keeper_is_refused() {
    let shipote = served();
    shipote.file("open.toml", "[workspace]\nlabel = \"open\"\nnamespaces = { mount = false }\n");
    let refused = shipote.run(&["up", "--detach", "open.toml"]);
    assert_eq!(refused.code, 8, "{refused}");
    assert!(refused.stderr.contains("a mount namespace"), "{refused}");
    assert_eq!(shipote.json(&["ws", "ls"]), serde_json::json!([]));
}

#[test]
fn without_a_pid_namespace_the_keeper_is_out_of_reach() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "makes-a-state-file"]).ok();
    shipote.file("open.toml", "[workspace]\nlabel = \"open\"\nnamespaces = { pid = false }\n");
    shipote.run(&["up", "--detach", "open.toml"]).ok();
    let (daemon, state, socket) = (shipote.daemon_pid().unwrap(), shipote.state_file(), shipote.socket());
    for arguments in [
        ["try-write", state.to_str().unwrap()],
        ["try-connect", socket.to_str().unwrap()],
        ["try-signal", &daemon.to_string()],
        ["try-write", "/sys/fs/cgroup/cgroup.procs"],
        ["try-write", "/sys/fs/cgroup/unified/cgroup.procs"],
    ] {
        let exec = ["exec", "open", "--", shipote.payload(), arguments[0], arguments[1]];
        let tried = shipote.run(&exec);
        assert!(tried.text().trim() != "done", "{arguments:?}\n{tried}");
    }
}

#[test]
fn an_ordinary_user_s_command_has_that_user_s_identity_and_no_capability() {
    if !has(Need::OtherUid) {
        return;
    }
    let mut shipote = Shipote::as_user(PAYLOAD, ORDINARY);
    shipote.daemon_start();
    let view: Value = serde_json::from_str(&payload(&shipote, &["view"])).unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(view["status"][set], "0000000000000000", "{set}");
    }
    assert_eq!(shipote.run(&["run", "--", "id", "-u"]).ok().text(), format!("{ORDINARY}\n"));
    shipote.run(&["run", "--", "sh", "-c", "echo x > made"]).ok();
    let made = fs::metadata(shipote.work().join("made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), ORDINARY);
}

#[test]
fn the_host_name_is_the_workspace_s_own() {
    let shipote = served();
    shipote.up("[workspace]\nlabel = \"named\"\nhostname = \"inside\"\n").ok();
    let name = shipote.run(&["exec", "named", "--", "uname", "-n"]).ok().text();
    assert_eq!(name.trim(), "inside");
}

#[test]
fn flow_directories_carry_files_in_and_out() {
    let shipote = served();
    fs::create_dir(shipote.work().join("in")).unwrap();
    shipote.file("in/word", "hello\n");
    let card = r#"
        [workspace]
        label = "flow"
        flow_dirs = [{ name = "src", path = "in", mode = "in" }, { name = "out", path = "out", mode = "out" }]
    "#;
    shipote.up(card).ok();
    let script = "cp $SHIPOTE_FLOW_SRC/word $SHIPOTE_FLOW_OUT/copy && echo no > $SHIPOTE_FLOW_SRC/word";
    let output = shipote.run(&["exec", "flow", "--", "sh", "-c", script]);
    assert_ne!(output.code, 0, "the directory of mode `in` was written to");
    let read = |name: &str| fs::read_to_string(shipote.work().join(name)).unwrap();
    assert_eq!((read("out/copy"), read("in/word")), ("hello\n".to_owned(), "hello\n".to_owned()));
}

#[test]
fn the_listing_is_a_table() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha", "--ttl", "2h"]).ok();
    let table = shipote.run(&["ws", "ls"]).ok().text();
    let id = shipote.json(&["ws", "ls"])[0]["id"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(normalised(&table, &[(&id[20..], "TAIL")]), @r"
    LABEL  ID      PHASE     PROCS  COMMANDS  PIPELINES  MEMORY  CPU  AGE  TTL
    alpha  TAIL  declared      0         0          0       -    -    -   TIME
    ");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let mut shipote = shipote();
    shipote.daemon_start_into(Path::new("/dev/full"), &["--log-level", "debug"]);
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\n").ok();
    shipote.run(&["ws", "create", "--label", "other"]).ok();
    shipote.running("c");
    assert_eq!(shipote.daemon_term().code(), Some(0));
}

#[test]
fn a_file_at_the_place_of_the_socket_is_not_touched() {
    let shipote = shipote();
    let file = shipote.file("precious", "precious");
    let output = shipote.run(&["--socket", file.to_str().unwrap(), "daemon"]).exits(5);
    assert!(output.stderr.contains("no socket") && output.stderr.contains("hint:"), "{output}");
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}
