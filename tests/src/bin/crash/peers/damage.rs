//! A state file that was damaged while nothing ran: is it refused, and is what was in it still somewhere afterwards?

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::Plan;
use super::{Peer, Running, fresh, nothing_kept};

/// Entities that are declared before.
const DECLARED: u64 = 5;

pub fn run(peer: &dyn Peer, plan: &Plan) -> Value {
    let Some(state_file) = peer.state_file() else { return nothing_kept() };
    let mut outcomes = Map::new();
    for (cycle, (name, damage)) in (1..).zip(DAMAGES) {
        let (home, run) = fresh(&plan.dir, cycle);
        let mut running = peer.start(&home, &run).unwrap_or_else(|why| panic!("the first start: {why}"));
        assert!((1..=DECLARED).all(|number| running.session.declare(number)), "a change was refused");
        running.stop();
        let path = home.join(state_file);
        let damaged = damage(&fs::read(&path).unwrap());
        fs::write(&path, &damaged).unwrap();
        let (started, outcome) = match peer.start(&home, &run) {
            Ok(running) => (true, go_on(running)),
            Err(_) => (false, "refused".to_owned()),
        };
        let outcome = match (damaged.is_empty(), is_there(&home, &damaged)) {
            (true, _) => outcome,
            (false, true) if started => format!("{outcome}; a copy is kept"),
            (false, true) => format!("{outcome}, the file untouched"),
            (false, false) => format!("{outcome}; what was in the file is gone"),
        };
        eprintln!("{name}: {outcome}");
        outcomes.insert(name.to_owned(), json!(outcome));
        fs::remove_dir_all(&home).unwrap();
    }
    json!({ "outcomes": outcomes })
}

/// Goes on with a manager that has started, as its user would who has noticed nothing.
fn go_on(mut running: Running) -> String {
    let found = running.session.declared();
    let there = (1..=DECLARED).filter(|number| found.contains(number)).count();
    let went_on = running.session.declare(DECLARED + 1);
    running.stop();
    let went_on = if went_on { "" } else { ", the next change refused" };
    format!("starts with {there} of {DECLARED}{went_on}")
}

type Damage = fn(&[u8]) -> Vec<u8>;

const DAMAGES: [(&str, Damage); 4] = [
    ("empty", |_| Vec::new()),
    ("NULs", |bytes| vec![0; bytes.len()]),
    ("half", |bytes| bytes[..bytes.len() / 2].to_vec()),
    ("one bit", |bytes| {
        let mut bytes = bytes.to_vec();
        // Of the colon next to the middle, so that it is no JSON any more.
        let middle = bytes.len() / 2;
        let colon = middle + bytes[middle..].iter().position(|byte| *byte == b':').unwrap();
        bytes[colon] ^= 1;
        bytes
    }),
];

/// Tells whether a file below `dir` holds exactly these bytes.
fn is_there(dir: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().flatten().any(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => is_there(&entry.path(), bytes),
        kind if kind.is_file() => fs::read(entry.path()).is_ok_and(|held| held == bytes),
        _ => false,
    })
}
