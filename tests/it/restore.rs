//! What was declared survives the daemon, and what was not understood is never overwritten.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shipote_tests::{Process, Shipote, until};

use crate::{served, shipote};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What tells whether a file was touched.
fn mark(path: &Path) -> (String, i64, i64, u64) {
    let meta = std::fs::metadata(path).unwrap();
    let sum: String =
        Sha256::digest(std::fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    (sum, meta.mtime(), meta.mtime_nsec(), meta.ino())
}

fn find<'v>(list: &'v Value, key: &str, value: &str) -> &'v Value {
    let rows = list.as_array().expect("a list");
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no {key} = {value} in {list}"))
}

/// Create two workspaces, save a pipeline, start a supervised pipeline and a restarting command, stop another one,
/// kill the daemon, start it again: same ids, the saved pipeline there, the live ones relaunched, the stopped one
/// not, and no process of the first life alive.
#[test]
fn what_was_declared_survives_a_killed_daemon() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    let one = shipote.json(&["ws", "create", "--label", "one"])["id"].clone();
    shipote
        .up(&format!(
            r#"
            [workspace]
            label = "two"

            [[commands]]
            label = "kept"
            run = ["{payload}", "fork-away", "{mark}"]
            restart = "always"

            [[commands]]
            label = "stopped"
            run = ["{payload}", "hang", "{mark}"]
            restart = "always"

            [[commands]]
            label = "once"
            run = ["{payload}", "hang", "{mark}"]

            [[pipelines]]
            label = "pulse"
            chain = true
            restart_on_failure = true
            nodes = [
              {{ label = "beat", run = ["{payload}", "hang", "{mark}"] }},
              {{ label = "sink", run = ["cat"] }},
            ]
            "#
        ))
        .ok();
    shipote.file("daily.toml", "[[pipelines]]\nlabel = \"daily\"\nnodes = [{ run = [\"true\"] }]\n");
    shipote.run(&["pipeline", "save", "daily", "-f", "daily.toml", "--ws", "one"]).ok();
    shipote.run(&["stop", "two/stopped"]).ok();
    let two = find(&shipote.json(&["ws", "ls"]), "label", "two")["id"].clone();
    let live = shipote.json(&["pipeline", "ls"])[0]["id"].clone();
    let command = find(&shipote.json(&["ps"]), "label", "kept")["id"].clone();
    let first_life = [shipote.running("kept"), shipote.running("pulse/beat")];

    shipote.daemon_kill9();
    shipote.assert_no_orphans();
    shipote.daemon_start();

    let list = shipote.json(&["ws", "ls"]);
    assert_eq!(find(&list, "label", "one")["id"], one);
    assert_eq!(find(&list, "label", "two")["id"], two);
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(shipote.json(&["pipeline", "saved"])[0]["name"], "daily");
    assert_eq!(shipote.json(&["pipeline", "ls"])[0]["id"], live);
    let second_life = [shipote.running("kept"), shipote.running("pulse/beat")];
    assert!(first_life.iter().all(|process| !process.is_alive() && !second_life.contains(process)));
    let rows = shipote.json(&["ps", "-a"]);
    assert_eq!(find(&rows, "label", "kept")["id"], command);
    let stopped = find(&rows, "label", "stopped");
    assert_eq!((&stopped["desired"], &stopped["pid"]), (&json!("stopped"), &Value::Null), "{stopped}");
    // What ran without a restart policy is told once, and not started again.
    let once = find(&rows, "label", "once");
    assert_eq!((&once["phase"], &once["pid"]), (&json!("lost"), &Value::Null), "{once}");
}

#[test]
fn a_clean_end_and_start_keeps_everything_too() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    shipote
        .up(&format!(
            "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\nrestart = \"always\"\n"
        ))
        .ok();
    let id = shipote.json(&["ws", "ls"])[0]["id"].clone();
    let first = shipote.running("c");
    assert_eq!(shipote.daemon_term().code(), Some(0));
    shipote.assert_no_orphans();
    // The socket goes with the daemon, and reading verbs still answer.
    assert!(!shipote.socket().exists());
    assert_eq!(shipote.json(&["ws", "ls"])[0]["id"], id);
    shipote.daemon_start();
    assert_eq!(shipote.json(&["ws", "ls"])[0]["id"], id);
    assert_ne!(shipote.running("c"), first);
}

#[test]
fn a_clean_daemon_does_not_rewrite_its_state() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let before = mark(&shipote.state_file());
    shipote.daemon_start();
    shipote.run(&["ws", "ls"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    assert_eq!(mark(&shipote.state_file()), before);
}

#[test]
fn a_daemon_in_the_background_relaunches_nothing() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    shipote
        .up(&format!(
            "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\nrestart = \"always\"\n"
        ))
        .ok();
    shipote.running("c");
    shipote.daemon_kill9();
    shipote.assert_no_orphans();
    shipote.run(&["run", "--", "true"]).ok();
    assert_eq!(shipote.marked(), []);
    assert_eq!(shipote.json(&["ws", "ls"])[0]["label"], "w");
}

