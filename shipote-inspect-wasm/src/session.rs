//! What a page has open: files, and the states that they make.

use std::cell::OnceCell;

use shipote_card::WorkspaceId;
use shipote_snapshot::code;
use shipote_snapshot::gather::is_journal;
use shipote_snapshot::ordered::sort_by_key;
use shipote_snapshot::report::FileProblem;
use shipote_snapshot::samples::is_samples;
use shipote_snapshot::{
    HeldEntity, Input, Point, Refusal, Report, ShipoteSnapshot, UpgradeNote, Verdict, load_named, look,
};

use crate::lean::cover_history;
use crate::overview::overview;
use crate::question::{Question, answer};
use crate::raw::Lines;
use crate::secret::{Environments, environments, is_any_set};
use crate::tell;
use crate::timeline::Event;
use crate::together::group;

/// A file that was opened.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether samples that it holds were left out.
    pub(crate) lean: bool,
    lines: OnceCell<Lines>,
    environments: OnceCell<Environments>,
}

impl File {
    /// Returns where its lines begin, which is found out once.
    pub(crate) fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::of(&self.bytes))
    }

    /// Returns where its environments are, which is found out once.
    pub(crate) fn environments(&self) -> &Environments {
        self.environments.get_or_init(|| environments(&self.bytes))
    }
}

/// A state: what a `state.json` and its journals say.
#[derive(Debug)]
pub(crate) struct State {
    /// Positions of its files; the `state.json` first, if it is there.
    pub(crate) files: Vec<usize>,
    pub(crate) report: Report,
    /// Why a daemon would not go on from it as it is.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) snapshot: Option<ShipoteSnapshot>,
    pub(crate) notes: Vec<UpgradeNote>,
    /// Samples that stand beside it, in the order of their workspaces and of their times.
    pub(crate) points: Vec<Point>,
}

/// Everything that is open.
#[derive(Debug, Default)]
pub struct Session {
    lean: bool,
    pub(crate) files: Vec<File>,
    pub(crate) states: Vec<State>,
    /// What happened in their past, which is found out once.
    pub(crate) events: OnceCell<Vec<Event>>,
}

impl Session {
    /// Begins a file, and makes room for `size` bytes of it.
    pub fn begin(&mut self, name: &str, size: usize) {
        let bytes = Vec::with_capacity(size);
        let (lines, environments) = (OnceCell::new(), OnceCell::new());
        self.files.push(File { name: name.to_owned(), bytes, lean: false, lines, environments });
    }

    /// Takes the next piece of the file that was begun last.
    pub fn take(&mut self, piece: &[u8]) {
        if let Some(last) = self.files.last_mut() {
            last.bytes.extend_from_slice(piece);
        }
    }

    /// From now on, leaves out the samples of files that come, which is most of what a large one holds.
    pub const fn skip_history(&mut self) {
        self.lean = true;
    }

    /// Ends the file that was begun last. Returns whether it is new: the same bytes are not kept twice.
    pub fn end(&mut self) -> bool {
        let Some((last, others)) = self.files.split_last_mut() else { return false };
        if self.lean {
            if is_samples(&last.bytes) {
                self.files.pop();
                return true;
            }
            last.lean = cover_history(&mut last.bytes);
        }
        let is_new = others.iter().all(|file| file.bytes != last.bytes);
        if !is_new {
            self.files.pop();
        }
        is_new
    }

