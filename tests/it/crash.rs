//! The crash matrix at small counts; `cargo xtask crash` runs it at full ones.

use std::process::Command;

use serde_json::Value;
use shipote_tests::{Need, has, program};

/// Runs a part of the matrix and returns its result.
#[track_caller]
fn matrix(words: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash"));
    command.args(words).arg("--program").arg(program()).arg("--store").arg(env!("CARGO_BIN_EXE_store"));
    let output = command.arg("--dir").arg(dir.path().join("crash")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let said = String::from_utf8_lossy(&output.stderr);
    result.unwrap_or_else(|| panic!("{words:?}: {}\n{text}{said}", output.status))
}

#[track_caller]
fn nothing_lost(result: &Value) {
    let count = |key: &str| result[key].as_u64().unwrap();
    assert_eq!((count("lost"), count("invented"), count("refused")), (0, 0, 0), "{result:#}");
    assert!(count("acknowledged") > 0, "{result:#}");
}

#[test]
fn kills_in_the_middle_of_everything_lose_nothing() {
    let result = matrix(&["kill", "--cycles", "150"]);
    nothing_lost(&result);
    assert_eq!(result["cycles"], 150);
}

#[test]
fn a_kill_or_an_error_at_any_system_call_of_the_store_loses_nothing() {
    if !has(Need::Strace) {
        return;
    }
    let result = matrix(&["sweep", "--cycles", "100000"]);
    nothing_lost(&result);
    assert!(result["cycles"].as_u64().unwrap() > 300, "{result:#}");
}

#[test]
fn power_cuts_lose_nothing_on_ext4() {
    if has(Need::PowerCuts("ext4")) {
        nothing_lost(&matrix(&["power", "--fs", "ext4", "--cycles", "12"]));
    }
}

#[test]
fn power_cuts_lose_nothing_on_xfs() {
    if has(Need::PowerCuts("xfs")) {
        nothing_lost(&matrix(&["power", "--fs", "xfs", "--cycles", "12"]));
    }
}

#[test]
fn the_same_cuts_do_lose_what_a_writer_does_not_sync() {
    if has(Need::PowerCuts("xfs")) {
        let result = matrix(&["control", "--fs", "xfs", "--cycles", "3"]);
        assert!(result["lost"].as_u64().unwrap() > 0, "{result:#}");
    }
}
