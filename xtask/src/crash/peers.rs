//! Other managers in the same harness, `cargo xtask crash --peers`: installed below `target/peers` by their own package
//! managers, nowhere else, and looked at as far as each keeps anything.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{append, is_root, read};
use crate::program::{self, cargo};
use crate::{Outcome, tools};

/// A manager: its name in the harness and in the table.
struct Peer {
    name: &'static str,
    title: &'static str,
    install: fn(&Path, &Path) -> Outcome,
}

const PEERS: [Peer; 5] = [
    Peer { name: "shipote", title: "Shipote", install: |_, _| Ok(()) },
    Peer { name: "pueue", title: "pueue", install: pueue },
    Peer { name: "pm2", title: "PM2, start + save", install: pm2 },
    Peer { name: "pm2-start", title: "PM2, start alone", install: pm2 },
    Peer { name: "supervisord", title: "supervisord", install: supervisor },
];

/// What is done to each: its words, and whether it needs root.
const PARTS: [(&[&str], bool); 4] = [
    (&["peer-kill", "--cycles", "30"], false),
    (&["peer-damage"], false),
    (&["peer-cut", "--fs", "ext4", "--cycles", "20"], true),
    (&["peer-cut", "--fs", "xfs", "--cycles", "20"], true),
];

/// Longest time of one part of one peer, in seconds.
const LONGEST_S: &str = "300";

