//! The hazards of keeping a state in files, one after the other, against the real program: what may become of their
//! content. docs/promises.md lists them all, with those whose test stands elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shipote_card::{WorkspaceId, WorkspaceSpec};
use shipote_snapshot::{Lineage, ShipoteSnapshot, WorkspaceEntry, render};
use shipote_tests::{Need, Shipote, has, until};

use crate::{ORDINARY, PAYLOAD, served, shipote};

pub fn labels(shipote: &Shipote) -> Vec<String> {
    let rows = shipote.json(&["ws", "ls"]);
    rows.as_array().unwrap().iter().map(|row| row["label"].as_str().unwrap().to_owned()).collect()
}

/// Makes the state directory as the daemon would, for files to be planted in it.
pub fn planted(shipote: &Shipote) -> PathBuf {
    let dir = shipote.state_dir();
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    dir
}

/// Returns everything below a directory: its mode, inode, time of change, and content.
pub fn everything(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            found.extend(everything(&path));
        }
        let bytes = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let changed = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
        found.insert(path, (meta.mode() & 0o7777, meta.ino(), changed, bytes));
    }
    found
}

/// Returns a state of this many workspaces.
pub fn state_of(count: u32) -> ShipoteSnapshot {
    let entry = |number: u32| {
        let spec = WorkspaceSpec::labelled(format!("w{number}"));
        WorkspaceEntry::new(WorkspaceId::from_parts(1, u128::from(number) + 1), spec)
    };
    ShipoteSnapshot {
        workspaces: (0..count).map(entry).collect(),
        ..ShipoteSnapshot::empty(Lineage::from_parts(1, 1), 1, "a test")
    }
}

/// The order of system calls that a power cut can't break, of the store that the daemon uses.
#[test]
fn h01_h02_h07_a_file_is_synced_before_its_name_and_a_name_and_a_change_before_they_count() {
    if !has(Need::Strace) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let calls = "trace=write,fdatasync,fsync,renameat,renameat2,linkat,unlinkat";
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "80", "-e", calls, "-o"]).arg(&trace);
    let output = command.arg(env!("CARGO_BIN_EXE_store")).arg(dir.path().join("state")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What was written and is not synced yet, what got a name that is not synced yet, the changes that were synced.
    let (mut unsynced, mut unnamed, mut durable) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let (mut renamed, mut acknowledged) = (0, 0);
    for line in completed(&fs::read_to_string(&trace).unwrap()) {
        let (thread, call) = line.split_once(' ').unwrap();
        let (name, arguments) = call.trim_start().split_once('(').unwrap();
        let file =
            arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(path, _)| path);
        let file = file.rsplit('/').next().unwrap();
        let texts: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        match name {
            "write" if file.starts_with("state.journal") || file.ends_with(".tmp") => {
                assert_eq!(unnamed.get(thread), None, "{line}");
                unsynced.insert(file.to_owned(), arguments.to_owned());
            }
            "write" if texts.first().is_some_and(|text| text.starts_with("ack ")) => {
                let number: u64 = texts[0][4..].trim_end_matches("\\n").parse().unwrap();
                // The change of that number was made at the time before it.
                let made = format!("\\\"at_ms\\\":{},", number - 1);
                assert!(durable.iter().any(|written: &String| written.contains(&made)), "{line}");
                acknowledged += 1;
            }
            "fdatasync" => durable.extend(unsynced.remove(file)),
            "fsync" => drop(unnamed.remove(thread)),
            // Earlier generations may have either name after a cut.
            "renameat" | "renameat2" if !texts[1].starts_with("state.json.") => {
                assert_eq!(unnamed.get(thread), None, "{line}");
                assert!(!unsynced.contains_key(texts[0]), "{line}");
                unnamed.insert(thread.to_owned(), line.clone());
                renamed += 1;
            }
            "unlinkat" => assert_eq!(unnamed.get(thread), None, "{line}"),
            _ => {}
        }
    }
    // How often it folds beside the changes is a matter of speed; it begins, and it ends with one at least.
    assert!(renamed >= 4 && acknowledged == 14, "{renamed} names, {acknowledged} changes");
}

/// Returns the calls of a trace, each as one line where it came to its end.
fn completed(trace: &str) -> Vec<String> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines().filter(|line| !line.contains("+++") && !line.contains("---")) {
        let (thread, rest) = line.split_once(' ').unwrap();
        match rest.strip_suffix(" <unfinished ...>") {
            Some(head) => drop(begun.insert(thread, head)),
            None if rest.trim_start().starts_with("<...") => {
                let tail = rest.split_once("resumed>").unwrap().1;
                calls.push(format!("{thread} {}{tail}", begun.remove(thread).unwrap()));
            }
            None => calls.push(line.to_owned()),
        }
    }
    calls
}

