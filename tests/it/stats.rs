//! What a workspace costs, and its history over restarts.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shipote_card::WorkspaceId;
use shipote_snapshot::{PersistedStats, Point, samples};
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

/// Writes a history of five days into the journal of samples: a point a minute, with a day's pause in it.
fn five_days(shipote: &Shipote) {
    let id: WorkspaceId =
        shipote.json(&["ws", "show", "w"])["workspace"]["id"].as_str().unwrap().parse().unwrap();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let minutes = (1..=5 * 1_440_u64).rev().filter(|minute| !(2 * 1_440..3 * 1_440).contains(minute));
    let lines: String = minutes
        .map(|minute| {
            let stats = PersistedStats {
                at_ms: Some(now_ms - minute * 60_000),
                rss_bytes: Some(minute * 1_024),
                ..PersistedStats::default()
            };
            Point::single(id, stats).unwrap().encode()
        })
        .collect();
    let path = shipote.state_dir().join("stats.journal");
    std::fs::write(path, [samples::header(now_ms), lines].concat()).unwrap();
}

#[test]
fn a_history_goes_back_as_far_as_it_is_asked_for_with_and_without_a_daemon() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "w"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    five_days(&shipote);
    let count = |shipote: &Shipote, last: &str| {
        shipote.json(&["stats", "w", "--history", last])["history"].as_array().unwrap().len()
    };
    let at_rest = [count(&shipote, "7d"), count(&shipote, "36h"), count(&shipote, "10m")];
    shipote.daemon_start();
    let served = [count(&shipote, "7d"), count(&shipote, "36h"), count(&shipote, "10m")];
    // The minute that passes meanwhile may take one away.
    for (found, wanted) in at_rest.into_iter().chain(served).zip([5_760, 2_160, 10].repeat(2)) {
        assert!((wanted - 2..=wanted).contains(&found), "{found} of {wanted}");
    }
    let drawn = shipote.run(&["stats", "w", "--history", "7d"]).ok().text();
    let course = drawn.lines().find(|line| line.starts_with("memory")).unwrap();
    let blocks: String = course[8..].chars().take(48).collect();
    // Two days before the first sample, two sampled, one of pause, two sampled.
    insta::assert_snapshot!(blocks, @"             █▇▇▇▇▇▆▆▆▆▆▅▅▅▅      ▃▃▃▃▂▂▂▂▂▁▁▁▁▁");
    let all = shipote.json(&["stats", "--history", "7d"]);
    assert_eq!(all[0]["workspace"]["label"], "w");
    assert!(all[0]["history"].as_array().unwrap().len() > 5_700);
}

#[test]
fn a_damaged_line_of_samples_is_a_warning_and_no_more() {
    let mut shipote = served();
    shipote.run(&["ws", "create", "--label", "w"]).ok();
    assert_eq!(shipote.daemon_term().code(), Some(0));
    five_days(&shipote);
    let path = shipote.state_dir().join("stats.journal");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let report = shipote.json(&["state", "verify"]);
    assert_eq!((&report["verdict"], &report["samples"]["damaged"]), (&"valid".into(), &1.into()), "{report}");
    assert_eq!(
        (&report["problems"][0]["code"], &report["problems"][0]["file"]),
        (&"sample_damaged".into(), &"stats.journal".into())
    );
    shipote.daemon_start();
    assert!(shipote.json(&["stats", "w", "--history", "7d"])["history"].as_array().unwrap().len() > 5_700);
}
