//! The ledger: the order of writes by which no crash loses an acknowledged change, over any [`Disk`].
//!
//! A change is a record appended to `state.journal` and synced before it is acknowledged. Folding writes `state.json`
//! anew, with every record up to a number in it:
//!
//! 1. a temporary file is written and synced; the present `state.json` gets a second name as a generation;
//! 2. a checkpoint record with the new digest is appended to the journal and synced;
//! 3. the temporary file is renamed to `state.json`, and the directory synced;
//! 4. a new journal, whose header has the same digest, takes the place of the old one.
//!
//! A fold beside running changes begins with the new journal (the old one stays as `state.journal.old` until step 3 is
//! durable), because the text takes long to make. After a crash between any two steps the rule is the same: replay
//! `state.journal.old` and `state.journal` on top of `state.json`, and skip what it holds already.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shipote_snapshot::{Change, Digest, Entry, Header, Lineage, Record, encode_header, encode_record};

use super::disk::{Disk, FileMark};
use super::error::StoreError;
use crate::host::clock;

/// The state at rest.
pub const STATE_FILE: &str = "state.json";
/// Every change since.
pub const JOURNAL_FILE: &str = "state.journal";
/// The journal before that, while a fold runs.
pub const OLD_JOURNAL_FILE: &str = "state.journal.old";
/// Previous generations of `state.json` that are kept.
pub const GENERATIONS: u32 = 3;
/// Bytes of a new `state.json` that are written between two looks at the changes that wait.
const CHUNK: usize = 4 << 20;

/// The fields of a `state.json` that are not entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The line of states.
    pub lineage: Lineage,
    /// Its number.
    pub serial: u64,
    /// The last record that is folded in.
    pub journal_seq: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

#[derive(Debug)]
struct Journal<F> {
    file: F,
    /// Bytes that are whole records.
    len: u64,
    /// Whether it has a record of a change.
    has_changes: bool,
}

/// A new `state.json` on its way to the disk.
#[derive(Debug)]
pub struct Writing<F> {
    head: Head,
    text: Arc<str>,
    temporary: String,
    file: F,
    written: usize,
}

/// The files of a state directory, and what is known of them.
#[derive(Debug)]
pub struct Ledger<D: Disk> {
    pub(super) disk: D,
    /// For messages.
    pub(super) path: PathBuf,
    pub(super) lineage: Lineage,
    pub(super) serial: u64,
    /// The last record that was written.
    pub(super) seq: u64,
    /// What `state.json` is known to be, to notice a change by another hand.
    pub(super) known: Option<FileMark>,
    pub(super) digest: Option<Digest>,
    /// Size of `state.json` in bytes.
    pub(super) folded_len: u64,
    /// A version before the newest that was read and is to be kept once.
    pub(super) backup_of: Option<String>,
    /// Whether the present `state.json` is not worth a place among the generations.
    pub(super) skip_generation: bool,
    journal: Option<Journal<D::File>>,
    /// Whether `state.journal.old` is there.
    pub(super) has_old: bool,
    /// Whether `state.json` must be written before the next record: there is none, or it is not one that a journal can
    /// continue.
    pub(super) fold_first: bool,
    /// The first write that the kernel failed to confirm.
    poison: Option<(PathBuf, Arc<io::Error>)>,
}

impl<F> Writing<F> {
    /// Returns its fields that are not entities.
    pub const fn head(&self) -> &Head {
        &self.head
    }
}

impl<D: Disk> Ledger<D> {
    pub(super) fn new(disk: D, path: PathBuf) -> Self {
        Self {
            disk,
            path,
            lineage: Lineage::from_parts(clock::wall_ms(), clock::random_u80()),
            serial: 0,
            seq: 0,
            known: None,
            digest: None,
            folded_len: 0,
            backup_of: None,
            skip_generation: false,
            journal: None,
            has_old: false,
            fold_first: true,
            poison: None,
        }
    }