/// Starts twice and asks once on a state that can't be read, and checks that it is there as it was.
#[track_caller]
fn left_alone(shipote: &Shipote, code: i32, what: &str) {
    let before = everything(&shipote.state_dir());
    for _ in 0..2 {
        let refused = shipote.run(&["daemon"]).exits(code);
        assert!(refused.stderr.contains("state.json"), "{what}: {refused}");
    }
    // A client that would start a daemon by itself is told as well.
    shipote.run(&["run", "--", "true"]).exits(125);
    let after = everything(&shipote.state_dir());
    for (path, content) in before {
        assert_eq!(after.get(&path), Some(&content), "{what}: {}", path.display());
    }
}

#[test]
fn h05_a_state_that_cannot_be_read_is_never_started_over() {
    let whole = render(&state_of(3)).into_bytes();
    let mut files: Vec<(String, Vec<u8>)> = (0..16)
        .map(|sixteenth| (format!("{sixteenth} sixteenths"), whole[..whole.len() * sixteenth / 16].to_vec()))
        .collect();
    let mut flipped = whole.clone();
    let colon = whole.windows(13).position(|window| window == b"\"workspaces\":").unwrap() + 12;
    flipped[colon] ^= 1;
    files.push(("a flipped bit".to_owned(), flipped));
    files.push(("NULs".to_owned(), vec![0; 4096]));
    files.push(("NULs at the end".to_owned(), [&*whole, &[0; 64]].concat()));
    files.push(("no UTF-8".to_owned(), [&*whole, b"\xff"].concat()));
    files.push(("a list".to_owned(), b"[]\n".to_vec()));
    files.push(("another type".to_owned(), b"{\"version\":5,\"timestamp_ms\":1,\"workspaces\":{}}".to_vec()));
    for (what, bytes) in files {
        let shipote = shipote();
        shipote.plant_state(&bytes);
        left_alone(&shipote, 65, &what);
        let copies = fs::read_dir(shipote.state_dir().join("quarantine")).unwrap().flatten();
        let copies: Vec<PathBuf> = copies.map(|entry| entry.path()).collect();
        // One copy, however often it is tried.
        let same = copies.iter().filter(|path| fs::read(path).unwrap() == bytes).count();
        assert_eq!(same, 1, "{what}: {copies:?}");
    }
    let shipote = shipote();
    fs::create_dir(planted(&shipote).join("state.json")).unwrap();
    left_alone(&shipote, 1, "a directory");
}

#[test]
fn h05_a_state_that_may_not_be_read_is_never_started_over() {
    if !has(Need::OtherUid) {
        return;
    }
    let shipote = Shipote::as_user(PAYLOAD, ORDINARY);
    let dir = planted(&shipote);
    chown(&dir, Some(ORDINARY), Some(ORDINARY)).unwrap();
    fs::write(dir.join("state.json"), render(&state_of(3))).unwrap();
    fs::set_permissions(dir.join("state.json"), Permissions::from_mode(0o000)).unwrap();
    left_alone(&shipote, 8, "mode 0");
}

#[test]
fn h06_a_change_in_the_middle_of_a_fold_is_not_lost() {
    let mut shipote = shipote();
    shipote.daemon_start_with(&["--fold-above", "2000"]);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let shipote = &shipote;
            scope.spawn(move || {
                for number in 0..15 {
                    shipote.run(&["ws", "create", "--label", &format!("c{client}-{number}")]).ok();
                }
            });
        }
    });
    let mut created = labels(&shipote);
    created.sort();
    assert_eq!(created.len(), 60);
    let folds = shipote.on_disk().serial;
    assert!(folds > 5, "only {folds} folds beside the changes");
    // A clean end leaves all of it in state.json alone.
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let alone = shipote_snapshot::read(&fs::read(shipote.state_file()).unwrap()).snapshot.unwrap();
    let mut kept: Vec<String> = alone.workspaces.iter().map(|entry| entry.spec.label.clone()).collect();
    kept.sort();
    assert_eq!(kept, created);
}

