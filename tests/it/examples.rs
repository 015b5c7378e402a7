//! The examples: each is a card without a problem, and does what it says.

use std::path::{Path, PathBuf};

use shipote_tests::until;

use crate::{served, shipote};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples").join(name)
}

fn cards() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(example("")).unwrap().flatten();
    let mut cards: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    cards.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cards.sort();
    cards
}

#[test]
fn every_example_is_a_card_without_a_problem() {
    let shipote = shipote();
    for card in cards() {
        let output = shipote.run(&["check", card.to_str().unwrap()]).ok();
        assert!(!output.stderr.contains("warning"), "{output}");
    }
}

/// Makes a home with one crate in cargo's cache, as a build leaves it.
fn cargo_home(home: &Path) {
    let cache = home.join(".cargo/registry/cache/index");
    std::fs::create_dir_all(&cache).unwrap();
    for (name, licence) in [("a-1.0.0", "MIT"), ("b-1.0.0", "MIT OR Apache-2.0"), ("c-1.0.0", "MIT")] {
        let source = home.join(name);
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("Cargo.toml"), format!("[package]\nlicense = \"{licence}\"\n")).unwrap();
        let status = std::process::Command::new("tar")
            .args(["-C", home.to_str().unwrap(), "-czf"])
            .arg(cache.join(format!("{name}.crate")))
            .arg(name)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

#[test]
fn licences_of_downloaded_crates_are_counted() {
    let shipote = served();
    let home = shipote.work().join("home");
    std::fs::create_dir(&home).unwrap();
    cargo_home(&home);
    let mut command = shipote.command(&["up", example("licences.toml").to_str().unwrap()]);
    let output = command.env("HOME", &home).env("PATH", "/usr/bin:/bin").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out, "      2 license = \"MIT\"\n      1 license = \"MIT OR Apache-2.0\"\n");
    for part in ["crates..unzip", "gzip", "application/x-tar"] {
        assert!(err.contains(part), "missing: {part}\n{err}");
    }
}

#[test]
fn without_downloaded_crates_it_is_said_what_is_missing() {
    let shipote = served();
    let mut command = shipote.command(&["up", example("licences.toml").to_str().unwrap()]);
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("cargo fetch") && err.contains("registry/cache"), "{err}");
    assert!(err.contains("because of crates"), "{err}");
}

#[test]
fn the_service_runs_until_it_is_stopped() {
    let shipote = served();
    shipote.run(&["up", "--detach", example("service.toml").to_str().unwrap()]).ok();
    for label in ["load", "disk"] {
        shipote.running(label);
    }
    let logs = || shipote.run(&["logs", "watch"]).ok().text();
    until("what it watches", || (logs().contains("load ") && logs().contains("/ is filled")).then_some(()));
    shipote.run(&["down", "watch"]).ok();
    assert_eq!(shipote.json(&["ps"]), serde_json::json!([]));
}

#[test]
fn the_log_can_be_tapped() {
    let shipote = served();
    shipote.run(&["up", "--detach", example("log-tap.toml").to_str().unwrap()]).ok();
    shipote.running("packages/log");
    let mut observer = shipote.attach(&["tap", "packages", "log..changes", "--meter"]);
    assert!(observer.is_running());
    shipote.run(&["down", "packages"]).ok();
    observer.end();
}

#[test]
fn one_list_answers_three_questions() {
    let shipote = served();
    let output = shipote.run(&["up", example("fan-out.toml").to_str().unwrap()]).ok();
    let text = output.text();
    let lines = |label: &str| text.lines().filter(|line| line.starts_with(label)).count();
    assert_eq!((lines("number"), lines("total"), lines("largest")), (1, 1, 5), "{text}");
}
