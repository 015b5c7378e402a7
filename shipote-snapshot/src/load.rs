//! Loading: `state.json` and its journals to one state, by the same rule after every way of stopping.
//!
//! The journals are replayed on top of `state.json`, the older one first; records that it holds already are skipped.
//! It reads and judges; what is cut off, kept beside or refused is done by the caller.

pub(crate) mod replay;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use shipote_card::{Place, Problem, Severity};

use self::replay::{beginning, count_changes, hold_broken, take_changes, waiting_for_unknown};
use crate::code;
use crate::digest::Digest;
use crate::domain::{Lineage, SNAPSHOT_VERSION, ShipoteSnapshot};
use crate::journal::{Chain, Entry, Header, OnDamage, Scan, Start, follow, know, scan};
use crate::place::{Findings, MOST_PROBLEMS};
use crate::read::{Beside, Reading, Verdict, read};
use crate::report::{Counts, FileProblem, JournalReport, Report, base_name};
use crate::upgrade::UpgradeNote;

/// The usual names of files.
pub(crate) const STATE_FILE: &str = "state.json";
const JOURNAL_FILE: &str = "state.journal";
const OLD_JOURNAL_FILE: &str = "state.journal.old";

/// A file: its name or path for the report, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// Its name; of a path, the last part is told.
    pub name: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The state: `state.json` with every record that could be replayed.
    ///
    /// Where there is a [`refusal`](Self::refusal) it is for looking at only. None where nothing is there yet, and
    /// where the document as a whole is unreadable or newer.
    pub snapshot: Option<ShipoteSnapshot>,
    /// Sequence number of the last change that is in the state; the next record gets one more.
    pub seq: u64,
    /// The highest sequence number that is known to be on disk.
    pub durable_seq: u64,
    /// The highest serial that a `state.json` has, or was about to have; the next one gets one more.
    pub serial: u64,
    /// How many records were replayed.
    pub replayed: u64,
    /// How the journals end.
    pub tail: Tail,
    /// Why a daemon must not go on from this state; none where it may.
    pub refusal: Option<Refusal>,
    /// Whether `state.json` is not the one that the journal knows, and is taken as it is.
    ///
    /// Before it adds records, a daemon then has to write a `state.json` of its own and begin a new journal: with records
    /// behind it, an edit is refused.
    pub edited: bool,
    /// Digest of `state.json`, where there is one.
    pub digest: Option<Digest>,
    /// Verdict and every problem, for scripts.
    pub report: Report,
    /// What the upgrade of `state.json` to the newest version changed.
    pub notes: Vec<UpgradeNote>,
    /// Parts of `state.json` that were ignored.
    pub beside: Vec<Beside>,
}

/// How the journals end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tail {
    /// With a whole record, or without any.
    Clean,
    /// With something that was never acknowledged: all from here on, later journals included.
    Torn {
        /// Position of the journal among those that were given, from 0.
        journal: usize,
        /// Where it begins, in bytes.
        offset: u64,
        /// Bytes to the end of that journal.
        len: u64,
    },
}

/// Changes that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// How many records; those that tell of a new `state.json` count too.
    pub changes: u64,
    /// Sequence number of the first one.
    pub from_seq: u64,
    /// Sequence number of the last one.
    pub to_seq: u64,
    /// When the last change before them was made, in milliseconds since the Unix epoch, where that is known.
    pub from_ms: Option<u64>,
    /// When the last of them was made, where that is known.
    pub to_ms: Option<u64>,
}

/// Why a daemon must not go on from what was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Something is of a version that is not known here.
    Newer,
    /// `state.json` is unreadable as a document.
    Unreadable,
    /// Acknowledged changes are missing, or a record is not understood.
    Damaged,
    /// `state.json` was edited by hand, or another one was put in its place, while records waited to be folded in.
    Edited,
}

/// Loads `state.json`, if there is one, and its journals: `state.journal`, after `state.journal.old` where that is
/// there.
#[must_use]
pub fn load(checkpoint: Option<&[u8]>, journals: &[&[u8]]) -> Loaded {
    let name = |index| if index + 1 == journals.len() { JOURNAL_FILE } else { OLD_JOURNAL_FILE };
    let journals: Vec<Input<'_>> =
        journals.iter().enumerate().map(|(index, bytes)| Input { name: name(index), bytes }).collect();
    load_named(checkpoint.map(|bytes| Input { name: STATE_FILE, bytes }), &journals)
}