#[test]
fn states_of_every_earlier_version_are_loaded_and_upgraded() {
    for version in 1..=5 {
        let mut shipote = shipote();
        let text = fixture(&format!("v{version}-full.json"));
        shipote.plant_state(&text);
        shipote.daemon_start();
        let old: Value = serde_json::from_slice(&text).unwrap();
        let list = shipote.json(&["ws", "ls"]);
        for workspace in old["workspaces"].as_array().unwrap() {
            let label = workspace["spec"]["label"].as_str().unwrap();
            assert_eq!(find(&list, "label", label)["id"], workspace["id"], "version {version}");
        }
        let saved = shipote.json(&["pipeline", "saved"]);
        for pipeline in old["saved_pipelines"].as_array().into_iter().flatten() {
            find(&saved, "name", pipeline["name"].as_str().unwrap());
        }
        // The first change writes the newest version, and keeps the old file beside it.
        shipote.run(&["ws", "create", "--label", "added"]).ok();
        let now: Value = serde_json::from_slice(&std::fs::read(shipote.state_file()).unwrap()).unwrap();
        assert_eq!(now["version"], 5);
        if version < 5 {
            let kept = shipote.state_dir().join(format!("state.json.v{version}.bak"));
            assert_eq!(std::fs::read(&kept).unwrap(), text, "{}", kept.display());
        }
    }
}

#[test]
fn a_newer_state_is_refused_and_never_overwritten() {
    for name in ["newer.json", "newer-huge.json"] {
        let shipote = shipote();
        shipote.plant_state(fixture(name));
        let before = mark(&shipote.state_file());
        let refused = shipote.run(&["daemon"]).exits(65);
        assert!(refused.stderr.contains("version"), "{refused}");
        shipote.run(&["run", "--", "true"]);
        assert_eq!(mark(&shipote.state_file()), before, "{name}");
    }
}

#[test]
fn an_unreadable_state_is_quarantined_and_never_overwritten() {
    for name in
        ["damaged-truncated.json", "damaged-empty.json", "damaged-nuls.json", "damaged-trailing-data.json"]
    {
        let shipote = shipote();
        let bytes = fixture(name);
        shipote.plant_state(&bytes);
        let before = mark(&shipote.state_file());
        let refused = shipote.run(&["daemon"]).exits(65);
        assert_eq!(mark(&shipote.state_file()), before, "{name}");
        let copies = copies(&shipote);
        assert!(
            copies.iter().any(|copy| std::fs::read(copy).unwrap() == bytes),
            "{name}: {copies:?}\n{refused}"
        );
        assert!(refused.stderr.contains("quarantine"), "{name}: {refused}");
    }
}

fn copies(shipote: &Shipote) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(shipote.state_dir().join("quarantine")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

#[test]
fn one_flipped_byte_is_refused_with_line_and_column() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let mut bytes = std::fs::read(shipote.state_file()).unwrap();
    let colon = bytes.windows(13).position(|window| window == b"\"workspaces\":").unwrap() + 12;
    bytes[colon] ^= 1;
    std::fs::write(shipote.state_file(), &bytes).unwrap();
    let line = bytes[..colon].iter().filter(|byte| **byte == b'\n').count() + 1;
    let before = mark(&shipote.state_file());
    let refused = shipote.run(&["daemon"]).exits(65);
    assert!(refused.stderr.contains(&format!("state.json:{line}:13\n")), "{refused}");
    assert_eq!(mark(&shipote.state_file()), before);
}

/// One entity that is not understood does not keep the others from being restored, and is written back as it was.
#[test]
fn a_broken_entity_is_held_and_the_rest_restored() {
    let mut shipote = shipote();
    let broken = r#"{"id":"01J9Z3NDEKTSV4RRFFQ69G5FB0","spec":{"label":"bad","ttl":-1},"note":"kept"}"#;
    shipote.plant_state(format!(
        r#"{{"version":4,"timestamp_ms":1760000000000,"workspaces":[
{{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{{"label":"good"}}}},
{broken}],"saved_pipelines":[],"live_pipelines":[]}}"#
    ));
    shipote.daemon_start();
    let list = shipote.json(&["ws", "ls"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["label"], "good");
    shipote.run(&["ws", "create", "--label", "added"]).ok();
    let now = std::fs::read_to_string(shipote.state_file()).unwrap();
    assert!(now.contains(broken), "{now}");
    assert!(!copies(&shipote).is_empty());
}

