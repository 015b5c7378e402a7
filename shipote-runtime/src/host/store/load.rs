//! Loading a state directory: what is there, judged by `shipote-snapshot`, and what is done about it.
//!
//! What was never acknowledged is cut off; what is damaged is copied to quarantine and left as it is, unless something
//! beside it has every acknowledged change.

use std::io;
use std::sync::Arc;

use shipote_card::{Problem, Severity};
use shipote_snapshot::{
    Choice, Input, Refusal, SNAPSHOT_VERSION, ShipoteSnapshot, Tail, explain, load_named, render,
};

use super::disk::Disk;
use super::error::StoreError;
use super::ledger::{GENERATIONS, Head, JOURNAL_FILE, Ledger, OLD_JOURNAL_FILE, STATE_FILE, generation};

/// What was found in the state directory.
#[derive(Debug)]
pub struct Loaded {
    /// The state; none where there is nothing yet.
    pub snapshot: Option<ShipoteSnapshot>,
    /// What was wrong with it: held entities, warnings.
    pub problems: Vec<Problem>,
    /// Whether the file is of an older version, so that the next change upgrades it.
    pub upgraded: bool,
    /// How many records of the journal were replayed.
    pub replayed: u64,
}

/// The files as they are read.
struct Found {
    checkpoint: Option<Vec<u8>>,
    /// By name, the oldest first.
    journals: Vec<(&'static str, Vec<u8>)>,
}

impl Found {
    fn journals(&self) -> Vec<&[u8]> {
        self.journals.iter().map(|(_, bytes)| bytes.as_slice()).collect()
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        if name == STATE_FILE {
            return self.checkpoint.as_deref();
        }
        self.journals.iter().find(|(journal, _)| *journal == name).map(|(_, bytes)| bytes.as_slice())
    }
}

impl<D: Disk> Ledger<D> {
    /// Loads what is there, and makes it ready to be written to.
    ///
    /// # Errors
    ///
    /// Refuses a state of a newer version, one that lacks acknowledged changes, and a `state.json` that was edited
    /// while changes waited in the journal. None of the files is changed then.
    pub fn load(&mut self) -> Result<Loaded, StoreError> {
        let found = self.find()?;
        self.has_old = found.bytes(OLD_JOURNAL_FILE).is_some();
        let checkpoint = found.checkpoint.as_deref().map(|bytes| Input { name: STATE_FILE, bytes });
        let journals: Vec<Input<'_>> =
            found.journals.iter().map(|(name, bytes)| Input { name, bytes }).collect();
        let loaded = load_named(checkpoint, &journals);
        let problems: Vec<Problem> = loaded.report.problems.iter().map(|told| told.problem.clone()).collect();
        let first_file =
            loaded.report.problems.first().map_or(STATE_FILE, |told| told.file.as_str()).to_owned();
        match loaded.refusal {
            Some(Refusal::Newer) => {
                let version = loaded.report.version.unwrap_or_default();
                return Err(StoreError::Newer { path: self.path_of(&first_file), version });
            }
            Some(Refusal::Edited) => {
                let waiting = found.journals().iter().map(|bytes| waiting(bytes)).sum();
                return Err(StoreError::Edited { path: self.path_of(STATE_FILE), waiting, problems });
            }
            Some(Refusal::Unreadable | Refusal::Damaged) => {
                return self.go_on_beside(&found, &first_file, problems);
            }
            None => {}
        }
        let mut told = loaded.report.problems.iter().filter(|told| told.file == STATE_FILE);
        let is_lossy = !loaded.beside.is_empty() || told.any(|told| told.problem.severity >= Severity::Error);
        if let (Some(bytes), true) = (&found.checkpoint, is_lossy) {
            // Held entities are written back as they were, unknown fields and bad samples are not; this copy has all.
            self.quarantine(STATE_FILE, bytes, "problems", &problems)?;
        }
        self.known = self.disk.mark(STATE_FILE).map_err(self.io(STATE_FILE, "stat"))?;
        self.folded_len = found.checkpoint.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.digest = loaded.digest;
        let newest = SNAPSHOT_VERSION.to_string();
        let version = loaded.report.version.filter(|_| found.checkpoint.is_some());
        let upgraded = version.as_ref().is_some_and(|version| *version != newest);
        self.backup_of = version.filter(|_| upgraded);
        self.fold_first = found.checkpoint.is_none() || upgraded || loaded.edited;
        self.serial = loaded.serial;
        self.seq = loaded.seq;
        if let Some(snapshot) = &loaded.snapshot {
            self.lineage = snapshot.lineage.clone();
        }
        self.take_journals(&found, loaded.tail, loaded.edited, loaded.replayed)?;
        if let Some(snapshot) = &loaded.snapshot
            && (loaded.replayed > 0 || self.has_old || loaded.edited)
            && let Err(error) = self.fold_loaded(snapshot)
        {
            // All of it is on disk already, in more files than it takes.
            tracing::warn!(%error, "what was found can't be folded into state.json yet");
        }
        Ok(Loaded { snapshot: loaded.snapshot, problems, upgraded, replayed: loaded.replayed })
    }

