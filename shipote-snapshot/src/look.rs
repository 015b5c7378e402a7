//! Looking at a file: its report and what was read of it, in one reading instead of two.

use crate::read::{Reading, read};
use crate::report::{Counts, FileProblem, Report, base_name};

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// What [`verify`](crate::verify()) tells of it, to the letter.
    pub report: Report,
    /// What was read. Its problems stand in the report alone.
    pub reading: Reading,
}

/// Judges `bytes` as [`verify`](crate::verify()) does, and keeps what was read. `file` may be a path.
#[must_use]
pub fn look(bytes: &[u8], file: &str) -> Looked {
    let file = base_name(file);
    let mut reading = read(bytes);
    let problems = core::mem::take(&mut reading.problems);
    let report = Report {
        verdict: reading.verdict,
        version: reading.version.clone(),
        file: file.into(),
        sha256: None,
        counts: reading.snapshot.as_ref().map_or_else(Counts::default, Counts::of),
        problems: problems.into_iter().map(|problem| FileProblem { problem, file: file.into() }).collect(),
        more: reading.more,
        journal: None,
        samples: None,
    };
    Looked { report, reading }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;
    use alloc::vec::Vec;

    const FILES: [&[u8]; 6] = [
        include_bytes!("../../tests/fixtures/state/v5-full.json"),
        include_bytes!("../../tests/fixtures/state/v1-full.json"),
        include_bytes!("../../tests/fixtures/state/damaged-types.json"),
        include_bytes!("../../tests/fixtures/state/damaged-ids.json"),
        include_bytes!("../../tests/fixtures/state/damaged-pipelines.json"),
        include_bytes!("../../tests/fixtures/state/newer.json"),
    ];

    #[test]
    fn the_report_is_that_of_verify_for_whole_and_for_damaged_files() {
        for bytes in FILES {
            assert_eq!(look(bytes, "a/state.json").report, verify(bytes, "a/state.json"));
            for at in (0..bytes.len()).step_by(97) {
                let mut damaged: Vec<u8> = bytes.into();
                damaged[at] = damaged[at].wrapping_add(1);
                assert_eq!(look(&damaged, "x").report, verify(&damaged, "x"), "byte {at}");
                assert_eq!(look(&bytes[..at], "x").report, verify(&bytes[..at], "x"), "cut at {at}");
            }
        }
    }
}
