//! What a workspace costs, and its history over restarts.

use serde_json::Value;
use shipote_tests::{Shipote, until};

use crate::served;

#[test]
fn samples_say_where_each_figure_comes_from() {
    let shipote = served();
    shipote
        .up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"busy\"\nshell = \"while :; do :; done\"\n")
        .ok();
    let sample = until("a sample with processor time", || {
        let answer = shipote.json(&["stats", "w"]);
        let sample = answer["workspace"]["stats"].clone();
        (sample["cpu_usec"].as_u64() > Some(100_000)).then_some(sample)
    });
    for metric in ["memory", "cpu"] {
        let source = sample["source"][metric].as_str().unwrap();
        assert!(["cgroup", "proc"].contains(&source), "{sample}");
    }
    assert!(sample["rss_bytes"].as_u64() > Some(100_000), "{sample}");
    assert_eq!((&sample["commands_alive"], &sample["commands_total"]), (&1.into(), &1.into()));
}

fn history(shipote: &Shipote) -> Vec<Value> {
    let answer = shipote.json(&["stats", "w", "--history"]);
    answer["history"].as_array().cloned().unwrap_or_default()
}

fn times(history: &[Value]) -> Vec<u64> {
    history.iter().filter_map(|sample| sample["at_ms"].as_u64()).collect()
}

/// Samples a workspace, ends the daemon, and returns the samples' times.
#[track_caller]
fn sampled_and_ended(shipote: &mut Shipote) -> Vec<u64> {
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\n").ok();
    let before = until("three samples", || Some(history(shipote)).filter(|list| list.len() >= 3));
    assert_eq!(shipote.daemon_term().code(), Some(0));
    times(&before)
}

#[test]
fn the_history_survives_a_restart() {
    let mut shipote = served();
    let before = sampled_and_ended(&mut shipote);
    shipote.daemon_start();
    let after = history(&shipote);
    let kept = times(&after);
    assert!(before.iter().all(|time| kept.contains(time)), "{before:?} {after:?}");
    assert_eq!(after[0]["source"]["cpu"], "persisted", "{:?}", after[0]);
}

#[test]
fn the_history_is_there_without_a_daemon() {
    let mut shipote = served();
    let before = sampled_and_ended(&mut shipote);
    let kept = times(&history(&shipote));
    assert!(before.iter().all(|time| kept.contains(time)), "{before:?} {kept:?}");
}

#[test]
fn the_course_of_a_history_is_drawn_in_one_line() {
    let shipote = served();
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\n").ok();
    let text = until("two samples", || {
        let text = shipote.run(&["stats", "w", "--history"]).ok().text();
        let line = text.lines().find(|line| line.starts_with("memory"))?.to_owned();
        (line.chars().filter(|letter| ('▁'..='█').contains(letter)).count() >= 2).then_some(text)
    });
    assert!(text.contains("cpu"), "{text}");
}

#[test]
fn a_workspace_that_never_ran_has_no_sample() {
    let shipote = served();
    shipote.run(&["ws", "create", "--label", "idle"]).ok();
    let text = shipote.run(&["stats", "idle"]).ok();
    assert!(text.text().contains("no sample"), "{text}");
}

#[test]
fn samples_do_not_write_the_state() {
    let shipote = served();
    shipote.up("[workspace]\nlabel = \"w\"\n[[commands]]\nlabel = \"c\"\nrun = [\"sleep\", \"600\"]\n").ok();
    shipote.running("c");
    let stamp = || std::fs::metadata(shipote.state_file()).unwrap().modified().unwrap();
    let before = stamp();
    until("three samples", || {
        let answer = shipote.json(&["stats", "w", "--history"]);
        (answer["history"].as_array().map_or(0, Vec::len) >= 3).then_some(())
    });
    assert_eq!(stamp(), before);
}