    fn find(&self) -> Result<Found, StoreError> {
        let mut journals = Vec::new();
        for name in [OLD_JOURNAL_FILE, JOURNAL_FILE] {
            journals.extend(self.read_if_there(name)?.map(|bytes| (name, bytes)));
        }
        Ok(Found { checkpoint: self.read_if_there(STATE_FILE)?, journals })
    }

    pub(super) fn read_if_there(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.disk.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(name, "read")(error)),
        }
    }

    /// Cuts off what was never acknowledged, and goes on with the newest journal where it can be continued.
    fn take_journals(
        &mut self,
        found: &Found,
        tail: Tail,
        edited: bool,
        replayed: u64,
    ) -> Result<(), StoreError> {
        let mut newest = found.journals.last().map(|(name, bytes)| (*name, bytes.len() as u64));
        if let Tail::Torn { journal, offset, .. } = tail {
            for (name, _) in found.journals.iter().skip(journal + 1) {
                self.cut_tail(name, 0)?;
                self.disk.remove(name).map_err(self.io(name, "remove"))?;
            }
            let (name, _) = found.journals[journal];
            self.cut_tail(name, offset)?;
            newest = Some((name, offset));
        }
        match newest {
            // A journal that is empty, or belongs to another `state.json`, is replaced by a new one.
            Some((JOURNAL_FILE, len)) if len > 0 && !edited => self.resume_journal(len, replayed > 0),
            _ => Ok(()),
        }
    }

    pub(super) fn fold_loaded(&mut self, snapshot: &ShipoteSnapshot) -> Result<(), StoreError> {
        let mut snapshot = snapshot.clone();
        self.fold(|head| {
            let Head { serial, journal_seq, timestamp_ms, .. } = *head;
            (snapshot.serial, snapshot.journal_seq, snapshot.timestamp_ms) =
                (serial, journal_seq, timestamp_ms);
            snapshot.producer = super::producer();
            render(&snapshot).into()
        })
    }

    /// Goes on with files beside the damaged ones, where they have every acknowledged change; refuses otherwise.
    fn go_on_beside(
        &mut self,
        found: &Found,
        first_file: &str,
        problems: Vec<Problem>,
    ) -> Result<Loaded, StoreError> {
        let damaged = if found.bytes(first_file).is_some() { first_file } else { STATE_FILE };
        let bytes = found.bytes(damaged).unwrap_or_default();
        let quarantined = self.quarantine(damaged, bytes, "unreadable", &problems)?;
        let mut generations = Vec::new();
        for name in (1..=GENERATIONS).map(generation) {
            // A generation that can't be read is no way on; the others may be.
            generations.extend(self.disk.read(&name).ok().map(|bytes| (name, bytes)));
        }
        let named: Vec<(&str, &[u8])> =
            generations.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let choices = explain(found.checkpoint.as_deref(), &named, &found.journals());
        let Some(choice) = choices.into_iter().find(Choice::is_complete) else {
            return Err(StoreError::Damaged { path: self.path_of(damaged), problems, quarantined });
        };
        tracing::warn!(
            file = damaged,
            copy = %quarantined.display(),
            with = choice.file.as_deref().unwrap_or(JOURNAL_FILE),
            "damaged; what is beside it has every change that was acknowledged, and takes its place"
        );
        for (name, bytes) in found.journals.iter().filter(|(name, _)| *name != damaged) {
            self.quarantine(name, bytes, "beside-damage", &[])?;
        }
        let snapshot = choice.snapshot;
        self.lineage = snapshot.lineage.clone();
        self.serial = snapshot.serial;
        self.seq = choice.seq;
        self.known = self.disk.mark(STATE_FILE).map_err(self.io(STATE_FILE, "stat"))?;
        // What is damaged is in quarantine; as a generation it would push a good one out.
        self.skip_generation = damaged == STATE_FILE;
        self.fold_loaded(&snapshot)?;
        Ok(Loaded { snapshot: Some(snapshot), problems, upgraded: false, replayed: choice.records })
    }
}

/// Counts the changes in a journal.
fn waiting(bytes: &[u8]) -> u64 {
    let changes = shipote_snapshot::journal::records(bytes)
        .filter(|record| matches!(record.entry, shipote_snapshot::Entry::Changes(_)));
    changes.count() as u64
}

/// A text that came out of [`render`], proven to be read back as what it says.
///
/// # Errors
///
/// Returns [`StoreError::Unfaithful`] where it is not.
pub(super) fn prove(text: &Arc<str>, entities: usize) -> Result<(), StoreError> {
    let read = shipote_snapshot::read(text.as_bytes()).snapshot;
    let count = |state: &ShipoteSnapshot| {
        state.workspaces.len()
            + state.saved_pipelines.len()
            + state.live_pipelines.len()
            + state.commands.len()
            + state.held.len()
    };
    if read.as_ref().map(count) == Some(entities) { Ok(()) } else { Err(StoreError::Unfaithful) }
}