/// Installs the peers, looks at each, and prints the table.
pub fn run(root: &Path) -> Outcome {
    tools::crash()?;
    let release = ["build", "--release", "-p", "shipote-daemon", "-p", "shipote-tests", "--bins"];
    program::run(&mut cargo(root, &release))?;
    let built = program::built(root, "release")?;
    let target = built.parent().unwrap_or(root);
    let peers = target.join("peers");
    let results = target.join("crash");
    for dir in [&peers, &results] {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    // This run's alone; a part takes minutes, not hours.
    let file = results.join("peers.jsonl");
    fs::write(&file, "").map_err(|error| format!("{}: {error}", file.display()))?;
    let is_root = is_root();
    for Peer { name, title, install } in &PEERS {
        if let Err(message) = install(root, &peers) {
            println!("SKIPPED {title}: it can't be installed: {message}");
            continue;
        }
        for (words, needs_root) in PARTS {
            if needs_root && !is_root {
                println!("SKIPPED {title}, {}: needs root", words.join(" "));
                continue;
            }
            println!("\n=== {title}: {}", words.join(" "));
            let mut command = Command::new(built.join("crash"));
            command.args(words).args(["--peer", name, "--seconds", LONGEST_S]);
            command.arg("--peers").arg(&peers).arg("--program").arg(built.join("shipote"));
            let mut last = String::new();
            program::watch(&mut command, |line| last = line.to_owned())?;
            append(&file, &last)?;
        }
    }
    report(&file);
    Ok(())
}

/// Prints the table of what was found, if there is any.
pub fn report(file: &Path) {
    let lines = read(file);
    if !lines.is_empty() {
        println!("\n{}", table(&lines));
    }
}

fn pueue(root: &Path, peers: &Path) -> Outcome {
    const VERSION: &str = "4.0.4";
    if peers.join("pueue/bin/pueued").is_file() {
        return Ok(());
    }
    let mut install = cargo(root, &["install", "pueue", "--version", VERSION, "--locked", "--root"]);
    program::run(install.arg(peers.join("pueue")).arg("--target-dir").arg(peers.join("build")))
}

fn pm2(_: &Path, peers: &Path) -> Outcome {
    const PACKAGE: &str = "pm2@7.0.4";
    let prefix = peers.join("pm2");
    if prefix.join("node_modules/pm2/package.json").is_file() {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&prefix).arg(PACKAGE);
    program::run(&mut install)
}

fn supervisor(_: &Path, peers: &Path) -> Outcome {
    const PACKAGE: &str = "supervisor==4.3.0";
    let place = peers.join("supervisor");
    if place.join("bin/supervisord").is_file() {
        return Ok(());
    }
    program::run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    program::run(Command::new(place.join("bin/pip")).args(["install", "--quiet", PACKAGE]))
}

/// Makes the table: a column for each peer, a row for each thing that was done to it.
fn table(lines: &[Value]) -> String {
    let find = |peer: &Peer, part: &str, key: &str, value: &str| {
        lines.iter().find(|line| {
            line["peer"] == peer.name && line["part"] == part && (key.is_empty() || line[key] == value)
        })
    };
    let seen: Vec<&Peer> =
        PEERS.iter().filter(|peer| lines.iter().any(|line| line["peer"] == peer.name)).collect();
    let mut rows = vec![String::from("|"), String::from("|---|")];
    for peer in &seen {
        let line = lines.iter().find(|line| line["peer"] == peer.name);
        let version = line.and_then(|line| line["version"].as_str()).unwrap_or_default();
        let (name, how) = peer.title.split_once(", ").unwrap_or((peer.title, ""));
        let how = if how.is_empty() { String::new() } else { format!(", {how}") };
        rows[0].push_str(&format!(" | {name} {version}{how}"));
        rows[1].push_str("---|");
    }
    rows[0].push_str(" |");
    let mut row = |what: &str, cell: &dyn Fn(&Peer) -> Option<String>| {
        let cells = seen.iter().map(|peer| cell(peer).unwrap_or_else(|| "not looked at".to_owned()));
        rows.push(format!("| {what} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    };
    row("`kill -9` in the middle of changes: lost of acknowledged", &|peer| {
        let line = find(peer, "peer-kill", "", "")?;
        let left = line["left"].as_u64().filter(|left| *left > 0);
        let left = left.map(|left| format!("; {left} processes left running")).unwrap_or_default();
        Some(format!("{} of {}{left}", line["lost"], line["acknowledged"]))
    });
    for (name, what) in [
        ("empty", "its state file empty"),
        ("NULs", "full of NULs"),
        ("half", "cut in half"),
        ("one bit", "with one bit flipped"),
    ] {
        row(what, &|peer| {
            let line = find(peer, "peer-damage", "", "")?;
            Some(line["outcomes"][name].as_str().unwrap_or("keeps nothing").to_owned())
        });
    }
    for (fs, what) in [("ext4", "power cuts, ext4"), ("xfs", "power cuts, XFS")] {
        row(&format!("{what}: lost of acknowledged"), &|peer| {
            if find(peer, "peer-cut", "kept", "nothing").is_some() {
                return Some("keeps nothing".to_owned());
            }
            let line = find(peer, "peer-cut", "fs", fs)?;
            let count = |key: &str, what: &str| match line[key].as_u64() {
                Some(1) => format!("; file {what} once"),
                Some(count) if count > 0 => format!("; file {what} {count} times"),
                _ => String::new(),
            };
            let (empty, absent) = (count("empty", "empty"), count("absent", "not there"));
            Some(format!(
                "{} of {}, {} cuts{empty}{absent}",
                line["lost"], line["acknowledged"], line["cycles"]
            ))
        });
    }
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_has_a_column_for_each_that_was_looked_at() {
        let lines = [
            json!({ "peer": "shipote", "part": "peer-kill", "version": "1", "lost": 0, "acknowledged": 9, "left": 0 }),
            json!({ "peer": "supervisord", "part": "peer-kill", "version": "4", "lost": 3, "acknowledged": 3, "left": 3 }),
            json!({ "peer": "supervisord", "part": "peer-damage", "version": "4", "kept": "nothing" }),
            json!({
                "peer": "shipote", "part": "peer-cut", "version": "1", "fs": "xfs", "cycles": 30, "lost": 0,
                "acknowledged": 50, "empty": 2, "absent": 0,
            }),
        ];
        let table = table(&lines);
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows[0], "| | Shipote 1 | supervisord 4 |");
        assert_eq!(
            rows[2],
            "| `kill -9` in the middle of changes: lost of acknowledged | 0 of 9 | 3 of 3; 3 processes left running |"
        );
        assert_eq!(rows[3], "| its state file empty | not looked at | keeps nothing |");
        assert_eq!(
            rows[8],
            "| power cuts, XFS: lost of acknowledged | 0 of 50, 30 cuts; file empty 2 times | not looked at |"
        );
    }
}