/// Everything that was acknowledged is there after any kill: a small number here, more elsewhere.
#[test]
fn no_acknowledged_change_is_lost_by_kills() {
    let mut shipote = served();
    let mut labels: Vec<String> = Vec::new();
    for round in 0..5 {
        for n in 0..4 {
            let label = format!("r{round}n{n}");
            shipote.run(&["ws", "create", "--label", &label]).ok();
            labels.push(label);
        }
        let gone = labels.remove(0);
        shipote.run(&["ws", "rm", &gone]).ok();
        shipote.daemon_kill9();
        shipote.daemon_start();
        let list = shipote.json(&["ws", "ls"]);
        let mut found: Vec<String> =
            list.as_array().unwrap().iter().map(|row| row["label"].as_str().unwrap().to_owned()).collect();
        found.sort();
        let mut expected = labels.clone();
        expected.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_temporary_file_of_a_killed_daemon_does_no_harm() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    shipote.daemon_kill9();
    let half = std::fs::read(shipote.state_file()).unwrap();
    for name in ["state.json.tmp", ".state.json.tmp-1", "state.json.1234.tmp"] {
        std::fs::write(shipote.state_dir().join(name), &half[..half.len() / 2]).unwrap();
    }
    shipote.daemon_start();
    assert_eq!(shipote.json(&["ws", "ls"])[0]["label"], "alpha");
}

#[test]
fn a_restart_keeps_the_restarts_that_were_counted() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload().to_owned(), shipote.mark().to_owned());
    shipote
        .up(&format!(
            r#"
            [workspace]
            label = "w"
            [[commands]]
            label = "c"
            run = ["{payload}", "hang", "{mark}"]
            restart = {{ on = "failure", backoff = "1ms" }}
            "#
        ))
        .ok();
    for _ in 0..2 {
        let before = shipote.running("c");
        before.signal(nix_kill());
        until("another process", || shipote.pid_of("c").and_then(Process::of).filter(|now| *now != before));
    }
    let count = |shipote: &Shipote| find(&shipote.json(&["ps", "-a"]), "label", "c")["restarts"].clone();
    assert_eq!(count(&shipote), 2);
    // Counts alone are written at most once a second.
    until("the counts on disk", || {
        let found = shipote.on_disk().snapshot?;
        (found.commands[0].counters.restarts == 2).then_some(())
    });
    shipote.daemon_kill9();
    shipote.daemon_start();
    shipote.running("c");
    assert!(count(&shipote).as_u64().unwrap() >= 2);
}

const fn nix_kill() -> nix::sys::signal::Signal {
    nix::sys::signal::Signal::SIGKILL
}

#[test]
fn starts_that_fail_again_and_again_start_nothing_again() {
    let mut shipote = served();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote
        .up(&format!(
            "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\nrestart = \"always\"\n"
        ))
        .ok();
    shipote.daemon_kill9();
    // As three starts leave it that what they started again took along.
    std::fs::write(shipote.state_dir().join("state.starts"), "3\n").unwrap();
    shipote.daemon_start();
    assert_eq!(shipote.json(&["daemon", "status"])["held"], true);
    assert_eq!(shipote.marked(), []);
    assert!(shipote.daemon_said().contains("nothing is started again now"), "{}", shipote.daemon_said());
    // It is still what ought to run, and can be started by hand.
    shipote.run(&["start", "w/c"]).ok();
    shipote.running("c");
    // This start came to its end, so the next one starts things again.
    assert_eq!(shipote.daemon_term().code(), Some(0));
    shipote.daemon_start();
    shipote.running("c");
    assert_eq!(shipote.json(&["daemon", "status"])["held"], false);
}

#[test]
fn a_warning_that_loses_nothing_fills_no_quarantine() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "b"]).ok();
    let card = shipote
        .file("p.toml", "[[pipelines]]\nlabel = \"p\"\nnodes = [{ label = \"a\", run = [\"true\"] }]\n");
    shipote.run(&["pipeline", "save", "s", "-f", card.to_str().unwrap(), "--ws", "b"]).ok();
    shipote.run(&["ws", "rm", "b"]).ok();
    for label in ["one", "two"] {
        assert_eq!(shipote.daemon_term().code(), Some(0));
        shipote.daemon_start();
        shipote.run(&["ws", "create", "--label", label]).ok();
    }
    assert!(shipote.daemon_said().contains("unknown_workspace"), "{}", shipote.daemon_said());
    assert!(!shipote.state_dir().join("quarantine").exists());
}

#[test]
fn a_daemon_that_is_asked_to_start_again_does_so_as_the_same_process() {
    let shipote = served();
    let (payload, mark) = (shipote.payload(), shipote.mark());
    shipote
        .up(&format!(
            "[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"{payload}\", \"hang\", \"{mark}\"]\nrestart = \"always\"\n"
        ))
        .ok();
    let (daemon, before) = (shipote.daemon_pid(), shipote.running("c"));
    let told = shipote.json(&["daemon", "restart"]);
    assert_eq!(told["pid"].as_i64(), daemon.map(i64::from));
    until("the end of the first life", || (!before.is_alive()).then_some(()));
    assert_ne!(shipote.running("c"), before);
    assert_eq!(shipote.marked().len(), 1);
}

#[test]
fn a_daemon_that_a_client_started_is_not_started_again() {
    let shipote = shipote();
    shipote.run(&["run", "-d", "--name", "w", "--", "sleep", "600"]).ok();
    let refused = shipote.run(&["daemon", "restart"]).exits(5);
    assert!(refused.stderr.contains("was started by a client"), "{refused}");
    shipote.run(&["daemon", "stop"]).ok();
}