    /// Judges all files, and returns what each state that they make is worth, as a JSON list.
    pub fn judge(&mut self) -> String {
        self.events = OnceCell::new();
        if !self.lean {
            make_room(self.files.iter().map(|file| file.bytes.len()).sum());
        }
        let inputs: Vec<Input<'_>> =
            self.files.iter().map(|file| Input { name: &file.name, bytes: &file.bytes }).collect();
        self.states = group(&inputs)
            .into_iter()
            .map(|mut group| {
                oldest_first(&mut group.journals, &self.files);
                let journals: Vec<Input<'_>> = group.journals.iter().map(|at| inputs[*at]).collect();
                let files = group.files().collect();
                let state = match (group.checkpoint, journals.as_slice()) {
                    (Some(at), []) => State::of_file(files, inputs[at]),
                    // Without its samples it is no longer the file that its journals know.
                    (Some(at), _) if self.files[at].lean => State::of_file(files, inputs[at]),
                    (checkpoint, journals) => {
                        State::of_loaded(files, load_named(checkpoint.map(|at| inputs[at]), journals))
                    }
                };
                let samples: Vec<Input<'_>> = group.samples.iter().map(|at| inputs[*at]).collect();
                state.with_samples(&samples)
            })
            .collect();
        let states: Vec<String> = self.states.iter().map(|state| overview(state, &self.files)).collect();
        tell::Object::new().list("states", &states).end()
    }

    /// Answers a question about what is open: JSON in, JSON or the text of a file out.
    #[must_use]
    pub fn ask(&self, question: &str) -> String {
        match Question::read(question) {
            Ok(question) => answer(self, &question),
            Err(error) => tell::error(&error.to_string()),
        }
    }
}

/// Lets the memory grow at once by as much as a reading mostly needs: growing to it step by step costs a browser as much
/// time as reading does.
fn make_room(size: usize) {
    let mut room: Vec<u8> = Vec::new();
    // There may be none; what is really needed is another question.
    let _ = room.try_reserve_exact(size);
    std::hint::black_box(&mut room);
}

/// Puts journals in order: the one that begins first comes first.
pub(crate) fn oldest_first(journals: &mut [usize], files: &[File]) {
    sort_by_key(journals, |at| base_seq(&files[*at].bytes).into());
}

fn base_seq(journal: &[u8]) -> u64 {
    let first = journal.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    match shipote_snapshot::journal::decode(first) {
        Some(shipote_snapshot::journal::Line::Header(header)) => header.base_seq,
        Some(shipote_snapshot::journal::Line::Record(record)) => record.seq.saturating_sub(1),
        None => u64::MAX,
    }
}

/// Puts samples in the order of their workspaces, and those of each in the order of their times.
pub(crate) fn in_order(points: &mut [Point]) {
    sort_by_key(points, |point| point.at_ms.into());
    sort_by_key(points, |point| point.workspace.as_u128());
}

/// Returns the samples of one workspace, of some that are in order.
pub(crate) fn points_of(points: &[Point], workspace: WorkspaceId) -> &[Point] {
    let from = points.partition_point(|point| point.workspace < workspace);
    let to = points.partition_point(|point| point.workspace <= workspace);
    &points[from..to]
}

impl State {
    fn of_file(files: Vec<usize>, input: Input<'_>) -> Self {
        let looked = look(input.bytes, input.name);
        let reading = looked.reading;
        let refusal = match (&reading.snapshot, reading.verdict) {
            (Some(_), _) => None,
            (None, Verdict::Newer) => Some(Refusal::Newer),
            (None, _) => Some(Refusal::Unreadable),
        };
        Self {
            files,
            report: looked.report,
            refusal,
            snapshot: reading.snapshot,
            notes: reading.notes,
            points: Vec::new(),
        }
    }

    fn of_loaded(files: Vec<usize>, loaded: shipote_snapshot::Loaded) -> Self {
        Self {
            files,
            report: loaded.report,
            refusal: loaded.refusal,
            snapshot: loaded.snapshot,
            notes: loaded.notes,
            points: Vec::new(),
        }
    }