/// Loads files of any name, as [`load`] does; the oldest journal comes first.
#[must_use]
pub fn load_named(checkpoint: Option<Input<'_>>, journals: &[Input<'_>]) -> Loaded {
    let mut loader = Loader::new(checkpoint, journals);
    if loader.refusal.is_none() {
        loader.replay();
    }
    loader.finish()
}

struct Loader<'a> {
    checkpoint: Option<Input<'a>>,
    journals: &'a [Input<'a>],
    reading: Reading,
    digest: Option<Digest>,
    scans: Vec<Scan>,
    /// What is wrong with each journal.
    findings: Vec<Findings>,
    /// What is wrong between `state.json` and the journals.
    between: Vec<FileProblem>,
    chain: Option<Chain>,
    replayed: u64,
    edited: bool,
    refusal: Option<Refusal>,
}

impl<'a> Loader<'a> {
    fn new(checkpoint: Option<Input<'a>>, journals: &'a [Input<'a>]) -> Self {
        let scans: Vec<Scan> = journals.iter().map(|input| scan(input.bytes)).collect();
        let reading = checkpoint.map_or_else(nothing, |input| read(input.bytes));
        let refusal = match (&reading.snapshot, reading.verdict) {
            (None, Verdict::Newer) => Some(Refusal::Newer),
            (None, _) if checkpoint.is_some() => Some(Refusal::Unreadable),
            _ => None,
        };
        Self {
            checkpoint,
            journals,
            reading,
            digest: checkpoint.map(|input| Digest::of(input.bytes)),
            findings: scans.iter().map(|_| Findings::default()).collect(),
            scans,
            between: Vec::new(),
            chain: None,
            replayed: 0,
            edited: false,
            refusal,
        }
    }

    fn replay(&mut self) {
        let first = self.scans.iter().find_map(Scan::header).cloned();
        let mut other_lineage = false;
        match (&self.reading.snapshot, &first) {
            (None, Some(header)) if self.checkpoint.is_none() => {
                if header.base_seq > 0 || header.base_digest.is_some() {
                    self.refuse_without_checkpoint(header);
                    return;
                }
                self.reading.snapshot = Some(beginning(header));
                self.reading.version = Some(format!("{SNAPSHOT_VERSION}"));
            }
            (Some(snapshot), Some(_)) => other_lineage = self.has_other_lineage(&snapshot.lineage),
            _ => {}
        }
        let start = match (&self.reading.snapshot, &first) {
            // Numbers of two lines of states have nothing to do with each other.
            (_, Some(header)) if other_lineage => Start { seq: header.base_seq, at_ms: None },
            (Some(state), _) => Start { seq: state.journal_seq, at_ms: Some(state.timestamp_ms) },
            (None, _) => Start { seq: 0, at_ms: None },
        };
        let chain = follow(&mut self.scans, start, OnDamage::Stop, &mut self.findings);
        let waiting = match &self.reading.snapshot {
            Some(_) if other_lineage => count_changes(&self.scans),
            Some(state) => waiting_for_unknown(&self.scans, state),
            None => 0,
        };
        let known =
            self.digest.is_none_or(|digest| know(&self.scans, digest)) || first.is_none() && waiting == 0;
        self.refusal = match () {
            () if chain.newer => Some(Refusal::Newer),
            () if chain.loss.is_some() => Some(Refusal::Damaged),
            () if waiting > 0 && (!known || other_lineage) => Some(Refusal::Edited),
            () => None,
        };
        let is_contested = self.refusal == Some(Refusal::Edited);
        if is_contested && other_lineage {
            let message = "the records of the journal belong to another line of states than this file";
            let hint = "put the files together that belong together";
            self.tell(Severity::Error, code::LINEAGE_DIFFERS, message, hint);
        } else if is_contested {
            let records =
                if waiting == 1 { "1 record waits".into() } else { format!("{waiting} records wait") };
            let message = format!("the file was changed while nothing ran, and {records} to be folded in");
            let hint = "`shipote state recover` shows what each of the two would lose";
            self.tell(Severity::Error, code::EDITED_WITH_JOURNAL, &message, hint);
        } else if (other_lineage || !known) && self.refusal.is_none() {
            self.edited = true;
            let hint = "no record waits to be folded in, so it is taken as it is";
            self.tell(Severity::Note, code::EDITED, "the file was changed while nothing ran", hint);
        }
        if known && !other_lineage {
            self.apply(&chain);
        }
        self.chain = Some(chain);
    }

    /// Takes the records of `chain` into the state.
    fn apply(&mut self, chain: &Chain) {
        let (Some(snapshot), Some(last)) = (&mut self.reading.snapshot, chain.replay.last()) else { return };
        self.replayed = chain.replay.len() as u64;
        snapshot.journal_seq = chain.seq;
        snapshot.timestamp_ms = snapshot.timestamp_ms.max(chain.at_ms.unwrap_or(0));
        let changes = take_changes(&mut self.scans, &chain.replay);
        if !changes.is_empty() {
            snapshot.apply(changes);
            let last = (last.0, self.scans[last.0].lines[last.1].at);
            hold_broken(snapshot, self.journals, &mut self.findings, last);
        }
    }

    fn has_other_lineage(&self, lineage: &Lineage) -> bool {
        self.scans.iter().filter_map(Scan::header).any(|header| header.lineage != *lineage)
    }

    fn refuse_without_checkpoint(&mut self, header: &Header) {
        let message =
            format!("there is no state.json, and the journal continues one up to change {}", header.base_seq);
        let hint = "`shipote state recover` shows what the generations beside it hold";
        self.tell(Severity::Error, code::CHECKPOINT_MISSING, &message, hint);
        self.refusal = Some(Refusal::Damaged);
    }

    fn tell(&mut self, severity: Severity, code: &str, message: &str, hint: &str) {
        let file = self.checkpoint.map_or(STATE_FILE, |input| base_name(input.name)).to_owned();
        let place = Place { pointer: String::new(), line: 1, column: 1, offset: 0 };
        let problem = Problem {
            severity,
            code: code.into(),
            place,
            len: 0,
            message: message.into(),
            hint: hint.into(),
            related: Vec::new(),
        };
        self.between.push(FileProblem { problem, file });
    }

    fn finish(self) -> Loaded {
        let Reading { verdict, version, snapshot, problems, mut more, notes, beside } = self.reading;
        let file = self.checkpoint.map_or(STATE_FILE, |input| base_name(input.name)).to_owned();
        let mut all: Vec<FileProblem> =
            problems.into_iter().map(|problem| FileProblem { problem, file: file.clone() }).collect();
        all.extend(self.between);
        let refused = self.findings.iter().any(Findings::refuse);
        for (findings, input) in self.findings.into_iter().zip(self.journals) {
            let (problems, further) = findings.told(input.bytes);
            more += further;
            let name = base_name(input.name);
            all.extend(problems.into_iter().map(|problem| FileProblem { problem, file: name.into() }));
        }
        more += all.len().saturating_sub(MOST_PROBLEMS) as u64;
        all.truncate(MOST_PROBLEMS);
        let serials = self.scans.iter().flat_map(Scan::records).filter_map(|record| match record.entry {
            Entry::Checkpoint { serial, .. } => Some(serial),
            Entry::Changes(_) => None,
        });
        let serial = serials.chain(snapshot.as_ref().map(|state| state.serial)).max().unwrap_or(0);
        let own_seq = snapshot.as_ref().map_or(0, |state| state.journal_seq);
        let chain = self.chain;
        let replayed = chain.as_ref().filter(|_| self.replayed > 0);
        let journal = JournalReport {
            records: self.replayed,
            from_seq: replayed.map(|chain| chain.seq + 1 - self.replayed),
            to_seq: replayed.map(|chain| chain.seq),
            tail: chain.as_ref().map_or(Tail::Clean, |chain| chain.tail),
            loss: chain.as_ref().and_then(|chain| chain.loss),
        };
        let verdict = match self.refusal {
            Some(Refusal::Newer) => Verdict::Newer,
            Some(_) => Verdict::Invalid,
            None if refused => Verdict::Invalid,
            None => verdict,
        };
        let report = Report {
            verdict,
            version,
            file,
            sha256: None,
            counts: snapshot.as_ref().map_or_else(Counts::default, Counts::of),
            problems: all,
            more,
            journal: (!self.journals.is_empty()).then_some(journal),
            samples: None,
        };
        Loaded {
            seq: chain.as_ref().map_or(own_seq, |chain| chain.seq.max(own_seq)),
            durable_seq: chain.as_ref().map_or(own_seq, |chain| chain.durable_seq.max(own_seq)),
            serial,
            replayed: self.replayed,
            tail: journal.tail,
            refusal: self.refusal,
            edited: self.edited,
            digest: self.digest,
            snapshot,
            report,
            notes,
            beside,
        }
    }
}

/// Returns what is read where there is no `state.json`.
const fn nothing() -> Reading {
    Reading {
        verdict: Verdict::Valid,
        version: None,
        snapshot: None,
        problems: Vec::new(),
        more: 0,
        notes: Vec::new(),
        beside: Vec::new(),
    }
}
