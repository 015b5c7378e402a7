//! The one test command: every step in order, none left out because an earlier one failed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{self, cargo};
use crate::{Outcome, generate, inspector, tidy, tools};

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Full,
    /// What needs no optimised build.
    Quick,
}

/// Runs the tests and ends with the line that says how many passed.
pub fn run(root: &Path, extent: Extent) -> Outcome {
    let mut report = Report::default();
    report.step("tools", |_| tools::ensure(root));
    report.step("format", |_| program::run(&mut cargo(root, &["fmt", "--all", "--check"])));
    report.step("lints", |_| {
        let scope = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
        program::run(&mut cargo(root, &scope))
    });
    report.step("tidy", |_| tidy::run(root));
    report.step("unit tests", |tally| {
        tally
            .watch(&mut cargo(root, &["test", "--workspace", "--exclude", "shipote-tests", "--no-fail-fast"]))
    });
    if extent == Extent::Full {
        full(root, &mut report);
    } else {
        report.step("generated files", |_| generate::run(root, generate::Mode::Check));
    }
    report.close()
}

/// Runs the steps that share the optimised program, and the inspector page that it carries.
fn full(root: &Path, report: &mut Report) {
    let mut page = Err("the page was not built".to_owned());
    report.step("inspector page", |_| {
        page = inspector::page(root);
        page.clone().map(|_| ())
    });
    let mut build = cargo(root, &["build", "--release", "-p", "shipote-daemon", "--bin", "shipote"]);
    // Without it, only what is about the page can't be tested.
    if let Ok(page) = &page {
        build.env("SHIPOTE_PAGE", page);
    }
    report.step("release build", |_| program::run(&mut build));
    let program = match program::built(root, "release") {
        Ok(directory) => directory.join("shipote"),
        Err(message) => return report.step("integration tests", |_| Err(message)),
    };
    report.step("integration tests", |tally| {
        tally.watch(
            cargo(root, &["test", "-p", "shipote-tests", "--no-fail-fast"]).env("SHIPOTE_BIN", &program),
        )
    });
    report.step("inspector", |tally| inspector::test(root, &page?, &program, |line| tally.see(line)));
    report.step("generated files", |_| generate::with(root, &program, generate::Mode::Check));
}

/// What the test programs of cargo said of themselves.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    fn watch(&mut self, command: &mut Command) -> Outcome {
        program::watch(command, |line| self.see(line))
    }

    /// Adds the counts of a line `test result: ok. 3 passed; 0 failed; …`, or of one such as `ℹ pass 3` of Node.js.
    fn see(&mut self, line: &str) {
        if let Some((kind, number)) = line.strip_prefix("ℹ ").and_then(|rest| rest.split_once(' ')) {
            return match (kind, number.parse::<u64>()) {
                ("pass", Ok(number)) => self.passed += number,
                ("fail" | "cancelled", Ok(number)) => self.failed += number,
                ("skipped" | "todo", Ok(number)) => self.ignored += number,
                _ => {}
            };
        }
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, kind)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[derive(Debug, Default)]
struct Report {
    steps: Vec<(&'static str, Duration, Outcome)>,
    tests: Tally,
}

impl Report {
    fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Tally) -> Outcome) {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = work(&mut self.tests);
        let took = start.elapsed();
        match &outcome {
            Ok(()) => println!("=== {name}: ok, {:.1} s", took.as_secs_f32()),
            Err(message) => println!("=== {name}: FAILED, {:.1} s: {message}", took.as_secs_f32()),
        }
        self.steps.push((name, took, outcome));
    }

    /// Prints the table of steps and the closing line.
    fn close(self) -> Outcome {
        println!();
        for (name, took, outcome) in &self.steps {
            let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
            println!("{name:<20}{:>8.1} s  {verdict}", took.as_secs_f32());
        }
        let broken: Vec<&str> =
            self.steps.iter().filter(|(.., outcome)| outcome.is_err()).map(|(name, ..)| *name).collect();
        let passed = self.tests.passed + (self.steps.len() - broken.len()) as u64;
        let failed = self.tests.failed + broken.len() as u64;
        println!("\n{} tests ignored; steps count as one each", self.tests.ignored);
        println!("{passed} passed, {failed} failed");
        if broken.is_empty() { Ok(()) } else { Err(format!("failed: {}", broken.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up_and_others_do_not_count() {
        let mut tally = Tally::default();
        tally.see(
            "test result: ok. 28 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 7.17s",
        );
        tally.see("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s");
        tally.see("12 passed; 4 failed");
        for line in
            ["ℹ tests 9", "ℹ pass 7", "ℹ fail 1", "ℹ skipped 1", "ℹ duration_ms 1234.5", "ℹ pass the salt"]
        {
            tally.see(line);
        }
        assert_eq!(tally, Tally { passed: 37, failed: 4, ignored: 2 });
    }

    #[test]
    fn a_failed_step_fails_the_run_and_the_others_still_count() {
        let mut report = Report::default();
        report.step("one", |_| Err("broken".to_owned()));
        report.step("two", |tally| {
            tally.see("test result: ok. 5 passed; 0 failed");
            Ok(())
        });
        assert_eq!(report.tests.passed, 5);
        assert_eq!(report.close(), Err("failed: one".to_owned()));
    }
}
