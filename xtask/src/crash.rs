//! The crash matrix at full counts, in parts that can be stopped and gone on with: each result is a line in
//! `target/crash/results.jsonl`, and the report adds them up.

mod peers;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{self, cargo};
use crate::{Outcome, tools};

pub use peers::run as peers;

/// One part of the matrix: its name in results, the words that run it, and the count that is promised.
struct Part {
    name: &'static str,
    words: &'static [&'static str],
    goal: u64,
    /// Cycles of one run, which takes at most 8 minutes.
    step: u64,
    needs_root: bool,
    what: &'static str,
}

const PARTS: [Part; 6] = [
    Part {
        name: "kill",
        words: &["kill"],
        goal: 10_000,
        step: 2_500,
        needs_root: false,
        what: "`kill -9` of the daemon under four clients, and in the middle of its start",
    },
    Part {
        name: "power ext4",
        words: &["power", "--fs", "ext4"],
        goal: 500,
        step: 500,
        needs_root: true,
        what: "power cuts on ext4",
    },
    Part {
        name: "power xfs",
        words: &["power", "--fs", "xfs"],
        goal: 500,
        step: 500,
        needs_root: true,
        what: "power cuts on XFS",
    },
    Part {
        name: "control ext4",
        words: &["control", "--fs", "ext4"],
        goal: 20,
        step: 20,
        needs_root: true,
        what: "the same cuts under a writer that does not sync, ext4",
    },
    Part {
        name: "control xfs",
        words: &["control", "--fs", "xfs"],
        goal: 20,
        step: 20,
        needs_root: true,
        what: "the same cuts under a writer that does not sync, XFS",
    },
    Part {
        name: "sweep",
        words: &["sweep"],
        goal: 400,
        step: 100_000,
        needs_root: false,
        what: "a kill, EIO and ENOSPC at every system call of the store",
    },
];

/// Longest time of one run, in seconds.
const LONGEST_S: &str = "470";

/// Runs what is still missing of every part, or of one.
pub fn run(root: &Path, only: Option<&str>) -> Outcome {
    tools::crash()?;
    let release = ["build", "--release", "-p", "shipote-daemon", "-p", "shipote-tests", "--bins"];
    program::run(&mut cargo(root, &release))?;
    let built = program::built(root, "release")?;
    let results = built.parent().unwrap_or(root).join("crash");
    fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    let file = results.join("results.jsonl");
    let is_root = is_root();
    for part in PARTS.iter().filter(|part| only.is_none_or(|only| part.words[0] == only)) {
        if part.needs_root && !is_root {
            println!("skipped: {} needs root", part.name);
            continue;
        }
        while let Some(missing) = missing(part, &read(&file)) {
            let cycles = missing.min(part.step).max(1).to_string();
            let seed = (read(&file).len() + 1).to_string();
            println!(
                "\n=== {}: {missing} of {} to go{}",
                part.name,
                part.goal,
                pace(part, &read(&file), missing)
            );
            let mut command = Command::new(built.join("crash"));
            command.args(part.words).args(["--cycles", &cycles, "--seconds", LONGEST_S, "--seed", &seed]);
            command.arg("--program").arg(built.join("shipote")).arg("--store").arg(built.join("store"));
            if part.name == "sweep" {
                // It ends by itself, at the last call of the last kind.
                command.args(["--cycles", &part.step.to_string()]);
            }
            let mut last = String::new();
            let outcome = program::watch(&mut command, |line| last = line.to_owned());
            append(&file, &last)?;
            outcome.map_err(|error| format!("{error}\nsomething was found; its files are left in place"))?;
        }
    }
    report(root)
}

/// Prints the tables of everything that was run so far.
pub fn report(root: &Path) -> Outcome {
    let built = program::built(root, "release")?;
    let results = built.parent().unwrap_or(root).join("crash");
    let lines = read(&results.join("results.jsonl"));
    println!("\n| what | count | acknowledged changes | lost | refused starts |\n|---|---|---|---|---|");
    for part in &PARTS {
        let sum = |key: &str| sum(part, &lines, key);
        println!(
            "| {} | {} | {} | {} | {} |",
            part.what,
            counted(sum("cycles")),
            counted(sum("acknowledged")),
            counted(sum("lost")),
            counted(sum("refused"))
        );
    }
    peers::report(&results.join("peers.jsonl"));
    Ok(())
}

fn read(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn sum(part: &Part, lines: &[Value], key: &str) -> u64 {
    lines.iter().filter(|line| line["part"] == part.name).filter_map(|line| line[key].as_u64()).sum()
}

fn missing(part: &Part, lines: &[Value]) -> Option<u64> {
    part.goal.checked_sub(sum(part, lines, "cycles")).filter(|missing| *missing > 0)
}

/// Says how long the rest takes at the pace of earlier runs, if there were any.
fn pace(part: &Part, lines: &[Value], missing: u64) -> String {
    let (cycles, seconds) = (sum(part, lines, "cycles"), sum(part, lines, "seconds"));
    if cycles == 0 {
        return String::new();
    }
    format!(", about {} min at the pace so far", (missing * seconds / cycles).div_ceil(60))
}

/// Writes a count as people do: `10 000`.
fn counted(count: u64) -> String {
    match count {
        count if count >= 1_000 => format!("{} {:03}", counted(count / 1_000), count % 1_000),
        count => count.to_string(),
    }
}

fn is_root() -> bool {
    program::read(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

fn append(file: &Path, line: &str) -> Outcome {
    let open = File::options().create(true).append(true).open(file);
    open.and_then(|mut open| writeln!(open, "{line}")).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_of_several_runs_add_up() {
        let lines = [
            json!({ "part": "kill", "cycles": 6_000 }),
            json!({ "part": "power xfs", "cycles": 500 }),
            json!({ "part": "kill", "cycles": 1_000 }),
        ];
        assert_eq!(missing(&PARTS[0], &lines), Some(3_000));
        assert_eq!(missing(&PARTS[2], &lines), None);
    }

    #[test]
    fn the_rest_is_told_at_the_pace_of_what_was_run() {
        let lines = [json!({ "part": "kill", "cycles": 2_000, "seconds": 400 })];
        assert_eq!(pace(&PARTS[0], &lines, 8_000), ", about 27 min at the pace so far");
        assert_eq!(pace(&PARTS[1], &lines, 500), "");
        assert_eq!((counted(33_064).as_str(), counted(9).as_str()), ("33 064", "9"));
    }
}
