//! What a file of samples is worth, and every line of it that is not what was written.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use shipote_card::Severity;

use super::{SAMPLES_VERSION, Samples, read};
use crate::code;
use crate::load::Input;
use crate::ordered::sort_by_key;
use crate::place::{Finding, Findings, Stretch};
use crate::report::{FileProblem, base_name};

/// What a file of samples holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SamplesReport {
    /// Points: samples, or stretches of time with several.
    pub points: u64,
    /// Workspaces that they are of.
    pub workspaces: u64,
    /// Time of the first, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Time of the last, in milliseconds since the Unix epoch.
    pub to_ms: Option<u64>,
    /// Lines that are not what was written.
    pub damaged: u64,
}

impl SamplesReport {
    /// Returns what two files hold together; a workspace that is in both counts in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            points: self.points + other.points,
            workspaces: self.workspaces + other.workspaces,
            from_ms: self.from_ms.into_iter().chain(other.from_ms).min(),
            to_ms: self.to_ms.max(other.to_ms),
            damaged: self.damaged + other.damaged,
        }
    }
}

/// Judges a file of samples: what it holds, its problems, and how many further ones are not listed. No problem of it
/// concerns the state.
#[must_use]
pub fn judge(file: Input<'_>) -> (SamplesReport, Vec<FileProblem>, u64) {
    let Samples { points, damaged, newer } = read(file.bytes);
    let mut findings = Findings::default();
    let mut tell = |severity, code, at, message: String, hint: &str| {
        findings.add(severity, || Finding {
            severity,
            code,
            pointer: String::new(),
            at,
            message,
            hint: hint.into(),
            related: None,
        });
    };
    if let Some(version) = newer {
        let message = format!(
            "version {version} of the samples is newer than {SAMPLES_VERSION}, the newest known here"
        );
        let hint = "use the Shipote that wrote it, or a later one";
        tell(Severity::Note, code::VERSION_NEWER, Stretch { offset: 0, len: 0 }, message, hint);
    }
    for line in &damaged {
        let at = Stretch { offset: line.offset, len: line.len };
        let (code, message, hint) = if line.is_torn {
            (code::TORN_TAIL, "the last line of samples was not written to its end", "it is not used")
        } else {
            (
                code::SAMPLE_DAMAGED,
                "a line of samples is not what was written",
                "the samples of this line are lost; the state is not concerned",
            )
        };
        tell(Severity::Warning, code, at, message.into(), hint);
    }
    let mut workspaces: Vec<u128> = points.iter().map(|point| point.workspace.as_u128()).collect();
    sort_by_key(&mut workspaces, |id| *id);
    workspaces.dedup();
    let times = points.iter().map(|point| point.at_ms);
    let report = SamplesReport {
        points: points.len() as u64,
        workspaces: workspaces.len() as u64,
        from_ms: times.clone().min(),
        to_ms: times.max(),
        damaged: damaged.iter().filter(|line| !line.is_torn).count() as u64,
    };
    let (problems, more) = findings.told(file.bytes);
    let name = base_name(file.name);
    let problems = problems.into_iter().map(|problem| FileProblem { problem, file: name.into() });
    (report, problems.collect(), more)
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn damage_is_told_with_its_place() {
        let mut text = [header(0), sample(1_000, 1).encode(), sample(2_000, 2).encode()].concat();
        let begin = text.find('\n').unwrap() + 1;
        text.replace_range(begin..begin + 8, "00000000");
        text.push_str("12345678 {\"works");
        let (report, problems, more) = judge(Input { name: "dir/stats.journal", bytes: text.as_bytes() });
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {problem}\n", problem.file)).collect();
        insta::assert_snapshot!(lines.concat(), @r"
        stats.journal: warning sample_damaged 2:1 (document) a line of samples is not what was written
        stats.journal: warning torn_tail 4:1 (document) the last line of samples was not written to its end
        ");
        assert_eq!((report.points, report.damaged, report.to_ms, more), (1, 1, Some(2_000), 0));
    }
}