/// Returns how many bytes the daemon has written so far, to whatever.
fn written(shipote: &Shipote) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", shipote.daemon_pid().unwrap())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn h09_a_change_costs_the_same_however_large_the_state_is() {
    let cost = |count: u32| {
        let mut shipote = shipote();
        shipote.plant_state(render(&state_of(count)));
        shipote.daemon_start();
        // The first change begins the journal.
        shipote.run(&["ws", "create", "--label", "first"]).ok();
        let (ino, before) = (fs::metadata(shipote.state_file()).unwrap().ino(), written(&shipote));
        for number in 0..20 {
            shipote.run(&["ws", "create", "--label", &format!("n{number}")]).ok();
        }
        let after = written(&shipote);
        assert_eq!(fs::metadata(shipote.state_file()).unwrap().ino(), ino, "state.json was written anew");
        after - before
    };
    let (small, large) = (cost(10), cost(3_000));
    assert!(large < small * 2, "{small} bytes at 10 workspaces, {large} at 3000");
}

#[test]
fn h11_nothing_beside_a_newer_state_is_touched() {
    let mut shipote = served();
    for label in ["one", "two", "three"] {
        shipote.run(&["ws", "create", "--label", label]).ok();
        assert_eq!(shipote.daemon_term().code(), Some(0));
        shipote.daemon_start();
    }
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let text = fs::read_to_string(shipote.state_file()).unwrap();
    fs::write(shipote.state_file(), text.replacen("\"version\":5", "\"version\":6", 1)).unwrap();
    let without_lock = || {
        let mut found = everything(&shipote.state_dir());
        found.remove(&shipote.state_dir().join("state.lock"));
        found
    };
    let before = without_lock();
    assert!(before.len() > 4, "{:?}", before.keys());
    let refused = shipote.run(&["daemon"]).exits(65);
    assert!(refused.stderr.contains("version 6"), "{refused}");
    shipote.run(&["run", "--", "true"]).exits(125);
    assert_ne!(
        shipote.run(&["state", "upgrade", "--in-place", shipote.state_file().to_str().unwrap()]).code,
        0
    );
    let mut after = without_lock();
    // The daemon that a client started in the background says in its log why it did not stay.
    after.retain(|path, _| !path.ends_with("daemon.log"));
    assert_eq!(after, before);
}

#[test]
fn h12_three_generations_are_kept_and_a_broken_file_never_becomes_one() {
    let mut shipote = shipote();
    for number in 0..6 {
        shipote.daemon_start();
        shipote.run(&["ws", "create", "--label", &format!("w{number}")]).ok();
        assert_eq!(shipote.daemon_term().code(), Some(0));
    }
    let generations = ["state.json", "state.json.1", "state.json.2", "state.json.3"];
    let read = |name: &str| fs::read(shipote.state_dir().join(name)).unwrap();
    let counts =
        generations.map(|name| shipote_snapshot::read(&read(name)).snapshot.unwrap().workspaces.len());
    assert_eq!(counts[0], 6);
    assert!(counts.is_sorted_by(|newer, older| newer >= older), "{counts:?}");
    assert!(!shipote.state_dir().join("state.json.4").exists());
    let before = generations.map(read);
    // Broken: it is refused, and a recovery from a generation does not push it in among them.
    fs::write(shipote.state_file(), b"{").unwrap();
    shipote.run(&["daemon"]).exits(65);
    assert_eq!(generations[1..].iter().map(|name| read(name)).collect::<Vec<_>>(), before[1..]);
    shipote.run(&["state", "recover", "--take", "1"]).ok();
    for name in generations {
        let found = shipote_snapshot::read(&read(name));
        assert_eq!(found.verdict, shipote_snapshot::Verdict::Valid, "{name}: {:?}", found.problems);
    }
    assert!(read("state.json.1") == before[1], "a good generation was pushed out");
}

#[test]
fn h13_a_state_that_went_away_is_never_replaced_by_an_empty_one() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    fs::rename(shipote.state_file(), shipote.work().join("elsewhere")).unwrap();
    let before = everything(&shipote.state_dir());
    let refused = shipote.run(&["daemon"]).exits(65);
    assert!(refused.stderr.contains("checkpoint_missing"), "{refused}");
    shipote.run(&["run", "--", "true"]).exits(125);
    let mut after = everything(&shipote.state_dir());
    after.retain(|path, _| before.contains_key(path));
    let lock = shipote.state_dir().join("state.lock");
    assert!(before.iter().all(|(path, content)| *path == lock || after.get(path) == Some(content)));
    // Put back, it is as if nothing had been.
    fs::rename(shipote.work().join("elsewhere"), shipote.state_file()).unwrap();
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["alpha"]);
}

