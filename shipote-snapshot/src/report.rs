//! The report of `state verify`: verdict, counts and every problem of one file, in the form that scripts read.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use shipote_card::{Problem, Severity};

use crate::digest::Digest;
use crate::domain::{Collection, ShipoteSnapshot};
use crate::examine::{Entity, examine};
use crate::load::{Input, Loss, Tail};
use crate::place::MOST_PROBLEMS;
use crate::read::{Reading, Verdict, read_clean};
use crate::samples::{self, SamplesReport};

/// What `state verify` tells of one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the file is worth.
    pub verdict: Verdict,
    /// The number that stands as its version, of any size; null where no number does.
    #[serde(serialize_with = "as_number")]
    pub version: Option<String>,
    /// Base name of the file.
    pub file: String,
    /// SHA-256 of its bytes in hexadecimal, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How much it holds; zeros where the document as a whole is unreadable.
    pub counts: Counts,
    /// What is wrong, by place; at most 1 000.
    pub problems: Vec<FileProblem>,
    /// Further problems that are not listed.
    pub more: u64,
    /// What the journals added, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalReport>,
    /// What the files of samples hold, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<SamplesReport>,
}

/// What the journals of a state added to its `state.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JournalReport {
    /// Records that were replayed.
    pub records: u64,
    /// Sequence number of the first of them.
    pub from_seq: Option<u64>,
    /// Sequence number of the last of them.
    pub to_seq: Option<u64>,
    /// How the last journal ends.
    pub tail: Tail,
    /// What is lost where nothing but the part before the damage is used.
    pub loss: Option<Loss>,
}

/// How many entities a file holds, those with errors included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Workspaces.
    pub workspaces: u64,
    /// Pipelines saved by name.
    pub saved_pipelines: u64,
    /// Live pipelines.
    pub live_pipelines: u64,
    /// Supervised commands.
    pub commands: u64,
    /// Entities with errors, which would be held and not restored.
    pub held: u64,
}

/// A problem, and the file that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
    /// Base name of the file.
    pub file: String,
}

impl fmt::Display for FileProblem {
    /// Writes `severity code line:column pointer message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { severity, code, place, message, .. } = &self.problem;
        let severity = match severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        };
        let pointer = if place.pointer.is_empty() { "(document)" } else { &place.pointer };
        write!(f, "{severity} {code} {}:{} {pointer} {message}", place.line, place.column)
    }
}

/// Judges `bytes` and finds every problem in them. `file` may be a path.
#[must_use]
pub fn verify(bytes: &[u8], file: &str) -> Report {
    let file = base_name(file);
    if let Some(Reading { verdict, version, snapshot: Some(snapshot), .. }) = read_clean(bytes) {
        let counts = Counts::of(&snapshot);
        let file = file.into();
        return Report {
            verdict,
            version,
            file,
            sha256: None,
            counts,
            problems: Vec::new(),
            more: 0,
            journal: None,
            samples: None,
        };
    }
    let examination = examine(bytes);
    let counts =
        examination.body.as_ref().map_or_else(Counts::default, |body| Counts::of_entities(&body.entities));
    let (problems, more) = examination.findings.told(bytes);
    Report {
        verdict: examination.verdict,
        version: examination.version,
        file: file.into(),
        sha256: None,
        counts,
        problems: problems.into_iter().map(|problem| FileProblem { problem, file: file.into() }).collect(),
        more,
        journal: None,
        samples: None,
    }
}

/// Returns the last part of a path.
pub(crate) fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

impl Report {
    /// Adds what a file of samples holds, and what is wrong with it. No problem of samples changes the verdict.
    #[must_use]
    pub fn with_samples(mut self, file: Input<'_>) -> Self {
        let (report, problems, more) = samples::judge(file);
        let known = self.samples.get_or_insert_default();
        *known = known.and(&report);
        self.problems.extend(problems);
        self.more += more + self.problems.len().saturating_sub(MOST_PROBLEMS) as u64;
        self.problems.truncate(MOST_PROBLEMS);
        self
    }

    /// Adds the SHA-256 of the file's `bytes`. Hashing may take longer than judging, so it is not done unasked.
    #[must_use]
    pub fn with_sha256(mut self, bytes: &[u8]) -> Self {
        self.sha256 = Some(Digest::of(bytes).to_string());
        self
    }
}

impl Counts {
    pub(crate) fn of(snapshot: &ShipoteSnapshot) -> Self {
        let held = |list| snapshot.held.iter().filter(|entity| entity.collection == list).count();
        let count = |list, restored: usize| (restored + held(list)) as u64;
        Self {
            workspaces: count(Collection::Workspaces, snapshot.workspaces.len()),
            saved_pipelines: count(Collection::SavedPipelines, snapshot.saved_pipelines.len()),
            live_pipelines: count(Collection::LivePipelines, snapshot.live_pipelines.len()),
            commands: count(Collection::Commands, snapshot.commands.len()),
            held: snapshot.held.len() as u64,
        }
    }

    fn of_entities(entities: &[Entity<'_>]) -> Self {
        let count = |list| entities.iter().filter(|entity| entity.collection == list).count() as u64;
        Self {
            workspaces: count(Collection::Workspaces),
            saved_pipelines: count(Collection::SavedPipelines),
            live_pipelines: count(Collection::LivePipelines),
            commands: count(Collection::Commands),
            held: entities.iter().filter(|entity| entity.bad).count() as u64,
        }
    }
}

fn as_number<S: Serializer>(number: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let raw: Option<&RawValue> = number.as_deref().and_then(|digits| shipote_card::json::raw(digits).ok());
    raw.serialize(serializer)
}
