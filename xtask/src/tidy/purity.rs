//! What must build where there is no operating system: no clock, no file and no thread can then slip in.

use std::path::Path;

use super::Problem;
use crate::{program, tools};

/// The target without a standard library; `wasm32-unknown-unknown` has one, and would let everything pass.
const BARE: &str = "wasm32v1-none";

/// Crates, and the arguments that leave only their pure part.
const PURE: &[(&str, &[&str])] =
    &[("shipote-card", &[]), ("shipote-snapshot", &[]), ("shipote-runtime", &["--no-default-features"])];

/// Checks each pure crate by itself; the compiler's own words go to the terminal.
pub(super) fn check(root: &Path) -> Vec<Problem> {
    if let Err(message) = tools::targets(root) {
        return vec![Problem::new(
            "xtask/src/tidy/purity.rs",
            1,
            format!("not checked, install first: {message}"),
        )];
    }
    let mut problems = Vec::new();
    for (krate, arguments) in PURE {
        let mut check = program::cargo(root, &["check", "--quiet", "--target", BARE, "-p", krate]);
        if program::run(check.args(*arguments)).is_err() {
            let message = format!("{krate} does not build for {BARE}: something in it is not pure");
            problems.push(Problem::new(format!("{krate}/src/lib.rs"), 1, message));
        }
    }
    problems
}