    /// Adds files of samples.
    fn with_samples(mut self, files: &[Input<'_>]) -> Self {
        for file in files {
            self.report = self.report.with_samples(*file);
            self.points.append(&mut shipote_snapshot::samples::read(file.bytes).points);
        }
        in_order(&mut self.points);
        self
    }

    /// Returns the position of the file that a report calls `name`.
    pub(crate) fn file_named(&self, files: &[File], name: &str) -> Option<usize> {
        let base = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        self.files.iter().copied().find(|at| base(&files[*at].name) == name)
    }

    /// Returns how many acknowledged changes its journals have lost.
    pub(crate) fn loss(&self) -> Option<u64> {
        self.report.journal.and_then(|journal| journal.loss).map(|loss| loss.changes)
    }

    /// Returns whether its files hold values of environment variables, which may be secrets.
    pub(crate) fn secrets(&self, files: &[File]) -> bool {
        // What is understood tells faster than its text. But fields that are ignored stand in the text alone, and records
        // may hold what was written over since.
        let ignored = [code::UNKNOWN_FIELD, code::LATER_FIELD];
        let is_ignored = |found: &FileProblem| ignored.contains(&found.problem.code.as_str());
        let is_whole =
            self.snapshot.is_some() && self.report.more == 0 && !self.report.problems.iter().any(is_ignored);
        let is_told = |bytes: &[u8]| is_samples(bytes) || is_whole && !is_journal(bytes);
        let mut texts = self.files.iter().map(|at| &files[*at]);
        if texts.any(|file| !is_told(&file.bytes) && is_any_set(&file.bytes, file.environments())) {
            return true;
        }
        let Some(snapshot) = &self.snapshot else { return false };
        let held = |held: &HeldEntity| is_any_set(held.raw.as_bytes(), &environments(held.raw.as_bytes()));
        if snapshot.held.iter().any(held) {
            return true;
        }
        let nodes = snapshot.saved_pipelines.iter().map(|entry| &entry.spec);
        let nodes = nodes.chain(snapshot.live_pipelines.iter().map(|entry| &entry.spec));
        let commands =
            nodes.flat_map(|spec| &spec.nodes).chain(snapshot.commands.iter().map(|entry| &entry.spec));
        let of_command = |command: &shipote_card::CommandRef| {
            let envp = match &command.payload {
                shipote_card::Payload::Native { envp, .. } => !envp.is_empty(),
                shipote_card::Payload::Shell { .. } => false,
            };
            envp || !command.soma.env.is_empty()
        };
        snapshot.workspaces.iter().any(|entry| !entry.spec.soma.env.is_empty())
            || commands.into_iter().any(of_command)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Value;

    /// Opens one file, and returns what is told of its state.
    pub(crate) fn open(bytes: &[u8]) -> (Session, Value) {
        let mut session = Session::default();
        session.begin("state.json", bytes.len());
        session.take(bytes);
        session.end();
        let mut told: Value = serde_json::from_str(&session.judge()).unwrap();
        let state = told["states"][0].take();
        (session, state)
    }

    fn said(bytes: &[u8]) -> String {
        let (_, state) = open(bytes);
        let sentence = &state["sentence"];
        format!(
            "{}: {} {}",
            sentence["tone"].as_str().unwrap(),
            sentence["headline"].as_str().unwrap(),
            sentence["detail"].as_str().unwrap()
        )
    }

    #[test]
    fn without_history_the_rest_is_judged_as_before() {
        let state = include_bytes!("../../tests/fixtures/state/v5-full.json");
        let samples = shipote_snapshot::samples::header(0);
        let mut session = Session::default();
        session.skip_history();
        for (name, bytes) in [("state.json", state.as_slice()), ("stats.journal", samples.as_bytes())] {
            session.begin(name, bytes.len());
            session.take(bytes);
            assert!(session.end());
        }
        let told: Value = serde_json::from_str(&session.judge()).unwrap();
        let state = &told["states"][0];
        assert_eq!((state["verdict"].as_str(), state["samples"].as_u64()), (Some("valid"), Some(0)));
        assert_eq!(state["files"].as_array().unwrap().len(), 1);
        assert!(session.ask(r#"{"ask":"digest"}"#).contains("error"), "the bytes are not those of the file");
    }

    #[test]
    fn each_verdict_is_one_sentence() {
        let cases: [&[u8]; 10] = [
            include_bytes!("../../tests/fixtures/state/v5-full.json"),
            include_bytes!("../../tests/fixtures/state/v5-minimal.json"),
            include_bytes!("../../tests/fixtures/state/v2-full.json"),
            include_bytes!("../../tests/fixtures/state/newer.json"),
            include_bytes!("../../tests/fixtures/state/damaged-pipelines.json"),
            include_bytes!("../../tests/fixtures/state/damaged-truncated.json"),
            b"",
            b"\x1f\x8b",
            b"\x1f\x8b\x08\0\0\0",
            b"[workspace]\n",
        ];
        let said: Vec<String> = cases.iter().map(|bytes| said(bytes)).collect();
        insta::assert_snapshot!(said.join("\n"), @"
        good: A valid state. Version 5, the newest. All of it is understood.
        good: A valid state. Version 5, the newest. Nothing is declared in it yet.
        good: A valid state of version 2. All of it is understood. Shipote upgrades it to version 5 by itself, and keeps the old file beside it.
        newer: Written by a newer Shipote, in version 6. This page knows versions 1 to 5. A newer file is shown as text, never loaded and never overwritten.
        bad: 5 errors and 2 warnings in this state. 4 entities would be held back, and written back as they were found. The rest is restored.
        bad: Cut off: the document does not end. An unfinished write or a partial copy. An earlier generation may stand beside it: state.json.1 to state.json.3.
        bad: This file is empty. An unfinished write or a partial copy. An earlier generation may stand beside it: state.json.1 to state.json.3.
        bad: Not a Shipote state. It looks like a gzip archive; unpack it first.
        bad: Not a Shipote state. It looks like a gzip archive; unpack it first.
        bad: Not a Shipote state. It looks like a card or another TOML file; `shipote check` judges cards.
        ");
    }

    #[test]
    fn a_file_may_be_shorter_than_it_was_said_to_be() {
        let mut session = Session::default();
        session.begin("state.json", 100);
        session.take(b"{}");
        session.end();
        assert!(session.judge().contains("version_missing"));
        assert_eq!(session.files[0].bytes, b"{}");
    }

    #[test]
    fn a_problem_comes_with_its_line() {
        let (_, state) = open(include_bytes!("../../tests/fixtures/state/damaged-ids.json"));
        let problem = &state["problems"][0];
        insta::assert_snapshot!(problem["excerpt"], @r#"{"after":", \"spec\": { \"label\": \"again\" } },","before":"{ \"id\": ","marked":"\"01J9Z3NDEKTSV4RRFFQ69G5FAV\""}"#);
        assert_eq!(problem["at"], 0);
    }

    #[test]
    fn a_secret_in_a_field_that_is_ignored_is_one_too() {
        let (_, state) = open(
            br#"{"version":5,"timestamp_ms":1,"workspaces":[
            {"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"a","env":{"TOKEN":"s3cret"}}}]}"#,
        );
        assert_eq!(state["secrets"], true);
        let (_, state) = open(include_bytes!("../../tests/fixtures/state/v5-minimal.json"));
        assert_eq!(state["secrets"], false);
    }

    #[test]
    fn two_states_are_two() {
        let mut session = Session::default();
        for name in ["a.json", "b.json"] {
            session.begin(name, 1);
            session.take(&name.as_bytes()[..1]);
            assert!(session.end());
        }
        session.begin("again.json", 1);
        session.take(b"a");
        assert!(!session.end(), "the same bytes");
        let told: Value = serde_json::from_str(&session.judge()).unwrap();
        assert_eq!(told["states"].as_array().unwrap().len(), 2);
        assert_eq!(told["states"][1]["title"], "b.json");
    }
}