#[test]
fn h13_a_state_that_another_hand_put_there_meanwhile_is_kept() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "alpha"]).ok();
    let theirs = render(&state_of(2));
    fs::write(shipote.state_file(), &theirs).unwrap();
    shipote.run(&["ws", "create", "--label", "beta"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let copies = fs::read_dir(shipote.state_dir().join("quarantine")).unwrap().flatten();
    assert!(copies.into_iter().any(|copy| fs::read(copy.path()).unwrap() == theirs.as_bytes()));
    shipote.daemon_start();
    assert_eq!(labels(&shipote), ["alpha", "beta"]);
}

#[test]
fn h15_every_sample_says_when_it_was_taken_over_a_restart_too() {
    let mut shipote = served();
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\nrestart = \"always\"\n").ok();
    let samples = |shipote: &Shipote| {
        let answer = shipote.json(&["stats", "w", "--history"]);
        answer["history"].as_array().cloned().unwrap_or_default()
    };
    let some = until("two samples", || Some(samples(&shipote)).filter(|list| list.len() >= 2));
    assert_eq!(shipote.daemon_term().code(), Some(0));
    shipote.daemon_start();
    // A sample of the second life, in which the workspace is younger again.
    let age = |sample: &Value| sample["uptime_ms"].as_u64().unwrap();
    until("a sample after the restart", || {
        let list = samples(&shipote);
        (list.len() > some.len() && age(list.last()?) < age(some.last()?)).then_some(())
    });
    // Samples are written into state.json whenever that is written for another reason.
    shipote.run(&["ws", "create", "--label", "other"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let state = shipote_snapshot::read(&fs::read(shipote.state_file()).unwrap());
    let history = &state.snapshot.as_ref().unwrap().workspaces[0].stats_history;
    let times: Vec<u64> = history.iter().map(|sample| sample.at_ms.unwrap()).collect();
    assert!(times.len() >= 3 && times.is_sorted_by(|a, b| a < b), "{times:?}");
    // Since the times tell of the pause, nothing seems to have run backwards.
    assert_eq!(state.problems, []);
}

#[test]
fn h17_one_workspace_of_a_thousand_that_is_not_understood_costs_no_other() {
    let mut shipote = shipote();
    let text = render(&state_of(1_000));
    let broken = text.lines().find(|line| line.contains("\"label\":\"w500\"")).unwrap();
    let broken_now = broken.replace("\"on_exit\":\"reap\"", "\"on_exit\":\"explode\"");
    shipote.plant_state(text.replace(broken, &broken_now));
    shipote.daemon_start();
    let found = labels(&shipote);
    assert_eq!(found.len(), 999);
    assert!(!found.contains(&"w500".to_owned()));
    // It is told, and it is written back byte for byte with the next state.json.
    assert!(shipote.daemon_said().contains("explode"), "{}", shipote.daemon_said());
    shipote.run(&["ws", "create", "--label", "new"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    let now = fs::read_to_string(shipote.state_file()).unwrap();
    assert!(now.contains(broken_now.trim_end_matches(',')), "it is gone");
    assert_eq!(now.lines().filter(|line| line.contains("\"label\":")).count(), 1_001);
}

#[test]
fn h18_no_text_makes_the_state_unwritable() {
    let mut shipote = served();
    let odd = "quote \\\" backslash \\\\ tab \\t line \\n bell \\u0007 nbsp \\u00a0 separator \\u2028 ship \\U0001F6A2";
    let card = format!(
        "[workspace]\nlabel = \"w\"\nenv = {{ ODD = \"{odd}\" }}\n[[commands]]\nlabel = \"c\"\nrun = [\"printf\", \"%s\", \"{odd}\"]\n"
    );
    shipote.up(&card).ok();
    // What is no text at all is refused before anything is written.
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::ffi::OsStr::from_bytes(b"a\xffb");
    let refused = shipote.run(&["ws".as_ref(), "create".as_ref(), "--label".as_ref(), bytes]).exits(2);
    assert!(refused.stderr.contains("UTF-8"), "{refused}");
    let printed = until("the output", || {
        let text = shipote.run(&["logs", "w/c"]).ok().text();
        text.contains('\u{1F6A2}').then_some(text)
    });
    for round in 0..2 {
        match round {
            0 => shipote.daemon_kill9(),
            _ => assert_eq!(shipote.daemon_term().code(), Some(0)),
        }
        let found = shipote.on_disk();
        assert_eq!((found.refusal, found.report.problems.len()), (None, 0));
        let state = found.snapshot.unwrap();
        let odd = &state.workspaces[0].spec.soma.env["ODD"];
        assert!(
            odd.contains("\u{7}") && odd.contains("\u{2028}") && printed.contains("bell \u{7}"),
            "{odd:?}"
        );
        shipote.daemon_start();
    }
    assert_eq!(labels(&shipote), ["w"]);
}
