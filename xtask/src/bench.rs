//! Measurements, `cargo xtask bench`: each compares two things within one run, and what counts is their ratio. A goal
//! that is missed is told and fails nothing: times are no tests.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::program::{self, cargo};
use crate::{Outcome, inspector};

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A table for people, as `docs/promises.md` has it.
    Table,
    /// One JSON document.
    Json,
}

/// What the words behind `bench state` and `bench inspector` ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    form: Form,
    quick: bool,
    rounds: Option<u64>,
    sections: Vec<String>,
}

/// The parts of `bench state`.
const SECTIONS: [&str; 4] = ["change", "group", "load", "daemon"];

impl Wanted {
    fn of(words: &[&str]) -> Outcome<Self> {
        let mut wanted = Self { form: Form::Table, quick: false, rounds: None, sections: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => wanted.quick = true,
                "--output" => {
                    wanted.form = match words.next() {
                        Some(&"json") => Form::Json,
                        Some(&"table") => Form::Table,
                        _ => return Err("--output table or --output json".to_owned()),
                    }
                }
                "--rounds" => {
                    let rounds = words.next().and_then(|word| word.parse().ok()).filter(|rounds| *rounds > 0);
                    wanted.rounds = Some(rounds.ok_or("--rounds takes a number above 0")?);
                }
                section if SECTIONS.contains(&section) => wanted.sections.push(section.to_owned()),
                _ => return Err(format!("`{word}` is no part of it; there are {}", SECTIONS.join(", "))),
            }
        }
        Ok(wanted)
    }
}

/// Measures what a durable change and a load cost, beside plain files, redb and SQLite.
pub fn state(root: &Path, words: &[&str]) -> Outcome {
    let wanted = Wanted::of(words)?;
    if wanted.rounds.is_some() {
        return Err("`--rounds` belongs to `bench inspector`".to_owned());
    }
    let product = ["build", "--release", "-p", "shipote-daemon", "--bin", "shipote"];
    program::run(&mut cargo(root, &product))?;
    let built = program::built(root, "release")?;
    let target = built.parent().unwrap_or(root).join("bench");
    // A workspace of its own, so that the databases are in no build of the product. Its lock follows what the product's
    // crates ask for, and is not held against them.
    let manifest = ["build", "--release", "--manifest-path", "xtask/bench-state/Cargo.toml"];
    program::run(cargo(root, &manifest).arg("--target-dir").arg(&target))?;
    let mut bench = Command::new(target.join("release/bench-state"));
    bench.arg("--program").arg(built.join("shipote")).arg("--dir").arg(&target).args(&wanted.sections);
    if wanted.quick {
        bench.arg("--quick");
    }
    tell(&mut bench, wanted.form)
}

/// Measures what it costs to open a large file in the inspector page, beside what a browser does with JSON by itself.
pub fn page(root: &Path, words: &[&str]) -> Outcome {
    let wanted = Wanted::of(words)?;
    if let Some(section) = wanted.sections.first() {
        return Err(format!("`{section}` is a part of `bench state`; `bench inspector` has no parts"));
    }
    let rounds = wanted.rounds.unwrap_or(if wanted.quick { 3 } else { 11 });
    tell(&mut inspector::bench(root, rounds)?, wanted.form)
}

/// Runs `bench`, which prints its rows as JSON, and tells them.
fn tell(bench: &mut Command, form: Form) -> Outcome {
    let before = load();
    let mut rows = Vec::new();
    program::each_line(bench, |line| {
        if let Ok(row) = serde_json::from_str::<Value>(line) {
            eprintln!("{}", cells(&row).join("  "));
            rows.push(row);
        }
    })?;
    let after = load();
    match form {
        Form::Json => println!("{}", json!({ "load_before": before, "load_after": after, "rows": rows })),
        Form::Table => {
            println!(
                "\n| what | against | goal | measured | undisturbed | here, there | verdict |\n|---|---|---|---|---|---|---|"
            );
            rows.iter().for_each(|row| println!("| {} |", cells(row).join(" | ")));
            let judged: Vec<bool> = rows.iter().filter_map(reached).collect();
            let good = judged.iter().filter(|reached| **reached).count();
            println!("\n{good} of {} goals reached; load {before} before, {after} after", judged.len());
        }
    }
    Ok(())
}

/// Returns whether a row has reached its goal, in the middle and undisturbed; none where it has none.
fn reached(row: &Value) -> Option<bool> {
    let goal = row["goal"].as_f64()?;
    Some(row["ratio"].as_f64()? <= goal && row["quiet"].as_f64()? <= goal)
}

fn cells(row: &Value) -> [String; 7] {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
    // Most are ratios; what is compared with nothing has a unit.
    let unit = row["unit"].as_str().unwrap_or("x");
    let digits = if unit == "x" { 2 } else { 0 };
    let goal = row["goal"].as_f64().map_or_else(|| "–".to_owned(), |goal| format!("<= {goal}{unit}"));
    let (ratio, low, high) = (number("ratio"), number("low"), number("high"));
    let spread = if low < high { format!(" ({low:.digits$}–{high:.digits$})") } else { String::new() };
    let verdict = match reached(row) {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None => "–",
    };
    let values = format!("{}, {}", text("here"), text("there"));
    let measured = format!("{ratio:.digits$}{unit}{spread}");
    let quiet = format!("{:.digits$}{unit}", number("quiet"));
    [text("what"), text("against"), goal, measured, quiet, values, verdict.to_owned()]
}

/// Returns how many programs wanted a processor of late.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_understood_or_refused() {
        let all = Wanted::of(&[]).unwrap();
        assert!(all.sections.is_empty() && all.form == Form::Table && !all.quick);
        let some = Wanted::of(&["load", "--output", "json", "--quick", "group"]).unwrap();
        assert_eq!(
            (some.sections, some.form, some.quick),
            (vec!["load".into(), "group".into()], Form::Json, true)
        );
        assert_eq!(Wanted::of(&["--rounds", "7"]).unwrap().rounds, Some(7));
        assert!(Wanted::of(&["--rounds", "0"]).is_err() && Wanted::of(&["--rounds"]).is_err());
        assert!(Wanted::of(&["everything"]).is_err());
        assert!(Wanted::of(&["--output", "xml"]).is_err());
    }

    #[test]
    fn a_row_tells_its_goal_and_whether_that_is_reached() {
        let mut row = json!({
            "what": "a", "against": "b", "goal": 1.5, "ratio": 1.25, "low": 1.0, "high": 1.5, "quiet": 1.1, "here": "5 B", "there": "4 B",
        });
        assert_eq!(cells(&row), ["a", "b", "<= 1.5x", "1.25x (1.00–1.50)", "1.10x", "5 B, 4 B", "reached"]);
        row["ratio"] = json!(1.6);
        assert_eq!(cells(&row)[6], "MISSED");
        row["goal"] = Value::Null;
        assert_eq!(cells(&row)[6], "–");
        row["unit"] = json!(" ms");
        assert_eq!(cells(&row)[3..5], ["2 ms (1–2)", "1 ms"]);
    }
}