    /// Returns the head that the next `state.json` gets where no change comes between.
    pub(super) fn next_head(&self) -> Head {
        Head {
            lineage: self.lineage.clone(),
            serial: self.serial + 1,
            // The checkpoint record has a number too; folded in, it is not replayed.
            journal_seq: self.seq + u64::from(self.journal.is_some()),
            timestamp_ms: clock::wall_ms(),
        }
    }

    /// Returns the size of the journal in bytes.
    pub(super) fn journal_len(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.len)
    }

    /// Returns whether there are changes that `state.json` may not hold yet.
    pub(super) fn has_changes(&self) -> bool {
        self.has_old || self.journal.as_ref().is_some_and(|journal| journal.has_changes)
    }

    pub(super) fn io(&self, name: &str, step: &'static str) -> impl FnOnce(io::Error) -> StoreError + use<D> {
        let path = self.path.join(name);
        move |source| StoreError::Io { path, step, source: Arc::new(source) }
    }

    /// Refuses every later write. Once the kernel has failed to confirm one, it may have dropped what it was about.
    fn poison(&mut self, name: &str, error: io::Error) -> StoreError {
        let (path, source) = self.poison.insert((self.path.join(name), Arc::new(error))).clone();
        StoreError::Poisoned { path, source }
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        match self.poison.clone() {
            Some((path, source)) => Err(StoreError::Poisoned { path, source }),
            None => Ok(()),
        }
    }

    /// Goes on with the journal that is there.
    pub(super) fn resume_journal(&mut self, len: u64, has_changes: bool) -> Result<(), StoreError> {
        let file = self.disk.open_append(JOURNAL_FILE).map_err(self.io(JOURNAL_FILE, "open"))?;
        self.journal = Some(Journal { file, len, has_changes });
        Ok(())
    }

    /// Appends changes, each made at its time, as one group, and returns when they are durable.
    ///
    /// # Errors
    ///
    /// Returns what failed. Then none of them is made, on disk as in memory.
    pub fn append(&mut self, group: Vec<(u64, Change)>) -> Result<(), StoreError> {
        self.check_poison()?;
        if self.fold_first {
            return Err(StoreError::Unfolded { path: self.path_of(STATE_FILE) });
        }
        if self.journal.is_none() {
            self.begin_journal(false)?;
        }
        let durable_seq = self.seq;
        let mut text = String::new();
        let mut seq = self.seq;
        for (at_ms, change) in group {
            seq += 1;
            text.push_str(&encode_record(&change.into_record(seq, at_ms, durable_seq)));
        }
        self.append_text(&text)?;
        self.seq = seq;
        if let Some(journal) = &mut self.journal {
            journal.has_changes = true;
        }
        Ok(())
    }

    fn append_text(&mut self, text: &str) -> Result<(), StoreError> {
        let failed = self.io(JOURNAL_FILE, "write");
        let Some(journal) = &mut self.journal else { return Err(StoreError::Gone) };
        if !self.disk.is_linked(&journal.file) {
            // What is written to it can't be found again. The next `state.json` begins another one.
            self.journal = None;
            self.fold_first = true;
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "was removed while the daemon ran")));
        }
        if let Err(error) = self.disk.append(&mut journal.file, text.as_bytes()) {
            return match self.disk.truncate(&mut journal.file, journal.len) {
                Ok(()) => Err(failed(error)),
                // A part of a record would stand before the next ones.
                Err(error) => Err(self.poison(JOURNAL_FILE, error)),
            };
        }
        if let Err(error) = self.disk.sync(&mut journal.file) {
            // Best effort: what was refused should not come back with the next start.
            let _ = self.disk.truncate(&mut journal.file, journal.len);
            return Err(self.poison(JOURNAL_FILE, error));
        }
        journal.len += text.len() as u64;
        Ok(())
    }

    /// Begins a journal behind all that was written so far; `keep_old` keeps the present one as the old one.
    fn begin_journal(&mut self, keep_old: bool) -> Result<(), StoreError> {
        let header = Header {
            lineage: self.lineage.clone(),
            base_serial: self.serial,
            base_seq: self.seq,
            base_digest: self.digest,
            at_ms: clock::wall_ms(),
        };
        let text = encode_header(&header);
        let temporary = temporary_name();
        let file = self.write_temporary(&temporary, text.as_bytes())?;
        if keep_old && let Err(error) = self.disk.rename(JOURNAL_FILE, OLD_JOURNAL_FILE) {
            // Found again by the next start, where it stays.
            let _ = self.disk.remove(&temporary);
            return Err(self.io(JOURNAL_FILE, "rename")(error));
        }
        self.has_old |= keep_old;
        if keep_old && let Err(error) = self.disk.sync_dir("") {
            // The new name would take the place of the only one that the old journal surely has.
            return Err(self.poison(OLD_JOURNAL_FILE, error));
        }
        if let Err(error) = self.disk.rename(&temporary, JOURNAL_FILE) {
            let _ = self.disk.remove(&temporary);
            let back = if keep_old { self.disk.rename(OLD_JOURNAL_FILE, JOURNAL_FILE) } else { Ok(()) };
            return match back {
                Ok(()) => {
                    self.has_old &= !keep_old;
                    Err(self.io(JOURNAL_FILE, "rename")(error))
                }
                Err(error) => Err(self.poison(JOURNAL_FILE, error)),
            };
        }
        self.journal = Some(Journal { file, len: text.len() as u64, has_changes: false });
        // Records in a journal without a durable name would be acknowledged and lost.
        self.disk.sync_dir("").map_err(|error| self.poison(JOURNAL_FILE, error))
    }

    /// Writes and syncs a file of a new name.
    fn write_temporary(&mut self, temporary: &str, bytes: &[u8]) -> Result<D::File, StoreError> {
        let mut file = self.disk.create(temporary).map_err(self.io(temporary, "create"))?;
        let written = self.disk.append(&mut file, bytes).map_err(self.io(temporary, "write"));
        let synced = written.and_then(|()| self.disk.sync(&mut file).map_err(self.io(temporary, "sync")));
        if let Err(error) = synced {
            // Found again by the next start, where it stays.
            let _ = self.disk.remove(temporary);
            return Err(error);
        }
        Ok(file)
    }

    /// Writes `state.json` anew at once, and begins a new journal behind it.
    ///
    /// # Errors
    ///
    /// Returns what failed; the old content, and the changes since, are there as before.
    pub fn fold(&mut self, render: impl FnOnce(&Head) -> Arc<str>) -> Result<(), StoreError> {
        let head = self.next_head();
        let text = render(&head);
        let mut writing = self.begin_writing(head, text)?;
        while !self.write_chunk(&mut writing)? {}
        self.put_in_place(writing)?;
        self.begin_journal(false)?;
        self.drop_old()
    }

    /// Puts the journal aside for a fold beside running changes. Returns the head of the new `state.json`.
    ///
    /// # Errors
    ///
    /// Returns what failed; nothing has changed then.
    pub fn put_journal_aside(&mut self) -> Result<Head, StoreError> {
        self.check_poison()?;
        let head = Head { journal_seq: self.seq, ..self.next_head() };
        // A fold that was cut off has left an old journal, behind which the present one stays until both are folded in.
        if !self.has_old {
            self.begin_journal(true)?;
        }
        Ok(head)
    }

    /// Begins to write a new `state.json`.
    ///
    /// # Errors
    ///
    /// Returns what failed; nothing has changed then.
    pub fn begin_writing(&mut self, head: Head, text: Arc<str>) -> Result<Writing<D::File>, StoreError> {
        self.check_poison()?;
        let temporary = temporary_name();
        let file = self.disk.create(&temporary).map_err(self.io(STATE_FILE, "create"))?;
        Ok(Writing { head, text, temporary, file, written: 0 })
    }

    /// Writes and syncs the next part of it; returns whether that was the last one.
    ///
    /// # Errors
    ///
    /// Returns what failed; the writing is given up then.
    pub fn write_chunk(&mut self, writing: &mut Writing<D::File>) -> Result<bool, StoreError> {
        let rest = &writing.text.as_bytes()[writing.written..];
        let chunk = &rest[..rest.len().min(CHUNK)];
        let result = self
            .disk
            .append(&mut writing.file, chunk)
            .map_err(self.io(STATE_FILE, "write"))
            .and_then(|()| self.disk.sync(&mut writing.file).map_err(self.io(STATE_FILE, "sync")));
        if let Err(error) = result {
            self.remove_temporary(&writing.temporary);
            return Err(error);
        }
        writing.written += chunk.len();
        Ok(writing.written == writing.text.len())
    }

    /// Puts a new `state.json` that is written whole in the place of the present one.
    ///
    /// # Errors
    ///
    /// Returns what failed; the old content, and the changes since, are there as before.
    pub fn put_in_place(&mut self, writing: Writing<D::File>) -> Result<(), StoreError> {
        let Writing { head, text, temporary, .. } = writing;
        let result = self.replace(&head, &text, &temporary);
        if result.is_err() {
            self.remove_temporary(&temporary);
        }
        result
    }

    fn replace(&mut self, head: &Head, text: &str, temporary: &str) -> Result<(), StoreError> {
        let digest = Digest::of(text.as_bytes());
        self.keep_foreign_change()?;
        self.keep_generations()?;
        if self.journal.is_some() {
            let seq = self.seq + 1;
            let entry = Entry::Checkpoint { serial: head.serial, digest };
            let record = Record { seq, at_ms: head.timestamp_ms, durable_seq: self.seq, entry };
            self.append_text(&encode_record(&record))?;
            self.seq = seq;
            // Known by a record, even where the rename fails: another one of this number would be another content.
            self.serial = head.serial;
        }
        self.disk.rename(temporary, STATE_FILE).map_err(self.io(STATE_FILE, "rename"))?;
        // The file is ours from here on, whether or not the directory can be synced.
        self.known = self.disk.mark(STATE_FILE).unwrap_or(None);
        (self.serial, self.digest) = (head.serial, Some(digest));
        self.seq = self.seq.max(head.journal_seq);
        self.folded_len = text.len() as u64;
        self.backup_of = None;
        (self.fold_first, self.skip_generation) = (false, false);
        self.disk.sync_dir("").map_err(|error| self.poison(STATE_FILE, error))
    }

    /// Gives up a new `state.json`.
    pub fn give_up(&mut self, writing: Writing<D::File>) {
        self.remove_temporary(&writing.temporary);
    }

    fn remove_temporary(&mut self, temporary: &str) {
        // Gone already where it was renamed; else found again by the next start.
        let _ = self.disk.remove(temporary);
    }

    /// Removes the old journal, which a durable `state.json` holds now.
    ///
    /// # Errors
    ///
    /// Returns what failed; the old journal is then removed by a later fold.
    pub fn drop_old(&mut self) -> Result<(), StoreError> {
        if self.has_old {
            self.disk.remove(OLD_JOURNAL_FILE).map_err(self.io(OLD_JOURNAL_FILE, "remove"))?;
            self.has_old = false;
            self.disk.sync_dir("").map_err(self.io("", "sync"))?;
        }
        Ok(())
    }

    /// Keeps a copy of a `state.json` that is not the one this daemon read or wrote last.
    fn keep_foreign_change(&mut self) -> Result<(), StoreError> {
        let mark = self.disk.mark(STATE_FILE).map_err(self.io(STATE_FILE, "stat"))?;
        if mark == self.known {
            return Ok(());
        }
        match self.disk.read(STATE_FILE) {
            Ok(bytes) => {
                let copy = self.quarantine(STATE_FILE, &bytes, "changed-by-another-hand", &[])?;
                tracing::warn!(copy = %copy.display(), "state.json was changed by another hand and is replaced");
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.io(STATE_FILE, "read")(error)),
        }
    }

    /// Links the present file as the newest of the previous generations, and once as the backup before an upgrade.
    fn keep_generations(&mut self) -> Result<(), StoreError> {
        let ino = |mark: Option<FileMark>| mark.map(|mark| mark.ino);
        let Some(present) = ino(self.disk.mark(STATE_FILE).map_err(self.io(STATE_FILE, "stat"))?) else {
            return Ok(());
        };
        if let Some(version) = &self.backup_of {
            let backup = format!("{STATE_FILE}.v{version}.bak");
            match self.disk.link(STATE_FILE, &backup) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(self.io(&backup, "link")(error));
                }
                _ => {}
            }
        }
        if self.skip_generation {
            return Ok(());
        }
        let newest = generation(1);
        // A fold that was cut off after this step has kept the present file already. Renaming it onto another name of
        // itself would do nothing (rename(2)), and leave no room for the link.
        if ino(self.disk.mark(&newest).map_err(self.io(&newest, "stat"))?) == Some(present) {
            return Ok(());
        }
        for number in (1..GENERATIONS).rev() {
            match self.disk.rename(&generation(number), &generation(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.io(&generation(number), "rename")(error));
                }
                _ => {}
            }
        }
        match self.disk.remove(&newest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io(&newest, "remove")(error)),
            _ => self.disk.link(STATE_FILE, &newest).map_err(self.io(&newest, "link")),
        }
    }

    /// Keeps a byte-exact copy of something that was not understood, with a report beside it. Returns its path.
    ///
    /// # Errors
    ///
    /// Returns what failed.
    pub fn quarantine(
        &mut self,
        name: &str,
        bytes: &[u8],
        reason: &str,
        problems: &[shipote_card::Problem],
    ) -> Result<PathBuf, StoreError> {
        const DIR: &str = "quarantine";
        self.disk.make_dir(DIR).map_err(self.io(DIR, "make"))?;
        // Named by content, so that a daemon that is restarted in a loop keeps one copy.
        let stem =
            format!("{DIR}/{name}-{:08x}-{}-{reason}", shipote_snapshot::journal::crc32(bytes), bytes.len());
        let copy = format!("{stem}.copy");
        let mut files = vec![(copy.clone(), bytes)];
        let report = serde_json::to_vec_pretty(problems).unwrap_or_default();
        if !problems.is_empty() {
            files.insert(0, (format!("{stem}.report.json"), &report));
        }
        for (name, content) in files {
            if self.disk.mark(&name).map_err(self.io(&name, "stat"))?.is_some() {
                continue;
            }
            // Renamed when it is whole, so that a copy that was cut off is never taken for one.
            let temporary = temporary_name();
            self.write_temporary(&temporary, content)?;
            self.disk.rename(&temporary, &name).map_err(self.io(&name, "rename"))?;
        }
        self.disk.sync_dir(DIR).map_err(self.io(DIR, "sync"))?;
        Ok(self.path.join(copy))
    }

    /// Cuts a journal where something begins that was never acknowledged, and keeps a copy of that.
    pub(super) fn cut_tail(&mut self, name: &str, offset: u64) -> Result<(), StoreError> {
        let bytes = self.disk.read(name).map_err(self.io(name, "read"))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        // A full disk must not keep a daemon from starting over bytes that nobody was promised.
        match self.quarantine(name, &bytes[start..], "never-acknowledged", &[]) {
            Ok(copy) => {
                tracing::warn!(copy = %copy.display(), bytes = bytes.len() - start, "cut off: what {name} ended with was never acknowledged");
            }
            Err(error) => tracing::warn!(%error, "what {name} ended with is cut off without a copy"),
        }
        let mut file = self.disk.open_append(name).map_err(self.io(name, "open"))?;
        self.disk.truncate(&mut file, offset).map_err(self.io(name, "cut"))?;
        self.disk.sync(&mut file).map_err(self.io(name, "sync"))
    }

    /// Returns the path of a file, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(Path::new(name))
    }
}

/// Returns the name of a previous generation of `state.json`.
pub(super) fn generation(number: u32) -> String {
    format!("{STATE_FILE}.{number}")
}

/// Returns a name that nothing else has.
pub(in crate::host) fn temporary_name() -> String {
    format!(".state.{:016x}.tmp", clock::random_u64())
}
