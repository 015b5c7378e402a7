//! Tests of the crate as a whole, on the fixtures that are kept for every version ever written.

extern crate std;

mod corpus;
mod damage;
mod exhaustive;
mod frozen;
mod journal;
mod loading;
mod properties;
mod recovery;
mod upgrades;

use std::path::Path;
use std::string::String;
use std::vec::Vec;
use std::{format, fs};

use crate::report::verify;

/// Returns the bytes of a file in `tests/fixtures/state`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/state").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the report on `bytes` as lines: verdict, counts, then `severity code line:column pointer message`.
pub(crate) fn told(bytes: &[u8]) -> String {
    let report = verify(bytes, "state.json");
    let version = report.version.as_deref().unwrap_or("null");
    let mut lines = format!("{} version {version} held {}\n", report.verdict, report.counts.held);
    for problem in &report.problems {
        lines.push_str(&format!("{problem}"));
        if !problem.problem.hint.is_empty() {
            lines.push_str(&format!(" ({})", problem.problem.hint));
        }
        for related in &problem.problem.related {
            lines.push_str(&format!(" [{}:{} {}]", related.line, related.column, related.pointer));
        }
        lines.push('\n');
    }
    lines
}
